// Package alarm wakes one goroutine when the earliest of any number of due
// times has come. It keeps that one time and nothing else: what is due is in
// its owner's tables, which are asked only when it rings.
package alarm

import (
	"context"
	"sync"
	"time"
)

// patience is the longest sleep. A timer follows the machine's uptime and not
// its clock, which may be set, or go on while the machine sleeps: so the two
// are compared from time to time, in memory alone.
const patience = 10 * time.Second

// An Alarm is set from any goroutine, and rings in one.
type Alarm struct {
	now  func() time.Time
	wake chan struct{} // capacity 1: next is earlier than it was

	mu   sync.Mutex // guards next
	next time.Time  // zero: nothing is due
}

// New makes an alarm that is not set. now is the clock that due times are of.
func New(now func() time.Time) *Alarm {
	return &Alarm{now: now, wake: make(chan struct{}, 1)}
}

// Set says that something is due at t. The zero time says nothing. It is called
// after what is due was committed.
func (a *Alarm) Set(t time.Time) {
	if t.IsZero() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.next.IsZero() && !t.Before(a.next) {
		return
	}
	a.next = t
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Run calls ring whenever something is due, until ctx ends. Ring does all that
// is due, and answers when the next is; the zero time when nothing is left.
func (a *Alarm) Run(ctx context.Context, ring func(context.Context) time.Time) {
	for ctx.Err() == nil {
		if a.take() {
			a.Set(ring(ctx))
			continue
		}
		a.sleep(ctx)
	}
}

// take tells whether the alarm is due, and if so unsets it: what is set from
// now on is kept beside what ring answers.
func (a *Alarm) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next.IsZero() || a.next.After(a.now()) {
		return false
	}
	a.next = time.Time{}
	return true
}

func (a *Alarm) sleep(ctx context.Context) {
	var due <-chan time.Time
	if left, set := a.left(); set {
		t := time.NewTimer(min(left, patience))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-a.wake:
	case <-ctx.Done():
	}
}

func (a *Alarm) left() (time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next.Sub(a.now()), !a.next.IsZero()
}
