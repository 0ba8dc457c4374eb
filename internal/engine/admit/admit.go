// Package admit decides whether one more invocation may run now. It does no
// I/O and knows no time.
//
// A place is one invocation running, or one provisioned sandbox whether it runs
// or not. The account has so many places. A function with reserved concurrency
// has its own part of them, and no more; the others share the rest.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
package admit

import "sync"

// Reasons for a refusal, as TooManyRequestsException's Reason says them.
const (
	Account  = "ConcurrentInvocationLimitExceeded"
	Reserved = "ReservedFunctionConcurrentInvocationLimitExceeded"
)

// DefaultLimit is the account's places where nothing else is said.
const DefaultLimit = 1000

// A Gate counts places. Its methods may be called from any goroutine.
type Gate struct {
	mu        sync.Mutex // guards what follows, and what it points to
	limit     int
	reserved  int // sum of all reservations
	shared    int // places used by functions without a reservation
	running   int // invocations, of all functions
	functions map[string]*function
}

// A function is one function's share of the account.
type function struct {
	reserved int // -1 for no reservation
	used     int // places
	keys     map[string]*unit
}

// A unit is one key's part of its function.
type unit struct {
	running, provisioned int
	forgotten            bool // will not be asked for again, most likely
}

func (u *unit) places() int { return max(u.running, u.provisioned) }

// New makes a Gate for an account with limit places; 0 is DefaultLimit.
func New(limit int) *Gate {
	if limit == 0 {
		limit = DefaultLimit
	}
	return &Gate{limit: limit, functions: map[string]*function{}}
}

// Enter takes a place for one invocation of key, a unit of function name. The
// caller must Leave when done. It returns the reason when there is no place.
func (g *Gate) Enter(name, key string) (reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.functions[name]
	if f == nil {
		f = g.function(name)
	}
	u := f.unit(key)
	if u.running >= u.provisioned { // a provisioned place is paid for already
		if reason = g.room(f); reason != "" {
			g.tidy(name, f, key, u)
			return reason
		}
	}
	g.running++
	g.change(f, u, func() { u.running++ })
	return ""
}

// Leave gives back the place that Enter took.
func (g *Gate) Leave(name, key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.functions[name]
	if f == nil || f.keys[key] == nil || f.keys[key].running == 0 {
		panic("admit: Leave without Enter")
	}
	u := f.keys[key]
	g.running--
	g.change(f, u, func() { u.running-- })
	if u.forgotten { // else it will be back, and should find all made
		g.tidy(name, f, key, u)
	}
}

// Reserve gives function name its own n places; 0 lets none of its invocations
// in. What runs now runs on.
func (g *Gate) Reserve(name string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.setReserved(name, n)
}

// Unreserve lets function name share the account's places again.
func (g *Gate) Unreserve(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.setReserved(name, -1)
}

// Provision sets aside n of function name's places for key.
func (g *Gate) Provision(name, key string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.function(name)
	u := f.unit(key)
	g.change(f, u, func() { u.provisioned = n })
	g.tidy(name, f, key, u)
}

// Forget gives up what is set aside for key, whose function is not known to
// the caller.
func (g *Gate) Forget(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, f := range g.functions {
		if u := f.keys[key]; u != nil {
			u.forgotten = true
			g.change(f, u, func() { u.provisioned = 0 })
			g.tidy(name, f, key, u)
		}
	}
}

// Running is how many invocations run, of all functions.
func (g *Gate) Running() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running
}

// room says why f may not use one more place, or nothing.
func (g *Gate) room(f *function) (reason string) {
	switch {
	case f.reserved >= 0 && f.used >= f.reserved:
		return Reserved
	case f.reserved < 0 && g.shared >= g.limit-g.reserved:
		return Account
	}
	return ""
}

// change does what changes u's places, and keeps the sums right.
func (g *Gate) change(f *function, u *unit, do func()) {
	before := u.places()
	do()
	n := u.places() - before
	f.used += n
	if f.reserved < 0 {
		g.shared += n
	}
}

func (g *Gate) setReserved(name string, n int) {
	f := g.function(name)
	if f.reserved < 0 {
		g.shared -= f.used
	} else {
		g.reserved -= f.reserved
	}
	f.reserved = n
	if n < 0 {
		g.shared += f.used
	} else {
		g.reserved += n
	}
	g.tidy(name, f, "", nil)
}

func (g *Gate) function(name string) *function {
	f := g.functions[name]
	if f == nil {
		f = &function{reserved: -1, keys: map[string]*unit{}}
		g.functions[name] = f
	}
	return f
}

func (f *function) unit(key string) *unit {
	u := f.keys[key]
	if u == nil {
		u = &unit{}
		f.keys[key] = u
	}
	return u
}

// tidy forgets what counts nothing any more.
func (g *Gate) tidy(name string, f *function, key string, u *unit) {
	if u != nil && u.places() == 0 {
		delete(f.keys, key)
	}
	if len(f.keys) == 0 && f.reserved < 0 {
		delete(g.functions, name)
	}
}
