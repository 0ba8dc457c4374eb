// Package engine runs one invocation of one unit of code. It knows no AWS API.
//
// Invoke is the whole path on one page: admit, get a sandbox, run, give the
// sandbox back or end it, report.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/admit"
	"github.com/mayfly-faas/mayfly/internal/engine/blank"
	"github.com/mayfly-faas/mayfly/internal/engine/logs"
	"github.com/mayfly-faas/mayfly/internal/engine/pool"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/step"
)

// ErrClosed means that the engine is closed, or was closed under the invocation.
var ErrClosed = errors.New("engine: closed")

// Runtimes says how code of a runtime is started. *runtimes.Set does.
type Runtimes interface {
	Mounts(runtime string) ([]sandbox.Mount, error)
	Command(runtimes.Launch) (args []string, env map[string]string, err error)

	// Linked tells whether the command can speak with us over a link.
	Linked(runtimes.Launch) bool

	// Blank is how code may be started before it is known; ok is false where
	// that cannot be.
	Blank(runtimes.Launch) (b runtimes.Blank, ok bool)
}

// A Config is what an Engine is made of. Tier and Runtimes are needed; a zero
// field otherwise has the default written there.
type Config struct {
	Tier     sandbox.Tier
	Runtimes Runtimes
	Sink     logs.Sink    // where logs go; nowhere
	Log      *slog.Logger // the server's own; slog.Default()

	// Endpoint serves the platform's API on a listener inside a sandbox, until
	// that is closed. Without it the code has no AWS_ENDPOINT_URL.
	Endpoint func(net.Listener)

	Steps *step.Clock // told when invocations pass its points; nil

	Concurrency int  // the account's concurrent executions; 1,000
	Offline     bool // code cannot reach the world outside the host

	ColdStarts   int           // sandboxes started at a time; twice the processors
	IdleTimeout  time.Duration // an idle sandbox lives no longer, and often less, see pool; 30 minutes
	MaxLifetime  time.Duration // any sandbox lives so long; 6 hours, or as its credentials
	FreezeAfter  time.Duration // an idle sandbox is frozen then; negative: never; 50 ms
	MemoryMB     int           // all sandboxes together may come to use so much, see below; four fifths of what there is
	OnDemandInit time.Duration // limit of the Init phase; 10 s
	EndpointPort int           // where AWS_ENDPOINT_URL points to inside; 4566
	BlanksMB     int           // memory for started interpreters that are nobody's yet; negative: none are kept; a sixteenth of what there is

	// What counts of MemoryMB is the whole limit of each sandbox that runs, used
	// or not, and what those hold that are idle. An invocation that needs a
	// sandbox where there is no room has those ended that are idle and worth
	// least, or waits. Negative is no limit.
}

// An Engine runs units.
type Engine struct {
	c      Config
	gate   *admit.Gate
	pool   *pool.Pool
	logs   *logs.Hub
	opener *blank.Opener
	blanks *blank.Pool
	sums   counters

	running sync.WaitGroup // invocations
	mu      sync.RWMutex   // guards closed against the start of invocations
	closed  bool
}

