// Package step tells where the time of invocations goes. It knows nothing of what
// happens at its points, and costs nothing where there is no Clock.
package step

import (
	"sync/atomic"
	"time"
)

// A Point is a place that every invocation by the API passes, in this order.
type Point int

// The points.
const (
	Arrived   Point = iota // the request's head has been read
	Routed                 // it is known what it asks for
	Verified               // its signature holds; the body has been read
	Decoded                // what it asks for has been understood, and the function is known
	Admitted               // it has a sandbox
	Sent                   // the event is on its way to the code
	Answering              // the answer begins to come
	Settled                // the code waits for more, and its log and what it used are known
	Done                   // it has been metered, and the answer is on its way
	points
)

// String is the point's name in metrics.
func (p Point) String() string {
	return [...]string{"arrived", "routed", "verified", "decoded", "admitted", "sent", "answering", "settled", "done"}[p]
}

// A Clock sums up when invocations passed each point: the time from one to the next,
// all together, is the difference of two sums. That holds while as many have
// passed one as the other. A nil Clock notes nothing. Its methods may be called from
// any goroutine.
type Clock struct {
	epoch time.Time
	sums  [points]struct{ nanos, passed atomic.Uint64 } // nanos may overflow: differences are right all the same
}

// New makes a Clock.
func New() *Clock { return &Clock{epoch: time.Now()} }

// Pass notes that an invocation passes p now.
func (c *Clock) Pass(p Point) {
	if c != nil {
		c.PassedAt(p, time.Now())
	}
}

// PassedAt notes that an invocation passed p at t.
func (c *Clock) PassedAt(p Point, t time.Time) {
	if c == nil {
		return
	}
	c.sums[p].nanos.Add(uint64(t.Sub(c.epoch)))
	c.sums[p].passed.Add(1)
}

// A Span is the way to a point from the one before.
type Span struct {
	To     Point
	Took   time.Duration // all invocations together; right when as many passed both
	Passed uint64        // how many passed To
}

// Spans are all ways, in their order.
func (c *Clock) Spans() []Span {
	if c == nil {
		return nil
	}
	var spans []Span
	for p := Routed; p < points; p++ {
		took := c.sums[p].nanos.Load() - c.sums[p-1].nanos.Load()
		spans = append(spans, Span{p, time.Duration(took), c.sums[p].passed.Load()})
	}
	return spans
}
