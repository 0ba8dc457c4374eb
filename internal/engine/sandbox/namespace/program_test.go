//go:build linux && (amd64 || arm64)

package namespace

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// bare returns a tier that can spawn, and nothing else.
func bare(t testing.TB) *Tier {
	t.Helper()
	return bareWith(t, elf(machine()))
}

func bareWith(t testing.TB, executable []byte) *Tier {
	t.Helper()
	image, err := newImage(executable)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { image.Close(); null.Close() })
	return &Tier{image: image, null: null}
}

// runProgram runs p in a process of its own.
func runProgram(t testing.TB, p *program) (values []int64, ws unix.WaitStatus, err error) {
	t.Helper()
	return runProgramIn(t, elf(machine()), p)
}

func runProgramIn(t testing.TB, executable []byte, p *program) (values []int64, ws unix.WaitStatus, err error) {
	t.Helper()
	m, err := bareWith(t, executable).spawn(&syscall.SysProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for {
		v, err := m.next(t.Context(), p)
		if err == nil {
			values = append(values, v)
			continue
		}
		m.control.Close()
		ws, _ := reap(m.pid)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return values, ws, err
	}
}

func TestProgramReports(t *testing.T) {
	p := &program{}
	p.report(42)
	p.report(-7)
	p.exit(3)
	vs, ws, err := runProgram(t, p)
	if err != nil || len(vs) != 2 || vs[0] != 42 || vs[1] != -7 || ws.ExitStatus() != 3 {
		t.Errorf("%v, %v, %v", vs, err, ws)
	}
}

func TestProgramTellsTheCallThatFailed(t *testing.T) {
	p := &program{}
	p.try("this one may fail", unix.SYS_CLOSE, num(99))
	p.report(1)
	p.do("open the door", unix.SYS_OPENAT, num(unix.AT_FDCWD), p.str("/no/such/door"), num(0))
	p.report(2)
	vs, ws, err := runProgram(t, p)
	if len(vs) != 1 || !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "open the door: ") {
		t.Errorf("%v, %v", vs, err)
	}
	if ws.ExitStatus() != 127 {
		t.Errorf("status %v", ws)
	}
}

func TestProgramForks(t *testing.T) {
	p := &program{}
	p.do("clone", unix.SYS_CLONE, num(uint64(unix.SIGCHLD)))
	fork := len(p.calls) - 1
	p.report(1) // the child
	p.exit(0)
	p.calls[fork].jump = len(p.calls)
	p.do("wait", unix.SYS_WAIT4, num(-1), num(0), num(0), num(0))
	p.report(2) // the parent
	p.exit(0)
	vs, _, err := runProgram(t, p)
	if err != nil || len(vs) != 2 || vs[0] != 1 || vs[1] != 2 {
		t.Errorf("%v, %v", vs, err)
	}
}

func TestProgramPassesPointers(t *testing.T) {
	p := &program{}
	p.do("run sh", unix.SYS_EXECVE, p.str("/bin/sh"), p.strs([]string{"sh", "-c", `test "$A" = "b c" && exit 9`}), p.strs([]string{"A=b c"}))
	_, ws, err := runProgram(t, p)
	if err != nil || ws.ExitStatus() != 9 {
		t.Errorf("%v, %v", err, ws.ExitStatus())
	}
}

func TestProgramsChain(t *testing.T) {
	m, err := bare(t).spawn(&syscall.SysProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.end()
	for range 3 {
		p := &program{}
		p.bytes(make([]byte, 1000)) // the next one is smaller, or not
		p.chain()
		if err := m.chained(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	p := &program{}
	p.receive(2)
	p.do("dup", unix.SYS_DUP3, num(5), num(50), num(0)) // 4 and 5 are the lowest
	p.report(7)
	p.exit(0)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := errors.Join(m.run(t.Context(), p), m.send(null, null)); err != nil {
		t.Fatal(err)
	}
	if v, err := m.next(t.Context(), p); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

// TestMachineEndsWithItsControl leaves a machine without a program.
func TestMachineEndsWithItsControl(t *testing.T) {
	for _, first := range []bool{true, false} {
		m, err := bare(t).spawn(&syscall.SysProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		if !first {
			p := &program{}
			p.chain()
			if err := m.chained(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		m.control.Close()
		reap(m.pid) // returns
	}
}

func TestProgramTooLarge(t *testing.T) {
	p := &program{}
	p.bytes(make([]byte, programRoom+1))
	if _, err := p.encode(); !errors.Is(err, unix.E2BIG) {
		t.Errorf("%v", err)
	}
}

func FuzzReport(f *testing.F) {
	p := &program{}
	p.report(1)
	f.Add([]byte{})
	f.Add(make([]byte, reportSize))
	f.Add([]byte("\x00\x00\x00\x10\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := p.value(b); err == nil && len(b) != reportSize {
			t.Error("a report of the wrong size")
		}
	})
}
