//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// A box is one sandbox.
type box struct {
	*blank
	spec sandbox.Spec

	mu          sync.Mutex // guards what is below; held while something starts or ends
	closed      bool
	frozen      bool
	late        bool     // until Furnish
	outer       *os.File // see furnishRootless; nil otherwise
	holder      *holder  // nil after Kill, until the next Start
	mnt         *os.File // mount namespace: /tmp lives as long as this
	running     map[*proc]bool
	killsBefore int // OOM kills before the last ResetUsage
	listeners   []net.Listener

	tally tally
}

// Open makes a sandbox with nothing but its init in it.
func (t *Tier) Open(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !validID.MatchString(spec.ID) {
		return nil, fmt.Errorf("namespace: %q cannot be a sandbox's name", spec.ID)
	}
	k := t.reserve.take(kindOf(spec))
	defer t.reserve.opened()
	if k == nil {
		var err error
		if k, err = t.newBlank(ctx, kindOf(spec)); err != nil {
			return nil, fmt.Errorf("namespace: open sandbox %s: %w", spec.ID, err)
		}
	}
	b := &box{blank: k, spec: spec, running: map[*proc]bool{}, late: spec.Late}
	if err := b.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("namespace: open sandbox %s: %w", spec.ID, err), b.Close())
	}
	return b, nil
}

func (b *box) open(ctx context.Context) (err error) {
	if err := b.group.limit(b.spec); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.furnish(ctx)
}

// Path is target: a sandbox has a root of its own.
func (b *box) Path(target string) string { return target }

// Listen listens inside. The listener works from out here, because a socket
// stays where it was made.
func (b *box) Listen(port int) (net.Listener, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	l, err := b.listen(port)
	if err != nil {
		return nil, fmt.Errorf("namespace: listen on port %d: %w", port, err)
	}
	b.listeners = append(b.listeners, l)
	return l, nil
}

func (b *box) listen(port int) (l net.Listener, err error) {
	if b.tier.rootless {
		return b.listenInside(port)
	}
	err = inNetns(b.net, func() error {
		l, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		return err
	})
	return l, err
}

// Freeze stops everything.
func (b *box) Freeze() error { return b.setFrozen(true) }

// Thaw lets everything go on.
func (b *box) Thaw() error { return b.setFrozen(false) }

func (b *box) setFrozen(frozen bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	if err := b.stop(frozen); err != nil {
		return fmt.Errorf("namespace: freeze %t: %w", frozen, err)
	}
	b.frozen = frozen
	return nil
}

// LimitCPU sets the share of processors anew.
func (b *box) LimitCPU(cpus float64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	if err := b.group.share(cpus); err != nil {
		return fmt.Errorf("namespace: limit CPU: %w", err)
	}
	return nil
}

// Usage tells what the sandbox's control group has counted.
func (b *box) Usage() (sandbox.Usage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return sandbox.Usage{}, errClosed
	}
	u, err := b.group.usage()
	if errors.Is(err, errors.ErrUnsupported) {
		return b.counted(), nil
	}
	if err != nil {
		return u, fmt.Errorf("namespace: usage: %w", err)
	}
	u.OOMKills -= b.killsBefore
	return u, nil
}

// ResetUsage starts the peak of memory and the count of kills anew.
func (b *box) ResetUsage() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	if u, err := b.group.usage(); err == nil {
		b.killsBefore = u.OOMKills
	}
	b.resetCounted()
	if err := b.group.resetPeak(); err != nil {
		return fmt.Errorf("namespace: reset usage: %w", err)
	}
	return nil
}

// Kill ends every process. With the init its PID namespace ends; the next
// Start makes another, in the same file system. Without root the init stays.
func (b *box) Kill() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kill()
}

// kill is Kill with b.mu held.
func (b *box) kill() error {
	if b.holder == nil {
		return nil
	}
	var errs error
	if b.frozen { // what is frozen cannot die
		if err := b.group.freeze(false); !errors.Is(err, errors.ErrUnsupported) { // but what a signal stopped can
			errs = err
		}
		b.frozen = false
	}
	errs = errors.Join(errs, b.joiner.end())
	b.joiner = nil
	if b.tier.rootless && !b.closed {
		errs = errors.Join(errs, b.killInside())
	} else {
		errs = errors.Join(errs, b.holder.end())
		b.holder = nil
	}
	for p := range b.running {
		<-p.done
	}
	clear(b.running)
	errs = errors.Join(errs, b.group.kill())
	if errs != nil {
		return fmt.Errorf("namespace: kill: %w", errs)
	}
	return nil
}

// Close ends everything, and gives everything back.
func (b *box) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	for _, l := range b.listeners {
		l.Close()
	}
	errs := b.kill()
	if b.mnt != nil {
		b.mnt.Close()
	}
	b.closeOuter()
	errs = errors.Join(errs, b.blank.close())
	if errs != nil {
		return fmt.Errorf("namespace: close: %w", errs)
	}
	return nil
}
