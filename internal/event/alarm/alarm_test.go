package alarm

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// run starts an alarm in the bubble. What it returns ends it.
func run(t *testing.T, a *Alarm, ring func(context.Context) time.Time) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { a.Run(ctx, ring) })
	return func() { cancel(); wait.Wait() }
}

func TestRings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		a := New(time.Now)
		var rang []time.Duration
		defer run(t, a, func(context.Context) time.Time {
			rang = append(rang, time.Since(start))
			if len(rang) == 1 {
				return start.Add(2 * time.Hour)
			}
			return time.Time{}
		})()
		a.Set(time.Time{})
		a.Set(start.Add(time.Hour))
		a.Set(start.Add(25 * time.Second)) // earlier than what it sleeps for
		a.Set(start.Add(3 * time.Hour))    // later: the owner's tables know
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if want := []time.Duration{25 * time.Second, 2 * time.Hour}; !slices.Equal(rang, want) {
			t.Errorf("rang at %v, want %v", rang, want)
		}
	})
}

func TestSetWhileRinging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		a := New(time.Now)
		rings := 0
		defer run(t, a, func(context.Context) time.Time {
			if rings++; rings == 1 {
				a.Set(start.Add(time.Minute)) // a row that the ring's own look did not see
			}
			return time.Time{}
		})()
		a.Set(start)
		time.Sleep(time.Hour)
		synctest.Wait()
		if rings != 2 {
			t.Errorf("%d rings, want 2", rings)
		}
	})
}

// TestClockSet: the machine's clock jumps ahead, which no timer notices.
func TestClockSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ahead time.Duration
		now := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		}
		a := New(now)
		rings := 0
		defer run(t, a, func(context.Context) time.Time { rings++; return time.Time{} })()
		a.Set(now().Add(24 * time.Hour))
		time.Sleep(time.Second)
		mu.Lock()
		ahead = 24 * time.Hour
		mu.Unlock()
		time.Sleep(patience)
		synctest.Wait()
		if rings != 1 {
			t.Errorf("%d rings after the clock was set, want 1", rings)
		}
	})
}
