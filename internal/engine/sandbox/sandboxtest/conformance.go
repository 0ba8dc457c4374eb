//go:build unix

package sandboxtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// conformance is what the contract says of every tier.
func conformance() []test {
	return []test{
		{"Output", testOutput},
		{"OneWriterKeepsOrder", testOneWriter},
		{"TwoWriters", testTwoWriters},
		{"ManyLines", testManyLines},
		{"Flush", testFlush},
		{"ExitCodes", testExitCodes},
		{"Signals", testSignals},
		{"Environment", testEnvironment},
		{"LookUpInPATH", testLookPath},
		{"StartFails", testStartFails},
		{"Mounts", testMounts},
		{"Files", testFiles},
		{"RestartKeepsTmp", testRestart},
		{"Beside", testBeside},
		{"FreezeThaw", testFreeze},
		{"Usage", testUsage},
		{"LimitCPU", testLimitCPU},
		{"Unexecutable", testUnexecutable},
		{"KillLeavesNothing", testKill},
		{"KillWhileFrozen", testKillFrozen},
		{"CloseTwice", testCloseTwice},
		{"ClosedFails", testClosed},
		{"ContextBoundsOpen", testContext},
		{"Listen", testListen},
		{"Dial", testDial},
		{"Many", testMany},
	}
}

func testOutput(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, x := sh(t, b, "echo hello")
	if out != "hello\n" || x != (sandbox.Exit{}) {
		t.Errorf("got %q, %+v", out, x)
	}
}

func testOneWriter(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, _ := sh(t, b, "for i in 1 2 3 4 5; do echo out$i; echo err$i >&2; done")
	want := ""
	for i := range 5 {
		want += fmt.Sprintf("out%d\nerr%d\n", i+1, i+1)
	}
	if out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func testTwoWriters(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, errs := newText(), newText()
	p, err := b.Start(t.Context(), sandbox.Command{
		Args: []string{"/bin/sh", "-c", "echo out; echo err >&2"}, Env: env(), Stdout: out, Stderr: errs})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, p)
	if out.String() != "out\n" || errs.String() != "err\n" {
		t.Errorf("stdout %q, stderr %q", out, errs)
	}
	p, err = b.Start(t.Context(), sandbox.Command{Args: []string{"/bin/sh", "-c", "echo lost"}, Env: env()})
	if err != nil {
		t.Fatal(err)
	}
	if x := wait(t, p); x.Code != 0 {
		t.Errorf("without writers: %+v", x)
	}
}

func testManyLines(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	const n = 10_000
	out, _ := sh(t, b, fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); done", n))
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != n {
		t.Fatalf("got %d lines", len(lines))
	}
	for i, l := range lines {
		if l != "line "+strconv.Itoa(i) {
			t.Fatalf("line %d is %q", i, l)
		}
	}
}

// testFlush writes, then tells so by another way; the output must be there.
func testFlush(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	l, err := b.Listen(9001)
	if err != nil {
		t.Fatal(err)
	}
	out := newText()
	program := fmt.Sprintf(`
import os, socket
s = socket.create_connection(("127.0.0.1", %d))
for i in range(200):
    os.write(1, b"x" * 100 + b"\n")
    s.sendall(b"!")
    s.recv(1)
`, l.Addr().(addrPort).AddrPort().Port())
	p := start(t, b, out, "/usr/bin/python3", "-I", "-S", "-c", program)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 200 {
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		if got := len(out.String()); got != 101*(i+1) {
			t.Fatalf("after write %d: %d bytes", i+1, got)
		}
		c.Write([]byte("!"))
	}
	wait(t, p)
	if err := p.Flush(); err != nil {
		t.Errorf("Flush after the end: %v", err)
	}
}

func testExitCodes(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	for _, code := range []int{0, 1, 42, 137, 255} {
		if _, x := sh(t, b, fmt.Sprintf("exit %d", code)); x != (sandbox.Exit{Code: code}) {
			t.Errorf("exit %d: %+v", code, x)
		}
	}
	if _, x := sh(t, b, "kill -SEGV $$"); x != (sandbox.Exit{Code: -1, Signal: syscall.SIGSEGV}) {
		t.Errorf("a crash: %+v", x)
	}
}

