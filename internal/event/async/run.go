package async

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/ramp"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// maxAnswer is the most that an answer may hold.
const maxAnswer = 6291556

// An attempt is how one invocation ended.
type attempt struct {
	status  int // 200 when the code ran
	version string
	failure []byte // the code's own; nil for success
	answer  []byte
	message string // what the platform refused with
}

// What happens next to an event.
type next int

const (
	done      next = iota
	later          // at a time
	throttled      // when there is room
)

// A verdict is what was decided about an event.
type verdict struct {
	next      next
	due       time.Time
	condition string // of the destination's record
	drop      bool   // there is nobody left to send it to
}

// run sees one event through one attempt.
func (q *Queue) run(l *lane, w *waiting) {
	h, err := q.c.Functions.Handling(context.WithoutCancel(q.ctx), w.Ref)
	v := verdict{}
	if err == nil {
		v = before(w, h, q.c.Now())
	}
	if err == nil && v.condition == "" {
		w.last, err = q.invoke(w)
		v = after(w, h, err, q.c.Now())
	} else if err != nil {
		v = unresolved(w, err, q.c.Now())
	}
	if q.ctx.Err() != nil && err != nil { // interrupted: the next Open tries again
		v = verdict{next: throttled}
	}
	if v.next != throttled {
		if q.retry(func() error { return q.settle(l, w, h, v) }) != nil {
			v.next = throttled // closed before it was written: it is still in SQL
		}
	}
	q.ended(l, w, h, v)
}

// ended gives w's place back.
func (q *Queue) ended(l *lane, w *waiting, h function.Handling, v verdict) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch v.next {
	case throttled:
		if wait := l.ramp.Throttled(l.running - 1); wait > 0 {
			l.until = q.c.Now().Add(wait)
			if expiry := w.received.Add(h.MaxAge); h.MaxAge > 0 && expiry.Before(l.until) {
				l.until = expiry
			}
		}
	case later:
		l.ramp.Went()
		l.until = time.Time{}
		q.due(l, v.due)
	case done:
		l.ramp.Went()
		l.until = time.Time{}
		l.depth--
	}
	q.release(l, w, v.next == throttled)
}

// invoke runs the function once.
func (q *Queue) invoke(w *waiting) (*attempt, error) {
	var answer bytes.Buffer
	res, err := q.c.Functions.Invoke(context.WithoutCancel(q.ctx), w.Ref, function.Invocation{
		RequestID: w.RequestID, Payload: w.Payload, ClientContext: w.ClientContext, TraceHeader: w.Trace,
		Answer: &answer, Limit: maxAnswer,
	})
	if err != nil {
		return nil, err
	}
	return &attempt{status: 200, version: res.Version, failure: res.Failure, answer: answer.Bytes()}, nil
}

// The conditions of a destination's record.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
const (
	success         = "Success"
	retriesExceeded = "RetriesExhausted"
	ageExceeded     = "EventAgeExceeded"
	zeroReserved    = "ZeroReservedConcurrency"
	recursive       = "RecursiveInvocation"
)

// before decides whether an event is tried at all: a verdict without a
// condition says that it is.
func before(w *waiting, h function.Handling, now time.Time) verdict {
	switch {
	case h.Stopped:
		return verdict{condition: zeroReserved}
	case now.Sub(w.received) >= h.MaxAge:
		return verdict{condition: ageExceeded}
	}
	return verdict{}
}

// after decides what an attempt, or err, means.
func after(w *waiting, h function.Handling, err error, now time.Time) verdict {
	expiry := w.received.Add(h.MaxAge)
	if _, ok := errors.AsType[*function.Throttled](err); ok {
		return verdict{next: throttled}
	}
	if err != nil {
		return broken(w, err, expiry, now)
	}
	w.invoked++
	w.broken = 0
	if w.last.failure == nil {
		return verdict{condition: success}
	}
	w.errors++
	if w.errors > h.MaxRetries {
		return verdict{condition: retriesExceeded}
	}
	return verdict{next: later, due: earlier(now.Add(time.Duration(w.errors)*time.Minute), expiry)}
}

// broken decides about an event that the platform could not run.
func broken(w *waiting, err error, expiry, now time.Time) verdict {
	switch {
	case errors.Is(err, function.ErrRecursive):
		w.last = &attempt{status: 400, message: err.Error()}
		return verdict{condition: recursive}
	case errors.Is(err, function.ErrNotFound):
		return verdict{drop: true}
	case errors.Is(err, function.ErrContent):
		w.last = &attempt{status: 400, message: err.Error()}
		return verdict{condition: retriesExceeded}
	}
	w.broken++
	w.last = &attempt{status: 500, message: err.Error()}
	return verdict{next: later, due: earlier(now.Add(ramp.Backoff(w.broken)), expiry)}
}

// unresolved decides about an event whose function could not be read.
func unresolved(w *waiting, err error, now time.Time) verdict {
	if errors.Is(err, function.ErrNotFound) {
		return verdict{drop: true}
	}
	w.broken++
	return verdict{next: later, due: now.Add(ramp.Backoff(w.broken))}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// settle writes the verdict.
func (q *Queue) settle(l *lane, w *waiting, h function.Handling, v verdict) error {
	if v.next == later {
		return q.c.DB.Update(context.WithoutCancel(q.ctx), func(tx store.Tx) error { return postpone(tx, w, v.due) })
	}
	return q.finish(l, w, h, v)
}

// How long a write waits that the database refused, a full disk's say.
const (
	againFirst = 50 * time.Millisecond
	againLast  = 10 * time.Second
)

// retry does what the database must take, until it does or the queue closes.
func (q *Queue) retry(do func() error) error {
	for wait := againFirst; ; wait = min(2*wait, againLast) {
		err := do()
		if err == nil {
			return nil
		}
		if q.ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
			return err
		}
		q.c.Log.Error("asynchronous events", "error", err, "again in", wait)
		select {
		case <-time.After(wait):
		case <-q.ctx.Done():
		}
	}
}
