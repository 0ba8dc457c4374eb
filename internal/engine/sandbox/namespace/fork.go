//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"golang.org/x/sys/unix"
)

// errForeign is the error of a zygote that is not one of this tier's.
var errForeign = errors.New("a zygote of another tier")

// errStillborn is the error of a fork that did not come about.
var errStillborn = errors.New("the zygote could not fork into the sandbox")

// ready is what a child reports when it is in its sandbox and has no rights any
// more.
const ready = -1

// fork makes a copy of the zygote, in b, and our own child; b.mu is held.
func (z *zygote) fork(ctx context.Context, b *box, cmd sandbox.Command, ends [2]*os.File) (int, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return 0, err
	}
	defer ours.Close()
	ns, err := b.holder.namespaces()
	if err != nil {
		theirs.Close()
		return 0, err
	}
	defer closeAll(ns)
	doors, err := b.group.doors()
	if err != nil {
		theirs.Close()
		return 0, err
	}
	f := &delivery{zygote: z}
	p := f.program(b, cmd, theirs, slices.Concat(ns, []*os.File{b.mnt, b.net}), doors, ends)
	err = z.send(ctx, p, f.files)
	theirs.Close()
	if err != nil {
		return 0, err
	}
	pid, answered, err := born(ctx, &machineProcess{control: ours}, p)
	if !answered { // it hangs, or has ended; its child may be there all the same
		z.end()
		<-z.done
		err = errors.Join(err, b.reapLost())
	}
	return pid, err
}

// reapLost ends children of ours in the sandbox that nobody has told us of. While one
// is a zombie, the PID namespace cannot end; b.mu is held.
func (b *box) reapLost() error {
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", b.holder.pid))
	if err != nil {
		return err
	}
	known := map[int]bool{b.holder.pid: true}
	for p := range b.running {
		known[p.pid] = true
	}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range lists {
		pids, _ := os.ReadFile(name) // the thread may have ended
		for _, s := range strings.Fields(string(pids)) {
			pid, _ := strconv.Atoi(s)
			if its, err := os.Readlink("/proc/" + s + "/ns/pid"); err == nil && its == own && !known[pid] {
				_ = unix.Kill(pid, unix.SIGKILL)
				reap(pid)
			}
		}
	}
	return nil
}

// namespaces opens those of the init's namespaces that a sandbox has no descriptor of
// otherwise: in the order PID, IPC, UTS.
func (h *holder) namespaces() ([]*os.File, error) {
	var files []*os.File
	for _, name := range []string{"pid", "ipc", "uts"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", h.pid, name))
		if err != nil {
			closeAll(files)
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// send passes a program, with its files, as one message.
func (z *zygote) send(ctx context.Context, p *program, files []*os.File) error {
	b, err := p.encode()
	if err != nil {
		return err
	}
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	(&machineProcess{control: z.control}).bound(ctx)
	raw, err := z.control.SyscallConn()
	if err != nil {
		return err
	}
	werr := raw.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), b, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		return !errors.Is(err, unix.EAGAIN)
	})
	if err := errors.Join(werr, err); err != nil {
		return fmt.Errorf("send to the zygote: %w", err)
	}
	return nil
}

// born waits until both processes have reported: the zygote its child's number, the
// child that it is ready. Either may be first. answered tells whether the zygote did.
func born(ctx context.Context, m *machineProcess, p *program) (pid int, answered bool, failed error) {
	isReady := false
	for {
		v, err := m.next(ctx, p)
		switch {
		case errors.Is(err, io.EOF) && failed == nil && !(pid > 0 && isReady):
			return pid, answered, errStillborn
		case errors.Is(err, io.EOF):
			return pid, answered, failed
		case errors.Is(err, errHangs):
			return pid, answered, err
		case err != nil:
			failed = err
		case v == ready:
			isReady = true
		case !answered:
			answered = v == 0 || ours(int(v))
			pid = int(v)
			if !answered {
				pid = 0
			}
		}
	}
}

// ours tells whether pid is our child: a zygote that lies must not have us signal
// anybody else.
func ours(pid int) bool {
	return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == nil
}

// A delivery is what one fork sends to a zygote. There each file gets the lowest
// free number.
type delivery struct {
	zygote *zygote
	files  []*os.File
}

// add sends f, and returns its number there.
func (d *delivery) add(f *os.File) int {
	d.files = append(d.files, f)
	return d.zygote.free[len(d.files)-1]
}

