//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/sandboxtest"
	"golang.org/x/sys/unix"
)

func TestForkedSuite(t *testing.T) {
	theWorld(t)
	tier := newReservedTier(t, t.TempDir(), 3)
	sandboxtest.Run(t, sandboxtest.Forked(tier, sandboxtest.NewZygote(t, tier)), rootTraits)
}

// fork starts program as a fork of z in b, and returns when it has ended what it says.
func fork(t testing.TB, z sandbox.Zygote, b sandbox.Sandbox) (*os.File, sandbox.Process) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer theirs.Close()
	t.Cleanup(func() { ours.Close() })
	p, err := b.Start(t.Context(), sandbox.Command{From: z, Files: []*os.File{theirs}})
	if err != nil {
		t.Fatal(err)
	}
	return ours, p
}

// status reads lines of a process's status.
func status(t testing.TB, pid int, keys ...string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if slices.Contains(keys, k) {
			found = append(found, v)
		}
	}
	return strings.Join(found, " ")
}

// TestZygoteIsConfined looks at a zygote from outside.
func TestZygoteIsConfined(t *testing.T) {
	theWorld(t)
	tier := newTestTier(t, t.TempDir())
	z := sandboxtest.NewZygote(t, tier).(*zygote)
	const rights = "00000000002401c0" // five: see zygoteCapabilities
	if got := status(t, z.pid, "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"); got != strings.Repeat(rights+" ", 5)+"1 2" {
		t.Errorf("rights: %s", got)
	}
	uid := strconv.Itoa(tier.uids + z.slot)
	if got := status(t, z.pid, "Uid", "Groups"); !strings.HasPrefix(got, uid+"\t"+uid) || !strings.HasSuffix(strings.TrimSpace(got), uid) {
		t.Errorf("user: %s", got)
	}
	for _, ns := range []string{"mnt", "net", "ipc", "uts"} {
		own, _ := os.Readlink("/proc/self/ns/" + ns)
		if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", z.pid, ns)); err != nil || its == own {
			t.Errorf("%s: %s, ours %s, %v", ns, its, own, err)
		}
	}
	root := fmt.Sprintf("/proc/%d/root", z.pid)
	for _, hidden := range []string{tier.dir, "/root", "/proc/1", "/etc/shadow", "/sys/kernel"} {
		if _, err := os.Stat(root + hidden); err == nil {
			t.Errorf("it sees %s", hidden)
		}
	}
}

// TestForksShareNoFiles has several children, and looks at what each has open, and
// the zygote.
func TestForksShareNoFiles(t *testing.T) {
	theWorld(t)
	tier := newTestTier(t, t.TempDir())
	z := sandboxtest.NewZygote(t, tier)
	before, err := freeDescriptors(z.(*zygote).pid)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		b := openBox(t, tier, fmt.Sprintf("files-%d", i), false)
		_, p := fork(t, z, b)
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.(*proc).pid))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range fds {
			names = append(names, f.Name())
		}
		if !slices.Equal(names, []string{"0", "1", "2", "3"}) {
			t.Errorf("child %d has %v", i, names)
		}
		home, _ := os.Readlink("/proc/self/ns/pid")
		if got, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid_for_children", z.(*zygote).pid)); got != home {
			t.Errorf("the zygote's next child would be in %s", got)
		}
	}
	if after, err := freeDescriptors(z.(*zygote).pid); err != nil || !slices.Equal(before, after) {
		t.Errorf("the zygote's free descriptors: %v, before %v, %v", after, before, err)
	}
}

