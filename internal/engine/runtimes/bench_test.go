package runtimes

import (
	"os/exec"
	"slices"
	"testing"
	"time"
)

// BenchmarkStart is the time from starting a function to its first request for
// an invocation, beside the bare interpreter from start to end.
func BenchmarkStart(b *testing.B) {
	s, err := here()
	if err != nil {
		b.Fatal(err)
	}
	code := map[family]function{
		python: {handler: "app.h", files: map[string]string{"app.py": "def h(e, c): return e"}},
		nodejs: {handler: "app.h", files: map[string]string{"app.js": "exports.h = async (e) => e"}},
	}
	for _, st := range s.List() {
		in := s.found[st.Runtime]
		f, ok := code[in.spec.family]
		if !ok {
			continue
		}
		f.runtime = st.Runtime
		b.Run(st.Runtime+"/bare", func(b *testing.B) {
			for range b.N {
				if err := exec.Command(in.Exe, "-c", "").Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, w := range waysOf(in.spec.family) {
			b.Run(st.Runtime+"/"+string(w), func(b *testing.B) { benchmarkWay(b, s, f) })
		}
	}
}

// benchmarkWay measures the time to a function's first answer, for a blank from
// its assignment on; and what follows.
func benchmarkWay(b *testing.B, s *Set, f function) {
	b.Run("first", func(b *testing.B) {
		var took []time.Duration
		for range b.N {
			l := startOn(b, s, f)
			l.invoke("{}")
			took = append(took, time.Since(l.begun))
			l.stop()
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/first")
		b.ReportMetric(float64(took[0].Microseconds()), "µs/least")
	})
	b.Run("warm", func(b *testing.B) {
		l := startOn(b, s, f)
		for b.Loop() {
			l.invoke("{}")
		}
	})
}
