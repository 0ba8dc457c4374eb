package pool

import (
	"math"
	"time"
)

const (
	shortest = 10 * time.Second // an idle instance is kept so long at least
	lastOne  = 10 * time.Minute // and so long when it is the only one of its class
	span     = 10 * time.Minute // over which uses are counted
	enough   = 8                // samples without which nothing is concluded
	classes  = 10_000           // whose past is remembered
	ghosts   = 64               // instances ended unused that are remembered, of one class
)

// A past is what was learnt of one class. It outlives its shelf.
type past struct {
	cost  time.Duration // of a start
	turn  time.Duration // from Take to Give
	pause time.Duration // from Give to Take of one instance
	uses  float64       // that decay over span
	used  time.Time     // when they were counted last
	gaps  gaps
	ended []time.Time // since when those were idle that were ended for it, as far as nobody missed them
}

// remember returns the past of a class, which may be empty.
func (p *Pool) remember(key string) *past {
	if h := p.pasts[key]; h != nil {
		return h
	}
	for old := range p.pasts {
		if len(p.pasts) < classes {
			break
		}
		if p.shelves[old] == nil {
			delete(p.pasts, old)
		}
	}
	h := &past{}
	p.pasts[key] = h
	return h
}

// use counts one use.
func (h *past) use(now time.Time) {
	h.uses = 1 + h.uses*math.Exp(-float64(now.Sub(h.used))/float64(span))
	h.used = now
}

// mean moves a running mean to a new sample.
func mean(m *time.Duration, d time.Duration) {
	if *m == 0 {
		*m = max(d, 1)
	} else {
		*m = max(*m+(d-*m)/4, 1)
	}
}

// soon is how long an idle instance may be about to be used again: then to stop and
// start it is work for nothing. It is least unless the pauses are short.
func (h *past) soon(least time.Duration) time.Duration {
	const most = time.Second
	if d := 2 * h.pause; d > least && d <= most {
		return d
	}
	return least
}

// lose notes that an instance was ended because it had been idle since.
func (h *past) lose(since time.Time) {
	h.gaps.lost++
	if len(h.ended) == ghosts {
		h.ended = append(h.ended[:0], h.ended[1:]...)
	}
	h.ended = append(h.ended, since)
}

// miss notes that an instance would have been of use that may have been ended:
// its gap was longer than it was kept.
func (h *past) miss(now time.Time) {
	if n := len(h.ended); n > 0 {
		h.gaps.lost = max(0, h.gaps.lost-1)
		h.gaps.add(now.Sub(h.ended[n-1]))
		h.ended = h.ended[:n-1]
	}
}

// keep is how long an idle instance is worth its memory: to the 99th percentile
// of the gaps after which one was used again, and not long at all where hardly any
// ever was. What is not known yet is given the benefit of the doubt.
func (h *past) keep(last bool, most time.Duration) time.Duration {
	d := most
	if g := &h.gaps; g.n+g.lost >= enough {
		d = g.p99() * 5 / 4
		if g.n < (g.n+g.lost)/10 {
			d = shortest
		}
	}
	if last {
		d = max(d, lastOne)
	}
	return min(max(d, shortest), most)
}

// gaps is a histogram of how long instances were idle before they were used
// again. Gaps below shortest tell nothing about how long to keep one: every one is
// kept so long. Two buckets make an octave.
type gaps struct {
	counts [24]float64
	n      float64 // sum of counts
	lost   float64 // instances that were not used again
}

const remembered = 256 // gaps; then what was counted before counts half

func (g *gaps) add(d time.Duration) {
	if d < shortest {
		return
	}
	i := int(2 * math.Log2(float64(d)/float64(shortest)))
	g.counts[min(i, len(g.counts)-1)]++
	g.n++
	if g.n+g.lost < remembered {
		return
	}
	g.n, g.lost = 0, g.lost/2
	for i := range g.counts {
		g.counts[i] /= 2
		g.n += g.counts[i]
	}
}

// p99 is the upper end of the bucket with the 99th percentile.
func (g *gaps) p99() time.Duration {
	sum, last := 0.0, 0
	for i, n := range g.counts {
		if n > 0 {
			last = i
		}
		if sum += n; sum >= 0.99*g.n {
			break
		}
	}
	return time.Duration(float64(shortest) * math.Exp2(float64(last+1)/2))
}
