package pool

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sized is the class key of instances of mb.
func (w *world) sized(key string, mb int) Class {
	c := w.class(key)
	c.MemoryMB = mb
	return c
}

// call takes an instance of c, uses it for d, and gives it back.
func (w *world) call(c Class, d time.Duration) (waited time.Duration) {
	w.t.Helper()
	start := time.Now()
	s, err := w.p.Take(context.Background(), c)
	if err != nil {
		w.t.Errorf("take %s: %v", c.Key, err)
		return 0
	}
	waited = time.Since(start)
	time.Sleep(d)
	w.p.Give(s)
	return waited
}

// TestBurstOfShortCalls: a hundred callers of a function that answers in a
// moment are served by the few instances that the first of them got, and callers
// of one that takes long get each their own.
func TestBurstOfShortCalls(t *testing.T) {
	for _, tt := range []struct {
		took        time.Duration
		least, most int
	}{{time.Millisecond, 4, 12}, {10 * time.Second, 100, 100}} {
		in(t, Config{Starts: 4}, func(t *testing.T, w *world) {
			w.starting = 100 * time.Millisecond
			c := w.class("k")
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() { w.call(c, tt.took) })
			}
			wg.Wait()
			if n := w.look().starts; n < tt.least || n > tt.most {
				t.Errorf("%d starts for 100 calls of %v, want %d to %d", n, tt.took, tt.least, tt.most)
			}
		})
	}
}

// TestPatienceIsBounded: calls were short, and now they hang. Who waits gets an
// instance of his own after the time of two starts.
func TestPatienceIsBounded(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		c := w.class("k") // starts in a second
		for range 10 {
			w.call(c, time.Millisecond)
		}
		hangs := w.take("k")
		if waited := w.call(c, 0); waited > 2*time.Second {
			t.Errorf("waited %v beside a call that hangs", waited)
		}
		w.p.Give(hangs)
	})
}

// TestFairness: the single cold start of one function does not wait for the
// thousand of another.
func TestFairness(t *testing.T) {
	in(t, Config{Starts: 4}, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		burst, single := w.class("burst"), w.class("single")
		for range 1000 {
			wg.Go(func() { w.call(burst, time.Minute) })
		}
		synctest.Wait()
		if waited := w.call(single, 0); waited > 2*time.Second {
			t.Errorf("one cold start waited %v behind a burst of a thousand, want two starts' time", waited)
		}
		wg.Wait()
	})
}

// TestSmallPassLarge: who needs more memory than is free does not hold up who
// needs little, and others do not take it away from him for ever.
func TestSmallPassLarge(t *testing.T) {
	in(t, Config{MemoryMB: 1000}, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for i := range 12 { // want 1200 MB, all the time
			c := w.sized(fmt.Sprint("small", i%2), 100)
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						w.call(c, 5*time.Second)
					}
				}
			})
		}
		time.Sleep(10 * time.Second)
		large := make(chan time.Duration, 1)
		wg.Go(func() { large <- w.call(w.sized("large", 600), time.Second) })
		synctest.Wait()
		if waited := w.call(w.sized("tiny", 10), 0); waited > time.Minute {
			t.Errorf("a tiny one waited %v among calls of 5s", waited)
		}
		if waited := <-large; waited > 2*time.Minute {
			t.Errorf("a large one waited %v among calls of 5s", waited)
		}
		close(stop)
		wg.Wait()
	})
}

// TestClaimLapses: what a large one cannot have for an hour, because something
// runs so long, is not kept from the others all the time.
func TestClaimLapses(t *testing.T) {
	in(t, Config{MemoryMB: 1000}, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		wg.Go(func() { w.call(w.sized("long", 500), time.Hour) })
		time.Sleep(2 * time.Second)
		wg.Go(func() { w.call(w.sized("large", 600), time.Second) })
		synctest.Wait()
		start, n := time.Now(), 0
		for time.Since(start) < time.Hour { // each starts cold: the large one has what is idle ended
			w.call(w.sized("small", 100), time.Second)
			n++
		}
		if n < 600 {
			t.Errorf("%d calls of a second in an hour beside a large one that cannot run, want at least 600", n)
		}
		wg.Wait()
	})
}

