package pool

import "time"

// arm sets the timer of a slot that has become idle.
func (p *Pool) arm(s *Slot) {
	d := p.left(s)
	if p.c.FreezeAfter >= 0 {
		d = min(d, p.c.FreezeAfter)
	}
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
	if e := s.since.Add(p.c.Idle); !s.Provisioned && e.Before(end) {
		end = e
	}
	return time.Until(end)
}

// rest freezes or ends a slot that has been idle for long enough.
func (p *Pool) rest(s *Slot) {
	s.ice.Lock()
	defer s.ice.Unlock()
	p.mu.Lock()
	if s.taken || s.ending || p.closed {
		p.mu.Unlock()
		return
	}
	if p.left(s) <= 0 {
		p.end(s)
		p.pump()
		p.mu.Unlock()
		return
	}
	p.tasks.Add(1)
	defer p.tasks.Done()
	p.mu.Unlock()

	if !s.frozen && p.c.FreezeAfter >= 0 {
		s.frozen = s.Instance.Freeze() == nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.taken && !s.ending {
		s.timer.Reset(p.left(s))
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
