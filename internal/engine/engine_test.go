package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// play runs a test in virtual time, on a stage with one script for every process.
func play(t *testing.T, c engine.Config, test func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit), steps ...action) {
	t.Helper()
	u := newUnit(t, "f")
	u.Timeout = 3 * time.Second
	synctest.Test(t, func(t *testing.T) {
		e, s := newStage(t, c, steps...)
		test(t, e, s, u)
	})
}

// echo is a function that does nothing wrong.
func echo() action { return forever(next, answer(`"ok"`)) }

// wantFailure checks an outcome's failure, text and all.
func wantFailure(t *testing.T, o *engine.Outcome, kind, payload string) {
	t.Helper()
	if o.Failure == nil {
		t.Fatalf("outcome is a success, want %s", kind)
	}
	if o.Failure.Type != kind || string(o.Failure.Payload) != payload {
		t.Errorf("failure = %s %s\nwant      %s %s", o.Failure.Type, o.Failure.Payload, kind, payload)
	}
}

// wantTail checks that the tail is made of lines that begin as want says.
func wantTail(t *testing.T, o *engine.Outcome, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(string(o.Tail), "\n"), "\n")
	ok := len(got) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = strings.HasPrefix(got[i], want[i])
	}
	if !ok {
		t.Errorf("tail:\n%s\nwant lines that begin with:\n%s", o.Tail, strings.Join(want, "\n"))
	}
}

func TestFailures(t *testing.T) {
	const exited = `"errorMessage":"RequestId: r-1 Error: Runtime exited `
	for _, tt := range []struct {
		name          string
		steps         []action
		kind, payload string
		tail          []string
		reusable      bool // the same process takes the next invocation
	}{
		{"reported", []action{forever(next, say("Traceback\n"), fail("Exception", `{"errorMessage":"m","errorType":"Exception"}`))},
			"Exception", `{"errorMessage":"m","errorType":"Exception"}`,
			[]string{"INIT_START", "START", "Traceback", "END", "REPORT"}, true},
		{"reported without type", []action{forever(next, fail("", `{"errorMessage":"m","errorType":"E"}`))},
			"E", `{"errorMessage":"m","errorType":"E"}`, []string{"INIT_START", "START", "END", "REPORT"}, true},
		{"reported without anything", []action{forever(next, fail("", ``))},
			"Function.Unknown", `{"errorType":"Function.Unknown","errorMessage":""}`,
			[]string{"INIT_START", "START", "END", "REPORT"}, true},
		{"exit 1", []action{next, say("oops"), exit(1)},
			"Runtime.ExitError", `{"errorType":"Runtime.ExitError",` + exited + `with error: exit status 1"}`,
			[]string{"INIT_START", "START", "oops", "RequestId: r-1 Error: Runtime exited with error: exit status 1", "Runtime.ExitError", "END", "REPORT"}, false},
		{"exit 0", []action{next, exit(0)},
			"Runtime.ExitError", `{"errorType":"Runtime.ExitError",` + exited + `without providing a reason"}`,
			[]string{"INIT_START", "START", "RequestId: r-1 Error: Runtime exited without providing a reason", "Runtime.ExitError", "END", "REPORT"}, false},
		{"out of memory", []action{next, outOfMemory},
			"Runtime.ExitError", `{"errorType":"Runtime.ExitError",` + exited + `with error: signal: killed"}`,
			[]string{"INIT_START", "START", "RequestId: r-1 Error: Runtime exited with error: signal: killed", "Runtime.ExitError", "END", "REPORT"}, false},
		{"timeout", []action{next, say("slow\n"), hang},
			"Sandbox.Timedout", `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r-1 Error: Task timed out after 3.00 seconds"}`,
			[]string{"INIT_START", "START", "slow", "2000-01-01T00:00:03.000Z r-1 Task timed out after 3.00 seconds", "", "END", "REPORT"}, false},
		{"too large", []action{forever(next, answer(strings.Repeat("x", 6<<20+101)))},
			"Function.ResponseSizeTooLarge",
			`{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`,
			[]string{"INIT_START", "START", "END", "REPORT"}, true},
		{"error, then exit", []action{next, fail("panic", `{"errorType":"panic"}`), exit(2)},
			"panic", `{"errorType":"panic"}`,
			[]string{"INIT_START", "START", "RequestId: r-1 Error: Runtime exited with error: exit status 2", "Runtime.ExitError", "END", "REPORT"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
				o, _ := invoke(t, e, u, "x")
				wantFailure(t, o, tt.kind, tt.payload)
				wantTail(t, o, tt.tail...)
				invoke(t, e, u, "again")
				if reused := s.started == 1; reused != tt.reusable {
					t.Errorf("after two invocations %d processes were started", s.started)
				}
				if len(s.boxes) != 1 {
					t.Errorf("%d sandboxes, want 1: a reset keeps the sandbox", len(s.boxes))
				}
			}, tt.steps...)
		})
	}
}

