package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/logs"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
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
	id          string
	provisioned bool
	expires     time.Time

	box     sandbox.Sandbox
	api     *runtimeapi.Server
	log     *logs.Stream
	cmd     sandbox.Command
	serving sync.WaitGroup // the endpoint
	closing chan struct{}
	close   func()

	proc  sandbox.Process // nil when nothing runs
	ready bool            // proc has been initialised
	ran   bool            // an invocation has ended in this sandbox
	init  time.Duration   // of the Init phase, until an invocation has reported it
	cpu   time.Duration   // what invocations before have reported
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
func (i *instance) share() float64 { return float64(i.u.MemoryMB) / mbPerCPU }

// open makes a sandbox for u in which nothing runs yet.
func (e *Engine) open(ctx context.Context, u *Unit, provisioned bool) (*instance, error) {
	mounts, err := e.c.Runtimes.Mounts(u.Runtime)
	if err != nil {
		return nil, err
	}
	for _, m := range []sandbox.Mount{{Source: u.Code, Target: taskRoot}, {Source: u.Opt, Target: optRoot}} {
		if m.Source != "" {
			mounts = append(mounts, m)
		}
	}
	id := randomHex(16)
	box, err := e.c.Tier.Open(ctx, sandbox.Spec{
		ID: id, Mounts: mounts, MemoryMB: u.MemoryMB, CPUs: max(initCPUs, float64(u.MemoryMB)/mbPerCPU),
		PIDs: maxPIDs, TmpMB: u.TmpMB, Outbound: !e.c.Offline,
	})
	if err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	i := &instance{
		e: e, u: u, id: id, provisioned: provisioned, box: box, api: runtimeapi.New(),
		log: logs.Open(e.c.Sink, u.Log.Group, streamName(u, id, time.Now())), closing: make(chan struct{}),
	}
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

// prepare opens the ways out of the sandbox, and writes down what will run in it.
func (i *instance) prepare(ctx context.Context) error {
	at := place{path: i.box.Path, stream: i.log.Name(), initType: i.initType()}
	l, err := i.box.Listen(apiPort)
	if err != nil {
		return fmt.Errorf("listen for the runtime: %w", err)
	}
	i.api.Serve(l)
	at.api = l.Addr().String()
	if i.e.c.Endpoint != nil {
		l, err := i.box.Listen(i.e.c.EndpointPort)
		if err != nil {
			return fmt.Errorf("listen for the platform: %w", err)
		}
		i.serving.Go(func() { i.e.c.Endpoint(l) })
		at.endpoint = "http://" + l.Addr().String()
	}
	var cred Credentials
	if i.u.Credentials != nil {
		if cred, err = i.u.Credentials(ctx); err != nil {
			return fmt.Errorf("get credentials: %w", err)
		}
	}
	if !cred.Expires.IsZero() {
		i.expires = cred.Expires.Add(-credMargin)
	}
	args, env, err := i.e.c.Runtimes.Command(runtimes.Launch{
		Runtime: i.u.Runtime, Handler: i.u.Handler, Env: i.u.Env, MemoryMB: i.u.MemoryMB,
		Code: i.u.Code, Opt: i.u.Opt, Path: i.box.Path,
	})
	if err != nil {
		return err
	}
	i.cmd = sandbox.Command{
		Args: args, Env: environment(i.u, env, cred, at), Dir: i.box.Path(taskRoot), Stdout: i.log, Stderr: i.log,
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
func (i *instance) Freeze() error { return i.box.Freeze() }

// Thaw implements pool.Instance.
func (i *instance) Thaw() error { return i.box.Thaw() }

// Alive implements pool.Instance. A sandbox that has been reset is alive.
func (i *instance) Alive() bool {
	if i.proc == nil {
		return true
	}
	select {
	case <-i.proc.Done():
		return false
	default:
		return true
	}
}

// Dead implements pool.Instance.
func (i *instance) Dead() <-chan struct{} { return i.proc.Done() }

// Expires implements pool.Instance.
func (i *instance) Expires() time.Time { return i.expires }

// Close implements pool.Instance.
func (i *instance) Close() { i.close() }

func (i *instance) shut() {
	close(i.closing)
	i.box.Close()
	i.api.Close()
	i.serving.Wait()
	i.log.Close()
}

// reset ends what runs, and leaves the sandbox as it is for another start.
func (i *instance) reset() {
	i.box.Kill()
	if i.proc != nil {
		<-i.proc.Done() // its last output has arrived
	}
	// Until then the peak of memory is that of all invocations, as AWS reports it.
	i.box.ResetUsage()
	i.proc, i.ready = nil, false
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

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
