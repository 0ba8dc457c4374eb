package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
)

// register makes the process an extension; its own name is that of its program.
func register(events ...string) action {
	return func(p *scripted) {
		body, _ := json.Marshal(map[string]any{"events": events})
		r := p.call("POST", "/2020-01-01/extension/register", http.Header{"Lambda-Extension-Name": {p.name()}}, string(body))
		p.identifier = r.Header.Get("Lambda-Extension-Identifier")
		p.box.stage.did(time.Now(), "%s registers: %d", p.name(), r.StatusCode)
	}
}

func (p *scripted) identity() http.Header {
	return http.Header{"Lambda-Extension-Identifier": {p.identifier}, "Lambda-Extension-Function-Error-Type": {"Extension.Own"}}
}

// nextEvent waits for an event.
func nextEvent(p *scripted) {
	r := p.call("GET", "/2020-01-01/extension/event/next", p.identity(), "")
	var e struct {
		EventType, ShutdownReason, RequestID string
		DeadlineMs                           int64
	}
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		panic(err)
	}
	p.box.stage.did(time.Now(), "%s: %s%s, until %v", p.name(), e.EventType, or(" "+e.ShutdownReason, " "+e.RequestID),
		time.UnixMilli(e.DeadlineMs).Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func or(s, otherwise string) string {
	if strings.TrimSpace(s) == "" {
		return otherwise
	}
	return s
}

// complain posts an error of an extension: "init" or "exit".
func complain(when string) action {
	return func(p *scripted) {
		p.call("POST", "/2020-01-01/extension/"+when+"/error", p.identity(), `{"errorMessage":"m"}`)
	}
}

// withExtensions is play with extensions beside the runtime.
func withExtensions(t *testing.T, extensions map[string]script, test func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit), steps ...action) {
	t.Helper()
	u := newUnit(t, "f")
	u.Timeout, u.Opt = 3*time.Second, t.TempDir()
	if err := os.Mkdir(filepath.Join(u.Opt, "extensions"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name := range extensions {
		if err := os.WriteFile(filepath.Join(u.Opt, "extensions", name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		e, s := newStage(t, engine.Config{}, steps...)
		s.extensions = extensions
		test(t, e, s, u)
	})
}

// call invokes without asking for the log.
func call(t *testing.T, e *engine.Engine, u *engine.Unit) (*engine.Outcome, string) {
	t.Helper()
	var answer bytes.Buffer
	o, err := e.Invoke(t.Context(), u, engine.Call{RequestID: "r-1", Payload: []byte(`1`), InvokedARN: u.ARN, Answer: &answer})
	if err != nil {
		t.Fatal(err)
	}
	return o, answer.String()
}

// wantDeeds checks what processes did.
func wantDeeds(t *testing.T, s *stage, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.deeds, want) {
		t.Errorf("processes did:\n%s\nwant:\n%s", strings.Join(s.deeds, "\n"), strings.Join(want, "\n"))
	}
}

func note(p *scripted) {
	work(time.Millisecond)(p) // what else happens now comes first
	p.box.stage.did(time.Now(), "%s begins", p.name())
}

// TestExtensionLife is a life from start to end: the runtime begins when the
// extension has registered, the caller has its answer before the extension is done, and the
// end is told.
func TestExtensionLife(t *testing.T) {
	withExtensions(t, map[string]script{
		"agent": {say("agent here\n"), work(100 * time.Millisecond), register("INVOKE", "SHUTDOWN"), work(50 * time.Millisecond), nextEvent,
			work(time.Second), nextEvent, work(700 * time.Millisecond), exit(0)},
	}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		start := time.Now()
		o, answer := call(t, e, u)
		if took := time.Since(start); took != 150*time.Millisecond || answer != `"ok"` || o.Failure != nil || o.Late == nil {
			t.Errorf("after %v: %s, %+v; want the answer as soon as it is there", took, answer, o)
		}
		r := <-o.Late
		if took := time.Since(start); took != 1150*time.Millisecond || r.Duration != time.Second || r.BilledMS != 1150 || r.Init != 150*time.Millisecond {
			t.Errorf("after %v: report %+v; want that the extension's time is the invocation's", took, r)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wantDeeds(t, s, "100ms agent registers: 200", "101ms code begins", "150ms agent: INVOKE r-1, until 3.15s",
			"1.15s code gets terminated", "1.15s agent: SHUTDOWN spindown, until 3.15s")
		if took := time.Since(start); took != 1850*time.Millisecond {
			t.Errorf("all has ended after %v", took)
		}
	}, note, echo())
}

func TestExtensionLog(t *testing.T) {
	withExtensions(t, map[string]script{
		"agent": {say("agent here\n"), register("INVOKE", "SHUTDOWN"), forever(nextEvent)},
		"quiet": {register(), forever(nextEvent)},
	}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		o, _ := invoke(t, e, u, "x")
		wantTail(t, o, "INIT_START", "agent here", "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
			"EXTENSION\tName: quiet\tState: Ready\tEvents: []", "START", "END", "REPORT")
	}, echo())
}

func TestExtensionFaults(t *testing.T) {
	const id = `"errorMessage":"RequestId: r-1 Error: `
	for _, tt := range []struct {
		name    string
		agent   script
		kind    string
		message string
		line    string // of the log
	}{
		{"cannot be executed", nil, "Extension.LaunchError", "fork/exec /opt/extensions/agent: permission denied",
			"EXTENSION\tName: agent\tState: LaunchError\tEvents: []\tError Type: PermissionDenied"},
		{"ends before it registers", script{exit(0)}, "Extension.Crash", "exit code 0", "EXTENSION\tName: agent\tState: Started\tEvents: []"},
		{"ends before it is ready", script{register("INVOKE"), exit(3)}, "Extension.Crash", "exit status 3",
			"EXTENSION\tName: agent\tState: Registered\tEvents: [INVOKE]"},
		{"reports that it cannot begin", script{register("SHUTDOWN"), complain("init"), exit(1)}, "Extension.InitError", "exit status 1",
			"EXTENSION\tName: agent\tState: InitError\tEvents: [SHUTDOWN]\tError Type: Extension.Own"},
		{"reports that it ends", script{register("INVOKE"), complain("exit"), exit(1)}, "Extension.ExitError", "exit status 1",
			"EXTENSION\tName: agent\tState: ExitError\tEvents: [INVOKE]\tError Type: Extension.Own"},
		{"breaks in an invocation", script{register("INVOKE"), nextEvent, outOfMemory}, "Extension.Crash", "signal: killed",
			"EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE]"},
		{"hangs before it registers", script{hang}, "Sandbox.Timedout", "Task timed out after 3.00 seconds", "EXTENSION\tName: agent\tState: Started\tEvents: []"},
		{"hangs before it is ready", script{register("INVOKE"), hang}, "Sandbox.Timedout", "Task timed out after 3.00 seconds",
			"EXTENSION\tName: agent\tState: Registered\tEvents: [INVOKE]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withExtensions(t, map[string]script{"agent": tt.agent}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
				o, _ := invoke(t, e, u, "x")
				wantFailure(t, o, tt.kind, `{"errorType":"`+tt.kind+`",`+id+tt.message+`"}`)
				if !strings.Contains(string(o.Tail), tt.line+"\n") {
					t.Errorf("the log lacks %q:\n%s", tt.line, o.Tail)
				}
			}, next, work(time.Hour))
		})
	}
}

