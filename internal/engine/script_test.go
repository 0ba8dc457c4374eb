package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/logs"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// A script is what a function's process does, from its start to its end. When
// it is through, the process exits with status 0.
type script []action

// An action is one step of a script.
type action func(p *scripted)

// next asks for an invocation.
func next(p *scripted) {
	r := p.call("GET", "invocation/next", nil, "")
	p.id, p.event = r.Header.Get("Lambda-Runtime-Aws-Request-Id"), r
}

// answer posts the response.
func answer(body string) action {
	return func(p *scripted) { p.call("POST", "invocation/"+p.id+"/response", nil, body) }
}

// fail posts an error.
func fail(kind, body string) action {
	return func(p *scripted) {
		p.call("POST", "invocation/"+p.id+"/error", http.Header{"Lambda-Runtime-Function-Error-Type": {kind}}, body)
	}
}

// stream posts a response in parts, with a pause before each but the first, and
// an error at its end.
func stream(pause time.Duration, parts ...string) action {
	return func(p *scripted) {
		r, w := io.Pipe()
		go func() {
			for i, part := range parts {
				if i > 0 {
					work(pause)(p)
				}
				io.WriteString(w, part)
			}
			w.Close()
		}()
		p.send("POST", "invocation/"+p.id+"/response", http.Header{"Lambda-Runtime-Function-Response-Mode": {"streaming"}}, r, http.Header{
			"Lambda-Runtime-Function-Error-Type": {"Function.Broke"},
			"Lambda-Runtime-Function-Error-Body": {base64.StdEncoding.EncodeToString([]byte(`{"errorMessage":"m"}`))},
		})
	}
}

// failInit posts an error of initialisation.
func failInit(kind, body string) action {
	return func(p *scripted) {
		p.call("POST", "init/error", http.Header{"Lambda-Runtime-Function-Error-Type": {kind}}, body)
	}
}

// say writes to stdout. It arrives as late as the sandbox contract allows.
func say(text string) action {
	return func(p *scripted) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.said += text
	}
}
func work(d time.Duration) action {
	return func(p *scripted) {
		select {
		case <-time.After(d):
		case <-p.killed:
			runtime.Goexit()
		}
	}
}
func hang(p *scripted) { <-p.killed; runtime.Goexit() }

func exit(code int) action {
	return func(p *scripted) {
		p.exit, p.chosen = sandbox.Exit{Code: code}, true
		runtime.Goexit()
	}
}

func outOfMemory(p *scripted) {
	p.exit, p.chosen = sandbox.Exit{Code: -1, Signal: syscall.SIGKILL, OOMKilled: true}, true
	runtime.Goexit()
}

// forever repeats steps.
func forever(steps ...action) action {
	return func(p *scripted) {
		for {
			for _, step := range steps {
				step(p)
			}
		}
	}
}

// A stage is a Tier whose processes follow a script. It counts, and checks that
// the engine keeps the sandbox contract.
type stage struct {
	t       testing.TB
	script  func(spec sandbox.Spec, n int) script // for the n-th process of all
	noOpen  error                                 // what Open fails with
	noStart error                                 // and Start
	noLimit error                                 // and LimitCPU
	opening func(ctx context.Context)             // called by Open

	extensions map[string]script // what processes of /opt/extensions do, by name; nil cannot be started

	mu       sync.Mutex // guards what follows
	boxes    []*box
	started  int
	living   int
	frozen   int
	usage    sandbox.Usage
	specs    []sandbox.Spec
	commands []sandbox.Command
	shares   []float64 // that LimitCPU set
	deeds    []string  // what processes did, and when
}

// did notes a deed, with the time since the first.
func (s *stage) did(at time.Time, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deeds = append(s.deeds, fmt.Sprintf("%v "+format, append([]any{at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))}, args...)...))
}

// cold is how many sandboxes are frozen.
func (s *stage) cold() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen
}

func (s *stage) Name() string                { return "stage" }
func (s *stage) Sweep(context.Context) error { return nil }
func (s *stage) Close() error                { return nil }

