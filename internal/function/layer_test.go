package function

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/code"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/meter"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/store/blob"
)

// stillEngine takes every order and runs nothing.
type stillEngine struct{}

func (stillEngine) Invoke(context.Context, *engine.Unit, engine.Call) (*engine.Outcome, error) {
	return nil, errors.New("nothing runs here")
}
func (stillEngine) Expect(*engine.Unit)              {}
func (stillEngine) Drain(string)                     {}
func (stillEngine) Reserve(string, int)              {}
func (stillEngine) Unreserve(string)                 {}
func (stillEngine) Provision(*engine.Unit, int)      {}
func (stillEngine) Provisioned(string) (int, string) { return 0, "" }

// layerWorld is a registry on a folder, with a clock that the test moves.
type layerWorld struct {
	*testing.T
	*Registry
	blobs *blob.Store
	close func()

	mu   sync.Mutex // guards time
	time time.Time
}

func openLayers(t *testing.T, dir string) *layerWorld {
	t.Helper()
	w := &layerWorld{T: t, time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	db, err := store.OpenSQLite(filepath.Join(dir, "x.db"), store.Options{Sync: store.Normal})
	w.must(err)
	w.blobs, err = blob.Open(filepath.Join(dir, "blobs"))
	w.must(err)
	codes, err := code.Open(filepath.Join(dir, "code"))
	w.must(err)
	bills, err := meter.Open(t.Context(), db, t.TempDir(), meter.DefaultPrices())
	w.must(err)
	book, err := identity.Open(t.Context(), db, "000000000000")
	w.must(err)
	w.Registry, err = Open(t.Context(), Config{
		DB: db, Blobs: w.blobs, Code: codes, Engine: stillEngine{}, Meter: bills, Identity: book,
		Account: "000000000000", Region: "us-east-1", Now: w.clock,
	})
	w.must(err)
	w.close = sync.OnceFunc(func() {
		w.must(w.Registry.Close())
		w.must(db.Close())
	})
	t.Cleanup(w.close)
	return w
}

func (w *layerWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *layerWorld) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *layerWorld) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

// publish makes a layer version.
func (w *layerWorld) publish(name, content string) *LayerVersion {
	w.Helper()
	v, err := w.PublishLayer(w.Context(), NewLayer{Name: name, Zip: layerZip(w, content)})
	w.must(err)
	return v
}

func layerZip(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("python/index.py")
	if err == nil {
		_, err = io.WriteString(f, content)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// kept tells whether a layer version's archive is there.
func (w *layerWorld) kept(v *LayerVersion) bool {
	w.Helper()
	f, err := w.blobs.Open(v.Code.SHA256)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	w.must(err)
	f.Close()
	return true
}

func TestLayerArchiveIsCollected(t *testing.T) {
	w := openLayers(t, t.TempDir())
	v := w.publish("l", "one")
	w.must(w.DeleteLayer(t.Context(), "l", 1))
	if !w.kept(v) {
		t.Error("the archive went at once: a function that has just found the layer would miss it")
	}
	w.pass(departing + time.Second)
	w.publish("other", "two")
	if w.kept(v) {
		t.Error("the archive of a deleted layer stays")
	}
}

func TestLayerArchiveInUseStays(t *testing.T) {
	dir := t.TempDir()
	w := openLayers(t, dir)
	used, shared, twin := w.publish("used", "one"), w.publish("shared", "two"), w.publish("twin", "two")
	_, err := w.Create(t.Context(), New{Name: "f", Zip: layerZip(t, "f"), Edit: Edit{
		Role: new("arn:aws:iam::000000000000:role/r"), Runtime: new("python3.12"), Handler: new("index.h"),
		Layers: &[]string{w.LayerARN("used", 1)},
	}})
	w.must(err)
	w.must(w.DeleteLayer(t.Context(), "used", 1))
	w.must(w.DeleteLayer(t.Context(), "shared", 1))
	w.pass(departing + time.Second)
	w.publish("other", "three")
	check := func(when string) {
		t.Helper()
		if !w.kept(used) {
			t.Errorf("%s: the archive that a function uses is gone", when)
		}
		if !w.kept(shared) || !w.kept(twin) {
			t.Errorf("%s: the archive that another layer has, too, is gone", when)
		}
	}
	check("after the purge")
	w.close()
	w = openLayers(t, dir)
	check("after a restart")
	if _, err := w.Layer(t.Context(), "used", 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("the deleted version: %v", err)
	}
	if v := w.publish("used", "four"); v.Number != 2 {
		t.Errorf("the next version is %d, want 2", v.Number)
	}
}

func TestLayerNames(t *testing.T) {
	w := openLayers(t, t.TempDir())
	w.publish("l", "one")
	for name, want := range map[string]error{
		"l": nil,
		"arn:aws:lambda:us-east-1:000000000000:layer:l": nil,
		"arn:aws:lambda:us-east-1:111111111111:layer:l": ErrForbidden,
		"arn:aws:lambda:eu-west-1:000000000000:layer:l": ErrNotFound,
		"arn:aws:lambda:us-east-1:000000000000:l":       ErrInvalid,
		"nope": ErrNotFound,
	} {
		if _, err := w.Layer(t.Context(), name, 1); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	for _, arn := range []string{"x", w.LayerARN("l", 0), w.LayerARN("l", 2), w.LayerARN("l", 1) + "0", "arn:aws:lambda:::awslayer:AmazonLinux1803",
		"arn:aws:lambda:us-east-1:111111111111:layer:l:1", "arn:aws:lambda:us-east-1:000000000000:layer:l:99999999999999999999"} {
		if _, err := w.layers.resolve(t.Context(), arn); !errors.Is(err, ErrInvalid) {
			t.Errorf("resolve %s: %v", arn, err)
		}
		if _, err := w.LayerByARN(t.Context(), arn); err == nil {
			t.Errorf("%s is there", arn)
		}
	}
	ref, err := w.layers.resolve(t.Context(), w.LayerARN("l", 1))
	if err != nil || ref.CodeSize == 0 || ref.Unzipped != 3 || ref.SHA256 == "" {
		t.Errorf("resolved to %+v, %v", ref, err)
	}
}

func TestLayersCountAsCode(t *testing.T) {
	w := openLayers(t, t.TempDir())
	v := w.publish("l", "one")
	used := func() (n int64) {
		t.Helper()
		w.must(w.db.View(t.Context(), func(tx store.Tx) (err error) {
			n, err = w.storage(tx)
			return err
		}))
		return n
	}
	if n := used(); n != v.Code.Size {
		t.Errorf("code storage is %d, want %d", n, v.Code.Size)
	}
	w.must(w.DeleteLayer(t.Context(), "l", 1))
	if n := used(); n != 0 {
		t.Errorf("code storage is %d after the only layer went, want 0", n)
	}
}

// FuzzLayerARN reads any name: what is taken for ours names our layer.
func FuzzLayerARN(f *testing.F) {
	f.Add("arn:aws:lambda:us-east-1:000000000000:layer:l:1")
	f.Add("arn:aws:lambda:us-east-1:000000000000:layer:l")
	f.Add("l")
	r := &Registry{region: "us-east-1", account: "000000000000"}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := r.layerName(s)
		if err != nil || name == s {
			return
		}
		if p := layerForm.FindStringSubmatch(r.LayerARN(name, 0)); p == nil || p[3] != name {
			t.Errorf("%q is taken for %q", s, name)
		}
	})
}
