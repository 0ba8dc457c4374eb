package runtimeapi

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/extension"
)

// A state is where a runtime is in its life. The names are those of AWS's
// emulator, which code inside can see in error messages.
type state string

const (
	started   state = "Started"                  // no word from the runtime yet
	initError state = "InitError"                // it cannot run the function
	restoring state = "Restoring"                // it asked for restore/next and got it
	ready     state = "Ready"                    // it waits for an invocation
	running   state = "Running"                  // it has one
	answering state = "InvocationResponse"       // its answer is being read
	failing   state = "InvocationErrorResponse"  // its error is being read
	sent      state = "RuntimeResponseSentState" // the answer is complete
	gone      state = "Gone"                     // the sandbox is closed
)

// A refusal is an error answer of the API.
type refusal struct {
	status    int
	errorType string
	message   string
}

func (e *refusal) Error() string { return e.errorType + ": " + e.message }

// refuse says that the runtime may not go from one state to another.
func refuse(from, to state) *refusal {
	return &refusal{403, "InvalidStateTransition",
		fmt.Sprintf("State transition from %s to %s failed for runtime. Error: State transition is not allowed", from, to)}
}

func invalidRequestID() *refusal {
	return &refusal{400, "InvalidRequestID", "Invalid request ID"}
}

// A run is the life of one runtime, from Reset to Reset.
type run struct {
	over    chan struct{} // closed when the run is
	started chan struct{} // closed when the first invocation is asked for, or initFailure is there
	blank   chan struct{} // closed when the runtime waits for an assignment

	extensions extension.Registry

	mu          sync.Mutex // guards what follows
	state       state
	turn        *turn   // the current one; nil between invocations
	pending     *turn   // turn, until the runtime comes for it
	askers      []asker // where the runtime waits for an invocation, the newest last
	link        *link   // nil for none
	initFailure *Failure
}

// A turn is one Call and what came of it.
type turn struct {
	*Call
	done   chan struct{} // closed when the runtime asks for more
	result Result        // guarded by run.mu, but for the sink's fields while it is open
	sink   sink
	link   *link // the one that brought it; nil for HTTP
}

// An asker is a request for the next invocation that waits for one.
type asker interface {
	deliver(t *turn) // answers it; whoever calls has taken it from the askers first
	cut()            // ends it without an answer, and may be called at any time
}

func newRun(s state) *run {
	return &run{over: make(chan struct{}), started: make(chan struct{}), blank: make(chan struct{}), state: s}
}

// begin makes c the current turn. The asker, unless nil, waits for it.
func (r *run) begin(c *Call) (*turn, asker) {
	t := &turn{Call: c, done: make(chan struct{})}
	t.sink.w, t.sink.left = c.Answer, c.Limit
	if c.Limit == 0 {
		t.sink.left = 1<<63 - 1
	}
	return t, r.place(t)
}

// place makes t the current turn. It returns where the runtime waits for it; nil
// when the runtime is still to come.
func (r *run) place(t *turn) asker {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending != nil {
		panic("runtimeapi: Begin before End")
	}
	r.turn = t
	n := len(r.askers) - 1
	if n < 0 || r.state != ready {
		r.pending = t
		return nil
	}
	a := r.askers[n] // where there are many, the others may have been given up
	r.askers[n], r.askers = nil, r.askers[:n]
	t.link, _ = a.(*link)
	r.state, t.result.Sent = running, time.Now()
	return a
}

func (r *run) end() Result {
	r.mu.Lock()
	t := r.turn
	r.turn, r.pending = nil, nil
	r.mu.Unlock()
	if t == nil {
		return Result{}
	}
	if i, ok := t.Answer.(Interrupter); ok {
		i.Interrupt()
	}
	t.sink.close() // waits for a write under way
	r.mu.Lock()
	defer r.mu.Unlock()
	t.result.Produced = t.sink.n
	return t.result
}

// next is the runtime asking for an invocation: its first, or after an answer.
// It returns the one to be delivered; nil when a has become one of the askers, or
// was cut. When one runs already the runtime gets it again: the connection that
// brought it the first time may have been lost. But nothing is lost on a link.
func (r *run) next(a asker) (*turn, *refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.state {
	case started, restoring:
		r.extensions.Seal()
		close(r.started)
	case sent:
		if r.turn != nil {
			close(r.turn.done)
		}
	case ready:
	case running:
		if _, linked := a.(*link); linked && r.turn != nil {
			return nil, refuse(running, ready)
		}
		if r.turn != nil {
			return r.turn, nil
		}
	default:
		return nil, refuse(r.state, ready)
	}
	r.state = ready
	return r.ask(a), nil
}

// ask makes a an asker, unless there is something for it already. r.mu is held.
func (r *run) ask(a asker) *turn {
	if l, linked := a.(*link); linked && l != r.link {
		return nil // another has taken its place
	}
	if t := r.pending; t != nil {
		r.pending, r.state, t.result.Sent = nil, running, time.Now()
		t.link, _ = a.(*link)
		return t
	}
	select {
	case <-r.over:
		a.cut()
	default:
		r.askers = append(r.askers, a)
	}
	return nil
}

// askAgain makes a an asker in the place of another.
func (r *run) askAgain(a asker) *turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ask(a)
}

// leave makes a an asker no more; false when it was none.
func (r *run) leave(a asker) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.askers, a)
	if i >= 0 {
		r.askers = slices.Delete(r.askers, i, i+1)
	}
	return i >= 0
}

// finish ends the run: nobody waits any more.
func (r *run) finish() {
	r.extensions.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.over)
	for _, a := range r.askers {
		a.cut()
	}
	r.askers = nil
	if r.link != nil {
		r.link.cut()
	}
}

// answer begins the answer, or the error, to the invocation called id.
func (r *run) answer(id, attempt string, to state) (*turn, *refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.turn
	switch {
	case t == nil || t.ID != id:
		return nil, invalidRequestID()
	case attempt != "" && t.Attempt != "" && attempt != t.Attempt:
		return nil, &refusal{400, "InvalidInvocationId", "Invalid invocation ID"}
	case r.state != running:
		return nil, refuse(r.state, to)
	}
	r.state = to
	t.result.First = time.Now()
	return t, nil
}

// answerOn begins the answer, or the error, to what l brought; nil when there is
// nothing to answer.
func (r *run) answerOn(l *link, to state) *turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.turn
	if t == nil || t.link != l || r.state != running {
		return nil
	}
	r.state = to
	t.result.First = time.Now()
	return t
}

// answered completes t. A turn that has ended meanwhile keeps what End said.
func (r *run) answered(t *turn, f *Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = sent
	if r.turn == t {
		t.result.Answered, t.result.Failure, t.result.Last = true, f, time.Now()
	}
}

// failInit begins the runtime's report that it cannot start. There is one at
// most, so that code inside cannot have the server read many at a time.
func (r *run) failInit() *refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != started && r.state != restoring {
		return refuse(r.state, initError)
	}
	r.state = initError
	return nil
}

// failedInit completes the report.
func (r *run) failedInit(f *Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.initFailure = f
	close(r.started)
}

// restore is the runtime asking to be told when it has been restored.
func (r *run) restore() *refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != started {
		return refuse(r.state, "RestoreReady")
	}
	r.state = restoring
	return nil
}

// waits is the runtime saying that it waits for an assignment.
func (r *run) waits() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.blank:
		return errFrame // it has said so before
	default:
		close(r.blank)
		return nil
	}
}
