//go:build unix

package sandboxtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// Late is the tier with every sandbox opened late, and then furnished: it has to
// pass the same tests.
func Late(tier sandbox.Tier) sandbox.Tier { return lateTier{tier} }

type lateTier struct{ sandbox.Tier }

func (t lateTier) Open(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	f := sandbox.Furnishing{Mounts: spec.Mounts, MemoryMB: spec.MemoryMB, CPUs: spec.CPUs, PIDs: spec.PIDs}
	spec.Late, spec.Mounts, spec.MemoryMB, spec.CPUs, spec.PIDs = true, nil, 0, 0, 0
	b, err := t.Tier.Open(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := b.Furnish(ctx, f); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// testFurnish has a process that runs before the sandbox is furnished.
func testFurnish(t *testing.T, tier sandbox.Tier) {
	base, code := mountable(t), mountable(t)
	os.WriteFile(filepath.Join(base, "early"), []byte("early\n"), 0o644)
	os.WriteFile(filepath.Join(code, "handler"), []byte("code\n"), 0o644)
	s := spec()
	s.Late, s.Mounts = true, []sandbox.Mount{{Source: base, Target: "/var/runtime"}}
	b := open(t, tier, s)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	out := newText()
	p, err := b.Start(t.Context(), sandbox.Command{
		Args: []string{"/bin/sh", "-c", `cat "$EARLY/early"; read x <&3; cat "$x/handler" "$x/../opt/handler" /srv/a/b/handler "$EARLY/early"`},
		Env:  env("EARLY=" + b.Path("/var/runtime")), Dir: b.Path("/tmp"), Stdout: out, Stderr: out, Files: []*os.File{r}})
	if err != nil {
		t.Fatal(err)
	}
	out.await(t, "early\n")
	f := sandbox.Furnishing{Mounts: []sandbox.Mount{{Source: code, Target: "/var/task"}, {Source: code, Target: "/opt"}, {Source: code, Target: "/srv/a/b"}}}
	if err := b.Furnish(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(w, b.Path("/var/task"))
	wait(t, p)
	if got := strings.Count(out.String(), "code\n"); b.Path("/var/task") == "/var/task" && got < 2 {
		t.Errorf("what ran before sees %q", out)
	}
	if got, _ := sh(t, b, "cat "+b.Path("/opt/handler")); got != "code\n" {
		t.Errorf("what runs afterwards sees %q", got)
	}
	if err := b.Furnish(t.Context(), f); err == nil {
		t.Error("a sandbox can be furnished twice")
	}
}

// testFurnishFails asks for what cannot be mounted.
func testFurnishFails(t *testing.T, tier sandbox.Tier) {
	if b := open(t, tier, spec()); b.Furnish(t.Context(), sandbox.Furnishing{}) == nil {
		t.Error("a sandbox that was complete can be furnished")
	}
	s := spec()
	s.Late = true
	b := open(t, tier, s)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Furnish(t.Context(), sandbox.Furnishing{}) == nil {
		t.Error("a closed sandbox can be furnished")
	}
}

// testFiles gives files to a command.
func testFiles(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	var ours []net.Conn
	var theirs []*os.File
	for range 3 {
		c, f, err := sandbox.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs = append(ours, c), append(theirs, f)
		defer c.Close()
	}
	out := newText()
	p, err := b.Start(t.Context(), sandbox.Command{Args: []string{"/usr/bin/python3", "-I", "-S", "-c", `
import os
for fd in (3, 4, 5): os.write(fd, b"this is %d" % fd)
print(sorted(os.listdir("/proc/self/fd"))[:6], os.read(4, 10), flush=True)
`}, Env: env(), Dir: b.Path("/tmp"), Stdout: out, Stderr: out, Files: theirs})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range theirs {
		if err := f.Close(); err != nil {
			t.Errorf("file %d was closed: %v", i, err)
		}
	}
	for i, f := range ours {
		got := make([]byte, 9)
		if _, err := io.ReadFull(f, got); err != nil || string(got) != fmt.Sprintf("this is %d", 3+i) {
			t.Errorf("file %d: %q, %v", 3+i, got, err)
		}
	}
	io.WriteString(ours[1], "answer")
	wait(t, p)
	if !strings.HasSuffix(out.String(), "b'answer'\n") {
		t.Errorf("got %q", out)
	}
	if n, _ := ours[0].Read(make([]byte, 1)); n != 0 { // nobody else has it
		t.Error("more than was written")
	}
}

// attackLate looks for the host from a sandbox that is not furnished yet, by a
// process that is to be trusted then.
func attackLate(t *testing.T, tier sandbox.Tier) {
	secret := filepath.Join(mountable(t), "secret")
	os.WriteFile(secret, []byte("secret"), 0o644)
	s := spec()
	s.Late = true
	b := open(t, tier, s)
	out, _ := sh(t, b, `for f in `+secret+` /etc/shadow /root /var/log /boot /proc/1/root/etc /proc/1/cwd; do cat $f || ls $f; done 2>/dev/null
		ls -A / | tr '\n' ' '; touch /x /var/task/x /opt/x 2>/dev/null && echo wrote; grep -c . /proc/self/mountinfo >/dev/null && echo`)
	if strings.Contains(out, "secret") || strings.Contains(out, "wrote") || len(strings.Split(strings.TrimSpace(out), "\n")) != 1 {
		t.Errorf("before: %q", out)
	}
	before, _ := sh(t, b, "cat /proc/self/status | grep -E 'Cap|Seccomp|NoNew|Uid|Groups'")
	if err := b.Furnish(t.Context(), sandbox.Furnishing{}); err != nil {
		t.Fatal(err)
	}
	if after, _ := sh(t, b, "cat /proc/self/status | grep -E 'Cap|Seccomp|NoNew|Uid|Groups'"); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	if out, _ := sh(t, b, "grep ' / / ' /proc/self/mountinfo"); !strings.Contains(out, " ro,nosuid,nodev") {
		t.Errorf("the root: %q", out)
	}
}
