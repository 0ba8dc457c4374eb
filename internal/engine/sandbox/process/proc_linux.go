package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 wherever Linux runs Go.
const tick = 10 * time.Millisecond

// stat reads the fields of /proc/pid/stat that follow the program's name,
// which may hold anything.
func stat(pid string) []string {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	f := strings.Fields(rest)
	if len(f) < 20 {
		return nil
	}
	return f
}

// Places of fields in what stat returns.
const (
	statState = 0
	statGroup = 2
	statUser  = 11
	statStart = 19
)

// startTime is when a process started, in a form that only compares.
func startTime(pid int) string {
	f := stat(strconv.Itoa(pid))
	if f == nil {
		return ""
	}
	return f[statStart]
}

// members lists the processes of a group, and whether each is a zombie.
func members(group int) map[string]bool {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	m := map[string]bool{}
	for _, d := range dirs {
		pid := filepath.Base(d)
		if f := stat(pid); f != nil && f[statGroup] == strconv.Itoa(group) {
			m[pid] = f[statState] == "Z"
		}
	}
	return m
}

// onlyZombies tells whether a group's members have all ended, and merely wait
// to be reaped by parents that are not us.
func onlyZombies(group int) bool {
	for _, zombie := range members(group) {
		if !zombie {
			return false
		}
	}
	return true
}

// family lists a process and its descendants. It is asked after each invocation,
// so it follows the kernel's lists of children and does not look at every process of
// the machine. What has lost its parent is not in it.
func family(pid string) []string {
	all := []string{pid}
	for i := 0; i < len(all); i++ {
		lists, _ := filepath.Glob("/proc/" + all[i] + "/task/*/children")
		for _, name := range lists {
			b, _ := os.ReadFile(name) // the process may have ended
			all = append(all, strings.Fields(string(b))...)
		}
	}
	return all
}

// usage tells what the living processes that descend from a group's leader have
// used.
func usage(group int) (cpu time.Duration, peakKB int) {
	for _, pid := range family(strconv.Itoa(group)) {
		if f := stat(pid); f != nil && f[statState] != "Z" {
			for _, s := range f[statUser : statUser+4] { // user, system, and those of its dead children
				n, _ := strconv.Atoi(s)
				cpu += time.Duration(n) * tick
			}
		}
		peakKB += highWater(pid)
	}
	return cpu, peakKB
}

// highWater is the largest resident size a process has had, in KiB.
func highWater(pid string) int {
	b, _ := os.ReadFile("/proc/" + pid + "/status")
	_, rest, ok := strings.Cut(string(b), "VmHWM:")
	if !ok {
		return 0
	}
	var kb int
	fmt.Sscanf(rest, "%d", &kb)
	return kb
}

// resetPeak starts the high-water marks of a group's members anew.
func resetPeak(group int) {
	for _, pid := range family(strconv.Itoa(group)) {
		_ = os.WriteFile("/proc/"+pid+"/clear_refs", []byte("5"), 0)
	}
}

// maxRSS is the peak that the system reports of an ended process, in KiB.
func maxRSS(ru *syscall.Rusage) int { return int(ru.Maxrss) }
