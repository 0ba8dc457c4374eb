//go:build linux && (amd64 || arm64)

package namespace

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A program is a list of system calls with the memory that their arguments
// point to. It is made here, sent as one message, and run by the machine in a
// process that has nothing else: no Go runtime, no C library. Building a
// sandbox and becoming the code that runs in it are programs.
type program struct {
	calls  []call
	data   []byte
	fixups []uint64 // places in data that hold a place in data, to be made an address
}

// A call is one system call.
type call struct {
	what    string // for errors: "mount /proc"
	nr      uintptr
	args    []arg
	mayFail bool
	jump    int // when not 0, the call that follows when the result is not 0: see restart
}

// An arg is a number, or a place in the program's data.
type arg struct {
	value uint64
	place bool
}

// callSize is the encoded size of a call: number, six arguments, control.
const callSize = 64

// restart is the jump to the first call.
const restart = -1

// num makes a number an argument.
func num[T ~int | ~int32 | ~int64 | ~uint32 | ~uint64 | ~uintptr](n T) arg {
	return arg{value: uint64(n)}
}

// do appends a call that must succeed.
func (p *program) do(what string, nr uintptr, args ...arg) {
	p.calls = append(p.calls, call{what: what, nr: nr, args: args})
}

// try appends a call that may fail.
func (p *program) try(what string, nr uintptr, args ...arg) {
	p.calls = append(p.calls, call{what: what, nr: nr, args: args, mayFail: true})
}

// bytes puts b into the data, aligned for anything.
func (p *program) bytes(b []byte) arg {
	for len(p.data)%8 != 0 {
		p.data = append(p.data, 0)
	}
	place := len(p.data)
	p.data = append(p.data, b...)
	return arg{value: uint64(place), place: true}
}

// str puts a C string into the data.
func (p *program) str(s string) arg { return p.bytes(append([]byte(s), 0)) }

// words puts 64-bit words, some of them places, into the data.
func (p *program) words(ws ...arg) arg {
	var b []byte
	for _, w := range ws {
		b = binary.LittleEndian.AppendUint64(b, w.value)
	}
	a := p.bytes(b)
	for i, w := range ws {
		if w.place {
			p.fixups = append(p.fixups, a.value+uint64(8*i))
		}
	}
	return a
}

// strs puts a NULL-terminated array of C strings into the data.
func (p *program) strs(ss []string) arg {
	var ws []arg
	for _, s := range ss {
		ws = append(ws, p.str(s))
	}
	return p.words(append(ws, num(0))...)
}

// at is the place n bytes after a.
func (a arg) at(n uint64) arg { return arg{value: a.value + n, place: a.place} }

// encode returns the program as the machine reads it.
func (p *program) encode() ([]byte, error) {
	data := uint64(programBase + len(p.calls)*callSize)
	address := func(a arg) uint64 {
		if a.place {
			return data + a.value
		}
		return a.value
	}
	var b []byte
	for _, c := range p.calls {
		words := [8]uint64{uint64(c.nr)}
		for i, a := range c.args {
			words[1+i] = address(a)
		}
		switch {
		case c.jump == restart:
			words[7] = programBase
		case c.jump > 0:
			words[7] = uint64(programBase + c.jump*callSize)
		}
		if c.mayFail {
			words[7] |= 1
		}
		for _, w := range words {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
	}
	b = append(b, p.data...)
	for _, f := range p.fixups {
		at := b[len(p.calls)*callSize+int(f):]
		binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)+data)
	}
	if len(b) > programRoom {
		return nil, fmt.Errorf("program of %d bytes: %w", len(b), unix.E2BIG)
	}
	return b, nil
}

// reportSize is the encoded size of a report: what a program says on its control
// socket. It is the address of the call that failed, or 0, and a value.
const reportSize = 16

// value reads a report, and turns a failure into an error.
func (p *program) value(b []byte) (int64, error) {
	if len(b) != reportSize {
		return 0, fmt.Errorf("a report of %d bytes", len(b))
	}
	at, v := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))
	if at == 0 {
		return v, nil
	}
	i := (at - programBase) / callSize
	if at < programBase || i >= uint64(len(p.calls)) {
		return 0, fmt.Errorf("a report of call %#x", at)
	}
	if p.calls[i].nr == unix.SYS_EXECVE {
		return 0, fmt.Errorf("%w: %w", errExecute, unix.Errno(-v))
	}
	return 0, fmt.Errorf("%s: %w", p.calls[i].what, unix.Errno(-v))
}

// errExecute is the error of a program that ends with another, when that cannot
// be executed.
var errExecute = errors.New("execute")

// report makes the program say v.
func (p *program) report(v int64) {
	cell := p.words(num(0), num(v))
	p.do("report", unix.SYS_WRITE, num(controlFD), cell, num(reportSize))
}

// chain says that the program is done, and waits for the next one, which takes
// its place. The end of the control socket ends the process.
func (p *program) chain() {
	p.report(0)
	p.do("read the next program", unix.SYS_READ, num(controlFD), num(programBase), num(programRoom))
	p.calls[len(p.calls)-1].jump = restart
	p.exit(0)
}

// exit ends the program.
func (p *program) exit(code int) {
	p.do("exit", unix.SYS_EXIT_GROUP, num(code))
}
