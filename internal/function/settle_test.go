package function

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// hold stops the workers, so that versions stay as a crash would leave them.
func (r *rig) hold() {
	r.Registry.stop()
	r.work.Wait()
}

func TestSettlesAfterRestart(t *testing.T) {
	r := newRig(t)
	r.hold()
	v, err := r.Create(t.Context(), r.plan("f"))
	r.must(err)
	if v.State != Pending {
		t.Fatalf("created as %s", v.State)
	}
	if _, err := r.Invoke(t.Context(), Ref{Name: "f"}, Invocation{}); err == nil || err.Error() != "The operation cannot be performed at this time. The function is currently in the following state: Pending" {
		t.Fatalf("invoked while pending: %v", err)
	}
	for name, change := range map[string]func() error{
		"configure": func() error { _, err := r.Configure(t.Context(), "f", Edit{Timeout: new(int32(4))}, nil); return err },
		"code":      func() error { _, err := r.UpdateCode(t.Context(), "f", CodeEdit{Zip: zipOf(t, "2")}); return err },
		"publish":   func() error { _, err := r.Publish(t.Context(), "f", Publication{}); return err },
	} {
		t.Run(name, func(t *testing.T) { wantKind(t, change(), ErrConflict) })
	}
	r.restart()
	if v := r.settled("f"); v.State != Active || v.Update != Successful {
		t.Errorf("settled as %s, %s", v.State, v.Update)
	}
	r.invoke("f", "")
	r.hold() // waits for what comes after settling
	r.engine.with(func() {
		if len(r.engine.expected) != 1 {
			t.Errorf("the engine expects %v, want the version that became active", r.engine.expected)
		}
	})
}

func TestUpdateRunsOldCodeUntilSettled(t *testing.T) {
	r := newRig(t)
	r.make("f")
	before := r.invoke("f", "")
	r.hold()
	_, err := r.UpdateCode(t.Context(), "f", CodeEdit{Zip: zipOf(t, "2")})
	r.must(err)
	if u := r.invoke("f", ""); u.Key != before.Key || u.Code != before.Code {
		t.Error("an update that has not settled is running already")
	}
	_, err = r.Configure(t.Context(), "f", Edit{Timeout: new(int32(4))}, nil)
	if err == nil || err.Error() != "The operation cannot be performed at this time. An update is in progress for resource: arn:aws:lambda:us-east-1:000000000000:function:f" {
		t.Errorf("update within an update: %v", err)
	}
	wantKind(t, r.Tag(t.Context(), r.ARN("f", ""), map[string]string{"a": "b"}), ErrConflict)
	r.restart()
	r.settled("f")
	after := r.invoke("f", "")
	if after.Key == before.Key || after.Code == before.Code {
		t.Error("the update did not arrive")
	}
}

func TestUpdateThatCannotBeUnpacked(t *testing.T) {
	r := newRig(t)
	r.make("f")
	before := r.invoke("f", "")
	r.hold()
	v, err := r.UpdateCode(t.Context(), "f", CodeEdit{Zip: zipOf(t, "2")})
	r.must(err)
	r.must(r.blobs.Delete(v.Code.SHA256)) // the disk lost it
	r.restart()
	v = r.settled("f")
	if v.State != Active || v.Update != Failed || v.UpdateCode == "" || v.UpdateReason == "" {
		t.Errorf("settled as %s, %s (%s: %s)", v.State, v.Update, v.UpdateCode, v.UpdateReason)
	}
	if u := r.invoke("f", ""); u.Code == "" || u.Key != before.Key {
		t.Error("the old code no longer runs")
	}
	_, err = r.UpdateCode(t.Context(), "f", CodeEdit{Zip: zipOf(t, "3")})
	r.must(err)
	if v := r.settled("f"); v.Update != Successful || v.Running != nil {
		t.Errorf("a good update after a bad one: %s", v.Update)
	}
}

func (r *rig) kept() (blobs, dirs int) {
	r.Helper()
	r.must(r.blobs.Each(func(string, int64) error { blobs++; return nil }))
	entries, err := os.ReadDir(filepath.Join(r.dir, "code"))
	r.must(err)
	for _, e := range entries {
		if e.IsDir() && len(e.Name()) == 64 {
			dirs++
		}
	}
	return blobs, dirs
}

func TestCodeIsCollected(t *testing.T) {
	r := newRig(t)
	r.make("f")
	r.make("same") // shares its archive
	_, err := r.Publish(t.Context(), "f", Publication{})
	r.must(err)
	_, err = r.UpdateCode(t.Context(), "f", CodeEdit{Zip: zipOf(t, "2")})
	r.must(err)
	r.settled("f")
	if n, _ := r.kept(); n != 2 {
		t.Errorf("%d archives, want those of two codes", n)
	}
	_, err = r.UpdateCode(t.Context(), "f", CodeEdit{Zip: zipOf(t, "3")})
	r.must(err)
	r.settled("f")
	waitFor(t, func() bool { n, _ := r.kept(); return n == 2 })
	r.must(r.Delete(t.Context(), Ref{Name: "f"}))
	if n, _ := r.kept(); n != 1 {
		t.Errorf("%d archives after a deletion, want the other function's", n)
	}
	r.invoke("same", "")
	r.must(r.Delete(t.Context(), Ref{Name: "same"}))
	if n, _ := r.kept(); n != 0 {
		t.Errorf("%d archives of no function", n)
	}
	r.restart()
	if _, dirs := r.kept(); dirs != 0 {
		t.Errorf("%d directories of no function after a restart", dirs)
	}
}

func TestSweepTakesWhatACrashLeft(t *testing.T) {
	r := newRig(t)
	r.make("f")
	_, err := r.blobs.Put(t.Context(), zipReader(t, "stray")) // and no commit
	r.must(err)
	if n, _ := r.kept(); n != 2 {
		t.Fatalf("%d archives", n)
	}
	r.restart()
	if n, dirs := r.kept(); n != 1 || dirs != 1 {
		t.Errorf("%d archives and %d directories, want the function's", n, dirs)
	}
	r.invoke("f", "")
}

func TestFailedCommitKeepsNothing(t *testing.T) {
	r := newRig(t)
	r.db.mu.Lock()
	r.db.fail = store.ErrFull
	r.db.mu.Unlock()
	_, err := r.Create(t.Context(), r.plan("f"))
	wantKind(t, err, store.ErrFull)
	if n, _ := r.kept(); n != 0 {
		t.Errorf("%d archives of a function that was not made", n)
	}
	r.db.mu.Lock()
	r.db.fail = nil
	r.db.mu.Unlock()
	r.make("f")
}
