//go:build unix

package process

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/sandboxtest"
)

// serverEnv makes this test binary be a server that is to be killed.
const serverEnv = "MAYFLY_TEST_PROCESS_SERVER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverEnv); dir != "" {
		serve(dir)
	}
	os.Exit(m.Run())
}

func newTier(t testing.TB, dir string) *Tier {
	t.Helper()
	tier, err := New(Config{StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return tier
}

func TestSuite(t *testing.T) {
	dir := t.TempDir()
	tier := newTier(t, dir)
	sandboxtest.Run(t, tier, sandboxtest.Traits{})
	t.Run("Late", func(t *testing.T) { sandboxtest.Run(t, sandboxtest.Late(tier), sandboxtest.Traits{}) })
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func BenchmarkOpenStartEcho(b *testing.B) {
	sandboxtest.Bench(b, newTier(b, b.TempDir()))
}

func TestPath(t *testing.T) {
	b := &box{dir: "/state/x", mounts: []sandbox.Mount{
		{Source: "/code", Target: "/var/task"}, {Source: "/lib", Target: "/var/task/lib"}, {Source: "/t", Target: "/tmp/in"}}}
	for in, want := range map[string]string{
		"/var/task":       "/code",
		"/var/task/a/b":   "/code/a/b",
		"/var/tasks":      "/var/tasks",
		"/var/task/lib":   "/lib",
		"/var/task/lib/x": "/lib/x",
		"/tmp":            "/state/x/tmp",
		"/tmp/x":          "/state/x/tmp/x",
		"/tmp/in/x":       "/t/x",
		"/usr/bin/env":    "/usr/bin/env",
	} {
		if got := b.Path(in); got != want {
			t.Errorf("Path(%s) = %s, want %s", in, got, want)
		}
	}
}

// serve is the server of TestSweep: it runs a process and waits for its own death.
func serve(dir string) {
	tier, err := New(Config{StateDir: dir})
	if err != nil {
		panic(err)
	}
	b, err := tier.Open(context.Background(), sandbox.Spec{ID: "victim"})
	if err != nil {
		panic(err)
	}
	r, w := io.Pipe()
	if _, err := b.Start(context.Background(), sandbox.Command{Args: []string{"/bin/sh", "-c", "sleep 1000 & echo $$; wait"}, Stdout: w}); err != nil {
		panic(err)
	}
	io.Copy(os.Stdout, r) // now that the group is written down; it never ends
}

func TestSweepEndsWhatADeadServerLeft(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	io.Copy(io.Discard, out)
	cmd.Wait()
	if err := syscall.Kill(-pid, 0); err != nil {
		t.Fatalf("the process did not survive its server: %v", err)
	}
	if err := newTier(t, dir).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !onlyZombies(pid) {
		t.Error("Sweep left the process")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("Sweep left %v", left)
	}
}

func TestSweepSparesStrangers(t *testing.T) {
	dir := t.TempDir()
	stranger := exec.Command("/bin/sleep", "1000")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stranger.Process.Kill(); stranger.Wait() }()
	box := filepath.Join(dir, "old")
	os.Mkdir(box, 0o700)
	if err := (group{id: stranger.Process.Pid, start: "another time"}).record(box); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(box, "group-1"), []byte("x"), 0o600)
	os.WriteFile(filepath.Join(box, "group-evil"), []byte("x"), 0o600)
	if err := newTier(t, dir).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil || onlyZombies(stranger.Process.Pid) {
		t.Errorf("Sweep killed a stranger: %v", err)
	}
}

// TestUsageOfTheLiving: a process at work is counted, and so are its children.
func TestUsageOfTheLiving(t *testing.T) {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip(err)
	}
	b, err := newTier(t, t.TempDir()).Open(t.Context(), sandbox.Spec{ID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, w := io.Pipe()
	const script = `python3 -I -S -c 'import time
x = bytearray(50 << 20)
while time.process_time() < 0.2: pass
print("up", flush=True); time.sleep(1000)' & wait`
	if _, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}, Stdout: w}); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	u, err := b.Usage()
	if err != nil || u.CPU < 180*time.Millisecond || u.PeakMB < 50 || u.PeakMB > 500 {
		t.Errorf("%+v, %v", u, err)
	}
}

func BenchmarkUsage(b *testing.B) {
	box, err := newTier(b, b.TempDir()).Open(context.Background(), sandbox.Spec{ID: "x"})
	if err != nil {
		b.Fatal(err)
	}
	defer box.Close()
	if _, err := box.Start(context.Background(), sandbox.Command{Args: []string{"/bin/sleep", "1000"}}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := box.Usage(); err != nil {
			b.Fatal(err)
		}
	}
}