func testSignals(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out := newText()
	p := start(t, b, out, "/bin/sh", "-c", `trap "echo got it; exit 7" TERM; echo ready; while :; do sleep 0.05; done`)
	out.await(t, "ready")
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if x := wait(t, p); x.Code != 7 || !strings.Contains(out.String(), "got it") {
		t.Errorf("%+v, %q", x, out)
	}
	p = start(t, b, newText(), "/bin/sleep", "1000")
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if x := wait(t, p); x != (sandbox.Exit{Code: -1, Signal: syscall.SIGTERM}) {
		t.Errorf("sleep: %+v", x)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("Signal after the end: %v", err)
	}
}

func testEnvironment(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	os.Setenv("MAYFLY_SUITE_SECRET", "x")
	defer os.Unsetenv("MAYFLY_SUITE_SECRET")
	out := newText()
	p, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/usr/bin/env"}, Env: []string{"A=1 2", "B="}, Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, p)
	if got := out.String(); !strings.Contains(got, "A=1 2\nB=\n") || strings.Contains(got, "SECRET") {
		t.Errorf("got %q", got)
	}
}

func testLookPath(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out := newText()
	wait(t, start(t, b, out, "echo", "found"))
	if out.String() != "found\n" {
		t.Errorf("got %q", out)
	}
}

func testStartFails(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	for _, c := range []sandbox.Command{
		{Args: []string{"/no/such/program"}, Env: env()},
		{Args: []string{"no-such-program"}, Env: env()},
		{Args: []string{"echo"}, Env: nil}, // nowhere to look it up
		{Args: []string{"/bin/echo"}, Env: env(), Dir: "/no/such/folder"},
		{},
	} {
		p, err := b.Start(t.Context(), c)
		if err == nil {
			t.Errorf("Start %q in %q succeeded: %+v", c.Args, c.Dir, wait(t, p))
		}
	}
	if out, _ := sh(t, b, "echo fine"); out != "fine\n" {
		t.Errorf("afterwards: %q", out)
	}
}

func testMounts(t *testing.T, tier sandbox.Tier) {
	src := mountable(t)
	os.WriteFile(filepath.Join(src, "hello.sh"), []byte("#!/bin/sh\necho from code $1\n"), 0o755)
	os.WriteFile(filepath.Join(src, "one"), []byte("a file\n"), 0o644)
	s := spec()
	s.Mounts = []sandbox.Mount{
		{Source: src, Target: "/var/task"},
		{Source: src, Target: "/opt"},
		{Source: filepath.Join(src, "one"), Target: "/var/runtime/one"},
		{Source: src, Target: "/srv/some/deep/place"},
	}
	b := open(t, tier, s)
	for _, target := range []string{"/var/task", "/opt", "/srv/some/deep/place"} {
		out := newText()
		wait(t, start(t, b, out, b.Path(target)+"/hello.sh", "me"))
		if out.String() != "from code me\n" {
			t.Errorf("%s: %q", target, out)
		}
	}
	if out, _ := sh(t, b, "cat "+b.Path("/var/runtime/one")); out != "a file\n" {
		t.Errorf("a file as a mount: %q", out)
	}
	out := newText()
	p, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/bin/cat", "one"}, Env: env(), Dir: b.Path("/var/task"), Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	if wait(t, p); out.String() != "a file\n" {
		t.Errorf("Dir: %q", out)
	}
}

// mountable makes a folder that any user may read, whatever the umask.
func mountable(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	return dir
}

func testRestart(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	if _, x := sh(t, b, "echo kept > $TMP/file; exit 3"); x.Code != 3 {
		t.Fatalf("%+v", x)
	}
	if out, _ := sh(t, b, "cat $TMP/file"); out != "kept\n" {
		t.Errorf("after the end of the main process: %q", out)
	}
	start(t, b, newText(), "/bin/sleep", "1000")
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if out, _ := sh(t, b, "cat $TMP/file"); out != "kept\n" {
		t.Errorf("after Kill: %q", out)
	}
	other := open(t, tier, spec())
	if out, _ := sh(t, other, "ls -A $TMP"); out != "" {
		t.Errorf("another sandbox sees %q", out)
	}
}

