package pool

import (
	"context"
	"maps"
	"time"
)

// stragglers is how long after a Drain a Take of the same key may still come,
// from who had decided on it before.
const stragglers = time.Minute

// Drain ends all instances of a class: idle ones and needless starts now, the
// others when they come back. A Take that comes too late to know is served, by
// a new instance; that is ended, too, when it comes back.
func (p *Pool) Drain(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pasts, key)
	now := time.Now()
	maps.DeleteFunc(p.drained, func(_ string, at time.Time) bool { return now.Sub(at) >= stragglers })
	p.drained[key] = now
	sh := p.shelves[key]
	if sh == nil {
		return
	}
	delete(p.shelves, key)
	sh.gone = true
	p.setWant(sh, 0)
	for _, l := range []*list{&sh.kept, &sh.idle} {
		for l.first != nil {
			p.end(l.first)
		}
	}
	surplus := sh.active - sh.waiters.Len()
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
		p.leave(sh)
	}
	for s := range p.slots {
		if !s.taken {
			p.end(s)
		}
	}
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