func (d *delivery) addAll(files []*os.File) (numbers []int) {
	for _, f := range files {
		numbers = append(numbers, d.add(f))
	}
	return numbers
}

// program is what the two processes do. ns are the namespaces PID, IPC, UTS, mount
// and network.
func (d *delivery) program(b *box, cmd sandbox.Command, report *os.File, ns, doors []*os.File, ends [2]*os.File) *program {
	p := &program{base: d.zygote.base}
	reportFD, home := d.add(report), d.add(d.zygote.home)
	namespaces, groups := d.addAll(ns), d.addAll(doors)
	std, own := d.addAll(b.tier.outputs(ends)), d.addAll(cmd.Files)
	null := d.add(b.tier.null)

	p.do("set the PID namespace", unix.SYS_SETNS, num(namespaces[0]), num(unix.CLONE_NEWPID))
	toTail := []int{len(p.calls) - 1}
	cell := p.words(num(0), num(0))
	p.clone(cell.at(8))
	toTail = append(toTail, len(p.calls)-1)

	p.do("take the report", unix.SYS_DUP3, num(reportFD), num(ownFD), num(0))
	zero := p.str("0")
	for _, fd := range groups {
		p.do("enter control group", unix.SYS_WRITE, num(fd), zero, num(1))
	}
	for i, kind := range []int{unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWNS, unix.CLONE_NEWNET} {
		p.do("enter namespaces", unix.SYS_SETNS, num(namespaces[1+i]), num(kind))
	}
	p.settle(b, null, std)
	p.take(own, slices.Max(d.zygote.free)+1)

	tail := len(p.calls)
	for _, i := range toTail {
		p.calls[i].jump, p.calls[i].failureJumps = tail, true
	}
	p.leave(d.zygote.free[:len(d.files)], cell, reportFD, home)
	return p
}

// clone makes the copy. C libraries keep the number of a thread in memory: the kernel
// tells where, and puts the new one there.
func (p *program) clone(pid arg) {
	const getTIDAddress = 40 // PR_GET_TID_ADDRESS
	at := uint64((len(p.calls)+1)*callSize + 8 + 8*tidArg)
	p.try("find the thread's number", unix.SYS_PRCTL, num(getTIDAddress), arg{value: at, inCall: true}, num(0), num(0), num(0))
	const flags = unix.CLONE_PARENT | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_SETTID | unix.CLONE_CHILD_CLEARTID | uint64(unix.SIGCHLD)
	p.do("clone", unix.SYS_CLONE, forked(flags, pid, num(0))...)
}

// settle makes the child an ordinary process of the sandbox.
func (p *program) settle(b *box, null int, std []int) {
	p.do("setsid", unix.SYS_SETSID)
	p.limits(false, 0)
	p.drop(b.blank, zygoteCapabilities())
	p.do("be as what was executed", unix.SYS_PRCTL, num(unix.PR_SET_DUMPABLE), num(1), num(0), num(0), num(0))
	p.do("umask", unix.SYS_UMASK, num(0o022))
	p.do("chdir /", unix.SYS_CHDIR, p.str("/"))
	for to, from := range append([]int{null}, std...) {
		p.do("set a standard file", unix.SYS_DUP3, num(from), num(to), num(0))
	}
	p.filter(b.tier.filter)
}

// take leaves the child with the files own, from descriptor 3 on, and returns. Its
// report has to come before: it is at 3 itself.
func (p *program) take(own []int, above int) {
	for i, fd := range own { // out of the way of each other
		p.do("keep a file", unix.SYS_DUP3, num(fd), num(above+i), num(0))
	}
	p.do("report", unix.SYS_WRITE, num(ownFD), p.words(num(0), num(ready)), num(reportSize))
	for i := range own {
		p.try("place a file", unix.SYS_DUP3, num(above+i), num(ownFD+i), num(0))
	}
	p.try("close files", unix.SYS_CLOSE_RANGE, num(ownFD+len(own)), num(^uint32(0)), num(0))
	p.calls[len(p.calls)-1].last = true
}

// leave makes the zygote as it was before, and return.
func (p *program) leave(received []int, cell arg, report, home int) {
	p.try("report", unix.SYS_WRITE, num(report), cell, num(reportSize))
	p.try("return to the own PID namespace", unix.SYS_SETNS, num(home), num(unix.CLONE_NEWPID))
	for _, fd := range received {
		p.try("close a file", unix.SYS_CLOSE, num(fd))
	}
	p.try("return", unix.SYS_GETPID)
	p.calls[len(p.calls)-1].last = true
}
