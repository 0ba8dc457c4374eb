package main

import (
	"math"
	"slices"
	"time"
)

// An Estimate is a measured figure and the ends of its 95 % confidence interval.
type Estimate struct{ Value, Low, High float64 }

// quantile estimates the q-quantile of sorted. Its interval is of order
// statistics: how many of n values lie below the true quantile is binomial,
// whatever the distribution of the values. Of too few values for an end
// (p99 of fewer than about 400) the interval ends with the greatest.
func quantile(sorted []float64, q float64) Estimate {
	n := len(sorted)
	if n == 0 {
		return Estimate{}
	}
	at := func(rank float64) float64 { return sorted[min(max(int(rank), 0), n-1)] }
	mean := float64(n) * q
	wide := 1.96 * math.Sqrt(mean*(1-q))
	return Estimate{Value: at(mean), Low: at(math.Floor(mean - wide)), High: at(math.Ceil(mean + wide))}
}

// A Measure is what was seen of one program doing one thing.
type Measure struct {
	Name     string
	N        int
	P50, P99 Estimate // milliseconds
	Max      float64
	PerSec   Estimate `json:",omitzero"`
	CPU      []Fact   `json:",omitempty"` // microseconds for each request, by who used them
}

// measureOf sums up samples, in milliseconds, in any order.
func measureOf(name string, ms []float64) Measure {
	if len(ms) == 0 {
		return Measure{Name: name}
	}
	sorted := slices.Sorted(slices.Values(ms))
	return Measure{Name: name, N: len(ms), P50: quantile(sorted, .5), P99: quantile(sorted, .99), Max: sorted[len(sorted)-1]}
}

// throughput estimates a rate from how many ended in each of many equal windows.
func throughput(perSec []float64) Estimate {
	return quantile(slices.Sorted(slices.Values(perSec)), .5)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
