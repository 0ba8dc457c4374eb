package mapping

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// maxMappings is more than anybody has.
const maxMappings = 1 << 20

// migrate makes the table. A mapping is a JSON document; what is looked up by
// is a column.
func migrate(ctx context.Context, db store.DB) error {
	return db.Migrate(ctx, "mapping",
		`CREATE TABLE mapping_mappings (
			uuid TEXT NOT NULL PRIMARY KEY,
			source TEXT NOT NULL,
			function TEXT NOT NULL,
			state TEXT NOT NULL,
			doc TEXT NOT NULL
		)`,
		`CREATE INDEX mapping_mappings_source ON mapping_mappings (source, function)`,
	)
}

func write(tx store.Tx, m Mapping) error {
	doc, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO mapping_mappings (uuid, source, function, state, doc) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (uuid) DO UPDATE SET function = excluded.function, state = excluded.state, doc = excluded.doc`,
		m.UUID, m.Source, m.FunctionARN, m.State, string(doc))
	return err
}

// get answers store.ErrNoRows when there is none.
func get(tx store.Tx, uuid string) (Mapping, error) {
	var doc, state string
	if err := tx.Get([]any{&doc, &state}, `SELECT doc, state FROM mapping_mappings WHERE uuid = ?`, uuid); err != nil {
		return Mapping{}, err
	}
	return decode(doc, state)
}

func decode(doc, state string) (m Mapping, err error) {
	if err := json.Unmarshal([]byte(doc), &m); err != nil {
		return m, fmt.Errorf("stored mapping: %w", err)
	}
	m.State = state
	return m, nil
}

func setState(tx store.Tx, uuid, state string) error {
	_, err := tx.Exec(`UPDATE mapping_mappings SET state = ? WHERE uuid = ?`, state, uuid)
	return err
}

func remove(tx store.Tx, uuid string) error {
	_, err := tx.Exec(`DELETE FROM mapping_mappings WHERE uuid = ?`, uuid)
	return err
}

// list reads the mappings behind after, of a source and a function if given.
func list(tx store.Tx, after, source, function string, limit int) ([]Mapping, error) {
	return store.All(tx, func(scan func(...any) error) (Mapping, error) {
		var doc, state string
		if err := scan(&doc, &state); err != nil {
			return Mapping{}, err
		}
		return decode(doc, state)
	}, `SELECT doc, state FROM mapping_mappings WHERE uuid > ? AND (? = '' OR source = ?) AND (? = '' OR function = ?) ORDER BY uuid LIMIT ?`,
		after, source, source, function, function, limit)
}

// twin is the mapping of the same source and function; "" for none.
func twin(tx store.Tx, one Mapping) (string, error) {
	if one.Kafka != nil {
		return twinTopic(tx, one)
	}
	ids, err := store.All(tx, func(scan func(...any) error) (id string, err error) { return id, scan(&id) },
		`SELECT uuid FROM mapping_mappings WHERE source = ? AND function = ? AND uuid <> ? LIMIT 1`, one.Source, one.FunctionARN, one.UUID)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}