// TestExtensionBreaksLate: what an extension does after the answer is not the
// caller's trouble, but ends the sandbox's processes.
func TestExtensionBreaksLate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after []action
		want  string // of the log
		took  time.Duration
		deeds []string
	}{
		{"it ends", []action{work(time.Second), exit(1)}, "RequestId: r-1 Error: exit status 1\nExtension.Crash\nEND", time.Second,
			[]string{"1s code gets terminated"}},
		{"it hangs", []action{hang}, "r-1 Task timed out after 3.00 seconds\n\nEND", 3 * time.Second, []string{"3s code gets terminated"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sink := &book{}
			u := newUnit(t, "f")
			u.Timeout, u.Opt = 3*time.Second, t.TempDir()
			os.Mkdir(filepath.Join(u.Opt, "extensions"), 0o755)
			os.WriteFile(filepath.Join(u.Opt, "extensions", "agent"), nil, 0o755)
			synctest.Test(t, func(t *testing.T) {
				e, s := newStage(t, engine.Config{Sink: sink}, echo())
				s.extensions = map[string]script{"agent": append(script{register("INVOKE"), nextEvent}, tt.after...)}
				o, answer := call(t, e, u)
				if o.Failure != nil || answer != `"ok"` {
					t.Errorf("answer %s, %+v", answer, o)
				}
				if r := <-o.Late; r.Duration != tt.took {
					t.Errorf("duration %v, want %v", r.Duration, tt.took)
				}
				e.FlushLogs()
				if text := sink.text(t); !strings.Contains(text, tt.want) {
					t.Errorf("log:\n%s\nwant %q", text, tt.want)
				}
				o, _ = call(t, e, u) // begins anew, in the same sandbox
				<-o.Late
				if o.Failure != nil || s.started != 2 || len(s.boxes) != 1 {
					t.Errorf("then: %+v, %d processes in %d sandboxes", o.Failure, s.started, len(s.boxes))
				}
				if got := s.deeds[2:3]; !slices.Equal(got, tt.deeds) {
					t.Errorf("did %q, want %q", got, tt.deeds)
				}
			})
		})
	}
}

