//go:build linux && (amd64 || arm64)

package namespace

import (
	"os"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/sandboxtest"
)

func newTestTier(t testing.TB, dir string) *Tier {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	tier, err := New(Config{StateDir: dir})
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
	sandboxtest.Run(t, newTestTier(t, t.TempDir()), sandboxtest.Traits{
		Isolated: true, Memory: true, PIDs: true, Tmp: true, CPU: true})
}

func BenchmarkOpenStartEcho(b *testing.B) {
	sandboxtest.Bench(b, newTestTier(b, b.TempDir()))
}
