package disk

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// open is a store on a folder, with a bucket "b".
func open(t testing.TB, dir string) *Store {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(dir, "objects.db"), store.Options{Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Dir: filepath.Join(dir, "objects"), DB: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); db.Close() })
	if err := s.CreateBucket(t.Context(), object.Bucket{Name: "b", Owner: "1"}); err != nil && !errors.Is(err, object.ErrBucketExists) {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, key, text string) object.Info {
	t.Helper()
	info, err := s.Put(t.Context(), object.Put{Bucket: "b", Key: key, Event: "ObjectCreated:Put"}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(t testing.TB, s *Store, key, version string) string {
	t.Helper()
	_, c, err := s.Open(t.Context(), "b", key, version)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func files(t testing.TB, s *Store) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.c.Dir, "??", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestPutGet(t *testing.T) {
	s := open(t, t.TempDir())
	for _, size := range []int{0, 1, 16 << 10, 16<<10 + 1, 3 << 20} {
		text := strings.Repeat("x", size)
		info := put(t, s, "k", text)
		if info.Size != int64(size) || info.ETag != fmt.Sprintf("%x", md5.Sum([]byte(text))) || info.Version != "null" || !info.Latest {
			t.Errorf("%d bytes: %+v", size, info)
		}
		if got := get(t, s, "k", ""); got != text {
			t.Errorf("%d bytes came back as %d", size, len(got))
		}
	}
	if n := files(t, s); n != 1 {
		t.Errorf("%d files for one object", n)
	}
	if _, err := s.Delete(t.Context(), object.Delete{Bucket: "b", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if n := files(t, s); n != 0 {
		t.Errorf("%d files for none", n)
	}
	if _, err := s.Head(t.Context(), "b", "k", ""); !errors.Is(err, object.ErrNoKey) {
		t.Error(err)
	}
}

// TestReadersKeepContents: what is read stays, whatever becomes of the object.
func TestReadersKeepContents(t *testing.T) {
	s := open(t, t.TempDir())
	text := strings.Repeat("old", 100_000)
	put(t, s, "k", text)
	_, c, err := s.Open(t.Context(), "b", "k", "")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "new")
	if b, err := io.ReadAll(c); err != nil || string(b) != text {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if n := files(t, s); n != 1 {
		t.Errorf("%d files while one is read", n)
	}
	c.Close()
	if n := files(t, s); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestVersions(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	put(t, s, "k", "zero")
	if err := s.SetVersioning(ctx, "b", object.Enabled); err != nil {
		t.Fatal(err)
	}
	one, two := put(t, s, "k", "one"), put(t, s, "k", "two")
	if one.Version == two.Version || one.Sequencer >= two.Sequencer || len(one.Version) != 32 {
		t.Errorf("%+v, %+v", one, two)
	}
	gone, err := s.Delete(ctx, object.Delete{Bucket: "b", Key: "k"})
	if err != nil || !gone.Marker {
		t.Fatal(gone, err)
	}
	if _, err := s.Head(ctx, "b", "k", ""); !errors.Is(err, object.ErrNoKey) || !errors.Is(err, object.ErrDeleteMarker) {
		t.Error(err)
	}
	if got := get(t, s, "k", one.Version) + get(t, s, "k", "null"); got != "onezero" {
		t.Error(got)
	}
	if _, err := s.Delete(ctx, object.Delete{Bucket: "b", Key: "k", Version: gone.Version}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "k", ""); got != "two" {
		t.Error(got)
	}
	if err := s.SetVersioning(ctx, "b", object.Suspended); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "three") // in the place of zero
	page, err := s.ListVersions(ctx, "b", object.Listing{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, o := range page.Objects {
		all = append(all, fmt.Sprint(get(t, s, "k", o.Version), o.Latest))
	}
	if got := strings.Join(all, " "); got != "threetrue twofalse onefalse" {
		t.Error(got)
	}
	if err := s.SetVersioning(ctx, "b", object.Unversioned); !errors.Is(err, object.ErrVersionedForever) {
		t.Error(err)
	}
}

func TestConditions(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	try := func(c object.Condition) error {
		_, err := s.Put(ctx, object.Put{Bucket: "b", Key: "k", If: c}, strings.NewReader("x"))
		return err
	}
	if err := try(object.Condition{Match: "*"}); !errors.Is(err, object.ErrNoKey) {
		t.Error(err)
	}
	if err := try(object.Condition{Absent: true}); err != nil {
		t.Error(err)
	}
	if err := try(object.Condition{Absent: true}); !errors.Is(err, object.ErrPrecondition) {
		t.Error(err)
	}
	if err := try(object.Condition{Match: "no"}); !errors.Is(err, object.ErrPrecondition) {
		t.Error(err)
	}
	if err := try(object.Condition{Match: fmt.Sprintf("%x", md5.Sum([]byte("x")))}); err != nil {
		t.Error(err)
	}
	if _, err := s.Put(ctx, object.Put{Bucket: "none", Key: "k"}, strings.NewReader("x")); !errors.Is(err, object.ErrNoBucket) {
		t.Error(err)
	}
}

// TestOneOfManyWins: of writers that all want to be the first, one is.
func TestOneOfManyWins(t *testing.T) {
	s := open(t, t.TempDir())
	won := make(chan bool, 20)
	for range 20 {
		go func() {
			_, err := s.Put(context.Background(), object.Put{Bucket: "b", Key: "k", If: object.Condition{Absent: true}}, strings.NewReader(strings.Repeat("x", 20_000)))
			won <- err == nil
		}()
	}
	n := 0
	for range 20 {
		if <-won {
			n++
		}
	}
	if n != 1 || files(t, s) != 1 {
		t.Errorf("%d won, %d files", n, files(t, s))
	}
}

// TestListing compares pages with what a listing of everything would be, for random
// keys, prefixes and delimiters.
func TestListing(t *testing.T) {
	s, ctx, r := open(t, t.TempDir()), t.Context(), rand.New(rand.NewSource(1))
	keys := map[string]bool{}
	for range 300 {
		var k []byte
		for range 1 + r.Intn(6) {
			k = append(k, "ab/\xff"[r.Intn(4)])
		}
		keys[string(k)] = true
	}
	for k := range keys {
		put(t, s, k, "x")
	}
	for _, prefix := range []string{"", "a", "a/", "b/a", "\xff", "nothing"} {
		for _, delimiter := range []string{"", "/", "a", "/a"} {
			var want []string
			for k := range keys {
				if !strings.HasPrefix(k, prefix) {
					continue
				}
				if p, ok := common(k, object.Listing{Prefix: prefix, Delimiter: delimiter}); ok {
					k = p
				}
				want = append(want, k)
			}
			slices.Sort(want)
			want = slices.Compact(want)
			for _, limit := range []int{1, 7, 1000} {
				got := pages(t, func(after, _ string) (object.Listed, error) {
					return s.List(ctx, "b", object.Listing{Prefix: prefix, Delimiter: delimiter, After: after, Limit: limit})
				}, limit)
				if !slices.Equal(got, want) {
					t.Fatalf("prefix %q, delimiter %q, limit %d:\n%q\n%q", prefix, delimiter, limit, got, want)
				}
				if got := pages(t, func(after, version string) (object.Listed, error) {
					return s.ListVersions(ctx, "b", object.Listing{Prefix: prefix, Delimiter: delimiter, After: after, AfterVersion: version, Limit: limit})
				}, limit); !slices.Equal(got, want) {
					t.Fatalf("versions: prefix %q, delimiter %q, limit %d:\n%q\n%q", prefix, delimiter, limit, got, want)
				}
			}
		}
	}
}

// pages are the names on all pages, in order.
func pages(t *testing.T, page func(after, version string) (object.Listed, error), limit int) []string {
	t.Helper()
	var all []string
	after, version := "", ""
	for {
		p, err := page(after, version)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(p.Objects) + len(p.Prefixes); n > limit || p.Truncated && n != limit {
			t.Fatalf("%d entries on a page of %d", n, limit)
		}
		var names []string
		for _, o := range p.Objects {
			names = append(names, o.Key)
		}
		names = append(names, p.Prefixes...)
		slices.Sort(names)
		all = append(all, names...)
		if !p.Truncated {
			return all
		}
		after, version = p.Next, p.NextVersion
	}
}

func TestUpload(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	u, err := s.CreateUpload(ctx, object.Put{Bucket: "b", Key: "big", Checksums: []string{"CRC32C", "CRC64NVME"}, Meta: object.Meta{Headers: map[string]string{"Content-Type": "a/b"}}})
	if err != nil {
		t.Fatal(err)
	}
	var whole []byte
	var parts []object.PartInfo
	for n := 1; n <= 3; n++ {
		data := bytes.Repeat([]byte{byte('a' + n)}, leastPart+n)
		if n == 3 {
			data = data[:9]
		}
		p, err := s.PutPart(ctx, object.UploadPart{Bucket: "b", Key: "big", ID: u.ID, Number: n}, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		parts, whole = append(parts, p), append(whole, data...)
	}
	if _, err := s.PutPart(ctx, object.UploadPart{Bucket: "b", Key: "big", ID: u.ID, Number: 9}, bytes.NewReader(whole)); err != nil {
		t.Fatal(err) // is left out
	}
	bad := slices.Clone(parts)
	bad[1].ETag = "0"
	if _, err := s.CompleteUpload(ctx, object.Complete{Bucket: "b", Key: "big", ID: u.ID, Parts: bad, Size: -1}); !errors.Is(err, object.ErrPart) {
		t.Error(err)
	}
	c := object.Complete{Bucket: "b", Key: "big", ID: u.ID, Parts: parts, Size: -1, Full: true}
	info, err := s.CompleteUpload(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := newDigests([]string{"CRC32C", "CRC64NVME"})
	d.writer().Write(whole)
	if sums := d.sums(); info.Checksums["CRC32C"] != sums["CRC32C"] || info.Checksums["CRC64NVME"] != sums["CRC64NVME"] {
		t.Errorf("%v, the content's are %v", info.Checksums, sums)
	}
	if info.Size != int64(len(whole)) || !strings.HasSuffix(info.ETag, "-3") || info.Meta.Headers["Content-Type"] != "a/b" {
		t.Errorf("%+v", info)
	}
	if got := get(t, s, "big", ""); got != string(whole) {
		t.Errorf("%d bytes", len(got))
	}
	if again, err := s.CompleteUpload(ctx, c); err != nil || again.ETag != info.ETag {
		t.Errorf("a second time: %+v, %v", again, err)
	}
	if n := files(t, s); n != 2 { // the third part is in a row, the ninth is gone
		t.Errorf("%d files", n)
	}
	copied, err := s.Copy(ctx, object.Source{Bucket: "b", Key: "big"}, object.Put{Bucket: "b", Key: "copy"})
	if err != nil || copied.ETag != fmt.Sprintf("%x", md5.Sum(whole)) {
		t.Errorf("%+v, %v", copied, err)
	}
	if _, err := s.Delete(ctx, object.Delete{Bucket: "b", Key: "big"}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "copy", ""); got != string(whole) {
		t.Errorf("%d bytes of the copy", len(got))
	}
	if n := files(t, s); n != 2 {
		t.Errorf("%d files while a copy needs two", n)
	}
}

func TestCopyPart(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	text := strings.Repeat("0123456789", 1<<20)
	put(t, s, "source", text)
	u, err := s.CreateUpload(ctx, object.Put{Bucket: "b", Key: "cut"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.CopyPart(ctx, object.UploadPart{Bucket: "b", Key: "cut", ID: u.ID, Number: 1}, object.Source{Bucket: "b", Key: "source", Offset: 5, Length: 100_000})
	if err != nil || p.ETag != fmt.Sprintf("%x", md5.Sum([]byte(text[5:100_005]))) {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := s.CompleteUpload(ctx, object.Complete{Bucket: "b", Key: "cut", ID: u.ID, Parts: []object.PartInfo{p}, Size: -1}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "cut", ""); got != text[5:100_005] {
		t.Errorf("%d bytes", len(got))
	}
	for _, r := range [][2]int64{{0, 10}, {99_990, 10}, {50_000, 3}} {
		_, c, err := s.Open(ctx, "b", "cut", "")
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, r[1])
		if _, err := c.ReadAt(b, r[0]); err != nil || string(b) != text[5+r[0]:5+r[0]+r[1]] {
			t.Errorf("%q, %v", b, err)
		}
		c.Close()
	}
}

func TestAbort(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	u, err := s.CreateUpload(ctx, object.Put{Bucket: "b", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second takes the first's place
		if _, err := s.PutPart(ctx, object.UploadPart{Bucket: "b", Key: "k", ID: u.ID, Number: 1}, strings.NewReader(strings.Repeat("x", 20_000))); err != nil {
			t.Fatal(err)
		}
	}
	if n := files(t, s); n != 1 {
		t.Errorf("%d files", n)
	}
	page, err := s.ListUploads(ctx, "b", object.Listing{Limit: 10})
	if err != nil || len(page.Uploads) != 1 || page.Uploads[0].ID != u.ID {
		t.Errorf("%+v, %v", page, err)
	}
	if err := s.AbortUpload(ctx, "b", "k", u.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.AbortUpload(ctx, "b", "k", u.ID); !errors.Is(err, object.ErrNoUpload) {
		t.Error(err)
	}
	if n := files(t, s); n != 0 {
		t.Errorf("%d files", n)
	}
}

func TestOutbox(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	put(t, s, "in/quiet", "x") // before anybody wants to know
	rule := object.Rule{ID: "r", Target: "arn", Events: []string{"s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"}, Prefix: "in/"}
	if err := s.SetNotification(ctx, "b", object.Notification{Rules: []object.Rule{rule}}); err != nil {
		t.Fatal(err)
	}
	got := make(chan []object.Change)
	go func() {
		c, err := s.Changes(context.Background(), 0, 10)
		if err != nil {
			t.Error(err)
		}
		got <- c
	}()
	put(t, s, "out/k", "x")
	put(t, s, "in/k", "xyz")
	c := <-got
	if len(c) != 1 || c[0].Event != "ObjectCreated:Put" || c[0].Object.Key != "in/k" || c[0].Object.Size != 3 || len(c[0].Rules) != 1 || c[0].Owner != "1" {
		t.Fatalf("%+v", c)
	}
	if err := s.Told(ctx, c[0].Seq); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(ctx, object.Delete{Bucket: "b", Key: "in/k"}); err != nil {
		t.Fatal(err)
	}
	d, err := s.Changes(ctx, c[0].Seq, 10)
	if err != nil || len(d) != 1 || d[0].Event != "ObjectRemoved:Delete" || d[0].Object.Sequencer <= c[0].Object.Sequencer {
		t.Errorf("%+v, %v", d, err)
	}
	s.Close()
	if _, err := s.Changes(ctx, d[0].Seq, 10); err == nil {
		t.Error("waits in a closed store")
	}
}

func TestBuckets(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	put(t, s, "k", "x")
	if err := s.DeleteBucket(ctx, "b"); !errors.Is(err, object.ErrBucketNotEmpty) {
		t.Error(err)
	}
	if _, err := s.Configuration(ctx, "b", "cors"); !errors.Is(err, object.ErrNoConfiguration) {
		t.Error(err)
	}
	if err := s.Configure(ctx, "b", "cors", []byte("<x/>")); err != nil {
		t.Error(err)
	}
	if doc, err := s.Configuration(ctx, "b", "cors"); string(doc) != "<x/>" {
		t.Error(string(doc), err)
	}
	if _, err := s.Delete(ctx, object.Delete{Bucket: "b", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUpload(ctx, object.Put{Bucket: "b", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteBucket(ctx, "b"); err != nil {
		t.Error(err)
	}
	if err := s.DeleteBucket(ctx, "b"); !errors.Is(err, object.ErrNoBucket) {
		t.Error(err)
	}
	for _, n := range []string{"c", "a", "b"} {
		if err := s.CreateBucket(ctx, object.Bucket{Name: n}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.ListBuckets(ctx, "", "a", 10)
	if err != nil || len(all) != 2 || all[0].Name != "b" {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestExpire(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	s.c.Now = func() time.Time { return now }
	put(t, s, "logs/old", "x")
	put(t, s, "keep/old", "x")
	u, err := s.CreateUpload(ctx, object.Put{Bucket: "b", Key: "logs/half"})
	if err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour
	if err := s.SetExpiry(ctx, "b", []object.Expiry{{Prefix: "logs/", Age: 2 * day, UploadAge: day}}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at      time.Time
		objects int
		upload  bool
	}{
		{now.Add(day), 2, true},
		{time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), 2, false},
		{time.Date(2026, 1, 3, 23, 59, 0, 0, time.UTC), 2, false},
		{time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC), 1, false},
	} {
		now = step.at
		if err := s.Expire(ctx); err != nil {
			t.Fatal(err)
		}
		page, err := s.List(ctx, "b", object.Listing{Limit: 10})
		if err != nil || len(page.Objects) != step.objects {
			t.Errorf("%v: %d objects, %v", now, len(page.Objects), err)
		}
		if _, err := s.Upload(ctx, "b", "logs/half", u.ID); (err == nil) != step.upload {
			t.Errorf("%v: %v", now, err)
		}
	}
}

func TestExpireVersions(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	s.c.Now = func() time.Time { return now }
	if err := s.SetVersioning(ctx, "b", object.Enabled); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		put(t, s, "k", fmt.Sprint(i))
	}
	day := 24 * time.Hour
	rule := object.Expiry{Age: 5 * day, NoncurrentAge: day, NoncurrentKeep: 1, OrphanedMarkers: true}
	count := func() (n int) {
		page, err := s.ListVersions(ctx, "b", object.Listing{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Objects)
	}
	for _, step := range []struct {
		days, keep, want int
	}{{1, 1, 4}, {3, 1, 2}, {7, 1, 3}, {9, 1, 2}, {10, 0, 1}, {11, 0, 0}} { // in the end a marker with one version, the marker, nothing
		rule.NoncurrentKeep = step.keep
		if err := s.SetExpiry(ctx, "b", []object.Expiry{rule}); err != nil {
			t.Fatal(err)
		}
		now = time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC).Add(time.Duration(step.days) * day)
		if err := s.Expire(ctx); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != step.want {
			t.Errorf("after %d days: %d versions, not %d", step.days, n, step.want)
		}
	}
}

func TestCombine(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, algorithm := range []string{"CRC32", "CRC32C", "CRC64NVME"} {
		c, _ := crcOf(algorithm)
		for range 20 {
			data := make([]byte, r.Intn(100_000)+1)
			r.Read(data)
			at := r.Intn(len(data) + 1)
			sum := func(b []byte) uint64 {
				h, _ := newDigest(algorithm)
				h.Write(b)
				n, err := c.number(base64.StdEncoding.EncodeToString(h.Sum(nil)))
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			if got := c.combine(sum(data[:at]), sum(data[at:]), int64(len(data)-at)); got != sum(data) {
				t.Errorf("%s of %d and %d bytes", algorithm, at, len(data)-at)
			}
		}
	}
	h, _ := newDigest("CRC64NVME")
	io.WriteString(h, "123456789")
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != "ae8b14860a799888" {
		t.Errorf("CRC-64/NVME of 123456789 is %s", got)
	}
}
