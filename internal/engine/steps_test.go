package engine

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/namespace"
)

// BenchmarkColdSteps is what a cold start from a blank is made of: median and
// minimum, in microseconds, of each step. The blank is ready before each.
func BenchmarkColdSteps(b *testing.B) {
	for _, l := range []struct{ name, file, code string }{
		{"python", "f.py", "def handler(event, context): return event\n"},
		{"nodejs", "f.js", "exports.handler = async (event) => event\n"},
	} {
		b.Run("language="+l.name, func(b *testing.B) {
			e, u := stepsEngine(b, l.name, l.file, l.code)
			steps := map[string][]time.Duration{}
			for b.Loop() {
				o, ok := e.order(u)
				if !ok {
					b.Fatal("no blank")
				}
				e.blanks.Expect(o)
				for stats := e.blanks.Stats(); stats[o.Key].Ready == 0 || stats[o.Key].Making > 0; stats = e.blanks.Stats() {
					time.Sleep(time.Millisecond)
				}
				coldSteps(b, e, u, steps)
			}
			mb, n := 0.0, 0
			for _, s := range e.blanks.Stats() {
				mb, n = mb+s.MB, n+s.Ready
			}
			b.ReportMetric(mb/float64(max(n, 1)), "MB/blank")
			for name, took := range steps {
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), name+"-us")
				b.ReportMetric(float64(took[0].Microseconds()), name+"-min-us")
			}
		})
	}
}

// coldSteps does what an invocation of a new function does, and notes how long
// each step took.
func coldSteps(b *testing.B, e *Engine, u *Unit, steps map[string][]time.Duration) {
	at := time.Now()
	start := at
	step := func(name string) {
		now := time.Now()
		steps[name] = append(steps[name], now.Sub(at))
		at = now
	}
	o, _ := e.order(u)
	k, err := e.blanks.Take(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	step("1take")
	if err := k.Box.Furnish(b.Context(), sandbox.Furnishing{Mounts: u.mounts(), MemoryMB: u.MemoryMB, CPUs: 2, PIDs: maxPIDs}); err != nil {
		b.Fatal(err)
	}
	step("2furnish")
	i, err := e.instance(b.Context(), u, k.Place, false)
	if err != nil {
		b.Fatal(err)
	}
	defer i.Close()
	i.blank, i.begun, i.proc = k, start, k.Proc
	k.Output.To(i.log)
	step("3prepare")
	if f, err := i.initialise(b.Context(), phaseInit, time.Minute); f != nil || err != nil {
		b.Fatal(f, err)
	}
	step("4import")
	if err := i.box.LimitCPU(i.share()); err != nil {
		b.Fatal(err)
	}
	step("5limit")
	in := &invocation{instance: i, c: &Call{RequestID: "r", Payload: []byte("1"), Answer: io.Discard}, fresh: true}
	if err := in.run(); err != nil || in.fault != nil {
		b.Fatal(err, in.fault)
	}
	step("6answer")
	steps["7all"] = append(steps["7all"], at.Sub(start))
}

func stepsEngine(b *testing.B, language, file, code string) (*Engine, *Unit) {
	dirs := []string{b.TempDir(), b.TempDir()}
	for _, dir := range dirs {
		if err := os.Chmod(dir, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	set, err := runtimes.Discover(b.Context(), runtimes.Options{Dir: dirs[0], Near: true})
	if err != nil {
		b.Fatal(err)
	}
	list := set.List()
	n := slices.IndexFunc(list, func(s runtimes.Status) bool { return s.Available && strings.HasPrefix(s.Runtime, language) })
	if n < 0 {
		b.Skipf("no %s on this machine", language)
	}
	tier, err := namespace.New(namespace.Config{StateDir: b.TempDir()})
	if err != nil {
		b.Skip(err)
	}
	e := New(Config{Tier: tier, Runtimes: set, Offline: true})
	b.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			b.Error(err)
		}
		if err := tier.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dirs[1], file), []byte(code), 0o644); err != nil {
		b.Fatal(err)
	}
	return e, &Unit{Key: "f", Function: "f", Version: "1", Runtime: list[n].Runtime, Handler: "f.handler", MemoryMB: 512, TmpMB: 512,
		Timeout: time.Minute, Code: dirs[1], Log: Logging{Group: "/aws/lambda/f"}}
}
