package async

import (
	"context"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// migrate makes the table. due is when an event may be tried next, times are
// milliseconds since 1970. errors counts what the code failed at, invoked how
// often it was run, broken how often the platform failed in a row.
func migrate(ctx context.Context, db store.DB) error {
	return db.Migrate(ctx, "async",
		`CREATE TABLE async_events (
			id INTEGER PRIMARY KEY,
			function TEXT NOT NULL,
			qualifier TEXT NOT NULL,
			request TEXT NOT NULL,
			trace TEXT NOT NULL,
			client TEXT NOT NULL,
			received INTEGER NOT NULL,
			due INTEGER NOT NULL,
			errors INTEGER NOT NULL,
			invoked INTEGER NOT NULL,
			broken INTEGER NOT NULL,
			payload BLOB NOT NULL
		)`,
		`CREATE INDEX async_events_due ON async_events (function, due, id)`,
	)
}

// waiting is an event as it waits.
type waiting struct {
	Event
	id       int64
	received time.Time

	errors, invoked, broken int
	last                    *attempt // in this process; nil when there was none
}

// insert writes w and gives it its id.
func insert(tx store.Tx, w *waiting) error {
	at := w.received.UnixMilli()
	return tx.Get([]any{&w.id}, `INSERT INTO async_events
		(function, qualifier, request, trace, client, received, due, errors, invoked, broken, payload)
		VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?) RETURNING id`,
		w.Ref.Name, w.Ref.Qualifier, w.RequestID, w.Trace, w.ClientContext, at, at, w.Payload)
}

// remove deletes an event and tells whether it was there.
func remove(tx store.Tx, id int64) (bool, error) {
	n, err := tx.Exec(`DELETE FROM async_events WHERE id = ?`, id)
	return n > 0, err
}

// postpone writes when an event is tried next.
func postpone(tx store.Tx, w *waiting, due time.Time) error {
	_, err := tx.Exec(`UPDATE async_events SET due = ?, errors = ?, invoked = ?, broken = ? WHERE id = ?`,
		due.UnixMilli(), w.errors, w.invoked, w.broken, w.id)
	return err
}

type count struct {
	function string
	events   int64
}

// counts reads how many events each function has.
func counts(tx store.Tx) ([]count, error) {
	return store.All(tx, func(scan func(...any) error) (c count, err error) {
		return c, scan(&c.function, &c.events)
	}, `SELECT function, COUNT(*) FROM async_events GROUP BY function`)
}

// A page is some of what is due of a function, in order.
type page struct {
	events []*waiting
	more   bool      // there are more that are due
	next   time.Time // when the first of the others is due; zero for none
}

// readPage reads up to n events that are due by now and not known, but no more
// than the first over bytes.
func readPage(tx store.Tx, name string, now time.Time, known map[int64]bool, n, bytes int) (p page, err error) {
	ids, err := store.All(tx, func(scan func(...any) error) (id int64, err error) { return id, scan(&id) },
		`SELECT id FROM async_events WHERE function = ? AND due <= ? ORDER BY due, id LIMIT ?`, name, now.UnixMilli(), n+len(known)+1)
	if err != nil {
		return p, err
	}
	for _, id := range ids {
		if known[id] {
			continue
		}
		if len(p.events) == n || bytes <= 0 {
			p.more = true
			return p, nil
		}
		w, err := read(tx, id)
		if err != nil {
			return p, err
		}
		p.events = append(p.events, w)
		bytes -= len(w.Payload)
	}
	p.next, err = nextDue(tx, name, now)
	return p, err
}

func read(tx store.Tx, id int64) (*waiting, error) {
	w := &waiting{id: id}
	var received int64
	err := tx.Get([]any{&w.Ref.Name, &w.Ref.Qualifier, &w.RequestID, &w.Trace, &w.ClientContext, &received, &w.errors, &w.invoked, &w.broken, &w.Payload},
		`SELECT function, qualifier, request, trace, client, received, errors, invoked, broken, payload FROM async_events WHERE id = ?`, id)
	w.received = time.UnixMilli(received)
	return w, err
}

// nextDue is when the first event that is not due becomes so.
func nextDue(tx store.Tx, name string, now time.Time) (time.Time, error) {
	ms, err := store.All(tx, func(scan func(...any) error) (ms int64, err error) { return ms, scan(&ms) },
		`SELECT due FROM async_events WHERE function = ? AND due > ? ORDER BY due LIMIT 1`, name, now.UnixMilli())
	if err != nil || len(ms) == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(ms[0]), nil
}
