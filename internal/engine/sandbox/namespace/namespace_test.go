//go:build linux && (amd64 || arm64)

package namespace

import (
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

// rootTraits are what the tier promises where root runs it.
var rootTraits = sandboxtest.Traits{Isolated: true, Memory: true, PIDs: true, Tmp: true, CPU: true}

func TestSuite(t *testing.T) {
	theWorld(t)
	sandboxtest.Run(t, newTestTier(t, t.TempDir()), rootTraits)
}

func TestLateSuite(t *testing.T) {
	theWorld(t)
	sandboxtest.Run(t, sandboxtest.Late(newReservedTier(t, t.TempDir(), 3)), rootTraits)
}

func BenchmarkOpenStartEcho(b *testing.B) {
	sandboxtest.Bench(b, newReservedTier(b, b.TempDir(), 4))
}
