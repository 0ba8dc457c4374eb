package engine_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
)

// A language is a managed runtime with the function that the tests run.
type language struct{ name, handler, file, code string }

func languages() []language {
	return []language{
		{"python", "f.handler", "f.py", `
import os, time, sys
print("at init")
def handler(event, context):
    if event == "exit": os._exit(3)
    if event == "hang": time.sleep(3600)
    if event == "raise": raise ValueError("no")
    if event.startswith("say "): print(event[4:])
    if event.startswith("env "): return os.environ.get(event[4:])
    if event == "touch": open("/tmp/mark", "w").close()
    if event == "stat": return os.path.exists("/tmp/mark")
    return event
`},
		{"nodejs", "f.handler", "f.cjs", `
const fs = require("fs")
console.log("at init")
exports.handler = async (event) => {
    if (event == "exit") process.exit(3)
    if (event == "hang") await new Promise(r => setTimeout(r, 3600000))
    if (event == "raise") throw new TypeError("no")
    if (event.startsWith("say ")) console.log(event.slice(4))
    if (event.startsWith("env ")) return process.env[event.slice(4)] ?? null
    if (event == "touch") fs.writeFileSync("/tmp/mark", "")
    if (event == "stat") return fs.existsSync("/tmp/mark")
    return event
}
`},
	}
}

// discover finds the interpreters of this machine.
func discover(t testing.TB) *runtimes.Set {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	set, err := runtimes.Discover(t.Context(), runtimes.Options{Dir: dir, Near: true})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// managed is a unit in the language, or skips the test.
func (l language) managed(t testing.TB, set *runtimes.Set) *engine.Unit {
	t.Helper()
	list := set.List()
	i := slices.IndexFunc(list, func(s runtimes.Status) bool { return s.Available && strings.HasPrefix(s.Runtime, l.name) })
	if i < 0 {
		t.Skipf("no %s on this machine", l.name)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, l.file), []byte(l.code), 0o644); err != nil {
		t.Fatal(err)
	}
	u := newUnit(t, "f")
	u.Runtime, u.Handler, u.Code = list[i].Runtime, l.handler, dir
	return u
}

// inLanguages runs test with each language on each tier.
func inLanguages(t *testing.T, c engine.Config, test func(t *testing.T, e *engine.Engine, u *engine.Unit)) {
	set := discover(t)
	for _, l := range languages() {
		for _, tm := range tiers() {
			t.Run(l.name+"/"+tm.name, func(t *testing.T) {
				e, _ := newEngine(t, tm, set, c)
				test(t, e, l.managed(t, set))
			})
		}
	}
}

// ready waits until the engine has a blank in reserve.
func ready(t testing.TB, e *engine.Engine, n int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		got := 0
		for _, s := range e.Stats().Blanks {
			got += s.Ready
		}
		if got >= n {
			return
		}
	}
	t.Fatalf("no blanks: %+v", e.Stats().Blanks)
}

// TestManaged: what becomes of a blank behaves as any function does.
func TestManaged(t *testing.T) {
	inLanguages(t, engine.Config{}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		u.Env = map[string]string{"MINE": "secret"}
		e.Expect(u)
		ready(t, e, 1)
		o, answer := invoke(t, e, u, "say hi")
		if o.Failure != nil || answer != `"say hi"` || !o.Report.Cold || o.Report.Init == 0 {
			t.Fatalf("first: answer %s, %+v, %s", answer, o.Report, o.Tail)
		}
		for _, s := range e.Stats().Blanks {
			if s.Hits != 1 {
				t.Errorf("the blank was not used: %+v", s)
			}
		}
		if tail := string(o.Tail); !strings.HasPrefix(tail, "INIT_START ") || !strings.Contains(tail, "at init") ||
			!strings.Contains(tail, "hi\nEND RequestId: r-1\nREPORT ") || !strings.Contains(tail, "\tInit Duration: ") {
			t.Errorf("tail:\n%s", tail)
		}
		for name, want := range map[string]string{
			"MINE": `"secret"`, "AWS_LAMBDA_FUNCTION_NAME": `"f"`, "_HANDLER": `"f.handler"`, "MAYFLY_LINK": "null",
			"AWS_EXECUTION_ENV": `"AWS_Lambda_` + u.Runtime + `"`,
		} {
			if _, answer := invoke(t, e, u, "env "+name); answer != want {
				t.Errorf("%s is %s, want %s", name, answer, want)
			}
		}
		if o, _ := invoke(t, e, u, "raise"); o.Failure == nil || !strings.Contains(string(o.Failure.Payload), `"errorMessage": "no"`) && !strings.Contains(string(o.Failure.Payload), `"errorMessage":"no"`) {
			t.Errorf("raise: %+v", o.Failure)
		}
		if n := e.Stats().ColdStarts; n != 1 {
			t.Errorf("%d cold starts", n)
		}
	})
}

