//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// hold starts the sandbox's init; b.mu is held.
func (b *box) hold(ctx context.Context) error {
	flags := unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	files := []*os.File{b.net}
	if b.mnt == nil {
		flags |= unix.CLONE_NEWNS
	} else {
		files = append(files, b.mnt)
	}
	p, d, err := b.holderProgram()
	if err != nil {
		return err
	}
	defer d.close()
	m, err := b.tier.spawn(&syscall.SysProcAttr{Cloneflags: uintptr(flags)}, [3]*os.File{}, files...)
	if err != nil {
		return err
	}
	if err := b.built(ctx, m, p); err != nil {
		m.end()
		return err
	}
	return nil
}

// built runs the holder's program up to where it only holds.
func (b *box) built(ctx context.Context, m *machineProcess, p *program) error {
	if err := m.run(ctx, p); err != nil {
		return err
	}
	if _, err := m.next(ctx, p); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the init died")
		}
		return err
	}
	fd, err := unix.PidfdOpen(m.pid, 0)
	if err != nil {
		return fmt.Errorf("open the init: %w", err)
	}
	h := &holder{machineProcess: m, pidfd: os.NewFile(uintptr(fd), "init")}
	if b.mnt == nil {
		if b.mnt, err = os.Open(fmt.Sprintf("/proc/%d/ns/mnt", m.pid)); err != nil {
			h.pidfd.Close()
			return err
		}
	}
	b.holder = h
	return nil
}

// end kills the init, and returns when all of its PID namespace is gone.
func (h *holder) end() {
	h.pidfd.Close()
	h.machineProcess.end()
}

// holderProgram is what the init does. When the sandbox has a file system
// already, only /proc is new.
func (b *box) holderProgram() (*program, *disk, error) {
	p := &builder{program: &program{}, made: map[string]bool{}, root: b.tier.root}
	p.do("enter network namespace", unix.SYS_SETNS, num(netFD), num(unix.CLONE_NEWNET))
	var d *disk
	var err error
	if b.mnt != nil {
		p.do("enter mount namespace", unix.SYS_SETNS, num(mntFD), num(unix.CLONE_NEWNS))
		p.do("chdir /", unix.SYS_CHDIR, p.str("/"))
		p.do("unmount the old /proc", unix.SYS_UMOUNT2, p.str("/proc"), num(unix.MNT_DETACH))
		p.made["/proc"] = true
		p.proc()
	} else if d, err = b.buildRoot(p); err != nil {
		return nil, nil, err
	}
	p.do("sethostname", unix.SYS_SETHOSTNAME, p.str(hostName), num(len(hostName)))
	p.hold(b)
	return p.program, d, nil
}

// buildRoot makes the file system, in memory, on an empty folder of the host
// that is seen by nobody else.
func (b *box) buildRoot(p *builder) (*disk, error) {
	var d *disk
	if b.tier.disks != nil {
		var err error
		if d, err = b.tier.disks.make(b.spec.TmpMB); err != nil {
			return nil, fmt.Errorf("make disk for /tmp: %w", err)
		}
	}
	if err := b.rootProgram(p, d); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (b *box) rootProgram(p *builder, d *disk) error {
	p.do("make mounts private", unix.SYS_MOUNT, num(0), p.str("/"), num(0), num(unix.MS_REC|unix.MS_PRIVATE), num(0))
	base := p.str(b.tier.dir + "/root")
	p.do("mount /", unix.SYS_MOUNT, p.str("tmpfs"), base, p.str("tmpfs"), num(unix.MS_NOSUID|unix.MS_NODEV), p.str("mode=755,size=1m"))
	p.do("chdir to it", unix.SYS_CHDIR, base)
	if err := p.system(); err != nil {
		return err
	}
	passwd, group, err := accounts(b.tier.dir+"/accounts", b.uid())
	if err != nil {
		return err
	}
	p.dir("/etc")
	p.bind(b.tier.dir+"/etc", "/etc", readOnly)
	p.bind(passwd, "/etc/passwd", readOnly)
	p.bind(group, "/etc/group", readOnly)
	for _, dir := range []string{"/var/task", "/opt", "/run", "/home"} { // as on AWS, if empty
		p.dir(dir)
	}
	p.dev()
	p.proc()
	p.tmp(d, b.spec.TmpMB)
	if err := p.mounts(b.spec.Mounts); err != nil {
		return err
	}
	p.pivot()
	return nil
}

// hold gives up all rights, says so, and waits for the end of the control
// socket.
func (p *program) hold(b *box) {
	p.do("setsid", unix.SYS_SETSID)
	p.do("take a name", unix.SYS_PRCTL, num(unix.PR_SET_NAME), p.str("mayfly-init"), num(0), num(0), num(0))
	p.do("close files", unix.SYS_CLOSE_RANGE, num(controlFD+1), num(^uint32(0)), num(0))
	ignore := p.words(num(1), num(0), num(0), num(0)) // SIG_IGN
	p.do("ignore SIGCHLD", unix.SYS_RT_SIGACTION, num(int(unix.SIGCHLD)), ignore, num(0), num(8))
	p.drop(b.uid())
	p.do("hide from the code", unix.SYS_PRCTL, num(unix.PR_SET_DUMPABLE), num(0), num(0), num(0), num(0))
	p.filter(b.tier.filter)
	p.report(0)
	cell := p.words(num(0))
	p.do("hold", unix.SYS_READ, num(controlFD), cell, num(8))
	p.exit(0)
}
