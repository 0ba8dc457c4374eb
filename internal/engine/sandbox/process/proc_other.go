//go:build unix && !linux

package process

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startTime is when a process started, in a form that only compares.
func startTime(pid int) string {
	out, _ := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	return strings.TrimSpace(string(out))
}

// onlyZombies cannot be told without the platform's own calls: a group ends
// when kill no longer finds it.
func onlyZombies(int) bool { return false }

// usage of living processes is not known here; that of ended ones is.
func usage(int) (cpu time.Duration, peakKB int) { return 0, 0 }

func resetPeak(int) {}

// maxRSS is the peak that the system reports of an ended process, in KiB.
func maxRSS(ru *syscall.Rusage) int { return int(ru.Maxrss >> 10) }
