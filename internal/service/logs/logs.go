// Package logs is CloudWatch Logs: groups, streams and their events.
//
// Groups and streams are rows in SQL. Events are in files, one for each group
// and day (see slice), which are only ever appended to and go as a whole: by
// the group's retention, or, the oldest first, when all of them together grow
// over a limit. One goroutine writes (see writer); readers merge what they need
// by the index of each slice (see cursor).
//
// What the engine puts is handed to the kernel at once and survives a crash of
// the server; what PutLogEvents acknowledges is on disk.
package logs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// Sizes that hold unless Config says otherwise.
const (
	defaultMaxBytes = 2 << 30
	maxSliceBytes   = 32 << 20
	indexBudget     = 500_000
	maxMessage      = 1<<20 - 26 // AWS: an event is at most 1 MB with its 26 bytes
)

// Config says where a book is and whose it is.
type Config struct {
	DB      store.DB
	Dir     string // for the slices; made if it is not there
	Account string
	Region  string

	// MaxBytes bounds all events on disk: the oldest go first. 0 means 2 GiB.
	MaxBytes int64

	Log *slog.Logger     // nil means slog.Default()
	Now func() time.Time // nil means time.Now
}

// A Book holds all log groups. Its methods may be called from any goroutine.
type Book struct {
	db              store.DB
	account, region string
	maxBytes        int64
	sliceBytes      int64
	scanBytes       int64 // see scanBudget
	log             *slog.Logger
	now             func() time.Time

	gather func() // see Gather

	clock   *clock
	queue   *queue
	shelves *shelves
	indexes *indexes
	names   *names
	writer  *writer       // for functions that run in its goroutine alone
	done    chan struct{} // closed when the writer has ended
}

// Open opens the book in c.Dir and starts its writer. Close ends it.
func Open(ctx context.Context, c Config) (*Book, error) {
	if err := c.DB.Migrate(ctx, "logs", schema()...); err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	b := &Book{
		db: c.DB, account: c.Account, region: c.Region, maxBytes: c.MaxBytes, scanBytes: scanBudget, log: c.Log, now: c.Now,
		queue: newQueue(), indexes: &indexes{budget: indexBudget}, names: newNames(), done: make(chan struct{}),
	}
	if b.maxBytes == 0 {
		b.maxBytes = defaultMaxBytes
	}
	if b.log == nil {
		b.log = slog.Default()
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.clock = &clock{now: b.now}
	b.sliceBytes = min(maxSliceBytes, b.maxBytes/8)
	known, err := b.groupIDs(ctx)
	if err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	if b.shelves, err = openShelves(c.Dir, known); err != nil {
		return nil, err
	}
	w := &writer{Book: b, places: map[address]place{}, files: map[*slice]*os.File{}, dirty: map[int64]stat{}}
	if err := w.recover(ctx); err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	b.writer = w
	go w.run(context.WithoutCancel(ctx))
	return b, nil
}

// Gather has f called before events are read: it Puts what is held back
// elsewhere, so that who reads after an invocation's answer finds its whole log. It
// is called before the Book is used.
func (b *Book) Gather(f func()) { b.gather = f }

// catchUp returns when all that was logged before the call can be read.
func (b *Book) catchUp() error {
	if b.gather != nil {
		b.gather()
	}
	return b.wait(&job{do: func() error { return nil }})
}

// Close writes what has been put and ends the writer. What is put later is lost.
func (b *Book) Close() error {
	b.queue.close()
	<-b.done
	return nil
}

// Put adds messages to a stream, each with its time, and makes the group and
// the stream when they are not there. It keeps the order of a stream's
// messages. It does not wait for the disk; but when more comes than the disk
// takes, it waits for room rather than lose anything.
func (b *Book) Put(group, stream string, at []time.Time, message []string) {
	j := &job{group: group, stream: stream}
	for i, m := range message {
		ms := max(0, at[i].UnixMilli())
		m = strings.ToValidUTF8(m, "\uFFFD") // functions print anything; JSON does not take it
		for len(m) > maxMessage {
			n := cut(m)
			j.entries = append(j.entries, entry{ms, m[:n]})
			m = m[n:]
		}
		j.entries = append(j.entries, entry{ms, m})
	}
	if len(j.entries) > 0 {
		b.queue.put(j)
	}
}

// cut is where to cut a message that is too long: not inside a character.
func cut(m string) int {
	n := maxMessage
	for n > maxMessage-utf8.UTFMax && !utf8.RuneStart(m[n]) {
		n--
	}
	return n
}

// wait runs j through the writer and returns its result.
func (b *Book) wait(j *job) error {
	done := make(chan error, 1)
	j.done = done
	if !b.queue.put(j) {
		return errClosed
	}
	return <-done
}

// A clock makes sequence numbers: nanoseconds since 1970, each once.
type clock struct {
	now func() time.Time

	mu   sync.Mutex // guards last
	last int64
}

// take reserves n numbers in a row and returns the first.
func (c *clock) take(n int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := max(c.now().UnixNano(), c.last+1)
	c.last = first + n - 1
	return first
}
