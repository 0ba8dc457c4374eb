//go:build linux && (amd64 || arm64)

package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// groups1 makes control groups of version 1: a folder in each hierarchy.
type groups1 struct {
	dirs map[string]string // controller: our folder in its hierarchy
}

// controllers1 are what a sandbox uses.
var controllers1 = [...]string{"memory", "cpu", "cpuacct", "pids", "freezer"}

// newGroups1 makes our folders beside the server's own groups.
func newGroups1(hierarchies map[string]string, name string) (*groups1, error) {
	g := &groups1{dirs: map[string]string{}}
	for _, c := range controllers1 {
		parent, ok := hierarchies[c]
		if !ok {
			return nil, fmt.Errorf("no %s controller: %w", c, errors.ErrUnsupported)
		}
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, errors.Join(err, g.close())
		}
		g.dirs[c] = dir
	}
	return g, nil
}

func (g *groups1) make(id string) (group, error) {
	s := &group1{dirs: map[string]string{}}
	for c, parent := range g.dirs {
		dir := filepath.Join(parent, id)
		// Controllers may share a hierarchy.
		if err := os.Mkdir(dir, 0o755); err != nil && !s.has(dir) {
			return nil, errors.Join(err, s.remove())
		}
		s.dirs[c] = dir
	}
	return s, nil
}

func (g *groups1) sweep() error {
	// What is frozen has been killed with its init, but cannot die.
	frozen, errs := below(g.dirs["freezer"])
	for _, name := range frozen {
		errs = errors.Join(errs, writeFile(filepath.Join(g.dirs["freezer"], name), "freezer.state", "THAWED"))
	}
	for _, dir := range g.dirs {
		names, err := below(dir)
		errs = errors.Join(errs, err)
		for _, name := range names {
			left := filepath.Join(dir, name)
			errs = errors.Join(errs, killAll(left), removeDir(left))
		}
	}
	return errs
}

func (g *groups1) close() error {
	var errs error
	for _, dir := range g.dirs {
		errs = errors.Join(errs, removeDir(dir))
	}
	return errs
}

// A group1 is one sandbox's folder in each hierarchy.
type group1 struct {
	dirs     map[string]string
	controls controls
	periodic bool // whether the period of the quota is set

	mu    sync.Mutex // guards what is below
	procs []*os.File // cgroup.procs of each, once they are wanted
}

func (g *group1) has(dir string) bool {
	for _, d := range g.dirs {
		if d == dir {
			return true
		}
	}
	return false
}

func (g *group1) limit(s sandbox.Spec) error {
	var errs []error
	if s.MemoryMB > 0 {
		n := strconv.Itoa(s.MemoryMB << 20)
		low := writeFile(g.dirs["memory"], "memory.limit_in_bytes", n)
		_ = writeFile(g.dirs["memory"], "memory.swappiness", "0") // as near to no swap as it gets without the next
		// Without swap accounting the file does not exist, and swap is not limited.
		if err := writeFile(g.dirs["memory"], "memory.memsw.limit_in_bytes", n); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		if low != nil { // it may not exceed the other, which was low before
			low = writeFile(g.dirs["memory"], "memory.limit_in_bytes", n)
		}
		errs = append(errs, low)
	}
	if s.CPUs > 0 {
		errs = append(errs, g.share(s.CPUs))
	}
	if s.PIDs > 0 {
		errs = append(errs, writeFile(g.dirs["pids"], "pids.max", strconv.Itoa(s.PIDs)))
	}
	return errors.Join(errs...)
}

// share sets the quota, and what may be saved up, which cannot be more than the
// quota and is nothing where the kernel has no bursts.
func (g *group1) share(cpus float64) error {
	dir := g.dirs["cpu"]
	_ = g.controls.write(dir, "cpu.cfs_burst_us", "0")
	if cpus <= 0 {
		return g.controls.write(dir, "cpu.cfs_quota_us", "-1")
	}
	if !g.periodic {
		if err := writeFile(dir, "cpu.cfs_period_us", strconv.FormatInt(cpuPeriod.Microseconds(), 10)); err != nil {
			return err
		}
		g.periodic = true
	}
	quota := strconv.FormatInt(quotaOf(cpus), 10)
	if err := g.controls.write(dir, "cpu.cfs_quota_us", quota); err != nil {
		return err
	}
	_ = g.controls.write(dir, "cpu.cfs_burst_us", quota)
	return nil
}

// attach is open from the first use on.
func (g *group1) attach() ([]*os.File, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.procs != nil {
		return g.procs, nil
	}
	var procs []*os.File
	for _, dir := range g.distinct() {
		f, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
		if err != nil {
			closeAll(procs)
			return nil, err
		}
		procs = append(procs, f)
	}
	g.procs = procs
	return procs, nil
}

// distinct are its folders, each once.
func (g *group1) distinct() []string {
	return slices.Compact(slices.Sorted(maps.Values(g.dirs)))
}

func (g *group1) doors() ([]*os.File, error) { return g.attach() }
func (g *group1) birth() *os.File            { return nil }

func (g *group1) rest() {
	g.mu.Lock()
	closeAll(g.procs)
	g.procs = nil
	g.mu.Unlock()
	g.controls.rest()
}

func (g *group1) freeze(frozen bool) error {
	state := "THAWED"
	if frozen {
		state = "FROZEN"
	}
	dir := g.dirs["freezer"]
	return eventually(func() (bool, error) {
		// Writing again makes the kernel try again what it could not freeze at once.
		if err := g.controls.write(dir, "freezer.state", state); err != nil {
			return false, err
		}
		now, err := g.controls.read(dir, "freezer.state")
		return strings.TrimSpace(now) == state, err
	})
}

func (g *group1) usage() (sandbox.Usage, error) {
	cpu, err1 := g.controls.number(g.dirs["cpuacct"], "cpuacct.usage")
	peak, err2 := g.controls.number(g.dirs["memory"], "memory.max_usage_in_bytes")
	kills, err3 := g.controls.key(g.dirs["memory"], "memory.oom_control", "oom_kill")
	return sandbox.Usage{CPU: time.Duration(cpu), PeakMB: megabytes(peak), OOMKills: int(kills)}, errors.Join(err1, err2, err3)
}

func (g *group1) resetPeak() error {
	return g.controls.write(g.dirs["memory"], "memory.max_usage_in_bytes", "0")
}

func (g *group1) kill() error {
	_ = g.controls.write(g.dirs["freezer"], "freezer.state", "THAWED")
	return killAll(g.dirs["pids"])
}

func (g *group1) remove() error {
	var errs error
	g.rest()
	g.controls.close()
	for _, dir := range g.dirs {
		errs = errors.Join(errs, removeDir(dir))
	}
	return errs
}
