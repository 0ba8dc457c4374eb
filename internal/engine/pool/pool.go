// Package pool keeps sandboxes warm and picks one for an invocation. It knows
// an Instance only as something that is started, frozen and closed.
//
// Instances of one Class are alike: same code, same configuration. An instance
// belongs to its class for life. Take hands out the one that was used last, so
// that the others can age; where there is none it starts one, and the caller
// gets whichever is ready first, the new one or one given back meanwhile.
package pool

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// ErrClosed means that the pool is closed.
var ErrClosed = errors.New("pool: closed")

// An Instance is what the pool keeps. The pool calls Freeze, Thaw and Close one
// at a time, and never while the instance is taken, but for Close at the end of
// the pool's own Close, which may find it at work.
type Instance interface {
	Freeze() error
	Thaw() error

	// Alive reports whether the instance can still be used.
	Alive() bool

	// Dead is closed when the instance has died by itself. The pool asks for it
	// when the instance is started, if that is provisioned.
	Dead() <-chan struct{}

	// Expires is when the instance must be used no more; zero is never.
	Expires() time.Time

	// Close ends the instance. It returns when nothing is left of it.
	Close()
}

// A Class is what makes instances that are alike.
type Class struct {
	Key      string
	MemoryMB int // what one instance may come to use

	// Start makes an instance. ctx ends when it is wanted no more. An error is
	// handed to who waits for it.
	Start func(ctx context.Context, provisioned bool) (Instance, error)
}

// A Config says how a Pool behaves. A zero field has the default written there.
type Config struct {
	Starts      int           // instances started at a time; twice the processors
	Idle        time.Duration // an instance idle for so long is ended; 10 minutes
	Life        time.Duration // and one so old; 6 hours
	FreezeAfter time.Duration // an instance idle for so long is frozen; negative: never; 50 ms
	MemoryMB    int           // what all instances together may come to use; no limit
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&c.Idle, 10*time.Minute)
	set(&c.Life, 6*time.Hour)
	set(&c.FreezeAfter, 50*time.Millisecond)
	if c.Starts <= 0 {
		c.Starts = 2 * runtime.GOMAXPROCS(0)
	}
	return c
}

// A Pool owns every instance. Its methods may be called from any goroutine.
type Pool struct {
	c     Config
	tasks sync.WaitGroup // goroutines of the pool: starts, ends, timers at work, watchers
	stop  chan struct{}  // closed by Close: nobody waits any more
	quiet chan struct{}  // closed when closed, and nothing is left

	mu      sync.Mutex // guards what follows, and all shelves and slots
	shelves map[string]*shelf
	slots   map[*Slot]bool  // all that are not closed yet
	queue   []*start        // starts that wait for their turn
	active  map[*start]bool // starts at work
	memory  int             // MB of slots and active starts
	closed  bool
}

// A Slot is an instance and its place in the pool.
type Slot struct {
	Instance    Instance
	Provisioned bool
	Fresh       bool // for the taker: nobody took it before

	shelf  *shelf
	born   time.Time
	used   bool
	taken  bool
	ending bool
	since  time.Time     // idle since
	timer  *time.Timer   // fires when the idle slot is to be frozen, or ended
	over   chan struct{} // closed when ending; nil if nobody watches

	ice    sync.Mutex // held while freezing, thawing or closing; locked before Pool.mu
	frozen bool       // guarded by ice
}

// A shelf is what there is of one class.
type shelf struct {
	class    Class
	idle     []*Slot // on demand; the last was used last
	kept     []*Slot // provisioned
	waiters  []*waiter
	slots    int  // not closed yet
	starting int  // on demand, queued or active
	starts   int  // so far
	gone     bool // drained: what comes back is ended

	want     int // provisioned instances wanted
	have     int // provisioned slots, and starts of them
	ready    int // provisioned slots
	failures int // provisioned instances that failed in a row
	failure  error
	retry    *time.Timer // nil when none is due
}

