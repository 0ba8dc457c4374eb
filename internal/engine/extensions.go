package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/extension"
	"github.com/mayfly-faas/mayfly/internal/engine/logs"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// This file runs the external extensions of a function: the programs in its
// layers' extensions folder, each a process beside the runtime.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-extensions.html

const (
	extensionsDir = "extensions" // below optRoot

	// How long a Shutdown phase takes at most, when there are external extensions,
	// and with internal ones alone; and how much of the former the runtime has.
	// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
	externalShutdown = 2 * time.Second
	internalShutdown = 500 * time.Millisecond
	runtimeShutdown  = 300 * time.Millisecond
)

// The error types of what extensions do wrong.
const (
	launchFailed = "Extension.LaunchError"
	crashedAgent = "Extension.Crash"
)

// externals are the names of u's external extensions. As on AWS, whatever is no
// folder is one, and had better be executable.
func (u *Unit) externals() []string {
	if u.Opt == "" {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(u.Opt, extensionsDir))
	if err != nil {
		return nil // most layers have none
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// An agent is the process of an external extension.
type agent struct {
	name string
	proc sandbox.Process
	out  *logs.Source
}

// A crash is the first of the extensions that ended by itself.
type crash struct {
	once     sync.Once
	happened chan struct{} // closed when exit is there
	exit     sandbox.Exit
}

func newCrash() *crash { return &crash{happened: make(chan struct{})} }

func (c *crash) note(x sandbox.Exit) {
	c.once.Do(func() {
		c.exit = x
		close(c.happened)
	})
}

// crashed is closed when an extension has ended by itself; nil when there is none.
func (i *instance) crashed() <-chan struct{} {
	if i.crash == nil {
		return nil
	}
	return i.crash.happened
}

// unharmed reports whether no extension has ended by itself.
func (i *instance) unharmed() bool {
	select {
	case <-i.crashed():
		return false
	default:
		return true
	}
}

// died is the fault of an extension that has ended by itself. What it said before
// names the fault.
func (i *instance) died() *fault {
	f := &fault{status: crashed, kind: or(i.api.Extensions().Failure(), crashedAgent)}
	switch x := i.crash.exit; {
	case x.Signal != 0:
		f.message = "signal: " + x.Signal.String()
	case x.Code != 0:
		f.message = fmt.Sprintf("exit status %d", x.Code)
	default:
		f.message = "exit code 0"
	}
	return f
}

// launchExtensions starts the external extensions and waits until each has
// registered: as on AWS, the runtime comes after that.
func (i *instance) launchExtensions(ctx context.Context, late <-chan time.Time, limit time.Duration) (*fault, error) {
	if len(i.external) == 0 {
		return nil, nil
	}
	i.crash = newCrash()
	all := i.api.Extensions()
	all.Expect(i.external)
	if len(i.external) > extension.Most {
		all.LaunchError(i.external[extension.Most], "TooManyExtensions")
		return &fault{status: crashed, kind: launchFailed, message: fmt.Sprintf("Extension limit (%d) reached", extension.Most)}, nil
	}
	env := list(extensionEnvironment(i.env))
	for _, name := range i.external {
		if f, err := i.launchExtension(ctx, name, env); f != nil || err != nil {
			return f, err
		}
	}
	select {
	case <-all.Complete():
		return nil, nil
	case <-i.crash.happened:
		return i.died(), nil
	case <-late:
		return overran(limit), nil
	case <-i.closing:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// launchExtension starts the process of one.
func (i *instance) launchExtension(ctx context.Context, name string, env []string) (*fault, error) {
	out := i.log.Extension()
	proc, err := i.box.Start(ctx, sandbox.Command{
		Args: []string{i.box.Path(optRoot) + "/" + extensionsDir + "/" + name}, Env: env, Dir: "/", Stdout: out, Stderr: out,
	})
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		reason := "UnknownError"
		if errors.Is(err, fs.ErrPermission) {
			reason = "PermissionDenied"
		}
		i.api.Extensions().LaunchError(name, reason)
		return &fault{status: crashed, kind: launchFailed, message: "fork/exec " + i.inside(path.Path) + ": " + path.Err.Error()}, nil
	case err != nil:
		return nil, err
	}
	i.agents = append(i.agents, agent{name, proc, out})
	crash, interrupt := i.crash, i.api.Interrupter()
	i.watchers.Go(func() {
		<-proc.Done()
		out.Close()
		crash.note(proc.Exit())
		interrupt()
	})
	return nil, nil
}

// extensionEnvironment is what an extension sees of a function's environment.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-extensions-api-lifecycle
func extensionEnvironment(env map[string]string) map[string]string {
	env = maps.Clone(env)
	maps.DeleteFunc(env, func(name, _ string) bool {
		switch name {
		case "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
			"AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT":
			return true
		}
		return strings.HasPrefix(name, "_") || strings.HasPrefix(name, "MAYFLY_")
	})
	env["PWD"] = "/"
	return env
}

// awaitExtensions waits until every extension that registered, in a process of its
// own or in the runtime's, waits for its first event: only then is the Init phase
// over.
func (i *instance) awaitExtensions(ctx context.Context, late <-chan time.Time, limit time.Duration) (*fault, error) {
	ready := i.api.Extensions().Ready()
	if ready == nil {
		i.extended = false
		return nil, nil
	}
	i.extended = true
	select {
	case <-ready:
		return nil, nil
	case <-i.crashed():
		return i.died(), nil
	case <-i.proc.Done():
		return i.exit(), nil
	case <-late:
		return overran(limit), nil
	case <-i.closing:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// farewell is the Shutdown phase: the runtime is asked to end, then the extensions
// that listen for it are told to, and have time. What is left is for the caller to
// kill. Without extensions there is no such phase.
func (i *instance) farewell(reason string) {
	external, internal := i.api.Extensions().Count()
	limit, share := internalShutdown, internalShutdown
	switch {
	case external > 0:
		limit, share = externalShutdown, runtimeShutdown
	case internal == 0:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	deadline, _ := ctx.Deadline()
	i.dismiss(ctx, share)
	i.flushAgents()
	i.telemetry.Flush(ctx)
	names, _ := i.api.Extensions().Tell(extension.Event{Type: extension.Shutdown, Reason: reason, Deadline: deadline})
	told := map[string]bool{}
	for _, n := range names {
		told[n] = true
	}
	for _, a := range i.agents {
		if !told[a.name] {
			continue
		}
		select {
		case <-a.proc.Done():
		case <-ctx.Done():
			return
		}
	}
}

// flushAgents returns when what the extensions wrote is in the log.
func (i *instance) flushAgents() {
	for _, a := range i.agents {
		a.proc.Flush()
	}
}

// dismiss asks the runtime to end, and waits for that, but not longer than share.
func (i *instance) dismiss(ctx context.Context, share time.Duration) {
	if i.proc == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	_ = i.proc.Signal(syscall.SIGTERM) // one that cannot be told is killed later
	select {
	case <-i.proc.Done():
	case <-ctx.Done():
	}
}

// reason is why a sandbox ends after f.
func (f *fault) reason() string {
	if f != nil && f.status == late {
		return extension.Timeout
	}
	return extension.Failure
}
