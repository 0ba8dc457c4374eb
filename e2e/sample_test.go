package e2e

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A sample is one run of what `make run` runs.
type sample struct {
	t    testing.TB
	cmd  *exec.Cmd
	out  *syncBuffer
	done chan struct{}
}

// runSample starts samples/run.sh in a process group of its own, as a terminal
// does, so that a signal can be sent to all of it.
func runSample(t testing.TB, args ...string) *sample {
	t.Helper()
	x := &sample{t: t, out: new(syncBuffer), done: make(chan struct{})}
	x.cmd = exec.Command(filepath.Join(root(t), "samples", "run.sh"), append([]string{binary(t)}, args...)...)
	x.cmd.Stdout, x.cmd.Stderr = x.out, x.out
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { x.cmd.Wait(); close(x.done) }()
	t.Cleanup(func() {
		x.interrupt(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("samples/run.sh printed:\n%s", x.text())
		}
	})
	return x
}

func (x *sample) text() string { return x.out.tail(1 << 20) }

// interrupt sends a signal to the group, as Ctrl-C does, and waits for the end.
func (x *sample) interrupt(sig syscall.Signal) (code int) {
	x.t.Helper()
	syscall.Kill(-x.cmd.Process.Pid, sig)
	select {
	case <-x.done:
	case <-time.After(40 * time.Second):
		syscall.Kill(-x.cmd.Process.Pid, syscall.SIGKILL)
		x.t.Errorf("samples/run.sh did not end within 40 s of %v", sig)
		<-x.done
	}
	return x.cmd.ProcessState.ExitCode()
}

func (x *sample) want(texts ...string) {
	x.t.Helper()
	for _, w := range texts {
		if !strings.Contains(x.text(), w) {
			x.t.Errorf("samples/run.sh did not print %q", w)
		}
	}
}

// TestSample is the newcomer's first command: it works on a new folder, on the
// same folder again, and beside a server that runs already; it tells of a port
// that is taken; and Ctrl-C ends all of it in order.
func TestSample(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, data := l.Addr().String(), t.TempDir()
	taken := runSample(t, t.TempDir(), "--listen", addr)
	<-taken.done
	if code := taken.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("on a port that is taken it ends with %d", code)
	}
	taken.want(addr+" is taken by another program", "--listen")
	l.Close()

	for _, done := range []string{"created hello", "unchanged hello"} {
		x := runSample(t, data, "--listen", addr)
		await(t, "samples/run.sh to serve", func() bool { return strings.Contains(x.text(), "Stop it with Ctrl-C.") })
		x.want(done, "| greeting Mayfly", "REPORT RequestId: ", "\tBilled Duration: ", "\tInit Duration: ", `"message": "Hello, Mayfly!"`, "aws lambda invoke --function-name hello")
		if done == "created hello" {
			beside := runSample(t, data)
			<-beside.done
			beside.want("A server runs on "+data+" already", "unchanged hello", "Hello, Mayfly!")
			if code := beside.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("beside a server it ends with %d", code)
			}
		}
		if code := x.interrupt(syscall.SIGINT); code != 130 {
			t.Errorf("Ctrl-C ends it with %d", code)
		}
		x.want("msg=stopped")
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			t.Error("the server survived Ctrl-C")
		}
	}
}
