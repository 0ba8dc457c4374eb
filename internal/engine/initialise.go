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
	if len(i.external) > 0 {
		i.telemetry.Keep()
		i.tap()
	}
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
	i.flushAgents()
	if f == nil && err == nil {
		i.ready = true
		if phase == phaseInit && !i.provisioned {
			i.init = took
		}
		i.logInitDone(phase, took, nil)
		i.telemetry.Seal()
		return nil, nil
	}
	if err == nil {
		i.logInitFailed(phase, took, f)
	} else {
		i.reset()
	}
	return f, err
}

// logInitFailed ends what runs, and writes how initialisation failed. What the code
// still says as it is killed comes first; but extensions hear of the failure before
// they end.
func (i *instance) logInitFailed(phase string, took time.Duration, f *fault) {
	if len(i.agents) == 0 && !i.extended {
		i.reset()
		i.logInitDone(phase, took, f)
		return
	}
	i.logInitDone(phase, took, f)
	i.farewell(f.reason())
	i.reset()
}

// boot starts extensions and the runtime, and waits for their first words, the end of
// one of them, or the limit.
func (i *instance) boot(ctx context.Context, limit time.Duration) (*fault, error) {
	if f := i.u.bootstrap(); f != nil {
		return f, nil
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	if i.blank == nil {
		i.api.Reset()
	}
	if f, err := i.launchExtensions(ctx, timer.C, limit); f != nil || err != nil {
		return f, err
	}
	launch := i.execute
	if i.blank != nil {
		launch = i.assign
	}
	if f, err := launch(ctx); f != nil || err != nil {
		return f, err
	}
	if i.proc == nil { // a blank that was lost: all begins anew
		return i.boot(ctx, limit)
	}
	if f, err := i.await(ctx, timer.C, limit); f != nil || err != nil {
		return f, err
	}
	return i.awaitExtensions(ctx, timer.C, limit)
}

// assign has the interpreter that waits in the sandbox load the function. One
// that has died meanwhile is no fault of the function's: it is as if there had been
// none.
func (i *instance) assign(context.Context) (*fault, error) {
	i.blank = nil
	if i.api.Assign(i.env) != nil {
		i.reset()
	}
	return nil, nil
}

// execute starts the function's own process.
func (i *instance) execute(ctx context.Context) (*fault, error) {
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

// watch has nobody follow an invocation any more when the process has ended, or an
// extension has. What it has started may keep its link open.
func (i *instance) watch() {
	proc, crashed, interrupt := i.proc, i.crashed(), i.api.Interrupter()
	i.watchers.Go(func() {
		select {
		case <-proc.Done():
		case <-crashed:
		}
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
	case <-i.crashed():
		return i.died(), nil
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
