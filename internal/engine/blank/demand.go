package blank

import (
	"math"
	"time"
)

// A decay is a count of events that forgets: each counts less the longer ago
// it was, by e for each span.
type decay struct {
	span time.Duration
	n    float64
	at   time.Time
}

func (d *decay) add(now time.Time) { d.set(now, d.value(now)+1) }

func (d *decay) set(now time.Time, n float64) { d.n, d.at = n, now }

func (d *decay) value(now time.Time) float64 {
	if d.n == 0 {
		return 0
	}
	return d.n * math.Exp(-float64(now.Sub(d.at))/float64(d.span))
}

const (
	unused   = 10 * time.Minute // a kind that nobody takes for so long is kept no more
	hoped    = 24 * time.Hour   // but one of a deployed function is, for so long
	headroom = 4                // as many are kept as are taken in so many times what making one takes
)

// A demand is what is known of how often a kind is taken. It knows no clock.
type demand struct {
	burst  decay // of the last second
	steady decay // of the last ten seconds
	peak   decay // the largest burst of the last minutes

	taken    time.Time // last
	expected time.Time // last
}

func newDemand() demand {
	return demand{burst: decay{span: time.Second}, steady: decay{span: 10 * time.Second}, peak: decay{span: unused / 2}}
}

// take notes that one is taken.
func (d *demand) take(now time.Time) {
	d.burst.add(now)
	d.steady.add(now)
	if b := d.burst.value(now); b > d.peak.value(now) {
		d.peak.set(now, b)
	}
	d.taken = now
}

// floor is how many to keep whatever else is known: two of what is used, one of
// what a deployed function may come to use.
func (d *demand) floor(now time.Time) int {
	since := func(t time.Time) time.Duration {
		if t.IsZero() {
			return math.MaxInt64
		}
		return now.Sub(t)
	}
	switch {
	case since(d.taken) < unused || since(d.expected) < unused:
		return 2
	case since(d.expected) < hoped:
		return 1
	}
	return 0
}

// want is how many to keep where memory is no matter: as many as the largest
// burst took, and as many as are taken while others are made.
func (d *demand) want(now time.Time, took time.Duration) int {
	n := d.floor(now)
	if n == 0 || d.taken.IsZero() {
		return n
	}
	rate := d.steady.value(now) / d.steady.span.Seconds()
	return max(n, round(d.peak.value(now)), round(headroom*rate*took.Seconds()))
}

func round(x float64) int { return int(math.Round(x)) }

// A claim is what one kind asks of the memory for blanks.
type claim struct {
	floor, want int
	cost        float64 // MB of one
}

// share gives each claim its part of budget: the floors first, in the claims'
// order, then one more for each in turn, as far as it goes.
func share(budget float64, claims []claim) []int {
	got := make([]int, len(claims))
	grant := func(i, upTo int) bool {
		if got[i] >= upTo || claims[i].cost > budget {
			return false
		}
		got[i]++
		budget -= claims[i].cost
		return true
	}
	for i, c := range claims {
		for grant(i, c.floor) {
		}
	}
	for more := true; more; {
		more = false
		for i, c := range claims {
			more = grant(i, c.want) || more
		}
	}
	return got
}
