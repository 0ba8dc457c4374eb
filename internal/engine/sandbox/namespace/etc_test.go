//go:build linux && (amd64 || arm64)

package namespace

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestEtcIsKeptWhileTrue leaves a mark, which is gone when /etc is made anew.
func TestEtcIsKeptWhileTrue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etc")
	mark := filepath.Join(dir, "mark")
	kept := func(conf string) bool {
		t.Helper()
		if err := makeEtc(dir, conf); err != nil {
			t.Fatal(err)
		}
		holds(t, dir, map[string]string{"resolv.conf": conf})
		_, err := os.Stat(mark)
		if err := os.WriteFile(mark, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return err == nil
	}
	if kept("one") || !kept("one") {
		t.Error("made anew without a reason")
	}
	if kept("two") {
		t.Error("kept with another resolv.conf")
	}
	if err := os.Remove(dir + ".made-of"); err != nil { // as when its making was cut off
		t.Fatal(err)
	}
	if kept("two") {
		t.Error("what may be half of it was kept")
	}
}

func TestDescribeSeesChanges(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	seen := map[string]bool{}
	for i, change := range []func() error{
		func() error { return writePlain(name, "one") },
		func() error { return writePlain(name, "three") },
		func() error { return os.Chtimes(name, time.Time{}, time.Unix(1, 0)) },
		func() error { return os.Chmod(name, 0o600) },
		func() error { return os.Symlink("a", filepath.Join(dir, "link")) },
		func() error { return os.Remove(name) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		d, err := describe([]string{dir}, nil)
		if err != nil || seen[d] {
			t.Errorf("change %d is not seen, %v", i, err)
		}
		seen[d] = true
		if again, err := describe([]string{dir}, nil); err != nil || again != d {
			t.Errorf("after change %d: %v", i, err)
		}
	}
	if d, err := describe([]string{dir}, map[string]string{"hosts": "x"}); err != nil || seen[d] {
		t.Errorf("a text is not seen, %v", err)
	}
}
