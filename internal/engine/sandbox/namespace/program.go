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
	base   uint64   // where it will be in memory; 0 is programBase
}

// A call is one system call.
type call struct {
	what    string // for errors: "mount /proc"
	nr      uintptr
	args    []arg
	mayFail bool
	jump    int // when not 0, the call that follows when the result is not 0: see restart

	// These two are for the forker alone.
	failureJumps bool // a failure is a result that is not 0
	last         bool // the forker returns whether the result is not 0
}

// An arg is a number, or a place in the program's data, or among its calls.
type arg struct {
	value  uint64
	place  bool
	inCall bool
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
	data := p.origin() + uint64(len(p.calls)*callSize)
	var b []byte
	for _, c := range p.calls {
		words := [8]uint64{uint64(c.nr)}
		for i, a := range c.args {
			switch words[1+i] = a.value; {
			case a.place:
				words[1+i] += data
			case a.inCall:
				words[1+i] += p.origin()
			}
		}
		words[7] = p.control(c)
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

// origin is where the program will be.
func (p *program) origin() uint64 {
	if p.base == 0 {
		return programBase
	}
	return p.base
}

// control is the word that says what follows a call. Calls are where its low bits
// would be 0.
func (p *program) control(c call) (w uint64) {
	switch {
	case c.jump == restart:
		w = p.origin()
	case c.jump > 0:
		w = p.origin() + uint64(c.jump*callSize)
	}
	if c.mayFail {
		w |= 1
	}
	if c.failureJumps {
		w |= 2
	}
	if c.last {
		w |= 4
	}
	return w
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
	i := (at - p.origin()) / callSize
	if at < p.origin() || i >= uint64(len(p.calls)) {
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
