package main

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A running rival is a program that serves until it is stopped.
type running struct {
	name string
	host string
	cmd  *exec.Cmd
}

// start runs r on a free port.
func (r rival) start() (*running, error) {
	host, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(host)
	c := exec.Command(r.command[0], append(r.command[1:], port)...)
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", r.name, err)
	}
	up := &running{r.name, host, c}
	if err := awaitPort(host, 10*time.Second); err != nil {
		up.stop()
		return nil, err
	}
	return up, nil
}

// stop kills the rival and, where it leads a group, what it started.
func (r *running) stop() {
	if r.cmd.SysProcAttr != nil && r.cmd.SysProcAttr.Setpgid {
		syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
	}
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

// workers are n callers of the rival, who send the very same signed requests
// that Mayfly gets, so that the client's cost is in both.
func (r *running) workers(l *lab, n, size int) ([]worker, func(), error) {
	return l.echoes(r.host, invoke(r.host, "bench", "", nil), n, size)
}

// bareStart runs command to its end and says how many milliseconds that took.
func bareStart(command []string, env ...string) (float64, error) {
	c := exec.Command(command[0], command[1:]...)
	if len(env) > 0 {
		c.Env = append(c.Environ(), env...)
	}
	var out bytes.Buffer
	c.Stderr = &out
	began := time.Now()
	if err := c.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, &out)
	}
	return millis(time.Since(began)), nil
}
