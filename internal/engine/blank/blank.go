// Package blank keeps started interpreters that are nobody's yet, each in a
// sandbox of its own, so that a cold start need not wait for either.
//
// A blank is of a Kind, and blanks of a kind are alike. Take hands one out, for
// one function version and for life; it never comes back. How many of a kind are
// kept follows from how often it is taken and how long one takes to make, within
// a budget of memory. They are made in the background, while no request waits.
package blank

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// ErrClosed means that the pool is closed.
var ErrClosed = errors.New("blank: closed")

// A Kind names blanks that are alike.
type Kind struct {
	Key      string // runtimes.Blank's
	Outbound bool
	TmpMB    int
}

// An Order says which blank is wanted, and how it is made.
type Order struct {
	runtimes.Blank
	Outbound bool
	TmpMB    int

	// At, unless nil, is the Blank in a sandbox that shows its mounts where
	// path says.
	At func(path func(inside string) string) runtimes.Blank
}

func (o *Order) kind() Kind { return Kind{o.Key, o.Outbound, o.TmpMB} }

// A Blank is an interpreter that waits for its assignment. Who has taken it
// closes it.
type Blank struct {
	*Place
	Proc   sandbox.Process
	Output *Output       // where Proc writes
	CPU    time.Duration // that it had used when it was ready

	mb   int // of memory, when it was ready
	born time.Time
	over chan struct{} // closed when it is nobody's any more
}

// alive reports whether b can still become something.
func (b *Blank) alive() bool {
	select {
	case <-b.Proc.Done():
		return false
	default:
		return true
	}
}

// A Maker makes blanks. Its methods may be called from any goroutine.
type Maker interface {
	// Make returns a blank that waits for its assignment.
	Make(ctx context.Context, o Order) (*Blank, error)

	// Tidy frees what was not needed for so long.
	Tidy(unused time.Duration)

	// Close frees everything, once no Make is under way.
	Close()
}

// A Config says how a Pool behaves. A zero field has the default written there.
type Config struct {
	Maker    Maker
	BudgetMB int           // of memory for blanks; 0 keeps none
	Makers   int           // made at a time in the background; 1
	MaxAge   time.Duration // an older blank is replaced; 1 hour
	Log      *slog.Logger  // slog.Default()

	// Busy reports whether requests need the machine; nil is never.
	Busy func() bool
}

// A Pool owns the blanks that nobody has taken. Its methods may be called from
// any goroutine.
type Pool struct {
	c      Config
	ctx    context.Context // of what is made; ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	wake   chan struct{} // of the filler; of capacity 1

	mu     sync.Mutex // guards what follows
	kinds  map[Kind]*kind
	making int       // of all kinds, in the background
	since  time.Time // blanks are missing since; zero when none is
	closed bool
}

// A kind is what there is of one Kind.
type kind struct {
	order   Order
	ready   []*Blank // the last was made last
	waiters []*waiter
	making  int // in the background or for a waiter
	demand  demand

	cost     float64       // MB of one
	took     time.Duration // to make one
	failures int           // in a row
	retry    time.Time     // no more is made in the background until then

	hits, misses uint64
}

// A waiter is a Take that found nothing.
type waiter struct{ got chan made } // of capacity 1

type made struct {
	blank *Blank
	err   error
}

