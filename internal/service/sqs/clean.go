package sqs

import (
	"context"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	cleanEvery = time.Minute // how often what is too old is looked for
	cleanBatch = 500         // rows removed at a time, so that others have their turn between
)

// garbage are messages that are deleted and whose rows are not yet. What a
// crash forgets of it is found again at the next start.
type garbage struct {
	wake chan struct{} // capacity 1

	mu   sync.Mutex // guards seqs
	seqs []int64
}

func (g *garbage) add(seqs ...int64) {
	if len(seqs) == 0 {
		return
	}
	g.mu.Lock()
	g.seqs = append(g.seqs, seqs...)
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// take answers a batch.
func (g *garbage) take() []int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.seqs), cleanBatch)
	batch := g.seqs[:n:n]
	if g.seqs = g.seqs[n:]; len(g.seqs) == 0 {
		g.seqs = nil
	}
	return batch
}

// clean removes rows of what is deleted or too old until ctx ends.
func (b *Book) clean(ctx context.Context) {
	t := time.NewTicker(cleanEvery)
	defer t.Stop()
	for {
		b.sweep(ctx)
		select {
		case <-ctx.Done():
			return
		case <-b.garbage.wake:
		case <-t.C:
			b.expire()
			b.forgetDuplicates(ctx)
		}
	}
}

// sweep removes the rows of garbage.
func (b *Book) sweep(ctx context.Context) {
	for batch := b.garbage.take(); len(batch) > 0 && ctx.Err() == nil; batch = b.garbage.take() {
		err := b.db.Update(ctx, func(tx store.Tx) error { return remove(tx, batch...) })
		if err == nil {
			continue
		}
		if ctx.Err() == nil {
			b.log.Warn("messages could not be removed", "count", len(batch), "error", err)
			b.garbage.add(batch...)
			b.garbage.drain()
		}
		return
	}
}

// drain takes back the wake-up of an add, after which a retry would be at once.
func (g *garbage) drain() {
	select {
	case <-g.wake:
	default:
	}
}

// expire hands what is too old to the garbage.
func (b *Book) expire() {
	b.mu.RLock()
	queues := make([]*queue, 0, len(b.queues))
	for _, q := range b.queues {
		queues = append(queues, q)
	}
	b.mu.RUnlock()
	now := b.ms()
	for _, q := range queues {
		before := now - q.set.Load().retention.Milliseconds()
		q.mu.Lock()
		b.garbage.add(q.expire(before)...)
		q.mu.Unlock()
		q.forgetAttempts(now - window.Milliseconds())
	}
}

// forgetDuplicates removes the deduplication ids that are no longer remembered.
func (b *Book) forgetDuplicates(ctx context.Context) {
	for n := int64(cleanBatch); n == cleanBatch && ctx.Err() == nil; {
		err := b.db.Update(ctx, func(tx store.Tx) (err error) {
			n, err = tx.Exec(`DELETE FROM sqs_dedup WHERE (queue, scope, id) IN (SELECT queue, scope, id FROM sqs_dedup WHERE at <= ? LIMIT ?)`,
				b.ms()-window.Milliseconds(), cleanBatch)
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				b.log.Warn("deduplication ids could not be removed", "error", err)
			}
			return
		}
	}
}
