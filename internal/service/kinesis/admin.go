package kinesis

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A ring is the first shards of a stream: n that share all hash keys.
func ring(st *stream, n int, now int64) []*shard {
	shards := make([]*shard, n)
	for i := range shards {
		high := maxHash
		if i < n-1 {
			high = sliceStart(i+1, n).minus(1)
		}
		shards[i] = newShard(st, i, sliceStart(i, n), high, now, none, none)
	}
	return shards
}

func newShard(st *stream, ix int, low, high hashKey, now int64, parent, adjacent int) *shard {
	sh := &shard{ix: ix, stream: st, low: low, high: high, parents: [2]int{parent, adjacent},
		created: now / 1000, openedAt: now, minted: 1, next: 1, changed: make(chan struct{})}
	st.limits(sh)
	sh.reads = newMeter(readBytes, readCalls)
	return sh
}

// create makes a stream with n shards.
func (b *Book) create(ctx context.Context, name string, n int, set *settings) error {
	b.admin.Lock()
	defer b.admin.Unlock()
	if b.stream(name) != nil {
		return errExists
	}
	if err := b.roomFor(n, set.Mode, true); err != nil {
		return err
	}
	st := &stream{name: name, arn: b.arn(name), created: b.ms(), status: active}
	st.set.Store(set)
	text, err := json.Marshal(set)
	if err != nil {
		return err
	}
	shards := ring(st, n, st.created)
	err = b.db.Update(ctx, func(tx store.Tx) error {
		if err := tx.Get([]any{&st.id}, `INSERT INTO kinesis_stream (name, created, settings) VALUES (?, ?, ?) RETURNING id`,
			name, st.created, string(text)); err != nil {
			return err
		}
		return insertShards(tx, shards)
	})
	if err != nil {
		return err
	}
	for _, sh := range shards {
		st.add(sh)
	}
	b.passing(st, creating)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streams[name] = st
	return nil
}

// passing leaves a stream in a state for as long as states last.
func (b *Book) passing(st *stream, status string) {
	if b.settle == 0 {
		return
	}
	st.setStatus(status)
	b.later(func() {
		if !st.layout().gone {
			st.setStatus(active)
		}
	})
}

// later calls fn when a state is over, unless the book is closed before.
func (b *Book) later(fn func()) {
	b.done.Go(func() {
		select {
		case <-time.After(b.settle):
			fn()
		case <-b.run.Done():
		}
	})
}

// change makes a stream's settings anew: fn changes a copy.
func (b *Book) change(ctx context.Context, st *stream, fn func(*settings) error) error {
	b.admin.Lock()
	defer b.admin.Unlock()
	return b.changeLocked(ctx, st, fn)
}

// changeLocked is change for who holds admin.
func (b *Book) changeLocked(ctx context.Context, st *stream, fn func(*settings) error) error {
	if st.layout().gone {
		return errNoStream
	}
	set := st.set.Load().clone()
	if err := fn(set); err != nil {
		return err
	}
	if err := b.db.Update(ctx, func(tx store.Tx) error { return saveSettings(tx, st, set) }); err != nil {
		return err
	}
	st.set.Store(set)
	return nil
}

// remove deletes a stream. Its records are cleared away later.
func (b *Book) remove(ctx context.Context, st *stream) error {
	b.admin.Lock()
	defer b.admin.Unlock()
	if st.layout().gone {
		return errNoStream
	}
	if b.settle > 0 {
		st.setStatus(deleting)
		b.later(func() {
			b.admin.Lock()
			defer b.admin.Unlock()
			if err := b.finish(b.run, st); err != nil {
				b.log.Error("delete stream", "stream", st.name, "err", err)
			}
		})
		return nil
	}
	return b.finish(ctx, st)
}

// finish takes a stream away, after what is in the line. The caller holds admin.
func (b *Book) finish(ctx context.Context, st *stream) error {
	return b.alone(func(context.Context) error {
		err := b.db.Update(ctx, func(tx store.Tx) error {
			_, err := tx.Exec(`UPDATE kinesis_stream SET gone = 1, name = ? WHERE id = ?`, fmt.Sprintf("/%d", st.id), st.id)
			return err
		})
		if err != nil {
			return err
		}
		b.mu.Lock()
		delete(b.streams, st.name)
		b.mu.Unlock()
		st.mu.Lock()
		shards := st.shards
		st.gone = true
		st.mu.Unlock()
		for _, sh := range shards {
			sh.end(b.ms(), true)
		}
		b.nudge()
		return nil
	})
}

// nudge tells the sweeper that there may be something to clear away.
func (b *Book) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}
