package blank

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// A nursery has one zygote of each key that is in use.
type nursery struct {
	tier sandbox.Nursery
	log  *slog.Logger

	mu     sync.Mutex // guards what follows, and the zygotes
	all    map[string]*zygote
	closed bool
}

// A zygote is one that is there, or on its way.
type zygote struct {
	made chan struct{} // closed when z or err is there
	z    sandbox.Zygote
	err  error
	used time.Time // last asked for, and there; or failed
}

func newNursery(t sandbox.Nursery, log *slog.Logger) *nursery {
	return &nursery{tier: t, log: log, all: map[string]*zygote{}}
}

// again is how long a zygote that could not be made is not tried again.
const again = time.Minute

// get returns o's zygote. The first to ask has it made; one that has ended is
// made anew.
func (n *nursery) get(ctx context.Context, o Order) (sandbox.Zygote, error) {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil, errNurseryClosed
	}
	g := n.all[o.ZygoteKey]
	if g == nil || g.spent() {
		if g != nil && g.z != nil {
			defer g.z.Close()
		}
		g = &zygote{made: make(chan struct{})}
		n.all[o.ZygoteKey] = g
		g.used = time.Now()
		n.mu.Unlock()
		n.make(ctx, o, g)
		return g.z, g.err
	}
	if g.err == nil {
		g.used = time.Now()
	}
	n.mu.Unlock()
	select {
	case <-g.made:
		return g.z, g.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *nursery) make(ctx context.Context, o Order, g *zygote) {
	out := NewOutput(debugLog{n.log, o.ZygoteKey})
	cmd := *o.Zygote
	cmd.Stdout, cmd.Stderr = out, out
	z, err := n.tier.Zygote(ctx, o.Mounts, cmd)
	if err != nil && ctx.Err() == nil {
		n.log.Warn("make a zygote; interpreters are executed instead", "key", o.ZygoteKey, "err", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	g.z, g.err, g.used = z, err, time.Now()
	close(g.made)
}

// spent reports whether another is to be made. n.mu is held.
func (g *zygote) spent() bool {
	select {
	case <-g.made:
	default:
		return false
	}
	if g.err != nil {
		return time.Since(g.used) > again
	}
	select {
	case <-g.z.Done():
		return true
	default:
		return false
	}
}

// drop ends z, which cannot be forked from.
func (n *nursery) drop(key string, z sandbox.Zygote) {
	n.mu.Lock()
	if g := n.all[key]; g != nil && g.z == z {
		delete(n.all, key)
	}
	n.mu.Unlock()
	z.Close()
}

// tidy ends zygotes that nothing was forked from for so long.
func (n *nursery) tidy(unused time.Duration) {
	var idle []sandbox.Zygote
	n.mu.Lock()
	for key, g := range n.all {
		if g.z != nil && time.Since(g.used) >= unused {
			delete(n.all, key)
			idle = append(idle, g.z)
		}
	}
	n.mu.Unlock()
	for _, z := range idle {
		z.Close()
	}
}

func (n *nursery) count() (living int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range n.all {
		if g.z != nil && !g.spent() {
			living++
		}
	}
	return living
}

// close ends all zygotes. No get is under way, nor will there be.
func (n *nursery) close() {
	n.mu.Lock()
	all := n.all
	n.all, n.closed = map[string]*zygote{}, true
	n.mu.Unlock()
	for _, g := range all {
		if g.z != nil {
			g.z.Close()
		}
	}
}
