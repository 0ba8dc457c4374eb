package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/namespace"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/process"
)

// selfRuntime runs the test binary as every function's code.
type selfRuntime struct{ dir string }

func (s selfRuntime) Mounts(string) ([]sandbox.Mount, error) {
	return []sandbox.Mount{{Source: s.dir, Target: "/var/runtime"}}, nil
}

func (s selfRuntime) Blank(runtimes.Launch) (b runtimes.Blank, ok bool) { return b, false }
func (selfRuntime) Linked(runtimes.Launch) bool                         { return false }

func (s selfRuntime) Command(l runtimes.Launch) ([]string, map[string]string, error) {
	return []string{l.Path("/var/runtime/code")}, map[string]string{"ENGINE_TEST_CODE": "1"}, nil
}

// newSelfRuntime copies the test binary to where any user can read it.
func newSelfRuntime(t testing.TB) selfRuntime {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "code"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	return selfRuntime{dir}
}

// A tierMaker makes one isolation tier, for tests that need real processes.
type tierMaker struct {
	name string
	make func(dir string) (sandbox.Tier, error)
}

func tiers() []tierMaker {
	return []tierMaker{
		{"process", func(dir string) (sandbox.Tier, error) { return process.New(process.Config{StateDir: dir}) }},
		{"namespace", func(dir string) (sandbox.Tier, error) { return namespace.New(namespace.Config{StateDir: dir}) }},
	}
}

// onTiers runs test on an engine over each tier that this machine has.
func onTiers(t *testing.T, c engine.Config, test func(t *testing.T, e *engine.Engine, u *engine.Unit)) {
	rt := newSelfRuntime(t)
	for _, tm := range tiers() {
		t.Run(tm.name, func(t *testing.T) {
			e, u := newEngine(t, tm, rt, c)
			test(t, e, u)
		})
	}
}

// newEngine is an engine over real processes, and a unit for it.
func newEngine(t testing.TB, tm tierMaker, rt engine.Runtimes, c engine.Config) (*engine.Engine, *engine.Unit) {
	t.Helper()
	tier, err := tm.make(t.TempDir())
	if err != nil {
		t.Skip(err)
	}
	c.Tier, c.Runtimes, c.Offline = tier, rt, true
	e := engine.New(c)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := tier.Close(); err != nil {
			t.Error(err)
		}
	})
	u := newUnit(t, "f")
	if _, ok := t.(*testing.B); ok {
		u.MemoryMB = 1769 // a whole processor: what is measured is the engine, not the limit
	}
	return e, u
}

func newUnit(t testing.TB, name string) *engine.Unit {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &engine.Unit{
		Key: name + "1", Function: name, Version: "$LATEST", ARN: "arn:aws:lambda:us-east-1:000000000000:function:" + name,
		Account: "000000000000", Region: "us-east-1", Runtime: "provided.al2023", Arch: "x86_64", Handler: "h",
		MemoryMB: 256, TmpMB: 512, Timeout: 30 * time.Second, Code: dir, Log: engine.Logging{Group: "/aws/lambda/" + name},
	}
}

func invoke(t testing.TB, e *engine.Engine, u *engine.Unit, order string) (*engine.Outcome, string) {
	t.Helper()
	var answer bytes.Buffer
	o, err := e.Invoke(t.Context(), u, engine.Call{
		RequestID: "r-1", Payload: []byte(`"` + order + `"`), InvokedARN: u.ARN, Tail: true, Answer: &answer, Limit: 6<<20 + 100,
	})
	if err != nil {
		t.Fatalf("invoke %s: %v", order, err)
	}
	return o, answer.String()
}

func TestReal(t *testing.T) {
	onTiers(t, engine.Config{}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		o, answer := invoke(t, e, u, "say hi")
		if answer != `"ok"` || o.Failure != nil || !o.Report.Cold || o.Report.Init == 0 {
			t.Errorf("first: answer %s, outcome %+v", answer, o)
		}
		tail := string(o.Tail)
		for _, want := range []string{"INIT_START Runtime Version: provided:al2023.v1\t", "\nhello from init\nSTART RequestId: r-1 Version: $LATEST\nhi\nEND RequestId: r-1\nREPORT RequestId: r-1\tDuration: ", "\tInit Duration: "} {
			if !strings.Contains(tail, want) {
				t.Errorf("tail lacks %q:\n%s", want, tail)
			}
		}
		o, answer = invoke(t, e, u, "getenv AWS_LAMBDA_LOG_GROUP_NAME")
		if answer != `"/aws/lambda/f"` || o.Report.Cold || o.Report.Init != 0 {
			t.Errorf("second: answer %s, outcome %+v", answer, o)
		}
		if !strings.HasPrefix(string(o.Tail), "START ") {
			t.Errorf("second tail:\n%s", o.Tail)
		}
	})
}

// TestProcessFailures: what real processes do reads as AWS words it.
func TestRealFailures(t *testing.T) {
	onTiers(t, engine.Config{}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		const begin = `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r-1 Error: Runtime exited `
		for _, tt := range []struct{ order, want string }{
			{"exit 3", begin + `with error: exit status 3"}`},
			{"exit 0", begin + `without providing a reason"}`},
			{"big 6291557", `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`},
		} {
			o, _ := invoke(t, e, u, tt.order)
			if o.Failure == nil || string(o.Failure.Payload) != tt.want {
				t.Errorf("%s: %+v", tt.order, o.Failure)
			}
		}
		if _, answer := invoke(t, e, u, "big 6291556"); len(answer) != 6291556 {
			t.Errorf("an answer of the largest size has %d bytes", len(answer))
		}
	})
}

