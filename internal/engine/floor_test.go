package engine_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// A shortTier has sandboxes in which a goroutine answers on the link, at once:
// what is left is the engine.
type shortTier struct{}

func (shortTier) Name() string                { return "short" }
func (shortTier) Sweep(context.Context) error { return nil }
func (shortTier) Close() error                { return nil }
func (shortTier) Open(context.Context, sandbox.Spec) (sandbox.Sandbox, error) {
	return &shortBox{}, nil
}

type shortBox struct {
	l    net.Listener
	once sync.Once
	proc *shortProc
}

func (b *shortBox) Path(target string) string { return target }
func (b *shortBox) Listen(int) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.l = l
	return l, err
}
func (b *shortBox) Dial(context.Context, int) (net.Conn, error)       { return nil, net.ErrClosed }
func (b *shortBox) Furnish(context.Context, sandbox.Furnishing) error { return nil }
func (b *shortBox) Freeze() error                                     { return nil }
func (b *shortBox) Thaw() error                                       { return nil }
func (b *shortBox) LimitCPU(float64) error                            { return nil }
func (b *shortBox) Usage() (sandbox.Usage, error)                     { return sandbox.Usage{PeakMB: 2}, nil }
func (b *shortBox) ResetUsage() error                                 { return nil }
func (b *shortBox) Kill() error                                       { return nil }
func (b *shortBox) Close() error {
	b.once.Do(func() { b.proc.link.Close(); <-b.proc.done; b.l.Close() })
	return nil
}

func (b *shortBox) Start(_ context.Context, cmd sandbox.Command) (sandbox.Process, error) {
	c, err := net.FileConn(cmd.Files[0])
	if err != nil {
		return nil, err
	}
	b.proc = &shortProc{link: c, done: make(chan struct{})}
	go func() {
		defer close(b.proc.done)
		serveLink(c)
	}()
	return b.proc, nil
}

type shortProc struct {
	link net.Conn
	done chan struct{}
}

func (p *shortProc) Signal(syscall.Signal) error { return nil }
func (p *shortProc) Flush() error                { return nil }
func (p *shortProc) Done() <-chan struct{}       { return p.done }
func (p *shortProc) Exit() sandbox.Exit          { return sandbox.Exit{} }

// answerFrame is an answer of two bytes.
func answerFrame() []byte {
	body := append([]byte{2, 0, 0, 0}, `{}"x"`...)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(body)+1)), append([]byte{'R'}, body...)...)
}

// serveLink is the least that a runtime can do.
func serveLink(c net.Conn) {
	c.Write([]byte{1, 0, 0, 0, 'N'})
	buf, answer := make([]byte, 64<<10), answerFrame()
	for {
		if _, err := c.Read(buf); err != nil { // the frames are small: one read, one frame
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

type linkedRuntime struct{ anyRuntime }

func (linkedRuntime) Linked(runtimes.Launch) bool { return true }

// cpu is what this process has used so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFloor is what a warm invocation costs in processor time, with a
// runtime that does nothing; and what the bare round trip on the link costs of it.
func BenchmarkFloor(b *testing.B) {
	b.Run("part=engine", func(b *testing.B) {
		e := engine.New(engine.Config{Tier: shortTier{}, Runtimes: linkedRuntime{}, BlanksMB: -1})
		b.Cleanup(func() { e.Close(context.Background()) })
		u := newUnit(b, "f")
		warm(b, e, u)
		before := cpu(b)
		b.ReportAllocs()
		for b.Loop() {
			warm(b, e, u)
		}
		b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1e3, "cpu-us/op")
	})
	b.Run("part=link", func(b *testing.B) {
		c, f, err := sandbox.NewLink()
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		bareLink(b, f)
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			b.Fatal(err)
		}
		out, in := make([]byte, 400), make([]byte, len(answerFrame()))
		before := cpu(b)
		for b.Loop() {
			if _, err := c.Write(out); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(c, in); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1e3, "cpu-us/op")
	})
}

// bareLink serves the other end, f, until the link is closed.
func bareLink(b *testing.B, f *os.File) {
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		defer c.Close()
		serveLink(c)
	}()
}
