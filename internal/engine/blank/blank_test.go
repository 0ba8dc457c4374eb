package blank

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// A smith is a Maker in virtual time.
type smith struct {
	takes time.Duration // to make one
	mb    int           // of one

	mu     sync.Mutex // guards what follows
	err    error
	made   int
	now    int
	most   int
	living int
	last   *proc
	closed bool
}

func (s *smith) Make(ctx context.Context, o Order) (*Blank, error) {
	s.mu.Lock()
	s.made++
	s.now++
	s.most = max(s.most, s.now)
	err := s.err
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	if err != nil {
		return nil, err
	}
	s.living++
	s.last = &proc{done: make(chan struct{})}
	p := &Place{ID: o.Key, Box: &box{smith: s}, API: runtimeapi.New()}
	p.close = sync.OnceFunc(p.shut)
	return &Blank{Place: p, Proc: s.last, mb: s.mb, born: time.Now()}, nil
}

func (s *smith) Tidy(time.Duration) {}

func (s *smith) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		panic("closed twice")
	}
	s.closed = true
}

func (s *smith) look() (made, living int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made, s.living
}

type box struct {
	sandbox.Sandbox
	smith *smith
}

func (b *box) Close() error {
	b.smith.mu.Lock()
	defer b.smith.mu.Unlock()
	b.smith.living--
	return nil
}

type proc struct{ done chan struct{} }

func (p *proc) Signal(syscall.Signal) error { return nil }
func (p *proc) Flush() error                { return nil }
func (p *proc) Done() <-chan struct{}       { return p.done }
func (p *proc) Exit() sandbox.Exit          { return sandbox.Exit{} }

// in runs a test of a pool in virtual time.
func in(t *testing.T, c Config, test func(t *testing.T, p *Pool, s *smith)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &smith{takes: 100 * time.Millisecond, mb: 2}
		c.Maker, c.Log = s, slog.New(slog.DiscardHandler)
		p := New(c)
		test(t, p, s)
		p.Close()
		if s.living != 0 || s.now != 0 {
			t.Errorf("%d blanks are left, %d are being made", s.living, s.now)
		}
	})
}

func order(key string) Order { return Order{Blank: runtimes.Blank{Key: key}} }

// take takes one and closes it, and tells how long it waited.
func take(t *testing.T, p *Pool, key string) time.Duration {
	t.Helper()
	start := time.Now()
	b, err := p.Take(t.Context(), order(key))
	if err != nil {
		t.Errorf("take %s: %v", key, err)
		return 0
	}
	if b.ID != key {
		t.Errorf("took a %s for a %s", b.ID, key)
	}
	waited := time.Since(start)
	b.Close()
	return waited
}

func TestExpected(t *testing.T) {
	in(t, Config{BudgetMB: 100}, func(t *testing.T, p *Pool, s *smith) {
		p.Expect(order("k"))
		time.Sleep(time.Second)
		if st := p.Stats()["k"]; st.Ready != 2 || st.MB != 4 {
			t.Fatalf("stats %+v", st)
		}
		if waited := take(t, p, "k"); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(time.Second)
		if st := p.Stats()["k"]; st.Ready != 2 || st.Hits != 1 || st.Misses != 0 {
			t.Errorf("after one was taken: %+v", st)
		}
		time.Sleep(time.Hour) // one is enough for what is hardly used
		if st := p.Stats()["k"]; st.Ready != 1 {
			t.Errorf("after an hour: %+v", st)
		}
		time.Sleep(25 * time.Hour)
		if len(p.Stats()) != 0 {
			t.Errorf("after a day: %+v", p.Stats())
		}
	})
}

// TestMiss: who finds none has one made at once, though the machine is busy, and
// takes what is ready first.
func TestMiss(t *testing.T) {
	in(t, Config{BudgetMB: 100, Busy: func() bool { return true }}, func(t *testing.T, p *Pool, s *smith) {
		if waited := take(t, p, "k"); waited != s.takes {
			t.Errorf("waited %v", waited)
		}
		var wg sync.WaitGroup
		for range 10 { // at the same time: ten are made, not more
			wg.Go(func() { take(t, p, "k") })
		}
		wg.Wait()
		if made, _ := s.look(); made > 11 {
			t.Errorf("%d were made for 11", made)
		}
	})
	in(t, Config{}, func(t *testing.T, p *Pool, s *smith) { // no memory for blanks
		p.Expect(order("k"))
		take(t, p, "k")
		time.Sleep(time.Minute)
		if made, living := s.look(); made != 1 || living != 0 {
			t.Errorf("%d made, %d kept", made, living)
		}
	})
}

