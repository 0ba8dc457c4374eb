package function

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A hooked engine calls back while it is told something.
type hooked struct {
	*fakeEngine
	reserve   func(n int)
	unreserve func()
}

func (h hooked) Reserve(arn string, n int) {
	if h.reserve != nil {
		h.reserve(n)
	}
	h.fakeEngine.Reserve(arn, n)
}

func (h hooked) Unreserve(arn string) {
	if h.unreserve != nil {
		h.unreserve()
	}
	h.fakeEngine.Unreserve(arn)
}

// set runs f on the database's hooks.
func (d *countingDB) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// A caller that goes away once his deletion is committed leaves nothing running.
func TestDeleteGoesOnWithoutItsCaller(t *testing.T) {
	r := newRig(t)
	r.make("f")
	_, err := r.Publish(t.Context(), "f", Publication{})
	r.must(err)
	_, err = r.Provision(t.Context(), Ref{"f", "1"}, 2)
	r.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	r.Registry.engine = hooked{fakeEngine: r.engine, unreserve: cancel}
	r.must(r.Delete(ctx, Ref{Name: "f"}))
	r.engine.with(func() {
		for key, n := range r.engine.provisioned {
			if n != 0 {
				t.Errorf("%d sandboxes of %s stay", n, key)
			}
		}
		if len(r.engine.drained) != 2 {
			t.Errorf("%d versions drained, want 2", len(r.engine.drained))
		}
	})
	if blobs, _ := r.kept(); blobs != 0 {
		t.Errorf("%d archives stay", blobs)
	}
}

// The engine ends up with the reservation that is stored, whatever the order in
// which two callers get to tell it.
func TestReservationsReachTheEngineInOrder(t *testing.T) {
	r := newRig(t)
	r.make("f")
	var second sync.WaitGroup
	first := make(chan struct{}, 1)
	first <- struct{}{}
	r.Registry.engine = hooked{fakeEngine: r.engine, reserve: func(int) {
		select {
		case <-first:
		default:
			return
		}
		second.Go(func() { r.must(r.Reserve(t.Context(), "f", 2)) })
		waitFor(t, func() bool {
			n, err := r.Reserved(t.Context(), "f")
			r.must(err)
			return *n == 2
		})
		time.Sleep(20 * time.Millisecond) // the second could tell the engine now
	}}
	r.must(r.Reserve(t.Context(), "f", 1))
	second.Wait()
	r.engine.with(func() {
		if n := r.engine.reserved[r.ARN("f", "")]; n != 2 {
			t.Errorf("the engine has %d, stored is 2", n)
		}
	})
}

// An update that replaces code between an invocation's look at the version and
// its look at the archive does not fail the invocation.
func TestInvokeWhileTheArchiveGoes(t *testing.T) {
	r := newRig(t)
	r.make("f")
	r.db.set(func() {
		r.db.after = func() {
			_, err := r.UpdateCode(t.Context(), "f", CodeEdit{Zip: zipOf(t, "2")})
			r.must(err)
			r.settled("f")
			waitFor(t, func() bool { n, _ := r.kept(); return n == 1 })
		}
	})
	r.routes.forget("f") // what make remembered
	r.routes.remember("f")
	if u := r.invoke("f", ""); u.Key != r.settled("f").key() {
		t.Errorf("%s ran, which is not there any more", u.Key)
	}
}

// A database that fails for a while does not leave a function Pending for ever.
func TestSettlesOnceTheDatabaseWorksAgain(t *testing.T) {
	r := newRig(t)
	r.hold()
	_, err := r.Create(t.Context(), r.plan("f"))
	r.must(err)
	r.db.set(func() { r.db.fail = store.ErrFull })
	var worker sync.WaitGroup
	worker.Go(func() { r.finish(t.Context(), job{"f", 0}) })
	waitFor(t, func() bool {
		r.db.mu.Lock()
		defer r.db.mu.Unlock()
		return r.db.fails > 0
	})
	r.db.set(func() { r.db.fail = nil })
	worker.Wait()
	if v := r.settled("f"); v.State != Active {
		t.Errorf("settled as %s", v.State)
	}
}

// What ran is metered before Close returns, though its caller has gone.
func TestCloseWaitsForTheMeter(t *testing.T) {
	r := newRig(t)
	r.make("f")
	running, done := make(chan struct{}), make(chan struct{})
	r.engine.with(func() {
		r.engine.during = func(*engine.Unit) { close(running); <-done }
	})
	ctx, cancel := context.WithCancel(t.Context())
	var call, closing sync.WaitGroup
	call.Go(func() {
		if _, err := r.Invoke(ctx, Ref{Name: "f"}, Invocation{Answer: io.Discard}); err != nil {
			t.Error(err)
		}
	})
	<-running
	cancel()
	closed := make(chan struct{})
	closing.Go(func() { r.must(r.Registry.Close()); close(closed) })
	waitFor(t, func() bool {
		r.calls.mu.RLock()
		defer r.calls.mu.RUnlock()
		return r.calls.closed
	})
	if _, err := r.Invoke(t.Context(), Ref{Name: "f"}, Invocation{Answer: io.Discard}); err != ErrClosed {
		t.Errorf("an invocation after Close: %v", err)
	}
	select {
	case <-closed:
		t.Error("closed with an invocation running")
	default:
	}
	close(done)
	closing.Wait()
	bill, err := r.usage.Bill(t.Context(), time.Now().Add(-48*time.Hour), time.Now().Add(48*time.Hour), false)
	r.must(err)
	if len(bill.Lines) != 1 || bill.Lines[0].Requests != 1 {
		t.Errorf("metered when Close returned: %+v, want one request", bill.Lines)
	}
	call.Wait()
}

