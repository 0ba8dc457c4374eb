package code

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A part is one entry of a zip made for a test.
type part struct {
	name string
	body string
	mode fs.FileMode
	edit func(*zip.FileHeader)
}

func file(name, body string) part { return part{name: name, body: body, mode: 0o644} }
func link(name, target string) part {
	return part{name: name, body: target, mode: fs.ModeSymlink | 0o777}
}

func build(t testing.TB, parts ...part) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, p := range parts {
		h := &zip.FileHeader{Name: p.name, Method: zip.Deflate}
		h.SetMode(p.mode)
		if p.edit != nil {
			p.edit(h)
		}
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(f, p.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "code"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func unpack(t testing.TB, s *Store, name string, z []byte) string {
	t.Helper()
	dir, err := s.Unpack(t.Context(), name, bytes.NewReader(z), int64(len(z)))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tree describes everything below dir: mode, name and content.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		line := fmt.Sprintf("%v %s", fi.Mode(), rel)
		switch {
		case fi.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			line += " -> " + target
		case fi.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += " " + string(data)
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestUnpack(t *testing.T) {
	when := time.Date(2024, 5, 6, 7, 8, 10, 0, time.UTC)
	z := build(t,
		part{name: "index.py", body: "x = 1", mode: 0o600},
		part{name: "bin/tool", body: "#!", mode: 0o700 | fs.ModeSetuid, edit: func(h *zip.FileHeader) { h.Modified = when }},
		part{name: "empty/", mode: fs.ModeDir | 0o700, edit: func(h *zip.FileHeader) { h.Modified = when }},
		file("./naïve/ファイル.txt", "ok"),
		file(`back\slash`, "a name like others"),
		file("twice", "first"), file("twice", "last"), file("TWICE", "another"),
		link("bin/alias", "tool"), link("up", "bin/../index.py"), link("task", "/var/task/index.py"),
	)
	s := newStore(t)
	dir := unpack(t, s, "abc", z)
	if want := filepath.Join(s.dir, "abc"); dir != want {
		t.Errorf("unpacked to %s, not %s", dir, want)
	}
	same(t, tree(t, dir),
		"-rw-r--r-- TWICE another",
		`-rw-r--r-- back\slash a name like others`,
		"drwxr-xr-x bin", "Lrwxrwxrwx bin/alias -> tool", "-rwxr-xr-x bin/tool #!",
		"drwxr-xr-x empty", "-rw-r--r-- index.py x = 1",
		"drwxr-xr-x naïve", "-rw-r--r-- naïve/ファイル.txt ok",
		"Lrwxrwxrwx task -> /var/task/index.py", "-rw-r--r-- twice last", "Lrwxrwxrwx up -> bin/../index.py")
	for _, name := range []string{"bin/tool", "empty"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || !fi.ModTime().Equal(when) {
			t.Errorf("%s: time %v, error %v; want time %v", name, fi.ModTime(), err, when)
		}
	}
	info, err := Inspect(bytes.NewReader(z), int64(len(z)))
	if err != nil || info.Files != 9 || info.Unzipped != 75 {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
}

func TestRefused(t *testing.T) {
	flags := func(bits uint16) func(*zip.FileHeader) { return func(h *zip.FileHeader) { h.Flags |= bits } }
	for name, c := range map[string]struct {
		parts []part
		want  error
	}{
		"parent":               {[]part{file("../x", "")}, ErrUnsafe},
		"inner parent":         {[]part{file("a/../../x", "")}, ErrUnsafe},
		"harmless parent":      {[]part{file("a/../x", "")}, ErrUnsafe},
		"absolute":             {[]part{file("/etc/x", "")}, ErrUnsafe},
		"backslash parent":     {[]part{file(`..\x`, "")}, ErrUnsafe},
		"backslash absolute":   {[]part{file(`\\host\x`, "")}, ErrUnsafe},
		"drive":                {[]part{file(`C:\x`, "")}, ErrUnsafe},
		"drive with slash":     {[]part{file(`c:/x`, "")}, ErrUnsafe},
		"device":               {[]part{{name: "null", mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}}, ErrUnsafe},
		"pipe":                 {[]part{{name: "p", mode: fs.ModeNamedPipe | 0o666}}, ErrUnsafe},
		"socket":               {[]part{{name: "s", mode: fs.ModeSocket | 0o666}}, ErrUnsafe},
		"link out":             {[]part{link("l", "../x")}, ErrUnsafe},
		"link out of depth":    {[]part{link("a/b/l", "../../../x")}, ErrUnsafe},
		"link to the root":     {[]part{link("l", "/")}, ErrUnsafe},
		"link to passwd":       {[]part{link("l", "/etc/passwd")}, ErrUnsafe},
		"link to task and out": {[]part{link("l", "/var/task/../../etc/passwd")}, ErrUnsafe},
		"link through a link":  {[]part{link("a/b/c", "../.."), link("l", "a/b/c/../..")}, ErrUnsafe},
		"link through task":    {[]part{link("a", "/var/task/x"), link("l", "a/../../../x")}, ErrUnsafe},
		"behind a link":        {[]part{link("d", "."), file("d/x", "")}, ErrUnsafe},
		"behind a later link":  {[]part{file("d/x", ""), link("d", ".")}, ErrUnsafe},
		"below a file":         {[]part{file("f", ""), file("f/x", "")}, ErrBadZip},
		"no target":            {[]part{link("l", "")}, ErrBadZip},
		"long target":          {[]part{link("l", strings.Repeat("x/", 3000))}, ErrBadZip},
		"encrypted":            {[]part{{name: "x", mode: 0o644, edit: flags(1)}}, ErrBadZip},
		"nul":                  {[]part{file("a\x00b", "")}, ErrBadZip},
		"long name":            {[]part{file(strings.Repeat("x", 300), "")}, ErrBadZip},
		"long path":            {[]part{file(strings.Repeat("x/", 2500)+"x", "")}, ErrBadZip},
	} {
		t.Run(name, func(t *testing.T) {
			z := build(t, c.parts...)
			if _, err := Inspect(bytes.NewReader(z), int64(len(z))); !errors.Is(err, c.want) {
				t.Errorf("Inspect: %v, want %v", err, c.want)
			}
			s := newStore(t)
			if _, err := s.Unpack(t.Context(), "x", bytes.NewReader(z), int64(len(z))); !errors.Is(err, c.want) {
				t.Errorf("Unpack: %v, want %v", err, c.want)
			}
			same(t, tree(t, filepath.Dir(s.dir)), "drwx------ code")
		})
	}
}

func TestLoopOfLinksIsKept(t *testing.T) {
	dir := unpack(t, newStore(t), "x", build(t, link("a", "b"), link("b", "a")))
	same(t, tree(t, dir), "Lrwxrwxrwx a -> b", "Lrwxrwxrwx b -> a")
}

func TestBroken(t *testing.T) {
	good := build(t, file("a", strings.Repeat("hello ", 100)))
	broken := map[string][]byte{
		"empty":     {},
		"no zip":    []byte("hello"),
		"cut":       good[:len(good)-10],
		"half":      good[:len(good)/2],
		"bad bytes": slices.Concat(good[:40], []byte{0xff, 0xff, 0xff, 0xff}, good[44:]),
	}
	badSum := slices.Clone(good)
	at := bytes.Index(badSum, []byte("PK\x01\x02"))
	badSum[at+16] ^= 0xff
	if d := bytes.Index(badSum, []byte("PK\x07\x08")); d >= 0 {
		badSum[d+4] ^= 0xff
	}
	broken["bad checksum"] = badSum
	method := slices.Clone(good)
	method[at+10] = 99
	broken["unknown method"] = method
	for name, z := range broken {
		if _, err := Inspect(bytes.NewReader(z), int64(len(z))); !errors.Is(err, ErrBadZip) {
			t.Errorf("%s: %v, want ErrBadZip", name, err)
		}
	}
}

// zeros makes an entry of n zero bytes that says it has said of them.
func bomb(t testing.TB, n int64, said uint64) []byte {
	t.Helper()
	var data bytes.Buffer
	z := zip.NewWriter(&data)
	f, err := z.Create("zeros")
	if err == nil {
		_, err = io.CopyN(f, zeros{}, n)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(data.Bytes()), int64(data.Len()))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.File[0].OpenRaw()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := r.File[0].FileHeader
	h.UncompressedSize64 = said
	out, err := w.CreateRaw(&h)
	if err == nil {
		_, err = io.Copy(out, raw)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestLimit(t *testing.T) {
	const limit = 1 << 20
	for name, c := range map[string]struct {
		n    int64
		said uint64
		want error
	}{
		"at the limit":   {limit, limit, nil},
		"over":           {limit + 1, limit + 1, ErrTooLarge},
		"lies low":       {100 * limit, 10, ErrBadZip},
		"lies high":      {10, 100 * limit, ErrTooLarge},
		"lies very high": {10, 1<<64 - 1, ErrTooLarge},
	} {
		z := bomb(t, c.n, c.said)
		if _, err := inspect(bytes.NewReader(z), int64(len(z)), limit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	var parts []part
	for i := range 5 {
		parts = append(parts, file(fmt.Sprint(i), strings.Repeat("x", limit/4)))
	}
	z := build(t, parts...)
	if _, err := inspect(bytes.NewReader(z), int64(len(z)), limit); !errors.Is(err, ErrTooLarge) {
		t.Errorf("sum over the limit: %v", err)
	}
}

func TestTooManyEntries(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range maxEntries + 1 {
		h := &zip.FileHeader{Name: fmt.Sprint(i)}
		if _, err := w.CreateRaw(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(bytes.NewReader(b.Bytes()), int64(b.Len())); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

// TestZip64 hides the sizes in the zip64 extra field, as large archives do.
func TestZip64(t *testing.T) {
	body := []byte("hello")
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "x", Method: zip.Store, CRC32: crc32.ChecksumIEEE(body),
		CompressedSize64: uint64(len(body)), UncompressedSize64: uint64(len(body))}
	f, err := w.CreateRaw(h)
	if err == nil {
		_, err = f.Write(body)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	z := b.Bytes()
	at := bytes.Index(z, []byte("PK\x01\x02"))
	head, rest := slices.Clone(z[:at+47]), z[at+47:]
	copy(head[at+20:], bytes.Repeat([]byte{0xff}, 8)) // both sizes: see the extra field
	head[at+30] = 20
	extra := []byte{1, 0, 16, 0, 5, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}
	end := slices.Clone(rest)
	end[12] += 20 // size of the central directory
	z = slices.Concat(head, extra, end)
	dir := unpack(t, newStore(t), "x", z)
	same(t, tree(t, dir), "-rw-r--r-- x hello")
}

func TestUnpackOnce(t *testing.T) {
	s := newStore(t)
	z := build(t, file("a", "1"))
	var wg sync.WaitGroup
	reads := &counter{r: bytes.NewReader(z)}
	for range 20 {
		wg.Go(func() {
			if _, err := s.Unpack(t.Context(), "same", reads, int64(len(z))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	once := reads.n
	if _, err := s.Unpack(t.Context(), "same", reads, int64(len(z))); err != nil || reads.n != once || once == 0 {
		t.Errorf("an archive that is there was read again: %d reads, then %d; %v", once, reads.n, err)
	}
	same(t, tree(t, s.dir), "drwxr-xr-x same", "-rw-r--r-- same/a 1")
}

// A counter counts reads; it is not safe for use by several at once, which the
// race detector would say.
type counter struct {
	r io.ReaderAt
	n int
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) { c.n++; return c.r.ReadAt(p, off) }

func TestUnpackCancelled(t *testing.T) {
	s := newStore(t)
	z := build(t, file("a", "1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Unpack(ctx, "x", bytes.NewReader(z), int64(len(z))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
	same(t, tree(t, s.dir))
	unpack(t, s, "x", z)
}

func TestUnpackRefusesNames(t *testing.T) {
	s := newStore(t)
	z := build(t, file("a", "1"))
	for _, name := range []string{"", "..", "a/b", ".x", "merged-abc", strings.Repeat("a", 200)} {
		if _, err := s.Unpack(t.Context(), name, bytes.NewReader(z), int64(len(z))); err == nil {
			t.Errorf("%q was taken for a name of content", name)
		}
	}
}

func TestMerge(t *testing.T) {
	s := newStore(t)
	one := unpack(t, s, "one", build(t, file("a", "1"), file("d/x", "1"), file("f", "a file"), link("l", "d"), file("g/h/i", "1")))
	two := unpack(t, s, "two", build(t, file("a", "2"), file("d/y", "2"), file("f/now", "a directory"), file("l/now", "no link"), file("g", "a file")))
	dir, err := s.Merge(t.Context(), []string{one, two})
	if err != nil {
		t.Fatal(err)
	}
	same(t, tree(t, dir),
		"-rw-r--r-- a 2", "drwxr-xr-x d", "-rw-r--r-- d/x 1", "-rw-r--r-- d/y 2",
		"drwxr-xr-x f", "-rw-r--r-- f/now a directory", "-rw-r--r-- g a file",
		"drwxr-xr-x l", "-rw-r--r-- l/now no link")
	same(t, tree(t, one)[:1], "-rw-r--r-- a 1")
	other, err := s.Merge(t.Context(), []string{two, one})
	if err != nil || other == dir {
		t.Errorf("another order is the same directory: %s, %v", other, err)
	}
	again, err := s.Merge(t.Context(), []string{one, two})
	if err != nil || again != dir {
		t.Errorf("the same layers: %s, %v, want %s", again, err, dir)
	}
	if d, err := s.Merge(t.Context(), []string{one}); err != nil || d != one {
		t.Errorf("one layer: %s, %v", d, err)
	}
	if d, err := s.Merge(t.Context(), nil); err != nil || d != "" {
		t.Errorf("no layer: %q, %v", d, err)
	}
	if d, err := s.Merge(t.Context(), []string{one, "/etc"}); err == nil {
		t.Errorf("merged a directory from elsewhere: %s", d)
	}
}

func TestCopyFile(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	if err := os.WriteFile(from, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1_000_000_000, 0)
	if err := errors.Join(os.Chtimes(from, when, when), copyFile(from, to)); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(to)
	if err != nil || fi.Mode() != 0o755 || !fi.ModTime().Equal(when) {
		t.Errorf("copied as %v, %v", fi, err)
	}
}

func TestKeep(t *testing.T) {
	s := newStore(t)
	unpack(t, s, "old", build(t, file("a", "1")))
	kept := unpack(t, s, "new", build(t, file("a", "2")))
	var asked []string
	err := s.Keep(func(name string) bool { asked = append(asked, name); return name == "new" })
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(asked)
	same(t, asked, "new", "old")
	same(t, tree(t, filepath.Dir(kept)), "drwxr-xr-x new", "-rw-r--r-- new/a 2")
}

func TestOpenSweeps(t *testing.T) {
	s := newStore(t)
	unpack(t, s, "whole", build(t, file("a", "1")))
	if err := os.MkdirAll(filepath.Join(s.dir, unfinished+"123", "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir); err != nil {
		t.Fatal(err)
	}
	same(t, tree(t, s.dir), "drwxr-xr-x whole", "-rw-r--r-- whole/a 1")
}
