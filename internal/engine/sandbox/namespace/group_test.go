//go:build linux && (amd64 || arm64)

package namespace

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// fakeTree makes a folder with files, as a control group has them. What the
// kernel does behind them does not happen.
func fakeTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func holds(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, want := range files {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || strings.TrimSpace(string(b)) != want {
			t.Errorf("%s holds %q, %v; want %q", name, b, err, want)
		}
	}
}

func TestGroups2(t *testing.T) {
	own := t.TempDir()
	fakeTree(t, own, map[string]string{"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.subtree_control": ""})
	fakeTree(t, own+"/mayfly-x", map[string]string{"cgroup.subtree_control": ""})
	g, err := newGroups2(own, "mayfly-x")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{own, g.dir} {
		holds(t, dir, map[string]string{"cgroup.subtree_control": "+memory +cpu +pids"})
	}
	s, err := g.make("7")
	if err != nil {
		t.Fatal(err)
	}
	dir := g.dir + "/7"
	fakeTree(t, dir, map[string]string{"memory.max": "", "memory.oom.group": "", "memory.swap.max": "", "cpu.max": "", "pids.max": "",
		"cgroup.freeze": "0", "cgroup.events": "populated 0\nfrozen 1\n", "cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
		"memory.peak": "104857601\n", "memory.events": "low 0\noom 3\noom_kill 2\n", "cgroup.kill": "", "cgroup.procs": ""})
	if err := s.limit(sandbox.Spec{MemoryMB: 128, CPUs: 0.5, PIDs: 50}); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, map[string]string{"memory.max": "134217728", "memory.swap.max": "0", "memory.oom.group": "1", "cpu.max": "25000 50000", "pids.max": "50"})
	if err := s.freeze(true); err != nil {
		t.Error(err)
	}
	holds(t, dir, map[string]string{"cgroup.freeze": "1"})
	u, err := s.usage()
	if err != nil || u != (sandbox.Usage{CPU: 1500 * time.Millisecond, PeakMB: 101, OOMKills: 2}) {
		t.Errorf("%+v, %v", u, err)
	}
	if err := s.kill(); err != nil {
		t.Error(err)
	}
	holds(t, dir, map[string]string{"cgroup.kill": "1"})
	if files, err := s.attach(); s.birth() == nil || files != nil || err != nil {
		t.Error("a process has to be born in a group of version 2")
	}
}

// TestGroups2WithoutControllers is this: another version has them.
func TestGroups2WithoutControllers(t *testing.T) {
	own := t.TempDir()
	fakeTree(t, own, map[string]string{"cgroup.controllers": "hugetlb\n"})
	if _, err := newGroups2(own, "x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if left, _ := below(own); len(left) != 0 {
		t.Errorf("made %v", left)
	}
}

func TestGroups2LimitsNothingUnasked(t *testing.T) {
	s := &group2{dir: t.TempDir()} // in which writing any file fails
	if err := s.limit(sandbox.Spec{}); err != nil {
		t.Error(err)
	}
	if err := s.limit(sandbox.Spec{PIDs: 1}); err == nil {
		t.Error("a limit that cannot be set is no error")
	}
}

func TestOwnGroups(t *testing.T) {
	const mountinfo = `25 30 0:22 / /sys rw - sysfs sysfs rw
30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
31 25 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
`
	got := ownGroups(mountinfo, "4:memory:/docker/abc/x\n3:cpu,cpuacct:/user\n2:pids:/\n1:name=systemd:/\n0::/mayfly.service\n")
	want := map[string]string{"cpu": "/sys/fs/cgroup/cpu,cpuacct/user", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct/user",
		"memory": "/sys/fs/cgroup/memory/x", "": "/sys/fs/cgroup/unified/mayfly.service"}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for c, dir := range want {
		if got[c] != dir {
			t.Errorf("%q: %s, want %s", c, got[c], dir)
		}
	}
}

func FuzzOwnGroups(f *testing.F) {
	f.Add("30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", "3:cpu:/user\n")
	f.Fuzz(func(t *testing.T, mountinfo, self string) { ownGroups(mountinfo, self) })
}

func TestNoGroups(t *testing.T) {
	g, err := noGroups{}.make("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.limit(sandbox.Spec{MemoryMB: 1}), g.kill(), g.remove(), g.resetPeak()); err != nil {
		t.Error(err)
	}
	if err := g.freeze(true); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

// TestWithoutGroupsAndDisks is a machine that gives us neither.
func TestWithoutGroupsAndDisks(t *testing.T) {
	tier := newTestTier(t, t.TempDir())
	if err := tier.groups.close(); err != nil {
		t.Fatal(err)
	}
	tier.groups, tier.disks = noGroups{}, nil
	b := openBox(t, tier, "bare", false)
	if got := command(t, b, "/bin/sh", "-c", "echo x > /tmp/x; cat /tmp/x; head -c 9000000 /dev/zero > /tmp/y || echo full"); !strings.HasPrefix(got, "x") || !strings.HasSuffix(got, "full") {
		t.Errorf("got %q", got)
	}
}
