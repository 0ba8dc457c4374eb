//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"golang.org/x/sys/unix"
)

// This file does without control groups what they do better: it stops, ends and
// counts the processes of a sandbox as its init and its /proc see them.

// errNoInit is the error of a sandbox whose init somebody has killed.
var errNoInit = errors.New("the sandbox has no init any more")

// signalAll sends sig to every process of the sandbox but its init, at once:
// none can fork away from it.
func (h *holder) signalAll(sig syscall.Signal) error {
	p := &program{}
	p.try("signal all", unix.SYS_KILL, num(-1), num(int(sig))) // fails when there is none
	p.chain()
	return h.chained(context.Background(), p)
}

// stop freezes or thaws, by the control group or else by signals, which code can
// notice; b.mu is held.
func (b *box) stop(frozen bool) error {
	err := b.group.freeze(frozen)
	if err == nil && frozen {
		b.group.rest()
	}
	if !errors.Is(err, errors.ErrUnsupported) || b.holder == nil {
		return err
	}
	if frozen {
		return b.holder.signalAll(unix.SIGSTOP)
	}
	return b.holder.signalAll(unix.SIGCONT)
}

// killInside ends all processes but the init: another one could not be made
// without root; b.mu is held.
func (b *box) killInside() error {
	err := eventually(func() (bool, error) {
		if err := b.holder.signalAll(unix.SIGKILL); err != nil {
			return false, err
		}
		for p := range b.running {
			<-p.done
		}
		return len(b.holder.processes()) == 0, nil
	})
	if err != nil { // with the init everything ends
		err = errors.Join(err, b.holder.end())
		b.holder = nil
	}
	return err
}

// processes are the folders in /proc of the processes in the sandbox.
func (h *holder) processes() []string {
	own := fmt.Sprintf("/proc/%d/root/proc", h.pid)
	entries, _ := os.ReadDir(own)
	var dirs []string
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid > 1 {
			dirs = append(dirs, filepath.Join(own, e.Name()))
		}
	}
	return dirs
}

// A tally is what the ended commands of a sandbox have used.
type tally struct {
	mu     sync.Mutex // guards what is below
	cpu    time.Duration
	peakKB int64 // since the last reset
}

func (t *tally) add(ru unix.Rusage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cpu += time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	t.peakKB = max(t.peakKB, ru.Maxrss)
}

// counted is the usage without control groups: of commands that have ended, with
// the children that they waited for, and of what is running. It misses daemons that
// have ended, and counts shared memory for each process that has it. b.mu is held.
func (b *box) counted() sandbox.Usage {
	b.tally.mu.Lock()
	cpu, peak := b.tally.cpu, b.tally.peakKB
	b.tally.mu.Unlock()
	var living int64
	if b.holder != nil {
		for _, dir := range b.holder.processes() {
			c, kb := consumption(dir)
			cpu += c
			living += kb
		}
	}
	return sandbox.Usage{CPU: cpu, PeakMB: megabytes(max(peak, living) << 10)}
}

// resetCounted starts the peaks anew; b.mu is held.
func (b *box) resetCounted() {
	b.tally.mu.Lock()
	b.tally.peakKB = 0
	b.tally.mu.Unlock()
	if b.holder == nil {
		return
	}
	for _, dir := range b.holder.processes() {
		_ = os.WriteFile(filepath.Join(dir, "clear_refs"), []byte("5"), 0) // its high-water mark
	}
}

// tick is the unit of times in /proc: USER_HZ is 100 wherever Linux runs Go.
const tick = 10 * time.Millisecond

// consumption reads from a process's folder in /proc what it has used.
func consumption(dir string) (cpu time.Duration, peakKB int64) {
	b, _ := os.ReadFile(filepath.Join(dir, "stat"))
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:]) // a name may hold anything
	if len(f) > 14 {
		for _, v := range f[11:15] { // user, system, and those of its dead children
			n, _ := strconv.ParseInt(v, 10, 64)
			cpu += time.Duration(n) * tick
		}
	}
	return cpu, int64(highWater(dir))
}

// highWater is the largest resident size that a process has had, in KiB.
func highWater(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kb int
	_, _ = fmt.Sscan(rest, &kb) // without it there is no memory any more
	return kb
}

// fetch runs a program that passes one file, and then waits for the next program.
func (m *machineProcess) fetch(p *program) (*os.File, error) {
	ctx := context.Background()
	if err := m.run(ctx, p); err != nil {
		return nil, err
	}
	fd, err := m.receiveFD(p)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "from inside")
	if _, err := m.next(ctx, p); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// receiveFD reads a report that carries a descriptor.
func (m *machineProcess) receiveFD(p *program) (fd int, err error) {
	raw, err := m.control.SyscallConn()
	if err != nil {
		return 0, err
	}
	var b [reportSize + 1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	rerr := raw.Read(func(s uintptr) bool {
		n, oobn, _, _, err = unix.Recvmsg(int(s), b[:], oob, unix.MSG_CMSG_CLOEXEC)
		return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	})
	if err := errors.Join(rerr, err); err != nil {
		return 0, fmt.Errorf("receive a file: %w", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	if _, err := p.value(b[:n]); err != nil {
		return 0, err
	}
	cs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(cs) != 1 {
		return 0, fmt.Errorf("receive a file: %d came, %w", len(cs), err)
	}
	fds, err := unix.ParseUnixRights(&cs[0])
	if err != nil || len(fds) != 1 {
		return 0, fmt.Errorf("receive a file: %d came, %w", len(fds), err)
	}
	return fds[0], nil
}

// pass sends a descriptor with a report of 0.
func (p *program) pass(fd int) {
	vec := p.words(p.words(num(0), num(0)), num(reportSize)) // struct iovec
	rights := p.words(num(unix.CmsgLen(4)), num(uint64(unix.SOL_SOCKET)|uint64(unix.SCM_RIGHTS)<<32), num(fd))
	msg := p.words(num(0), num(0), vec, num(1), rights, num(unix.CmsgSpace(4)), num(0)) // struct msghdr
	p.do("pass a file", unix.SYS_SENDMSG, num(controlFD), msg, num(0))
}
