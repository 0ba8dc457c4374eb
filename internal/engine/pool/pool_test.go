package pool

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A thing is an Instance that does nothing but check how it is treated.
type thing struct {
	w       *world
	id      int
	key     string
	expires time.Time

	mu     sync.Mutex // guards what follows
	frozen bool
	closed bool
	dead   chan struct{}
	died   bool
}

func (i *thing) Freeze() error { return i.ice(true) }
func (i *thing) Thaw() error   { return i.ice(false) }

func (i *thing) ice(on bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.frozen == on || i.closed {
		i.w.t.Errorf("instance %d: freeze %v, but frozen is %v and closed %v", i.id, on, i.frozen, i.closed)
	}
	i.frozen = on
	return nil
}

func (i *thing) Alive() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return !i.died && !i.closed
}

func (i *thing) Dead() <-chan struct{} { return i.dead }
func (i *thing) HeldMB() int           { return i.w.held }
func (i *thing) Expires() time.Time    { return i.expires }

func (i *thing) die() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.died {
		i.died = true
		close(i.dead)
	}
}

func (i *thing) Close() {
	time.Sleep(i.w.closing)
	i.die()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return
	}
	i.closed = true
	i.w.mu.Lock()
	defer i.w.mu.Unlock()
	i.w.living--
}

// A world is a pool and what it started.
type world struct {
	t        *testing.T
	p        *Pool
	starting time.Duration // what a start takes
	closing  time.Duration
	held     int           // MB that an idle instance holds
	life     time.Duration // how long an instance says it can be used; 0 for ever

	mu     sync.Mutex // guards what follows
	err    error      // what starts fail with
	things []*thing
	counts
}

type counts struct {
	starts int
	living int
	now    int // starts under way
	most   int // of now
	ended  int // starts whose context ended
}

func (w *world) look() counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *world) last() *thing {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.things[len(w.things)-1]
}

// in runs a test of a pool in virtual time, and sees that nothing outlives it.
func in(t *testing.T, c Config, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, p: New(c), starting: time.Second, held: 100}
		test(t, w)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.p.Close(ctx); err != nil {
			t.Error(err)
		}
		if w.living != 0 || w.now != 0 || w.p.memory != 0 || len(w.p.slots) != 0 {
			t.Errorf("after Close: %d living, %d starting, %d MB, %d slots", w.living, w.now, w.p.memory, len(w.p.slots))
		}
	})
}

func (w *world) class(key string) Class {
	return Class{Key: key, MemoryMB: 100, Start: func(ctx context.Context, _ bool) (Instance, error) {
		w.mu.Lock()
		w.starts++
		w.now++
		w.most = max(w.most, w.now)
		n, err := w.starts, w.err
		w.mu.Unlock()
		select {
		case <-time.After(w.starting):
		case <-ctx.Done():
			err = ctx.Err()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now--
		if ctx.Err() != nil {
			w.ended++
		}
		if err != nil {
			return nil, err
		}
		w.living++
		i := &thing{w: w, id: n, key: key, dead: make(chan struct{})}
		if w.life > 0 {
			i.expires = time.Now().Add(w.life)
		}
		w.things = append(w.things, i)
		return i, nil
	}}
}

func (w *world) take(key string) *Slot {
	w.t.Helper()
	s, err := w.p.Take(context.Background(), w.class(key))
	if err != nil {
		w.t.Fatalf("take %s: %v", key, err)
	}
	if i := s.Instance.(*thing); i.key != key || i.frozen || i.closed {
		w.t.Errorf("took %+v for %s", i, key)
	}
	return s
}

func id(s *Slot) int { return s.Instance.(*thing).id }

func TestReuse(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		a := w.take("k")
		if !a.Fresh {
			t.Error("a new instance is not fresh")
		}
		b := w.take("k")
		w.p.Give(a)
		w.p.Give(b)
		if got := w.take("k"); id(got) != id(b) || got.Fresh {
			t.Errorf("took %d, want %d, which was used last", id(got), id(b))
		} else {
			w.p.Give(got)
		}
		if w.look().starts != 2 {
			t.Errorf("%d starts, want 2", w.look().starts)
		}
		if other := w.take("other"); id(other) != 3 {
			t.Error("an instance of one class served another")
		} else {
			w.p.End(other)
		}
	})
}

