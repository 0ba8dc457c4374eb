//go:build linux && (amd64 || arm64)

package namespace

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/sandboxtest"
	"golang.org/x/sys/unix"
)

// lives is how many sandboxes the soak opens.
func lives(t *testing.T) int {
	if testing.Short() {
		return 100
	}
	return 2000
}

// zombies counts our own children that nobody has reaped.
func zombies() (n int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range lists {
		pids, _ := os.ReadFile(name)
		for _, pid := range strings.Fields(string(pids)) {
			b, _ := os.ReadFile("/proc/" + pid + "/status")
			if strings.Contains(string(b), "State:\tZ") {
				n++
			}
		}
	}
	return n
}

// TestSoak opens, furnishes, forks, freezes, kills and closes at random, with zygotes
// and inits that are killed meanwhile, and looks for what is left.
func TestSoak(t *testing.T) {
	theWorld(t)
	tier := newReservedTier(t, t.TempDir(), 2)
	s := &soak{tier: tier, t: t}
	s.run(20) // what is made once is made
	tier.reserve.wg.Wait()
	fds := descriptors()
	s.run(lives(t))
	s.mu.Lock()
	err := s.z.Close()
	s.mu.Unlock()
	if err != nil {
		t.Error(err)
	}
	tier.reserve.wg.Wait()
	if err := tier.reserve.close(); err != nil {
		t.Error(err)
	}
	if tier.disks != nil {
		tier.disks.keep(0)
	}
	nothingLeft(t, tier, left{})
	if now := descriptors(); now > fds {
		t.Errorf("%d descriptors, %d before", now, fds)
	}
	if n := zombies(); n > 0 {
		t.Errorf("%d zombies", n)
	}
}

type soak struct {
	tier *Tier
	t    *testing.T

	mu sync.Mutex // guards z
	z  sandbox.Zygote
}

// zygote returns a living one.
func (s *soak) zygote() sandbox.Zygote {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.z != nil {
		select {
		case <-s.z.Done():
		default:
			return s.z
		}
	}
	s.z = sandboxtest.NewZygote(s.t, s.tier)
	return s.z
}

func (s *soak) run(n int) {
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range n / 4 {
				if err := s.live(fmt.Sprintf("soak-%d-%d", worker, i)); err != nil {
					s.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// live is one sandbox. Errors of what was killed are not errors.
func (s *soak) live(id string) error {
	late := rand.IntN(2) == 0
	b, err := s.tier.Open(s.t.Context(), sandbox.Spec{ID: id, TmpMB: 8, MemoryMB: 128, PIDs: 50, Late: late, Outbound: rand.IntN(8) == 0})
	if err != nil {
		return err
	}
	cmd := sandbox.Command{Args: []string{"/bin/sh", "-c", "sleep 1000 & echo x > /tmp/x; sleep 1000"}, Stdout: io.Discard}
	if rand.IntN(2) == 0 {
		cmd = sandbox.Command{From: s.zygote(), Stdout: io.Discard}
	}
	if rand.IntN(20) == 0 {
		s.killSomething(b.(*box), cmd.From)
	}
	_, _ = b.Start(s.t.Context(), cmd)
	if late && rand.IntN(4) > 0 {
		_ = b.Furnish(s.t.Context(), sandbox.Furnishing{Mounts: []sandbox.Mount{{Source: "/usr", Target: "/var/task"}}, MemoryMB: 64})
	}
	_, _ = b.Listen(9001)
	switch rand.IntN(4) {
	case 0:
		_ = b.Freeze()
	case 1:
		_ = b.Kill()
		_, _ = b.Start(s.t.Context(), sandbox.Command{Args: []string{"/bin/true"}})
	}
	return b.Close()
}

// killSomething kills a zygote, or the first process of b, while others use it.
func (s *soak) killSomething(b *box, z sandbox.Zygote) {
	if z != nil {
		go z.Close()
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = unix.Kill(b.holder.pid, unix.SIGKILL)
}
