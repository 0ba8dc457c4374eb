// Package sandbox is the contract between the engine and an isolation tier.
//
// A tier is one folder below this one. It implements Tier, passes sandboxtest,
// and is named in app's list. Nothing else in the program changes.
package sandbox

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// A Tier makes sandboxes of one strength of isolation. Its methods may be
// called from any goroutine.
type Tier interface {
	// Name is the tier's name in configuration: "namespace", "process".
	Name() string

	// Open makes an empty sandbox: its file system, network and limits, with
	// nothing running. The sandbox outlives ctx: ctx bounds only the opening.
	Open(ctx context.Context, spec Spec) (Sandbox, error)

	// Sweep removes what an earlier process of this tier, with the same state
	// folder, left behind: processes, mounts, cgroups, namespaces, scratch
	// files. It is called once, before the first Open.
	Sweep(ctx context.Context) error

	// Close frees what the tier holds in reserve. All sandboxes are closed by then.
	Close() error
}

// A Spec says what to isolate, and the limits on it.
type Spec struct {
	ID       string  // unique among the living, [a-z0-9-]{1,40}; names what the tier makes
	Mounts   []Mount // beside the tier's own: system directories, /proc, /dev, /etc, /tmp
	MemoryMB int     // hard limit of memory; 0 is none
	CPUs     float64 // share of processors, until LimitCPU: 0.5 is half of one; 0 is no limit
	PIDs     int     // processes and threads; 0 is none
	TmpMB    int     // size of /tmp
	Outbound bool    // whether the code may reach the world outside the host

	// Late means that Furnish brings the code's mounts and the limits. Until
	// then nothing but the platform's own code may be started.
	Late bool
}

// A Furnishing is what makes a late sandbox the place of one function.
type Furnishing struct {
	Mounts   []Mount // beside those of the Spec
	MemoryMB int     // these three as a Spec has them
	CPUs     float64
	PIDs     int
}

// A Mount shows a host directory or file inside the sandbox, read-only.
type Mount struct {
	Source string // absolute, on the host
	Target string // absolute, inside
}

// A Sandbox is a place where code runs. /tmp lives as long as it does. Its
// methods may be called from any goroutine; after Close they fail or do nothing.
type Sandbox interface {
	// Path is where code inside finds what Spec.Mounts put at target. It is
	// target itself in a tier that has its own root, Source in one that has not.
	Path(target string) string

	// Listen listens on 127.0.0.1:port as code inside sees it. A tier that
	// shares the host's network takes a free port: ask the listener.
	// The sandbox closes the listener when it is closed.
	Listen(port int) (net.Listener, error)

	// Dial connects to 127.0.0.1:port as code inside sees it: to what that code
	// listens on. The caller closes the connection. A sandbox that is frozen
	// accepts, and says nothing.
	Dial(ctx context.Context, port int) (net.Conn, error)

	// Start runs cmd. The first process is the main one; others may run
	// beside it. When nothing runs any more, another may be started, in the
	// same file system. A program that cannot be executed is a *fs.PathError
	// with the operation fork/exec and its path.
	Start(ctx context.Context, cmd Command) (Process, error)

	// Furnish completes a sandbox that was opened Late, once, while processes
	// of the platform's own may run in it. They see the mounts at once, and from
	// then on whatever they become is as confined as if the sandbox had been
	// opened with all of it.
	Furnish(ctx context.Context, f Furnishing) error

	// Freeze stops every process from using the CPU until Thaw.
	Freeze() error
	Thaw() error

	// LimitCPU sets the share of processors anew, as Spec.CPUs says it.
	LimitCPU(cpus float64) error

	// Usage tells what was used: CPU since Open, and memory and OOM kills
	// since the last ResetUsage.
	Usage() (Usage, error)
	ResetUsage() error

	// Kill ends every process at once, and returns when none is left. The
	// sandbox remains usable.
	Kill() error

	// Close ends every process and frees all that the sandbox held. When it
	// returns, nothing of it is left. It may be called twice.
	Close() error
}

// A Command is what to run inside a sandbox. Paths are as Path tells them.
type Command struct {
	Args   []string  // Args[0] is a path inside, or a name to look up in Env's PATH
	Env    []string  // the whole environment
	Dir    string    // working directory inside
	Stdout io.Writer // each gets what the process writes, in order, never two writes at a time
	Stderr io.Writer // may equal Stdout: then both arrive in the order written

	// Files are the process's descriptors from 3 on. The caller keeps its own.
	Files []*os.File

	// From, unless nil, makes the process a fork of a zygote of the same tier:
	// Args, Env and Dir are not used then.
	From Zygote
}

// A Nursery is a Tier that can fork processes from zygotes, each into a
// sandbox. A tier without it executes every command.
type Nursery interface {
	// Zygote starts cmd as a zygote that sees mounts, in a confinement of its
	// own: it runs only the platform's code, and never a function's. It returns
	// when the zygote can be forked from. errors.ErrUnsupported says that there
	// are none here: what is started has to be executed.
	Zygote(ctx context.Context, mounts []Mount, cmd Command) (Zygote, error)
}

// A Zygote is a process that is forked into sandboxes. What is forked from it
// outlives it.
type Zygote interface {
	// Done is closed when the zygote has ended.
	Done() <-chan struct{}

	// Close ends the zygote.
	Close() error
}

// A Process is one running command. Its methods may be called at any time.
type Process interface {
	// Signal sends sig to the process.
	Signal(sig syscall.Signal) error

	// Flush returns once all that the process wrote before the call is in
	// Stdout and Stderr. Without it an answer can overtake the log that led to it.
	Flush() error

	// Done is closed when the process has ended, and all its output is delivered.
	Done() <-chan struct{}

	// Exit tells how the process ended; it is valid once Done is closed.
	Exit() Exit
}

// An Exit is how a process ended.
type Exit struct {
	Code      int            // exit status; -1 when a signal ended it
	Signal    syscall.Signal // 0 when it exited by itself
	OOMKilled bool           // the memory limit ended it
}

// A Usage is what a sandbox has used.
type Usage struct {
	CPU      time.Duration
	PeakMB   int // highest memory in MiB, rounded up
	OOMKills int
}
