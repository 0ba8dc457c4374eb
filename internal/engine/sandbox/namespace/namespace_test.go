//go:build linux && (amd64 || arm64)

package namespace

import (
	"fmt"
	"os"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/sandboxtest"
)

// newTestTier prepares nothing ahead, so that what is left can be counted.
func newTestTier(t testing.TB, dir string) *Tier {
	t.Helper()
	return newReservedTier(t, dir, -1)
}

func newReservedTier(t testing.TB, dir string, reserve int) *Tier {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	tier, err := New(Config{StateDir: dir, Reserve: reserve})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tier.Close(); err != nil {
			t.Error(err)
		}
	})
	return tier
}

func TestSuite(t *testing.T) {
	theWorld(t)
	for _, reserve := range []int{-1, 3} {
		t.Run(fmt.Sprintf("Reserve%d", max(reserve, 0)), func(t *testing.T) {
			tier := newReservedTier(t, t.TempDir(), reserve)
			sandboxtest.Run(t, tier, sandboxtest.Traits{Isolated: true, Memory: true, PIDs: true, Tmp: true, CPU: true})
		})
	}
}

func BenchmarkOpenStartEcho(b *testing.B) {
	sandboxtest.Bench(b, newReservedTier(b, b.TempDir(), 4))
}
