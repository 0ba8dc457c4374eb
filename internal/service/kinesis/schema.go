package kinesis

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// stride is how many records a shard can have: a chunk's id is its shard's
// number times stride, plus the counter of its first record. So the records of
// a shard lie side by side, and a new one goes to the end of its shard's.
const stride = 1 << 40

// schema are the tables. A stream's settings are JSON; deleted streams keep
// their row, with gone set, until their records are cleared away.
func schema() []string {
	return []string{
		`CREATE TABLE kinesis_stream (
			id INTEGER PRIMARY KEY,
			name TEXT NOT NULL UNIQUE,
			created INTEGER NOT NULL,
			gone INTEGER NOT NULL DEFAULT 0,
			settings TEXT NOT NULL)`,
		`CREATE TABLE kinesis_shard (
			id INTEGER PRIMARY KEY,
			stream INTEGER NOT NULL,
			ix INTEGER NOT NULL,
			low BLOB NOT NULL,
			high BLOB NOT NULL,
			parent INTEGER NOT NULL,
			adjacent INTEGER NOT NULL,
			created INTEGER NOT NULL,
			opened INTEGER NOT NULL,
			closed INTEGER NOT NULL DEFAULT 0,
			floor INTEGER NOT NULL DEFAULT 0,
			UNIQUE (stream, ix))`,
		`CREATE TABLE kinesis_chunk (
			id INTEGER PRIMARY KEY,
			records INTEGER NOT NULL,
			arrived INTEGER NOT NULL,
			data BLOB NOT NULL)`,
		`CREATE TABLE kinesis_account (id INTEGER PRIMARY KEY, settings TEXT NOT NULL)`,
	}
}

// load reads all streams and shards.
func (b *Book) load(ctx context.Context) error {
	return b.db.View(ctx, func(tx store.Tx) error {
		byID := map[int64]*stream{}
		err := tx.Each(`SELECT id, name, created, settings FROM kinesis_stream WHERE gone = 0`, nil, func(scan func(...any) error) error {
			st, text := &stream{status: active}, ""
			if err := scan(&st.id, &st.name, &st.created, &text); err != nil {
				return err
			}
			set := new(settings)
			if err := json.Unmarshal([]byte(text), set); err != nil {
				return fmt.Errorf("settings of stream %s: %w", st.name, err)
			}
			st.arn = b.arn(st.name)
			st.set.Store(set)
			byID[st.id], b.streams[st.name] = st, st
			return nil
		})
		if err != nil {
			return err
		}
		return b.loadShards(tx, byID)
	})
}

func (b *Book) loadShards(tx store.Tx, byID map[int64]*stream) error {
	shards, err := store.All(tx, func(scan func(...any) error) (*shard, error) {
		sh := &shard{changed: make(chan struct{})}
		var stream int64
		var low, high []byte
		err := scan(&sh.id, &stream, &sh.ix, &low, &high, &sh.parents[0], &sh.parents[1], &sh.created, &sh.openedAt, &sh.closedAt, &sh.next)
		sh.low, sh.high, sh.stream = hashFromBytes(low), hashFromBytes(high), byID[stream]
		return sh, err
	}, `SELECT id, stream, ix, low, high, parent, adjacent, created, opened, closed, floor FROM kinesis_shard ORDER BY stream, ix`)
	if err != nil {
		return err
	}
	for _, sh := range shards {
		if sh.stream == nil { // deleted, and not cleared away yet
			continue
		}
		if err := b.loadEnds(tx, sh); err != nil {
			return err
		}
		sh.stream.limits(sh)
		sh.reads = newMeter(readBytes, readCalls)
		sh.stream.add(sh)
	}
	return nil
}

