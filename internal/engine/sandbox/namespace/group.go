//go:build linux && (amd64 || arm64)

package namespace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"golang.org/x/sys/unix"
)

// A group is the control group of one sandbox: its limits, and what it used.
// There is one implementation for each version of control groups, and one for
// machines that give us none.
type group interface {
	// limit sets what s asks for.
	limit(s sandbox.Spec) error

	// attach is how a process gets in: it writes "0" to each of these, ...
	attach() ([]*os.File, error)
	// ... or is born in this folder, when it is not nil.
	birth() *os.File

	// doors is how a process gets in that is born elsewhere: it writes "0" to each.
	doors() ([]*os.File, error)

	// share sets what the sandbox gets of the processors; 0 is no limit.
	share(cpus float64) error

	freeze(frozen bool) error
	usage() (sandbox.Usage, error)
	resetPeak() error

	// rest closes what nobody needs while all that is inside is frozen: descriptors
	// are what a machine with many idle sandboxes runs out of first. They are opened
	// again when they are wanted.
	rest()

	// kill ends all processes in it; remove removes it, once they are gone.
	kill() error
	remove() error
}

// groups makes control groups below a folder of our own.
type groups interface {
	make(id string) (group, error)

	// sweep ends and removes the groups that an earlier server left, and close
	// removes our folder.
	sweep() error
	close() error
}

// noGroups is for machines where we may not make control groups: without root,
// and without a delegated subtree. Nothing is limited, and nothing can be frozen
// but by signals.
type noGroups struct{}

func (noGroups) make(string) (group, error) { return noGroup{}, nil }
func (noGroups) sweep() error               { return nil }
func (noGroups) close() error               { return nil }

type noGroup struct{}

func (noGroup) limit(sandbox.Spec) error      { return nil }
func (noGroup) share(float64) error           { return nil }
func (noGroup) attach() ([]*os.File, error)   { return nil, nil }
func (noGroup) doors() ([]*os.File, error)    { return nil, nil }
func (noGroup) birth() *os.File               { return nil }
func (noGroup) freeze(bool) error             { return errors.ErrUnsupported }
func (noGroup) usage() (sandbox.Usage, error) { return sandbox.Usage{}, errors.ErrUnsupported }
func (noGroup) resetPeak() error              { return nil }
func (noGroup) rest()                         {}
func (noGroup) kill() error                   { return nil }
func (noGroup) remove() error                 { return nil }

// cpuPeriod is the period of CPU quotas. A small share comes in pieces: the
// shorter the period, the shorter the pauses; the longer, the more work is done
// before the first pause. Where the kernel lets a group save up what it did not use,
// one period's worth (bursts, from Linux 5.14), a share of 7 % works 7 ms before it
// has to pause, which most short invocations never need.
const cpuPeriod = 50 * time.Millisecond

// quotaOf is what a share is in each period, in microseconds.
func quotaOf(cpus float64) int64 {
	return max(time.Duration(cpus*float64(cpuPeriod)), time.Millisecond).Microseconds()
}

// writeFile writes to a control file; files there are never created.
func writeFile(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// megabytes rounds up.
func megabytes(n int64) int { return int((n + 1<<20 - 1) >> 20) }

// killAll kills the processes that a cgroup.procs lists, until it lists none.
func killAll(dir string) error {
	return eventually(func() (bool, error) {
		b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		pids := strings.Fields(string(b))
		for _, s := range pids {
			if pid, err := strconv.Atoi(s); err == nil && pid > 1 && pid != os.Getpid() {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		return len(pids) == 0, nil
	})
}

// removeDir removes a control group. The kernel calls it busy for a moment
// after its last process has ended.
func removeDir(dir string) error {
	return eventually(func() (bool, error) {
		err := unix.Rmdir(dir)
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
			return true, nil
		case errors.Is(err, unix.EBUSY):
			return false, nil
		}
		return false, &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	})
}

// errNever is the error of what should have happened by itself, and did not.
var errNever = errors.New("it does not come about")

// eventually calls f until it is true. It is for what the kernel does soon and
// tells nobody about.
func eventually(f func() (bool, error)) error {
	deadline := time.Now().Add(10 * time.Second)
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
		ok, err := f()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errNever
		}
		time.Sleep(wait)
	}
}

// below lists the sandboxes' groups in our folder.
func below(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}