func TestReportLine(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []action
		want  string
	}{
		{"cold", []action{work(100 * time.Millisecond), next, work(2345 * time.Microsecond), answer("1"), next},
			"Duration: 2.35 ms\tBilled Duration: 103 ms\tMemory Size: 256 MB\tMax Memory Used: 36 MB\tInit Duration: 100.00 ms\t\n"},
		{"timeout", []action{next, hang},
			"Duration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 256 MB\tMax Memory Used: 36 MB\tStatus: timeout\n"},
		{"exit", []action{next, work(time.Millisecond), exit(1)},
			"Duration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 256 MB\tMax Memory Used: 36 MB\tStatus: error\tError Type: Runtime.ExitError\n"},
		{"memory", []action{next, work(time.Millisecond), outOfMemory},
			"Duration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 256 MB\tMax Memory Used: 36 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n"},
		{"reported", []action{next, work(time.Millisecond), fail("MyError", "{}"), next},
			"Duration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 256 MB\tMax Memory Used: 36 MB\t\n"},
		{"reported by name", []action{next, work(time.Millisecond), fail("Runtime.MarshalError", "{}"), next},
			"Duration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 256 MB\tMax Memory Used: 36 MB\tStatus: error\tError Type: Runtime.MarshalError\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
				s.usage = sandbox.Usage{PeakMB: 36}
				o, _ := invoke(t, e, u, "x")
				_, got, _ := strings.Cut(string(o.Tail), "REPORT RequestId: r-1\t")
				if got != tt.want {
					t.Errorf("got  %q\nwant %q", got, tt.want)
				}
			}, tt.steps...)
		})
	}
}

func TestXRayLine(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		o, err := e.Invoke(t.Context(), u, engine.Call{RequestID: "r", Tail: true, TraceHeader: "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1"})
		if err != nil {
			t.Fatal(err)
		}
		_, xray, _ := strings.Cut(string(o.Tail), "\t\nXRAY TraceId: 1-67891233-abcdef012345678912345678\tSegmentId: ")
		if len(xray) != len("0123456789abcdef\tSampled: true\t\n") || !strings.HasSuffix(xray, "\tSampled: true\t\n") {
			t.Errorf("tail:\n%s", o.Tail)
		}
	}, echo())
}

// TestSuppressedInit: what fails in the Init phase is tried again within the
// first invocation, under the function's timeout.
// TestShare: initialisation is as fast for a small function as for a large one,
// and what comes after it gets what the memory buys.
func TestShare(t *testing.T) {
	for memory, want := range map[int][]float64{128: {128.0 / 1769}, 1769: {1}, 10240: nil} {
		play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
			u.MemoryMB = memory
			invoke(t, e, u, "x")
			invoke(t, e, u, "x")
			if open := max(2, float64(memory)/1769); s.specs[0].CPUs != open || !slices.Equal(s.shares, want) {
				t.Errorf("%d MB: opened with %v processors, then set %v; want %v, then %v", memory, s.specs[0].CPUs, s.shares, open, want)
			}
		}, echo())
	}
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		invoke(t, e, u, "x") // fails in the Init phase, and again in the invocation
		if len(s.shares) != 1 || s.started != 2 {
			t.Errorf("%d starts, shares %v: an invocation made up for Init with more than its share", s.started, s.shares)
		}
	}, exit(1))
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		s.noLimit = errors.New("no")
		if _, err := e.Invoke(t.Context(), u, engine.Call{Answer: io.Discard}); !errors.Is(err, s.noLimit) {
			t.Errorf("a sandbox that cannot be limited runs: %v", err)
		}
	}, echo())
}

