package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// again opens the same data once more, for the time of fn.
func again(t *testing.T, open func() (store.DB, error), fn func(store.DB)) {
	t.Helper()
	db, err := open()
	if err != nil {
		t.Fatal(err)
	}
	fn(db)
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func durable(t *testing.T, open func() (store.DB, error)) {
	for i := range 3 {
		again(t, open, func(db store.DB) {
			if err := db.Migrate(context.Background(), "test", table); err != nil {
				t.Fatal(err)
			}
			if got := names(t, db); len(got) != i {
				t.Errorf("opening number %d finds %v", i+1, got)
			}
			update(t, db, insert(fmt.Sprint(i)))
		})
	}
}

func migrate(t *testing.T, open func() (store.DB, error)) {
	steps := []string{
		`CREATE TABLE a (s TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (s)); -- one; two
		 CREATE INDEX a_n ON a (n);`,
		`INSERT INTO a (s, n) VALUES ('semi;colon', 1)`,
		`ALTER TABLE a ADD COLUMN more INTEGER NOT NULL DEFAULT 5; UPDATE a SET n = n + more`,
	}
	ctx := context.Background()
	for n := 1; n <= len(steps); n++ {
		again(t, open, func(db store.DB) {
			for range 2 {
				if err := db.Migrate(ctx, "a", steps[:n]...); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	again(t, open, func(db store.DB) {
		if err := db.Migrate(ctx, "a", steps...); err != nil {
			t.Fatal(err)
		}
		if n := one[int](t, db, `SELECT n FROM a WHERE s = ?`, "semi;colon"); n != 6 {
			t.Errorf("n is %d, want 6: each step runs once", n)
		}
		// Rooms number their steps on their own, and may come at once.
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				room := fmt.Sprintf("room%d", i)
				if err := db.Migrate(ctx, room, `CREATE TABLE `+room+` (s TEXT)`); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := db.Migrate(ctx, "", `CREATE TABLE x (s TEXT)`); err == nil {
			t.Error("a room without a name is taken")
		}
	})
}

func migrateNewer(t *testing.T, open func() (store.DB, error)) {
	steps := []string{`CREATE TABLE a (s TEXT)`, `CREATE TABLE b (s TEXT)`}
	again(t, open, func(db store.DB) {
		if err := db.Migrate(context.Background(), "a", steps...); err != nil {
			t.Fatal(err)
		}
	})
	again(t, open, func(db store.DB) {
		err := db.Migrate(context.Background(), "a", steps[:1]...)
		if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "a is at step 2 and this program knows 1") {
			t.Errorf("an older program gets %v, want ErrNewer that says why", err)
		}
	})
}

func migrateChanged(t *testing.T, open func() (store.DB, error)) {
	again(t, open, func(db store.DB) {
		ctx := context.Background()
		if err := db.Migrate(ctx, "a", `CREATE TABLE a (s TEXT)`); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(ctx, "a", "-- a comment\nCREATE  TABLE a\n(s TEXT);"); err != nil {
			t.Errorf("the same step in another layout answers %v", err)
		}
		if err := db.Migrate(ctx, "a", `CREATE TABLE a (t TEXT)`); err == nil || !strings.Contains(err.Error(), "step 1") {
			t.Errorf("a changed step answers %v", err)
		}
	})
}

func migrateFails(t *testing.T, open func() (store.DB, error)) {
	again(t, open, func(db store.DB) {
		ctx := context.Background()
		err := db.Migrate(ctx, "a", `CREATE TABLE a (s TEXT)`, `CREATE TABLE b (s TEXT); INSERT INTO nothing VALUES (1)`)
		if err == nil || !strings.Contains(err.Error(), "migrate a, step 2") {
			t.Errorf("a broken step answers %v", err)
		}
		// Nothing of it is left: the mended steps run as if for the first time.
		if err := db.Migrate(ctx, "a", `CREATE TABLE a (s TEXT)`, `CREATE TABLE b (s TEXT)`); err != nil {
			t.Error(err)
		}
	})
}

// Close lets finish what was called before it.
func closeWaits(t *testing.T, open func() (store.DB, error)) {
	var kept []string
	again(t, open, func(db store.DB) {
		if err := db.Migrate(context.Background(), "test", table); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex // guards kept
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				s := fmt.Sprintf("%02d", i)
				err := db.Update(context.Background(), insert(s))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					kept = append(kept, s)
				case !errors.Is(err, store.ErrClosed):
					t.Errorf("Update answers %v", err)
				}
			})
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	again(t, open, func(db store.DB) {
		if err := db.Migrate(context.Background(), "test", table); err != nil {
			t.Fatal(err)
		}
		if got := names(t, db); len(got) != len(kept) {
			t.Errorf("%d rows are kept, %d were acknowledged", len(got), len(kept))
		}
	})
}