// A waiter is a Take that found nothing.
type waiter struct {
	shelf *shelf
	got   chan result // of capacity 1
}

type result struct {
	slot *Slot
	err  error
}

// New makes a Pool.
func New(c Config) *Pool {
	return &Pool{
		c: c.withDefaults(), stop: make(chan struct{}), quiet: make(chan struct{}),
		shelves: map[string]*shelf{}, slots: map[*Slot]bool{}, active: map[*start]bool{},
	}
}

// Take returns an instance of class c, thawed and nobody else's, for the caller
// to Give back or End. It waits as long as ctx lets it.
func (p *Pool) Take(ctx context.Context, c Class) (*Slot, error) {
	for {
		s, w, err := p.pick(c)
		if err != nil {
			return nil, err
		}
		if w != nil {
			if s, err = p.wait(ctx, w); err != nil {
				return nil, err
			}
		}
		if p.thaw(s) {
			return s, nil
		}
		p.End(s) // it died while idle
	}
}

// pick takes an idle slot, or joins the queue for one.
func (p *Pool) pick(c Class) (*Slot, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, ErrClosed
	}
	sh := p.shelf(c)
	if s := sh.pop(); s != nil {
		p.hold(s)
		return s, nil, nil
	}
	w := &waiter{shelf: sh, got: make(chan result, 1)}
	sh.waiters = append(sh.waiters, w)
	p.enqueue(sh, false)
	p.pump()
	return nil, w, nil
}

// wait waits for what w is handed. A waiter that gives up hands on what it may
// have got at the same moment.
func (p *Pool) wait(ctx context.Context, w *waiter) (*Slot, error) {
	var err error
	select {
	case r := <-w.got:
		return r.slot, r.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-p.stop:
		err = ErrClosed
	}
	p.mu.Lock()
	w.shelf.forget(w)
	p.mu.Unlock()
	select {
	case r := <-w.got:
		if r.slot != nil {
			p.Give(r.slot)
		}
	default:
	}
	return nil, err
}

// Give returns s for reuse.
func (p *Pool) Give(s *Slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.taken = false
	p.settle(s)
	p.pump()
}

// End ends s, which was taken. It does not wait for that.
func (p *Pool) End(s *Slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.taken = false
	p.end(s)
	p.pump()
}

// settle finds the next use of a slot that nobody has: a waiter, a place on the
// shelf, or none.
func (p *Pool) settle(s *Slot) {
	sh := s.shelf
	switch {
	case p.closed || s.ending || p.expired(s) || !s.Instance.Alive():
		p.end(s)
	case s.Provisioned && sh.ready > sh.want:
		p.end(s)
	case len(sh.waiters) > 0:
		w := sh.waiters[0]
		sh.waiters = sh.waiters[1:]
		p.hold(s)
		w.got <- result{slot: s}
	case sh.gone:
		p.end(s)
	default:
		s.since = time.Now()
		sh.push(s)
		p.arm(s)
	}
}

// hold marks s as taken.
func (p *Pool) hold(s *Slot) {
	s.taken, s.Fresh, s.used = true, !s.used, true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// end closes s, in the background, and frees its place when that is done.
func (p *Pool) end(s *Slot) {
	if s.ending {
		return
	}
	s.ending = true
	sh := s.shelf
	sh.remove(s)
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.Provisioned {
		close(s.over)
		sh.have--
		sh.ready--
		p.fill(sh)
	}
	p.tasks.Go(func() {
		s.close()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.memory -= sh.class.MemoryMB
		delete(p.slots, s)
		sh.slots--
		p.tidy(sh)
		p.pump()
		p.checkQuiet()
	})
}

func (s *Slot) close() {
	s.ice.Lock()
	defer s.ice.Unlock()
	s.Instance.Close()
}

// expired reports whether s is too old to be used again.
func (p *Pool) expired(s *Slot) bool {
	now := time.Now()
	if e := s.Instance.Expires(); !e.IsZero() && !now.Before(e) {
		return true
	}
	return now.Sub(s.born) >= p.c.Life
}