// TestFirstReady: who waits takes what is ready first; the other is kept.
func TestFirstReady(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		a := w.take("k")
		time.AfterFunc(100*time.Millisecond, func() { w.p.Give(a) })
		start := time.Now()
		b := w.take("k")
		if id(b) != id(a) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("took %d after %v, want %d after 100ms", id(b), time.Since(start), id(a))
		}
		time.Sleep(2 * time.Second)
		c := w.take("k")
		if !c.Fresh || w.look().starts != 2 {
			t.Errorf("the surplus instance was not kept: %d starts", w.look().starts)
		}
		w.p.Give(b)
		w.p.Give(c)
	})
}

func TestStartsAreBounded(t *testing.T) {
	in(t, Config{Starts: 3}, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				s := w.take("k")
				time.Sleep(10 * time.Second)
				w.p.Give(s)
			})
		}
		wg.Wait()
		if w.look().most != 3 {
			t.Errorf("%d starts at a time, want 3", w.look().most)
		}
	})
}

// TestNeedlessStartsAreDropped: 20 callers, one after the other served by the
// few that got started.
func TestNeedlessStartsAreDropped(t *testing.T) {
	in(t, Config{Starts: 2}, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { w.p.Give(w.take("k")) })
		}
		wg.Wait()
		if w.look().starts > 4 {
			t.Errorf("%d starts for calls that take no time", w.look().starts)
		}
	})
}

func TestStartFails(t *testing.T) {
	broken := errors.New("broken")
	in(t, Config{}, func(t *testing.T, w *world) {
		w.fail(broken)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := w.p.Take(context.Background(), w.class("k")); !errors.Is(err, broken) {
					t.Errorf("error = %v", err)
				}
			})
		}
		wg.Wait()
		w.fail(nil)
		w.p.Give(w.take("k"))
	})
}

func TestTakerLeaves(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // just when it is ready
		defer cancel()
		if s, err := w.p.Take(ctx, w.class("k")); err == nil {
			w.p.Give(s)
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
		time.Sleep(time.Second)
		s := w.take("k")
		if w.look().starts != 1 {
			t.Errorf("%d starts, want 1: it was worth keeping", w.look().starts)
		}
		w.p.Give(s)
	})
}

func TestIdle(t *testing.T) {
	in(t, Config{Idle: time.Minute}, func(t *testing.T, w *world) {
		a, b := w.take("k"), w.take("k")
		w.p.Give(a)
		w.p.Give(b)
		for range 3 { // keeps one of them in use
			time.Sleep(25 * time.Second)
			w.p.Give(w.take("k"))
		}
		synctest.Wait()
		if w.look().living != 1 || len(w.p.Stats()) != 1 {
			t.Errorf("%d living, want 1", w.look().living)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.look().living != 0 || len(w.p.Stats()) != 0 {
			t.Errorf("%d living, shelves %v; want none", w.look().living, w.p.Stats())
		}
	})
}

func TestLife(t *testing.T) {
	in(t, Config{Idle: time.Hour, Life: 80 * time.Minute}, func(t *testing.T, w *world) {
		for range 4 {
			w.p.Give(w.take("k"))
			time.Sleep(30 * time.Minute)
		}
		if w.look().starts != 2 {
			t.Errorf("%d starts in 2 hours, want 2", w.look().starts)
		}
	})
}

func TestExpires(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		w.life = time.Minute
		s := w.take("k")
		time.Sleep(2 * time.Minute)
		w.p.Give(s)
		synctest.Wait()
		if w.look().living != 0 {
			t.Error("an expired instance is kept")
		}
		w.p.Give(w.take("k"))
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if w.look().living != 0 {
			t.Error("an instance is kept until it is asked for, though it has expired")
		}
	})
}

func TestFreezeThaw(t *testing.T) {
	for _, tt := range []struct {
		after  time.Duration
		frozen bool
	}{{0, true}, {time.Minute, false}, {-1, false}} {
		in(t, Config{FreezeAfter: tt.after}, func(t *testing.T, w *world) {
			s := w.take("k")
			i := s.Instance.(*thing)
			for range 3 {
				w.p.Give(s)
				time.Sleep(time.Second)
				synctest.Wait()
				if i.frozen != tt.frozen {
					t.Errorf("freeze after %v: frozen = %v", tt.after, i.frozen)
				}
				s = w.take("k") // checks that it is thawed
			}
			w.p.Give(s)
		})
	}
}

// TestDeadWhileIdle: an instance that died is not handed out.
func TestDeadWhileIdle(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		a := w.take("k")
		w.p.Give(a)
		a.Instance.(*thing).die()
		if b := w.take("k"); id(b) == id(a) {
			t.Error("took a dead instance")
		} else {
			b.Instance.(*thing).die()
			w.p.Give(b)
		}
		synctest.Wait()
		if w.look().living != 0 {
			t.Errorf("%d living, want none", w.look().living)
		}
	})
}

