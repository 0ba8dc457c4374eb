//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A holder is the init of a sandbox: it makes the file system, gives up all
// rights, and then only holds the namespaces. It ends when its control socket
// does, which is when we end it or die ourselves; with it ends all that runs in its
// PID namespace. Orphans are reaped by the kernel, since it ignores SIGCHLD.
type holder struct {
	*machineProcess
	pidfd *os.File // to join its namespaces by
}

// netFD is the descriptor of the network namespace in a holder, and mntFD
// that of the mount namespace when there is one already.
const (
	netFD = firstFD
	mntFD = firstFD + 1
)

// newHolder starts an init that has the beginnings of a file system, and waits
// to be told the rest.
func (k *blank) newHolder(ctx context.Context) (*machineProcess, error) {
	const flags = unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNS
	p := newBuilder()
	attr, files := &syscall.SysProcAttr{Cloneflags: flags}, []*os.File{k.net}
	if k.tier.rootless {
		attr, files = userNamespace(), nil
		p.rootless = true
		p.loopback()
	} else {
		p.do("enter network namespace", unix.SYS_SETNS, num(netFD), num(unix.CLONE_NEWNET))
	}
	if err := k.tier.baseProgram(p, k.uid()); err != nil {
		return nil, err
	}
	p.proc()
	if k.disks != nil {
		var err error
		if k.disk, err = k.disks.make(k.tmpMB); err != nil {
			return nil, fmt.Errorf("make disk for /tmp: %w", err)
		}
	}
	p.tmp(k.disk, k.tmpMB)
	p.chain()
	m, err := k.tier.spawn(attr, files...)
	if err != nil {
		return nil, err
	}
	if err := m.chained(ctx, p.program); err != nil {
		return nil, errors.Join(err, m.end())
	}
	return m, nil
}

// furnish gives the init of a new sandbox what is the sandbox's own; b.mu is
// held.
func (b *box) furnish(ctx context.Context) error {
	p := newBuilder()
	p.rootless = b.tier.rootless
	if err := p.mounts(b.spec.Mounts); err != nil {
		return err
	}
	if b.spec.Late && b.tier.rootless {
		if err := b.stayOutside(p.program); err != nil {
			return err
		}
	}
	p.pivot()
	p.seal()
	p.hold(b.blank)
	m := b.init
	b.init = nil
	return b.held(ctx, m, p.program)
}

// stayOutside keeps the mount namespace that the init is in, and makes the init go
// on in a copy; b.mu is held.
func (b *box) stayOutside(p *program) (err error) {
	p.do("unshare", unix.SYS_UNSHARE, num(unix.CLONE_NEWNS))
	b.outer, err = os.Open(fmt.Sprintf("/proc/%d/ns/mnt", b.init.pid))
	return err
}

// hold starts another init, after the first was killed; b.mu is held. Only
// /proc is new in the file system.
func (b *box) hold(ctx context.Context) error {
	if b.tier.rootless {
		return errNoInit
	}
	const flags = unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	m, err := b.tier.spawn(&syscall.SysProcAttr{Cloneflags: flags}, b.net, b.mnt)
	if err != nil {
		return err
	}
	p := newBuilder()
	p.do("enter network namespace", unix.SYS_SETNS, num(netFD), num(unix.CLONE_NEWNET))
	p.do("enter mount namespace", unix.SYS_SETNS, num(mntFD), num(unix.CLONE_NEWNS))
	p.do("chdir /", unix.SYS_CHDIR, p.str("/"))
	p.do("unmount the old /proc", unix.SYS_UMOUNT2, p.str("/proc"), num(unix.MNT_DETACH))
	p.made["/proc"] = true
	p.proc()
	p.hold(b.blank)
	return b.held(ctx, m, p.program)
}

// held runs a program of the init that ends with holding.
func (b *box) held(ctx context.Context, m *machineProcess, p *program) error {
	if err := m.chained(ctx, p); err != nil {
		return errors.Join(err, m.end())
	}
	fd, err := unix.PidfdOpen(m.pid, 0)
	if err != nil {
		return errors.Join(fmt.Errorf("open the init: %w", err), m.end())
	}
	b.holder = &holder{machineProcess: m, pidfd: os.NewFile(uintptr(fd), "init")}
	if b.mnt == nil {
		b.mnt, err = os.Open(fmt.Sprintf("/proc/%d/ns/mnt", m.pid))
	}
	return err
}

// end kills the init, and returns when all of its PID namespace is gone.
func (h *holder) end() error {
	h.pidfd.Close()
	return h.machineProcess.end()
}

// baseProgram makes what all sandboxes have but /proc and /tmp, in memory, on an empty folder of
// the host that is seen by nobody else.
func (t *Tier) baseProgram(p *builder, uid int) error {
	dir := t.dir
	p.do("make mounts private", unix.SYS_MOUNT, num(0), p.str("/"), num(0), num(unix.MS_REC|unix.MS_PRIVATE), num(0))
	base := p.str(dir + "/root")
	p.do("mount /", unix.SYS_MOUNT, p.str("tmpfs"), base, p.str("tmpfs"), num(unix.MS_NOSUID|unix.MS_NODEV), p.str("mode=755,size=1m"))
	p.do("chdir to it", unix.SYS_CHDIR, base)
	if err := p.system(); err != nil {
		return err
	}
	passwd, group, err := accounts(dir+"/accounts", uid)
	if err != nil {
		return err
	}
	p.dir("/etc")
	p.bind(dir+"/etc", "/etc", readOnly)
	p.bind(passwd, "/etc/passwd", readOnly)
	p.bind(group, "/etc/group", readOnly)
	for _, dir := range []string{"/var/task", "/opt", "/run", "/home"} { // as on AWS, if empty
		p.dir(dir)
	}
	p.dev()
	p.do("sethostname", unix.SYS_SETHOSTNAME, p.str(hostName), num(len(hostName)))
	return nil
}

// hold gives up all rights, says so, and waits for a program, or the end of the
// control socket.
func (p *program) hold(k *blank) {
	p.do("setsid", unix.SYS_SETSID)
	p.do("take a name", unix.SYS_PRCTL, num(unix.PR_SET_NAME), p.str("mayfly-init"), num(0), num(0), num(0))
	p.closeFrom(imageFD)
	ignore := p.words(num(1), num(0), num(0), num(0)) // SIG_IGN
	p.do("ignore SIGCHLD", unix.SYS_RT_SIGACTION, num(int(unix.SIGCHLD)), ignore, num(0), num(8))
	p.drop(k, allCapabilities())
	p.do("hide from the code", unix.SYS_PRCTL, num(unix.PR_SET_DUMPABLE), num(0), num(0), num(0), num(0))
	p.filter(k.tier.filter)
	p.chain()
}
