package pool

import (
	"context"
	"time"
)

// A start is an instance on its way.
type start struct {
	shelf       *shelf
	provisioned bool
	cancel      context.CancelFunc
}

// begin starts one more instance of sh.
func (p *Pool) begin(sh *shelf, provisioned bool) {
	ctx, cancel := context.WithCancel(context.Background())
	st := &start{sh, provisioned, cancel}
	p.active[st] = true
	p.memory += sh.class.MemoryMB
	sh.starts++
	if provisioned {
		sh.have++
	} else {
		sh.active++
	}
	p.tasks.Go(func() {
		begun := time.Now()
		i, err := sh.class.Start(ctx, provisioned)
		cancel()
		p.finish(st, i, err, time.Since(begun))
	})
}

// finish takes in what a start has made.
func (p *Pool) finish(st *start, i Instance, err error, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sh := st.shelf
	delete(p.active, st)
	if !st.provisioned {
		sh.active--
	}
	if err != nil {
		p.memory -= sh.class.MemoryMB
		p.failed(st, err)
	} else {
		mean(&sh.past.cost, took)
		p.settle(p.add(st, i))
	}
	p.tidy(sh)
	p.pump()
	p.checkQuiet()
}

// add makes a slot of a new instance.
func (p *Pool) add(st *start, i Instance) *Slot {
	s := &Slot{Instance: i, Provisioned: st.provisioned, shelf: st.shelf, born: time.Now(), mb: st.shelf.class.MemoryMB}
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

// failed tells of a start that came to nothing: to a waiter whom no other start
// will serve, or to who asks for the state of the provisioned ones.
func (p *Pool) failed(st *start, err error) {
	sh := st.shelf
	if st.provisioned {
		sh.have--
		p.backOff(sh, err)
		return
	}
	if sh.unserved() > 0 {
		sh.serve(result{err: err})
	}
}
