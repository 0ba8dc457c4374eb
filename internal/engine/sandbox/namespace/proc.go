//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"golang.org/x/sys/unix"
)

// A proc is one running command.
type proc struct {
	box   *box
	pid   int
	pidfd *os.File
	outs  []*sandbox.Output
	kills int // OOM kills in the sandbox before it
	done  chan struct{}
	exit  sandbox.Exit // set before done is closed
}

// Start runs cmd beside what runs already, or as the first.
func (b *box) Start(ctx context.Context, cmd sandbox.Command) (sandbox.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if cmd.From == nil && len(cmd.Args) == 0 {
		return nil, errors.New("namespace: start: no command")
	}
	if len(cmd.Files) > maxFiles {
		return nil, fmt.Errorf("namespace: start: %d files: %w", len(cmd.Files), unix.EMFILE)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	if b.frozen {
		return nil, errors.New("namespace: start: the sandbox is frozen")
	}
	p, err := b.start(ctx, cmd)
	if err != nil {
		return nil, fmt.Errorf("namespace: start %s: %w", b.spec.ID, err)
	}
	b.running[p] = true
	go p.wait()
	return p, nil
}

// start makes the process; b.mu is held.
func (b *box) start(ctx context.Context, cmd sandbox.Command) (*proc, error) {
	if b.holder == nil {
		if err := b.hold(ctx); err != nil {
			return nil, err
		}
	}
	outs, ends, err := sandbox.NewOutputs(cmd.Stdout, cmd.Stderr)
	if err != nil {
		return nil, err
	}
	defer ends[1].Close() // a nil file's Close only fails
	defer ends[0].Close()
	for _, w := range ends {
		if w != nil { // so that code may open /dev/stdout and /dev/stderr
			_ = w.Chown(b.uid(), b.uid())
		}
	}
	p := &proc{box: b, outs: outs, done: make(chan struct{})}
	if u, err := b.group.usage(); err == nil {
		p.kills = u.OOMKills
	}
	if p.pid, err = b.launch(ctx, cmd, ends); err == nil {
		p.pidfd, err = openPidfd(p.pid)
	}
	if err != nil {
		if p.pid > 0 {
			_ = unix.Kill(p.pid, unix.SIGKILL)
			reap(p.pid)
		}
		for _, o := range outs {
			o.Close()
		}
		return nil, err
	}
	return p, nil
}

// launch makes the process, by fork or by execution; b.mu is held.
func (b *box) launch(ctx context.Context, cmd sandbox.Command, ends [2]*os.File) (int, error) {
	if cmd.From == nil {
		return b.join(ctx, cmd, ends)
	}
	z, ok := cmd.From.(*zygote)
	if !ok || z.tier != b.tier {
		return 0, errForeign
	}
	return z.fork(ctx, b, cmd, ends)
}

func openPidfd(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open the process: %w", err)
	}
	return os.NewFile(uintptr(fd), "process"), nil
}

// newJoiner starts a process in the sandbox's control group, and nowhere else,
// that waits to be told what to become. Entering a control group of version 1 can take
// 15 ms, so it is done ahead.
func (k *blank) newJoiner(ctx context.Context) (*machineProcess, error) {
	attr := &syscall.SysProcAttr{}
	if f := k.group.birth(); f != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(f.Fd())
	}
	files, err := k.group.attach()
	if err != nil {
		return nil, err
	}
	m, err := k.tier.spawn(attr, files...)
	if err != nil {
		return nil, err
	}
	p := &program{}
	zero := p.str("0")
	for i := range files {
		p.do("enter control group", unix.SYS_WRITE, num(firstFD+i), zero, num(1))
	}
	p.closeFrom(imageFD)
	p.do("close on execution", unix.SYS_FCNTL, num(controlFD), num(unix.F_SETFD), num(unix.FD_CLOEXEC))
	p.chain()
	if err := m.chained(ctx, p); err != nil {
		return nil, errors.Join(err, m.end())
	}
	return m, nil
}

// join lets a process in the control group enter the namespaces, and clone
// there the one that becomes the command. That one is our child, too.
func (b *box) join(ctx context.Context, cmd sandbox.Command, ends [2]*os.File) (int, error) {
	m := b.joiner
	b.joiner = nil
	if m == nil {
		var err error
		if m, err = b.newJoiner(ctx); err != nil {
			return 0, err
		}
	}
	defer func() { m.control.Close(); reap(m.pid) }()
	files := slices.Concat(cmd.Files, []*os.File{b.holder.pidfd}, b.tier.outputs(ends))
	p := b.joinProgram(cmd)
	if err := errors.Join(m.run(ctx, p), m.send(files...)); err != nil {
		_ = unix.Kill(m.pid, unix.SIGKILL)
		return 0, err
	}
	return joined(ctx, m, p, cmd.Args[0])
}

// joined waits until the command is executed: then nobody has the control
// socket any more. Of the two processes that report, either may be first.
func joined(ctx context.Context, m *machineProcess, p *program, name string) (pid int, failed error) {
	for {
		v, err := m.next(ctx, p)
		switch {
		case errors.Is(err, io.EOF) && pid == 0 && failed == nil:
			return 0, errors.New("killed on its way in")
		case errors.Is(err, io.EOF):
			return pid, failed
		case errors.Is(err, errHangs):
			_ = unix.Kill(m.pid, unix.SIGKILL)
			return pid, err
		case errors.Is(err, errExecute):
			var errno unix.Errno
			errors.As(err, &errno)
			failed = &fs.PathError{Op: "fork/exec", Path: name, Err: errno}
		case err != nil:
			failed = err
		default:
			pid = int(v)
		}
	}
}

