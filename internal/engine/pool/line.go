package pool

import (
	stdlist "container/list"
	"time"
)

const (
	lookAhead = 16 // shelves that are looked at when the first in line cannot be helped
	overtaken = 16 // a shelf that others overtook so often for want of memory has it kept for it

	firstClaim = time.Second // for so long at first
)

// enlist puts sh in the line of those that want something. Each gets one thing
// when its turn comes, and goes to the end.
func (p *Pool) enlist(sh *shelf) {
	if sh.place == nil && !p.closed {
		sh.place = p.line.PushBack(sh)
	}
}

// leave takes sh out of the line.
func (p *Pool) leave(sh *shelf) {
	if sh.place != nil {
		p.line.Remove(sh.place)
		sh.place = nil
	}
	p.relieve(sh)
}

// relieve forgets that sh waited for memory.
func (p *Pool) relieve(sh *shelf) {
	sh.passed, sh.window = 0, 0
	if sh.lapse != nil {
		sh.lapse.Stop()
		sh.lapse = nil
	}
	if p.short == sh {
		p.short = nil
	}
	if p.claim == sh {
		p.claim = nil
	}
}

// What came of a turn.
type turn int

const (
	stuck turn = iota // there is no room
	served
	through // it wants nothing more
)

// pump helps those in line, in turn, as far as there is room.
func (p *Pool) pump() {
	for again := p.line.Len() > 0; again; {
		again = false
		looked := 0
		for at := p.line.Front(); at != nil && looked < lookAhead; {
			sh, next := at.Value.(*shelf), at.Next()
			switch p.help(sh) {
			case stuck:
				looked++
			case served:
				again = true
				p.relieve(sh)
				p.line.MoveToBack(at)
			case through:
				again = again || p.claim == sh || p.short == sh
				p.leave(sh)
				p.tidy(sh)
			}
			at = next
		}
	}
}

// help gives sh one thing that it wants.
func (p *Pool) help(sh *shelf) turn {
	waits := sh.waiters.Len() > 0
	if p.closed || !waits && sh.missing() == 0 {
		return through
	}
	if s := sh.top(); waits && s != nil {
		if !p.mayHold(s) {
			return stuck
		}
		p.hold(s)
		sh.serve(result{slot: s})
		return served
	}
	if sh.unserved() == 0 && sh.missing() == 0 {
		return through
	}
	if wait := p.patience(sh); wait > 0 && sh.missing() == 0 {
		p.delay(sh, wait)
		return through
	}
	if len(p.active) >= p.c.Starts || !p.room(sh, sh.class.MemoryMB, nil) {
		return stuck
	}
	p.begin(sh, sh.unserved() == 0)
	return served
}

// patience is how much longer who waits for sh should wait before another is
// started: where calls take so little time that those at work will have served all
// before it were ready, it would be for nothing. But nobody waits for longer
// than a start takes because of what calls took before.
func (p *Pool) patience(sh *shelf) time.Duration {
	h := sh.past
	if sh.busy == 0 || h.turn == 0 || h.cost == 0 || sh.unserved() == 0 {
		return 0
	}
	if time.Duration(sh.waiters.Len())*h.turn/time.Duration(sh.busy) >= h.cost {
		return 0
	}
	return h.cost - time.Since(sh.waiters.Front().Value.(*waiter).since)
}

// delay puts sh in the line again after d.
func (p *Pool) delay(sh *shelf, d time.Duration) {
	if sh.later != nil {
		return
	}
	sh.later = time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		sh.later = nil
		p.enlist(sh)
		p.pump()
	})
}

// mayHold reports whether there is the memory for an idle slot to be used.
func (p *Pool) mayHold(s *Slot) bool {
	more := s.shelf.class.MemoryMB - s.mb
	return more == 0 || p.room(s.shelf, more, s)
}

// room reports whether sh may use mb more. Where memory is short it ends the idle
// instances that are worth least, but for spared; their ends pump again. What
// is larger than all the memory may run alone.
//
// A large want could wait for ever while small ones take what becomes free. So
// whoever has been overtaken often enough gets a claim: for some time, what becomes
// free is kept for it.
func (p *Pool) room(sh *shelf, mb int, spared *Slot) bool {
	others := p.memory
	if spared != nil {
		others -= spared.mb
	}
	free := p.c.MemoryMB - p.memory
	if p.claim != nil && p.claim != sh {
		free -= p.claim.class.MemoryMB
	}
	if p.c.MemoryMB == 0 || mb <= free || others == 0 {
		p.overtake(sh)
		return true
	}
	if p.claim != nil && p.claim != sh {
		return false
	}
	if p.short == nil {
		p.short = sh
	}
	for mb-free > p.leaving {
		s := p.least(spared)
		if s == nil {
			break
		}
		p.end(s)
	}
	return false
}

// overtake notes that sh gets memory while another waits for some.
func (p *Pool) overtake(sh *shelf) {
	o := p.short
	if o == nil || o == sh || p.claim != nil {
		return
	}
	o.passed++
	if o.passed >= overtaken && time.Since(o.lapsed) >= o.window {
		p.claim = o
		o.window = max(2*o.window, firstClaim)
		o.lapse = time.AfterFunc(o.window, func() { p.lapse(o) })
	}
}

// lapse ends a claim that came to nothing for now: what runs takes longer than it
// lasted. The others have as much time again, and the next claim lasts longer.
func (p *Pool) lapse(sh *shelf) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.claim != sh {
		return
	}
	p.claim, p.short, sh.lapse = nil, nil, nil
	sh.passed, sh.lapsed = 0, time.Now()
	p.pump()
}

// mayHand reports whether s, which comes back, may go to who waits for one of
// its kind: not while another has a claim to its memory.
func (p *Pool) mayHand(s *Slot) bool {
	if s.shelf.waiters.Len() == 0 {
		return false
	}
	p.overtake(s.shelf)
	return p.claim == nil || p.claim == s.shelf || s.Provisioned
}

// A line is of shelves.
type line = stdlist.List