func TestDrain(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		busy, idle := w.take("k"), w.take("k")
		w.p.Give(idle)
		other := w.take("other")
		w.p.Give(other)
		w.p.Drain("k")
		w.p.Drain("k")
		w.p.Drain("unknown")
		synctest.Wait()
		if w.look().living != 2 {
			t.Errorf("%d living, want the busy one and the other's", w.look().living)
		}
		fresh := w.take("k")
		if !fresh.Fresh {
			t.Error("stale code was served")
		}
		w.p.Give(busy)
		w.p.Give(fresh)
		synctest.Wait()
		if busy.Instance.(*thing).Alive() || fresh.Instance.(*thing).Alive() || w.look().living != 1 {
			t.Error("an instance outlives its class, or another's was ended")
		}
		time.Sleep(stragglers)
		again := w.take("k")
		w.p.Give(again)
		synctest.Wait()
		if !again.Instance.(*thing).Alive() {
			t.Error("a key cannot be used again")
		}
	})
}

// TestDrainWhileStarting: a start that somebody waits for serves him, and is
// ended; others are ended at once.
func TestDrainWhileStarting(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		a := w.take("k")
		got := make(chan *Slot)
		for range 2 {
			go func() { got <- w.take("k") }()
		}
		synctest.Wait()
		w.p.Give(a) // now one waits, and two starts are under way
		synctest.Wait()
		w.p.Drain("k")
		synctest.Wait()
		if w.look().ended != 1 {
			t.Errorf("%d starts were ended, want 1", w.look().ended)
		}
		w.p.Give(<-got)
		w.p.Give(<-got)
		synctest.Wait()
		if w.look().living != 0 {
			t.Errorf("%d living, want none", w.look().living)
		}
	})
}

// TestBusyOnesAreNotFrozen: what is used again after a short pause, time and again, is
// left alone for as long as that; what is not is frozen at once.
func TestBusyOnesAreNotFrozen(t *testing.T) {
	in(t, Config{FreezeAfter: 50 * time.Millisecond}, func(t *testing.T, w *world) {
		frozen := func(s *Slot) bool {
			synctest.Wait()
			i := s.Instance.(*thing)
			i.mu.Lock()
			defer i.mu.Unlock()
			return i.frozen
		}
		for _, c := range []struct {
			pause  time.Duration
			frozen bool // in the end of a pause
		}{{200 * time.Millisecond, false}, {5 * time.Second, true}, {200 * time.Millisecond, false}} {
			var s *Slot
			for range 20 {
				s = w.take("a")
				w.p.Give(s)
				time.Sleep(c.pause)
			}
			if got := frozen(s); got != c.frozen {
				t.Errorf("used every %v: frozen is %v", c.pause, got)
			}
		}
		time.Sleep(time.Second)
		s := w.take("a")
		w.p.Give(s)
		time.Sleep(1100 * time.Millisecond)
		if !frozen(s) {
			t.Error("it is not frozen after a second")
		}
	})
}

func TestIdleCountsAsTheLeast(t *testing.T) {
	in(t, Config{MemoryMB: 200, LeastMB: 60}, func(t *testing.T, w *world) {
		w.held = 1
		a := w.take("a")
		w.p.Give(a)
		time.Sleep(time.Second)
		b := w.take("b")
		w.p.Give(b)
		time.Sleep(time.Second)
		c := w.take("c") // two idle ones leave 80 MB, and it may come to use 100
		if a.Instance.(*thing).Alive() || !b.Instance.(*thing).Alive() {
			t.Error("idle instances do not count as what they are said to count as")
		}
		w.p.Give(c)
	})
}

func TestMemory(t *testing.T) {
	in(t, Config{MemoryMB: 300}, func(t *testing.T, w *world) {
		w.closing = time.Second
		a := w.take("a")
		b := w.take("b")
		c := w.take("c")
		w.p.Give(b)
		time.Sleep(time.Second)
		w.p.Give(a)
		d := w.take("d") // in b's place, which was used least recently
		if b.Instance.(*thing).Alive() || !a.Instance.(*thing).Alive() {
			t.Error("the wrong one was evicted")
		}
		got := make(chan *Slot)
		a = w.take("a")
		go func() { got <- w.take("e") }() // nothing is idle
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-got:
			t.Error("more than the memory was used")
		default:
		}
		w.p.Give(c)
		e := <-got
		for _, s := range []*Slot{a, d, e} {
			w.p.Give(s)
		}
		big := w.class("big")
		big.MemoryMB = 1000 // runs alone
		s, err := w.p.Take(context.Background(), big)
		if err != nil || w.look().living != 1 {
			t.Errorf("%v, %d living", err, w.look().living)
		}
		w.p.Give(s)
	})
}

