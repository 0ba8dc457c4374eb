// Package async is asynchronous invocation: it accepts events for functions,
// durably, and sees each one through: tried, tried again, sent on to a
// destination or a dead letter queue, or dropped.
//
// What was accepted is in SQL until it is done. In memory are, of each
// function, what runs and a window of what waits; the rest is read as room is
// made. An event is done in one transaction with what is sent on, so after a
// crash it is either tried again or was sent on once.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
package async

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// MaxPayload is the most that an event may hold.
const MaxPayload = 1 << 20

// ErrTooLarge means that an event holds more than MaxPayload.
var ErrTooLarge = errors.New("async: the event is too large")

// ErrClosed means that the queue takes no more events.
var ErrClosed = errors.New("async: closed")

// Functions is what a Queue needs of *function.Registry.
type Functions interface {
	Invoke(context.Context, function.Ref, function.Invocation) (function.Result, error)
	Handling(context.Context, function.Ref) (function.Handling, error)
	Ref(name, qualifier string) (function.Ref, error)
	ARN(name, qualifier string) string
}

// A Config is what a Queue is made of.
type Config struct {
	DB        store.DB
	Functions Functions
	Router    *target.Router // where destinations and dead letter queues are
	Region    string

	// Allow tells whether principal may invoke the function, on behalf of
	// source; nil allows all.
	Allow func(ctx context.Context, ref function.Ref, principal, source string) (bool, error)

	// Concurrency is how many invocations run at a time, of all functions; 0 is 1,000.
	Concurrency int

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil is slog.Default()
}

// A Queue holds the events of all functions. Its methods may be called from
// any goroutine.
type Queue struct {
	c    Config
	work sync.WaitGroup // invocations and reads of pages; grows under mu, while not closed
	ctx  context.Context
	stop context.CancelFunc

	mu      sync.Mutex // guards what follows
	closed  bool
	lanes   map[string]*lane
	turn    []*lane // lanes with something to run, in the order of their turns
	running int
	bytes   int            // payloads of what waits in memory
	pending map[int64]bool // being inserted: no page brings them, arrived does
	alarm   *time.Timer
	alarmAt time.Time
}

// An Event is what a function is to be invoked with.
type Event struct {
	Ref           function.Ref
	RequestID     string // "" makes one
	Payload       []byte // JSON; empty stands for {}
	ClientContext string
	Trace         string // X-Amzn-Trace-Id
}

// Open reads what waits, and goes on with it.
func Open(ctx context.Context, c Config) (*Queue, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Concurrency == 0 {
		c.Concurrency = 1000
	}
	q := &Queue{c: c, lanes: map[string]*lane{}, pending: map[int64]bool{}}
	q.ctx, q.stop = context.WithCancel(context.Background())
	if err := migrate(ctx, c.DB); err != nil {
		return nil, fmt.Errorf("open asynchronous events: %w", err)
	}
	if err := q.restore(ctx); err != nil {
		return nil, fmt.Errorf("open asynchronous events: %w", err)
	}
	return q, nil
}

// restore makes a lane of each function that has events.
func (q *Queue) restore(ctx context.Context) error {
	all, err := store.Read(ctx, q.c.DB, counts)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, n := range all {
		l := q.lane(n.function)
		l.depth, l.more = n.events, true
		q.ready(l)
	}
	q.pump()
	return nil
}

// Stop takes no more events and begins no more invocations. What waits stays
// for the next Open.
func (q *Queue) Stop() {
	q.mu.Lock()
	q.closed = true
	if q.alarm != nil {
		q.alarm.Stop()
	}
	q.mu.Unlock()
	q.stop()
}

// Close is Stop, and waits for the invocations under way; to bound that, close
// the engine between the two.
func (q *Queue) Close() error {
	q.Stop()
	q.work.Wait()
	return nil
}

// Accept takes an event. When it returns nil the event is on disk.
func (q *Queue) Accept(ctx context.Context, e Event) error {
	if err := q.check(&e); err != nil {
		return err
	}
	if _, err := q.c.Functions.Handling(ctx, e.Ref); err != nil {
		return err
	}
	var accepted func()
	err := q.c.DB.Update(ctx, func(tx store.Tx) (err error) {
		accepted, err = q.insert(tx, e)
		return err
	})
	if err != nil {
		return err
	}
	accepted()
	return nil
}

func (q *Queue) check(e *Event) error {
	q.mu.Lock()
	closed := q.closed
	q.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case len(e.Payload) > MaxPayload:
		return ErrTooLarge
	case len(e.Payload) == 0:
		e.Payload = []byte("{}")
	case !json.Valid(e.Payload):
		return function.CheckPayload(e.Payload)
	}
	if e.RequestID == "" {
		e.RequestID = uuid.NewString()
	}
	return nil
}

// insert writes the event and answers what to do once it is committed.
func (q *Queue) insert(tx store.Tx, e Event) (committed func(), err error) {
	w := &waiting{Event: e, received: q.c.Now()}
	if err := insert(tx, w); err != nil {
		return nil, err
	}
	q.mu.Lock()
	q.pending[w.id] = true // should tx fail, the next one to get the id sees it off
	q.mu.Unlock()
	return func() { q.arrived(w) }, nil
}

// arrived puts a new event into its lane.
func (q *Queue) arrived(w *waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.pending, w.id)
	l := q.lane(w.Ref.Name)
	l.depth++
	l.stats.Received++
	if l.more || len(l.waits) >= window || q.bytes+len(w.Payload) > windowBytes {
		l.more = true
	} else {
		q.keep(l, w)
	}
	q.ready(l)
	q.pump()
}