// TestManagedReset: after a crash and a timeout the code is executed anew in
// the same sandbox.
func TestManagedReset(t *testing.T) {
	inLanguages(t, engine.Config{}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		invoke(t, e, u, "touch")
		o, _ := invoke(t, e, u, "exit")
		wantFailure(t, o, "Runtime.ExitError", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r-1 Error: Runtime exited with error: exit status 3"}`)
		if o, answer := invoke(t, e, u, "x"); o.Failure != nil || answer != `"x"` || o.Report.Cold {
			t.Errorf("after a crash: %s, %+v", answer, o)
		}
		u.Timeout = time.Second
		if o, _ := invoke(t, e, u, "hang"); o.Failure == nil || o.Failure.Type != "Sandbox.Timedout" {
			t.Errorf("hang: %+v", o.Failure)
		}
		u.Timeout = 30 * time.Second
		if o, answer := invoke(t, e, u, "x"); o.Failure != nil || answer != `"x"` {
			t.Errorf("after a timeout: %s, %+v", answer, o)
		}
		if n := e.Stats().ColdStarts; n != 1 {
			t.Errorf("%d cold starts", n)
		}
	})
}

// TestManagedInitFails: a function that cannot be loaded says so, from a blank and
// when it is tried again.
func TestManagedInitFails(t *testing.T) {
	inLanguages(t, engine.Config{}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		u.Handler = "missing.handler"
		for range 2 {
			o, _ := invoke(t, e, u, "x")
			if o.Failure == nil || !strings.HasPrefix(o.Failure.Type, "Runtime.") {
				t.Errorf("%+v", o.Failure)
			}
		}
	})
}

// TestManagedBurst: callers of several functions at the same time each get the
// answer of their own function.
func TestManagedBurst(t *testing.T) {
	inLanguages(t, engine.Config{}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		e.Expect(u)
		var wg sync.WaitGroup
		for i := range 8 {
			own := *u
			own.Key, own.Env = fmt.Sprint("k", i), map[string]string{"MINE": fmt.Sprint("is ", i)}
			for range 4 {
				wg.Go(func() {
					var answer bytes.Buffer
					o, err := e.Invoke(t.Context(), &own, engine.Call{RequestID: "r", Payload: []byte(`"env MINE"`), Answer: &answer})
					if want := fmt.Sprintf(`"is %d"`, i); err != nil || o.Failure != nil || answer.String() != want {
						t.Errorf("answer %s, %+v, %v; want %s", answer.String(), o, err, want)
					}
				})
			}
		}
		wg.Wait()
	})
}

// TestWrapped: what a wrapper starts is executed, and still works.
func TestWrapped(t *testing.T) {
	set := discover(t)
	u := languages()[0].managed(t, set)
	e, _ := newEngine(t, tiers()[0], set, engine.Config{})
	script := filepath.Join(u.Code, "wrap")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nWRAPPED=yes exec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	u.Env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}
	if o, answer := invoke(t, e, u, "env WRAPPED"); answer != `"yes"` {
		t.Errorf("%s, %s", answer, o.Tail)
	}
}

// BenchmarkManagedWarm is a warm invocation in each language.
func BenchmarkManagedWarm(b *testing.B) { managed(b, warm) }

// BenchmarkManagedCold is a cold start in each language, with a blank ready.
func BenchmarkManagedCold(b *testing.B) {
	managed(b, func(b *testing.B, e *engine.Engine, u *engine.Unit) {
		warm(b, e, u)
		b.StopTimer()
		e.Drain(u.Key)
		ready(b, e, 1)
		b.StartTimer()
	})
}

func managed(b *testing.B, once func(*testing.B, *engine.Engine, *engine.Unit)) {
	set := discover(b)
	for _, l := range languages() {
		for _, tm := range tiers() {
			b.Run("language="+l.name+"/tier="+tm.name, func(b *testing.B) {
				e, _ := newEngine(b, tm, set, engine.Config{})
				u := l.managed(b, set)
				u.MemoryMB = 1769
				once(b, e, u)
				b.ReportAllocs()
				for b.Loop() {
					once(b, e, u)
				}
			})
		}
	}
}

// BenchmarkManagedBurst is a hundred callers of one new function at once, with
// what an idle machine keeps ready: the time until all have their answers.
func BenchmarkManagedBurst(b *testing.B) {
	managed(b, func(b *testing.B, e *engine.Engine, u *engine.Unit) {
		b.StopTimer()
		e.Drain(u.Key)
		e.Expect(u)
		ready(b, e, 1)
		b.StartTimer()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { warm(b, e, u) })
		}
		wg.Wait()
	})
}
