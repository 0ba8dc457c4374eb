package function

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/event/lineage"
	"github.com/mayfly-faas/mayfly/internal/meter"
)

// An Invocation is a call of a function.
type Invocation struct {
	RequestID     string
	Payload       []byte    // JSON; empty stands for {}
	ClientContext string    // JSON, decoded
	TraceHeader   string    // X-Amzn-Trace-Id
	Tail          bool      // the caller wants the last 4 KB of the log
	Answer        io.Writer // gets the answer as the code writes it
	Limit         int64     // most bytes of an answer; 0 is no limit

	// Begin, unless nil, is told the media type that the code gives its answer,
	// "" for none: once, before the first byte of Answer, and not at all when
	// there is no answer.
	Begin func(contentType string)

	// Chosen, unless nil, is told the version that will run, before it does.
	Chosen func(version string)
}

// A Result is how an invocation ended. Failure is the function's own: then
// what Answer got is worth nothing.
type Result struct {
	Version string // that ran: "$LATEST" or a number
	Failure []byte // the error's JSON; nil for success
	Tail    []byte
	Type    string // of the failure: "Sandbox.Timedout"
}

// Invoke runs a function once and meters it before it answers; or after, while
// extensions are at work that the answer does not wait for.
func (r *Registry) Invoke(ctx context.Context, ref Ref, in Invocation) (Result, error) {
	if !r.calls.enter() {
		return Result{}, ErrClosed
	}
	defer r.calls.leave()
	t, err := r.resolve(ctx, ref)
	if err != nil {
		return Result{}, err
	}
	if len(in.Payload) == 0 {
		in.Payload = []byte("{}")
	}
	if err := checkPayload(in.Payload); err != nil {
		return Result{}, err
	}
	u := t.arms[0].unit
	if len(t.arms) > 1 {
		u = t.pick(draw())
	}
	trace, turns := lineage.Enter(in.TraceHeader, t.lineage, r.now())
	if turns > lineage.Limit && !t.loops {
		r.log.Warn("a loop was stopped", "function", ref.Name, "request", in.RequestID, "turns", turns)
		return Result{}, refuse(ErrRecursive, "The function was stopped because it is part of a recursive loop: it was invoked %d times by the same chain of events.", turns-1)
	}
	if in.Chosen != nil {
		in.Chosen(u.Version)
	}
	out, err := r.engine.Invoke(ctx, u, engine.Call{
		RequestID: in.RequestID, Payload: in.Payload, InvokedARN: r.ARN(ref.Name, ref.Qualifier),
		ClientContext: in.ClientContext, TraceHeader: trace, Tail: in.Tail, Begin: in.Begin, Answer: in.Answer, Limit: in.Limit,
	})
	if err != nil {
		return Result{}, engineError(err)
	}
	if out.Late != nil {
		r.chargeLater(u, out.Late)
	} else if err := r.charge(u, out.Report); err != nil {
		return Result{}, err
	}
	res := Result{Version: u.Version, Tail: out.Tail}
	if f := out.Failure; f != nil {
		res.Type, res.Failure = f.Type, f.Payload
	}
	return res, nil
}

// calls are the invocations under way. Close waits for them: what has run must
// be metered before the database of usage closes, whoever still waits for it.
type calls struct {
	mu     sync.RWMutex // guards closed against enter
	closed bool
	under  sync.WaitGroup
}

func (c *calls) enter() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !c.closed {
		c.under.Add(1)
	}
	return !c.closed
}

func (c *calls) leave() { c.under.Done() }

// close refuses further invocations and waits for those under way.
func (c *calls) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.under.Wait()
}

// Try does all of Invoke but the running: a dry run.
func (r *Registry) Try(ctx context.Context, ref Ref) error {
	_, err := r.resolve(ctx, ref)
	return err
}

// charge meters an invocation, for failed ones too: their time was used. It
// does so even when the caller has gone away.
func (r *Registry) charge(u *engine.Unit, rep engine.Report) error {
	err := r.meter.Add(meter.Use{
		At: rep.Start, Function: u.ARN, Version: u.Version, Arch: u.Arch,
		BilledMS: rep.BilledMS, MemoryMB: u.MemoryMB, TmpMB: u.TmpMB, Provisioned: rep.Provisioned,
	})
	if err != nil {
		return fmt.Errorf("meter %s: %w", u.ARN, err)
	}
	return nil
}

// chargeLater meters an invocation whose extensions are still at work, when they
// are done. Close waits for that.
func (r *Registry) chargeLater(u *engine.Unit, report <-chan engine.Report) {
	r.calls.under.Go(func() {
		if err := r.charge(u, <-report); err != nil {
			r.log.Error("meter an invocation after its answer", "function", u.Function, "error", err)
		}
	})
}

// engineError is the engine's refusal in this room's words.
func engineError(err error) error {
	if t, ok := errors.AsType[*engine.Throttle](err); ok {
		return &Throttled{t.Reason}
	}
	if m, ok := errors.AsType[*runtimes.Missing](err); ok {
		return refuse(ErrRuntime, "The runtime %s cannot run on this host. %s", m.Runtime, m.Advice)
	}
	return fmt.Errorf("invoke: %w", err)
}
