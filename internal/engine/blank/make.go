package blank

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

const makeTime = 30 * time.Second // a blank that takes longer will never be ready

// sandboxMaker makes blanks in sandboxes of an Opener.
type sandboxMaker struct {
	opener  *Opener
	log     *slog.Logger
	nursery *nursery // nil where the tier cannot fork
}

// NewMaker returns the Maker of blanks in o's sandboxes. Where o's tier can fork
// and a runtime lets it, blanks are forks of a zygote.
func NewMaker(o *Opener, log *slog.Logger) Maker {
	m := &sandboxMaker{opener: o, log: log}
	if n, ok := o.Tier.(sandbox.Nursery); ok {
		m.nursery = newNursery(n, log)
	}
	return m
}

// NewID makes a name for a sandbox: 32 hexadecimal digits, as AWS's log streams have.
func NewID() string {
	const digits = "0123456789abcdef"
	var b [32]byte
	for i := 0; i < len(b); i += 16 {
		u := rand.Uint64()
		for j := range 16 {
			b[i+j] = digits[u>>(4*j)&15]
		}
	}
	return string(b[:])
}

// Make implements Maker.
func (m *sandboxMaker) Make(ctx context.Context, o Order) (*Blank, error) {
	ctx, cancel := context.WithTimeout(ctx, makeTime)
	defer cancel()
	if m.nursery == nil || o.Zygote == nil {
		return m.make(ctx, o, nil)
	}
	z, err := m.nursery.get(ctx, o)
	if err == nil {
		b, err := m.make(ctx, o, z)
		if err == nil || ctx.Err() != nil {
			return b, err
		}
		m.log.Warn("fork from zygote", "key", o.ZygoteKey, "err", err)
		m.nursery.drop(o.ZygoteKey, z)
	} else if ctx.Err() != nil {
		return nil, err
	}
	return m.make(ctx, o, nil)
}

func (m *sandboxMaker) make(ctx context.Context, o Order, from sandbox.Zygote) (*Blank, error) {
	p, err := m.opener.Open(ctx, sandbox.Spec{ID: NewID(), Mounts: o.Mounts, TmpMB: o.TmpMB, Outbound: o.Outbound, Late: true})
	if err != nil {
		return nil, err
	}
	if o.At != nil {
		o.Blank = o.At(p.Box.Path)
	}
	b := &Blank{Place: p, Output: NewOutput(debugLog{m.log, o.Key})}
	if err := b.start(ctx, o, from); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", o.Key, err)
	}
	return b, nil
}

// start runs the interpreter until it waits for its assignment.
func (b *Blank) start(ctx context.Context, o Order, from sandbox.Zygote) error {
	conn, file, err := sandbox.NewLink()
	if err != nil {
		return err
	}
	defer file.Close()
	b.API.Reset()
	b.API.Attach(conn)
	b.Proc, err = b.Box.Start(ctx, sandbox.Command{
		Args: o.Args, Env: o.Env, Dir: o.Dir, Stdout: b.Output, Stderr: b.Output, Files: []*os.File{file}, From: from,
	})
	if err != nil {
		return err
	}
	select {
	case <-b.API.Waiting():
	case <-b.Proc.Done():
		return fmt.Errorf("it ended: %+v", b.Proc.Exit())
	case <-ctx.Done():
		return ctx.Err()
	}
	b.born = time.Now()
	if u, err := b.Box.Usage(); err == nil {
		b.mb, b.CPU = u.PeakMB, u.CPU
	}
	return nil
}

// Tidy implements Maker.
func (m *sandboxMaker) Tidy(unused time.Duration) {
	if m.nursery != nil {
		m.nursery.tidy(unused)
	}
}

// Close implements Maker.
func (m *sandboxMaker) Close() {
	if m.nursery != nil {
		m.nursery.close()
	}
}

// Zygotes is how many zygotes m has, where it is a Maker of ours.
func (m *sandboxMaker) zygotes() int {
	if m.nursery == nil {
		return 0
	}
	return m.nursery.count()
}

// Zygotes is how many zygotes there are.
func (p *Pool) Zygotes() int {
	if m, ok := p.c.Maker.(*sandboxMaker); ok {
		return m.zygotes()
	}
	return 0
}

// A debugLog writes what a blank says before it is anybody's.
type debugLog struct {
	log *slog.Logger
	key string
}

func (d debugLog) Write(p []byte) (int, error) {
	d.log.Debug("output of a blank", "key", d.key, "text", string(p))
	return len(p), nil
}

var (
	_ io.Writer = debugLog{}
	_ Maker     = (*sandboxMaker)(nil)

	errNurseryClosed = errors.New("blank: the nursery is closed")
)
