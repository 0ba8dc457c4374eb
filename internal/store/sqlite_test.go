package store_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func TestSmoke(t *testing.T) {
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "a ?#%.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := db.Migrate(ctx, "x", `CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT NOT NULL UNIQUE)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(ctx, func(tx store.Tx) error {
		var id int
		if err := tx.Get([]any{&id}, `INSERT INTO t (s) VALUES (?) RETURNING id`, "a"); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO t (s) VALUES (?)`, "b")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.View(ctx, func(tx store.Tx) error { return tx.Get([]any{&n}, `SELECT count(*) FROM t`) }); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