// New makes an Engine. Nothing of it runs until the first Invoke or Provision.
func New(c Config) *Engine {
	if c.Sink == nil {
		c.Sink = logs.Discard{}
	}
	if c.OnDemandInit == 0 {
		c.OnDemandInit = 10 * time.Second
	}
	if c.EndpointPort == 0 {
		c.EndpointPort = 4566
	}
	if c.MemoryMB == 0 {
		c.MemoryMB = defaultMemoryMB()
	}
	if c.BlanksMB == 0 {
		c.BlanksMB = defaultBlanksMB()
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	e := &Engine{c: c, logs: logs.NewHub(c.Sink), gate: admit.New(c.Concurrency), pool: pool.New(pool.Config{
		Starts: c.ColdStarts, Idle: c.IdleTimeout, Life: c.MaxLifetime,
		FreezeAfter: c.FreezeAfter, MemoryMB: max(c.MemoryMB, 0),
		LeastMB: leastMB(c.MemoryMB, openFiles("/")),
	})}
	e.opener = &blank.Opener{Tier: c.Tier, Endpoint: c.Endpoint, EndpointPort: c.EndpointPort}
	e.blanks = blank.New(blank.Config{
		Maker: blank.NewMaker(e.opener, c.Log), BudgetMB: max(c.BlanksMB, 0), Makers: blankMakers(), Log: c.Log, Busy: e.busy,
	})
	return e
}

// blankMakers is how many blanks are made at a time while nobody waits: half the
// processors' worth.
func blankMakers() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// busy reports whether requests need the machine for themselves.
func (e *Engine) busy() bool {
	return e.pool.Pressed() || e.gate.Running() >= runtime.GOMAXPROCS(0)
}

// Expect says that u may soon be invoked: a hint, so that there is an
// interpreter for it.
func (e *Engine) Expect(u *Unit) {
	if o, ok := e.order(u); ok {
		e.blanks.Expect(o)
	}
}

// Invoke runs u once. A failure of the code is an Outcome. An error means that
// the platform refused (*Throttle, *runtimes.Missing), broke, or that ctx ended
// before the code was reached: once it runs, it runs to its end or its timeout,
// whatever becomes of ctx, and Invoke with it. c.Answer is written to until
// Invoke returns, and not after; its Write must not block for ever.
func (e *Engine) Invoke(ctx context.Context, u *Unit, c Call) (*Outcome, error) {
	if !e.enter() {
		return nil, ErrClosed
	}
	defer e.running.Done()
	if reason := e.gate.Enter(u.ARN, u.Key); reason != "" {
		e.sums.throttles.Add(1)
		return nil, &Throttle{Reason: reason}
	}
	e.c.Steps.Pass(step.Decoded)
	slot, err := e.pool.Take(ctx, e.class(u))
	if err != nil {
		e.gate.Leave(u.ARN, u.Key)
		return nil, e.refusal(u, err)
	}
	e.c.Steps.Pass(step.Admitted)
	in := begin(slot, &c)
	if err = in.run(); err != nil {
		e.pool.End(slot)
		e.gate.Leave(u.ARN, u.Key)
		return nil, e.refusal(u, err)
	}
	if in.lingers() && !c.Tail {
		return e.answer(in, slot), nil
	}
	return e.finish(in, slot), nil
}

// answer returns what the caller waits for, and has the invocation end by itself.
func (e *Engine) answer(in *invocation, slot *pool.Slot) *Outcome {
	out := in.outcome()
	report := make(chan Report, 1)
	out.Late = report
	e.running.Go(func() { report <- e.finish(in, slot).Report })
	return out
}

// finish sees an invocation to its end, and gives up its place.
func (e *Engine) finish(in *invocation, slot *pool.Slot) *Outcome {
	defer e.gate.Leave(in.u.ARN, in.u.Key)
	in.settle()
	out := in.outcome()
	e.sums.count(out)
	in.busy.Store(false)
	if in.reusable() {
		e.pool.Give(slot)
	} else {
		e.pool.End(slot)
	}
	e.c.Steps.Pass(step.Settled)
	return out
}

// refusal says what a platform's error was about.
func (e *Engine) refusal(u *Unit, err error) error {
	if errors.Is(err, pool.ErrClosed) || errors.Is(err, ErrClosed) {
		return ErrClosed
	}
	return fmt.Errorf("engine: run %s: %w", u.Function, err)
}

// Drain ends all sandboxes of the unit called key: the busy ones when they are
// done. Provisioned ones are among them.
func (e *Engine) Drain(key string) {
	e.gate.Forget(key)
	e.pool.Drain(key)
}

// Reserve gives the function its own n concurrent executions, and no more.
func (e *Engine) Reserve(functionARN string, n int) { e.gate.Reserve(functionARN, n) }

// Unreserve lets the function share the account's concurrent executions again.
func (e *Engine) Unreserve(functionARN string) { e.gate.Unreserve(functionARN) }

// Provision keeps n sandboxes of u initialised; 0 ends that.
func (e *Engine) Provision(u *Unit, n int) {
	e.gate.Provision(u.ARN, u.Key, n)
	e.pool.Provision(e.class(u), n)
}

// Provisioned is how many sandboxes of the unit called key are initialised and
// kept so, and why there are not more: "" or "FUNCTION_ERROR_INIT_FAILURE".
func (e *Engine) Provisioned(key string) (ready int, failure string) {
	ready, err := e.pool.Provisioned(key)
	if err != nil {
		failure = initFailure
	}
	return ready, failure
}

// FlushLogs hands to the sink all that was logged before the call. Without it
// that happens, too, but as much as a tenth of a second later.
func (e *Engine) FlushLogs() { e.logs.Flush() }

// Stats is what an Engine does now, and has done.
type Stats struct {
	Running     int    // invocations
	Invocations uint64 // that reached the code, so far
	ColdStarts  uint64 // of them, those that were the first in their sandbox
	Failures    uint64 // of them, those that were a failure of the code
	Throttles   uint64 // refused for want of room, so far
	MemoryMB    int    // that counts as used by sandboxes

	ByKey map[string]pool.Stats // sandboxes

	Blanks  map[string]blank.Stats // by what the interpreters are
	Zygotes int
}

// counters are what Stats has of the past.
type counters struct{ invocations, coldStarts, failures, throttles atomic.Uint64 }

// count adds an invocation that has ended.
func (c *counters) count(o *Outcome) {
	c.invocations.Add(1)
	if o.Report.Cold {
		c.coldStarts.Add(1)
	}
	if o.Failure != nil {
		c.failures.Add(1)
	}
}

// Stats tells what the engine does now, and has done.
func (e *Engine) Stats() Stats {
	return Stats{
		Running: e.gate.Running(), Invocations: e.sums.invocations.Load(), ColdStarts: e.sums.coldStarts.Load(),
		Failures: e.sums.failures.Load(), Throttles: e.sums.throttles.Load(), ByKey: e.pool.Stats(),
		MemoryMB: e.pool.MemoryMB(), Blanks: e.blanks.Stats(), Zygotes: e.blanks.Zygotes(),
	}
}

// Close refuses further invocations, and returns when nothing runs any more. Running
// invocations may finish until ctx ends; then they are killed. It does not
// close the tier.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	err := e.pool.Close(ctx)
	e.running.Wait()
	e.blanks.Close()
	if err != nil {
		return fmt.Errorf("engine: close: invocations were cut off: %w", err)
	}
	return nil
}

// enter counts one more invocation, unless the engine is closed.
func (e *Engine) enter() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if !e.closed {
		e.running.Add(1)
	}
	return !e.closed
}

func (e *Engine) class(u *Unit) pool.Class {
	return pool.Class{Key: u.Key, MemoryMB: u.MemoryMB, Start: func(ctx context.Context, provisioned bool) (pool.Instance, error) {
		i, err := e.start(ctx, u, provisioned)
		if err != nil {
			return nil, err // not i: a nil *instance is no nil Instance
		}
		return i, nil
	}}
}
