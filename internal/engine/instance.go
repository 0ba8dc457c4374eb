package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/blank"
	"github.com/mayfly-faas/mayfly/internal/engine/extension"
	"github.com/mayfly-faas/mayfly/internal/engine/logs"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/telemetry"
)

const (
	maxPIDs    = 1024
	initCPUs   = 2    // processors that an Init phase may use, however small the function
	mbPerCPU   = 1769 // https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
	longInit   = 130 * time.Second
	credMargin = 5 * time.Minute // a sandbox goes so long before its credentials do
)

// An instance is a sandbox with the unit that it runs, its Runtime API and its
// log. One goroutine at a time uses it: the pool's, or that of the invocation
// that took it. Only Close may come from another.
type instance struct {
	e           *Engine
	u           *Unit
	provisioned bool
	expires     time.Time

	place   *blank.Place
	box     sandbox.Sandbox    // of place
	api     *runtimeapi.Server // of place
	log     *logs.Stream
	env     map[string]string // of cmd
	cmd     sandbox.Command
	linked  bool // cmd speaks with us over a link
	closing chan struct{}
	close   func()

	watchers sync.WaitGroup // of processes, one each

	external  []string       // the extensions that are programs
	agents    []agent        // their processes
	crash     *crash         // of one of them; nil when there are none
	extended  bool           // proc has extensions, of whatever kind
	telemetry *telemetry.Hub // what they subscribed to
	frozen    bool
	busy      atomic.Bool // an invocation has the instance

	blank  *blank.Blank    // that waits for its assignment; nil once it has it, and for what is executed
	begun  time.Time       // when blank was asked for
	proc   sandbox.Process // nil when nothing runs
	ready  bool            // proc has been initialised
	ran    bool            // an invocation has ended in this sandbox
	init   time.Duration   // of the Init phase, until an invocation has reported it
	cpu    time.Duration   // what was used before the next invocation
	peakMB int             // highest memory so far; 0 before the first invocation's end
	timer  *time.Timer     // of the invocation's deadline; nil before the first
}

// start makes a sandbox for u and initialises it. An initialisation that fails
// is no error: it is tried again in the first invocation, as on AWS. But a
// provisioned sandbox has no use then.
func (e *Engine) start(ctx context.Context, u *Unit, provisioned bool) (*instance, error) {
	i, err := e.open(ctx, u, provisioned)
	if err != nil {
		return nil, err
	}
	limit := e.c.OnDemandInit
	if provisioned {
		limit = max(longInit, u.Timeout)
	}
	f, err := i.initialise(ctx, phaseInit, limit)
	if err == nil && i.share() < initCPUs {
		err = i.box.LimitCPU(i.share())
	}
	if err == nil && f != nil && provisioned {
		err = fmt.Errorf("initialise: %s", f.kind)
	}
	if err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// share is what the unit's memory buys of the processors. It holds from the end
// of the Init phase on: on AWS, too, that phase is as fast for a small function as for
// a large one, but not when it is made up for in an invocation.
func (i *instance) share() float64 { return i.u.share() }

func (u *Unit) share() float64 { return float64(u.MemoryMB) / mbPerCPU }

// open makes a sandbox for u in which none of its code runs yet.
func (e *Engine) open(ctx context.Context, u *Unit, provisioned bool) (*instance, error) {
	if o, ok := e.order(u); ok {
		i, err := e.adopt(ctx, u, o, provisioned)
		if err == nil || ctx.Err() != nil || errors.Is(err, blank.ErrClosed) {
			return i, err
		}
		e.c.Log.Warn("a started interpreter cannot be used, another is executed", "function", u.Function, "err", err)
	}
	mounts, err := e.c.Runtimes.Mounts(u.Runtime)
	if err != nil {
		return nil, err
	}
	p, err := e.opener.Open(ctx, sandbox.Spec{
		ID: blank.NewID(), Mounts: append(mounts, u.mounts()...), MemoryMB: u.MemoryMB, CPUs: max(initCPUs, u.share()),
		PIDs: maxPIDs, TmpMB: u.TmpMB, Outbound: !e.c.Offline,
	})
	if err != nil {
		return nil, err
	}
	return e.instance(ctx, u, p, provisioned)
}

// order is the blank that u's code can be loaded into; ok is false when it must
// be executed.
func (e *Engine) order(u *Unit) (o blank.Order, ok bool) {
	l := u.launch(nil)
	b, ok := e.c.Runtimes.Blank(l)
	if !ok {
		return o, false
	}
	return blank.Order{Blank: b, Outbound: !e.c.Offline, TmpMB: u.TmpMB, At: func(path func(string) string) runtimes.Blank {
		l := l
		l.Path = path
		b, _ := e.c.Runtimes.Blank(l)
		return b
	}}, true
}

// adopt makes a blank the place of u, for life.
func (e *Engine) adopt(ctx context.Context, u *Unit, o blank.Order, provisioned bool) (*instance, error) {
	begun := time.Now()
	b, err := e.blanks.Take(ctx, o)
	if err != nil {
		return nil, err
	}
	err = b.Box.Furnish(ctx, sandbox.Furnishing{
		Mounts: u.mounts(), MemoryMB: u.MemoryMB, CPUs: max(initCPUs, u.share()), PIDs: maxPIDs,
	})
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("furnish: %w", err)
	}
	i, err := e.instance(ctx, u, b.Place, provisioned)
	if err != nil {
		return nil, err
	}
	i.blank, i.begun, i.proc, i.cpu = b, begun, b.Proc, b.CPU
	i.watch()
	b.Output.To(i.log)
	return i, nil
}