// outputs are the ends that a command writes to: /dev/null for none.
func (t *Tier) outputs(ends [2]*os.File) []*os.File {
	files := []*os.File{t.null, t.null}
	for i, w := range ends {
		if w != nil {
			files[i] = w
		}
	}
	return files
}

// ownFD is the first descriptor of a command beside the standard ones.
const ownFD = 3

// maxFiles bounds what a command can be given.
const maxFiles = 32

// joinProgram is what the two processes do. The command's own files are received
// first, and so have their places.
func (b *box) joinProgram(cmd sandbox.Command) *program {
	holderFD := ownFD + len(cmd.Files)
	stdoutFD, stderrFD := holderFD+1, holderFD+2
	p := &program{}
	p.receive(len(cmd.Files) + 3)
	p.do("set stdout", unix.SYS_DUP3, num(stdoutFD), num(1), num(0))
	p.do("set stderr", unix.SYS_DUP3, num(stderrFD), num(2), num(0))
	namespaces := unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET
	if b.tier.rootless {
		namespaces |= unix.CLONE_NEWUSER
	}
	p.do("enter namespaces", unix.SYS_SETNS, num(holderFD), num(namespaces))
	p.closeFrom(holderFD)
	cell := p.words(num(0), num(0))
	p.do("clone", unix.SYS_CLONE, num(unix.CLONE_PARENT|unix.CLONE_PARENT_SETTID|uint64(unix.SIGCHLD)), num(0), cell.at(8))
	clone := len(p.calls) - 1
	p.become(b, cmd)
	p.calls[clone].jump = len(p.calls)
	p.do("report", unix.SYS_WRITE, num(controlFD), cell, num(reportSize))
	p.exit(0)
	return p
}

// become turns a process into the command.
func (p *program) become(b *box, cmd sandbox.Command) {
	p.do("setsid", unix.SYS_SETSID)
	processes := 0
	if b.tier.countsByUser() {
		processes = b.spec.PIDs
	}
	p.limits(b.tier.rootless, processes)
	p.drop(b.blank, allCapabilities())
	p.do("umask", unix.SYS_UMASK, num(0o022))
	dir := cmd.Dir
	if dir == "" {
		dir = "/tmp"
	}
	p.do("chdir "+dir, unix.SYS_CHDIR, p.str(dir))
	p.filter(b.tier.filter)
	p.execute(cmd)
}

// execute makes the process the command's program.
func (p *program) execute(cmd sandbox.Command) {
	args, env := p.strs(cmd.Args), p.strs(cmd.Env)
	files := candidates(cmd)
	for _, f := range files[:len(files)-1] {
		p.try("execute", unix.SYS_EXECVE, p.str(f), args, env)
	}
	p.do("execute", unix.SYS_EXECVE, p.str(files[len(files)-1]), args, env)
}

// candidates are the files that the command may be, at least one: its own
// path, or its name in each folder of its PATH.
func candidates(cmd sandbox.Command) []string {
	name := cmd.Args[0]
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var files []string
	for _, e := range cmd.Env {
		if dirs, ok := strings.CutPrefix(e, "PATH="); ok {
			for _, dir := range strings.Split(dirs, ":") {
				if path.IsAbs(dir) {
					files = append(files, path.Join(dir, name))
				}
			}
		}
	}
	if files == nil {
		return []string{""} // which no file is
	}
	return files
}

// wait reaps the process when it has ended, and delivers the last of its
// output.
func (p *proc) wait() {
	var ws unix.WaitStatus
	var ru unix.Rusage
	raw, err := p.pidfd.SyscallConn()
	if err == nil {
		err = raw.Read(func(uintptr) bool {
			pid, err := unix.Wait4(p.pid, &ws, unix.WNOHANG, &ru)
			return pid == p.pid || (err != nil && !errors.Is(err, unix.EINTR))
		})
	}
	if err != nil {
		ws, ru = reap(p.pid)
	}
	p.box.tally.add(ru)
	for _, o := range p.outs {
		o.Close()
	}
	p.exit = p.exitOf(ws)
	p.pidfd.Close()
	close(p.done)
	p.box.forget(p)
}

func (p *proc) exitOf(ws unix.WaitStatus) sandbox.Exit {
	if !ws.Signaled() {
		return sandbox.Exit{Code: ws.ExitStatus()}
	}
	x := sandbox.Exit{Code: -1, Signal: ws.Signal()}
	if ws.Signal() == unix.SIGKILL {
		u, err := p.box.group.usage()
		x.OOMKilled = err == nil && u.OOMKills > p.kills
	}
	return x
}

// forget takes an ended process out of the books.
func (b *box) forget(p *proc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, p)
}

// Signal sends sig to the process; one that has ended takes no notice.
func (p *proc) Signal(sig syscall.Signal) error {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return nil // ended
	}
	_ = raw.Control(func(fd uintptr) {
		if err = unix.PidfdSendSignal(int(fd), sig, nil, 0); errors.Is(err, unix.ESRCH) {
			err = nil
		}
	})
	if err != nil {
		return fmt.Errorf("namespace: signal: %w", err)
	}
	return nil
}

// Flush delivers what was written so far.
func (p *proc) Flush() error {
	var errs error
	for _, o := range p.outs {
		errs = errors.Join(errs, o.Flush())
	}
	return errs
}

// Done is closed when the process has ended and its output is delivered.
func (p *proc) Done() <-chan struct{} { return p.done }

// Exit tells how the process ended.
func (p *proc) Exit() sandbox.Exit { return p.exit }
