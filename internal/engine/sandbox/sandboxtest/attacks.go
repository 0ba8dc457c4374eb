//go:build unix

package sandboxtest

import (
	"net/netip"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// addrPort is what a TCP listener's address can tell.
type addrPort interface{ AddrPort() netip.AddrPort }

func testTmpLimit(t *testing.T, tier sandbox.Tier)       {}
func testForkBomb(t *testing.T, tier sandbox.Tier)       {}
func testMemoryLimit(t *testing.T, tier sandbox.Tier)    {}
func testTmpIsNotMemory(t *testing.T, tier sandbox.Tier) {}
func testCPULimit(t *testing.T, tier sandbox.Tier)       {}
func attacks() []test                                    { return nil }
func outbound() []test                                   { return nil }
