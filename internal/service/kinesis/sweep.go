package kinesis

import (
	"context"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	sweepRows  = 64              // how many rows one transaction deletes, as others wait for it
	sweepLeast = 5 * time.Second // between two sweeps that time asks for
	sweepRetry = time.Minute     // after a failure
)

// sweep is the goroutine that clears away what has expired or was deleted. It
// sleeps until the next record does.
func (b *Book) sweep() {
	for {
		pause, err := b.sweepOnce(b.run)
		if b.run.Err() != nil {
			return
		}
		if err != nil {
			b.log.Error("clear away expired records", "err", err)
			pause = sweepRetry
		}
		var timer <-chan time.Time
		if pause > 0 {
			timer = time.After(max(pause, sweepLeast))
		}
		select {
		case <-b.run.Done():
			return
		case <-b.wake:
		case <-timer:
		}
	}
}

// sweepOnce clears away what it can now, and answers how long it is until there
// is more; 0 is for ever.
func (b *Book) sweepOnce(ctx context.Context) (time.Duration, error) {
	if err := b.clearGone(ctx); err != nil {
		return 0, err
	}
	next := int64(0)
	for _, st := range b.all() {
		at, err := b.trim(ctx, st)
		if err != nil {
			return 0, err
		}
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	if next == 0 {
		return 0, nil
	}
	return max(time.Duration(next-b.ms())*time.Millisecond, 1), nil
}

// trim clears away the expired records of a stream, and closed shards with
// nothing left. It answers when the next will expire, 0 for never.
func (b *Book) trim(ctx context.Context, st *stream) (next int64, err error) {
	horizon := st.horizon(b.ms())
	for _, sh := range st.layout().shards {
		sh.mu.RLock()
		oldest, closed := sh.oldest, sh.closedAt
		sh.mu.RUnlock()
		if oldest != 0 && oldest < horizon {
			if oldest, err = b.trimShard(ctx, sh, horizon); err != nil {
				return 0, err
			}
		}
		switch {
		case oldest != 0:
			next = earlier(next, oldest+st.set.Load().retention()+1)
		case closed != 0 && closed < horizon:
			if err := b.dropShard(ctx, sh); err != nil {
				return 0, err
			}
		case closed != 0:
			next = earlier(next, closed+st.set.Load().retention()+1)
		}
	}
	return next, nil
}

func earlier(a, b int64) int64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// trimShard deletes the chunks of sh that came before horizon, and answers when
// the oldest that is left came, 0 for none.
func (b *Book) trimShard(ctx context.Context, sh *shard, horizon int64) (oldest int64, err error) {
	from, to := sh.id*stride, (sh.id+1)*stride
	for {
		var deleted int64
		err := b.db.Update(ctx, func(tx store.Tx) error {
			// Counters must not begin again when nothing is left to count on from.
			if _, err := tx.Exec(`UPDATE kinesis_shard SET floor = ? WHERE id = ? AND floor < ?`, sh.view().next, sh.id, sh.view().next); err != nil {
				return err
			}
			var err error
			deleted, err = tx.Exec(`DELETE FROM kinesis_chunk WHERE id IN
				(SELECT id FROM kinesis_chunk WHERE id >= ? AND id < ? AND arrived < ? ORDER BY id LIMIT ?)`, from, to, horizon, sweepRows)
			return err
		})
		if err != nil {
			return 0, err
		}
		if deleted < sweepRows {
			break
		}
	}
	// A chunk that is committed meanwhile is met by the lock: it sets oldest itself only when there is none.
	sh.mu.Lock()
	defer sh.mu.Unlock()
	err = b.db.View(ctx, func(tx store.Tx) error {
		return tx.Get([]any{&oldest}, `SELECT arrived FROM kinesis_chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT 1`, from, to)
	})
	if errIsNoRows(err) {
		oldest, err = 0, nil
	}
	if err == nil {
		sh.oldest = oldest
	}
	return oldest, err
}

// dropShard takes a closed shard away whose records have all expired.
func (b *Book) dropShard(ctx context.Context, sh *shard) error {
	err := b.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`DELETE FROM kinesis_shard WHERE id = ?`, sh.id)
		return err
	})
	if err != nil {
		return err
	}
	sh.stream.drop(sh)
	sh.end(0, true)
	return nil
}

// clearGone deletes what is left of deleted streams.
func (b *Book) clearGone(ctx context.Context) error {
	shards, err := store.Read(ctx, b.db, func(tx store.Tx) ([]int64, error) {
		return store.All(tx, func(scan func(...any) error) (id int64, err error) { return id, scan(&id) },
			`SELECT h.id FROM kinesis_shard h JOIN kinesis_stream s ON h.stream = s.id WHERE s.gone = 1`)
	})
	if err != nil {
		return err
	}
	for _, id := range shards {
		for deleted := int64(sweepRows); deleted == sweepRows; {
			err := b.db.Update(ctx, func(tx store.Tx) (err error) {
				deleted, err = tx.Exec(`DELETE FROM kinesis_chunk WHERE id IN
					(SELECT id FROM kinesis_chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)`, id*stride, (id+1)*stride, sweepRows)
				if err == nil && deleted < sweepRows {
					_, err = tx.Exec(`DELETE FROM kinesis_shard WHERE id = ?`, id)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return b.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`DELETE FROM kinesis_stream WHERE gone = 1 AND NOT EXISTS (SELECT 1 FROM kinesis_shard WHERE stream = kinesis_stream.id)`)
		return err
	})
}
