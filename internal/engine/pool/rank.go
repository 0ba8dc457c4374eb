package pool

import (
	"container/heap"
	"math"
	"time"
)

// ranks orders the shelves with something idle by what that is worth, the
// least first.
type ranks []*shelf

func (r ranks) Len() int           { return len(r) }
func (r ranks) Less(i, j int) bool { return r[i].worth < r[j].worth }
func (r ranks) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].index, r[j].index = i, j
}
func (r *ranks) Push(x any) {
	sh := x.(*shelf)
	sh.index = len(*r)
	*r = append(*r, sh)
}
func (r *ranks) Pop() any {
	old := *r
	sh := old[len(old)-1]
	old[len(old)-1] = nil
	sh.index = -1
	*r = old[:len(old)-1]
	return sh
}

// rank puts sh where it belongs after what is idle there has changed.
func (p *Pool) rank(sh *shelf) {
	if p.c.MemoryMB == 0 {
		return // nothing is ever evicted
	}
	if sh.idle.n == 0 {
		if sh.index >= 0 {
			heap.Remove(&p.ranks, sh.index)
		}
		return
	}
	sh.worth = p.worth(sh)
	if sh.index < 0 {
		heap.Push(&p.ranks, sh)
	} else {
		heap.Fix(&p.ranks, sh.index)
	}
}

// worth is the logarithm of what keeping the slot saves that was used least
// recently: the cost of a start, times how often the class is used, for each MB and
// each of those that are idle. All rates fade alike, so that as logarithms, and
// moved to one point in time, they keep their order while nothing happens.
func (p *Pool) worth(sh *shelf) float64 {
	h, s := sh.past, sh.idle.first
	return math.Log(h.uses) + float64(h.used.Sub(p.epoch))/float64(span) +
		math.Log(float64(max(h.cost, time.Millisecond))) - math.Log(float64(s.mb*sh.idle.n))
}

// least is the idle slot on demand that is worth least, but for spared.
func (p *Pool) least(spared *Slot) *Slot {
	var found *shelf
	for i := range min(3, len(p.ranks)) { // the second is one of the first's two children
		sh := p.ranks[i]
		if sh.idle.first == spared && sh.idle.n == 1 {
			continue
		}
		if found == nil || sh.worth < found.worth {
			found = sh
		}
	}
	switch {
	case found == nil:
		return nil
	case found.idle.first == spared:
		return spared.next
	}
	return found.idle.first
}
