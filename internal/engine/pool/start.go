package pool

import (
	"context"
	"slices"
	"time"
)

// A start is an instance on its way.
type start struct {
	shelf       *shelf
	provisioned bool
	cancel      context.CancelFunc // nil while queued
}

// enqueue asks for one more instance of sh; pump sees to it.
func (p *Pool) enqueue(sh *shelf, provisioned bool) {
	if provisioned {
		sh.have++
	} else {
		sh.starting++
	}
	p.queue = append(p.queue, &start{shelf: sh, provisioned: provisioned})
}

// pump begins what is queued, in order, as far as there is room.
func (p *Pool) pump() {
	for len(p.queue) > 0 {
		st := p.queue[0]
		if p.needed(st) && !p.room(st.shelf.class.MemoryMB) {
			return
		}
		p.queue[0] = nil
		p.queue = p.queue[1:]
		if p.needed(st) {
			p.begin(st)
		} else {
			st.dequeued()
			p.tidy(st.shelf)
		}
	}
}

// needed reports whether somebody still wants what st would start.
func (p *Pool) needed(st *start) bool {
	if p.closed {
		return false
	}
	if sh := st.shelf; st.provisioned {
		return sh.have <= sh.want
	} else {
		return sh.starting <= len(sh.waiters)
	}
}

func (st *start) dequeued() {
	if st.provisioned {
		st.shelf.have--
	} else {
		st.shelf.starting--
	}
}

// room reports whether one more start of an instance of mb may begin now. Where
// memory is short it ends the idle instance that was used least recently; its
// end pumps again. One that is larger than all the memory may run alone.
func (p *Pool) room(mb int) bool {
	if len(p.active) >= p.c.Starts {
		return false
	}
	if p.c.MemoryMB == 0 || p.memory == 0 || p.memory+mb <= p.c.MemoryMB {
		return true
	}
	leaving := 0 // what ends already, and will give its memory back
	for s := range p.slots {
		if s.ending {
			leaving += s.shelf.class.MemoryMB
		}
	}
	for p.memory-leaving+mb > p.c.MemoryMB {
		s := p.oldest()
		if s == nil {
			break
		}
		leaving += s.shelf.class.MemoryMB
		p.end(s)
	}
	return false
}

// oldest is the idle instance on demand that was used least recently.
func (p *Pool) oldest() *Slot {
	var old *Slot
	for s := range p.slots {
		if s.taken || s.ending || s.Provisioned {
			continue
		}
		if old == nil || s.since.Before(old.since) {
			old = s
		}
	}
	return old
}

func (p *Pool) begin(st *start) {
	ctx, cancel := context.WithCancel(context.Background())
	st.cancel = cancel
	p.active[st] = true
	p.memory += st.shelf.class.MemoryMB
	st.shelf.starts++
	p.tasks.Go(func() {
		i, err := st.shelf.class.Start(ctx, st.provisioned)
		cancel()
		p.finish(st, i, err)
	})
}

// finish takes in what a start has made.
func (p *Pool) finish(st *start, i Instance, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sh := st.shelf
	delete(p.active, st)
	if !st.provisioned {
		sh.starting--
	}
	if err != nil {
		p.memory -= sh.class.MemoryMB
		p.failed(st, err)
	} else {
		p.settle(p.add(st, i))
	}
	p.tidy(sh)
	p.pump()
	p.checkQuiet()
}

// add makes a slot of a new instance.
func (p *Pool) add(st *start, i Instance) *Slot {
	s := &Slot{Instance: i, Provisioned: st.provisioned, shelf: st.shelf, born: time.Now()}
	p.slots[s] = true
	s.shelf.slots++
	if s.Provisioned {
		s.shelf.ready++
		s.shelf.failure = nil
		s.over = make(chan struct{})
		dead := i.Dead() // now, while nobody else uses it
		p.tasks.Go(func() { p.watch(s, dead) })
	}
	return s
}

// failed tells of a start that came to nothing: to the waiter who cannot hope
// for another start, or to who asks for the state of the provisioned ones.
func (p *Pool) failed(st *start, err error) {
	sh := st.shelf
	if st.provisioned {
		sh.have--
		p.backOff(sh, err)
		return
	}
	if len(sh.waiters) > sh.starting {
		w := sh.waiters[0]
		sh.waiters = sh.waiters[1:]
		w.got <- result{err: err}
	}
}

// Drain ends all instances of a class: idle ones and needless starts now, the
// others when they come back. A later Take of the same key starts anew.
func (p *Pool) Drain(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sh := p.shelves[key]
	if sh == nil {
		return
	}
	delete(p.shelves, key)
	sh.gone = true
	p.setWant(sh, 0)
	for _, s := range slices.Concat(sh.kept, sh.idle) {
		p.end(s)
	}
	p.queue = slices.DeleteFunc(p.queue, func(st *start) bool {
		drop := st.shelf == sh && !p.needed(st)
		if drop {
			st.dequeued()
		}
		return drop
	})
	surplus := sh.starting - len(sh.waiters)
	for st := range p.active {
		switch {
		case st.shelf != sh:
		case st.provisioned:
			st.cancel()
		case surplus > 0:
			surplus--
			st.cancel()
		}
	}
	p.pump()
}

// Close ends everything. Instances that are taken may be given back until ctx
// ends; then they are closed under their taker. When Close returns, no instance
// and no goroutine of the pool is left.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.quiet
		return nil
	}
	p.closed = true
	close(p.stop)
	for st := range p.active {
		st.cancel()
	}
	for _, sh := range p.shelves {
		p.setWant(sh, 0)
	}
	for s := range p.slots {
		if !s.taken {
			p.end(s)
		}
	}
	p.pump()
	p.checkQuiet()
	p.mu.Unlock()

	var err error
	select {
	case <-p.quiet:
	case <-ctx.Done():
		err = ctx.Err()
		p.kill()
		<-p.quiet
	}
	p.tasks.Wait()
	return err
}

// kill closes the instances that are taken.
func (p *Pool) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.slots {
		if s.taken {
			p.tasks.Go(s.close)
		}
	}
}

func (p *Pool) checkQuiet() {
	if !p.closed || len(p.slots)+len(p.active) > 0 {
		return
	}
	select {
	case <-p.quiet:
	default:
		close(p.quiet)
	}
}