// TestBurst: after a burst as many are kept as it took, as far as memory goes,
// few are made at a time, and they go when there are no more bursts.
func TestBurst(t *testing.T) {
	for _, tt := range []struct{ budget, want int }{{1000, 50}, {40, 20}} {
		in(t, Config{BudgetMB: tt.budget, Makers: 2}, func(t *testing.T, p *Pool, s *smith) {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() { take(t, p, "k") })
			}
			wg.Wait()
			s.mu.Lock()
			s.most = 0
			s.mu.Unlock()
			time.Sleep(10 * time.Second)
			if n := p.Stats()["k"].Ready; n < tt.want*9/10 || n > tt.want {
				t.Errorf("%d are kept with %d MB, want about %d", n, tt.budget, tt.want)
			}
			if s.most > 2 {
				t.Errorf("%d were made at a time in the background", s.most)
			}
			time.Sleep(11 * time.Minute)
			if len(p.Stats()) != 0 {
				t.Errorf("%+v", p.Stats())
			}
		})
	}
}

// TestBusy: while requests need the machine few blanks are made, but some are.
func TestBusy(t *testing.T) {
	var mu sync.Mutex
	busy := true
	c := Config{BudgetMB: 100, Makers: 4, Busy: func() bool { mu.Lock(); defer mu.Unlock(); return busy }}
	in(t, c, func(t *testing.T, p *Pool, s *smith) {
		for n := range 5 {
			p.Expect(order(fmt.Sprint(n)))
		}
		time.Sleep(patience - time.Millisecond)
		if made, _ := s.look(); made != 0 {
			t.Errorf("%d made at once, though the machine is busy", made)
		}
		time.Sleep(4 * patience)
		if made, _ := s.look(); made < 2 || made > 5 {
			t.Errorf("%d made in a second on a busy machine", made)
		}
		mu.Lock()
		busy = false
		mu.Unlock()
		time.Sleep(time.Second)
		if _, living := s.look(); living != 10 {
			t.Errorf("%d blanks, want 10", living)
		}
	})
}

// TestDies: one that dies is replaced, but not again and again at once.
func TestDies(t *testing.T) {
	in(t, Config{BudgetMB: 100}, func(t *testing.T, p *Pool, s *smith) {
		p.Expect(order("k"))
		for range 100 {
			time.Sleep(200 * time.Millisecond)
			s.mu.Lock()
			last := s.last
			s.mu.Unlock()
			select {
			case <-last.done:
			default:
				close(last.done)
			}
		}
		if made, _ := s.look(); made > 30 {
			t.Errorf("%d made in 20s, all of which died", made)
		}
		time.Sleep(2 * time.Minute)
		if n := p.Stats()["k"].Ready; n != 2 {
			t.Errorf("%d ready", n)
		}
	})
}

func TestOldAreReplaced(t *testing.T) {
	in(t, Config{BudgetMB: 100, MaxAge: time.Minute}, func(t *testing.T, p *Pool, s *smith) {
		p.Expect(order("k"))
		time.Sleep(5 * time.Minute)
		if made, living := s.look(); made < 6 || living != 2 {
			t.Errorf("%d made, %d living", made, living)
		}
	})
}

func TestMakeFails(t *testing.T) {
	broken := errors.New("broken")
	in(t, Config{BudgetMB: 100}, func(t *testing.T, p *Pool, s *smith) {
		s.err = broken
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := p.Take(t.Context(), order("k")); !errors.Is(err, broken) {
					t.Errorf("error %v", err)
				}
			})
		}
		wg.Wait()
		time.Sleep(9 * time.Minute)
		if made, _ := s.look(); made > 30 {
			t.Errorf("%d tried", made)
		}
	})
}

func TestTakerLeaves(t *testing.T) {
	in(t, Config{BudgetMB: 100}, func(t *testing.T, p *Pool, s *smith) {
		for _, after := range []time.Duration{s.takes / 2, s.takes} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			if b, err := p.Take(ctx, order("k")); err == nil {
				b.Close()
			}
			cancel()
		}
		time.Sleep(time.Second)
		if waited := take(t, p, "k"); waited != 0 {
			t.Errorf("what was made is gone: waited %v", waited)
		}
	})
}

func TestClose(t *testing.T) {
	in(t, Config{BudgetMB: 100}, func(t *testing.T, p *Pool, s *smith) {
		got := make(chan error)
		go func() { _, err := p.Take(context.Background(), order("k")); got <- err }()
		synctest.Wait()
		go p.Close()
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Errorf("who waits: %v", err)
		}
		if _, err := p.Take(context.Background(), order("k")); !errors.Is(err, ErrClosed) {
			t.Errorf("who comes later: %v", err)
		}
		p.Expect(order("k"))
	})
}

func TestShare(t *testing.T) {
	for _, tt := range []struct {
		budget float64
		claims []claim
		want   []int
	}{
		{0, []claim{{2, 5, 1}}, []int{0}},
		{100, []claim{{2, 5, 1}, {1, 1, 8}}, []int{5, 1}},
		{10, []claim{{2, 50, 1}, {1, 1, 8}}, []int{2, 1}},
		{20, []claim{{2, 50, 1}, {2, 50, 1}}, []int{10, 10}},
		{3, []claim{{2, 2, 2}, {2, 2, 1}}, []int{1, 1}},
	} {
		if got := share(tt.budget, tt.claims); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%v MB for %v: %v, want %v", tt.budget, tt.claims, got, tt.want)
		}
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewID()
		if len(id) != 32 || seen[id] {
			t.Fatalf("%q", id)
		}
		seen[id] = true
	}
}
