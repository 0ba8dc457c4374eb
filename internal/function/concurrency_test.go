package function

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func TestEngineIsToldAtStart(t *testing.T) {
	r := newRig(t)
	r.make("f")
	_, err := r.Publish(t.Context(), "f", Publication{})
	r.must(err)
	r.must(r.Reserve(t.Context(), "f", 5))
	_, err = r.Registry.Provision(t.Context(), Ref{"f", "1"}, 2)
	r.must(err)
	var key string
	for k, n := range r.engine.provisioned {
		key = k
		if n != 2 {
			t.Errorf("provisioned %d of %s", n, k)
		}
	}
	r.restart()
	if n := r.engine.reserved[r.ARN("f", "")]; n != 5 {
		t.Errorf("reserved %d after a restart", n)
	}
	if n := r.engine.provisioned[key]; n != 2 {
		t.Errorf("provisioned %d after a restart", n)
	}
	r.must(r.Delete(t.Context(), Ref{Name: "f"}))
	if _, still := r.engine.reserved[r.ARN("f", "")]; still || r.engine.provisioned[key] != 0 {
		t.Error("a deleted function keeps its concurrency")
	}
}

func TestProvisionedIsMetered(t *testing.T) {
	r := newRig(t)
	r.make("f")
	_, err := r.Publish(t.Context(), "f", Publication{})
	r.must(err)
	_, err = r.Registry.Provision(t.Context(), Ref{"f", "1"}, 2)
	r.must(err)
	r.must(r.Unprovision(t.Context(), Ref{"f", "1"}))
	day := 24 * time.Hour
	bill, err := r.usage.Bill(t.Context(), time.Now().Add(-day), time.Now().Add(2*day), false)
	r.must(err)
	if len(bill.Lines) == 0 || bill.Lines[0].Cost.Provisioned.Sign() <= 0 {
		t.Errorf("bill %+v", bill.Lines)
	}
}

// TestConcurrentChanges: of changes that exclude each other one wins, whatever the order.
func TestConcurrentChanges(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made, versions := 0, map[int64]int{}
	for range 8 {
		wg.Go(func() {
			_, err := r.Create(t.Context(), r.plan("f"))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("%d of 8 creations won", made)
	}
	r.settled("f")
	for range 8 {
		wg.Go(func() {
			v, err := r.Registry.Publish(t.Context(), "f", Publication{})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			versions[v.Number]++
		})
	}
	wg.Wait()
	if len(versions) != 1 || versions[1] != 8 {
		t.Errorf("the same code was published as %v", versions)
	}
	for i := range 8 {
		wg.Go(func() {
			_, err := r.AddPermission(t.Context(), Ref{Name: "f"}, Permission{ID: fmt.Sprint("s", i), Action: "lambda:InvokeFunction", Principal: "*"})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	text, _, err := r.Policy(t.Context(), Ref{Name: "f"})
	r.must(err)
	if d, err := parsePolicy(text); err != nil || len(d.Statement) != 8 {
		t.Errorf("8 permissions became %s", text)
	}
}

func TestCodeLocation(t *testing.T) {
	r := newRig(t)
	start := time.Now()
	var later atomic.Int64
	r.now = func() time.Time { return start.Add(time.Duration(later.Load())) }
	r.restart()
	v := r.make("f")
	expires := fmt.Sprint(start.Add(locationLife).Unix())
	sig := r.sign(v.Code.SHA256, expires)
	f, size, err := r.OpenCode(v.Code.SHA256, expires, sig)
	r.must(err)
	f.Close()
	if size != v.Code.Size {
		t.Errorf("%d bytes of %d", size, v.Code.Size)
	}
	for _, c := range [][3]string{
		{v.Code.SHA256, expires, "00"}, {v.Code.SHA256, expires + "0", sig}, {"../../etc/passwd", expires, sig}, {v.Code.SHA256, "", ""},
	} {
		_, _, err := r.OpenCode(c[0], c[1], c[2])
		wantKind(t, err, ErrLocation)
	}
	later.Store(int64(locationLife + time.Second))
	_, _, err = r.OpenCode(v.Code.SHA256, expires, sig)
	wantKind(t, err, ErrLocation)
	r.must(r.Delete(t.Context(), Ref{Name: "f"}))
	expires = fmt.Sprint(r.now().Add(time.Minute).Unix())
	_, _, err = r.OpenCode(v.Code.SHA256, expires, r.sign(v.Code.SHA256, expires))
	wantKind(t, err, ErrNotFound)
}

func TestStorageLimit(t *testing.T) {
	r := newRig(t)
	r.must(r.db.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(`INSERT INTO function_versions (name, number, size, settling, doc) VALUES ('big', 0, ?, 0, '{}')`, int64(MaxStorage)-10)
		return err
	}))
	_, err := r.Create(t.Context(), r.plan("f"))
	wantKind(t, err, ErrStorage)
	if n, _ := r.kept(); n != 0 {
		t.Errorf("%d archives of a function that was refused", n)
	}
}
