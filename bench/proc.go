package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of the CPU times in /proc (USER_HZ, the same on all ports).
const tick = 10 * time.Millisecond

// own is the CPU time that this process, the load generator, has used.
func own() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A stat is the part of /proc/PID/stat that matters here.
type stat struct {
	parent int
	cpu    time.Duration
}

func statOf(pid int) (stat, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // the name before may hold anything
	if len(f) < 13 {
		return stat{}, false
	}
	number := func(i int) int { n, _ := strconv.Atoi(string(f[i])); return n }
	return stat{parent: number(1), cpu: time.Duration(number(11)+number(12)) * tick}, true
}

// descendants are the processes below root, root not among them: those of the
// sandboxes, wherever they are confined.
func descendants(root int) map[int]stat {
	all := map[int]stat{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		if s, ok := statOf(pid); ok {
			all[pid] = s
		}
	}
	below := map[int]stat{}
	for pid, s := range all {
		for p := s.parent; p > 1; p = all[p].parent {
			if p == root {
				below[pid] = s
				break
			}
		}
	}
	return below
}

// A usage is CPU time by who used it.
type usage struct{ server, functions, generator time.Duration }

// A clock is the CPU time that a server, each process below it, and this one
// have used so far.
type clock struct {
	server, generator time.Duration
	below             map[int]stat
}

func clockOf(pid int) clock {
	s, _ := statOf(pid) // of one that has ended: nothing
	return clock{server: s.cpu, generator: own(), below: descendants(pid)}
}

// since is what was used since before. What processes used that have ended
// in between is not known.
func (c clock) since(before clock) usage {
	u := usage{server: c.server - before.server, generator: c.generator - before.generator}
	for pid, s := range c.below {
		u.functions += max(0, s.cpu-before.below[pid].cpu) // a new process begins at nothing
	}
	return u
}

func (u usage) plus(v usage) usage {
	return usage{u.server + v.server, u.functions + v.functions, u.generator + v.generator}
}

// shares is u for each of n requests, in microseconds.
func (u usage) shares(n int) []Fact {
	each := func(name string, d time.Duration) Fact {
		return Fact{name, float64(d.Microseconds()) / float64(max(n, 1)), "us"}
	}
	shares := []Fact{each("server", u.server), each("functions", u.functions), each("generator", u.generator)}
	return slices.DeleteFunc(shares, func(f Fact) bool { return f.Value < 1 }) // a plain server has nothing below it
}

// A memory is what a set of processes uses, in bytes.
type memory struct {
	pss    int64 // proportional set size: a shared page counts in parts
	charge int64 // what their control groups are charged
	groups int

	assigned bool // it is a sandbox in which a function's code was run
}

// memoryOf reads what the processes below root use together.
func memoryOf(root int) memory {
	var all memory
	for _, m := range groupsOf(root) {
		all = all.plus(m)
	}
	return all
}

// assignedTo reads what those sandboxes below root use that are some function's:
// a blank is in no task folder yet.
func assignedTo(root int) memory {
	var all memory
	for _, m := range groupsOf(root) {
		if m.assigned {
			all = all.plus(m)
		}
	}
	return all
}

func (m memory) plus(n memory) memory {
	return memory{pss: m.pss + n.pss, charge: m.charge + n.charge, groups: m.groups + n.groups}
}

// groupsOf reads what each control group below root's own uses; root's own processes,
// which nothing is charged for, are under "".
func groupsOf(root int) map[string]memory {
	groups, own := map[string]memory{}, group(root)
	for pid := range descendants(root) {
		g := group(pid)
		if g == own {
			g = ""
		}
		m, known := groups[g]
		if !known && g != "" {
			m.groups, m.charge = 1, charge(g)
		}
		m.pss += kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
		at, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		m.assigned = m.assigned || at == "/var/task"
		groups[g] = m
	}
	return groups
}

// residentOf is the resident set of one process, in bytes.
func residentOf(pid int) int64 { return kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:") }

// kilobytes reads a line such as "Pss:  123 kB", in bytes.
func kilobytes(path, name string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0 // it has ended
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// group is the folder of the control group that accounts pid's memory.
func group(pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		part := strings.SplitN(lines.Text(), ":", 3)
		switch {
		case len(part) < 3:
		case part[1] == "memory":
			return "/sys/fs/cgroup/memory" + part[2]
		case part[1] == "" && part[2] != "/" && isFile("/sys/fs/cgroup"+part[2]+"/memory.current"):
			return "/sys/fs/cgroup" + part[2]
		}
	}
	return ""
}

// charge is what a control group, of either version, is charged for.
func charge(dir string) int64 {
	for _, name := range []string{"memory.usage_in_bytes", "memory.current"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			return n
		}
	}
	return 0
}

func isFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
