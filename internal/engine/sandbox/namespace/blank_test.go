//go:build linux && (amd64 || arm64)

package namespace

import (
	"fmt"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// kinds waits for the reserve's filler, and counts what is ready.
func kinds(r *reserve) map[kind]int {
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	m := map[kind]int{}
	for _, k := range r.ready {
		m[k.kind]++
	}
	return m
}

func TestReserve(t *testing.T) {
	theWorld(t)
	tier := newReservedTier(t, t.TempDir(), 2)
	before := count(tier)
	small, big := kind{tmpMB: 8}, kind{tmpMB: 16}
	open := func(of kind) {
		t.Helper()
		b, err := tier.Open(t.Context(), sandbox.Spec{ID: "one", TmpMB: of.tmpMB, Outbound: of.outbound})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	open(small)
	if got := kinds(tier.reserve); got[small] != 2 || len(got) != 1 {
		t.Errorf("after the first Open: %v", got)
	}
	open(big)
	if got := kinds(tier.reserve); got[small] != 1 || got[big] != 1 {
		t.Errorf("after another kind: %v", got)
	}
	open(small)
	if got := kinds(tier.reserve); got[small] < 1 || got[small]+got[big] != 2 {
		t.Errorf("after the first kind again: %v", got)
	}
	if err := tier.reserve.close(); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, tier, before)
	open(small) // a closed reserve only makes nothing ahead
	if got := kinds(tier.reserve); len(got) != 0 {
		t.Errorf("after close: %v", got)
	}
}

// TestSandboxesAreFresh looks for what one sandbox left, in the next.
func TestSandboxesAreFresh(t *testing.T) {
	theWorld(t)
	tier := newReservedTier(t, t.TempDir(), 1)
	for i := range 4 {
		b := openBox(t, tier, fmt.Sprintf("fresh-%d", i), false)
		if got := command(t, b, "/bin/sh", "-c", "ls -A /tmp /dev/shm | grep -v : | tr -d '\n'; echo x > /tmp/x; echo y > /dev/shm/y"); got != "" {
			t.Errorf("sandbox %d begins with %q", i, got)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
