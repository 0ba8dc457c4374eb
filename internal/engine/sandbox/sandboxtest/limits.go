//go:build unix

package sandboxtest

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// testTmpLimit fills /tmp. What is written before the limit is there, what is
// beyond fails, and what is removed can be written again.
func testTmpLimit(t *testing.T, tier sandbox.Tier) {
	s := spec()
	s.TmpMB = 32
	b := open(t, tier, s)
	other := open(t, tier, spec())
	out, _ := python(t, b, `
import errno, os
def fill(name, most):
    n = 0
    with open(name, "wb", buffering=0) as f:
        try:
            while n < most << 20: n += f.write(b"x" * (1 << 16))
            os.fsync(f.fileno())
        except OSError as e:
            print(errno.errorcode[e.errno], end=" ")
    return n >> 20
n = fill("/tmp/big", 100)
print(30 <= n <= 36, n)
os.remove("/tmp/big")
print(fill("/tmp/small", 25))
`)
	if !strings.HasPrefix(out, "ENOSPC True") || !strings.HasSuffix(out, "\n25\n") {
		t.Errorf("got %q", out)
	}
	if out, _ := sh(t, other, "head -c 40000000 /dev/zero > /tmp/x && echo room"); out != "room\n" {
		t.Errorf("the other sandbox: %q", out)
	}
}

// testForkBomb lets a sandbox make processes without end. It must hit its
// limit, leave others alone, and go away.
func testForkBomb(t *testing.T, tier sandbox.Tier) {
	s := spec()
	s.PIDs = 30
	b := open(t, tier, s)
	other := open(t, tier, spec())
	out, _ := python(t, b, `
import os, time
n = 0
try:
    while n < 1000:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
        n += 1
except BlockingIOError:
    print("limited", 20 <= n <= 30)
`)
	if out != "limited True\n" {
		t.Errorf("got %q", out)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	text := newText()
	start(t, b, text, "/bin/sh", "-c", `f() { f | f & }; f; echo boom; sleep 1000`)
	text.await(t, "boom")
	if out, _ := sh(t, other, "for i in 1 2 3; do sh -c 'echo $0' $i; done"); out != "1\n2\n3\n" {
		t.Errorf("the other sandbox: %q", out)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close of a bomb: %v", err)
	}
}

// testMemoryLimit uses more memory than there is.
func testMemoryLimit(t *testing.T, tier sandbox.Tier) {
	s := spec()
	s.MemoryMB = 128
	b := open(t, tier, s)
	other := open(t, tier, spec())
	text := newText()
	sibling := start(t, other, text, "/bin/sh", "-c", "echo up; read x; sleep 1000")
	text.await(t, "up")
	_, x := python(t, b, "x = bytearray(300 << 20); print(len(x))")
	if x != (sandbox.Exit{Code: -1, Signal: syscall.SIGKILL, OOMKilled: true}) {
		t.Errorf("%+v", x)
	}
	u, err := b.Usage()
	if err != nil || u.OOMKills < 1 || u.PeakMB < 120 || u.PeakMB > 130 {
		t.Errorf("%+v, %v", u, err)
	}
	if err := b.ResetUsage(); err != nil {
		t.Fatal(err)
	}
	if u, _ := b.Usage(); u.OOMKills != 0 {
		t.Errorf("after ResetUsage: %+v", u)
	}
	if out, x := python(t, b, "x = bytearray(60 << 20); print(len(x) >> 20)"); out != "60\n" || x.OOMKilled {
		t.Errorf("afterwards: %q, %+v", out, x)
	}
	if _, x := sh(t, b, "kill -KILL $$"); x != (sandbox.Exit{Code: -1, Signal: syscall.SIGKILL}) {
		t.Errorf("killed by itself: %+v", x)
	}
	select {
	case <-sibling.Done():
		t.Errorf("the other sandbox ended: %+v", sibling.Exit())
	default:
	}
}

// testTmpIsNotMemory writes more to /tmp than there is memory.
func testTmpIsNotMemory(t *testing.T, tier sandbox.Tier) {
	s := spec()
	s.MemoryMB, s.TmpMB = 64, 256
	b := open(t, tier, s)
	if out, x := sh(t, b, "head -c 200000000 /dev/zero > /tmp/x && wc -c < /tmp/x"); out != "200000000\n" {
		t.Errorf("%q, %+v", out, x)
	}
}

// testShareChanges opens a sandbox with a share and takes the limit away while
// code runs, then sets another.
func testShareChanges(t *testing.T, tier sandbox.Tier) {
	s := spec()
	s.CPUs = 0.01
	b := open(t, tier, s)
	text := newText()
	p := start(t, b, text, "/usr/bin/python3", "-I", "-S", "-c", `
import time
while time.process_time() < 1: pass
print("up", flush=True)
begin, used = time.monotonic(), time.process_time()
while time.process_time() < used + 0.3: pass
print("took", int(1000 * (time.monotonic() - begin)), flush=True)`)
	if err := b.LimitCPU(0); err != nil { // else the loop takes 100 s
		t.Fatal(err)
	}
	text.await(t, "up")
	if err := b.LimitCPU(0.25); err != nil {
		t.Fatal(err)
	}
	wait(t, p)
	var ms int
	if fmt.Sscanf(text.String(), "up\ntook %d", &ms); ms < 700 {
		t.Errorf("0.3 s of a quarter of a CPU: %q ms", text)
	}
}

// testCPULimit burns a fixed time of CPU, and looks at the clock.
func testCPULimit(t *testing.T, tier sandbox.Tier) {
	s := spec()
	s.CPUs = 0.25
	b := open(t, tier, s)
	begin := time.Now()
	if out, x := python(t, b, "import time\nwhile time.process_time() < 0.4: pass"); x.Code != 0 {
		t.Fatalf("%q, %+v", out, x)
	}
	// A loaded machine only makes it longer.
	if d := time.Since(begin); d < 1200*time.Millisecond {
		t.Errorf("0.4 s of a quarter of a CPU took %v", d)
	}
}

// testFurnishLimits sets limits on a process that runs already.
func testFurnishLimits(t *testing.T, tier sandbox.Tier) {
	s := spec()
	s.Late, s.MemoryMB, s.PIDs = true, 1024, 0
	b := open(t, tier, s)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	out := newText()
	p, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/usr/bin/python3", "-I", "-S", "-c", `
import os, time
print("up", flush=True)
os.read(3, 1)
try:
    for i in range(100):
        if os.fork() == 0:
            time.sleep(1000)
except BlockingIOError:
    print("limited", flush=True)
x = bytearray(300 << 20)
print(len(x))`}, Env: env(), Stdout: out, Stderr: out, Files: []*os.File{r}})
	if err != nil {
		t.Fatal(err)
	}
	out.await(t, "up")
	if err := b.Furnish(t.Context(), sandbox.Furnishing{MemoryMB: 128, CPUs: 2, PIDs: 30}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("x"))
	if x := wait(t, p); !x.OOMKilled || out.String() != "up\nlimited\n" {
		t.Errorf("%+v, %q", x, out)
	}
}
