package blank

import (
	"cmp"
	"slices"
	"time"
)

const (
	firstCost = 8                      // MB of a blank, until one was measured
	yield     = 5 * time.Millisecond   // the filler looks again after that while requests need the machine
	patience  = 250 * time.Millisecond // it waits no longer than that between two blanks
	tidyEvery = 30 * time.Second       // how often it looks for what is too much or too old
)

// keep makes blanks that are missing and ends those that are too many, until
// the pool is closed.
func (p *Pool) keep() {
	again := time.NewTimer(tidyEvery)
	defer again.Stop()
	tidied := time.Now()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.wake:
		case <-again.C:
		}
		wait := p.fill(time.Now())
		if time.Since(tidied) >= tidyEvery {
			tidied = time.Now()
			p.tidy(tidied)
			p.c.Maker.Tidy(unused)
		}
		again.Reset(wait)
	}
}

// fill has made what is missing, as far as it may now, and says when to look again.
func (p *Pool) fill(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return tidyEvery
	}
	want := p.plan(now)
	k := missing(want, now)
	if k == nil {
		p.since = time.Time{}
		return tidyEvery
	}
	if p.since.IsZero() {
		p.since = now
	}
	if p.c.Busy() && (now.Sub(p.since) < patience || p.making > 0) {
		return yield
	}
	for k != nil && p.making < p.c.Makers {
		p.since = now
		p.making++
		p.begin(k, func() { p.making-- })
		k = missing(want, now)
		if p.c.Busy() {
			break
		}
	}
	return tidyEvery // what is being made rouses us
}

// A target is how many of a kind to keep.
type target struct {
	kind *kind
	n    int
}

// plan shares the memory out. Kinds that are taken more often come first.
func (p *Pool) plan(now time.Time) []target {
	var want []target
	for _, k := range p.kinds {
		want = append(want, target{kind: k})
	}
	slices.SortFunc(want, func(a, b target) int {
		return cmp.Or(cmp.Compare(b.kind.demand.peak.value(now), a.kind.demand.peak.value(now)),
			b.kind.demand.expected.Compare(a.kind.demand.expected))
	})
	claims := make([]claim, len(want))
	for i, t := range want {
		claims[i] = claim{t.kind.demand.floor(now), t.kind.demand.want(now, t.kind.took), t.kind.cost}
	}
	for i, n := range share(float64(p.c.BudgetMB), claims) {
		want[i].n = n
	}
	return want
}

// missing is the kind that lacks the largest part of what it should have, or nil.
func missing(want []target, now time.Time) (k *kind) {
	worst := 0.0
	for _, t := range want {
		// What is made for waiters will not be kept.
		have := len(t.kind.ready) + max(0, t.kind.making-len(t.kind.waiters))
		if have >= t.n || now.Before(t.kind.retry) {
			continue
		}
		if lack := float64(t.n-have) / float64(t.n); lack > worst {
			k, worst = t.kind, lack
		}
	}
	return k
}

// tidy ends what is old or too many, and forgets kinds that nobody wants.
func (p *Pool) tidy(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.plan(now) {
		k := t.kind
		for len(k.ready) > t.n || len(k.ready) > 0 && now.Sub(k.ready[0].born) >= p.c.MaxAge {
			p.drop(k, 0)
		}
		if t.n == 0 && k.demand.floor(now) == 0 && len(k.ready)+k.making+len(k.waiters) == 0 {
			delete(p.kinds, k.order.kind())
		}
	}
	p.rouse()
}

// Stats is what there is of one kind.
type Stats struct {
	Ready  int
	Making int
	MB     float64 // that those ready use
	Hits   uint64  // taken, and were ready
	Misses uint64  // taken, and had to be made
}

// Stats tells what there is, by key.
func (p *Pool) Stats() map[string]Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]Stats{}
	for id, k := range p.kinds {
		s := all[id.Key]
		s.Ready += len(k.ready)
		s.Making += k.making
		for _, b := range k.ready {
			s.MB += float64(b.mb)
		}
		s.Hits += k.hits
		s.Misses += k.misses
		all[id.Key] = s
	}
	return all
}