// loadEnds finds the first and the last chunk of a shard.
func (b *Book) loadEnds(tx store.Tx, sh *shard) error {
	from, to := sh.id*stride, (sh.id+1)*stride
	var id, n, at int64
	err := tx.Get([]any{&id, &n, &at}, `SELECT id, records, arrived FROM kinesis_chunk WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1`, from, to)
	if err == nil {
		sh.next, sh.lastAt = max(sh.next, id-from+n), at
		err = tx.Get([]any{&sh.oldest}, `SELECT arrived FROM kinesis_chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT 1`, from, to)
	} else if errIsNoRows(err) {
		err = nil
	}
	sh.next = max(sh.next, 1)
	sh.minted, sh.mintedAt = sh.next, sh.lastAt
	return err
}

// insertShards writes new shards and gives them their ids.
func insertShards(tx store.Tx, shards []*shard) error {
	for _, sh := range shards {
		err := tx.Get([]any{&sh.id}, `INSERT INTO kinesis_shard (stream, ix, low, high, parent, adjacent, created, opened, closed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			sh.stream.id, sh.ix, sh.low.bytes(), sh.high.bytes(), sh.parents[0], sh.parents[1], sh.created, sh.openedAt, sh.closedAt)
		if err != nil {
			return err
		}
	}
	return nil
}

// insertChunks writes what one commit holds.
func insertChunks(tx store.Tx, work []filled) error {
	for _, f := range work {
		for i, c := range f.chunks {
			if _, err := tx.Exec(`INSERT INTO kinesis_chunk (id, records, arrived, data) VALUES (?, ?, ?, ?)`,
				f.shard.id*stride+c.first, len(c.records), c.at, f.rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// saveSettings writes a stream's settings.
func saveSettings(tx store.Tx, st *stream, set *settings) error {
	text, err := json.Marshal(set)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE kinesis_stream SET settings = ? WHERE id = ?`, string(text), st.id)
	return err
}

// chunksFrom calls fn with the chunks of sh that hold records from seq on, in
// order, until fn says that it has enough.
func (b *Book) chunksFrom(ctx context.Context, sh *shard, seq int64, fn func(*chunk) (more bool)) error {
	base := sh.id * stride
	return b.db.View(ctx, func(tx store.Tx) error {
		start := base + seq
		err := tx.Get([]any{&start}, `SELECT id FROM kinesis_chunk WHERE id <= ? AND id >= ? ORDER BY id DESC LIMIT 1`, start, base)
		if err != nil && !errIsNoRows(err) {
			return err
		}
		err = tx.Each(`SELECT id, records, arrived, data FROM kinesis_chunk WHERE id >= ? AND id < ? ORDER BY id`, []any{start, base + stride},
			func(scan func(...any) error) error {
				var id, at int64
				var n int
				var data []byte
				if err := scan(&id, &n, &at, &data); err != nil {
					return err
				}
				c, err := decodeChunk(id-base, at, n, data)
				if err != nil {
					return fmt.Errorf("chunk %d: %w", id, err)
				}
				if !fn(c) {
					return errEnough
				}
				return nil
			})
		if err == errEnough {
			err = nil
		}
		return err
	})
}

// chunkSince finds the counter of the first record of sh that came at or after
// a time. Counters and times rise together, so it halves the range.
func (b *Book) chunkSince(ctx context.Context, sh *shard, at int64) (seq int64, err error) {
	base := sh.id * stride
	end := sh.view().next
	lo, hi := int64(0), end
	err = b.db.View(ctx, func(tx store.Tx) error {
		for lo < hi {
			mid := lo + (hi-lo)/2
			var id, arrived int64
			err := tx.Get([]any{&id, &arrived}, `SELECT id, arrived FROM kinesis_chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT 1`, base+mid, base+hi)
			switch {
			case errIsNoRows(err):
				hi = mid
			case err != nil:
				return err
			case arrived < at:
				lo = id - base + 1
			default:
				hi = mid
			}
		}
		// lo may be inside of the chunk before.
		id := base + hi
		err := tx.Get([]any{&id}, `SELECT id FROM kinesis_chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT 1`, base+lo, base+stride)
		if err != nil && !errIsNoRows(err) {
			return err
		}
		seq = id - base
		if errIsNoRows(err) {
			seq = end
		}
		return nil
	})
	return seq, err
}
