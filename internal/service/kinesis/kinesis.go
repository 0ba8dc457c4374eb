// Package kinesis is Amazon Kinesis Data Streams: streams of records in shards.
//
// The truth is in SQL, in a database of its own. Records are kept in chunks:
// what one commit adds to a shard is a row. All puts pass one line, whose one
// goroutine gives the records their places and commits whatever waits as a
// group; so within a shard the order of the sequence numbers is the order of
// the commits, and a record is answered when it is on disk. Shards are split and
// merged in the same line: what was put before is in the parent, what is put
// after in a child.
//
// Of each shard the newest chunks are kept in memory as well. Who reads at the
// tip reads them there and is woken by the commit; who is behind reads rows.
package kinesis

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Config says where a book is and whose it is.
type Config struct {
	DB      store.DB // of its own: each put is a commit
	Account string
	Region  string

	Log   *slog.Logger     // nil means slog.Default()
	Clock func() time.Time // nil means time.Now

	// Settle is how long streams and consumers stay in the states that AWS leaves
	// them in while it works: CREATING, UPDATING, DELETING. 0 means no longer than the work
	// takes here, which is done when the answer comes.
	Settle time.Duration
}

// A Book holds all streams. Its methods may be called from any goroutine.
type Book struct {
	db              store.DB
	account, region string
	log             *slog.Logger
	now             func() time.Time
	settle          time.Duration
	line            line
	cache           cache
	subs            subscriptions

	admin sync.Mutex // held while streams are made, changed or deleted; before mu and stream.mu

	mu      sync.RWMutex // guards what follows; never held while waiting
	streams map[string]*stream

	wake    chan struct{} // capacity 1: the sweeper has something new to think of
	crowded chan *stream  // streams on demand that had to refuse records
	stop    context.CancelFunc
	done    sync.WaitGroup
	run     context.Context
}

// Open opens the book. Close ends it.
func Open(ctx context.Context, c Config) (*Book, error) {
	b := &Book{db: c.DB, account: c.Account, region: c.Region, log: c.Log, now: c.Clock, settle: c.Settle,
		streams: map[string]*stream{}, wake: make(chan struct{}, 1), crowded: make(chan *stream, 16)}
	if b.log == nil {
		b.log = slog.Default()
	}
	if b.now == nil {
		b.now = time.Now
	}
	if err := b.db.Migrate(ctx, "kinesis", schema()...); err != nil {
		return nil, fmt.Errorf("open kinesis: %w", err)
	}
	if err := b.load(ctx); err != nil {
		return nil, fmt.Errorf("open kinesis: %w", err)
	}
	b.line.wake, b.cache.now = make(chan struct{}, 1), b.ms
	b.run, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	b.done.Go(b.work)
	b.done.Go(b.sweep)
	b.done.Go(b.tend)
	return b, nil
}

// Close ends what waits and what runs in the background.
func (b *Book) Close() error {
	b.stop()
	b.line.close()
	b.cache.close()
	b.done.Wait()
	return nil
}

// arn is the ARN of a stream.
func (b *Book) arn(name string) string {
	return arn.ARN{Service: "kinesis", Region: b.region, Account: b.account, Resource: "stream/" + name}.String()
}

// stream answers the stream of that name, nil when there is none.
func (b *Book) stream(name string) *stream {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.streams[name]
}

// all lists the streams in no order.
func (b *Book) all() []*stream {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]*stream, 0, len(b.streams))
	for _, st := range b.streams {
		list = append(list, st)
	}
	return list
}

// ms is the time in milliseconds since 1970, as rows keep it.
func (b *Book) ms() int64 { return b.now().UnixMilli() }