func (s *stage) Open(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if s.opening != nil {
		s.opening(ctx)
	}
	if s.noOpen != nil {
		return nil, s.noOpen
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.living++
	s.specs = append(s.specs, spec)
	b := &box{stage: s, spec: spec, ports: map[int]*pipeListener{}, inside: map[int]*pipeListener{}}
	s.boxes = append(s.boxes, b)
	return b, nil
}

type box struct {
	stage  *stage
	spec   sandbox.Spec
	mu     sync.Mutex            // guards what follows
	ports  map[int]*pipeListener // of the server
	inside map[int]*pipeListener // of processes
	procs  []*scripted
	frozen bool
	closed bool
}

func (b *box) Path(target string) string { return target }

func (b *box) Listen(port int) (net.Listener, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &pipeListener{port: port, conns: make(chan net.Conn), over: make(chan struct{})}
	b.ports[port] = l
	return l, nil
}

// Dial connects to what a process of the sandbox has opened with listen.
func (b *box) Dial(ctx context.Context, port int) (net.Conn, error) {
	b.mu.Lock()
	l := b.inside[port]
	b.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	server, client := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.over:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *box) Start(_ context.Context, cmd sandbox.Command) (sandbox.Process, error) {
	s := b.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noStart != nil {
		return nil, s.noStart
	}
	var steps script
	if name, ok := strings.CutPrefix(cmd.Args[0], "/opt/extensions/"); ok {
		if steps = s.extensions[name]; steps == nil {
			return nil, &fs.PathError{Op: "fork/exec", Path: cmd.Args[0], Err: syscall.EACCES}
		}
	} else {
		s.started++
		s.commands = append(s.commands, cmd)
		steps = s.script(b.spec, s.started)
	}
	p := &scripted{box: b, cmd: cmd, killed: make(chan struct{}), done: make(chan struct{})}
	b.mu.Lock()
	b.procs = append(b.procs, p)
	b.mu.Unlock()
	go func() {
		defer p.end()
		for _, step := range steps {
			step(p)
		}
	}()
	return p, nil
}

func (b *box) Freeze() error { return b.ice(true) }
func (b *box) Thaw() error   { return b.ice(false) }

func (b *box) ice(on bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.frozen == on {
		b.stage.t.Errorf("sandbox frozen or thawed twice")
	}
	b.frozen = on
	b.stage.mu.Lock()
	defer b.stage.mu.Unlock()
	if on {
		b.stage.frozen++
	} else {
		b.stage.frozen--
	}
	return nil
}

func (b *box) LimitCPU(cpus float64) error {
	b.stage.mu.Lock()
	defer b.stage.mu.Unlock()
	b.stage.shares = append(b.stage.shares, cpus)
	return b.stage.noLimit
}

func (b *box) Usage() (sandbox.Usage, error) {
	b.stage.mu.Lock()
	defer b.stage.mu.Unlock()
	return b.stage.usage, nil
}
func (b *box) ResetUsage() error                                 { return nil }
func (b *box) Furnish(context.Context, sandbox.Furnishing) error { return nil }

func (b *box) Kill() error {
	b.mu.Lock()
	procs := b.procs
	b.procs = nil
	b.mu.Unlock()
	for _, p := range procs {
		p.kill()
		<-p.done
	}
	return nil
}

func (b *box) Close() error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	for _, l := range b.ports {
		l.Close()
	}
	b.mu.Unlock()
	b.Kill()
	if !again {
		b.stage.mu.Lock()
		b.stage.living--
		b.stage.mu.Unlock()
	}
	return nil
}

// A scripted is one process.
type scripted struct {
	box   *box
	cmd   sandbox.Command
	conn  net.Conn
	in    *bufio.Reader
	id    string         // of the current invocation
	event *http.Response // that brought it

	identifier string // as an extension

	mu   sync.Mutex // guards what follows
	said string     // and not delivered yet
	deaf bool       // to signals

	once   sync.Once
	killed chan struct{} // closed when the process is to end, or has ended
	done   chan struct{}
	exit   sandbox.Exit // set before done is closed
	chosen bool         // the script says how it exits
}

// call makes one request of the Runtime API. It ends the process when it is
// killed meanwhile.
func (p *scripted) call(method, path string, h http.Header, body string) *http.Response {
	return p.send(method, path, h, strings.NewReader(body), nil)
}

