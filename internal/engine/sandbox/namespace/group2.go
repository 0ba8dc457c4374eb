//go:build linux && (amd64 || arm64)

package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// groups2 makes control groups of version 2.
type groups2 struct {
	dir string
}

// controllers2 are what a sandbox uses.
var controllers2 = [...]string{"memory", "cpu", "pids"}

// newGroups2 makes our folder in the server's own group, which has to be ours
// to divide: the root's, or a subtree delegated to us. A group with processes may not
// give controllers to others, so the server moves into a leaf of its own.
func newGroups2(own, name string) (*groups2, error) {
	have, err := os.ReadFile(filepath.Join(own, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	for _, c := range controllers2 {
		if !slices.Contains(strings.Fields(string(have)), c) {
			return nil, fmt.Errorf("no %s controller: %w", c, errors.ErrUnsupported)
		}
	}
	if err := enable(own); err != nil {
		leaf := filepath.Join(own, name+"-server")
		if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if err := writeFile(leaf, "cgroup.procs", "0"); err != nil {
			return nil, fmt.Errorf("move the server to a leaf: %w", err)
		}
		if err := enable(own); err != nil {
			return nil, fmt.Errorf("enable controllers: %w", err)
		}
	}
	g := &groups2{dir: filepath.Join(own, name)}
	if err := os.Mkdir(g.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return g, enable(g.dir)
}

// enable gives the controllers that we use to the groups below dir.
func enable(dir string) error {
	return writeFile(dir, "cgroup.subtree_control", "+"+strings.Join(controllers2[:], " +"))
}

func (g *groups2) make(id string) (group, error) {
	s := &group2{dir: filepath.Join(g.dir, id)}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Open(s.dir)
	if err != nil {
		return nil, errors.Join(err, s.remove())
	}
	s.folder = f
	return s, nil
}

func (g *groups2) sweep() error {
	names, errs := below(g.dir)
	for _, name := range names {
		left := &group2{dir: filepath.Join(g.dir, name)}
		errs = errors.Join(errs, left.kill(), killAll(left.dir), left.remove())
	}
	return errs
}

func (g *groups2) close() error { return removeDir(g.dir) }

// A group2 is one sandbox's folder.
type group2 struct {
	dir      string
	folder   *os.File
	controls controls

	mu   sync.Mutex // guards what is below
	door *os.File   // cgroup.procs, once it is wanted
}

func (g *group2) limit(s sandbox.Spec) error {
	var errs []error
	if s.MemoryMB > 0 {
		errs = append(errs, writeFile(g.dir, "memory.max", strconv.Itoa(s.MemoryMB<<20)),
			// One process killed by the limit leaves the others in an unknown state.
			writeFile(g.dir, "memory.oom.group", "1"))
		if err := writeFile(g.dir, "memory.swap.max", "0"); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if s.CPUs > 0 {
		errs = append(errs, g.share(s.CPUs))
	}
	if s.PIDs > 0 {
		errs = append(errs, writeFile(g.dir, "pids.max", strconv.Itoa(s.PIDs)))
	}
	return errors.Join(errs...)
}

// share is as in version 1.
func (g *group2) share(cpus float64) error {
	_ = g.controls.write(g.dir, "cpu.max.burst", "0")
	if cpus <= 0 {
		return g.controls.write(g.dir, "cpu.max", "max")
	}
	quota := quotaOf(cpus)
	if err := g.controls.write(g.dir, "cpu.max", fmt.Sprintf("%d %d", quota, cpuPeriod.Microseconds())); err != nil {
		return err
	}
	_ = g.controls.write(g.dir, "cpu.max.burst", strconv.FormatInt(quota, 10))
	return nil
}

func (g *group2) attach() ([]*os.File, error) { return nil, nil }

// doors is open from the first use on.
func (g *group2) doors() ([]*os.File, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.door == nil {
		f, err := os.OpenFile(filepath.Join(g.dir, "cgroup.procs"), os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		g.door = f
	}
	return []*os.File{g.door}, nil
}

func (g *group2) birth() *os.File { return g.folder }

func (g *group2) rest() {
	g.mu.Lock()
	if g.door != nil {
		g.door.Close()
		g.door = nil
	}
	g.mu.Unlock()
	g.controls.rest()
}

func (g *group2) freeze(frozen bool) error {
	want := int64(0)
	if frozen {
		want = 1
	}
	if err := g.controls.write(g.dir, "cgroup.freeze", strconv.FormatInt(want, 10)); err != nil {
		return err
	}
	return eventually(func() (bool, error) {
		now, err := g.controls.key(g.dir, "cgroup.events", "frozen")
		return now == want, err
	})
}

func (g *group2) usage() (sandbox.Usage, error) {
	cpu, err1 := g.controls.key(g.dir, "cpu.stat", "usage_usec")
	peak, err2 := g.controls.number(g.dir, "memory.peak")
	if errors.Is(err2, fs.ErrNotExist) { // before Linux 5.19
		peak, err2 = g.controls.number(g.dir, "memory.current")
	}
	kills, err3 := g.controls.key(g.dir, "memory.events", "oom_kill")
	return sandbox.Usage{CPU: time.Duration(cpu) * time.Microsecond, PeakMB: megabytes(peak), OOMKills: int(kills)},
		errors.Join(err1, err2, err3)
}

// resetPeak works from Linux 6.12 on, for who reads by the same descriptor; before,
// the peak is that since Open.
func (g *group2) resetPeak() error {
	_ = g.controls.write(g.dir, "memory.peak", "0")
	return nil
}

func (g *group2) kill() error {
	if err := writeFile(g.dir, "cgroup.kill", "1"); err == nil || errors.Is(err, fs.ErrNotExist) {
		return killAll(g.dir)
	} else {
		return err
	}
}

func (g *group2) remove() error {
	if g.folder != nil {
		g.folder.Close()
	}
	g.rest()
	g.controls.close()
	return removeDir(g.dir)
}

// ownGroups reads where the server's own control groups are: a folder for each
// controller of version 1, and under "" that of version 2.
func ownGroups(mountinfo, self string) map[string]string {
	paths := map[string]string{}
	for line := range strings.Lines(self) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, c := range strings.Split(f[1], ",") {
			paths[c] = f[2]
		}
	}
	dirs := map[string]string{}
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 {
			continue
		}
		var controllers []string
		switch g[0] {
		case "cgroup":
			controllers = strings.Split(g[2], ",")
		case "cgroup2":
			controllers = []string{""}
		}
		for _, c := range controllers {
			path, ok := paths[c]
			if !ok {
				continue
			}
			if rest, ok := strings.CutPrefix(path, f[3]); ok && f[3] != "/" {
				path = rest // a container sees only a part of the hierarchy
			}
			dirs[c] = filepath.Join(f[4], path)
		}
	}
	return dirs
}