// A layer that goes while a function is being made does not become part of it.
func TestLayerGoesMeanwhile(t *testing.T) {
	var mu sync.Mutex
	at := time.Now()
	r := &rig{T: t, dir: t.TempDir(), now: func() time.Time { mu.Lock(); defer mu.Unlock(); return at }}
	r.start()
	t.Cleanup(r.stop)
	_, err := r.PublishLayer(t.Context(), NewLayer{Name: "l", Zip: zipOf(t, "layer")})
	r.must(err)
	n := r.plan("f")
	n.Edit.Layers = &[]string{r.LayerARN("l", 1)}
	r.db.set(func() {
		r.db.after = func() { // the layer has been resolved
			r.must(r.DeleteLayer(t.Context(), "l", 1))
			mu.Lock()
			at = at.Add(2 * departing)
			mu.Unlock()
			r.purgeLayers(t.Context())
		}
	})
	_, err = r.Create(t.Context(), n)
	wantKind(t, err, ErrInvalid)
}

func TestDeletedLayersAreGoneAfterRestart(t *testing.T) {
	r := newRig(t)
	_, err := r.PublishLayer(t.Context(), NewLayer{Name: "l", Zip: zipOf(t, "layer")})
	r.must(err)
	r.must(r.DeleteLayer(t.Context(), "l", 1))
	r.restart()
	if blobs, _ := r.kept(); blobs != 0 {
		t.Errorf("%d archives of a deleted layer", blobs)
	}
}

// Merged layers that no version uses go after a while, those in use stay, over a
// restart too.
func TestMergedLayersAreCollected(t *testing.T) {
	var mu sync.Mutex
	at := time.Now()
	r := &rig{T: t, dir: t.TempDir(), now: func() time.Time { mu.Lock(); defer mu.Unlock(); return at }}
	r.start()
	t.Cleanup(r.stop)
	for _, name := range []string{"a", "b"} {
		_, err := r.PublishLayer(t.Context(), NewLayer{Name: name, Zip: zipOf(t, name)})
		r.must(err)
	}
	with := func(name string, layers ...string) {
		n := r.plan(name)
		n.Edit.Layers = &layers
		_, err := r.Create(t.Context(), n)
		r.must(err)
		r.settled(name)
	}
	with("stays", r.LayerARN("a", 1), r.LayerARN("b", 1))
	with("goes", r.LayerARN("b", 1), r.LayerARN("a", 1))
	merged := func() int {
		dirs, err := filepath.Glob(filepath.Join(r.dir, "code", "merged-*"))
		r.must(err)
		return len(dirs)
	}
	if n := merged(); n != 2 {
		t.Fatalf("%d merged directories, want 2", n)
	}
	r.must(r.Delete(t.Context(), Ref{Name: "goes"}))
	for i := range 4 { // each drops an archive
		_, err := r.UpdateCode(t.Context(), "stays", CodeEdit{Zip: zipOf(t, fmt.Sprint("code", i))})
		r.must(err)
		r.settled("stays")
		waitFor(t, func() bool { n, _ := r.kept(); return n == 3 })
		mu.Lock()
		at = at.Add(lingering + time.Minute)
		mu.Unlock()
	}
	waitFor(t, func() bool { return merged() == 1 })
	opt := r.invoke("stays", "").Opt
	before, err := os.Stat(opt)
	r.must(err)
	r.restart()
	if after, err := os.Stat(opt); err != nil || !os.SameFile(before, after) {
		t.Errorf("merged layers in use were made anew: %v", err)
	}
}

// A version published of a $LATEST whose update failed is not called active
// before its code is there.
func TestPublishAfterAFailedUpdate(t *testing.T) {
	r := newRig(t)
	r.make("f")
	r.hold()
	v, err := r.UpdateCode(t.Context(), "f", CodeEdit{Zip: zipOf(t, "2")})
	r.must(err)
	r.must(r.blobs.Delete(v.Code.SHA256))
	r.restart()
	if v := r.settled("f"); v.Update != Failed {
		t.Fatalf("settled as %s", v.Update)
	}
	v, err = r.Publish(t.Context(), "f", Publication{})
	r.must(err)
	if v.State != Pending {
		t.Errorf("published as %s", v.State)
	}
	waitFor(t, func() bool {
		v, err := r.Get(t.Context(), Ref{"f", "1"})
		r.must(err)
		return v.State == Failed
	})
}
