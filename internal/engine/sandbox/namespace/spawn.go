//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Descriptors in a process that runs a program: itself as an executable, the first
// of what it is given, and its control socket, which is the highest so that what a
// command is given can have the lowest.
const (
	imageFD   = 3
	firstFD   = 4
	controlFD = 63
)

// A machineProcess is a process that has the machine in it, and waits for its
// program, or runs it.
type machineProcess struct {
	pid     int
	control *os.File // each message is whole; ends when the process has no use for it any more
}

// spawn starts the machine with files as its descriptors from firstFD on, in new
// namespaces by attr's flags.
func (t *Tier) spawn(attr *syscall.SysProcAttr, files ...*os.File) (*machineProcess, error) {
	control, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	fds := []uintptr{t.null.Fd(), t.null.Fd(), t.null.Fd(), t.image.Fd()}
	for _, f := range files {
		fds = append(fds, f.Fd())
	}
	for len(fds) < controlFD {
		fds = append(fds, ^uintptr(0)) // none
	}
	fds = append(fds, theirs.Fd())
	pid, err := syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", imageFD), []string{"init"},
		&syscall.ProcAttr{Dir: "/", Files: fds, Sys: attr})
	if err != nil {
		control.Close()
		return nil, fmt.Errorf("clone: %w", err)
	}
	return &machineProcess{pid: pid, control: control}, nil
}

// run sends the program.
func (m *machineProcess) run(ctx context.Context, p *program) error {
	b, err := p.encode()
	if err != nil {
		return err
	}
	m.bound(ctx)
	if _, err := m.control.Write(b); err != nil {
		return fmt.Errorf("send program: %w", err)
	}
	return nil
}

// chained runs a program that ends with chain, up to there.
func (m *machineProcess) chained(ctx context.Context, p *program) error {
	if err := m.run(ctx, p); err != nil {
		return err
	}
	return m.finish(ctx, p)
}

// finish waits until a program that ends with chain is done.
func (m *machineProcess) finish(ctx context.Context, p *program) error {
	_, err := m.next(ctx, p)
	if errors.Is(err, io.EOF) {
		return errors.New("the process was killed")
	}
	return err
}

// send passes open files, to a program that receives them.
func (m *machineProcess) send(files ...*os.File) error {
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	raw, err := m.control.SyscallConn()
	if err != nil {
		return err
	}
	werr := raw.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), []byte{0}, unix.UnixRights(fds...), nil, 0)
		return !errors.Is(err, unix.EAGAIN)
	})
	if err := errors.Join(werr, err); err != nil {
		return fmt.Errorf("send files: %w", err)
	}
	return nil
}

// receive is the other end of send, for n files: they get the lowest free
// descriptors, and stay open in what is executed.
func (p *program) receive(n int) {
	room := unix.CmsgSpace(4 * n)
	vec := p.words(p.bytes(make([]byte, 8)), num(1))                                            // struct iovec
	msg := p.words(num(0), num(0), vec, num(1), p.bytes(make([]byte, room)), num(room), num(0)) // struct msghdr
	p.do("receive files", unix.SYS_RECVMSG, num(controlFD), msg, num(0))
}

// closeFrom closes the descriptors from first on, but not the control socket.
func (p *program) closeFrom(first int) {
	p.do("close files", unix.SYS_CLOSE_RANGE, num(first), num(controlFD-1), num(0))
	p.do("close files", unix.SYS_CLOSE_RANGE, num(controlFD+1), num(^uint32(0)), num(0))
}

// next returns the program's next report. io.EOF says that there will be none.
func (m *machineProcess) next(ctx context.Context, p *program) (int64, error) {
	m.bound(ctx)
	var b [reportSize + 1]byte
	n, err := m.control.Read(b[:])
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
		return 0, io.EOF
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, errors.Join(ctx.Err(), errHangs)
	}
	if err != nil {
		return 0, fmt.Errorf("read report: %w", err)
	}
	return p.value(b[:n])
}

// errHangs is the error of a program that takes too long.
var errHangs = errors.New("the program hangs")

// longest is how long a program may take: far longer than any does.
const longest = 30 * time.Second

func (m *machineProcess) bound(ctx context.Context) {
	d := time.Now().Add(longest)
	if c, ok := ctx.Deadline(); ok && c.Before(d) {
		d = c
	}
	_ = m.control.SetDeadline(d)
}

// end kills the process and reaps it. It may be nil.
func (m *machineProcess) end() error {
	if m == nil {
		return nil
	}
	err := unix.Kill(m.pid, unix.SIGKILL)
	reap(m.pid)
	return errors.Join(err, m.control.Close())
}

// reap waits for a child that is about to end.
func reap(pid int) (ws unix.WaitStatus, ru unix.Rusage) {
	for {
		_, err := unix.Wait4(pid, &ws, 0, &ru)
		if !errors.Is(err, unix.EINTR) {
			return ws, ru
		}
	}
}
