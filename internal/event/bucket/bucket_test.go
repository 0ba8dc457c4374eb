package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const queue = "arn:aws:sqs:us-east-1:000000000000:q"

var errBroken = errors.New("broken")

// A shelf is an outbox in memory. Like a table whose rows are gone it gives the
// numbers again from 1.
type shelf struct {
	mu      sync.Mutex // guards what follows
	changes []object.Change
	deaf    error // of Told
	wake    chan struct{}
}

func newShelf() *shelf { return &shelf{wake: make(chan struct{}, 1)} }

func (s *shelf) add(changes ...object.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		c.Seq = 1
		if n := len(s.changes); n > 0 {
			c.Seq = s.changes[n-1].Seq + 1
		}
		s.changes = append(s.changes, c)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shelf) Changes(ctx context.Context, after int64, limit int) ([]object.Change, error) {
	for {
		s.mu.Lock()
		i := slices.IndexFunc(s.changes, func(c object.Change) bool { return c.Seq > after })
		if i >= 0 {
			defer s.mu.Unlock()
			return slices.Clone(s.changes[i:min(len(s.changes), i+limit)]), nil
		}
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *shelf) Told(_ context.Context, seqs ...int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaf != nil {
		return s.deaf
	}
	s.changes = slices.DeleteFunc(s.changes, func(c object.Change) bool { return slices.Contains(seqs, c.Seq) })
	return nil
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = err
}

func (s *shelf) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.changes)
}

// A desk takes events of one service, or fails as it is told.
type desk struct {
	mu   sync.Mutex // guards what follows
	fail error
	got  []target.Delivery
	to   []string
}

func (d *desk) Enqueue(_ store.Tx, to arn.ARN, e target.Delivery) (func(), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return nil, d.fail
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.got, d.to = append(d.got, e), append(d.to, to.String())
	}, nil
}

func (d *desk) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

// keys are those of the objects that the desk was told of, in order.
func (d *desk) keys(t *testing.T) (keys []string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.got {
		var n notice
		if err := json.Unmarshal(e.Payload, &n); err != nil || len(n.Records) != 1 {
			t.Fatalf("%s: %v", e.Payload, err)
		}
		keys = append(keys, n.Records[0].S3.Object.Key)
	}
	return keys
}

// A house is a forwarder with all that it needs, in virtual time.
type house struct {
	*shelf
	*testing.T
	db    store.DB
	desks map[string]*desk
	f     *Forwarder
}

func bubble(t *testing.T, test func(h *house)) {
	path := filepath.Join(t.TempDir(), "queue.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := store.OpenSQLite(path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		h := &house{shelf: newShelf(), T: t, db: db, desks: map[string]*desk{"sqs": {}, "sns": {}, "lambda": {}, "events": {}}}
		h.open()
		defer func() { h.f.Close() }()
		test(h)
	})
}

