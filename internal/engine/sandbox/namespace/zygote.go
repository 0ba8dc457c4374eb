//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"golang.org/x/sys/unix"
)

// A zygote is an interpreter that has started, and loaded what everybody loads. It
// runs a loop of the platform's own: it takes a program with the descriptors that go
// with it, copies it to a region of its memory, and calls the forker, which is native
// code that it got at its start. So the system calls between fork and the first line of a
// function's code are decided here, as those of all other sandboxes are.
//
// What the loop has to do:
//
//   - descriptor 3 (MAYFLY_ZYGOTE tells it) is its control socket, SOCK_SEQPACKET;
//     descriptor 4 is the forker, a file to be mapped readable and executable.
//   - Once everything is loaded: map 1 MiB of memory for programs, and say where that
//     is: {"base": address}. From then on it opens nothing, and has one thread.
//   - Then again and again: receive a message with its descriptors, copy it to the
//     region, call long fork_into(void *region). 1 means go on. 0 means that this is the
//     child, in its sandbox, with what it was given as descriptors from 3 on.
//     No message means the end.
//
// It has the rights that forking into a sandbox needs, and a filter of system calls
// that is the sandboxes' but for setns. It sees what all sandboxes see, and no network.
// Without root there are no zygotes: nobody may enter a sandbox's namespaces but from
// outside its user namespace, where code of ours had to stay as the server's own user.
type zygote struct {
	tier    *Tier
	slot    int
	group   group
	pid     int
	control *os.File
	home    *os.File // the PID namespace that it is in
	outs    []*sandbox.Output
	base    uint64 // where programs go
	free    []int  // descriptors that are free in it, the lowest first

	mu    sync.Mutex // held while something is sent; guards what is below
	ended bool       // its number is given away

	done chan struct{}
}

// zygoteEnv tells a zygote that it is one, and its control socket.
const zygoteEnv = "MAYFLY_ZYGOTE=3"

// zygoteMemoryMB limits a zygote. The page tables of what is forked from it count as
// its own.
const zygoteMemoryMB = 1024

// zygotePIDs limits how many processes are on their way from it into a sandbox.
const zygotePIDs = 256

// zygoteCapabilities are what a zygote needs to put its children into sandboxes, and
// to take everything from them.
func zygoteCapabilities() []int {
	return []int{unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETPCAP, unix.CAP_SYS_CHROOT, unix.CAP_SYS_ADMIN}
}

// Zygote starts cmd as a zygote. Without root it is errors.ErrUnsupported.
func (t *Tier) Zygote(ctx context.Context, mounts []sandbox.Mount, cmd sandbox.Command) (sandbox.Zygote, error) {
	if t.rootless {
		return nil, fmt.Errorf("namespace: zygote: without root: %w", errors.ErrUnsupported)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(cmd.Args) == 0 {
		return nil, errors.New("namespace: zygote: no command")
	}
	z, err := t.newZygote(ctx, mounts, cmd)
	if err != nil {
		return nil, fmt.Errorf("namespace: zygote %s: %w", cmd.Args[0], err)
	}
	return z, nil
}

func (t *Tier) newZygote(ctx context.Context, mounts []sandbox.Mount, cmd sandbox.Command) (*zygote, error) {
	slot, err := t.slot()
	if err != nil {
		return nil, err
	}
	z := &zygote{tier: t, slot: slot, done: make(chan struct{})}
	if err := z.open(ctx, mounts, cmd); err != nil {
		z.kill()
		return nil, errors.Join(err, z.giveBack())
	}
	go z.wait()
	return z, nil
}

func (z *zygote) open(ctx context.Context, mounts []sandbox.Mount, cmd sandbox.Command) (err error) {
	if z.group, err = z.tier.groups.make(strconv.Itoa(z.slot)); err != nil {
		return fmt.Errorf("make control group: %w", err)
	}
	if err := z.group.limit(sandbox.Spec{MemoryMB: zygoteMemoryMB, PIDs: zygotePIDs}); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	if z.home, err = os.Open("/proc/self/ns/pid"); err != nil {
		return err
	}
	if err := z.start(ctx, mounts, cmd); err != nil {
		return err
	}
	if err := z.hello(ctx); err != nil {
		return fmt.Errorf("wait for its hello: %w", err)
	}
	z.free, err = freeDescriptors(z.pid)
	return err
}

// start executes the interpreter in its own confinement.
func (z *zygote) start(ctx context.Context, mounts []sandbox.Mount, cmd sandbox.Command) error {
	outs, ends, err := sandbox.NewOutputs(cmd.Stdout, cmd.Stderr)
	if err != nil {
		return err
	}
	defer ends[1].Close() // a nil file's Close only fails
	defer ends[0].Close()
	z.outs = outs
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	z.control = ours
	doors, err := z.group.attach()
	if err != nil {
		return err
	}
	p, err := z.program(mounts, cmd, len(doors))
	if err != nil {
		return err
	}
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET}
	if f := z.group.birth(); f != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(f.Fd())
	}
	m, err := z.tier.spawn(attr, doors...)
	if err != nil {
		return err
	}
	defer m.control.Close()
	z.pid = m.pid
	if err := errors.Join(m.run(ctx, p), m.send(slices.Concat([]*os.File{theirs, z.tier.forker}, z.tier.outputs(ends))...)); err != nil {
		return err
	}
	if _, err := m.next(ctx, p); !errors.Is(err, io.EOF) {
		return err // what is executed has no use for the control socket
	}
	return nil
}

