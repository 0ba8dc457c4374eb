package runtimes

import (
	"os/exec"
	"testing"
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
		b.Run(st.Runtime+"/ready", func(b *testing.B) {
			for range b.N {
				l := startOn(b, s, f)
				b.StopTimer()
				l.stop()
				b.StartTimer()
			}
		})
		b.Run(st.Runtime+"/warm", func(b *testing.B) {
			l := startOn(b, s, f)
			for b.Loop() {
				l.invoke("{}")
			}
		})
	}
}
