package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestStorm has many takers of several classes, with drains, provisioning,
// deaths and impatience, and checks that an instance is with one taker at a
// time, that limits hold, and that nothing is left.
func TestStorm(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			in(t, Config{Starts: 4, Idle: 3 * time.Second, MemoryMB: 900}, func(t *testing.T, w *world) {
				w.held = 7
				storm(t, w, seed)
			})
		})
	}
}

func storm(t *testing.T, w *world, seed uint64) {
	var mu sync.Mutex // guards with
	with := map[*thing]bool{}
	var wg sync.WaitGroup
	for n := range 30 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(n)))
			for range 30 {
				key := fmt.Sprint(r.IntN(4))
				switch r.IntN(20) {
				case 0:
					w.p.Drain(key)
					continue
				case 1:
					w.p.Provision(w.class(key), r.IntN(3))
					continue
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(5000))*time.Millisecond)
				s, err := w.p.Take(ctx, w.class(key))
				cancel()
				if err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("take: %v", err)
					}
					continue
				}
				i := s.Instance.(*thing)
				mu.Lock()
				if len(with) >= 9 {
					t.Error("ten run at a time, each of which may use 100 of 900 MB")
				}
				if with[i] || i.key != key {
					t.Errorf("instance %d of %s is with two takers, or the wrong one", i.id, i.key)
				}
				with[i] = true
				mu.Unlock()
				time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
				mu.Lock()
				delete(with, i)
				mu.Unlock()
				if r.IntN(10) == 0 {
					i.die()
				}
				if r.IntN(5) == 0 {
					w.p.End(s)
				} else {
					w.p.Give(s)
				}
			}
		})
	}
	wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.most > 4 {
		t.Errorf("%d starts at a time", w.most)
	}
}
