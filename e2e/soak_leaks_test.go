package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// held is what a server keeps, by kind: what a leak would make grow.
type held map[string]int

// A breath is by how much of one kind a server may hold more after a soak than
// before. Its pools breathe: it keeps as many blanks as were lately taken at
// once, and says how many; of prepared sandboxes it keeps up to 28 more than at
// first. A leak of one thing for each failure is more than that.
type breath struct{ always, eachBlank int }

var breaths = map[string]breath{
	"processes":   {40, 3},
	"mounts":      {24, 0},
	"host mounts": {0, 0},
	"groups":      {150, 5},
	"net spaces":  {28, 1},
	"links":       {28, 1},
	"loops":       {28, 1},
	"descriptors": {180, 24},
	"goroutines":  {24, 8},
	"sandboxes":   {24, 0},
	"idle":        {0, 0},
}

// holdings counts what s keeps now. Other servers on the machine do not count.
func holdings(s *server) held {
	pid, mark, hash := s.cmd.Process.Pid, filepath.Base(filepath.Dir(s.Data)), dataHash(s.Data)
	below := descendants(pid)
	spaces := map[string]bool{}
	for _, p := range append(below, pid) {
		if space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", p)); err == nil {
			spaces[space] = true
		}
	}
	return held{
		"processes":   len(below),
		"mounts":      lines(fmt.Sprintf("/proc/%d/mountinfo", pid), mark),
		"host mounts": lines("/proc/self/mountinfo", mark),
		"groups":      counted("find $(find /sys/fs/cgroup -type d -name mayfly-" + hash + ") -type d"),
		"net spaces":  len(spaces),
		"links":       counted("ip -o link | grep mfly" + hash[4:]),
		"loops":       counted("losetup -a | grep -F " + mark),
		"descriptors": entries(fmt.Sprintf("/proc/%d/fd", pid)),
		"threads":     entries(fmt.Sprintf("/proc/%d/task", pid)),
		"goroutines":  int(metric(s, "go_goroutines")),
		"sandboxes":   entries(filepath.Join(s.Data, "sandboxes")),
		"idle":        int(metric(s, "mayfly_sandboxes_idle")),
		"blanks":      int(metric(s, "mayfly_blanks_ready") + metric(s, "mayfly_blanks_making")),
	}
}

// beyond says of what h has more than before, and more than its pools explain.
func (h held) beyond(before held) string {
	var more []string
	blanks := max(0, h["blanks"]-before["blanks"])
	for kind, b := range breaths {
		if h[kind] > before[kind]+b.always+b.eachBlank*blanks {
			more = append(more, fmt.Sprintf("%s: %d, before %d", kind, h[kind], before[kind]))
		}
	}
	return strings.Join(more, "; ")
}

// calm waits until s's holdings stay the same for a second.
func calm(t *testing.T, s *server) {
	t.Helper()
	last, since := "", time.Now()
	await(t, "the server to come to rest", func() bool {
		h := holdings(s)
		now := fmt.Sprint(h["processes"], h["mounts"], h["groups"], h["idle"], h["sandboxes"])
		if now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	})
}

// calmMemory is s's resident set once it rests.
func calmMemory(t *testing.T, s *server) int {
	t.Helper()
	calm(t, s)
	return int(metric(s, "process_resident_memory_bytes"))
}

// settled waits until the server holds about what it held before.
func (k *soak) settled(t *testing.T, before held) {
	t.Helper()
	var h held
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if h = holdings(k.s); h.beyond(before) == "" {
			return
		}
	}
	t.Errorf("a minute after the last function is gone the server still has more than before: %s", h.beyond(before))
}

// endsClean stops the server and wants nothing of it left.
func (k *soak) endsClean(t *testing.T) {
	t.Helper()
	below := descendants(k.s.cmd.Process.Pid)
	k.s.stop()
	for _, pid := range below {
		if cmd, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && len(cmd) > 0 {
			t.Errorf("process %d outlives the server: %q", pid, cmd)
		}
	}
	if left := leftovers(filepath.Base(filepath.Dir(k.s.Data)), k.s.Data); len(left) > 0 {
		t.Errorf("left over after the stop:\n%s", strings.Join(left, "\n"))
	}
	k.s.run() // the test's end stops it once more
}

// descendants are the processes below root.
func descendants(root int) []int {
	parents := map[int]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		text, err := os.ReadFile(filepath.Join(d, "stat"))
		if err != nil {
			continue // it has ended
		}
		f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(d))
		if parent, err := strconv.Atoi(f[1]); err == nil && f[0] != "Z" {
			parents[pid] = parent
		}
	}
	var below []int
	for pid := range parents {
		for p := parents[pid]; p > 1; p = parents[p] {
			if p == root {
				below = append(below, pid)
				break
			}
		}
	}
	return below
}

// lines is how many lines of a file hold part.
func lines(path, part string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// counted is how many lines a shell command prints.
func counted(command string) int {
	out, _ := exec.Command("bash", "-c", command+" 2>/dev/null").Output() // none found is a failure of grep
	return strings.Count(string(out), "\n")
}

func entries(dir string) int {
	list, _ := os.ReadDir(dir)
	return len(list)
}

// metric is one of the server's own numbers, the sum of it over its labels.
func metric(s *server, name string) float64 {
	r, err := http.Get(s.URL + "/metrics")
	if err != nil {
		return 0
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == ' ' || rest[0] == '{') {
			v, _ := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
			sum += v
		}
	}
	return sum
}