func TestSuppressedInit(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		s.script = func(_ sandbox.Spec, n int) script {
			if n == 1 {
				return script{say("first\n"), hang}
			}
			return script{say("second\n"), work(time.Second), echo()}
		}
		o, answer := invoke(t, e, u, "x")
		if o.Failure != nil || answer != `"ok"` {
			t.Errorf("outcome = %+v, answer %s", o, answer)
		}
		wantTail(t, o, "INIT_START", "first", "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout",
			"second", "START", "END", "REPORT RequestId: r-1\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\t")
		if strings.Count(string(o.Tail), "Init Duration") != 1 {
			t.Errorf("the report tells of an Init phase that failed:\n%s", o.Tail)
		}
	})
}

func TestInitFails(t *testing.T) {
	const body = `{"errorMessage":"Unable to import module 'x'","errorType":"Runtime.ImportModuleError","requestId":"","stackTrace":[]}`
	for _, tt := range []struct {
		name    string
		steps   []action
		kind    string
		payload string
		report  string // how INIT_REPORT ends
	}{
		{"reported", []action{failInit("Runtime.ImportModuleError", body), exit(1)},
			"Runtime.ImportModuleError", body, "Status: error\tError Type: Runtime.ImportModuleError"},
		{"exit", []action{exit(7)}, "Runtime.ExitError",
			`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r-1 Error: Runtime exited with error: exit status 7"}`,
			"Status: error\tError Type: Runtime.ExitError"},
		{"timeout", []action{hang}, "Sandbox.Timedout",
			`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r-1 Error: Task timed out after 3.00 seconds"}`, "Status: timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
				for range 2 {
					o, _ := invoke(t, e, u, "x")
					wantFailure(t, o, tt.kind, tt.payload)
					for _, phase := range []string{"\tPhase: init\t", "\tPhase: invoke\t"} {
						if o.Report.Cold && !strings.Contains(string(o.Tail), phase+tt.report+"\n") {
							t.Errorf("no INIT_REPORT %q %q in\n%s", phase, tt.report, o.Tail)
						}
					}
				}
				if s.started != 3 {
					t.Errorf("%d processes, want 3: Init phase, and each invocation", s.started)
				}
			}, tt.steps...)
		})
	}
}

func TestNoBootstrap(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		bare := *u
		bare.Key, bare.Code = "bare", t.TempDir()
		o, _ := invoke(t, e, &bare, "x")
		wantFailure(t, o, "Runtime.InvalidEntrypoint",
			`{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: r-1 Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}`)
		if s.started != 0 {
			t.Error("something was started")
		}
	}, echo())
}

// TestAnswerThenHang: an answer that was given stands, whatever comes after.
func TestAnswerThenHang(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		o, answer := invoke(t, e, u, "x")
		if o.Failure != nil || answer != "1" {
			t.Errorf("outcome %+v, answer %q", o, answer)
		}
		if !strings.Contains(string(o.Tail), "\tStatus: timeout\n") {
			t.Errorf("tail:\n%s", o.Tail)
		}
	}, next, answer("1"), hang)
}

func TestPlatformErrors(t *testing.T) {
	broken := errors.New("broken")
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		s.noOpen = broken
		if _, err := e.Invoke(t.Context(), u, engine.Call{}); !errors.Is(err, broken) {
			t.Errorf("Open fails: %v", err)
		}
		s.noOpen, s.noStart = nil, broken
		if _, err := e.Invoke(t.Context(), u, engine.Call{}); !errors.Is(err, broken) {
			t.Errorf("Start fails: %v", err)
		}
		s.noStart = nil
		bad := *u
		bad.Key, bad.Credentials = "bad", func(context.Context) (engine.Credentials, error) { return engine.Credentials{}, broken }
		if _, err := e.Invoke(t.Context(), &bad, engine.Call{}); !errors.Is(err, broken) {
			t.Errorf("Credentials fail: %v", err)
		}
		if o, _ := invoke(t, e, u, "x"); o.Failure != nil {
			t.Errorf("afterwards: %v", o.Failure)
		}
	}, echo())
}

