//go:build linux && (amd64 || arm64)

package namespace

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/sandboxtest"
	"golang.org/x/sys/unix"
)

// ordinary is a user that nobody is.
const ordinary = 12345

// asOrdinary runs the calling test again, as an ordinary user, when root runs it,
// and tells whether it did so.
func asOrdinary(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	theWorld(t)                                      // a network to attack
	dir, err := os.MkdirTemp("", "mayfly-rootless-") // that of t may not be entered by others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	own := filepath.Join(dir, "tmp")
	binary := filepath.Join(dir, "test")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(own, 0o755), os.Chown(own, ordinary, ordinary),
		copyFile("/proc/self/exe", binary), os.Chmod(binary, 0o755)); err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = own
	cmd.Env = []string{"TMPDIR=" + own, "HOME=" + own, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinary, Gid: ordinary}, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "--- SKIP: "+t.Name()) {
		t.Skipf("%s", out)
	}
	return true
}

// newRootlessTier skips the test where the machine forbids what it needs.
func newRootlessTier(t testing.TB, reserve int) *Tier {
	t.Helper()
	tier, err := New(Config{StateDir: t.TempDir(), Reserve: reserve})
	if errors.Is(err, errForbidden) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tier.Close(); err != nil {
			t.Error(err)
		}
	})
	return tier
}

func TestRootlessSuite(t *testing.T) {
	if asOrdinary(t) {
		return
	}
	tier := newRootlessTier(t, 2)
	_, none := tier.groups.(noGroups)
	traits := sandboxtest.Traits{
		Isolated: true, OneUser: true, Tmp: true, Memory: !none, CPU: !none, PIDs: !none || tier.countsByUser(), TmpIsMemory: true}
	sandboxtest.Run(t, tier, traits)
	t.Run("Late", func(t *testing.T) { sandboxtest.Run(t, sandboxtest.Late(tier), traits) })
}

// rootlessBox is a sandbox without root.
func rootlessBox(t *testing.T, spec sandbox.Spec) *box {
	t.Helper()
	b, err := newRootlessTier(t, -1).Open(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b.(*box)
}

// TestRootlessPort has the port taken by code.
func TestRootlessPort(t *testing.T) {
	if asOrdinary(t) {
		return
	}
	b := rootlessBox(t, sandbox.Spec{ID: "port", TmpMB: 8})
	l, err := b.Listen(9001)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Addr().String() != "127.0.0.1:9001" {
		t.Errorf("listens on %s", l.Addr())
	}
	if l, err := b.Listen(9001); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("again: %v, %v", l, err)
	}
	if got := command(t, b, "/bin/sh", "-c", "echo alive"); got != "alive" {
		t.Errorf("afterwards: %q", got)
	}
}

// TestRootlessKill kills again and again, by the init that stays.
func TestRootlessKill(t *testing.T) {
	if asOrdinary(t) {
		return
	}
	b := rootlessBox(t, sandbox.Spec{ID: "kill", TmpMB: 8, PIDs: 100})
	for range 3 {
		if _, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/bin/sh", "-c", "trap '' TERM; setsid sleep 1000 & sleep 1000"}, Stdout: io.Discard}); err != nil {
			t.Fatal(err)
		}
		if len(b.holder.processes()) == 0 {
			t.Fatal("the count does not see a process")
		}
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		if left := b.holder.processes(); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	}
	pid := b.holder.pid
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the init: %v", err)
	}
}

// TestRootlessInitGone kills a sandbox's init, as its user may from outside.
func TestRootlessInitGone(t *testing.T) {
	if asOrdinary(t) {
		return
	}
	b := rootlessBox(t, sandbox.Spec{ID: "gone", TmpMB: 8})
	p, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/bin/sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(b.holder.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := b.Kill(); err == nil {
		t.Error("a sandbox without its init can be used again")
	}
	if _, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/bin/true"}}); !errors.Is(err, errNoInit) {
		t.Errorf("Start: %v", err)
	}
	if _, err := b.Listen(9001); !errors.Is(err, errNoInit) {
		t.Errorf("Listen: %v", err)
	}
	if err := errors.Join(b.Freeze(), b.Thaw()); err == nil {
		t.Error("what is not there can be frozen")
	}
	if _, err := b.Usage(); err != nil {
		t.Error(err)
	}
}

// TestRootlessHasNoZygotes: nobody without root can be outside, with the rights to go
// inside.
func TestRootlessHasNoZygotes(t *testing.T) {
	if asOrdinary(t) {
		return
	}
	z, err := newRootlessTier(t, -1).Zygote(t.Context(), nil, sandbox.Command{Args: []string{"/bin/true"}})
	if !errors.Is(err, errors.ErrUnsupported) || z != nil {
		t.Errorf("%v, %v", z, err)
	}
}

// TestRootlessFurnishLate furnishes after a Kill, which the init survives.
func TestRootlessFurnishLate(t *testing.T) {
	if asOrdinary(t) {
		return
	}
	b := rootlessBox(t, sandbox.Spec{ID: "late", TmpMB: 8, Late: true})
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Furnish(t.Context(), sandbox.Furnishing{Mounts: []sandbox.Mount{{Source: "/usr", Target: "/var/task"}}}); err != nil {
		t.Fatal(err)
	}
	if b.outer != nil {
		t.Error("the outer mount namespace is still there")
	}
	if got := command(t, b, "/bin/sh", "-c", "ls -d /var/task/bin; touch /x 2>/dev/null && echo wrote"); got != "/var/task/bin" {
		t.Errorf("got %q", got)
	}
}

func TestForbidden(t *testing.T) {
	err := forbidden(unix.EPERM)
	if !errors.Is(err, errForbidden) || !errors.Is(err, unix.EPERM) {
		t.Errorf("%v", err)
	}
}

func TestConsumption(t *testing.T) {
	dir := t.TempDir()
	fakeTree(t, dir, map[string]string{
		"stat":   "7 (a ) name) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 20 30 20 0 1 0 100 1000 200\n",
		"status": "Name:\ta\nVmPeak:\t  9000 kB\nVmHWM:\t    2048 kB\nThreads:\t1\n"})
	if cpu, kb := consumption(dir); cpu != 250*tick || kb != 2048 {
		t.Errorf("%v, %d", cpu, kb)
	}
	if cpu, kb := consumption(filepath.Join(dir, "ended")); cpu != 0 || kb != 0 {
		t.Errorf("of none: %v, %d", cpu, kb)
	}
}

// TestRootlessServerDeath kills a server, and inherits what it leaves: that all
// of it ends is the test.
func TestRootlessServerDeath(t *testing.T) {
	if asOrdinary(t) {
		return
	}
	newRootlessTier(t, -1) // or the server cannot, either
	dir := t.TempDir()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), serverEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "serving\n" {
		t.Fatalf("%q, %v", line, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	inherited := 0
	for {
		_, err := unix.Wait4(-1, nil, 0, nil)
		if errors.Is(err, unix.ECHILD) {
			break
		}
		if err == nil {
			inherited++
		}
	}
	if inherited < 6 { // three inits, and what they run
		t.Errorf("saw only %d processes end", inherited)
	}
	tier, err := New(Config{StateDir: dir, Reserve: -1})
	if err != nil {
		t.Fatalf("after it: %v", err)
	}
	if err := tier.Close(); err != nil {
		t.Error(err)
	}
}
