package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/code"
	"github.com/mayfly-faas/mayfly/internal/event/source/sourcetest"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/meter"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/store/blob"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

const (
	account = "000000000000"
	base    = "arn:aws:lambda:us-east-1:" + account + ":function:"
	role    = "arn:aws:iam::" + account + ":role/r"
)

// fakeEngine answers invocations by its script, echo when it has none.
type fakeEngine struct {
	mu       sync.Mutex
	script   func(*engine.Unit, engine.Call) (*engine.Outcome, error)
	units    []*engine.Unit
	calls    []engine.Call
	drained  []string
	reserved map[string]int
	ready    map[string]int
	failure  string
}

func (e *fakeEngine) Invoke(_ context.Context, u *engine.Unit, c engine.Call) (*engine.Outcome, error) {
	e.mu.Lock()
	script := e.script
	e.units, e.calls = append(e.units, u), append(e.calls, c)
	e.mu.Unlock()
	if script != nil {
		return script(u, c)
	}
	c.Answer.Write(c.Payload)
	return &engine.Outcome{Tail: []byte("END\n"), Report: engine.Report{Start: time.Now(), BilledMS: 3}}, nil
}

func (e *fakeEngine) with(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *fakeEngine) Expect(*engine.Unit)             {}
func (e *fakeEngine) Drain(key string)                { e.with(func() { e.drained = append(e.drained, key) }) }
func (e *fakeEngine) Reserve(arn string, n int)       { e.with(func() { e.reserved[arn] = n }) }
func (e *fakeEngine) Unreserve(arn string)            { e.with(func() { delete(e.reserved, arn) }) }
func (e *fakeEngine) Provision(u *engine.Unit, n int) { e.with(func() { e.ready[u.Key] = n }) }
func (e *fakeEngine) Provisioned(key string) (int, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ready[key], e.failure
}

// world is a server with the Lambda API alone.
type world struct {
	*testing.T
	engine *fakeEngine
	meter  *meter.Meter
	fs     *function.Registry
	url    string

	line   *line // the only source
	stream *sourcetest.Stream
	events *outlet
}

func open(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{T: t, engine: &fakeEngine{reserved: map[string]int{}, ready: map[string]int{}}}
	db, err := store.OpenSQLite(filepath.Join(dir, "x.db"), store.Options{Sync: store.Normal})
	w.must(err)
	blobs, err := blob.Open(filepath.Join(dir, "blobs"))
	w.must(err)
	codes, err := code.Open(filepath.Join(dir, "code"))
	w.must(err)
	w.meter, err = meter.Open(t.Context(), db, t.TempDir(), meter.DefaultPrices())
	w.must(err)
	book, err := identity.Open(t.Context(), db, account)
	w.must(err)
	w.fs, err = function.Open(t.Context(), function.Config{
		DB: db, Blobs: blobs, Code: codes, Engine: w.engine, Meter: w.meter, Identity: book, Account: account, Region: "us-east-1",
	})
	w.must(err)
	queue, mappings := w.openEvents()
	srv := httptest.NewServer(wire.Front{Services: []wire.Service{Service(w.fs, WithAsync(queue), WithMappings(mappings))}, Unsigned: true}.Handler())
	w.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		if err := errors.Join(mappings.Close(), queue.Close(), w.events.db.Close()); err != nil {
			t.Error(err)
		}
		if err := w.fs.Close(); err != nil {
			t.Error(err)
		}
		if err := errors.Join(w.meter.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// A reply is an answer as it came over the wire.
type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (w *world) do(method, path string, body any, headers ...string) reply {
	w.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = bytes.NewBufferString(b)
	default:
		j, err := json.Marshal(b)
		w.must(err)
		in = bytes.NewReader(j)
	}
	req, err := http.NewRequestWithContext(w.Context(), method, w.url+path, in)
	w.must(err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	w.must(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	w.must(err)
	r := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &r.body) // not every answer is an object
	return r
}

// want does a request and wants a status of it.
func (w *world) want(status int, method, path string, body any, headers ...string) reply {
	w.Helper()
	r := w.do(method, path, body, headers...)
	if r.status != status {
		w.Fatalf("%s %s: %d %s, want %d", method, path, r.status, r.raw, status)
	}
	return r
}

// refused does a request and wants an error of it.
func (w *world) refused(status int, code, message, method, path string, body any, headers ...string) reply {
	w.Helper()
	r := w.do(method, path, body, headers...)
	text, _ := r.body["message"].(string)
	if m, ok := r.body["Message"].(string); ok {
		text = m
	}
	if r.status != status || r.header.Get("X-Amzn-Errortype") != code || text != message {
		w.Fatalf("%s %s:\n got %d %s %s\nwant %d %s %s", method, path, r.status, r.header.Get("X-Amzn-Errortype"), r.raw, status, code, message)
	}
	return r
}

type m = map[string]any

const functions = "/2015-03-31/functions"

// archive is a zip with one file.
func archive(t testing.TB, content string) string {
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
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// plan is the body of a CreateFunction.
func (w *world) plan(name string, more m) m {
	in := m{"FunctionName": name, "Runtime": "python3.12", "Handler": "index.handler", "Role": role, "Code": m{"ZipFile": archive(w, "1")}}
	for k, v := range more {
		if v == nil {
			delete(in, k)
			continue
		}
		in[k] = v
	}
	return in
}

// create makes a function and waits until it is active.
func (w *world) create(name string, more m) {
	w.Helper()
	w.want(201, "POST", functions, w.plan(name, more))
	w.settled(name)
}

// settled waits for a function to be at rest, and returns its configuration.
func (w *world) settled(name string) m {
	w.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		c := w.want(200, "GET", functions+"/"+name+"/configuration", nil).body
		if c["State"] != "Pending" && c["LastUpdateStatus"] != "InProgress" {
			return c
		}
	}
	w.Fatalf("%s did not settle", name)
	return nil
}

// same compares JSON values by what they encode to.
func (w *world) same(got, want any) {
	w.Helper()
	g, err := json.MarshalIndent(got, "", " ")
	w.must(err)
	x, err := json.MarshalIndent(want, "", " ")
	w.must(err)
	if !bytes.Equal(g, x) {
		w.Fatalf("got %s\nwant %s", g, x)
	}
}
