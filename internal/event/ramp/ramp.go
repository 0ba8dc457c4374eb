// Package ramp decides how many invocations of a function its events may have
// at a time: more while they succeed, fewer when there is no room. The package
// is pure.
package ramp

import "time"

// How a ramp begins, and how it waits when nothing runs.
const (
	first   = 5 // as many as AWS's pollers begin with
	firstIn = time.Second
	lastIn  = 5 * time.Minute
)

// A Ramp is the limit of one function or mapping. It is its owner's to lock.
type Ramp struct {
	most     int
	limit    int
	throttle int // throttles in a row, with nothing else running
}

// New begins a ramp that goes up to most.
func New(most int) Ramp { return Ramp{most: most, limit: min(first, most)} }

// Limit is how many invocations may run.
func (r *Ramp) Limit() int { return r.limit }

// Went is told of each invocation that ran, whatever came of it: there was
// room, so the next may be tried beside it.
func (r *Ramp) Went() {
	r.throttle = 0
	r.limit = min(r.limit+1, r.most)
}

// Throttled is told of each that did not run, and of how many others do. It
// answers how long to wait: not at all while others run, since their end is
// the sign that there is room again; else 1 s, doubled up to 5 min.
func (r *Ramp) Throttled(running int) time.Duration {
	r.limit = max(1, min(r.limit/2, running))
	if running > 0 {
		return 0
	}
	r.throttle++
	return Backoff(r.throttle)
}

// Backoff is the wait before try n+1, as AWS has it for asynchronous events.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
func Backoff(n int) time.Duration {
	if n > 16 {
		return lastIn
	}
	return min(firstIn<<max(n-1, 0), lastIn)
}