// New makes a Pool. Close ends it.
func New(c Config) *Pool {
	if c.Makers <= 0 {
		c.Makers = 1
	}
	if c.MaxAge == 0 {
		c.MaxAge = time.Hour
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Busy == nil {
		c.Busy = func() bool { return false }
	}
	p := &Pool{c: c, wake: make(chan struct{}, 1), kinds: map[Kind]*kind{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.tasks.Go(p.keep)
	return p
}

// Expect says that a blank may soon be wanted. It is a hint.
func (p *Pool) Expect(o Order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && p.c.BudgetMB > 0 {
		p.kind(o).demand.expected = time.Now()
		p.rouse()
	}
}

// Take returns a blank, the caller's alone from now on. Where there is none it has
// one made at once, and takes whichever is ready first, that or another.
func (p *Pool) Take(ctx context.Context, o Order) (*Blank, error) {
	b, w, err := p.pick(o)
	if w == nil {
		return b, err
	}
	select {
	case m := <-w.got:
		return m.blank, m.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.kind(o)
	k.waiters = slices.DeleteFunc(k.waiters, func(o *waiter) bool { return o == w })
	select {
	case m := <-w.got:
		if m.blank != nil {
			p.shelve(k, m.blank)
		}
	default:
	}
	return nil, ctx.Err()
}

// pick takes a blank that is ready, or waits for one that is being made.
func (p *Pool) pick(o Order) (*Blank, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, ErrClosed
	}
	k := p.kind(o)
	k.demand.take(time.Now())
	p.rouse()
	for n := len(k.ready); n > 0; n = len(k.ready) {
		b := k.ready[n-1]
		k.ready[n-1] = nil
		k.ready = k.ready[:n-1]
		close(b.over)
		if b.alive() {
			k.hits++
			return b, nil, nil
		}
		p.tasks.Go(b.Close)
	}
	k.misses++
	w := &waiter{make(chan made, 1)}
	k.waiters = append(k.waiters, w)
	if k.making < len(k.waiters) {
		p.begin(k, nil)
	}
	return nil, w, nil
}

// kind returns what there is of o's kind, and makes the next as o says.
func (p *Pool) kind(o Order) *kind {
	k := p.kinds[o.kind()]
	if k == nil {
		k = &kind{demand: newDemand(), cost: firstCost}
		p.kinds[o.kind()] = k
	}
	k.order = o
	return k
}

// begin has one more of k made; done, if any, is called when it is, with mu held.
func (p *Pool) begin(k *kind, done func()) {
	k.making++
	o := k.order
	p.tasks.Go(func() {
		start := time.Now()
		b, err := p.c.Maker.Make(p.ctx, o)
		p.mu.Lock()
		defer p.mu.Unlock()
		k.making--
		if done != nil {
			done()
		}
		if err != nil {
			p.failed(k, err)
		} else {
			k.learn(float64(b.mb), time.Since(start))
			p.shelve(k, b)
		}
		p.rouse()
	})
}

// learn takes in what making one has cost.
func (k *kind) learn(mb float64, took time.Duration) {
	k.failures, k.retry = 0, time.Time{}
	if k.took == 0 {
		k.cost, k.took = max(mb, 0.5), took
		return
	}
	k.cost += (max(mb, 0.5) - k.cost) / 4
	k.took += (took - k.took) / 4
}

// failed tells who cannot hope for another, and lets time pass before the next
// is made in the background.
func (p *Pool) failed(k *kind, err error) {
	if len(k.waiters) > k.making {
		w := k.waiters[0]
		k.waiters = k.waiters[1:]
		w.got <- made{err: err}
	}
	if p.closed {
		return
	}
	p.c.Log.Warn("make a blank", "key", k.order.Key, "err", err)
	k.retry = time.Now().Add(min(time.Second<<min(k.failures, 10), time.Minute))
	k.failures++
}

// shelve gives b to who waits, or keeps it.
func (p *Pool) shelve(k *kind, b *Blank) {
	switch {
	case p.closed:
		p.tasks.Go(b.Close)
	case len(k.waiters) > 0:
		w := k.waiters[0]
		k.waiters = k.waiters[1:]
		w.got <- made{blank: b}
	default:
		b.over = make(chan struct{})
		k.ready = append(k.ready, b)
		p.tasks.Go(func() { p.watch(k, b, b.over) })
	}
}

// watch has b replaced when it dies.
func (p *Pool) watch(k *kind, b *Blank, over chan struct{}) {
	select {
	case <-over:
		return
	case <-b.Proc.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(k.ready, b); i >= 0 {
		p.drop(k, i)
		p.failed(k, errDied) // what dies by itself would go on dying
		p.rouse()
	}
}

var errDied = errors.New("blank: the interpreter has ended before it was anybody's")

// drop ends the i-th that is ready.
func (p *Pool) drop(k *kind, i int) {
	b := k.ready[i]
	k.ready = slices.Delete(k.ready, i, i+1)
	close(b.over)
	p.tasks.Go(b.Close)
}

// rouse has the filler look.
func (p *Pool) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Close ends all blanks. When it returns, nothing of the pool is left. Who waits
// gets ErrClosed.
func (p *Pool) Close() {
	p.mu.Lock()
	again := p.closed
	p.closed = true
	for _, k := range p.kinds {
		for len(k.ready) > 0 {
			p.drop(k, len(k.ready)-1)
		}
		for _, w := range k.waiters {
			w.got <- made{err: ErrClosed}
		}
		k.waiters = nil
	}
	p.mu.Unlock()
	p.cancel()
	p.tasks.Wait()
	if !again {
		p.c.Maker.Close()
	}
}
