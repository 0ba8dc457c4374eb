//go:build unix

// Package sandboxtest is the one suite that every isolation tier passes. It
// runs real programs inside real sandboxes: a shell, and Python where a shell
// cannot do it.
package sandboxtest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// Traits say what a tier promises beyond the contract, and so what is tested.
type Traits struct {
	Isolated bool // code sees and reaches nothing of the host, nor of other sandboxes
	Memory   bool // Spec.MemoryMB, and OOMKilled
	PIDs     bool // Spec.PIDs
	Tmp      bool // Spec.TmpMB
	CPU      bool // Spec.CPUs

	OneUser     bool // all sandboxes are one user of the host's: code has a number that others have, too
	TmpIsMemory bool // what is in /tmp counts as memory
}

// Run tests a tier. The tier has no other sandboxes meanwhile.
func Run(t *testing.T, tier sandbox.Tier, traits Traits) {
	for _, c := range conformance() {
		t.Run(c.name, func(t *testing.T) { c.run(t, tier) })
	}
	if _, late := tier.(lateTier); !late {
		t.Run("Furnish", func(t *testing.T) { testFurnish(t, tier) })
		t.Run("FurnishFails", func(t *testing.T) { testFurnishFails(t, tier) })
		if traits.Isolated {
			t.Run("Attack/Late", func(t *testing.T) { attackLate(t, tier) })
		}
		if traits.Memory {
			t.Run("FurnishLimits", func(t *testing.T) { testFurnishLimits(t, tier) })
		}
	}
	if traits.Tmp {
		t.Run("TmpIsLimited", func(t *testing.T) { testTmpLimit(t, tier) })
	}
	if traits.PIDs {
		t.Run("PIDsAreLimited", func(t *testing.T) { testForkBomb(t, tier) })
	}
	if traits.Memory {
		t.Run("MemoryIsLimited", func(t *testing.T) { testMemoryLimit(t, tier) })
	}
	if traits.Memory && !traits.TmpIsMemory {
		t.Run("TmpIsNotMemory", func(t *testing.T) { testTmpIsNotMemory(t, tier) })
	}
	if traits.CPU {
		t.Run("CPUIsLimited", func(t *testing.T) { testCPULimit(t, tier) })
		t.Run("ShareChanges", func(t *testing.T) { testShareChanges(t, tier) })
	}
	if traits.Isolated {
		for _, c := range attacks() {
			t.Run("Attack/"+c.name, func(t *testing.T) { c.run(t, tier) })
		}
		if !traits.OneUser {
			t.Run("Attack/Users", func(t *testing.T) { attackUsers(t, tier) })
		}
	}
}

// A test is one property of a tier.
type test struct {
	name string
	run  func(t *testing.T, tier sandbox.Tier)
}

// deadline bounds what the suite waits for; it is far beyond what anything takes.
const deadline = 60 * time.Second

var serial atomic.Int64

// spec is an ordinary sandbox under a name of its own.
func spec() sandbox.Spec {
	return sandbox.Spec{ID: fmt.Sprintf("suite-%d", serial.Add(1)), MemoryMB: 256, CPUs: 2, PIDs: 200, TmpMB: 64}
}

// open opens s and closes it with the test.
func open(t testing.TB, tier sandbox.Tier, s sandbox.Spec) sandbox.Sandbox {
	t.Helper()
	b, err := tier.Open(t.Context(), s)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// text is a writer that may be read at any time.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
	got chan struct{} // gets a value after a write, when there is room
}

func newText() *text { return &text{got: make(chan struct{}, 1)} }

func (w *text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.got <- struct{}{}:
	default:
	}
	return w.buf.Write(p)
}

func (w *text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// await returns once the text contains s.
func (w *text) await(t testing.TB, s string) {
	t.Helper()
	timeout := time.After(deadline)
	for !strings.Contains(w.String(), s) {
		select {
		case <-w.got:
		case <-timeout:
			t.Fatalf("no %q in %q", s, w.String())
		}
	}
}

// env is what programs inside get: enough to find others.
func env(more ...string) []string {
	return append([]string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/tmp", "LANG=C"}, more...)
}

// start runs args inside b, with out for both streams.
func start(t testing.TB, b sandbox.Sandbox, out *text, args ...string) sandbox.Process {
	t.Helper()
	p, err := b.Start(t.Context(), sandbox.Command{
		Args: args, Env: env("TMP=" + b.Path("/tmp")), Dir: b.Path("/tmp"), Stdout: out, Stderr: out,
	})
	if err != nil {
		t.Fatalf("Start %q: %v", args, err)
	}
	return p
}

// wait returns how p ended.
func wait(t testing.TB, p sandbox.Process) sandbox.Exit {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(deadline):
		t.Fatal("the process does not end")
	}
	return p.Exit()
}

// sh runs a script to its end, and returns what it wrote.
func sh(t testing.TB, b sandbox.Sandbox, script string) (string, sandbox.Exit) {
	t.Helper()
	out := newText()
	x := wait(t, start(t, b, out, "/bin/sh", "-c", script))
	return out.String(), x
}

// python runs a Python program to its end.
func python(t testing.TB, b sandbox.Sandbox, program string) (string, sandbox.Exit) {
	t.Helper()
	out := newText()
	x := wait(t, start(t, b, out, "/usr/bin/python3", "-I", "-S", "-c", program))
	return out.String(), x
}

// Bench measures from Open to the first byte of a program's output.
func Bench(b *testing.B, tier sandbox.Tier) {
	for b.Loop() {
		s, err := tier.Open(context.Background(), spec())
		if err != nil {
			b.Fatal(err)
		}
		out := newText()
		p, err := s.Start(context.Background(), sandbox.Command{Args: []string{"/bin/echo", "hello"}, Env: env(), Stdout: out})
		if err != nil {
			b.Fatal(err)
		}
		out.await(b, "hello")
		b.StopTimer()
		<-p.Done()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
