// Package storetest is what every store.DB must pass.
package storetest

import (
	"context"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Fresh makes an empty database and answers what opens it. The test closes
// what it opens; it may open the same data again afterwards.
type Fresh func(t *testing.T) (open func() (store.DB, error))

// Run holds the databases that fresh makes to the contract of store.DB.
func Run(t *testing.T, fresh Fresh) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, store.DB)
	}{
		{"Types", types},
		{"Nulls", nulls},
		{"Destinations", destinations},
		{"BadArguments", badArguments},
		{"QuestionMarks", questionMarks},
		{"Upsert", upsert},
		{"Returning", returning},
		{"Numbering", numbering},
		{"Order", order},
		{"Sums", sums},
		{"NoRows", noRows},
		{"Conflict", conflict},
		{"ConflictThenMore", conflictThenMore},
		{"ForeignKeys", foreignKeys},
		{"Nested", nested},
		{"EachStops", eachStops},
		{"ErrorRollsBack", errorRollsBack},
		{"OnlyTheFailedRollsBack", onlyTheFailedRollsBack},
		{"Swallowed", swallowed},
		{"Panic", panics},
		{"Goexit", goexit},
		{"TxIsOver", txIsOver},
		{"CancelledBefore", cancelledBefore},
		{"CancelledInLine", cancelledInLine},
		{"ReadYourWrites", readYourWrites},
		{"ViewDoesNotWrite", viewDoesNotWrite},
		{"ViewIsOneState", viewIsOneState},
		{"Counter", counter},
		{"ManyStatements", manyStatements},
		{"Closed", closed},
		{"Helpers", helpers},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, opened(t, fresh(t))) })
	}
	t.Run("Durable", func(t *testing.T) { durable(t, fresh(t)) })
	t.Run("Migrate", func(t *testing.T) { migrate(t, fresh(t)) })
	t.Run("MigrateNewer", func(t *testing.T) { migrateNewer(t, fresh(t)) })
	t.Run("MigrateChanged", func(t *testing.T) { migrateChanged(t, fresh(t)) })
	t.Run("MigrateFails", func(t *testing.T) { migrateFails(t, fresh(t)) })
	t.Run("CloseWaits", func(t *testing.T) { closeWaits(t, fresh(t)) })
}

// table is what most of the tests use.
const table = `CREATE TABLE t (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	n INTEGER NOT NULL DEFAULT 0,
	x REAL,
	data BLOB
)`

// opened answers the database with table in it.
func opened(t *testing.T, open func() (store.DB, error)) store.DB {
	t.Helper()
	db, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := db.Migrate(t.Context(), "test", table); err != nil {
		t.Fatal(err)
	}
	return db
}

func update(t *testing.T, db store.DB, fn func(store.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func view(t *testing.T, db store.DB, fn func(store.Tx) error) {
	t.Helper()
	if err := db.View(context.Background(), fn); err != nil {
		t.Fatalf("view: %v", err)
	}
}

// exec answers an Update's function that runs one statement.
func exec(query string, args ...any) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}
}

func insert(name string) func(store.Tx) error {
	return exec(`INSERT INTO t (name) VALUES (?)`, name)
}

// one reads one value.
func one[T any](t *testing.T, db store.DB, query string, args ...any) (v T) {
	t.Helper()
	view(t, db, func(tx store.Tx) error { return tx.Get([]any{&v}, query, args...) })
	return v
}

// names reads the names in the table.
func names(t *testing.T, db store.DB) []string {
	t.Helper()
	all, err := store.Read(context.Background(), db, func(tx store.Tx) ([]string, error) {
		return store.All(tx, func(scan func(...any) error) (s string, err error) { return s, scan(&s) },
			`SELECT name FROM t ORDER BY name`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