// mounts are where code finds itself.
func (u *Unit) mounts() []sandbox.Mount {
	var mounts []sandbox.Mount
	for _, m := range []sandbox.Mount{{Source: u.Code, Target: taskRoot}, {Source: u.Opt, Target: optRoot}} {
		if m.Source != "" {
			mounts = append(mounts, m)
		}
	}
	return mounts
}

func (u *Unit) launch(path func(string) string) runtimes.Launch {
	return runtimes.Launch{
		Runtime: u.Runtime, Handler: u.Handler, Env: u.Env, MemoryMB: u.MemoryMB, Code: u.Code, Opt: u.Opt, Path: path,
	}
}

// instance makes p the place of u. When it fails, p is closed.
func (e *Engine) instance(ctx context.Context, u *Unit, p *blank.Place, provisioned bool) (*instance, error) {
	i := &instance{
		e: e, u: u, provisioned: provisioned, place: p, box: p.Box, api: p.API,
		log: e.logs.Open(u.Log.Group, streamName(u, p.ID, time.Now())), closing: make(chan struct{}),
		external: u.externals(),
	}
	i.describe()
	if joinsLines(u.Runtime) {
		i.log.Joined()
	}
	i.close = sync.OnceFunc(i.shut)
	if err := i.prepare(ctx); err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// prepare writes down what will run in the sandbox.
func (i *instance) prepare(ctx context.Context) (err error) {
	var cred Credentials
	if i.u.Credentials != nil {
		if cred, err = i.u.Credentials(ctx); err != nil {
			return fmt.Errorf("get credentials: %w", err)
		}
	}
	if !cred.Expires.IsZero() {
		i.expires = cred.Expires.Add(-credMargin)
	}
	launch := i.u.launch(i.box.Path)
	args, env, err := i.e.c.Runtimes.Command(launch)
	if err != nil {
		return err
	}
	i.linked = i.e.c.Runtimes.Linked(launch)
	i.env = environment(i.u, env, cred, place{
		path: i.box.Path, api: i.place.APIAddr, endpoint: i.place.Endpoint, stream: i.log.Name(), initType: i.initType(),
	})
	i.cmd = sandbox.Command{
		Args: args, Env: list(i.env), Dir: i.box.Path(taskRoot), Stdout: i.log, Stderr: i.log,
	}
	if i.linked {
		i.cmd.Env = append(i.cmd.Env, "MAYFLY_LINK=3")
	}
	return nil
}

func (i *instance) initType() string {
	if i.provisioned {
		return "provisioned-concurrency"
	}
	return "on-demand"
}

// Freeze implements pool.Instance.
func (i *instance) Freeze() error {
	i.telemetry.Pause()
	err := i.box.Freeze()
	i.frozen = err == nil
	return err
}

// Thaw implements pool.Instance.
func (i *instance) Thaw() error {
	err := i.box.Thaw()
	i.frozen = false
	i.telemetry.Resume()
	return err
}

// Alive implements pool.Instance. A sandbox that has been reset is alive.
func (i *instance) Alive() bool {
	if i.proc == nil {
		return true
	}
	select {
	case <-i.proc.Done():
		return false
	default:
		return i.unharmed()
	}
}

// Dead implements pool.Instance.
func (i *instance) Dead() <-chan struct{} { return i.proc.Done() }

// HeldMB implements pool.Instance: the most that it ever held.
func (i *instance) HeldMB() int {
	if i.peakMB == 0 { // not known: it may be all
		return i.u.MemoryMB
	}
	return i.peakMB
}

// Expires implements pool.Instance.
func (i *instance) Expires() time.Time { return i.expires }

// Close implements pool.Instance.
func (i *instance) Close() { i.close() }

func (i *instance) shut() {
	if i.extended && i.ready && !i.busy.Load() {
		i.spinDown()
	}
	close(i.closing)
	i.place.Close()
	i.watchers.Wait()
	i.telemetry.Reset()
	i.log.Close()
}

// spinDown lets the extensions of a sandbox that is needed no more end in order.
func (i *instance) spinDown() {
	if i.frozen && i.Thaw() != nil {
		return
	}
	i.farewell(extension.Spindown)
}

// reset ends what runs, and leaves the sandbox as it is for another start.
func (i *instance) reset() {
	i.box.Kill()
	for _, a := range i.agents {
		<-a.proc.Done()
	}
	i.agents, i.crash, i.extended = nil, nil, false
	i.telemetry.Reset()
	if i.proc != nil {
		<-i.proc.Done() // its last output has arrived
	}
	// Until then the peak of memory is that of all invocations, as AWS reports it.
	i.box.ResetUsage()
	i.proc, i.blank, i.ready = nil, nil, false
}

// bootstrap is the fault of a package that brings no runtime though it must.
func (u *Unit) bootstrap() *fault {
	if !isCustom(u.Runtime) {
		return nil
	}
	for _, dir := range []string{u.Code, u.Opt} {
		st, err := os.Stat(filepath.Join(dir, "bootstrap"))
		switch {
		case dir == "" || err != nil || st.IsDir():
		case st.Mode()&0o111 == 0:
			return &fault{status: crashed, kind: invalidEntrypoint, message: "fork/exec " + taskRoot + "/bootstrap: permission denied"}
		default:
			return nil
		}
	}
	return &fault{status: crashed, kind: invalidEntrypoint,
		message: "Couldn't find valid bootstrap(s): [" + taskRoot + "/bootstrap " + optRoot + "/bootstrap]"}
}

// streamName is AWS's form. A group that is not the function's own may be
// shared, and then the name says whose stream it is.
func streamName(u *Unit, id string, now time.Time) string {
	name := ""
	if !strings.HasSuffix(u.Log.Group, "/"+u.Function) {
		name = u.Function
	}
	return now.UTC().Format("2006/01/02/") + name + "[" + u.Version + "]" + id
}