// TestRealTimeout: the sandbox is reset, and keeps its /tmp.
func TestRealTimeout(t *testing.T) {
	onTiers(t, engine.Config{}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		invoke(t, e, u, "touch mark")
		u.Timeout = time.Second
		o, _ := invoke(t, e, u, "hang")
		wantFailure(t, o, "Sandbox.Timedout", `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r-1 Error: Task timed out after 1.00 seconds"}`)
		if o.Report.BilledMS != 1000 {
			t.Errorf("billed %d ms", o.Report.BilledMS)
		}
		u.Timeout = 30 * time.Second
		if _, answer := invoke(t, e, u, "stat mark"); answer != "true" {
			t.Error("/tmp is gone")
		}
	})
}

// TestProcessChatty: a flood of lines is complete and in order when the answer
// is there, and so is the tail.
func TestRealChatty(t *testing.T) {
	for _, tm := range tiers() {
		t.Run(tm.name, func(t *testing.T) {
			sink := &book{}
			e, u := newEngine(t, tm, newSelfRuntime(t), engine.Config{Sink: sink})
			for range 3 {
				o, _ := invoke(t, e, u, "flood 10000")
				if !strings.Contains(string(o.Tail), "\nline 9999\nEND RequestId: r-1\nREPORT ") {
					t.Fatalf("tail:\n%s", o.Tail)
				}
			}
			if err := e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			n := 0
			for line := range strings.SplitSeq(sink.text(t), "\n") {
				if line == fmt.Sprintf("line %d", n%10000) {
					n++
				}
			}
			if n != 30000 {
				t.Errorf("%d of 30000 lines are there in order", n)
			}
		})
	}
}

// TestProcessParallel: callers at the same time get sandboxes of their own.
func TestRealParallel(t *testing.T) {
	onTiers(t, engine.Config{}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 20 {
					want := fmt.Sprintf(`"%d-%d"`, i, j)
					var answer bytes.Buffer
					o, err := e.Invoke(t.Context(), u, engine.Call{RequestID: fmt.Sprintf("r-%d-%d", i, j), Payload: []byte(`"echo ` + strings.Trim(want, `"`) + `"`), Answer: &answer, Tail: true})
					if err != nil || o.Failure != nil || answer.String() != want {
						t.Errorf("answer %s, outcome %+v, %v; want %s", answer.String(), o, err, want)
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestEndpoint: code reaches the platform through AWS_ENDPOINT_URL.
func TestEndpoint(t *testing.T) {
	endpoint := func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(c)) // closing with it unread would be a reset
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nplatform")
			c.Close()
		}
	}
	onTiers(t, engine.Config{Endpoint: endpoint}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		if _, answer := invoke(t, e, u, "get"); answer != `"platform"` {
			t.Errorf("answer = %s", answer)
		}
	})
}

// TestRealFreeze: a frozen sandbox can be thawed, and ended.
func TestRealFreeze(t *testing.T) {
	onTiers(t, engine.Config{FreezeAfter: time.Millisecond}, func(t *testing.T, e *engine.Engine, u *engine.Unit) {
		for range 3 {
			o, _ := invoke(t, e, u, "x")
			if o.Failure != nil {
				t.Errorf("failure %s", o.Failure.Payload)
			}
			time.Sleep(100 * time.Millisecond) // it should be frozen now; if not, the test is only weaker
		}
		if st := e.Stats(); st.ColdStarts != 1 {
			t.Errorf("%d cold starts, want 1", st.ColdStarts)
		}
	}) // Close meets it frozen
}

// BenchmarkWarmInvoke is one invocation in a sandbox that waits for it: real
// process, real sockets, a runtime on net/http.
func BenchmarkWarmInvoke(b *testing.B) {
	rt := newSelfRuntime(b)
	for _, tm := range tiers() {
		b.Run("tier="+tm.name+"/callers=1", func(b *testing.B) {
			e, u := newEngine(b, tm, rt, engine.Config{})
			b.ReportAllocs()
			for b.Loop() {
				warm(b, e, u)
			}
		})
		b.Run("tier="+tm.name+"/callers=8", func(b *testing.B) {
			e, u := newEngine(b, tm, rt, engine.Config{})
			warm(b, e, u)
			b.SetParallelism(max(1, 8/runtime.GOMAXPROCS(0)))
			b.ResetTimer() // a tier takes its time to be made
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					warm(b, e, u)
				}
			})
		})
	}
}

func warm(b *testing.B, e *engine.Engine, u *engine.Unit) {
	o, err := e.Invoke(b.Context(), u, engine.Call{RequestID: "r", Payload: []byte(`"x"`), Answer: io.Discard, Limit: 6291556})
	if err != nil || o.Failure != nil {
		b.Errorf("%+v, %v", o, err)
	}
}

// BenchmarkColdInvoke is one invocation with everything that goes before it.
func BenchmarkColdInvoke(b *testing.B) {
	rt := newSelfRuntime(b)
	for _, tm := range tiers() {
		b.Run("tier="+tm.name, func(b *testing.B) {
			e, u := newEngine(b, tm, rt, engine.Config{})
			for b.Loop() {
				warm(b, e, u)
				e.Drain(u.Key)
			}
		})
	}
}
