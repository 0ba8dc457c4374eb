// Package pool keeps sandboxes warm and picks one for an invocation. It knows
// an Instance only as something that is started, frozen and closed.
//
// Instances of one Class are alike: same code, same configuration. An instance
// belongs to its class for life. Take hands out the one that was used last, so
// that the others can age; where there is none it starts one, and the caller
// gets whichever is ready first, the new one or one given back meanwhile.
//
// Memory is a budget. What is taken, provisioned or being started counts with
// its whole limit: it may come to use it. What is idle is frozen, and counts with
// what it holds. Where there is not enough, the idle instances go that are worth
// least. Classes that want starts or memory stand in line and get one thing
// each in turn, so that a burst of one delays another by one start at most.
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

	// HeldMB is the memory that the instance holds, as far as is known.
	HeldMB() int

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
	Idle        time.Duration // an instance idle for so long is ended, or before, see past.keep; 30 minutes
	Life        time.Duration // and one so old; 6 hours
	FreezeAfter time.Duration // an instance idle for so long, or for a second if it is used that often, is frozen; negative: never; 50 ms
	MemoryMB    int           // what all instances together may use, see above; no limit
	LeastMB     int           // an idle instance counts as at least so much of it, for there is more to keep than memory
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&c.Idle, 30*time.Minute)
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
	epoch time.Time      // what worth counts from
	tasks sync.WaitGroup // goroutines of the pool: starts, ends, timers at work, watchers
	stop  chan struct{}  // closed by Close: nobody waits any more
	quiet chan struct{}  // closed when closed, and nothing is left

	mu      sync.Mutex // guards what follows, and all shelves, pasts and slots
	shelves map[string]*shelf
	pasts   map[string]*past
	drained map[string]time.Time // when, of the keys that were drained lately
	slots   map[*Slot]bool       // all that are not closed yet
	active  map[*start]bool      // starts at work
	line    line                 // of shelves that want something, in the order of their turns
	ranks   ranks                // of shelves with something idle
	memory  int                  // MB of slots and active starts
	leaving int                  // of it, MB of slots that are ending
	short   *shelf               // the first in line that there was no memory for; nil for none
	claim   *shelf               // for which memory is kept; nil for none
	closed  bool
}

// A Slot is an instance and its place in the pool.
type Slot struct {
	Instance    Instance
	Provisioned bool
	Fresh       bool // for the taker: nobody took it before

	shelf  *shelf
	born   time.Time
	mb     int // what counts of the memory
	used   bool
	taken  bool
	ending bool
	since  time.Time     // idle since, or taken since
	timer  *time.Timer   // fires when the idle slot is to be frozen, or ended
	armed  bool          // timer runs
	due    time.Time     // when it fires
	over   chan struct{} // closed when ending; nil if nobody watches

	on         *list // of its shelf; nil while it is not idle
	prev, next *Slot // there

	ice    sync.Mutex // held while freezing, thawing or closing; locked before Pool.mu
	frozen bool       // guarded by ice
}

// New makes a Pool.
func New(c Config) *Pool {
	return &Pool{
		c: c.withDefaults(), epoch: time.Now(), stop: make(chan struct{}), quiet: make(chan struct{}),
		shelves: map[string]*shelf{}, pasts: map[string]*past{}, drained: map[string]time.Time{}, slots: map[*Slot]bool{}, active: map[*start]bool{},
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
	s := sh.top()
	if s != nil && sh.waiters.Len() == 0 && p.mayHold(s) {
		p.hold(s)
		return s, nil, nil
	}
	now := time.Now()
	if s == nil {
		sh.past.miss(now)
	}
	w := &waiter{shelf: sh, since: now, got: make(chan result, 1)}
	w.place = sh.waiters.PushBack(w)
	if sh.later == nil || p.patience(sh) <= 0 {
		p.enlist(sh)
		p.pump()
	}
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
	if w.place != nil {
		w.shelf.waiters.Remove(w.place)
		p.tidy(w.shelf)
		p.pump()
	}
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
	p.release(s)
	mean(&s.shelf.past.turn, time.Since(s.since))
	p.settle(s)
	p.pump()
}

// End ends s, which was taken. It does not wait for that.
func (p *Pool) End(s *Slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(s)
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
	case p.mayHand(s):
		p.hold(s)
		p.relieve(sh)
		if sh.place != nil {
			p.line.MoveToBack(sh.place)
		}
		sh.serve(result{slot: s})
	case sh.gone && sh.waiters.Len() == 0:
		p.end(s)
	default:
		p.shelve(s)
	}
}

// shelve has s wait for its next use.
func (p *Pool) shelve(s *Slot) {
	s.since = time.Now()
	s.shelf.past.use(s.since)
	if !s.Provisioned && p.c.FreezeAfter >= 0 {
		p.count(s, min(max(s.Instance.HeldMB(), p.c.LeastMB, 1), s.shelf.class.MemoryMB))
	}
	p.put(s)
	p.arm(s)
	if s.shelf.waiters.Len() > 0 { // they wait for a claim to be met
		p.enlist(s.shelf)
	}
}

// count has s count with mb of the memory.
func (p *Pool) count(s *Slot, mb int) {
	p.memory += mb - s.mb
	s.mb = mb
}

// hold marks s as taken.
func (p *Pool) hold(s *Slot) {
	now := time.Now()
	if s.on != nil {
		mean(&s.shelf.past.pause, now.Sub(s.since))
	}
	if s.on != nil && !s.Provisioned {
		s.shelf.past.gaps.add(now.Sub(s.since))
	}
	p.pull(s)
	p.count(s, s.shelf.class.MemoryMB)
	s.taken, s.Fresh, s.used, s.since = true, !s.used, true, now
	s.shelf.busy++
}

// release marks s as nobody's.
func (p *Pool) release(s *Slot) {
	s.taken = false
	s.shelf.busy--
}

// end closes s, in the background, and frees its place when that is done.
func (p *Pool) end(s *Slot) {
	if s.ending {
		return
	}
	s.ending = true
	p.leaving += s.mb
	sh := s.shelf
	p.pull(s)
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
		p.memory -= s.mb
		p.leaving -= s.mb
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
