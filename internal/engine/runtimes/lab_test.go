package runtimes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// patience bounds what should take no time. It is long, as machines get busy.
const patience = time.Minute

// here is this machine's Set, found once for all tests.
var here = sync.OnceValues(func() (*Set, error) {
	dir, err := os.MkdirTemp("", "mayfly-runtimes-")
	if err != nil {
		return nil, err
	}
	s, err := Discover(context.Background(), Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	return s, lendRuby(s, dir)
})

// lendRuby has another version of Ruby stand in for one that is tested, on machines
// that have none of those that AWS has.
func lendRuby(s *Set, dir string) error {
	if slices.ContainsFunc(s.list, func(st Status) bool { return st.Available && strings.HasPrefix(st.Runtime, "ruby") }) {
		return nil
	}
	near, err := Discover(context.Background(), Options{Dir: dir, Near: true})
	if err != nil {
		return err
	}
	for i, st := range near.list {
		if st.Runtime == "ruby3.3" && st.Available {
			s.list[i], s.found[st.Runtime] = st, near.found[st.Runtime]
		}
	}
	return nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	closeNursery()
	if s, err := here(); err == nil {
		os.RemoveAll(filepath.Dir(s.dir))
	}
	os.Exit(code)
}

func discovered(t *testing.T) *Set {
	t.Helper()
	s, err := here()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// each runs a test for every runtime of a family that this machine has.
func each(t *testing.T, f family, test func(t *testing.T, runtime string)) {
	s := discovered(t)
	ran := false
	for _, st := range s.List() {
		if !st.Available || s.found[st.Runtime].spec.family != f {
			continue
		}
		ran = true
		for _, w := range waysOf(f) {
			t.Run(st.Runtime+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				test(t, st.Runtime)
			})
		}
	}
	if !ran {
		t.Skipf("no %s on this machine", f)
	}
}

// A way is how a function is started, and how it speaks to the platform. A test's
// name has it, so that tests need not hand it on.
type way string

const (
	byHTTP  way = "by-http"  // executed, with the public API
	byLink  way = "by-link"  // executed, with a link
	byBlank way = "by-blank" // assigned to a blank that waits on its link
	byFork  way = "by-fork"  // assigned to a fork of a zygote
)

func waysOf(f family) []way {
	if f == python && forks {
		return []way{byHTTP, byLink, byBlank, byFork}
	}
	return []way{byHTTP, byLink, byBlank}
}

// wayOf is how the test t is to start its functions.
func wayOf(t testing.TB) way {
	for _, part := range strings.Split(t.Name(), "/") {
		if w := way(part); slices.Contains(waysOf(python), w) {
			return w
		}
	}
	return byHTTP
}

// A function is code to run in a lab: a sandbox that is none. Its /var/task and
// /opt are host directories, as in a tier without a root of its own.
type function struct {
	runtime string
	handler string
	files   map[string]string // below /var/task
	layer   map[string]string // below /opt
	env     map[string]string // the user's
	as      map[string]string // the platform's, instead of what it would be
	args    []string          // instead of the runtime's own command line
}

// A lab runs one function against a real Runtime API.
type lab struct {
	t    testing.TB
	set  *Set
	api  *runtimeapi.Server
	cmd  *exec.Cmd
	out  output
	done chan struct{}
	n    int
	root string
	addr string // of the Runtime API

	begun time.Time // when it was executed, or assigned

	mounts []sandbox.Mount
}

// An output is a file, so that all that was written can be read at once.
type output struct{ *os.File }

func (o output) String() string {
	data, err := os.ReadFile(o.Name())
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func writeTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		syscall.ForkLock.RLock() // a program that another child still has open cannot be executed
		err := os.WriteFile(path, []byte(text), 0o755)
		syscall.ForkLock.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// launch starts f.
func launch(t *testing.T, f function) *lab { t.Helper(); return launchOn(t, discovered(t), f) }

func launchOn(t testing.TB, s *Set, f function) *lab {
	t.Helper()
	l := &lab{t: t, set: s, api: runtimeapi.New(), done: make(chan struct{}), root: t.TempDir()}
	writeTree(t, l.path(taskRoot), f.files)
	writeTree(t, l.path(optRoot), f.layer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.addr = listener.Addr().String()
	l.api.Serve(listener)
	l.api.Reset()
	args, env, err := l.command(f)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(env, map[string]string{
		"AWS_LAMBDA_RUNTIME_API": listener.Addr().String(), "_HANDLER": f.handler, "LAMBDA_TASK_ROOT": l.path(taskRoot),
		"AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn", "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/02/[$LATEST]abc",
	})
	if l.out.File, err = os.OpenFile(filepath.Join(l.root, "output"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		t.Fatal(err)
	}
	maps.Copy(env, f.as)
	l.begin(f, args, env)
	t.Cleanup(func() {
		l.stop()
		if t.Failed() && len(l.out.String()) < 1000 {
			t.Logf("output:\n%s", strings.ReplaceAll(l.out.String(), "\r", "␍\n"))
		}
	})
	return l
}

// begin starts the process, the way that the test has.
func (l *lab) begin(f function, args []string, env map[string]string) {
	w := wayOf(l.t)
	if f.args != nil || !l.set.Linked(l.launch(f)) {
		w = byHTTP
	}
	b, ok := l.set.Blank(l.launch(f))
	if !ok && w != byHTTP {
		w = byLink
	}
	switch w {
	case byHTTP:
		l.exec(args, assignments(env), l.path(taskRoot))
	case byLink:
		l.exec(args, append(assignments(env), "MAYFLY_LINK=3"), l.path(taskRoot), l.link())
	case byBlank:
		if as := f.as["AWS_EXECUTION_ENV"]; as != "" {
			b.Env = append(b.Env, "AWS_EXECUTION_ENV="+as)
		}
		l.exec(b.Args, b.Env, b.Dir, l.link())
		l.assign(env)
	case byFork:
		l.fork(b)
		l.assign(env)
	}
}

func (l *lab) assign(env map[string]string) {
	l.t.Helper()
	l.wait(l.api.Waiting())
	l.begun = time.Now()
	if err := l.api.Assign(env); err != nil {
		l.t.Fatal(err)
	}
}

// fork forks the blank from a zygote.
func (l *lab) fork(b Blank) {
	l.t.Helper()
	link := l.link()
	defer link.Close()
	p, err := zygoteOf(l.t, b).fork(link, l.out.File)
	if err != nil {
		l.t.Fatal(err)
	}
	l.cmd = &exec.Cmd{Process: p}
	go func() {
		l.cmd.ProcessState, _ = p.Wait() // fails only if somebody else has waited
		close(l.done)
	}()
}

// link makes a link, and returns the process's end of it.
func (l *lab) link() *os.File {
	l.t.Helper()
	conn, theirs, err := sandbox.NewLink()
	if err != nil {
		l.t.Fatal(err)
	}
	l.api.Attach(conn)
	return theirs
}

// exec executes a command line, and closes files.
func (l *lab) exec(args, env []string, dir string, files ...*os.File) {
	l.t.Helper()
	l.cmd = exec.Command(args[0], args[1:]...)
	l.cmd.Env, l.cmd.Dir, l.cmd.ExtraFiles = env, dir, files
	l.cmd.Stdout, l.cmd.Stderr = l.out.File, l.out.File
	start := time.Now()
	err := l.cmd.Start()
	for _, f := range files {
		f.Close()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.begun = start
	go func() { l.cmd.Wait(); close(l.done) }()
}

// stop ends all that a lab runs.
func (l *lab) stop() {
	l.cmd.Process.Kill()
	<-l.done
	l.api.Close()
	l.out.Close()
}

func (l *lab) command(f function) ([]string, map[string]string, error) {
	mounts, err := l.set.Mounts(f.runtime)
	if err != nil {
		return nil, nil, err
	}
	l.mounts = mounts
	args, env, err := l.set.Command(l.launch(f))
	if f.args != nil {
		args = f.args
	}
	return args, env, err
}

func (l *lab) launch(f function) Launch {
	return Launch{Runtime: f.runtime, Handler: f.handler, Env: f.env, Path: l.path}
}

// path is where the lab has what is at inside in a sandbox.
func (l *lab) path(inside string) string {
	if inside == taskRoot || inside == optRoot {
		return filepath.Join(l.root, inside)
	}
	for _, m := range l.mounts {
		if m.Target == inside {
			return m.Source
		}
	}
	return inside
}

// start launches f, and waits until it asks for its first invocation.
func start(t *testing.T, f function) *lab { t.Helper(); return startOn(t, discovered(t), f) }

func startOn(t testing.TB, s *Set, f function) *lab {
	t.Helper()
	l := launchOn(t, s, f)
	l.wait(l.api.Started())
	if f := l.api.InitFailure(); f != nil {
		t.Fatalf("initialisation failed: %s", f.Payload)
	}
	return l
}

// wait waits for c, or fails the test when the process ends first.
func (l *lab) wait(c <-chan struct{}) {
	l.t.Helper()
	select {
	case <-c:
	case <-l.done:
		select {
		case <-c: // both
		default:
			l.t.Fatalf("the process ended: %v; its output ends with\n%s", l.cmd.ProcessState, last(l.out.String(), 2000))
		}
	case <-time.After(patience):
		l.t.Fatal("nothing happens")
	}
}

// asleep waits until the process sleeps in its read of the next invocation. A
// signal that comes between Python's last look for signals and that read is
// handled only when the read returns: so it is with every blocking call of
// Python's, on AWS too, where the code is killed before that.
func (l *lab) asleep() {
	l.t.Helper()
	path := fmt.Sprintf("/proc/%d/stat", l.cmd.Process.Pid)
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		data, err := os.ReadFile(path)
		if err != nil {
			return // a system that does not tell
		}
		if _, rest, _ := strings.Cut(string(data), ") "); strings.HasPrefix(rest, "S ") {
			return
		}
	}
	l.t.Fatal("the process does not come to rest")
}

// exit waits for the process to end, and returns its status.
func (l *lab) exit() int {
	l.t.Helper()
	select {
	case <-l.done:
	case <-time.After(patience):
		l.t.Fatal("the process does not end")
	}
	return l.cmd.ProcessState.ExitCode()
}

// call makes the call number n of a lab.
func (l *lab) call(payload string) *runtimeapi.Call {
	l.n++
	return &runtimeapi.Call{
		ID: fmt.Sprintf("id-%d", l.n), Attempt: fmt.Sprintf("attempt-%d", l.n), Payload: []byte(payload),
		Deadline: time.Now().Add(time.Hour), InvokedARN: "arn:aws:lambda:us-east-1:000000000000:function:fn:live",
		TraceHeader: "Root=1-2-3", Answer: io.Discard,
	}
}

// try invokes with c, and returns the answer and the failure, one of them
// empty. The process may end meanwhile.
func (l *lab) try(c *runtimeapi.Call) (answer, failure string) {
	l.t.Helper()
	var buf bytes.Buffer
	c.Answer = &buf
	done := l.api.Begin(c)
	select {
	case <-done:
	case <-l.done:
	case <-time.After(patience):
		l.t.Fatal("the invocation does not end")
	}
	r := l.api.End()
	if r.Failure != nil {
		return buf.String(), string(r.Failure.Payload)
	}
	if !r.Answered {
		return "", "no answer"
	}
	return buf.String(), ""
}

// invoke invokes with payload, and wants an answer.
func (l *lab) invoke(payload string) string {
	l.t.Helper()
	answer, failure := l.try(l.call(payload))
	if failure != "" {
		l.t.Fatalf("invoking with %s failed: %s", payload, failure)
	}
	return answer
}

// fail invokes with payload, and wants a failure.
func (l *lab) fail(payload string) failure {
	l.t.Helper()
	answer, failure := l.try(l.call(payload))
	if failure == "" {
		l.t.Fatalf("invoking with %s answered %s", payload, answer)
	}
	return parseFailure(l.t, failure)
}

// initFailure waits for what a function reports instead of starting.
func (l *lab) initFailure() failure {
	l.t.Helper()
	l.wait(l.api.Started())
	f := l.api.InitFailure()
	if f == nil {
		l.t.Fatal("initialisation did not fail")
	}
	got := parseFailure(l.t, string(f.Payload))
	if f.Type != got.Type {
		l.t.Errorf("the header says %s, the body %s", f.Type, got.Type)
	}
	return got
}

// A failure is an error's payload.
type failure struct {
	Type    string   `json:"errorType"`
	Message string   `json:"errorMessage"`
	ID      *string  `json:"requestId"`
	Stack   lines    `json:"stackTrace"`
	Trace   []string `json:"trace"`
}

// lines are a stack's frames; those of Go, which are objects, are left out.
type lines []string

func (l *lines) UnmarshalJSON(data []byte) error {
	var text []string
	if json.Unmarshal(data, &text) == nil {
		*l = text
	}
	return nil
}

func parseFailure(t testing.TB, text string) failure {
	t.Helper()
	var f failure
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("a failure that is no JSON: %q: %v", text, err)
	}
	return f
}

// wants fails the test unless the output has a line that each pattern matches,
// in which * stands for anything.
func (l *lab) wants(patterns ...string) {
	l.t.Helper()
	out := l.out.String()
	for _, p := range patterns {
		if !slices.ContainsFunc(strings.Split(out, "\n"), func(line string) bool { return like(p, line) }) {
			l.t.Errorf("no line of the output is like %q", p)
		}
	}
}

func like(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for i, p := range parts[1:] {
		if i == len(parts)-2 {
			return strings.HasSuffix(s, p)
		}
		j := strings.Index(s, p)
		if j < 0 {
			return false
		}
		s = s[j+len(p):]
	}
	return s == ""
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// last is the end of s, of n bytes at most.
func last(s string, n int) string { return s[max(0, len(s)-n):] }