func TestStats(t *testing.T) {
	play(t, engine.Config{Concurrency: 1}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		invoke(t, e, u, "x")
		go e.Invoke(t.Context(), u, engine.Call{})
		synctest.Wait()
		e.Invoke(t.Context(), u, engine.Call{})
		st := e.Stats()
		if st.Running != 1 || st.ByKey[u.Key].Running != 1 || st.Invocations != 1 || st.ColdStarts != 1 || st.Failures != 0 || st.Throttles != 1 {
			t.Errorf("while one runs: %+v", st)
		}
		time.Sleep(time.Minute)
		st = e.Stats()
		if st.Running != 0 || st.ByKey[u.Key].Idle != 1 || st.Invocations != 2 || st.ColdStarts != 1 || st.Failures != 1 {
			t.Errorf("afterwards: %+v", st)
		}
	}, next, answer("1"), next, work(time.Second), fail("E", "{}"), next)
}

// TestStreaming: the caller has each part of the answer when it is written, and
// what the code says at its end.
func TestStreaming(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		var got arrivals
		o, err := e.Invoke(t.Context(), u, engine.Call{RequestID: "r-1", Answer: &got})
		if err != nil {
			t.Fatal(err)
		}
		wantFailure(t, o, "Function.Broke", `{"errorMessage":"m"}`)
		if want := (arrivals{"0s one", "1s two", "2s three"}); !slices.Equal(got.since(o.Report.Start), want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}, next, stream(time.Second, "one", "two", "three"), next)
}

// arrivals are writes and the seconds when they came.
type arrivals []string

func (a *arrivals) Write(p []byte) (int, error) {
	*a = append(*a, time.Now().Format(time.RFC3339Nano)+" "+string(p))
	return len(p), nil
}

func (a *arrivals) since(start time.Time) arrivals {
	var out arrivals
	for _, w := range *a {
		at, text, _ := strings.Cut(w, " ")
		then, _ := time.Parse(time.RFC3339Nano, at)
		out = append(out, then.Sub(start).Round(time.Second).String()+" "+text)
	}
	return out
}

func TestThrottle(t *testing.T) {
	play(t, engine.Config{Concurrency: 10}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		e.Reserve(u.ARN, 1)
		go e.Invoke(t.Context(), u, engine.Call{RequestID: "slow"})
		synctest.Wait()
		var throttle *engine.Throttle
		if _, err := e.Invoke(t.Context(), u, engine.Call{}); !errors.As(err, &throttle) || throttle.Reason != "ReservedFunctionConcurrentInvocationLimitExceeded" {
			t.Errorf("second: %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if o, _ := invoke(t, e, u, "x"); o.Failure != nil {
			t.Errorf("third: %v", o.Failure)
		}
		e.Reserve(u.ARN, 0)
		if _, err := e.Invoke(t.Context(), u, engine.Call{}); !errors.As(err, &throttle) {
			t.Errorf("reserved 0: %v", err)
		}
		e.Unreserve(u.ARN)
		if o, _ := invoke(t, e, u, "x"); o.Failure != nil {
			t.Errorf("unreserved: %v", o.Failure)
		}
	}, forever(next, work(time.Second), answer("1")))
}

// TestCallerLeaves: the code runs on, and its sandbox takes the next call.
func TestCallerLeaves(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		o, err := e.Invoke(ctx, u, engine.Call{RequestID: "r"})
		if err != nil || o.Report.Duration != time.Second {
			t.Errorf("outcome %+v, error %v; want the whole second", o, err)
		}
		invoke(t, e, u, "x")
		if s.started != 1 {
			t.Errorf("%d processes, want 1", s.started)
		}
	}, forever(next, work(time.Second), answer("1")))
}

// TestCallerLeavesEarly: while the sandbox starts, the caller can go.
func TestCallerLeavesEarly(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := e.Invoke(ctx, u, engine.Call{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
		if o, _ := invoke(t, e, u, "x"); o.Failure != nil || s.started != 1 {
			t.Errorf("outcome %+v after %d starts", o, s.started)
		}
	}, work(2*time.Second), echo())
}

