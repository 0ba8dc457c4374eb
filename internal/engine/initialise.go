package engine

import (
	"context"
	"os"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// The phases in which initialisation happens.
const (
	phaseInit   = "init"   // before the first invocation
	phaseInvoke = "invoke" // within one, because it failed before or a reset undid it
)

// initialise starts the runtime and waits until it asks for its first
// invocation. What prevents that on the code's side is a fault, and leaves
// the sandbox reset.
func (i *instance) initialise(ctx context.Context, phase string, limit time.Duration) (*fault, error) {
	if phase == phaseInit || i.ran {
		i.logInitStart(phase)
	}
	start := time.Now()
	if i.blank != nil {
		start = i.begun
	}
	f, err := i.boot(ctx, limit)
	took := time.Since(start)
	if i.proc != nil {
		i.proc.Flush() // what it said comes before what we say of it
	}
	if f == nil && err == nil {
		i.ready = true
		if phase == phaseInit && !i.provisioned {
			i.init = took
		}
		i.logInitDone(phase, took, nil)
		return nil, nil
	}
	i.reset()
	if err == nil {
		i.logInitDone(phase, took, f)
	}
	return f, err
}

// boot starts the runtime, and waits for its first word, its end, or the limit.
func (i *instance) boot(ctx context.Context, limit time.Duration) (*fault, error) {
	if f := i.u.bootstrap(); f != nil {
		return f, nil
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	launch := i.execute
	if i.blank != nil {
		launch = i.assign
	}
	if f, err := launch(ctx); f != nil || err != nil {
		return f, err
	}
	return i.await(ctx, timer.C, limit)
}

// assign has the interpreter that waits in the sandbox load the function. One
// that has died meanwhile is no fault of the function's: another is executed.
func (i *instance) assign(ctx context.Context) (*fault, error) {
	i.blank = nil
	if i.api.Assign(i.env) == nil {
		return nil, nil
	}
	i.reset()
	return i.execute(ctx)
}

// execute starts the function's own process.
func (i *instance) execute(ctx context.Context) (*fault, error) {
	i.api.Reset()
	cmd := i.cmd
	if i.linked {
		conn, file, err := sandbox.NewLink()
		if err != nil {
			return nil, err
		}
		defer file.Close()
		i.api.Attach(conn)
		cmd.Files = []*os.File{file}
	}
	proc, err := i.box.Start(ctx, cmd)
	if err != nil {
		if f := i.unstartable(err); f != nil {
			return f, nil
		}
		return nil, err
	}
	i.proc = proc
	if i.linked {
		i.watch()
	}
	return nil, nil
}

// watch has nobody follow an invocation any more when the process has ended. What
// it has started may keep its link open.
func (i *instance) watch() {
	proc, interrupt := i.proc, i.api.Interrupter()
	i.watchers.Go(func() {
		<-proc.Done()
		interrupt()
	})
}

// await waits for the runtime's first word.
func (i *instance) await(ctx context.Context, late <-chan time.Time, limit time.Duration) (*fault, error) {
	proc := i.proc
	started := i.api.Started()
	select {
	case <-started:
	case <-proc.Done():
	case <-late:
		return overran(limit), nil
	case <-i.closing:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f := i.api.InitFailure(); f != nil {
		return reported(f), nil
	}
	select {
	case <-proc.Done():
		return i.exit(), nil
	default:
		return nil, nil
	}
}

// exit is the fault of the process that has ended.
func (i *instance) exit() *fault {
	x := i.proc.Exit()
	oom := x.OOMKilled
	if u, err := i.box.Usage(); err == nil && u.OOMKills > 0 && x.Signal != 0 {
		oom = true
	}
	return exited(x, oom)
}