func testBeside(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out := newText()
	main := start(t, b, out, "/bin/sh", "-c", "echo up; read x < /dev/zero; sleep 1000")
	out.await(t, "up")
	if out, x := sh(t, b, "echo beside > $TMP/x; cat $TMP/x"); out != "beside\n" || x.Code != 0 {
		t.Errorf("%q, %+v", out, x)
	}
	select {
	case <-main.Done():
		t.Error("the end of the second process ended the first")
	default:
	}
}

func testFreeze(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out := newText()
	start(t, b, out, "/bin/sh", "-c", "while :; do echo tick; sleep 0.01; done")
	out.await(t, "tick")
	if err := b.Freeze(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // what is under way arrives
	before := len(out.String())
	time.Sleep(200 * time.Millisecond)
	if got := len(out.String()); got != before {
		t.Errorf("a frozen sandbox wrote %d bytes", got-before)
	}
	if err := b.Thaw(); err != nil {
		t.Fatal(err)
	}
	out.await(t, out.String()+"tick")
}

func testUsage(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	const hog = `
import time, sys
x = bytearray(60 << 20)
while time.process_time() < 0.3: pass
`
	if out, x := python(t, b, hog); x.Code != 0 {
		t.Fatal(out)
	}
	u, err := b.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.CPU < 300*time.Millisecond || u.CPU > deadline || u.PeakMB < 60 || u.PeakMB > 200 || u.OOMKills != 0 {
		t.Errorf("%+v", u)
	}
	if err := b.ResetUsage(); err != nil {
		t.Fatal(err)
	}
	sh(t, b, ":")
	after, err := b.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if after.PeakMB > 40 || after.CPU < u.CPU {
		t.Errorf("after ResetUsage: %+v", after)
	}
}

// testLimitCPU sets shares of all sizes, up and down; a tier that limits nothing
// takes them, too. The sandbox works on.
func testLimitCPU(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	for _, cpus := range []float64{0.07, 2, 0.5, 6, 0, 0.001, 1} {
		if err := b.LimitCPU(cpus); err != nil {
			t.Errorf("%v: %v", cpus, err)
		}
	}
	if out, _ := sh(t, b, "echo fine"); out != "fine\n" {
		t.Errorf("afterwards: %q", out)
	}
}

// testUnexecutable starts what is there and cannot be executed.
func testUnexecutable(t *testing.T, tier sandbox.Tier) {
	src := mountable(t)
	os.WriteFile(filepath.Join(src, "text"), []byte("no program"), 0o755)
	os.WriteFile(filepath.Join(src, "script"), []byte("#!/no/such/interpreter\n"), 0o755)
	os.WriteFile(filepath.Join(src, "plain"), []byte("#!/bin/sh\n"), 0o644)
	s := spec()
	s.Mounts = []sandbox.Mount{{Source: src, Target: "/var/task"}}
	b := open(t, tier, s)
	for name, want := range map[string]syscall.Errno{"text": syscall.ENOEXEC, "script": syscall.ENOENT, "plain": syscall.EACCES, "none": syscall.ENOENT} {
		file := b.Path("/var/task") + "/" + name
		_, err := b.Start(t.Context(), sandbox.Command{Args: []string{file}, Env: env()})
		var path *fs.PathError
		if !errors.As(err, &path) || path.Op != "fork/exec" || path.Path != file || path.Err != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testKill(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out := newText()
	p := start(t, b, out, "/bin/sh", "-c", "sleep 1000 & sleep 1000 & echo up; wait")
	out.await(t, "up")
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("Kill returned before the process was done")
	}
	if x := p.Exit(); x != (sandbox.Exit{Code: -1, Signal: syscall.SIGKILL}) {
		t.Errorf("%+v", x)
	}
	if err := b.Kill(); err != nil {
		t.Errorf("Kill of nothing: %v", err)
	}
}

func testKillFrozen(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	p := start(t, b, newText(), "/bin/sleep", "1000")
	if err := b.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	wait(t, p)
	if out, _ := sh(t, b, "echo thawed"); out != "thawed\n" {
		t.Errorf("afterwards: %q", out)
	}
	start(t, b, newText(), "/bin/sleep", "1000")
	if err := b.Freeze(); err != nil {
		t.Fatal(err)
	} // and Close, at the test's end, finds it frozen
}

func testCloseTwice(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	p := start(t, b, newText(), "/bin/sleep", "1000")
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, p)
}

func testClosed(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	l, err := b.Listen(9001)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is still open")
	}
	if _, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/bin/echo"}, Env: env()}); err == nil {
		t.Error("Start succeeded")
	}
	if _, err := b.Listen(9002); err == nil {
		t.Error("Listen succeeded")
	}
	b.Freeze() // may fail; must not hang nor panic
	b.Thaw()
	b.Usage()
	b.ResetUsage()
	b.LimitCPU(1)
	if err := b.Kill(); err != nil {
		t.Errorf("Kill: %v", err)
	}
}