func TestDrain(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		done := make(chan *engine.Outcome)
		invoke(t, e, u, "x")
		go func() {
			o, _ := e.Invoke(t.Context(), u, engine.Call{RequestID: "slow"})
			done <- o
		}()
		synctest.Wait()
		e.Drain(u.Key)
		if o := <-done; o == nil || o.Failure != nil {
			t.Errorf("the running invocation: %+v", o)
		}
		synctest.Wait()
		if s.living != 0 {
			t.Errorf("%d sandboxes are left", s.living)
		}
	}, forever(next, work(time.Second), answer("1")))
}

func TestProvisioned(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		e.Provision(u, 2)
		synctest.Wait()
		if ready, failure := e.Provisioned(u.Key); ready != 0 || failure != "" {
			t.Errorf("at once: %d ready, %q", ready, failure)
		}
		time.Sleep(time.Minute) // longer than on demand
		synctest.Wait()
		if ready, failure := e.Provisioned(u.Key); ready != 2 || failure != "" {
			t.Errorf("ready = %d, failure %q; want 2", ready, failure)
		}
		o, _ := invoke(t, e, u, "x")
		if o.Report.Cold || o.Report.Init != 0 || !o.Report.Provisioned {
			t.Errorf("report = %+v", o.Report)
		}
		if env := strings.Join(s.commands[0].Env, "\n"); !strings.Contains(env, "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency") {
			t.Errorf("environment:\n%s", env)
		}
		time.Sleep(time.Hour)
		if ready, _ := e.Provisioned(u.Key); ready != 2 {
			t.Errorf("after an hour %d are ready: they must not be reaped", ready)
		}
		e.Provision(u, 0)
		synctest.Wait()
		if s.living != 0 {
			t.Errorf("%d sandboxes are left", s.living)
		}
	}, work(30*time.Second), echo())
}

// TestDrainProvisioned: what was set aside is there for others again.
func TestDrainProvisioned(t *testing.T) {
	play(t, engine.Config{Concurrency: 2}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		other := *u
		other.Key, other.ARN = "other1", u.ARN+"-other"
		e.Provision(u, 2)
		var throttle *engine.Throttle
		if _, err := e.Invoke(t.Context(), &other, engine.Call{}); !errors.As(err, &throttle) || throttle.Reason != "ConcurrentInvocationLimitExceeded" {
			t.Errorf("while all is set aside: %v", err)
		}
		e.Drain(u.Key)
		if o, _ := invoke(t, e, &other, "x"); o.Failure != nil {
			t.Errorf("failure %v", o.Failure)
		}
	}, echo())
}

func TestProvisionedFails(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		e.Provision(u, 1)
		synctest.Wait()
		if ready, failure := e.Provisioned(u.Key); ready != 0 || failure != "FUNCTION_ERROR_INIT_FAILURE" {
			t.Errorf("ready = %d, failure %q", ready, failure)
		}
		if s.living != 0 {
			t.Errorf("%d sandboxes are left", s.living)
		}
	}, exit(1))
}

// TestCloseGrace: what runs may finish, as long as Close's context lets it.
func TestClose(t *testing.T) {
	for _, tt := range []struct {
		name  string
		grace time.Duration
		cut   bool
	}{{"in time", 5 * time.Second, false}, {"cut off", 500 * time.Millisecond, true}} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
				got := make(chan error, 1)
				go func() { _, err := e.Invoke(context.Background(), u, engine.Call{}); got <- err }()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(context.Background(), tt.grace)
				defer cancel()
				if err := e.Close(ctx); (err != nil) != tt.cut {
					t.Errorf("Close: %v", err)
				}
				if err := <-got; errors.Is(err, engine.ErrClosed) != tt.cut {
					t.Errorf("Invoke: %v", err)
				}
				if _, err := e.Invoke(context.Background(), u, engine.Call{}); !errors.Is(err, engine.ErrClosed) {
					t.Errorf("Invoke after Close: %v", err)
				}
			}, forever(next, work(time.Second), answer("1")))
		})
	}
}