// TestExtensionsAreToldOfFailure: of a timeout, and of a runtime that broke; one that
// does not end is killed at its deadline.
func TestExtensionsAreToldOfFailure(t *testing.T) {
	for _, tt := range []struct {
		name   string
		code   []action
		reason string
		at     time.Duration
	}{
		{"timeout", []action{next, hang}, "timeout", 3 * time.Second},
		{"exit", []action{next, exit(1)}, "failure", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withExtensions(t, map[string]script{"agent": {register("SHUTDOWN"), nextEvent, hang}},
				func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
					start := time.Now()
					o, _ := call(t, e, u)
					if o.Failure == nil || time.Since(start) != tt.at {
						t.Errorf("after %v: %+v; want the failure at %v", time.Since(start), o, tt.at)
					}
					<-o.Late
					if got, want := s.deeds[len(s.deeds)-1], fmt.Sprintf("%v agent: SHUTDOWN %s, until %v", tt.at, tt.reason, tt.at+2*time.Second); got != want {
						t.Errorf("told %q, want %q", got, want)
					}
					if took := time.Since(start); took != tt.at+2*time.Second {
						t.Errorf("all was killed after %v", took)
					}
				}, tt.code...)
		})
	}
}

// TestInternalExtension: a part of the runtime registers, and the runtime may end in
// order.
func TestInternalExtension(t *testing.T) {
	play(t, engine.Config{}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		start := time.Now()
		o, answer := call(t, e, u)
		if o.Failure != nil || answer != `"ok"` {
			t.Errorf("answer %s, %+v", answer, o)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 500*time.Millisecond {
			t.Errorf("a runtime that does not end was killed after %v", took)
		}
		wantDeeds(t, s, "0s code registers: 403", "0s code registers: 200", "0s code: INVOKE r-1, until 3s", "0s code gets terminated")
	}, func(p *scripted) { p.deaf = true }, register("SHUTDOWN"), register("INVOKE"), both(nextEvent, next), answer(`"ok"`), both(nextEvent, next))
}

// both does two things at a time, on connections of their own, and returns after the
// second.
func both(first, second action) action {
	return func(p *scripted) {
		other := &scripted{box: p.box, cmd: p.cmd, identifier: p.identifier, killed: p.killed}
		go first(other)
		synctest.Wait()
		second(p)
	}
}

// A reader is what an extension that subscribed has been sent.
type reader struct {
	mu     sync.Mutex // guards what follows
	bodies []string
	refuse int // so many more
}

// listen has the process take posts on a port inside.
func (r *reader) listen(port int) action {
	return func(p *scripted) {
		l := &pipeListener{port: port, conns: make(chan net.Conn), over: make(chan struct{})}
		p.box.mu.Lock()
		p.box.inside[port] = l
		p.box.mu.Unlock()
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			b, _ := io.ReadAll(req.Body)
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.refuse > 0 {
				r.refuse--
				w.WriteHeader(500)
				return
			}
			r.bodies = append(r.bodies, string(b))
		})}
		go s.Serve(l)
		go func() { <-p.killed; s.Close() }()
	}
}

// kinds are the types of the events that were read, one line each.
func (r *reader) kinds(t *testing.T) (all []string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bodies {
		var events []struct {
			Time, Type string
			Record     json.RawMessage
		}
		if err := json.Unmarshal([]byte(b), &events); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		for _, e := range events {
			line := e.Type
			if e.Record[0] == '"' {
				line += " " + string(e.Record)
			}
			all = append(all, line)
		}
	}
	return all
}

func subscribe(path, body string) action {
	return func(p *scripted) {
		r := p.call("PUT", path, p.identity(), body)
		b, _ := io.ReadAll(r.Body)
		p.box.stage.did(time.Now(), "%s subscribes: %d %s", p.name(), r.StatusCode, b)
	}
}

func TestTelemetry(t *testing.T) {
	const doc = `{"schemaVersion":"2022-07-01","types":["platform","function","extension"],"buffering":{"timeoutMs":25},
		"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080/x"}}`
	r := &reader{refuse: 2}
	withExtensions(t, map[string]script{
		"agent": {say("agent here\n"), register("INVOKE", "SHUTDOWN"), r.listen(8080), subscribe("/2022-07-01/telemetry", doc),
			subscribe("/2022-07-01/telemetry", doc), subscribe("/2020-08-15/logs", strings.Replace(doc, "2022-07-01", "2020-08-15", 1)), forever(nextEvent)},
	}, func(t *testing.T, e *engine.Engine, s *stage, u *engine.Unit) {
		for range 3 {
			o, _ := call(t, e, u)
			if o.Late != nil {
				<-o.Late
			}
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		want := []string{"platform.initStart", "platform.telemetrySubscription", `extension "agent here"`, "platform.initRuntimeDone",
			"platform.extension", "platform.initReport"}
		for range 3 {
			want = append(want, "platform.start", `function "hi"`, "platform.runtimeDone", "platform.report")
		}
		got := r.kinds(t)
		slices.Sort(got) // output is as late as it may be
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got, want := s.deeds[1:4], []string{`0s agent subscribes: 200 "OK"`, `0s agent subscribes: 200 "OK"`,
			`0s agent subscribes: 400 {"errorMessage":"Subscribed by another API already","errorType":"ValidationError"}`}; !slices.Equal(got, want) {
			t.Errorf("did %q, want %q", got, want)
		}
	}, forever(next, say("hi\n"), answer("1")))
}
