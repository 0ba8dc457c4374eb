// Package stream has functions handle the records of streams, shard by shard and
// in order, and remembers how far each has come. It follows shards as they are
// split and merged: parents to their end, then their children.
//
// A shard that is read has one goroutine, which waits in the stream for records,
// and one for each of its lanes, which handle batches. Nothing is polled by the
// clock.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
package stream

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Functions is what a Manager needs of *function.Registry.
type Functions interface {
	Invoke(context.Context, function.Ref, function.Invocation) (function.Result, error)
	Handling(context.Context, function.Ref) (function.Handling, error)
}

// A Config is what a Manager is made of.
type Config struct {
	DB        store.DB // also that of the targets which Router leads to
	Functions Functions
	Router    *target.Router   // leads to the destinations of failures
	Now       func() time.Time // nil is time.Now
	Log       *slog.Logger     // nil is slog.Default()
}

// A Job is a mapping as it is to run.
type Job struct {
	UUID        string
	Source      string // as the stream knows it: an ARN
	Stream      source.Stream
	Start       source.Start
	Function    function.Ref
	FunctionARN string // with its qualifier
	Plan

	// Note is told how each batch ended: "OK", "PROBLEM: ...".
	Note func(result string)
}

// A Plan is how the records of a stream are handled.
type Plan struct {
	BatchSize int
	Window    time.Duration // a batch may wait so long to fill
	Filters   []string
	Reports   bool          // the function tells which record has failed
	Factor    int           // batches of a shard at a time, each with its own keys
	Bisect    bool          // halves a batch that failed
	Retries   int           // of a batch that failed; below 0 for no limit
	MaxAge    time.Duration // of a record; below 0 for no limit
	Tumbling  time.Duration // 0 is without windows
	OnFailure string        // ARN of where failures are told; "" for nowhere
}

// A Manager runs Jobs. Its methods may be called from any goroutine.
type Manager struct {
	c Config

	mu    sync.Mutex // guards what follows
	stats map[string]*Stats
}

// Open prepares the tables.
func Open(ctx context.Context, c Config) (*Manager, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if err := migrate(ctx, c.DB); err != nil {
		return nil, fmt.Errorf("open stream mappings: %w", err)
	}
	return &Manager{c: c, stats: map[string]*Stats{}}, nil
}

// Begin settles where the shards of a new Job are read from, so that what comes
// after it is not missed at the stream's end. Of a Job that has begun it changes
// nothing. Run does it, too.
func (m *Manager) Begin(ctx context.Context, j Job) error {
	_, err := m.marks(ctx, j)
	return err
}

// Run handles records until ctx ends, and then waits for the batches under way.
func (m *Manager) Run(ctx context.Context, j Job) {
	r := newReader(ctx, m, j)
	r.run()
}

// Forget removes what is remembered of a Job that does not run any more.
func (m *Manager) Forget(tx store.Tx, uuid string) error {
	m.mu.Lock()
	delete(m.stats, uuid)
	m.mu.Unlock()
	return forget(tx, uuid)
}

// How long an operation waits that failed, at first and at most.
const (
	againFirst = 50 * time.Millisecond
	againLast  = 10 * time.Second
)

// sleep waits, or until ctx ends, and tells which.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
