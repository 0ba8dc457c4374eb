//go:build unix

package process

import (
	"errors"
	"os"
	"syscall"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// A proc is one running command, the leader of its process group.
type proc struct {
	box   *box
	os    *os.Process
	group group
	outs  []*sandbox.Output
	done  chan struct{}
	exit  sandbox.Exit // set before done is closed
}

// wait reaps the process, ends what it left behind in its group, and delivers
// the last of its output.
func (p *proc) wait() {
	st, _ := p.os.Wait()
	_ = endGroup(p.group.id)
	for _, o := range p.outs {
		o.Close()
	}
	p.exit = exitOf(st)
	p.box.forget(p, st)
	close(p.done)
}

func exitOf(st *os.ProcessState) sandbox.Exit {
	if st == nil {
		return sandbox.Exit{Code: -1, Signal: syscall.SIGKILL}
	}
	ws := st.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return sandbox.Exit{Code: -1, Signal: ws.Signal()}
	}
	return sandbox.Exit{Code: ws.ExitStatus()}
}

// forget takes an ended process out of the sandbox's books.
func (b *box) forget(p *proc, st *os.ProcessState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, p)
	p.group.forget(b.dir)
	if st == nil {
		return
	}
	b.ended += st.UserTime() + st.SystemTime()
	b.peakKB = max(b.peakKB, maxRSS(st.SysUsage().(*syscall.Rusage)))
}

// kill ends the group. The leader goes first, so that wait can reap it.
func (p *proc) kill() error {
	err := syscall.Kill(-p.group.id, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EPERM) {
		return nil // ended by itself
	}
	return err
}

// Signal sends sig to the leader.
func (p *proc) Signal(sig syscall.Signal) error {
	err := p.os.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
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
