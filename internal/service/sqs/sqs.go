// Package sqs is Amazon SQS: queues of messages.
//
// The truth is in SQL: a row for each queue and each message. Sending inserts a
// row; receiving claims rows, by an update that succeeds only while they are
// visible; deleting deletes the row if it was not claimed again since.
//
// Claims are as durable as messages. A claim that a crash forgot would do
// little harm to a standard queue, but it would let a second consumer into a
// FIFO group that somebody still works on, and lose count of how often a
// message that kills its consumer was received. The store commits claims in
// groups, like everything else.
//
// Beside the rows each queue has an index in memory (see index), which knows
// which messages are visible, in flight or delayed. It is a cache: it is read
// from the rows at start and follows them after each commit. Where the two
// differ the rows are right, and a claim that fails corrects the index. So a
// receive or a count needs no scan, a receiver that waits is woken by the
// commit that it waits for, and a queue that waits costs nothing.
package sqs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Config says where a book is and whose it is.
type Config struct {
	DB      store.DB // the one that holds all events
	Account string
	Region  string

	Router *target.Router   // learns that queues take events; nil for none
	Log    *slog.Logger     // nil means slog.Default()
	Now    func() time.Time // nil means time.Now
}

// A Book holds all queues. Its methods may be called from any goroutine.
type Book struct {
	db              store.DB
	account, region string
	log             *slog.Logger
	now             func() time.Time
	clock           *clock

	admin sync.Mutex // held while queues are made, changed or deleted

	mu     sync.RWMutex // guards what follows; never held while waiting
	queues map[string]*queue
	byID   map[int64]*queue

	garbage garbage
	movers  movers
	stop    context.CancelFunc
	done    sync.WaitGroup // goroutines of the book
}

// Open opens the book. Close ends it.
func Open(ctx context.Context, c Config) (*Book, error) {
	b := &Book{
		db: c.DB, account: c.Account, region: c.Region, log: c.Log, now: c.Now,
		queues: map[string]*queue{}, byID: map[int64]*queue{},
	}
	if b.log == nil {
		b.log = slog.Default()
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.clock = &clock{now: b.now}
	b.garbage.wake = make(chan struct{}, 1)
	if err := b.db.Migrate(ctx, "sqs", schema()...); err != nil {
		return nil, fmt.Errorf("open sqs: %w", err)
	}
	if err := b.load(ctx); err != nil {
		return nil, fmt.Errorf("open sqs: %w", err)
	}
	tasks, err := b.unfinished(ctx)
	if err != nil {
		return nil, fmt.Errorf("open sqs: %w", err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = stop
	b.movers.ctx = run
	b.done.Go(func() { b.clean(run) })
	for _, t := range tasks {
		b.startMover(t)
	}
	if c.Router != nil {
		c.Router.Register("sqs", b)
	}
	return b, nil
}

// Close ends what waits and what runs in the background. Sending, receiving
// and deleting fail with the database's own error once that is closed.
func (b *Book) Close() error {
	b.stop()
	b.mu.RLock()
	queues := make([]*queue, 0, len(b.queues))
	for _, q := range b.queues {
		queues = append(queues, q)
	}
	b.mu.RUnlock()
	for _, q := range queues {
		q.close()
	}
	b.done.Wait()
	return nil
}

// queue answers the queue of that name, nil when there is none.
func (b *Book) queue(name string) *queue {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.queues[name]
}

// byARN answers the queue that an ARN names, nil when there is none.
func (b *Book) byARN(s string) *queue {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "sqs" || a.Account != b.account || a.Region != b.region {
		return nil
	}
	return b.queue(a.Resource)
}

// arn is the ARN of a queue.
func (b *Book) arn(name string) string {
	return arn.ARN{Service: "sqs", Region: b.region, Account: b.account, Resource: name}.String()
}

// ms is the time in milliseconds since 1970, as rows keep it.
func (b *Book) ms() int64 { return b.now().UnixMilli() }

// A clock makes the sequence numbers of messages: nanoseconds since 1970, each
// once, so that they go on rising after a restart on an empty table.
type clock struct {
	now func() time.Time

	mu   sync.Mutex // guards last
	last int64
}

func (c *clock) next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.now().UnixNano(), c.last+1)
	return c.last
}

// after makes sure that what comes is later than seq.
func (c *clock) after(seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, seq)
}
