//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"sync"
	"syscall"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"golang.org/x/sys/unix"
)

// A late sandbox gives up everything at once, as any does: its root holds nothing
// of the host but what all sandboxes have, and its init has no rights. What it lacks
// comes from outside. A process with the host's root in sight takes copies of the
// mounts that are wanted, which are nowhere yet, then enters the mount namespace, and
// puts them in place.

// A furnisher is that process, where root runs us: one for all sandboxes, with all
// rights. It is in a sandbox's mount namespace only while none of the function's code
// runs there, and only for system calls that were decided before it went.
type furnisher struct {
	tier *Tier

	mu sync.Mutex      // held while it works
	m  *machineProcess // nil until it is needed, and after a failure
}

// Descriptors in a furnisher: the mount namespaces that the copies are taken in, and
// where they go; then the copies.
const (
	homeFD   = 3
	targetFD = 4
	copyFD   = 5
)

// maxMounts is how many mounts a furnishing may have: descriptors are few.
const maxMounts = controlFD - copyFD

// furnish puts mounts into the mount namespace mnt.
func (f *furnisher) furnish(ctx context.Context, mnt *os.File, mounts []sandbox.Mount) error {
	p := newBuilder()
	p.receive(1)
	if err := p.furnish(mounts); err != nil {
		return err
	}
	p.do("return", unix.SYS_SETNS, num(homeFD), num(unix.CLONE_NEWNS))
	p.closeFrom(targetFD)
	p.chain()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.start(ctx); err != nil {
		return err
	}
	err := f.m.chainedWith(ctx, p.program, mnt)
	if err != nil { // wherever it is now, it is of no use any more
		err = errors.Join(err, f.m.end())
		f.m = nil
	}
	return err
}

// start makes the process; f.mu is held.
func (f *furnisher) start(ctx context.Context) error {
	if f.m != nil {
		return nil
	}
	m, err := f.tier.spawn(&syscall.SysProcAttr{})
	if err != nil {
		return err
	}
	p := &program{}
	p.closeFrom(homeFD)
	p.do("open the mount namespace", unix.SYS_OPENAT, num(unix.AT_FDCWD), p.str("/proc/self/ns/mnt"), num(unix.O_RDONLY|unix.O_CLOEXEC), num(0))
	p.chain()
	if err := m.chained(ctx, p); err != nil {
		return errors.Join(err, m.end())
	}
	f.m = m
	return nil
}

// close ends the process.
func (f *furnisher) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.m.end()
	f.m = nil
	return err
}

// furnishRootless is furnish without root. The sandbox's own user namespace has the
// rights that are needed, and a mount namespace, made on the way, in which the host's
// root is still in sight. No process was left in it: one goes there now.
func (b *box) furnishRootless(ctx context.Context, mounts []sandbox.Mount) error {
	if b.holder == nil {
		return errNoInit
	}
	const initFD = copyFD // its place is free again when the copies come
	p := newBuilder()
	p.rootless = true
	p.closeFrom(homeFD)
	p.receive(3)
	p.do("enter user namespace", unix.SYS_SETNS, num(initFD), num(unix.CLONE_NEWUSER))
	p.do("close files", unix.SYS_CLOSE, num(initFD))
	p.do("enter the outer mount namespace", unix.SYS_SETNS, num(homeFD), num(unix.CLONE_NEWNS))
	if err := p.furnish(mounts); err != nil {
		return err
	}
	p.chain()
	m, err := b.tier.spawn(&syscall.SysProcAttr{})
	if err != nil {
		return err
	}
	return errors.Join(m.chainedWith(ctx, p.program, b.outer, b.mnt, b.holder.pidfd), m.end())
}

// chainedWith is chained for a program that receives files.
func (m *machineProcess) chainedWith(ctx context.Context, p *program, files ...*os.File) error {
	if err := errors.Join(m.run(ctx, p), m.send(files...)); err != nil {
		return err
	}
	return m.finish(ctx, p)
}

// furnish copies mounts, enters the mount namespace at targetFD, and puts them
// there.
func (b *builder) furnish(mounts []sandbox.Mount) error {
	mounts = outerFirst(mounts)
	if len(mounts) > maxMounts {
		return fmt.Errorf("%d mounts: %w", len(mounts), unix.E2BIG)
	}
	for i, m := range mounts {
		b.copyMount(copyFD+i, m)
	}
	b.do("enter mount namespace", unix.SYS_SETNS, num(targetFD), num(unix.CLONE_NEWNS))
	b.unseal()
	for i, m := range mounts {
		if err := b.place(m); err != nil {
			return err
		}
		target := path.Clean(m.Target)
		b.do("mount "+target, unix.SYS_MOVE_MOUNT, num(copyFD+i), b.str(""), num(unix.AT_FDCWD), b.str(inRoot(target)), num(unix.MOVE_MOUNT_F_EMPTY_PATH))
	}
	b.seal()
	return nil
}

// copyMount makes a copy of what is mounted at m's source, read-only, and nobody's
// peer. It is the descriptor at.
func (b *builder) copyMount(at int, m sandbox.Mount) {
	deep := 0
	if b.rootless { // see bind
		deep = unix.AT_RECURSIVE
	}
	b.do("open "+m.Target, unix.SYS_OPEN_TREE, num(unix.AT_FDCWD), b.str(m.Source), num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|deep))
	b.do("make "+m.Target+" read-only", unix.SYS_MOUNT_SETATTR, num(at), b.str(""), num(unix.AT_EMPTY_PATH|deep),
		b.words(num(readOnly), num(0), num(unix.MS_PRIVATE), num(0)), num(sizeofMountAttr))
}

// Furnish completes a late sandbox.
func (b *box) Furnish(ctx context.Context, f sandbox.Furnishing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	if !b.late {
		return fmt.Errorf("namespace: furnish %s: %w", b.spec.ID, errComplete)
	}
	b.late = false
	if err := b.complete(ctx, f); err != nil {
		return fmt.Errorf("namespace: furnish %s: %w", b.spec.ID, err)
	}
	return nil
}

// errComplete is the error of furnishing what lacks nothing.
var errComplete = errors.New("the sandbox is complete")

// complete sets the limits, and brings the mounts; b.mu is held.
func (b *box) complete(ctx context.Context, f sandbox.Furnishing) error {
	b.spec.MemoryMB, b.spec.CPUs, b.spec.PIDs = f.MemoryMB, f.CPUs, f.PIDs
	if err := errors.Join(b.group.limit(b.spec), b.limitRunning()); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	if !b.tier.rootless {
		return b.tier.furnisher.furnish(ctx, b.mnt, f.Mounts)
	}
	defer b.closeOuter()
	return b.furnishRootless(ctx, f.Mounts)
}

// limitRunning limits the processes that run already, where the kernel counts
// processes by user; b.mu is held.
func (b *box) limitRunning() error {
	if !b.tier.countsByUser() || b.spec.PIDs <= 0 {
		return nil
	}
	most := unix.Rlimit{Cur: uint64(b.spec.PIDs), Max: uint64(b.spec.PIDs)}
	for p := range b.running {
		if err := unix.Prlimit(p.pid, unix.RLIMIT_NPROC, &most, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// closeOuter lets go of the mount namespace that the host's root is in sight in.
func (b *box) closeOuter() {
	if b.outer != nil {
		b.outer.Close()
		b.outer = nil
	}
}
