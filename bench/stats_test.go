package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func upTo(n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = float64(i)
	}
	return s
}

func TestQuantile(t *testing.T) {
	for _, test := range []struct {
		n    int
		q    float64
		want Estimate
	}{
		{0, .5, Estimate{}},
		{1, .99, Estimate{0, 0, 0}},
		{100, .5, Estimate{50, 40, 60}},          // 50 +- 1.96 * 5
		{10000, .99, Estimate{9900, 9880, 9920}}, // 9900 +- 1.96 * 9.95
		{50, .99, Estimate{49, 48, 49}},          // too few for an upper end
	} {
		if got := quantile(upTo(test.n), test.q); got != test.want {
			t.Errorf("quantile(%d values, %v) = %v, want %v", test.n, test.q, got, test.want)
		}
	}
}

// TestIntervalHoldsTheTruth: of many samples, about 95 in 100 have an interval
// in which the true median lies.
func TestIntervalHoldsTheTruth(t *testing.T) {
	const rounds = 1000
	r, held := rand.New(rand.NewPCG(1, 2)), 0
	for range rounds {
		s := make([]float64, 60)
		for i := range s {
			s[i] = r.ExpFloat64() // its median is ln 2
		}
		slices.Sort(s)
		if e := quantile(s, .5); e.Low <= .6931 && .6931 <= e.High {
			held++
		}
	}
	if held < 930 || held > 985 {
		t.Errorf("%d of %d intervals hold the true median", held, rounds)
	}
}

func TestMeasureOfKeepsTheOrder(t *testing.T) {
	ms := []float64{5, 1, 4, 2, 3}
	m := measureOf("x", ms)
	if m.P50.Value != 3 || m.Max != 5 || m.N != 5 {
		t.Errorf("got %+v", m)
	}
	if ms[0] != 5 || ms[4] != 3 {
		t.Errorf("sorted what is in the order of time: %v", ms)
	}
}

func TestLoadEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	good := func(uint64) error { return nil }
	bad := func(n uint64) error {
		if n == 3 {
			return broken
		}
		return nil
	}
	if _, err := load(t.Context(), []worker{good, bad}, time.Hour); !errors.Is(err, broken) {
		t.Errorf("load = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := load(ctx, []worker{good}, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("load when cancelled = %v", err)
	}
}

func TestSumUp(t *testing.T) {
	a, b := [windows]int{1, 2}, [windows]int{3}
	tally := sumUp([][]float64{{1, 2, 3}, {4, 5, 6}}, [][windows]int{a, b}, time.Second, time.Second)
	if len(tally.ms) != 6 || tally.perSec[0] != 40 || tally.perSec[1] != 20 || tally.perSec[2] != 0 {
		t.Errorf("got %+v", tally)
	}
}

func TestTogetherCallsAllOnce(t *testing.T) {
	var calls [10]int
	var workers []worker
	for i := range calls {
		workers = append(workers, func(uint64) error { calls[i]++; return nil })
	}
	ms, _, err := together(workers)
	if err != nil || len(ms) != 10 || calls != [10]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1} {
		t.Errorf("calls %v, %v, %v", calls, ms, err)
	}
}