func TestProvision(t *testing.T) {
	in(t, Config{Idle: time.Minute}, func(t *testing.T, w *world) {
		ready := func(want int) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			if n, err := w.p.Provisioned("k"); n != want || err != nil {
				t.Errorf("%d ready, %v; want %d", n, err, want)
			}
		}
		w.p.Provision(w.class("k"), 3)
		ready(3)
		s := w.take("k")
		if !s.Provisioned {
			t.Error("took one on demand, though provisioned ones are idle")
		}
		s.Instance.(*thing).die()
		w.p.End(s)
		ready(3) // replaced
		w.last().die()
		ready(3) // replaced, though idle
		var all []*Slot
		for range 4 {
			all = append(all, w.take("k"))
		}
		if s := all[3]; s.Provisioned || !s.Fresh {
			t.Error("overflow does not spill")
		}
		w.p.Provision(w.class("k"), 1)
		for _, s := range all {
			w.p.Give(s)
		}
		ready(1)
		if w.look().living != 1 {
			t.Errorf("%d living, want 1", w.look().living)
		}
		w.p.Provision(w.class("k"), 0)
		ready(0)
		if w.look().living != 0 || len(w.p.Stats()) != 0 {
			t.Errorf("%d living, %v", w.look().living, w.p.Stats())
		}
	})
}

// TestProvisionFails: a failing start is tried again, ever less often.
func TestProvisionFails(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		w.fail(errors.New("broken"))
		w.p.Provision(w.class("k"), 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n, err := w.p.Provisioned("k"); n != 0 || err == nil {
			t.Errorf("%d ready, %v", n, err)
		}
		if w.look().starts < 10 || w.look().starts > 80 {
			t.Errorf("%d starts in an hour", w.look().starts)
		}
		w.fail(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n, err := w.p.Provisioned("k"); n != 1 || err != nil {
			t.Errorf("%d ready, %v", n, err)
		}
	})
}

func TestDrainProvisioned(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		w.p.Provision(w.class("k"), 2)
		time.Sleep(500 * time.Millisecond)
		w.p.Drain("k")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n, _ := w.p.Provisioned("k"); n != 0 || w.look().living != 0 || w.look().ended != 2 {
			t.Errorf("%d ready, %d living, %d ended", n, w.look().living, w.look().ended)
		}
	})
}

func TestClose(t *testing.T) {
	in(t, Config{Starts: 1}, func(t *testing.T, w *world) {
		busy := w.take("k")
		w.p.Give(w.take("k"))
		w.p.Provision(w.class("p"), 2)
		failed := make(chan error)
		for range 3 {
			go func() { _, err := w.p.Take(context.Background(), w.class("q")); failed <- err }()
		}
		synctest.Wait()
		time.AfterFunc(30*time.Second, func() { w.p.Give(busy) })
		start := time.Now()
		closed := make(chan error)
		go func() { closed <- w.p.Close(context.Background()) }()
		for range 3 {
			if err := <-failed; !errors.Is(err, ErrClosed) {
				t.Errorf("waiting taker: %v", err)
			}
		}
		if err := <-closed; err != nil || time.Since(start) != 30*time.Second {
			t.Errorf("closed after %v: %v", time.Since(start), err)
		}
		if _, err := w.p.Take(context.Background(), w.class("k")); !errors.Is(err, ErrClosed) {
			t.Errorf("Take after Close: %v", err)
		}
		w.p.Provision(w.class("k"), 1)
	})
}

// TestCloseCutsOff: who does not give back in time loses the instance.
func TestCloseCutsOff(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		s := w.take("k")
		go func() {
			<-s.Instance.(*thing).dead // as an invocation sees that the process is gone
			w.p.End(s)
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestStats(t *testing.T) {
	in(t, Config{}, func(t *testing.T, w *world) {
		a, b := w.take("k"), w.take("k")
		w.p.Give(b)
		w.p.Provision(w.class("k"), 1)
		if got, want := w.p.Stats()["k"], (Stats{Running: 1, Idle: 1, Starting: 1, Starts: 3}); got != want {
			t.Errorf("stats = %+v, want %+v", got, want)
		}
		w.p.Drain("k")
		if got, want := w.p.Stats()["k"], (Stats{Running: 1}); got != want {
			t.Errorf("stats after Drain = %+v, want %+v", got, want)
		}
		w.p.End(a)
	})
}
