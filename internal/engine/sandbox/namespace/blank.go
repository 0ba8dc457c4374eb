//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// A kind is what has to be known of a sandbox to begin with it.
type kind struct {
	outbound bool
	tmpMB    int
}

func kindOf(s sandbox.Spec) kind { return kind{s.Outbound, s.TmpMB} }

// A blank is what a sandbox has before more is known of it than its kind: most
// of the work, done ahead of requests.
type blank struct {
	kind
	tier   *Tier
	slot   int
	group  group
	disks  *disks          // nil where there are none
	disk   *disk           // of /tmp
	net    *os.File        // network namespace
	way    *way            // out; nil without
	relay  *relay          // of questions about names; nil where none is needed
	init   *machineProcess // the first process, with the beginnings of a file system, until the sandbox has it
	joiner *machineProcess // what becomes the first command, until it does
}

// newBlank makes one.
func (t *Tier) newBlank(ctx context.Context, of kind) (*blank, error) {
	slot, err := t.slot()
	if err != nil {
		return nil, err
	}
	k := &blank{tier: t, slot: slot, kind: of, disks: t.disks}
	if err := k.open(ctx); err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

func (k *blank) open(ctx context.Context) (err error) {
	if k.group, err = k.tier.groups.make(strconv.Itoa(k.slot)); err != nil {
		return fmt.Errorf("make control group: %w", err)
	}
	if err := k.connect(); err != nil {
		return err
	}
	if k.init, err = k.newHolder(ctx); err != nil {
		return err
	}
	k.joiner, err = k.newJoiner(ctx)
	return err
}

// connect makes the network namespace, and the way out.
func (k *blank) connect() (err error) {
	if k.tier.rootless { // the init makes it
		return nil
	}
	if k.net, err = newNetns(); err != nil {
		return err
	}
	if !k.outbound {
		return nil
	}
	n := k.tier.out()
	if n == nil {
		return nil
	}
	if k.way, err = n.open(k.net); err != nil {
		return err
	}
	if up := k.tier.names.upstream; up != "" {
		k.relay, err = newRelay(k.net, up)
	}
	return err
}

// uid is whom code runs as, as it sees itself.
func (k *blank) uid() int {
	if k.tier.rootless {
		return rootlessUID
	}
	return k.tier.uids + k.slot
}

// close gives everything back. The processes that a sandbox had are gone.
func (k *blank) close() error {
	errs := errors.Join(k.init.end(), k.joiner.end())
	k.init, k.joiner = nil, nil
	k.relay.close()
	k.way.close()
	if k.net != nil {
		k.net.Close()
	}
	if k.group != nil {
		errs = errors.Join(errs, k.group.remove())
	}
	if k.disks != nil {
		k.disks.giveBack(k.disk)
	}
	k.tier.release(k.slot)
	return errs
}

// A reserve keeps a few blanks ready. It fills up in the background, from the
// first Open on, with blanks of the kind that was wanted last; of other kinds it
// keeps what there is room for. How many it keeps follows what is wanted: twice as many
// after each time that there was none, half as many after a while without such a time.
//
// It makes one at a time, and none while a sandbox is being opened. More politeness
// harms: what it holds meanwhile (the lock that forks take, the kernel's for network
// devices) is what a request would wait for, were its thread of low priority.
type reserve struct {
	tier        *Tier
	least, most int // bounds of size
	now         func() time.Time
	wg          sync.WaitGroup // fillers

	mu      sync.Mutex // guards what is below
	idle    sync.Cond  // on mu: no sandbox is being opened, or closed
	size    int
	missed  time.Time // when there was none, last
	opening int       // sandboxes
	ready   []*blank
	wanted  kind
	filling bool
	closed  bool
}

// newReserve makes one that has room for nothing, until it is resized.
func newReserve(t *Tier) *reserve {
	r := &reserve{tier: t, now: time.Now}
	r.idle.L = &r.mu
	return r
}

// growth is how much larger a reserve becomes than it begins.
const growth = 8

// resize sets the bounds.
func (r *reserve) resize(least int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.least, r.size, r.most = least, least, growth*least
}

// quiet is how long there has to be always a blank until a reserve becomes smaller.
const quiet = time.Minute

// demand changes the size; r.mu is held.
func (r *reserve) demand(missed bool) {
	switch now := r.now(); {
	case missed:
		r.size, r.missed = min(max(2*r.size, r.least), r.most), now
	case now.Sub(r.missed) > quiet:
		r.size, r.missed = max(r.size/2, r.least), now
	}
}

// opened says that a sandbox for which there was a take is open, or is not to be.
func (r *reserve) opened() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opening--; r.opening == 0 {
		r.idle.Broadcast()
	}
}

// take returns a blank, or nil when there is none of that kind. A call of opened
// has to follow.
func (r *reserve) take(of kind) (k *blank) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opening++
	known := r.wanted == of
	r.wanted = of
	if i := r.find(true); i >= 0 {
		k = r.ready[i]
		r.ready = slices.Delete(r.ready, i, i+1)
	}
	r.demand(k == nil && known)
	if !r.filling && !r.closed && r.lacks() {
		r.filling = true
		r.wg.Go(r.fill)
	}
	return k
}

// find returns where there is a blank that is of the kind wanted, or is not;
// r.mu is held.
func (r *reserve) find(wanted bool) int {
	return slices.IndexFunc(r.ready, func(k *blank) bool { return (k.kind == r.wanted) == wanted })
}

// lacks tells whether another blank has to be made: there is room, or none of
// the kind that was wanted last; r.mu is held.
func (r *reserve) lacks() bool {
	return len(r.ready) < r.size || (r.size > 0 && r.find(true) < 0)
}

// fill makes blanks until there are enough. When that fails the next Open
// meets the error, and tells it.
func (r *reserve) fill() {
	for {
		r.mu.Lock()
		for r.opening > 0 && !r.closed {
			r.idle.Wait()
		}
		if r.closed || !r.lacks() {
			r.filling = false
			r.mu.Unlock()
			return
		}
		wanted := r.wanted
		var other *blank
		if i := r.find(false); i >= 0 && len(r.ready) >= r.size { // makes room
			other = r.ready[i]
			r.ready = slices.Delete(r.ready, i, i+1)
		}
		r.mu.Unlock()
		if err := r.replace(other, wanted); err != nil {
			r.mu.Lock()
			r.filling = false
			r.mu.Unlock()
			return
		}
	}
}

// replace makes one blank, and closes one of the other kind, if any.
func (r *reserve) replace(other *blank, wanted kind) error {
	if other != nil {
		if err := other.close(); err != nil {
			return err
		}
	}
	k, err := r.tier.newBlank(context.Background(), wanted)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = append(r.ready, k)
	return nil
}

// close waits for the filler, and closes what is ready.
func (r *reserve) close() error {
	r.mu.Lock()
	r.closed = true
	r.idle.Broadcast()
	r.mu.Unlock()
	r.wg.Wait()
	var errs error
	for _, k := range r.ready {
		errs = errors.Join(errs, k.close())
	}
	r.ready = nil
	return errs
}
