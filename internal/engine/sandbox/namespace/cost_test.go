//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/sandboxtest"
	"golang.org/x/sys/unix"
)

// These measure what the engine pays for. CPU is that of the server and of all
// children that have ended.

func cpuTime() int64 {
	var total int64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var ru unix.Rusage
		if unix.Getrusage(who, &ru) == nil {
			total += ru.Utime.Nano() + ru.Stime.Nano()
		}
	}
	return total
}

func costSpec(i int) sandbox.Spec {
	return sandbox.Spec{ID: fmt.Sprintf("cost-%d", i), MemoryMB: 256, CPUs: 1, PIDs: 200, TmpMB: 512}
}

// BenchmarkSandbox is a whole life: Open, Start of a small program, its end, Close.
func BenchmarkSandbox(b *testing.B) {
	for _, c := range []struct {
		name string
		late bool
		out  bool
		keep int // disks
	}{{"Early", false, false, 4}, {"NewDisks", false, false, 0}, {"Late", true, false, 4}, {"Outbound", false, true, 4}} {
		b.Run(c.name, func(b *testing.B) {
			tier := newReservedTier(b, b.TempDir(), -1)
			if tier.disks != nil {
				tier.disks.keep(c.keep)
			}
			before := cpuTime()
			for i := 0; b.Loop(); i++ {
				s := costSpec(i)
				s.Late, s.Outbound = c.late, c.out
				live(b, tier, s)
			}
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N)/1000, "cpu-us/op")
		})
	}
}

func live(b *testing.B, tier *Tier, s sandbox.Spec) {
	box, err := tier.Open(context.Background(), s)
	if err != nil {
		b.Fatal(err)
	}
	if s.Late {
		if err := box.Furnish(context.Background(), sandbox.Furnishing{Mounts: []sandbox.Mount{{Source: "/usr", Target: "/var/task"}}, MemoryMB: 128, CPUs: 1, PIDs: 100}); err != nil {
			b.Fatal(err)
		}
	}
	p, err := box.Start(context.Background(), sandbox.Command{Args: []string{"/bin/true"}})
	if err != nil {
		b.Fatal(err)
	}
	<-p.Done()
	if err := box.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchBox(b *testing.B) *box {
	s, err := newReservedTier(b, b.TempDir(), -1).Open(context.Background(), costSpec(0))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if _, err := s.Start(context.Background(), sandbox.Command{Args: []string{"/bin/sleep", "1000"}}); err != nil {
		b.Fatal(err)
	}
	return s.(*box)
}

func BenchmarkUsage(b *testing.B) {
	s := benchBox(b)
	for b.Loop() {
		if _, err := s.Usage(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFreezeThaw(b *testing.B) {
	s := benchBox(b)
	for b.Loop() {
		if err := s.Freeze(); err != nil {
			b.Fatal(err)
		}
		if err := s.Thaw(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLimitCPU(b *testing.B) {
	s := benchBox(b)
	for i := 0; b.Loop(); i++ {
		if err := s.LimitCPU([]float64{0, 0.5}[i%2]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFurnish(b *testing.B) {
	tier := newReservedTier(b, b.TempDir(), -1)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		s := costSpec(i)
		s.Late = true
		box, err := tier.Open(context.Background(), s)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := box.Furnish(context.Background(), sandbox.Furnishing{Mounts: []sandbox.Mount{{Source: "/usr", Target: "/var/task"}}, MemoryMB: 128, CPUs: 1, PIDs: 100}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := box.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkFork is from Start to a child of a zygote that is in its sandbox.
func BenchmarkFork(b *testing.B) {
	tier := newReservedTier(b, b.TempDir(), -1)
	z := sandboxtest.NewZygote(b, tier)
	var charged int64
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		s, err := tier.Open(context.Background(), costSpec(i))
		if err != nil {
			b.Fatal(err)
		}
		g, _ := s.(*box).group.(*group1)
		b.StartTimer()
		begin := time.Now()
		link, _ := fork(b, z, s)
		took = append(took, time.Since(begin))
		b.StopTimer()
		if g != nil {
			n, _ := new(controls).number(g.dirs["memory"], "memory.usage_in_bytes")
			charged += n
		}
		link.Close()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1000, "p50-us")
	b.ReportMetric(float64(took[0])/1000, "min-us")
	b.ReportMetric(float64(charged)/float64(b.N)/1024, "charged-KiB")
}

// BenchmarkBurst opens a hundred at once, each to run a small program. The closing,
// and the filling of the reserve, are not counted.
func BenchmarkBurst(b *testing.B) {
	tier := newReservedTier(b, b.TempDir(), 0)
	for b.Loop() {
		var mu sync.Mutex
		var boxes []sandbox.Sandbox
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				s, err := tier.Open(context.Background(), costSpec(i))
				if err != nil {
					b.Error(err)
					return
				}
				if p, err := s.Start(context.Background(), sandbox.Command{Args: []string{"/bin/true"}}); err != nil {
					b.Error(err)
				} else {
					<-p.Done()
				}
				mu.Lock()
				defer mu.Unlock()
				boxes = append(boxes, s)
			})
		}
		wg.Wait()
		b.StopTimer()
		for _, s := range boxes {
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		}
		tier.reserve.wg.Wait()
		b.StartTimer()
	}
}
