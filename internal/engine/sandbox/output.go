//go:build unix

package sandbox

import (
	"errors"
	"io"
	"os"
	"reflect"
	"sync"
	"syscall"
)

// mostInPipe bounds what a pipe can hold: the most that an unprivileged
// process may set its capacity to. Having read that much after a moment is
// having read all that was in the pipe at that moment.
const mostInPipe = 1 << 20

// An Output carries what processes write into a pipe to a writer. Reading and
// delivering are one step under one lock, so that a Flush that finds the pipe
// empty knows that everything has arrived.
type Output struct {
	r    *os.File
	raw  syscall.RawConn
	done chan struct{} // closed when the pump has ended

	mu  sync.Mutex // held from a read to the end of its delivery; guards what is below
	dst io.Writer
	buf [16 << 10]byte
	err error // first error from dst; from then on output is dropped
}

// NewOutput makes an Output to dst, and the end of its pipe for a process to
// write to. The caller closes that end once the process has it.
func NewOutput(dst io.Writer) (*Output, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	raw, err := r.SyscallConn()
	if err != nil {
		r.Close()
		w.Close()
		return nil, nil, err
	}
	o := &Output{r: r, raw: raw, dst: dst, done: make(chan struct{})}
	go o.pump()
	return o, w, nil
}

// NewOutputs makes the outputs of one command: two, or one that both ends
// share when stdout and stderr are the same writer. A nil writer gets none, and a nil
// end, for /dev/null.
func NewOutputs(stdout, stderr io.Writer) (outs []*Output, ends [2]*os.File, err error) {
	for i, dst := range []io.Writer{stdout, stderr} {
		if dst == nil {
			continue
		}
		if i == 1 && same(stdout, stderr) {
			ends[1] = ends[0]
			continue
		}
		o, w, err := NewOutput(dst)
		if err != nil {
			for j, o := range outs {
				ends[j].Close()
				o.Close()
			}
			return nil, [2]*os.File{}, err
		}
		outs = append(outs, o)
		ends[i] = w
	}
	return outs, ends, nil
}

// same tells whether two writers are one. Writers that cannot be compared are not.
func same(a, b io.Writer) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

// pump delivers until every writing end is closed, or Close is called.
func (o *Output) pump() {
	defer close(o.done)
	// The function is called whenever the pipe may hold something; false asks
	// to be called again.
	_ = o.raw.Read(func(fd uintptr) bool {
		for {
			n, more := o.step(fd)
			if n == 0 {
				return !more
			}
		}
	})
}

// step moves one piece. It returns 0, true for an empty pipe and 0, false for
// an ended one.
func (o *Output) step(fd uintptr) (n int, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.move(fd)
}

func (o *Output) move(fd uintptr) (n int, more bool) {
	for {
		n, err := syscall.Read(int(fd), o.buf[:])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return 0, true
		case err != nil || n <= 0:
			return 0, false
		}
		if o.err == nil {
			_, o.err = o.dst.Write(o.buf[:n])
		}
		return n, true
	}
}

// Flush delivers what was written before the call. It returns the first error
// of the writer.
func (o *Output) Flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	// An error says that the pipe is closed: all was delivered before.
	_ = o.raw.Control(func(fd uintptr) {
		for total := 0; total < mostInPipe; {
			n, _ := o.move(fd)
			if n == 0 {
				return
			}
			total += n
		}
	})
	return o.err
}

// Close delivers what is in the pipe and ends it; who still writes gets
// SIGPIPE. It may be called twice.
func (o *Output) Close() error {
	err := o.Flush()
	if cerr := o.r.Close(); cerr != nil && !errors.Is(cerr, os.ErrClosed) {
		err = errors.Join(err, cerr)
	}
	<-o.done
	return err
}
