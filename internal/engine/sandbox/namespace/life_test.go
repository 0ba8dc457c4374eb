//go:build linux && (amd64 || arm64)

package namespace

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// serverEnv makes this test binary be a server that is to be killed.
const serverEnv = "MAYFLY_TEST_NAMESPACE_SERVER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverEnv); dir != "" {
		serve(dir)
	}
	if os.Geteuid() == 0 && os.Getenv(insideEnv) == "" {
		os.Exit(inside())
	}
	os.Exit(m.Run())
}

// insideEnv tells that the tests run in a network namespace made for them:
// they change rules and routes, which are not to be this machine's.
const insideEnv = "MAYFLY_TEST_NAMESPACE_INSIDE"

// inside runs the tests again, in such a namespace.
func inside() int {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// left counts what this tier may leave on a machine.
type left struct {
	processes, mounts, groups, loops, links, files int
}

// count looks for what bears the tier's name or its folder's.
func count(tier *Tier) left {
	var l left
	lines := func(name, with string) (n int) {
		b, _ := os.ReadFile(name)
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, with) {
				n++
			}
		}
		return n
	}
	l.mounts = lines("/proc/self/mountinfo", tier.dir)
	comms, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, c := range comms {
		b, _ := os.ReadFile(c)
		_, rest, _ := strings.Cut(string(b), "\nUid:\t")
		var uid int
		fmt.Sscan(rest, &uid)
		if uid >= tier.uids && uid < tier.uids+maxSlots && !strings.Contains(string(b), "State:\tZ") {
			l.processes++
		}
	}
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, f := range loops {
		l.loops += lines(f, tier.dir)
	}
	if g, ok := tier.groups.(*groups1); ok {
		for _, dir := range g.dirs {
			names, _ := below(dir)
			l.groups += len(names)
		}
	}
	links, _ := net.Interfaces()
	for _, i := range links {
		if strings.HasPrefix(i.Name, linkPrefix) {
			l.links++
		}
	}
	disks, _ := filepath.Glob(tier.dir + "/disk-*")
	l.files = len(disks)
	return l
}

// nothingLeft waits for the kernel to clean up behind dead sandboxes.
func nothingLeft(t *testing.T, tier *Tier, before left) {
	t.Helper()
	var now left
	err := eventually(func() (bool, error) {
		now = count(tier)
		return now == before, nil
	})
	if err != nil {
		t.Errorf("left %+v, before %+v", now, before)
	}
}

func descriptors() int {
	fds, _ := os.ReadDir("/proc/self/fd")
	return len(fds)
}