func (p *scripted) send(method, path string, h http.Header, body io.Reader, trailer http.Header) *http.Response {
	if p.conn == nil {
		p.box.mu.Lock()
		l := p.box.ports[9001]
		p.box.mu.Unlock()
		server, client := net.Pipe()
		select {
		case l.conns <- server:
		case <-l.over:
			runtime.Goexit()
		}
		p.conn, p.in = client, bufio.NewReader(client)
		go func() { <-p.killed; client.Close() }()
	}
	if !strings.HasPrefix(path, "/") {
		path = "/2018-06-01/runtime/" + path
	}
	r, err := http.NewRequest(method, "http://api"+path, body)
	if err != nil {
		panic(err)
	}
	r.Trailer = trailer
	for k, v := range h {
		r.Header[k] = v
	}
	if err := r.Write(p.conn); err != nil {
		runtime.Goexit()
	}
	res, err := http.ReadResponse(p.in, r)
	if err != nil {
		runtime.Goexit()
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		runtime.Goexit()
	}
	res.Body = io.NopCloser(bytes.NewReader(b))
	return res
}

func (p *scripted) kill() { p.once.Do(func() { close(p.killed) }) }

// end is the last that the process's goroutine does.
func (p *scripted) end() {
	select {
	case <-p.killed:
		if !p.chosen {
			p.exit = sandbox.Exit{Code: -1, Signal: syscall.SIGKILL}
		}
	default:
	}
	p.kill()
	p.Flush()
	close(p.done)
}

// Signal ends a process that does not say otherwise.
func (p *scripted) Signal(sig syscall.Signal) error {
	p.box.stage.did(time.Now(), "%s gets %v", p.name(), sig)
	p.mu.Lock()
	deaf := p.deaf
	p.mu.Unlock()
	if !deaf {
		p.kill()
	}
	return nil
}

// name is the program's.
func (p *scripted) name() string { return path.Base(p.cmd.Args[0]) }

func (p *scripted) Flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said != "" {
		io.WriteString(p.cmd.Stdout, p.said)
		p.said = ""
	}
	return nil
}
func (p *scripted) Done() <-chan struct{} { return p.done }
func (p *scripted) Exit() sandbox.Exit    { return p.exit }

// A pipeListener accepts pipes, so that tests can run in virtual time.
type pipeListener struct {
	port  int
	conns chan net.Conn
	once  sync.Once
	over  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.over) }); return nil }
func (l *pipeListener) Addr() net.Addr { return pipeAddr(l.port) }

type pipeAddr int

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return fmt.Sprintf("127.0.0.1:%d", int(a)) }

// anyRuntime has every runtime, and starts "code" for it.
type anyRuntime struct{}

func (anyRuntime) Blank(runtimes.Launch) (b runtimes.Blank, ok bool) { return b, false }
func (anyRuntime) Linked(runtimes.Launch) bool                       { return false }

func (anyRuntime) Mounts(string) ([]sandbox.Mount, error) { return nil, nil }
func (anyRuntime) Command(l runtimes.Launch) ([]string, map[string]string, error) {
	env := map[string]string{"PATH": "/bin", "LANGUAGE_PATH": l.Path("/opt/lang")}
	for k, v := range l.Env {
		env[k] = v
	}
	return []string{"code"}, env, nil
}

// newStage makes an engine whose code follows a script.
func newStage(t testing.TB, c engine.Config, steps ...action) (*engine.Engine, *stage) {
	s := &stage{t: t, script: func(sandbox.Spec, int) script { return steps }}
	c.Tier, c.Runtimes = s, anyRuntime{}
	e := engine.New(c)
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.living != 0 {
			t.Errorf("%d sandboxes outlive the engine", s.living)
		}
	})
	return e, s
}

// A book is a Sink that keeps all.
type book struct {
	mu      sync.Mutex // guards what follows
	streams []string   // in the order of their first event
	events  map[string][]logs.Event
}

func (b *book) Put(group, stream string, events []logs.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := group + ":" + stream
	if b.events == nil {
		b.events = map[string][]logs.Event{}
	}
	if b.events[name] == nil {
		b.streams = append(b.streams, name)
	}
	b.events[name] = append(b.events[name], events...)
}

// text is all that is in the book's only stream.
func (b *book) text(t *testing.T) string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.streams) != 1 {
		t.Fatalf("streams = %v, want one", b.streams)
	}
	var all strings.Builder
	for _, e := range b.events[b.streams[0]] {
		all.WriteString(e.Message)
	}
	return all.String()
}
