// Package runtimeapi is the Lambda Runtime API, as a function's code sees it:
// it asks for the next invocation, and answers or fails it. Beside it are the APIs
// that extensions use; what they do is kept in packages extension and telemetry.
//
// A Server serves one sandbox. The engine's side of it is Reset before the
// runtime is started, Started to learn how initialisation went, and Begin and
// End around each invocation.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package runtimeapi

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Call is one invocation, on its way in. Begin must be given a new one each
// time, and nothing in it may change before End.
type Call struct {
	ID            string // request id
	Attempt       string // Lambda-Runtime-Invocation-Id: names this delivery of it
	Payload       []byte
	Deadline      time.Time
	InvokedARN    string
	TraceHeader   string
	ClientContext string // JSON
	Identity      string // JSON of the Cognito identity
	Tenant        string

	// Begin, if any, is told the answer's media type once, before Answer gets
	// anything. It is not called for an error, nor after End.
	Begin func(contentType string)

	// Answer gets the payload as the code writes it: while its Write waits, so
	// does the code. One that may wait for long is an Interrupter.
	Answer io.Writer
	Limit  int64 // the most bytes that Answer may get; 0 is no limit
}

// An Interrupter is an Answer that can be told, once, that the call is over and
// that a Write which still waits is to return. End waits for that.
type Interrupter interface{ Interrupt() }

// A Failure is what the code reported, or what is wrong with its answer.
type Failure struct {
	Type    string // as the runtime wrote it; "" when it wrote none
	Payload []byte
}

// A Result is what came of a Call.
type Result struct {
	Answered bool      // the code answered, or failed
	Failure  *Failure  // nil if it answered
	Produced int64     // bytes of the answer
	Sent     time.Time // when the runtime was sent it; zero when it did not come for it
	First    time.Time // when the answer began
	Last     time.Time // when it was complete
}

// A Server is the Runtime API of one sandbox.
type Server struct {
	http    *http.Server
	serving sync.WaitGroup // Serve's goroutines, and net/http's requests

	mu       sync.Mutex // guards what follows
	run      *run
	function Function
	closed   bool
	open     map[io.Closer]struct{} // listeners and connections
}

// New makes a Server. It refuses every call until Reset.
func New() *Server {
	s := &Server{run: newRun(gone), open: map[io.Closer]struct{}{}}
	s.http = &http.Server{
		Handler:  http.HandlerFunc(s.serve),
		ErrorLog: log.New(io.Discard, "", 0), // what code inside does wrong is not the server's news
	}
	return s
}

// Serve answers on l until l or the Server is closed. It returns at once.
func (s *Server) Serve(l net.Listener) {
	s.serving.Go(func() { s.accept(l) })
}

// Reset forgets the runtime that was there, and waits for another to start.
// Requests that the old one left open end.
func (s *Server) Reset() { s.replace(newRun(started)) }

// Close ends every request and stops serving. When it returns, nothing is at
// work any more.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.replace(newRun(gone))
	s.http.Close()
	s.serving.Wait()
}

func (s *Server) replace(r *run) {
	s.mu.Lock()
	old := s.run
	s.run = r
	s.mu.Unlock()
	old.finish()
}

// enter counts one more request, and returns the run that it belongs to; nil
// when the Server is closed.
func (s *Server) enter() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.serving.Add(1)
	return s.run
}

func (s *Server) current() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run
}

// Started is closed when the runtime that came after the last Reset has asked
// for its first invocation, or has reported that it cannot.
func (s *Server) Started() <-chan struct{} { return s.current().started }

// InitFailure is what the runtime reported instead of asking for its first
// invocation, or nil.
func (s *Server) InitFailure() *Failure {
	r := s.current()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.initFailure
}

// Begin hands c to the runtime. done is closed when the runtime has answered
// and asks for more. It must be called once the runtime has started, and not
// again before End.
func (s *Server) Begin(c *Call) (done <-chan struct{}) {
	t, a := s.current().begin(c)
	if a != nil {
		a.deliver(t)
	}
	return t.done
}

// Follow is Begin for who has nothing else to do. Where it can it returns when
// done is closed already, having read what the runtime says on the caller's
// goroutine, which saves a wake-up; else as soon as there is another reason to look
// up: c's deadline, an Interrupter, or the runtime's end. Then done is waited for
// as after Begin.
func (s *Server) Follow(c *Call) (done <-chan struct{}) {
	t, a := s.current().begin(c)
	switch a := a.(type) {
	case nil:
	case *link:
		if !a.quiet() {
			a.cut() // it breaks the rules, or has ended: who waits for its process hears of it
			break
		}
		a.send(t)
		a.follow(t.Deadline)
	default:
		a.deliver(t)
	}
	return t.done
}

// Interrupter is what has Follow return, and no Follow wait, until the next Reset.
// It may be called when the process has ended that the last Attach was for: what it
// has started may keep its link open.
func (s *Server) Interrupter() func() {
	if l := s.current().linked(); l != nil {
		return l.interrupt
	}
	return func() {}
}

// End takes the current call away from the runtime. Nothing is written to its
// Answer any more.
func (s *Server) End() Result { return s.current().end() }
