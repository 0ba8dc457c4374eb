package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// windows is in how many parts a load's throughput is counted.
const windows = 10

// A worker makes the n-th request of its caller. It must check the answer.
type worker func(n uint64) error

// A tally is what a load saw.
type tally struct {
	ms     []float64 // each request's time
	perSec []float64 // in each window
	took   time.Duration
}

func (t *tally) add(u tally) {
	t.ms = append(t.ms, u.ms...)
	t.perSec = append(t.perSec, u.perSec...)
	t.took += u.took
}

func (t tally) measure(name string) Measure {
	m := measureOf(name, t.ms)
	m.PerSec = throughput(t.perSec)
	return m
}

// load lets every worker make requests, one after the other, for so long. The
// first error ends it all.
func load(ctx context.Context, workers []worker, length time.Duration) (tally, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	samples := make([][]float64, len(workers))
	ended := make([][windows]int, len(workers))
	var wg sync.WaitGroup
	start := time.Now()
	for i, work := range workers {
		wg.Go(func() {
			for n := uint64(0); ctx.Err() == nil; n++ {
				began := time.Now()
				if began.Sub(start) >= length {
					return
				}
				if err := work(n); err != nil {
					cancel(err)
					return
				}
				now := time.Now()
				samples[i] = append(samples[i], millis(now.Sub(began)))
				if w := int(now.Sub(start) * windows / length); w < windows {
					ended[i][w]++
				}
			}
		})
	}
	wg.Wait()
	return sumUp(samples, ended, time.Since(start), length), context.Cause(ctx)
}

func sumUp(samples [][]float64, ended [][windows]int, took, length time.Duration) tally {
	t := tally{took: took}
	for _, s := range samples {
		t.ms = append(t.ms, s...)
	}
	for w := range windows {
		n := 0
		for i := range ended {
			n += ended[i][w]
		}
		t.perSec = append(t.perSec, float64(n)*windows/length.Seconds())
	}
	return t
}

// together lets every worker make one request at the same moment, and says how
// long each took and how long all did. Errors are of the requests that failed.
func together(workers []worker) (ms []float64, all time.Duration, err error) {
	ms = make([]float64, len(workers))
	errs := make([]error, len(workers))
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i, work := range workers {
		wg.Go(func() {
			<-begin
			began := time.Now()
			errs[i] = work(0)
			ms[i] = millis(time.Since(began))
		})
	}
	start := time.Now()
	close(begin)
	wg.Wait()
	return ms, time.Since(start), errors.Join(errs...)
}
