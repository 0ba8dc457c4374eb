package pool

import (
	stdlist "container/list"
	"time"
)

// A shelf is what there is of one class.
type shelf struct {
	class   Class
	past    *past
	idle    list         // on demand; the last was used last
	kept    list         // provisioned
	waiters stdlist.List // of *waiter; the first waits longest
	slots   int          // not closed yet
	busy    int          // of them, taken
	active  int          // starts on demand at work
	starts  int          // so far
	gone    bool         // drained: what comes back is ended

	want     int // provisioned instances wanted
	have     int // provisioned slots, and starts of them
	ready    int // provisioned slots
	failures int // provisioned instances that failed in a row
	failure  error
	retry    *time.Timer // nil when none is due

	place  *stdlist.Element // in Pool.line; nil when it is not there
	passed int              // how often others got memory while it had to wait for some
	window time.Duration    // of its last claim, see Pool.overtake
	lapsed time.Time        // end of that
	lapse  *time.Timer      // ends the claim; nil without one
	later  *time.Timer      // puts it in the line again; nil when none is due
	index  int              // in Pool.ranks; -1 when nothing is idle
	worth  float64          // of what was used least recently, see rank
}

// A waiter is a Take that found nothing.
type waiter struct {
	shelf *shelf
	since time.Time
	place *stdlist.Element // in shelf.waiters; nil once it is served
	got   chan result      // of capacity 1
}

type result struct {
	slot *Slot
	err  error
}

// shelf returns the shelf for c, which may have been drained before: then it is
// a new one.
func (p *Pool) shelf(c Class) *shelf {
	sh := p.shelves[c.Key]
	if sh == nil {
		at, drained := p.drained[c.Key]
		sh = &shelf{class: c, past: p.remember(c.Key), index: -1, gone: drained && time.Since(at) < stragglers}
		p.shelves[c.Key] = sh
	}
	return sh
}

// top is the slot to use next: a provisioned one, or else the one that was
// used last.
func (sh *shelf) top() *Slot {
	if sh.kept.last != nil {
		return sh.kept.last
	}
	return sh.idle.last
}

// put has s wait on the shelf.
func (p *Pool) put(s *Slot) {
	if s.Provisioned {
		s.shelf.kept.push(s)
		return
	}
	s.shelf.idle.push(s)
	p.rank(s.shelf)
}

// pull takes s off the shelf, if it is there.
func (p *Pool) pull(s *Slot) {
	if s.on != nil {
		s.on.remove(s)
		p.rank(s.shelf)
	}
}

// serve takes out who waits longest and gives him r.
func (sh *shelf) serve(r result) {
	w := sh.waiters.Remove(sh.waiters.Front()).(*waiter)
	w.place = nil
	w.got <- r
}

// missing is how many provisioned instances are to be started.
func (sh *shelf) missing() int {
	if sh.retry != nil || sh.gone {
		return 0
	}
	return max(0, sh.want-sh.have)
}

// unserved is how many wait for whom no start is at work.
func (sh *shelf) unserved() int { return max(0, sh.waiters.Len()-sh.active) }

// tidy forgets a shelf with nothing on it.
func (p *Pool) tidy(sh *shelf) {
	if sh.waiters.Len()+sh.slots+sh.active+sh.want+sh.have > 0 {
		return
	}
	p.leave(sh)
	if sh.later != nil {
		sh.later.Stop()
	}
	if p.shelves[sh.class.Key] == sh {
		delete(p.shelves, sh.class.Key)
	}
}
