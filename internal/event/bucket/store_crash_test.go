package bucket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/object/disk"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const writerDir = "MAYFLY_BUCKET_WRITER"

// A deed is one change of an object.
type deed struct{ event, key, etag string }

// A vault is a real store of objects, and a forwarder of what happens in it.
type vault struct {
	objects *disk.Store
	events  store.DB
	f       *Forwarder
	dbs     []store.DB
}

func openVault(ctx context.Context, dir string) (v *vault, err error) {
	v = &vault{}
	for _, name := range []string{"objects.db", "queue.db"} {
		db, err := store.OpenSQLite(filepath.Join(dir, name), store.Options{Sync: store.Full, Ballast: -1})
		if err != nil {
			return nil, err
		}
		v.dbs = append(v.dbs, db)
	}
	v.events = v.dbs[1]
	if err := v.events.Migrate(ctx, "test", `CREATE TABLE sink (id INTEGER PRIMARY KEY, doc BLOB NOT NULL)`); err != nil {
		return nil, err
	}
	if v.objects, err = disk.Open(ctx, disk.Config{Dir: filepath.Join(dir, "objects"), DB: v.dbs[0]}); err != nil {
		return nil, err
	}
	if err := v.objects.CreateBucket(ctx, object.Bucket{Name: "b", Region: "us-east-1"}); err != nil && !errors.Is(err, object.ErrBucketExists) {
		return nil, err
	}
	rule := object.Rule{ID: "r", Target: queue, Events: []string{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}}
	if err := v.objects.SetNotification(ctx, "b", object.Notification{Rules: []object.Rule{rule}}); err != nil {
		return nil, err
	}
	r := new(target.Router)
	r.Register("sqs", sink{})
	v.f, err = Open(ctx, Config{DB: v.events, Changes: v.objects, Router: r, Account: "000000000000", Region: "us-east-1", Log: slog.New(slog.DiscardHandler)})
	return v, err
}

func (v *vault) close() error {
	err := errors.Join(v.f.Close(), v.objects.Close())
	for _, db := range v.dbs {
		err = errors.Join(err, db.Close())
	}
	return err
}

// A hand changes its own keys, and prints what it is about to do and what it did.
type hand struct {
	v    *vault
	id   int
	say  func(verb string, d deed)
	have map[string]string // of each key the ETag of what is there
}

func writeForever(dir string) error {
	ctx := context.Background()
	v, err := openVault(ctx, dir)
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards standard output
	say := func(verb string, d deed) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%s %s %s %s\n", verb, d.event, d.key, d.etag)
	}
	failed := make(chan error)
	for i := range 6 {
		go func() {
			h := &hand{v, i, say, map[string]string{}}
			failed <- h.write(ctx)
		}()
	}
	return <-failed
}

func (h *hand) key(i int) string { return fmt.Sprintf("%d/k%d", h.id, i) }

func (h *hand) write(ctx context.Context) error {
	for i := range 4 { // what an earlier run left
		if info, err := h.v.objects.Head(ctx, "b", h.key(i), ""); err == nil {
			h.have[h.key(i)] = info.ETag
		}
	}
	for {
		key, from := h.key(rand.IntN(4)), h.key(rand.IntN(4))
		d, do := h.plan(ctx, key, from)
		h.say("try", d)
		if err := do(); err != nil {
			return err
		}
		h.say("ack", d)
		h.have[key] = d.etag
	}
}

// plan chooses what to do with a key.
func (h *hand) plan(ctx context.Context, key, from string) (deed, func() error) {
	body := content(key)
	sum := md5.Sum(body)
	put := object.Put{Bucket: "b", Key: key, Event: "ObjectCreated:Put"}
	switch n := rand.IntN(10); {
	case n < 2 && h.have[key] != "":
		return deed{"ObjectRemoved:Delete", key, ""}, func() error {
			_, err := h.v.objects.Delete(ctx, object.Delete{Bucket: "b", Key: key})
			return err
		}
	case n < 4 && from != key && len(h.have[from]) == 32:
		put.Event = "ObjectCreated:Copy"
		return deed{put.Event, key, h.have[from]}, func() error {
			_, err := h.v.objects.Copy(ctx, object.Source{Bucket: "b", Key: from}, put)
			return err
		}
	case n < 5:
		sum = md5.Sum(sum[:])
		put.Event = "ObjectCreated:CompleteMultipartUpload"
		return deed{put.Event, key, hex.EncodeToString(sum[:]) + "-1"}, func() error { return h.upload(ctx, put, body) }
	}
	return deed{put.Event, key, hex.EncodeToString(sum[:])}, func() error {
		_, err := h.v.objects.Put(ctx, put, bytes.NewReader(body))
		return err
	}
}

func (h *hand) upload(ctx context.Context, p object.Put, body []byte) error {
	u, err := h.v.objects.CreateUpload(ctx, p)
	if err != nil {
		return err
	}
	part, err := h.v.objects.PutPart(ctx, object.UploadPart{Bucket: "b", Key: p.Key, ID: u.ID, Number: 1}, bytes.NewReader(body))
	if err == nil {
		_, err = h.v.objects.CompleteUpload(ctx, object.Complete{Bucket: "b", Key: p.Key, ID: u.ID, Parts: []object.PartInfo{part}, Size: -1})
	}
	return err
}