func openAndRun(t *testing.T, tier *Tier, id string) sandbox.Sandbox {
	t.Helper()
	b, err := tier.Open(t.Context(), sandbox.Spec{ID: id, MemoryMB: 128, CPUs: 1, PIDs: 100, TmpMB: 16, Outbound: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/bin/sh", "-c", "sleep 1000 & sleep 1000"}, Stdout: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Listen(9001); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClosedSandboxesLeaveNothing(t *testing.T) {
	tier := newTestTier(t, t.TempDir())
	openAndRun(t, tier, "first").Close() // what is made once is made
	before, fds := count(tier), 0
	for i := range 10 {
		b := openAndRun(t, tier, fmt.Sprintf("b-%d", i))
		if now := count(tier); now.processes <= before.processes || now.groups <= before.groups {
			t.Fatalf("the count does not see a sandbox: %+v", now)
		}
		if i%2 == 0 {
			if err := b.Kill(); err != nil {
				t.Error(err)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if i == 1 {
			fds = descriptors()
		}
	}
	nothingLeft(t, tier, before)
	if now := descriptors(); now > fds+2 {
		t.Errorf("%d descriptors, %d before", now, fds)
	}
}

// TestIdleSandboxesHoldFewDescriptors says what the engine's estimate rests on.
func TestIdleSandboxesHoldFewDescriptors(t *testing.T) {
	tier := newTestTier(t, t.TempDir())
	first := openAndRun(t, tier, "first") // what the tier itself has open is open from now on
	before := descriptors()
	b := openAndRun(t, tier, "second")
	if err := b.Freeze(); err != nil {
		t.Skip("nothing can be frozen here: ", err)
	}
	if n := descriptors() - before; n > 10 {
		t.Errorf("%d descriptors for a frozen sandbox", n)
	}
	if err := b.Thaw(); err != nil {
		t.Error(err)
	}
	if _, err := b.Usage(); err != nil {
		t.Error(err)
	}
	first.Close()
	b.Close()
}

func TestOpenThatFailsLeavesNothing(t *testing.T) {
	tier := newTestTier(t, t.TempDir())
	before := count(tier)
	for _, m := range []sandbox.Mount{{Source: "/no/such/folder", Target: "/var/task"}, {Source: "/usr", Target: "relative"},
		{Source: "/usr", Target: "/proc/no/such/place"}, {Source: "/usr", Target: "/"}} {
		b, err := tier.Open(t.Context(), sandbox.Spec{ID: "bad", TmpMB: 8, Mounts: []sandbox.Mount{m}})
		if err == nil {
			t.Errorf("%v was accepted", m)
			b.Close()
		} else if strings.Contains(err.Error(), "report of") {
			t.Error(err)
		}
	}
	nothingLeft(t, tier, before)
	tier.mu.Lock()
	defer tier.mu.Unlock()
	if len(tier.slots) != 0 {
		t.Errorf("slots: %v", tier.slots)
	}
}

func TestErrorsTellTheStep(t *testing.T) {
	tier := newTestTier(t, t.TempDir())
	_, err := tier.Open(t.Context(), sandbox.Spec{ID: "bad", TmpMB: 8, Mounts: []sandbox.Mount{{Source: "/usr", Target: "/proc/no/such/place"}}})
	if err == nil || !strings.Contains(err.Error(), "mount /proc/no/such/place: no such file or directory") {
		t.Errorf("%v", err)
	}
}

// serve is a server that is to be killed: it opens sandboxes, and waits.
func serve(dir string) {
	ctx := context.Background()
	tier, err := New(Config{StateDir: dir})
	if err != nil {
		panic(err)
	}
	for i := range 3 {
		b, err := tier.Open(ctx, sandbox.Spec{ID: fmt.Sprintf("victim-%d", i), MemoryMB: 128, CPUs: 1, PIDs: 100, TmpMB: 16, Outbound: true})
		if err != nil {
			panic(err)
		}
		if _, err := b.Start(ctx, sandbox.Command{Args: []string{"/bin/sh", "-c", "setsid sleep 1000 & echo x > /tmp/x; sleep 1000"}, Stdout: io.Discard}); err != nil {
			panic(err)
		}
		if i == 2 {
			if err := b.Freeze(); err != nil {
				panic(err)
			}
		}
	}
	fmt.Println("serving")
	select {}
}

// TestServerDeath kills a server. Its sandboxes die with it; what a frozen one (up to four processes)
// and the names leave, Sweep removes.
func TestServerDeath(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	cmd := exec.Command(os.Args[0])
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
	io.Copy(io.Discard, out)
	cmd.Wait()
	tier, err := newTier(Config{StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	died := time.Now()
	if err := eventually(func() (bool, error) { return count(tier).processes <= 4, nil }); err != nil {
		t.Errorf("after %v there is still %+v", time.Since(died), count(tier))
	}
	tier = newTestTier(t, dir) // which sweeps, to try itself
	if err := tier.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, tier, left{})
	if entries, err := os.ReadDir(filepath.Join(dir, "root")); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
	b, err := tier.Open(t.Context(), sandbox.Spec{ID: "victim-1", TmpMB: 16})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
}

func TestEtcHasNoSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etc")
	if err := makeEtc(dir, ""); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			host := strings.Replace(name, dir, "/etc", 1)
			if st, err := os.Stat(host); err == nil && st.Mode().Perm()&0o004 == 0 {
				t.Errorf("%s is not for all to read", host)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "shadow")); err == nil {
		t.Error("shadow is there")
	}
}

// TestDisksThatCannotBeMounted is a container that has loop devices, but may
// not use them.
func TestDisksThatCannotBeMounted(t *testing.T) {
	theWorld(t)
	tier, err := newTier(Config{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tier.Close() })
	tier.disks.mkfs = "/bin/false"
	if err := tier.probe(); err != nil || tier.disks != nil {
		t.Fatalf("%v, disks %v", err, tier.disks)
	}
	b := openBox(t, tier, "small", false)
	if got := command(t, b, "/bin/sh", "-c", "head -c 9000000 /dev/zero > /tmp/x || echo full"); !strings.HasSuffix(got, "full") {
		t.Errorf("got %q", got)
	}
}

func TestNewNeedsAFolder(t *testing.T) {
	theWorld(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if tier, err := New(Config{StateDir: file}); err == nil {
		tier.Close()
		t.Error("a file was taken for a folder")
	}
}
