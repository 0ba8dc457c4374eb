package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A ledger remembers the changes that were handed over last: those that may still
// be in the outbox after a crash. A mark tells a change from another one that got
// its number later.
type ledger struct{ marks map[string]bool }

func openLedger(ctx context.Context, db store.DB) (l ledger, err error) {
	if err := db.Migrate(ctx, "bucket", `CREATE TABLE bucket_ledger (id INTEGER PRIMARY KEY, marks BLOB NOT NULL)`); err != nil {
		return l, err
	}
	text, err := store.Read(ctx, db, func(tx store.Tx) (text []byte, err error) {
		err = tx.Get([]any{&text}, `SELECT marks FROM bucket_ledger WHERE id = 1`)
		return text, err
	})
	if errors.Is(err, store.ErrNoRows) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	var marks []string
	if err := json.Unmarshal(text, &marks); err != nil {
		return l, fmt.Errorf("what was told last: %w", err)
	}
	l.set(marks)
	return l, nil
}

// mark is what is alike of a change in memory and read again.
func mark(c object.Change) string {
	return fmt.Sprintf("%d %d %s %s %s", c.Seq, c.Time.Unix(), c.Event, c.Object.Sequencer, c.By.RequestID)
}

func marksOf(changes []object.Change) []string {
	marks := make([]string, len(changes))
	for i, c := range changes {
		marks[i] = mark(c)
	}
	return marks
}

func (l *ledger) set(marks []string) {
	l.marks = make(map[string]bool, len(marks))
	for _, m := range marks {
		l.marks[m] = true
	}
}

// fresh are those that were not handed over.
func (l *ledger) fresh(changes []object.Change) (fresh []object.Change) {
	for _, c := range changes {
		if !l.marks[mark(c)] {
			fresh = append(fresh, c)
		}
	}
	return fresh
}

// write remembers changes with the transaction that hands them over; wrote does
// so in memory, once that is committed.
func (l *ledger) write(tx store.Tx, changes []object.Change) error {
	text, err := json.Marshal(marksOf(changes))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO bucket_ledger (id, marks) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET marks = excluded.marks`, text)
	return err
}

func (l *ledger) wrote(changes []object.Change) { l.set(marksOf(changes)) }
