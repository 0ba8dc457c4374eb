package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// migrate makes the table. A row is how far a mapping has come in a shard.
func migrate(ctx context.Context, db store.DB) error {
	return db.Migrate(ctx, "stream",
		`CREATE TABLE stream_marks (
			mapping TEXT NOT NULL,
			shard TEXT NOT NULL,
			doc TEXT NOT NULL,
			PRIMARY KEY (mapping, shard)
		)`,
	)
}

func write(tx store.Tx, mapping, shard string, k mark) error {
	doc, err := json.Marshal(k)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO stream_marks (mapping, shard, doc) VALUES (?, ?, ?)
		ON CONFLICT (mapping, shard) DO UPDATE SET doc = excluded.doc`, mapping, shard, string(doc))
	return err
}

func read(tx store.Tx, mapping string) (map[string]mark, error) {
	all := map[string]mark{}
	err := tx.Each(`SELECT shard, doc FROM stream_marks WHERE mapping = ?`, []any{mapping}, func(scan func(...any) error) error {
		var shard, doc string
		if err := scan(&shard, &doc); err != nil {
			return err
		}
		var k mark
		if err := json.Unmarshal([]byte(doc), &k); err != nil {
			return fmt.Errorf("stored mark of %s: %w", shard, err)
		}
		all[shard] = k
		return nil
	})
	return all, err
}

func drop(tx store.Tx, mapping, shard string) error {
	_, err := tx.Exec(`DELETE FROM stream_marks WHERE mapping = ? AND shard = ?`, mapping, shard)
	return err
}

func forget(tx store.Tx, mapping string) error {
	_, err := tx.Exec(`DELETE FROM stream_marks WHERE mapping = ?`, mapping)
	return err
}

// marks are those of a Job, made at its start if there are none.
func (m *Manager) marks(ctx context.Context, j Job) (map[string]mark, error) {
	all, err := m.ownMarks(ctx, j)
	if err != nil {
		return nil, err
	}
	return all, resume(ctx, j, all)
}

// ownMarks are those that are remembered here. All are made together: a shard
// that is seen later is new, and is read from its beginning.
func (m *Manager) ownMarks(ctx context.Context, j Job) (map[string]mark, error) {
	all, err := store.Read(ctx, m.c.DB, func(tx store.Tx) (map[string]mark, error) { return read(tx, j.UUID) })
	if err != nil || len(all) > 0 {
		return all, err
	}
	shards, err := j.Stream.Shards(ctx, j.Source)
	if err != nil {
		return nil, err
	}
	for _, s := range shards {
		k := mark{Parents: s.Parents}
		if j.Start.At != source.AtHorizon {
			if k.From, err = j.Stream.Seek(ctx, j.Source, s.ID, j.Start); err != nil {
				return nil, fmt.Errorf("seek in %s: %w", s.ID, err)
			}
		}
		all[s.ID] = k
	}
	if len(all) == 0 {
		return nil, errNoShards
	}
	return all, m.c.DB.Update(ctx, func(tx store.Tx) error {
		for id, k := range all {
			if err := write(tx, j.UUID, id, k); err != nil {
				return err
			}
		}
		return nil
	})
}

var errNoShards = errors.New("stream: there are no shards")