func (h *house) open() {
	h.Helper()
	r := new(target.Router)
	for service, d := range h.desks {
		r.Register(service, d)
	}
	f, err := Open(h.Context(), Config{DB: h.db, Changes: h.shelf, Router: r, Account: "000000000000", Region: "us-east-1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.Fatal(err)
	}
	h.f = f
}

// reopen is what a restart does.
func (h *house) reopen() {
	h.Helper()
	if err := h.f.Close(); err != nil {
		h.Fatal(err)
	}
	h.open()
}

// of makes changes of objects called keys, which a queue wants to know.
func of(keys ...string) (all []object.Change) {
	for i, k := range keys {
		all = append(all, change("ObjectCreated:Put", func(c *object.Change) {
			c.Object.Key, c.Object.Sequencer = k, fmt.Sprintf("%s%d", k, i)
			c.Rules = []object.Rule{{ID: "r", Target: queue}}
		}))
	}
	return all
}

func (h *house) want(keys ...string) {
	h.Helper()
	synctest.Wait()
	if got := h.desks["sqs"].keys(h.T); !slices.Equal(got, keys) {
		h.Errorf("the queue was told of %v, want %v", got, keys)
	}
}

func TestAllTargets(t *testing.T) {
	bubble(t, func(h *house) {
		c := change("ObjectCreated:Put", func(c *object.Change) {
			c.By.Trace = "Root=1-2-3;Lineage=abcd:5"
			c.EventBridge = true
			c.Rules = []object.Rule{{ID: "q", Target: queue}, {ID: "t", Target: "arn:aws:sns:us-east-1:000000000000:t"},
				{ID: "f", Target: "arn:aws:lambda:us-east-1:000000000000:function:f:live"}}
		})
		h.add(c)
		synctest.Wait()
		for service, to := range map[string]string{"sqs": queue, "sns": "arn:aws:sns:us-east-1:000000000000:t",
			"lambda": "arn:aws:lambda:us-east-1:000000000000:function:f:live", "events": "arn:aws:events:us-east-1:000000000000:event-bus/default"} {
			d := h.desks[service]
			if !slices.Equal(d.to, []string{to}) {
				t.Fatalf("%s: told %v, want %s", service, d.to, to)
			}
			e := d.got[0]
			if e.Principal != "s3.amazonaws.com" || e.SourceARN != "arn:aws:s3:::photos" || e.Trace != c.By.Trace || e.Subject != "Amazon S3 Notification" {
				t.Errorf("%s: got %+v", service, e)
			}
		}
		same(t, h.desks["lambda"].got[0].Payload, string(record(c, "f")))
		if h.left() != 0 || h.f.Stats() != (Stats{Told: 1}) {
			t.Errorf("%d are left, %+v", h.left(), h.f.Stats())
		}
	})
}

func TestOrder(t *testing.T) {
	bubble(t, func(h *house) {
		var keys []string
		for i := range 3*atOnce + 1 {
			keys = append(keys, fmt.Sprint(i))
		}
		h.add(of(keys...)...)
		h.want(keys...)
	})
}

// What was handed over and could not be forgotten is not handed over again, by
// this forwarder or the next one; what comes later is.
func TestForgettingFails(t *testing.T) {
	bubble(t, func(h *house) {
		h.fail(errBroken)
		h.add(of("a", "b")...)
		h.want("a", "b")
		time.Sleep(time.Minute)
		h.want("a", "b")
		h.reopen()
		h.add(of("x", "y", "c")[2])
		h.want("a", "b", "c")
		h.reopen()
		h.want("a", "b", "c")
		h.fail(nil)
		time.Sleep(10 * time.Minute)
		h.want("a", "b", "c")
		if h.left() != 0 {
			t.Errorf("%d are left", h.left())
		}
	})
}

// A change that gets the number of one that is long told is another one.
func TestNumbersComeAgain(t *testing.T) {
	bubble(t, func(h *house) {
		h.add(of("a")...)
		h.want("a")
		h.add(of("b")...)
		h.want("a", "b")
		h.reopen()
		h.add(of("c")...)
		h.want("a", "b", "c")
	})
}

// A target that fails keeps nobody waiting, and is tried until it takes the event.
func TestOneTargetFails(t *testing.T) {
	bubble(t, func(h *house) {
		c := of("a")[0]
		c.Rules = append(c.Rules, object.Rule{ID: "f", Target: "arn:aws:lambda:us-east-1:000000000000:function:f"})
		h.desks["lambda"].set(errBroken)
		h.add(c)
		h.add(of("b", "c")[1])
		h.want("a", "c")
		if h.left() != 0 {
			t.Errorf("%d are left", h.left())
		}
		h.reopen()
		h.desks["lambda"].set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := h.desks["lambda"].keys(t); !slices.Equal(got, []string{"a"}) {
			t.Errorf("the function was told of %v", got)
		}
	})
}

func TestTargetIsGone(t *testing.T) {
	bubble(t, func(h *house) {
		h.desks["sqs"].set(target.ErrNotFound)
		h.add(of("a")...)
		synctest.Wait()
		if h.f.Stats().Dropped != 1 || h.left() != 0 {
			t.Errorf("%+v, %d left", h.f.Stats(), h.left())
		}
	})
}

func TestCloseKeepsTheRest(t *testing.T) {
	bubble(t, func(h *house) {
		synctest.Wait()
		if err := h.f.Close(); err != nil {
			t.Fatal(err)
		}
		h.add(of("a")...)
		h.want()
		h.open()
		h.want("a")
	})
}