// content is what no other object has: small, or of many blocks.
func content(key string) []byte {
	line := fmt.Appendf(nil, "%s %d\n", key, rand.Uint64())
	size := rand.IntN(2000)
	if rand.IntN(4) == 0 {
		size = rand.IntN(200_000)
	}
	return bytes.Repeat(line, 1+size/len(line))
}

// A witness is who listens to what the writers say, and holds the store to it.
type witness struct {
	*testing.T
	now  map[string]string // of each key the ETag that was acknowledged last
	open map[string]deed   // begun and not acknowledged
	done []deed
}

// TestStoreKilledAtAnyTime kills a server within uploads, copies and deletions. What
// was acknowledged is there, whole, and was told; what was not is there whole or not
// at all. MAYFLY_KILLS makes it longer.
func TestStoreKilledAtAnyTime(t *testing.T) {
	w, dir, kills := &witness{t, map[string]string{}, map[string]deed{}, nil}, t.TempDir(), kills(t)
	for range kills {
		w.round(dir)
		w.inspect(dir)
	}
	w.judge(dir)
	t.Logf("%d kills, %d changes", kills, len(w.done))
	if len(w.done) < 10*kills {
		t.Error("that is too little to say anything")
	}
}

// round runs the writers and kills them.
func (w *witness) round(dir string) {
	w.Helper()
	exe, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), writerDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for left := rand.IntN(300); said.Scan(); left-- {
		var verb string
		var d deed
		if n, _ := fmt.Sscan(said.Text(), &verb, &d.event, &d.key, &d.etag); n < 3 {
			w.Fatal(said.Text())
		}
		if w.open[d.key] = d; verb == "ack" {
			delete(w.open, d.key)
			w.now[d.key], w.done = d.etag, append(w.done, d)
		}
		if left == 0 {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
}

// inspect reads all objects. Of what was not acknowledged it finds out whether it
// happened.
func (w *witness) inspect(dir string) {
	w.Helper()
	db, err := store.OpenSQLite(filepath.Join(dir, "objects.db"), store.Options{Sync: store.Full, Ballast: -1})
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	objects, err := disk.Open(w.Context(), disk.Config{Dir: filepath.Join(dir, "objects"), DB: db})
	if err != nil {
		w.Fatal(err)
	}
	defer objects.Close()
	for i := range 6 {
		for j := range 4 {
			key := fmt.Sprintf("%d/k%d", i, j)
			etag, open := w.read(objects, key), w.open[key]
			if begun := open.key != ""; etag != w.now[key] && (!begun || etag != open.etag) {
				w.Errorf("%s has %q; %q was acknowledged, %+v was begun", key, etag, w.now[key], open)
			}
			w.now[key] = etag
		}
	}
	clear(w.open)
}

// read is the ETag of an object whose content is whole, "" when there is none.
func (w *witness) read(objects *disk.Store, key string) string {
	w.Helper()
	info, c, err := objects.Open(w.Context(), "b", key, "")
	if errors.Is(err, object.ErrNoKey) {
		return ""
	}
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	body, err := io.ReadAll(c)
	if err != nil {
		w.Fatal(err)
	}
	sum := md5.Sum(body)
	if strings.HasSuffix(info.ETag, "-1") {
		sum = md5.Sum(sum[:])
	}
	if hex.EncodeToString(sum[:]) != strings.TrimSuffix(info.ETag, "-1") || int64(len(body)) != info.Size {
		w.Errorf("%s is torn: %d bytes of %d, and not those of %s", key, len(body), info.Size, info.ETag)
	}
	return info.ETag
}

// judge holds what was told to what was acknowledged: of each key all of it, in
// order, and nothing twice.
func (w *witness) judge(dir string) {
	w.Helper()
	told, last := map[string][]deed{}, map[string]string{}
	for _, o := range w.listen(dir) {
		if o.sequencer <= last[o.key] {
			w.Errorf("%s: %s was told after %s", o.key, o.sequencer, last[o.key])
		}
		told[o.key], last[o.key] = append(told[o.key], o.deed), o.sequencer
	}
	for _, d := range w.done {
		i := slices.Index(told[d.key], d)
		if i < 0 {
			w.Errorf("%+v was acknowledged, and not told in its turn", d)
			continue
		}
		told[d.key] = told[d.key][i+1:]
	}
}

// A happening is a deed as it was told.
type happening struct {
	deed
	sequencer string
}

// listen lets the forwarder finish, and answers all that it told.
func (w *witness) listen(dir string) (all []happening) {
	w.Helper()
	v, err := openVault(w.Context(), dir)
	if err != nil {
		w.Fatal(err)
	}
	for left := 1; left > 0; time.Sleep(5 * time.Millisecond) {
		err := v.dbs[0].View(w.Context(), func(tx store.Tx) error { return tx.Get([]any{&left}, `SELECT COUNT(*) FROM object_change`) })
		if err != nil {
			w.Fatal(err)
		}
	}
	err = v.events.View(w.Context(), func(tx store.Tx) error {
		return tx.Each(`SELECT doc FROM sink ORDER BY id`, nil, func(scan func(...any) error) error {
			var doc []byte
			var n notice
			if err := scan(&doc); err != nil {
				return err
			}
			if err := json.Unmarshal(doc, &n); err != nil {
				return err
			}
			r := n.Records[0]
			all = append(all, happening{deed{r.Name, r.S3.Object.Key, r.S3.Object.ETag}, r.S3.Object.Sequencer})
			return nil
		})
	})
	if err = errors.Join(err, v.close()); err != nil {
		w.Fatal(err)
	}
	return all
}
