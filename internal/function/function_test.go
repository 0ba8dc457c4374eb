package function

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
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

const testAccount = "000000000000"

// fakeEngine remembers what it was told, and answers "ok".
type fakeEngine struct {
	mu          sync.Mutex
	units       []*engine.Unit
	expected    []string
	drained     []string
	reserved    map[string]int
	provisioned map[string]int
	during      func(*engine.Unit) // runs within an invocation
}

func newFakeEngine() *fakeEngine {
	return &fakeEngine{reserved: map[string]int{}, provisioned: map[string]int{}}
}

func (e *fakeEngine) with(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *fakeEngine) Invoke(_ context.Context, u *engine.Unit, c engine.Call) (*engine.Outcome, error) {
	var during func(*engine.Unit)
	e.with(func() { e.units, during = append(e.units, u), e.during })
	if during != nil {
		during(u)
	}
	io.WriteString(c.Answer, `"ok"`)
	return &engine.Outcome{Report: engine.Report{Start: time.Now(), BilledMS: 1}}, nil
}
func (e *fakeEngine) Expect(u *engine.Unit) {
	e.with(func() { e.expected = append(e.expected, u.Key) })
}
func (e *fakeEngine) Drain(key string)                { e.with(func() { e.drained = append(e.drained, key) }) }
func (e *fakeEngine) Reserve(arn string, n int)       { e.with(func() { e.reserved[arn] = n }) }
func (e *fakeEngine) Unreserve(arn string)            { e.with(func() { delete(e.reserved, arn) }) }
func (e *fakeEngine) Provision(u *engine.Unit, n int) { e.with(func() { e.provisioned[u.Key] = n }) }
func (e *fakeEngine) Provisioned(key string) (n int, _ string) {
	e.with(func() { n = e.provisioned[key] })
	return n, ""
}

// countingDB counts the queries.
type countingDB struct {
	store.DB
	mu    sync.Mutex
	views int
	fail  error // answered by every Update when not nil
	fails int   // how often it was

	after func() // unless nil, called once, after the next View
}

func (d *countingDB) View(ctx context.Context, fn func(store.Tx) error) error {
	d.mu.Lock()
	d.views++
	after := d.after
	d.after = nil
	d.mu.Unlock()
	err := d.DB.View(ctx, fn)
	if after != nil {
		after()
	}
	return err
}

func (d *countingDB) Update(ctx context.Context, fn func(store.Tx) error) error {
	d.mu.Lock()
	fail := d.fail
	if fail != nil {
		d.fails++
	}
	d.mu.Unlock()
	if fail != nil {
		return fail
	}
	return d.DB.Update(ctx, fn)
}

// rig is a data folder and what runs on it. It can be started again and again.
type rig struct {
	*testing.T
	*Registry
	dir    string
	engine *fakeEngine
	db     *countingDB
	usage  *meter.Meter
	now    func() time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir()}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func (r *rig) start() {
	r.Helper()
	db, err := store.OpenSQLite(filepath.Join(r.dir, "x.db"), store.Options{Sync: store.Normal})
	r.must(err)
	r.db, r.engine = &countingDB{DB: db}, newFakeEngine()
	blobs, err := blob.Open(filepath.Join(r.dir, "blobs"))
	r.must(err)
	codes, err := code.Open(filepath.Join(r.dir, "code"))
	r.must(err)
	r.usage, err = meter.Open(r.Context(), db, filepath.Join(r.dir, "usage"), meter.DefaultPrices())
	r.must(err)
	book, err := identity.Open(r.Context(), db, testAccount)
	r.must(err)
	r.Registry, err = Open(r.Context(), Config{
		DB: r.db, Blobs: blobs, Code: codes, Engine: r.engine, Meter: r.usage, Identity: book,
		Account: testAccount, Region: "us-east-1", Now: r.now,
	})
	r.must(err)
}

func (r *rig) stop() {
	if r.Registry == nil {
		return
	}
	if err := errors.Join(r.Close(), r.usage.Close(), r.db.Close()); err != nil {
		r.Error(err)
	}
	r.Registry = nil
}

func (r *rig) restart() {
	r.stop()
	r.start()
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func zipOf(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("index.py")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, content)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (r *rig) plan(name string) New {
	return New{Name: name, Zip: zipOf(r, "1"), Edit: Edit{
		Role: new("arn:aws:iam::000000000000:role/r"), Runtime: new("python3.12"), Handler: new("index.handler"),
	}}
}

// make creates a function and waits until it has settled.
func (r *rig) make(name string) *Version {
	r.Helper()
	_, err := r.Create(r.Context(), r.plan(name))
	r.must(err)
	return r.settled(name)
}

func (r *rig) settled(name string) *Version {
	r.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		v, err := r.Get(r.Context(), Ref{Name: name})
		r.must(err)
		if v.State != Pending && v.Update != InProgress {
			return v
		}
	}
	r.Fatalf("%s did not settle", name)
	return nil
}

func (r *rig) invoke(name, qualifier string) *engine.Unit {
	r.Helper()
	_, err := r.Invoke(r.Context(), Ref{name, qualifier}, Invocation{Answer: io.Discard})
	r.must(err)
	var u *engine.Unit
	r.engine.with(func() { u = r.engine.units[len(r.engine.units)-1] })
	return u
}

func wantKind(t testing.TB, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error is %v, want %v", err, kind)
	}
}

func zipReader(t testing.TB, content string) io.Reader { return bytes.NewReader(zipOf(t, content)) }

// waitFor waits for what another goroutine will bring about.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatal("waited in vain")
}
