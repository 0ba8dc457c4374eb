package stream

import (
	"context"
	"errors"

	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A step is what a lane has come forward: so many items, and the window that is
// open then.
type step struct {
	lane   *lane
	items  int
	window *window
}

// forward counts a step, and has it written. It does not wait for that, but for
// the lane's step before: while a batch is handled the one before it gets onto the
// disk, and no more than two come again after a crash. False means that the
// reader ends before.
func (s *shard) forward(p *step) bool {
	s.take(p)
	s.soil()
	for {
		s.mu.Lock()
		late, moved := s.saved < p.lane.unsaved, s.moved
		if !late {
			p.lane.unsaved = s.steps
		}
		s.mu.Unlock()
		if !late {
			return true
		}
		select {
		case <-moved:
		case <-s.r.ctx.Done():
			return false
		}
	}
}

// soil has the mark written soon.
func (s *shard) soil() {
	s.mu.Lock()
	s.steps++
	s.mu.Unlock()
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// write makes durable what lanes have done, as often as there is something new,
// until end is closed.
func (s *shard) write(end <-chan struct{}) {
	for {
		select {
		case <-s.dirty:
			s.keep(nil)
		case <-end:
			return
		}
	}
}

// keep makes durable how far the shard has come, with a step if there is one that
// belongs to something else, and that; until it is done. False means that the
// reader ends before.
func (s *shard) keep(p *step, others ...func(store.Tx) error) bool {
	for wait := againFirst; ; wait = min(2*wait, againLast) {
		err := s.save(p, others)
		if err == nil {
			s.kept()
			return true
		}
		s.r.m.c.Log.Error("what a mapping has done could not be written", "mapping", s.r.job.UUID, "shard", s.id, "error", err)
		if errors.Is(err, store.ErrClosed) || !sleep(s.r.ctx, wait) {
			return false
		}
	}
}

// save does so once. A step that belongs to something else counts only when both
// are written: who writes in between, as another lane may, does without it.
func (s *shard) save(p *step, others []func(store.Tx) error) error {
	own, steps := 0, 0
	err := s.r.m.c.DB.Update(context.WithoutCancel(s.r.ctx), func(tx store.Tx) error {
		for _, do := range others {
			if err := do(tx); err != nil {
				return err
			}
		}
		s.mu.Lock()
		k := s.marked(p)
		s.writes++
		own, steps = s.writes, s.steps
		s.mu.Unlock()
		return write(tx, s.r.job.UUID, s.id, k)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.saved = max(s.saved, steps)
	close(s.moved)
	s.moved = make(chan struct{})
	s.mu.Unlock()
	if p != nil && s.take(p) != own {
		return s.save(nil, nil)
	}
	return nil
}

// take counts a step, and tells how often the mark was written by now.
func (s *shard) take(p *step) (writes int) {
	s.mu.Lock()
	s.mark = s.marked(p)
	p.lane.drop(p.items)
	writes = s.writes
	s.mu.Unlock()
	select {
	case s.freed <- struct{}{}:
	default:
	}
	return writes
}

// marked is the mark after a step. It is the caller's to hold the lock.
func (s *shard) marked(p *step) mark {
	k := s.mark
	n := len(k.Ahead)
	if n > 0 {
		k.Ahead = append([]ahead(nil), k.Ahead...)
		k.Ahead[n-1].Lanes = append([]source.Place(nil), k.Ahead[n-1].Lanes...)
	}
	if p != nil {
		k.Window = p.window
		if p.items > 0 {
			k.Ahead[n-1].Lanes[p.lane.number] = p.lane.items[p.items-1].Place
		}
	}
	k.From = s.low(p)
	k.trim()
	return k
}

// low is the place before the oldest record that is not done.
func (s *shard) low(p *step) source.Place {
	low, nth := s.at, s.read+1
	for _, l := range s.lanes {
		items := l.items
		if p != nil && p.lane == l {
			items = items[p.items:]
		}
		if len(items) > 0 && items[0].nth < nth {
			low, nth = items[0].before, items[0].nth
		}
	}
	return low
}
