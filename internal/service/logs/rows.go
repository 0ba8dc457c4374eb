package logs

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// What a caller may name that is not there.
var (
	errNoGroup  = errors.New("no such log group")
	errNoStream = errors.New("no such log stream")
	errClosed   = errors.New("logs are closed")
)

// schema makes the tables. Times are milliseconds since 1970, -1 for none yet;
// ids are of a clock and never come back.
func schema() []string {
	return []string{
		`CREATE TABLE logs_group (
			name TEXT NOT NULL PRIMARY KEY,
			id INTEGER NOT NULL UNIQUE,
			class TEXT NOT NULL,
			created INTEGER NOT NULL,
			retention INTEGER NOT NULL,
			kms TEXT NOT NULL,
			protected INTEGER NOT NULL
		)`,
		`CREATE TABLE logs_stream (
			group_id INTEGER NOT NULL,
			name TEXT NOT NULL,
			id INTEGER NOT NULL UNIQUE,
			created INTEGER NOT NULL,
			first_event INTEGER NOT NULL,
			last_event INTEGER NOT NULL,
			ingested INTEGER NOT NULL,
			PRIMARY KEY (group_id, name)
		)`,
		`CREATE INDEX logs_stream_last ON logs_stream (group_id, last_event, name)`,
		`CREATE TABLE logs_tag (
			group_id INTEGER NOT NULL,
			key TEXT NOT NULL,
			value TEXT NOT NULL,
			PRIMARY KEY (group_id, key)
		)`,
		`CREATE TABLE logs_mark (name TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL)`,
	}
}

// A groupRow is a log group as SQL keeps it.
type groupRow struct {
	name      string
	id        int64
	class     string
	created   int64
	retention int64 // days; 0 means for ever
	kms       string
	protected int64
}

const groupColumns = `name, id, class, created, retention, kms, protected`

func (g *groupRow) dest() []any {
	return []any{&g.name, &g.id, &g.class, &g.created, &g.retention, &g.kms, &g.protected}
}

// A streamRow is a log stream as SQL keeps it.
type streamRow struct {
	name                             string
	id, created, first, last, ingest int64
}

const streamColumns = `name, id, created, first_event, last_event, ingested`

func (s *streamRow) dest() []any {
	return []any{&s.name, &s.id, &s.created, &s.first, &s.last, &s.ingest}
}

func groupByName(tx store.Tx, name string) (groupRow, error) {
	var g groupRow
	err := tx.Get(g.dest(), `SELECT `+groupColumns+` FROM logs_group WHERE name = ?`, name)
	if errors.Is(err, store.ErrNoRows) {
		err = errNoGroup
	}
	return g, err
}

func groupID(tx store.Tx, name string) (int64, error) {
	g, err := groupByName(tx, name)
	return g.id, err
}

func streamID(tx store.Tx, group int64, name string) (int64, error) {
	var id int64
	err := tx.Get([]any{&id}, `SELECT id FROM logs_stream WHERE group_id = ? AND name = ?`, group, name)
	if errors.Is(err, store.ErrNoRows) {
		err = errNoStream
	}
	return id, err
}

// insertGroup gives g its id and its time and keeps it. store.ErrConflict says
// that there is one of that name.
func (b *Book) insertGroup(tx store.Tx, g groupRow) (int64, error) {
	g.id, g.created = b.clock.take(1), b.now().UnixMilli()
	_, err := tx.Exec(`INSERT INTO logs_group (`+groupColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		g.name, g.id, g.class, g.created, g.retention, g.kms, g.protected)
	return g.id, err
}

func (b *Book) insertStream(tx store.Tx, group int64, name string) (int64, error) {
	id := b.clock.take(1)
	_, err := tx.Exec(`INSERT INTO logs_stream (group_id, `+streamColumns+`) VALUES (?, ?, ?, ?, -1, -1, -1)`,
		group, name, id, b.now().UnixMilli())
	return id, err
}

func (b *Book) groupIDs(ctx context.Context) (map[int64]bool, error) {
	known := map[int64]bool{}
	err := b.db.View(ctx, func(tx store.Tx) error {
		return tx.Each(`SELECT id FROM logs_group`, nil, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			known[id] = true
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	return known, nil
}

// names remembers what streams are called, by id.
type names struct {
	mu  sync.Mutex // guards what follows
	of  map[int64]string
	gen int // how often streams were deleted
}

func newNames() *names { return &names{of: map[int64]string{}} }

// resolve names those of ids that are there; a deleted stream has no name.
func (n *names) resolve(tx store.Tx, ids map[int64]bool) (map[int64]string, error) {
	found := make(map[int64]string, len(ids))
	n.mu.Lock()
	for id := range ids {
		if name, ok := n.of[id]; ok {
			found[id] = name
		}
	}
	gen := n.gen
	n.mu.Unlock()
	for id := range ids {
		if _, ok := found[id]; ok {
			continue
		}
		var name string
		err := tx.Get([]any{&name}, `SELECT name FROM logs_stream WHERE id = ?`, id)
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("name stream: %w", err)
		}
		found[id] = name
	}
	n.keep(found, gen)
	return found, nil
}

// keep remembers found, unless a stream was deleted since gen: what was read
// may be of before that.
func (n *names) keep(found map[int64]string, gen int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gen != gen {
		return
	}
	if len(n.of) > maxPlaces {
		clear(n.of)
	}
	for id, name := range found {
		n.of[id] = name
	}
}

// forget drops what is remembered: streams were deleted.
func (n *names) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.of)
	n.gen++
}
