package pool

import "time"

// arm has the timer of a slot that has become idle fire when something is to be
// done about it. A timer that fires sooner is left alone: it finds out how long
// the slot has been idle, and a slot that is used all the time costs no timers.
func (p *Pool) arm(s *Slot) {
	d := p.left(s)
	if p.c.FreezeAfter >= 0 {
		d = min(d, s.shelf.past.soon(p.c.FreezeAfter))
	}
	if due := s.since.Add(d); !s.armed || due.Before(s.due) {
		p.set(s, d)
	}
}

// set has the timer of s fire after d.
func (p *Pool) set(s *Slot, d time.Duration) {
	d = max(d, 0)
	s.armed, s.due = true, time.Now().Add(d)
	if s.timer == nil {
		s.timer = time.AfterFunc(d, func() { p.rest(s) })
	} else {
		s.timer.Reset(d)
	}
}

// left is how long an idle slot may stay.
func (p *Pool) left(s *Slot) time.Duration {
	end := s.born.Add(p.c.Life)
	if e := s.Instance.Expires(); !e.IsZero() && e.Before(end) {
		end = e
	}
	if e := s.since.Add(p.keep(s)); !s.Provisioned && e.Before(end) {
		end = e
	}
	return time.Until(end)
}

// keep is how long an idle slot is kept.
func (p *Pool) keep(s *Slot) time.Duration {
	sh := s.shelf
	return sh.past.keep(sh.idle.n == 1 && sh.busy == 0, p.c.Idle)
}

// rest freezes or ends a slot that has been idle for long enough.
func (p *Pool) rest(s *Slot) {
	s.ice.Lock()
	defer s.ice.Unlock()
	p.mu.Lock()
	s.armed = false
	if s.taken || s.ending || p.closed {
		p.mu.Unlock()
		return
	}
	if p.left(s) <= 0 {
		s.shelf.past.lose(s.since)
		p.end(s)
		p.pump()
		p.mu.Unlock()
		return
	}
	if wait := s.shelf.past.soon(p.c.FreezeAfter) - time.Since(s.since); s.frozen || p.c.FreezeAfter < 0 || wait > 0 {
		d := p.left(s)
		if !s.frozen && p.c.FreezeAfter >= 0 {
			d = min(d, wait)
		}
		p.set(s, d)
		p.mu.Unlock()
		return
	}
	p.tasks.Add(1)
	defer p.tasks.Done()
	p.mu.Unlock()

	s.frozen = s.Instance.Freeze() == nil
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case s.ending || s.taken || p.closed:
	case !s.frozen:
		p.end(s) // what cannot be stopped cannot be left alone
	default:
		p.set(s, p.left(s))
	}
}

// thaw makes s able to run, and reports whether it is.
func (p *Pool) thaw(s *Slot) bool {
	s.ice.Lock()
	defer s.ice.Unlock()
	if s.frozen {
		s.frozen = false
		if s.Instance.Thaw() != nil {
			return false
		}
	}
	return s.Instance.Alive()
}