// program makes a process the zygote; its first files are doors of its control group.
func (z *zygote) program(mounts []sandbox.Mount, cmd sandbox.Command, doors int) (*program, error) {
	const outFD, errFD = 5, 6 // after the control socket and the forker
	p := newBuilder()
	zero := p.str("0")
	for i := range doors {
		p.do("enter control group", unix.SYS_WRITE, num(firstFD+i), zero, num(1))
	}
	p.closeFrom(ownFD)
	p.receive(4)
	p.do("set stdout", unix.SYS_DUP3, num(outFD), num(1), num(0))
	p.do("set stderr", unix.SYS_DUP3, num(errFD), num(2), num(0))
	p.closeFrom(outFD)
	if err := z.tier.baseProgram(p, z.tier.uids+z.slot); err != nil {
		return nil, err
	}
	p.dir("/tmp")
	if err := p.mounts(mounts); err != nil {
		return nil, err
	}
	p.pivot()
	p.seal()
	p.do("setsid", unix.SYS_SETSID)
	p.limits(false, 0)
	p.keep(z.tier.uids+z.slot, zygoteCapabilities())
	p.do("umask", unix.SYS_UMASK, num(0o022))
	p.filter(z.tier.zygoteFilter)
	p.do("close on execution", unix.SYS_FCNTL, num(controlFD), num(unix.F_SETFD), num(unix.FD_CLOEXEC))
	cmd.Env = append(slices.Clone(cmd.Env), zygoteEnv)
	p.execute(cmd)
	return p.program, nil
}

// hello reads where programs go.
func (z *zygote) hello(ctx context.Context) error {
	m := &machineProcess{control: z.control}
	m.bound(ctx)
	b := make([]byte, 4096)
	n, err := z.control.Read(b)
	if err != nil {
		return err
	}
	z.base, err = parseHello(b[:n])
	return err
}

// parseHello reads what a zygote says when it is ready.
func parseHello(b []byte) (base uint64, err error) {
	var h struct {
		Base uint64 `json:"base"`
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return 0, fmt.Errorf("it says %.100q: %w", b, err)
	}
	if h.Base == 0 || h.Base%callSize != 0 || h.Base >= 1<<56 {
		return 0, fmt.Errorf("programs cannot be at %#x", h.Base)
	}
	return h.Base, nil
}

// freeDescriptors are the lowest numbers that a process has no file at.
func freeDescriptors(pid int) ([]int, error) {
	used := map[int]bool{}
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			used[n] = true
		}
	}
	var free []int
	for n := ownFD; len(free) < 2*maxFiles; n++ {
		if !used[n] {
			free = append(free, n)
		}
	}
	return free, nil
}

// wait delivers the output until the zygote ends, and gives up what it had.
func (z *zygote) wait() {
	for {
		err := unix.Waitid(unix.P_PID, z.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	z.mu.Lock() // nobody signals a number that is given away
	reap(z.pid)
	z.ended = true
	z.mu.Unlock()
	if err := z.giveBack(); err != nil {
		z.tier.log.Warn("what a zygote had is left", "error", err)
	}
	close(z.done)
}

// kill ends the process, if it lives.
func (z *zygote) kill() {
	if z.pid > 0 {
		_ = unix.Kill(z.pid, unix.SIGKILL)
		reap(z.pid)
	}
}

// giveBack gives everything back.
func (z *zygote) giveBack() error {
	for _, f := range []*os.File{z.control, z.home} {
		if f != nil {
			f.Close()
		}
	}
	for _, o := range z.outs {
		o.Close()
	}
	var err error
	if z.group != nil {
		err = errors.Join(z.group.kill(), z.group.remove())
	}
	z.tier.release(z.slot)
	return err
}

// Done is closed when the zygote has ended.
func (z *zygote) Done() <-chan struct{} { return z.done }

// Close ends the zygote at once: it has nothing to lose.
func (z *zygote) Close() error {
	z.end()
	<-z.done
	return nil
}

func (z *zygote) end() {
	z.mu.Lock()
	defer z.mu.Unlock()
	if !z.ended {
		_ = unix.Kill(z.pid, unix.SIGKILL)
	}
}

// socketPair makes a socket of whole messages. Our end is for the poller, theirs
// blocks.
func socketPair() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	theirs = os.NewFile(uintptr(pair[1]), "control")
	if err := errors.Join(unix.SetNonblock(pair[0], true),
		unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, programRoom)); err != nil {
		unix.Close(pair[0])
		theirs.Close()
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	return os.NewFile(uintptr(pair[0]), "control"), theirs, nil
}