func testContext(t *testing.T, tier sandbox.Tier) {
	ctx, cancel := context.WithCancel(t.Context())
	b, err := tier.Open(ctx, spec())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cancel()
	if out, _ := sh(t, b, "echo alive"); out != "alive\n" {
		t.Errorf("after ctx: %q", out)
	}
	if b, err := tier.Open(ctx, spec()); !errors.Is(err, context.Canceled) {
		if err == nil {
			b.Close()
		}
		t.Errorf("Open with a context that has ended: %v", err)
	}
	if _, err := b.Start(ctx, sandbox.Command{Args: []string{"/bin/echo"}, Env: env()}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start with a context that has ended: %v", err)
	}
	s := spec()
	s.ID = "../../x"
	if b, err := tier.Open(t.Context(), s); err == nil {
		b.Close()
		t.Error("a sandbox may be named ../../x")
	}
}

func testListen(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	l, err := b.Listen(9001)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			io.WriteString(c, "you said "+line)
			c.Close()
		}
	}()
	out, _ := python(t, b, fmt.Sprintf(`
import socket
s = socket.create_connection(("127.0.0.1", %d))
s.sendall(b"hello\n")
print(s.makefile().read(), end="")
`, l.Addr().(addrPort).AddrPort().Port()))
	if out != "you said hello\n" {
		t.Errorf("got %q", out)
	}
	second, err := b.Listen(9100)
	if err != nil {
		t.Fatal(err)
	}
	if second.Addr().String() == l.Addr().String() {
		t.Error("two listeners with one address")
	}
}

func testDial(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out := newText()
	p, err := b.Start(t.Context(), sandbox.Command{Args: []string{"python3", "-uc", `
import socket
s = socket.create_server(("127.0.0.1", 0))
print("at", s.getsockname()[1], flush=True)
c, _ = s.accept()
c.sendall(b"you said " + c.makefile("rb").readline())
`}, Env: env(), Stdout: out, Stderr: out})
	if err != nil {
		t.Fatal(err)
	}
	out.await(t, "\n")
	port := 0
	fmt.Sscanf(out.String(), "at %d", &port)
	c, err := b.Dial(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "hello\n")
	if got, err := io.ReadAll(c); string(got) != "you said hello\n" {
		t.Errorf("got %q, %v", got, err)
	}
	<-p.Done()
	if c, err := b.Dial(t.Context(), port); err == nil {
		c.Close()
		t.Error("nobody listens any more, and yet there is a connection")
	}
	b.Close()
	if _, err := b.Dial(t.Context(), port); err == nil {
		t.Error("a closed sandbox can be connected to")
	}
}

func testMany(t *testing.T, tier sandbox.Tier) {
	var wg sync.WaitGroup
	room := make(chan struct{}, 10)
	for range 50 {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if err := openRunClose(t.Context(), tier); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func openRunClose(ctx context.Context, tier sandbox.Tier) error {
	s := spec()
	b, err := tier.Open(ctx, s)
	if err != nil {
		return err
	}
	out := newText()
	p, err := b.Start(ctx, sandbox.Command{Args: []string{"/bin/echo", s.ID}, Env: env(), Stdout: out})
	if err != nil {
		return errors.Join(err, b.Close())
	}
	<-p.Done()
	if out.String() != s.ID+"\n" {
		err = fmt.Errorf("%s wrote %q, %+v", s.ID, out, p.Exit())
	}
	return errors.Join(err, b.Close())
}
