//go:build linux && (amd64 || arm64)

package namespace

import (
	"fmt"
	"testing"
	"time"

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
	tier.reserve.most = 2
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
	if tier.disks != nil {
		tier.disks.keep(0)
	}
	nothingLeft(t, tier, before)
	open(small) // a closed reserve only makes nothing ahead
	if got := kinds(tier.reserve); len(got) != 0 {
		t.Errorf("after close: %v", got)
	}
}

// TestReserveFollowsDemand has it miss, and then not.
func TestReserveFollowsDemand(t *testing.T) {
	var now time.Time
	r := newReserve(nil)
	r.now = func() time.Time { return now }
	r.resize(4)
	for _, want := range []int{8, 16, 32, 32} {
		if r.demand(true); r.size != want {
			t.Errorf("after a miss: %d, want %d", r.size, want)
		}
	}
	now = now.Add(quiet)
	if r.demand(false); r.size != 32 {
		t.Errorf("too soon: %d", r.size)
	}
	for _, want := range []int{16, 8, 4, 4} {
		now = now.Add(quiet + 1)
		if r.demand(false); r.size != want {
			t.Errorf("after a while: %d, want %d", r.size, want)
		}
	}
	none := newReserve(nil)
	if none.demand(true); none.size != 0 {
		t.Errorf("a reserve of none: %d", none.size)
	}
}

// TestReserveWaits has a sandbox that is being opened: nothing else is made.
func TestReserveWaits(t *testing.T) {
	theWorld(t)
	tier := newReservedTier(t, t.TempDir(), 2)
	r := tier.reserve
	if k := r.take(kind{tmpMB: 8}); k != nil { // which starts a filler
		t.Fatal("a blank from nowhere")
	}
	r.mu.Lock()
	before := len(r.ready)
	r.mu.Unlock()
	r.opened()
	if got := kinds(r); before != 0 || got[kind{tmpMB: 8}] != r.size {
		t.Errorf("%d before, %v after", before, got)
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
