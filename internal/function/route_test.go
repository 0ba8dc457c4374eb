package function

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
)

func TestWarmInvokeAsksNothing(t *testing.T) {
	r := newRig(t)
	r.make("f")
	waitFor(t, func() bool { // the settling worker's own queries
		before := r.db.views
		time.Sleep(5 * time.Millisecond)
		return before == r.db.views
	})
	r.invoke("f", "")
	r.db.mu.Lock()
	before := r.db.views
	r.db.mu.Unlock()
	for range 10 {
		r.invoke("f", "")
	}
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	if r.db.views != before {
		t.Errorf("ten warm invocations made %d queries", r.db.views-before)
	}
}

func TestRouteIsForgotten(t *testing.T) {
	r := newRig(t)
	r.make("f")
	old := r.invoke("f", "")
	_, err := r.Configure(t.Context(), "f", Edit{Timeout: new(int32(11))}, nil)
	r.must(err)
	r.settled("f")
	if u := r.invoke("f", ""); u.Timeout != 11*time.Second || u.Key == old.Key {
		t.Errorf("stale unit: %v", u.Timeout)
	}
	r.must(r.Delete(t.Context(), Ref{Name: "f"}))
	_, err = r.Invoke(t.Context(), Ref{Name: "f"}, Invocation{})
	wantKind(t, err, ErrNotFound)
}

// TestStaleRouteIsNotKept plays the race of a reader and a writer: what was
// read before the change must not be remembered after it.
func TestStaleRouteIsNotKept(t *testing.T) {
	var rs routes
	ref := Ref{Name: "f"}
	_, age := rs.find(ref)
	rs.forget("f") // the writer begins in between
	rs.keep(ref, &route{arms: []arm{{&engine.Unit{Key: "old"}, 1}}}, age)
	if t2, _ := rs.find(ref); t2 != nil {
		t.Error("a stale route is remembered")
	}
	_, age = rs.find(ref)
	rs.keep(ref, &route{arms: []arm{{&engine.Unit{Key: "old"}, 1}}}, age)
	if t2, _ := rs.find(ref); t2 != nil {
		t.Error("a route is remembered during a change")
	}
	rs.remember("f")
	rs.keep(ref, &route{arms: []arm{{&engine.Unit{Key: "old"}, 1}}}, age)
	if t2, _ := rs.find(ref); t2 != nil {
		t.Error("a route read during a change is remembered after it")
	}
	_, age = rs.find(ref)
	rs.keep(ref, &route{arms: []arm{{&engine.Unit{Key: "new"}, 1}}}, age)
	if t2, _ := rs.find(ref); t2 == nil {
		t.Error("a fresh route is not remembered")
	}
}

// TestNeverStaleUnderLoad invokes while updates settle: once an update is
// acknowledged as settled, no invocation that begins later runs older code.
func TestNeverStaleUnderLoad(t *testing.T) {
	r := newRig(t)
	r.make("f")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := r.Invoke(t.Context(), Ref{Name: "f"}, Invocation{Answer: io.Discard}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 10 {
		want := int32(10 + i)
		_, err := r.Configure(t.Context(), "f", Edit{Timeout: &want}, nil)
		r.must(err)
		r.settled("f")
		if u := r.invokeAlone("f"); u.Timeout != time.Duration(want)*time.Second {
			t.Errorf("ran with %v after %d", u.Timeout, want)
		}
	}
	close(stop)
	wg.Wait()
}

// invokeAlone tells which unit this very invocation ran, whatever others do.
func (r *rig) invokeAlone(name string) *engine.Unit {
	r.Helper()
	route, err := r.resolve(r.Context(), Ref{Name: name})
	r.must(err)
	return route.arms[0].unit
}