func TestEnvironment(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		u.Runtime, u.Opt = "python3.12", "/some/opt"
		u.Log = engine.Logging{Group: "/aws/lambda/f", JSON: true}
		u.Env = map[string]string{"MINE": "1", "AWS_REGION": "mars", "TZ": "Europe/Zurich", "PATH": "/mine", "_X_AMZN_TRACE_ID": "no"}
		u.Credentials = func(context.Context) (engine.Credentials, error) {
			return engine.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "secret", SessionToken: "token", Expires: time.Now().Add(time.Hour)}, nil
		}
		invoke(t, e, u, "x")
		env := map[string]string{}
		for _, kv := range s.commands[0].Env {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
		stream := env["AWS_LAMBDA_LOG_STREAM_NAME"]
		if !strings.HasPrefix(stream, "2000/01/01/[$LATEST]") || len(stream) != len("2000/01/01/[$LATEST]")+32 {
			t.Errorf("stream name %q", stream)
		}
		delete(env, "AWS_LAMBDA_LOG_STREAM_NAME")
		want := map[string]string{
			"_HANDLER": "h", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
			"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12", "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
			"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
			"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f", "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO",
			"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "AWS_ACCESS_KEY_ID": "ASIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token",
			"LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime", "LANG": "en_US.UTF-8", "TZ": "Europe/Zurich",
			"PWD": "/var/task", "SHLVL": "0", "PATH": "/mine", "LANGUAGE_PATH": "/opt/lang", "MINE": "1",
			"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
			"_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1", "_AWS_XRAY_DAEMON_PORT": "2000",
		}
		for k, v := range want {
			if got, ok := env[k]; !ok || got != v {
				t.Errorf("%s = %q, want %q", k, got, v)
			}
			delete(env, k)
		}
		if len(env) != 0 {
			t.Errorf("too much: %v", env)
		}
		spec := s.specs[0]
		if spec.MemoryMB != 256 || spec.TmpMB != 512 || spec.PIDs != 1024 || spec.CPUs != 2 || !spec.Outbound || len(spec.Mounts) != 2 {
			t.Errorf("spec = %+v", spec)
		}
	}, echo())
}

// TestProcessorsOfGo: a program that brings its own runtime takes itself to have
// what it has, unless it is told otherwise.
func TestProcessorsOfGo(t *testing.T) {
	for _, test := range []struct {
		runtime string
		memory  int
		env     map[string]string
		want    string
	}{
		{"provided.al2023", 128, nil, "1"}, {"provided.al2023", 1769, nil, "1"}, {"provided.al2", 1770, nil, "2"},
		{"provided.al2023", 10240, nil, "6"}, {"provided.al2023", 128, map[string]string{"GOMAXPROCS": "4"}, "4"}, {"python3.12", 128, nil, ""},
	} {
		play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
			u.Runtime, u.MemoryMB, u.Env = test.runtime, test.memory, test.env
			u.Code = t.TempDir()
			if err := os.WriteFile(filepath.Join(u.Code, "bootstrap"), nil, 0o755); err != nil {
				t.Fatal(err)
			}
			invoke(t, e, u, "x")
			got := ""
			for _, kv := range s.commands[0].Env {
				if v, ok := strings.CutPrefix(kv, "GOMAXPROCS="); ok {
					got = v
				}
			}
			if got != test.want {
				t.Errorf("%s with %d MB: %q, want %q", test.runtime, test.memory, got, test.want)
			}
		}, echo())
	}
}

// TestCredentialsExpire: a sandbox goes before its credentials do.
func TestCredentialsExpire(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		u.Credentials = func(context.Context) (engine.Credentials, error) {
			return engine.Credentials{AccessKeyID: "A", Expires: time.Now().Add(15 * time.Minute)}, nil
		}
		for range 4 {
			invoke(t, e, u, "x")
			time.Sleep(4 * time.Minute)
		}
		if s.started != 2 {
			t.Errorf("%d sandboxes in 16 minutes, want 2", s.started)
		}
	}, echo())
}

