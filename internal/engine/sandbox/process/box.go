//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// A box is one sandbox: a folder, and the process groups that run.
type box struct {
	dir string

	mu        sync.Mutex // guards what is below
	closed    bool
	late      bool // until Furnish
	mounts    []sandbox.Mount
	running   map[*proc]bool
	listeners []net.Listener
	ended     time.Duration // CPU of ended processes
	peakKB    int           // largest peak of ended processes since ResetUsage
}

// Path maps a path inside to the host's: the longest mount that holds it
// decides. What no mount holds is the host's own.
func (b *box) Path(target string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.path(target)
}

// path is Path with b.mu held.
func (b *box) path(target string) string {
	best := sandbox.Mount{Source: filepath.Join(b.dir, "tmp"), Target: "/tmp"}
	if !under(target, best.Target) {
		best = sandbox.Mount{}
	}
	for _, m := range b.mounts {
		if under(target, m.Target) && len(m.Target) > len(best.Target) {
			best = m
		}
	}
	if best.Target == "" {
		return target
	}
	return best.Source + strings.TrimPrefix(target, best.Target)
}

func under(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// Listen takes a free port of the host's loopback: two sandboxes cannot both
// have the one that was asked for.
func (b *box) Listen(int) (net.Listener, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("process: listen: %w", err)
	}
	b.listeners = append(b.listeners, l)
	return l, nil
}

// Dial connects to the host's loopback, where code inside listens, too.
func (b *box) Dial(ctx context.Context, port int) (net.Conn, error) {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("process: dial: %w", err)
	}
	return c, nil
}

// Start runs cmd as the leader of a process group of its own.
func (b *box) Start(ctx context.Context, cmd sandbox.Command) (sandbox.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if cmd.From != nil {
		return nil, fmt.Errorf("process: start: from a zygote: %w", errors.ErrUnsupported)
	}
	if len(cmd.Args) == 0 {
		return nil, errors.New("process: start: no command")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	p, err := b.start(cmd)
	if err != nil {
		return nil, fmt.Errorf("process: start %s: %w", cmd.Args[0], err)
	}
	b.running[p] = true
	go p.wait()
	return p, nil
}

// start makes the process and writes it down; b.mu is held.
func (b *box) start(cmd sandbox.Command) (*proc, error) {
	file, err := lookPath(cmd)
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	outs, ends, err := sandbox.NewOutputs(cmd.Stdout, cmd.Stderr)
	if err != nil {
		return nil, err
	}
	files := []*os.File{null, null, null}
	for i, w := range ends {
		if w != nil {
			defer w.Close() // twice for a shared end: the second does nothing
			files[i+1] = w
		}
	}
	files = append(files, cmd.Files...)
	dir := cmd.Dir
	if dir == "" {
		dir = b.path("/tmp")
	}
	op, err := os.StartProcess(file, cmd.Args, &os.ProcAttr{
		Dir:   dir,
		Env:   b.env(cmd.Env),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		for _, o := range outs {
			o.Close()
		}
		return nil, err
	}
	g := group{id: op.Pid, start: startTime(op.Pid)}
	p := &proc{box: b, os: op, group: g, outs: outs, done: make(chan struct{})}
	if err := g.record(b.dir); err != nil {
		endGroup(g.id)
		op.Wait()
		return nil, err
	}
	return p, nil
}

// lookPath finds the program: a path, or a name in the command's PATH.
func lookPath(cmd sandbox.Command) (string, error) {
	name := cmd.Args[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, e := range cmd.Env {
		dirs, ok := strings.CutPrefix(e, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(dirs) {
			file := filepath.Join(dir, name)
			if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				return file, nil
			}
		}
	}
	return "", fmt.Errorf("find it in PATH: %w", os.ErrNotExist)
}

// env adds TMPDIR, which is how most programs can be told about another /tmp.
func (b *box) env(env []string) []string {
	for _, e := range env {
		if strings.HasPrefix(e, "TMPDIR=") {
			return env
		}
	}
	return append(append([]string{}, env...), "TMPDIR="+b.path("/tmp"))
}

// Freeze stops every process group.
func (b *box) Freeze() error { return b.stopGo(syscall.SIGSTOP) }

// Thaw lets every process group go on.
func (b *box) Thaw() error { return b.stopGo(syscall.SIGCONT) }

func (b *box) stopGo(sig syscall.Signal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	for p := range b.running {
		if err := syscall.Kill(-p.group.id, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("process: signal group %d: %w", p.group.id, err)
		}
	}
	return nil
}

// LimitCPU does nothing: this tier limits no CPU, with Spec.CPUs neither.
func (b *box) LimitCPU(float64) error { return nil }

// Usage adds up ended processes and the living.
func (b *box) Usage() (sandbox.Usage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := sandbox.Usage{CPU: b.ended}
	kb := 0
	for p := range b.running {
		cpu, peak := usage(p.group.id)
		u.CPU += cpu
		kb += peak
	}
	u.PeakMB = (max(kb, b.peakKB) + 1023) / 1024
	return u, nil
}

// ResetUsage forgets the peaks so far.
func (b *box) ResetUsage() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.peakKB = 0
	for p := range b.running {
		resetPeak(p.group.id)
	}
	return nil
}

// Kill ends every process group. What left its group has left our reach.
func (b *box) Kill() error {
	b.mu.Lock()
	var ps []*proc
	for p := range b.running {
		ps = append(ps, p)
	}
	b.mu.Unlock()
	var errs error
	for _, p := range ps {
		errs = errors.Join(errs, p.kill())
		<-p.done
	}
	return errs
}

// Close ends everything and removes the folder.
func (b *box) Close() error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	ls := b.listeners
	b.mu.Unlock()
	if again {
		return nil
	}
	for _, l := range ls {
		l.Close()
	}
	if err := errors.Join(b.Kill(), os.RemoveAll(b.dir)); err != nil {
		return fmt.Errorf("process: close: %w", err)
	}
	return nil
}

// Furnish adds the mounts; nothing here has limits.
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
		return errors.New("process: furnish: the sandbox is complete")
	}
	b.late = false
	b.mounts = append(b.mounts, f.Mounts...)
	return nil
}
