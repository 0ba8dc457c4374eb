package pool

import (
	"errors"
	"time"
)

// errShortLived is why a provisioned instance is not replaced at once.
var errShortLived = errors.New("pool: instance died soon after its start")

const (
	soon     = 10 * time.Second // an instance that dies sooner has failed
	minRetry = time.Second
	maxRetry = time.Minute
)

// Provision keeps n instances of c started, beside those on demand; 0 ends that.
func (p *Pool) Provision(c Class, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || n == 0 && p.shelves[c.Key] == nil {
		return
	}
	sh := p.shelf(c)
	p.setWant(sh, n)
	p.fill(sh)
	p.tidy(sh)
	p.pump()
}

// Provisioned is how many provisioned instances of a class there are, and why
// there are not more, if the last start failed.
func (p *Pool) Provisioned(key string) (ready int, failure error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sh := p.shelves[key]
	if sh == nil {
		return 0, nil
	}
	return sh.ready, sh.failure
}

// setWant changes how many are wanted, and ends what is too many. Those that
// are taken end when they come back, those queued when their turn comes.
func (p *Pool) setWant(sh *shelf, n int) {
	sh.want, sh.failures, sh.failure = n, 0, nil
	if sh.retry != nil {
		sh.retry.Stop()
		sh.retry = nil
	}
	for sh.ready > n && sh.kept.first != nil {
		p.end(sh.kept.first)
	}
}

// fill starts the provisioned instances that are missing.
func (p *Pool) fill(sh *shelf) {
	if sh.missing() > 0 {
		p.enlist(sh)
	}
}

// watch waits for a provisioned instance to die, and has it replaced.
func (p *Pool) watch(s *Slot, dead <-chan struct{}) {
	select {
	case <-s.over:
		return
	case <-dead:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.taken || s.ending {
		return // its taker will see
	}
	if time.Since(s.born) < soon {
		p.backOff(s.shelf, errShortLived)
	}
	p.end(s)
	p.pump()
}

// backOff lets some time pass before the next start of a provisioned instance.
func (p *Pool) backOff(sh *shelf, err error) {
	if p.closed || sh.want == 0 {
		return
	}
	sh.failure = err
	if sh.retry != nil {
		return
	}
	d := min(minRetry<<min(sh.failures, 10), maxRetry)
	sh.failures++
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if sh.retry != t {
			return
		}
		sh.retry = nil
		p.fill(sh)
		p.pump()
	})
	sh.retry = t
}