func TestJSONLog(t *testing.T) {
	sink := &book{}
	play(t, engine.Config{Sink: sink}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		u.Log.JSON, u.Log.SystemLevel = true, "DEBUG"
		s.usage = sandbox.Usage{PeakMB: 40}
		o, _ := invoke(t, e, u, "x")
		e.Drain(u.Key)
		synctest.Wait()
		if got := sink.text(t); got != string(o.Tail) {
			t.Errorf("log and tail differ:\n%s\n%s", got, o.Tail)
		}
		want := []string{
			`"type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init","functionName":"f","functionVersion":"$LATEST","instanceId":`,
			`"type":"platform.initRuntimeDone","record":{"initializationType":"on-demand","phase":"init","status":"success"}}`,
			`"type":"platform.initReport","record":{"initializationType":"on-demand","phase":"init","status":"success","metrics":{"durationMs":100}}}`,
			`"type":"platform.start","record":{"requestId":"r-1","version":"$LATEST"}}`,
			`plain`,
			`"type":"platform.runtimeDone","record":{"requestId":"r-1","status":"success","metrics":{"durationMs":5,"producedBytes":4}}}`,
			`"type":"platform.report","record":{"requestId":"r-1","status":"success","metrics":{"durationMs":5,"billedDurationMs":105,"memorySizeMB":256,"maxMemoryUsedMB":40,"initDurationMs":100}}}`,
		}
		lines := strings.Split(strings.TrimSuffix(string(o.Tail), "\n"), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), o.Tail)
		}
		for i, line := range lines {
			if !strings.Contains(line, want[i]) {
				t.Errorf("line %d\n%s\nlacks\n%s", i, line, want[i])
			}
			if i != 4 && !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %s", line)
			}
		}
	}, work(100*time.Millisecond), forever(next, say("plain\n"), work(5*time.Millisecond), answer("true")))
}

func TestJSONLogLevels(t *testing.T) {
	for _, tt := range []struct {
		level string
		steps []action
		want  []string // record types
	}{
		{"", []action{echo()}, []string{"initStart", "start", "report"}},
		{"INFO", []action{echo()}, []string{"initStart", "start", "report"}},
		{"WARN", []action{echo()}, nil},
		{"WARN", []action{next, exit(1)}, []string{"runtimeDone", "report"}},
		{"WARN", []action{exit(1)}, []string{"initRuntimeDone", "initReport", "initRuntimeDone", "initReport", "runtimeDone", "report"}},
	} {
		play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
			u.Log.JSON, u.Log.SystemLevel = true, tt.level
			o, _ := invoke(t, e, u, "x")
			var got []string
			for line := range strings.Lines(string(o.Tail)) {
				var r struct{ Type string }
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Errorf("%v: %s", err, line)
				}
				got = append(got, strings.TrimPrefix(r.Type, "platform."))
			}
			if strings.Join(got, " ") != strings.Join(tt.want, " ") {
				t.Errorf("level %s: %v, want %v", tt.level, got, tt.want)
			}
		}, tt.steps...)
	}
}

// TestLateOutput: what is written between invocations is in the log, though in
// nobody's tail.
func TestLateOutput(t *testing.T) {
	sink := &book{}
	play(t, engine.Config{Sink: sink}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		first, _ := invoke(t, e, u, "x")
		s.mu.Lock()
		out := s.commands[0].Stdout
		s.mu.Unlock()
		out.Write([]byte("late"))
		second, _ := invoke(t, e, u, "x")
		if strings.Contains(string(first.Tail)+string(second.Tail), "late") {
			t.Error("late output is in a tail")
		}
		time.Sleep(time.Second)
		log := sink.text(t)
		if before, after, ok := strings.Cut(log, "late\n"); !ok || !strings.Contains(before, "REPORT") || !strings.HasPrefix(after, "START") {
			t.Errorf("log:\n%s", log)
		}
	}, echo())
}

// TestFreeze: an idle sandbox does not run, a busy one does.
func TestFreeze(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		for range 3 {
			invoke(t, e, u, "x")
			if s.cold() != 0 {
				t.Error("frozen at once")
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if s.cold() != 1 {
				t.Error("not frozen after a second")
			}
		}
	}, echo())
}