// TestThousandStayWarm: a thousand functions of 128 MB stay warm in 4 GiB when
// each holds 2 MB while it is idle, and what runs never has more than there is.
func TestThousandStayWarm(t *testing.T) {
	in(t, Config{MemoryMB: 4096}, func(t *testing.T, w *world) {
		w.held = 2
		for round := range 2 {
			for n := range 1000 {
				w.call(w.sized(fmt.Sprint(n), 128), time.Millisecond)
			}
			if starts := w.look().starts; starts != 1000 {
				t.Fatalf("%d starts after round %d, want 1000", starts, round+1)
			}
		}
		// All at once, only so many may run as have room with their whole limits.
		var mu sync.Mutex
		running, most := 0, 0
		var wg sync.WaitGroup
		for n := range 1000 {
			wg.Go(func() {
				s, err := w.p.Take(context.Background(), w.sized(fmt.Sprint(n), 128))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				running--
				mu.Unlock()
				w.p.Give(s)
			})
		}
		wg.Wait()
		if most > 4096/128 {
			t.Errorf("%d of 128 MB ran at a time in 4096 MB", most)
		}
	})
}

// TestLeastValuableGoes: where memory is short, what is used often and costs
// much to start stays, though it was used less recently.
func TestLeastValuableGoes(t *testing.T) {
	in(t, Config{MemoryMB: 300}, func(t *testing.T, w *world) {
		often, rare := w.sized("often", 100), w.sized("rare", 100)
		for range 20 {
			w.call(often, time.Millisecond)
		}
		kept := w.last()
		w.call(rare, time.Millisecond)
		gone := w.last()
		w.call(w.sized("new", 200), time.Millisecond)
		if !kept.Alive() || gone.Alive() {
			t.Errorf("often used: alive %v; rarely: %v", kept.Alive(), gone.Alive())
		}
	})
}

// TestKeepLearns: the instances that a burst left go once it is known that such
// are not used again; those for which calls come back after minutes stay.
func TestKeepLearns(t *testing.T) {
	in(t, Config{FreezeAfter: -1}, func(t *testing.T, w *world) {
		w.starting = time.Millisecond
		c := w.class("k")
		burst := func() {
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() { w.call(c, time.Second) })
			}
			wg.Wait()
		}
		burst() // never again: after the longest idle time nine of them are lost
		for range 60 {
			time.Sleep(time.Minute)
			w.call(c, time.Millisecond)
		}
		synctest.Wait()
		if n := w.look().living; n != 1 {
			t.Fatalf("%d living an hour after a burst", n)
		}
		for range 8 { // a burst every five minutes
			burst()
			time.Sleep(5 * time.Minute)
		}
		before := w.look().starts
		burst()
		if n := w.look().starts - before; n > 1 {
			t.Errorf("%d cold starts in a burst such as comes every five minutes", n)
		}
	})
}

func TestPastKeep(t *testing.T) {
	h := &past{}
	if got := h.keep(false, time.Hour); got != time.Hour {
		t.Errorf("nothing known: %v", got)
	}
	for range 100 {
		h.gaps.add(time.Second) // tells nothing
		h.gaps.add(20 * time.Second)
	}
	if got := h.keep(false, time.Hour); got < 20*time.Second || got > time.Minute {
		t.Errorf("gaps of 20s: kept %v", got)
	}
	if got := h.keep(true, time.Hour); got != lastOne {
		t.Errorf("the last one: kept %v", got)
	}
	for range 3000 {
		h.lose(time.Now())
	}
	if got := h.keep(false, time.Hour); got != shortest {
		t.Errorf("hardly any is used again: kept %v", got)
	}
	if len(h.ended) > ghosts {
		t.Errorf("%d ended instances are remembered", len(h.ended))
	}
	if got := h.keep(true, time.Minute); got != time.Minute {
		t.Errorf("with a limit of a minute: %v", got)
	}
}

// TestPastIsBounded: classes that are gone are forgotten at last.
func TestPastIsBounded(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		for n := range classes + 100 {
			w.p.remember(fmt.Sprint(n))
		}
		if n := len(w.p.pasts); n > classes {
			t.Errorf("%d pasts", n)
		}
	})
}

// BenchmarkTakeGive is what the pool costs a warm invocation, by how many
// classes have something idle.
func BenchmarkTakeGive(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint("classes=", n), func(b *testing.B) {
			w := &world{p: New(Config{MemoryMB: 1 << 20, FreezeAfter: time.Hour}), held: 2}
			classes := make([]Class, n)
			for i := range classes {
				classes[i] = w.class(fmt.Sprint(i))
				s, err := w.p.Take(b.Context(), classes[i])
				if err != nil {
					b.Fatal(err)
				}
				w.p.Give(s)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s, err := w.p.Take(b.Context(), classes[i%n])
				if err != nil {
					b.Fatal(err)
				}
				w.p.Give(s)
				i++
			}
			w.p.Close(context.Background())
		})
	}
}