// TestZygoteDies has a zygote killed: its children live, and no more can be made.
func TestZygoteDies(t *testing.T) {
	theWorld(t)
	tier := newTestTier(t, t.TempDir())
	z := sandboxtest.NewZygote(t, tier)
	b := openBox(t, tier, "orphan", false)
	link, p := fork(t, z, b)
	if err := unix.Kill(z.(*zygote).pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-z.Done()
	if _, err := b.Start(t.Context(), sandbox.Command{From: z}); err == nil {
		t.Error("a dead zygote forks")
	}
	fmt.Fprintln(link, `{"args": [], "env": [], "dir": "", "files": 0, "code": "import sys; sys.exit(7)"}`)
	<-p.Done()
	if x := p.Exit(); x.Code != 7 {
		t.Errorf("the child: %+v", x)
	}
	if got := command(t, b, "/bin/echo", "alive"); got != "alive" {
		t.Errorf("the sandbox: %q", got)
	}
}

// TestZygoteIntoTheDead forks into a sandbox whose init is gone.
func TestZygoteIntoTheDead(t *testing.T) {
	theWorld(t)
	tier := newTestTier(t, t.TempDir())
	z := sandboxtest.NewZygote(t, tier)
	b := openBox(t, tier, "dead", false)
	if err := unix.Kill(b.holder.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, b.holder.pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(t.Context(), sandbox.Command{From: z}); err == nil {
		t.Error("a child without an init")
	}
	fork(t, z, openBox(t, tier, "living", false))
}

// liar starts a zygote that does what a script says once it has said hello.
func liar(t *testing.T, tier *Tier, script string) (sandbox.Zygote, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	z, err := tier.Zygote(ctx, nil, sandbox.Command{Args: []string{"/usr/bin/python3", "-I", "-S", "-c", "import socket, time, os\ns = socket.socket(fileno=3)\n" + script}})
	if err == nil {
		t.Cleanup(func() { z.Close() })
	}
	return z, err
}

// TestZygotesThatLie are bounded, and cost nobody else anything.
func TestZygotesThatLie(t *testing.T) {
	theWorld(t)
	tier := newTestTier(t, t.TempDir())
	before := count(tier)
	for name, script := range map[string]string{
		"ends": "", "nonsense": "s.send(b'hi'); time.sleep(1000)", "zero": `s.send(b'{"base": 0}'); time.sleep(1000)`, "odd": `s.send(b'{"base": 4097}'); time.sleep(1000)`} {
		if _, err := liar(t, tier, script); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	nothingLeft(t, tier, before)
	for name, script := range map[string]string{
		"hangs": "time.sleep(1000)",
		"ends":  "s.recvmsg(1 << 20, 4096)",
		"tells another's number": `
import array, struct
m, a, f, x = s.recvmsg(1 << 20, 4096)
fds = array.array("i"); fds.frombytes(a[0][2])
os.write(fds[0], struct.pack("QQ", 0, 1)); os.write(fds[0], struct.pack("Qq", 0, -1)); os.write(fds[0], b"x"); time.sleep(1000)`,
	} {
		z, err := liar(t, tier, `s.send(b'{"base": 4096}');`+script)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b := openBox(t, tier, "victim", false)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := b.Start(ctx, sandbox.Command{From: z}); err == nil {
			t.Errorf("%s: it started", name)
		}
		cancel()
		<-z.Done()
		if got := command(t, b, "/bin/echo", "alive"); got != "alive" {
			t.Errorf("%s: %q", name, got)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	nothingLeft(t, tier, before)
}

// TestLostChildren are found by the sandbox that they are in.
func TestLostChildren(t *testing.T) {
	theWorld(t)
	tier := newTestTier(t, t.TempDir())
	z := sandboxtest.NewZygote(t, tier)
	b := openBox(t, tier, "lost", false)
	_, p := fork(t, z, b)
	b.mu.Lock()
	clear(b.running) // as if nobody had told
	err := b.reapLost()
	b.mu.Unlock()
	if err != nil {
		t.Error(err)
	}
	<-p.Done()
	if left := b.holder.processes(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestForeignZygote(t *testing.T) {
	theWorld(t)
	one, other := newTestTier(t, t.TempDir()), newTestTier(t, t.TempDir())
	z := sandboxtest.NewZygote(t, one)
	if _, err := openBox(t, other, "foreign", false).Start(t.Context(), sandbox.Command{From: z}); !errors.Is(err, errForeign) {
		t.Errorf("%v", err)
	}
}

func FuzzHello(f *testing.F) {
	f.Add([]byte(`{"base": 140000000000000}`))
	f.Add([]byte(`{"base": -1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if base, err := parseHello(b); err == nil && (base == 0 || base%callSize != 0) {
			t.Errorf("%q is accepted", b)
		}
	})
}

// forkerImage is an executable that reads a program as machine does, calls the forker
// with it, and exits with what that returns.
func forkerImage() []byte { return elf(append(caller(), forker()...)) }

func TestForkerReturns(t *testing.T) {
	for _, want := range []int{0, 1} {
		p := &program{}
		p.report(5)
		p.try("fails", unix.SYS_CLOSE, num(99))
		p.do("fails, too", unix.SYS_CLOSE, num(99))
		p.calls[len(p.calls)-1].failureJumps, p.calls[len(p.calls)-1].jump = true, len(p.calls)+2
		p.report(6) // jumped over
		p.exit(9)
		if want == 0 {
			p.do("return", unix.SYS_UMASK, num(0)) // 022, but then 0
			p.do("return", unix.SYS_UMASK, num(0))
		} else {
			p.do("return", unix.SYS_GETPID)
		}
		p.calls[len(p.calls)-1].last = true
		vs, ws, err := runProgramIn(t, forkerImage(), p)
		if err != nil || !slices.Equal(vs, []int64{5}) || ws.ExitStatus() != want {
			t.Errorf("%d: %v, %v, %v", want, vs, err, ws.ExitStatus())
		}
	}
}

func TestForkerForks(t *testing.T) {
	p := &program{}
	cell := p.words(num(0), num(0))
	p.do("clone", unix.SYS_CLONE, forked(unix.CLONE_PARENT_SETTID|uint64(unix.SIGCHLD), cell.at(8), num(0))...)
	fork := len(p.calls) - 1
	p.report(1) // the child
	p.exit(0)
	p.calls[fork].jump = len(p.calls)
	p.do("wait", unix.SYS_WAIT4, num(-1), num(0), num(0), num(0))
	p.do("report", unix.SYS_WRITE, num(controlFD), cell, num(reportSize))
	p.calls[len(p.calls)-1].last = true
	vs, ws, err := runProgramIn(t, forkerImage(), p)
	if err != nil || len(vs) != 2 || vs[0] != 1 || vs[1] < 2 || ws.ExitStatus() != 1 {
		t.Errorf("%v, %v, %v", vs, err, ws.ExitStatus())
	}
}
