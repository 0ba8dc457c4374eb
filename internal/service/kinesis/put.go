package kinesis

import (
	"context"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A draft is a record that has no place yet.
type draft struct {
	hash hashKey
	key  string
	data []byte
}

// A placed says where a record went, or that its shard had no room for it in
// this second.
type placed struct {
	shard     *shard
	seq, at   int64
	throttled bool
}

// A put is one caller's records on their way through the line.
type put struct {
	st     *stream
	drafts []draft
	placed []placed
	kms    bool
	err    error
	done   chan struct{} // closed once the rest is final
}

// A job is what stands in the line: a put, or something that must not be done
// beside one.
type job struct {
	put   *put
	alone func(context.Context) error
	err   *error        // what alone answered
	done  chan struct{} // closed once err is final
}

// A line is where puts wait for the one goroutine that commits them.
type line struct {
	wake chan struct{} // capacity 1: something waits

	mu      sync.Mutex // guards what follows
	waiting []job
	closed  bool
}

// How much is committed at once: enough to make the disk's part small, little
// enough for the first one not to wait long.
const (
	maxGroup      = 512
	maxGroupBytes = 16 << 20
	maxChunkBytes = 256 << 10 // beyond which a shard gets another row,
	maxChunk      = 500       // as it does beyond so many records: who wants one reads all
)

func (l *line) push(j job) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return store.ErrClosed
	}
	l.waiting = append(l.waiting, j)
	l.signal()
	return nil
}

func (l *line) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.signal()
}

// take answers the next group: some puts, or one that wants to be alone. more is
// false when there never will be another.
func (l *line) take() (puts []*put, alone *job, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, bytes := 0, 0
	for n < len(l.waiting) && l.waiting[n].put != nil && n < maxGroup && bytes < maxGroupBytes {
		p := l.waiting[n].put
		for _, d := range p.drafts {
			bytes += len(d.data) + len(d.key)
		}
		puts = append(puts, p)
		n++
	}
	if n == 0 && len(l.waiting) > 0 {
		alone, n = &l.waiting[0], 1
	}
	if l.waiting = l.waiting[n:]; len(l.waiting) == 0 {
		l.waiting = nil
	}
	if len(l.waiting) > 0 || l.closed {
		l.signal()
	}
	return puts, alone, n > 0 || !l.closed
}

// work is the goroutine of the line.
func (b *Book) work() {
	for more := true; more; {
		<-b.line.wake
		var puts []*put
		var alone *job
		puts, alone, more = b.line.take()
		// What is in the line is done even when the book is being closed: somebody waits for it.
		ctx := context.WithoutCancel(b.run)
		if alone != nil {
			*alone.err = alone.alone(ctx)
			close(alone.done)
		}
		if len(puts) > 0 {
			b.commit(ctx, puts)
		}
	}
}

// put commits p and returns when it is on disk. A record for which there was no
// room is no error.
func (b *Book) put(p *put) error {
	p.done = make(chan struct{})
	if err := b.line.push(job{put: p}); err != nil {
		return err
	}
	<-p.done
	return p.err
}

// alone does fn while nothing is being committed.
func (b *Book) alone(fn func(context.Context) error) error {
	var err error
	j := job{alone: fn, err: &err, done: make(chan struct{})}
	if err := b.line.push(j); err != nil {
		return err
	}
	<-j.done
	return err
}

// A filled is what one commit adds to a shard.
type filled struct {
	shard  *shard
	chunks []*chunk
	rows   [][]byte
}

// commit gives the records of puts their places, writes them, and tells their
// readers and their callers.
func (b *Book) commit(ctx context.Context, puts []*put) {
	work := b.place(puts)
	var err error
	if len(work) > 0 {
		err = b.db.Update(ctx, func(tx store.Tx) error { return insertChunks(tx, work) })
	}
	if err == nil {
		for _, f := range work {
			f.shard.publish(f.chunks)
			b.cache.keep(f)
		}
	}
	for _, p := range puts {
		if p.err == nil {
			p.err = err
		}
		close(p.done)
	}
}

// place fills chunks with the records of puts, in their order.
func (b *Book) place(puts []*put) []filled {
	now := b.ms()
	var work []filled
	at := map[*shard]int{}
	for _, p := range puts {
		l := p.st.layout()
		if l.gone {
			p.err = errNoStream
			continue
		}
		p.placed = make([]placed, len(p.drafts))
		for i, d := range p.drafts {
			sh := route(l.open, d.hash)
			if !sh.writes.take(now, len(d.data)+len(d.key)) {
				p.placed[i] = placed{shard: sh, throttled: true}
				b.crowd(sh)
				continue
			}
			n, ok := at[sh]
			if !ok {
				n = len(work)
				at[sh] = n
				work = append(work, filled{shard: sh})
				sh.mintedAt = max(sh.mintedAt, now) // a clock that was put back must not unsort the times
			}
			work[n].add(record{key: d.key, data: d.data, kms: p.kms})
			p.placed[i] = placed{shard: sh, seq: sh.minted, at: sh.mintedAt}
			sh.minted++
		}
	}
	for i := range work {
		for _, c := range work[i].chunks {
			work[i].rows = append(work[i].rows, c.encode())
		}
	}
	return work
}

// add puts a record into the last chunk, or into a new one.
func (f *filled) add(r record) {
	if n := len(f.chunks); n == 0 || f.chunks[n-1].size+len(r.data) > maxChunkBytes || len(f.chunks[n-1].records) == maxChunk {
		f.chunks = append(f.chunks, &chunk{first: f.shard.minted, at: f.shard.mintedAt})
	}
	f.chunks[len(f.chunks)-1].add(r)
}

// A cache remembers in which order chunks came to the tails of shards, and
// takes the oldest away when all of them together are too many.
type cache struct {
	now func() int64 // milliseconds since 1970

	mu    sync.Mutex // guards what follows
	kept  []kept
	bytes int
	timer *time.Timer // drops what is old; nil while there is nothing, or no more is wanted
	off   bool
}

type kept struct {
	shard *shard
	chunk *chunk
}

// cacheBytes is how much of records is kept in memory for those who read at the tip.
const (
	cacheBytes = 32 << 20
	cacheAge   = time.Minute
)

func (c *cache) keep(f filled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range f.chunks {
		c.kept = append(c.kept, kept{f.shard, ch})
		c.bytes += ch.size + len(ch.records)*64
	}
	c.drop(func(kept) bool { return c.bytes > cacheBytes })
	if c.timer == nil && !c.off {
		c.timer = time.AfterFunc(cacheAge, c.age)
	}
}

// age drops what came more than some time ago: a server that idles needs no memory.
func (c *cache) age() {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.now() - cacheAge.Milliseconds()
	c.drop(func(k kept) bool { return k.chunk.at <= old })
	c.timer = nil
	if len(c.kept) > 0 && !c.off {
		c.timer = time.AfterFunc(cacheAge, c.age)
	}
}

func (c *cache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

// drop takes the oldest away while want says so. The caller holds mu.
func (c *cache) drop(want func(kept) bool) {
	n := 0
	for n < len(c.kept) && want(c.kept[n]) {
		k := c.kept[n]
		k.shard.forget(k.chunk)
		c.bytes -= k.chunk.size + len(k.chunk.records)*64
		c.kept[n] = kept{}
		n++
	}
	if c.kept = c.kept[n:]; len(c.kept) == 0 {
		c.kept = nil
	}
}
