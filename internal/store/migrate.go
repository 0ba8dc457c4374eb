package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const migrations = `CREATE TABLE IF NOT EXISTS store_migrations (
	room TEXT NOT NULL,
	step INTEGER NOT NULL,
	hash TEXT NOT NULL,
	PRIMARY KEY (room, step)
)`

// migrate runs those steps of room that this data has not had, all of them or
// none. define says a definition in the database's dialect.
func migrate(tx Tx, define func(string) string, room string, steps []string) error {
	if _, err := tx.Exec(define(migrations)); err != nil {
		return err
	}
	had, err := All(tx, func(scan func(...any) error) (h string, err error) {
		return h, scan(&h)
	}, `SELECT hash FROM store_migrations WHERE room = ? ORDER BY step`, room)
	if err != nil {
		return err
	}
	if err := continues(room, had, steps); err != nil {
		return err
	}
	for i := len(had); i < len(steps); i++ {
		if err := step(tx, define, room, i, steps[i]); err != nil {
			return fmt.Errorf("store: migrate %s, step %d: %w", room, i+1, err)
		}
	}
	return nil
}

// continues tells whether steps continue what the data has had.
func continues(room string, had, steps []string) error {
	if len(had) > len(steps) {
		return fmt.Errorf("%w: %s is at step %d and this program knows %d; run the version that wrote it, or a later one",
			ErrNewer, room, len(had), len(steps))
	}
	for i, h := range had {
		if h != stepHash(steps[i]) {
			return fmt.Errorf("store: migrate %s: step %d is not the one that made this data; a step that has run is never changed, only followed by another", room, i+1)
		}
	}
	return nil
}

func step(tx Tx, define func(string) string, room string, i int, script string) error {
	for _, s := range statements(script) {
		if _, err := tx.Exec(define(s)); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`INSERT INTO store_migrations (room, step, hash) VALUES (?, ?, ?)`, room, i, stepHash(script))
	return err
}

// stepHash knows a step by its statements, however they are laid out.
func stepHash(script string) string {
	h := sha256.New()
	for _, s := range statements(script) {
		h.Write([]byte(strings.Join(strings.Fields(s), " ") + ";"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// checkRoom refuses a call that is a mistake in the program.
func checkRoom(ctx context.Context, room string) error {
	if room == "" {
		return errors.New("store: migrate: the room has no name")
	}
	return ctx.Err()
}
