package engine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// defaultMemoryMB is how much all sandboxes together may come to use unless the
// configuration says otherwise: four fifths of what there is, so that they cannot
// take the machine down. Where that cannot be told there is no limit.
func defaultMemoryMB() int { return machineMB("/") / 5 * 4 }

// defaultBlanksMB is how much of the memory interpreters may use that are
// nobody's yet: a sixteenth, for the sandboxes leave a fifth.
func defaultBlanksMB() int { return max(64, machineMB("/")/16) }

// machineMB is the memory of the machine below root, or what the server's own
// control group, or one above it, leaves of it. 0 is unknown.
func machineMB(root string) int {
	info, err := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	if err != nil {
		return 0
	}
	mb := 0
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			kb, _ := strconv.Atoi(f[1])
			mb = kb >> 10
		}
	}
	own, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup")) // without it there are no groups
	for _, name := range limitFiles(string(own)) {
		text, _ := os.ReadFile(filepath.Join(root, "sys/fs/cgroup", name))
		// What is not there, or says "max", limits nothing.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			mb = min(mb, int(n>>20))
		}
	}
	return mb
}

// limitFiles are the files that may limit the memory of who has the control
// groups that own lists: its group's, and those above, for both versions.
func limitFiles(own string) []string {
	var files []string
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		dir, file := "", "memory.max"
		if f[1] != "" {
			dir, file = "memory", "memory.limit_in_bytes"
		}
		if f[1] != "" && f[1] != "memory" {
			continue
		}
		for at := filepath.Clean("/" + f[2]); ; at = filepath.Dir(at) {
			files = append(files, filepath.Join(dir, at, file))
			if at == "/" {
				break
			}
		}
	}
	return files
}

// descriptors is what the server has open for an idle sandbox, and some to spare:
// its disk, its network, its output, the link to its runtime.
const descriptors = 14

// leastMB is what an idle sandbox counts as at least, so that memory is what runs
// out and never the descriptors of which the server may have so many open: an
// eighth of them is for other ends. 0 is no limit of either.
func leastMB(memoryMB, open int) int {
	if memoryMB <= 0 || open <= 0 {
		return 0
	}
	most := max(1, open/8*7/descriptors)
	return (memoryMB + most - 1) / most
}

// openFiles is how many descriptors the server may have open, on the machine below
// root. 0 is unknown.
func openFiles(root string) int {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/limits"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			soft, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			n, _ := strconv.Atoi(soft) // "unlimited" is 0
			return n
		}
	}
	return 0
}
