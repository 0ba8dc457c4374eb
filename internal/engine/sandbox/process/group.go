//go:build unix

package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A group is a process group as it is written down for a later Sweep. The
// start time tells its leader from a stranger that got the same number.
type group struct {
	id    int
	start string
}

// record writes g down in a sandbox's folder.
func (g group) record(dir string) error {
	name := filepath.Join(dir, fmt.Sprintf("group-%d", g.id))
	return os.WriteFile(name, []byte(g.start), 0o600)
}

func (g group) forget(dir string) {
	os.Remove(filepath.Join(dir, fmt.Sprintf("group-%d", g.id)))
}

// recorded reads the groups that are written down in dir.
func recorded(dir string) []group {
	files, _ := filepath.Glob(filepath.Join(dir, "group-*"))
	var gs []group
	for _, f := range files {
		var g group
		if _, err := fmt.Sscanf(filepath.Base(f), "group-%d", &g.id); err != nil || g.id <= 1 {
			continue
		}
		start, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		g.start = strings.TrimSpace(string(start))
		gs = append(gs, g)
	}
	return gs
}

// alive tells whether the group is still the one that was recorded. When the
// leader has ended, its number cannot be given away while the group has a member.
func (g group) alive() bool {
	if syscall.Kill(-g.id, 0) != nil {
		return false
	}
	now := startTime(g.id)
	return now == "" || now == g.start
}

// endGroup kills a process group and returns when nothing of it is left. The
// kernel tells nobody about the end of other people's children, hence the polling;
// SIGKILL makes it short.
func endGroup(id int) error {
	for wait := 200 * time.Microsecond; ; wait = min(2*wait, 20*time.Millisecond) {
		err := syscall.Kill(-id, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return nil
		}
		if err != nil && !errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("kill process group %d: %w", id, err)
		}
		if onlyZombies(id) {
			return nil
		}
		time.Sleep(wait)
	}
}
