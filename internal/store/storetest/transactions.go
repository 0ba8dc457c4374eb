package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

var errTheirs = errors.New("the caller's error")

func errorRollsBack(t *testing.T, db store.DB) {
	err := db.Update(context.Background(), func(tx store.Tx) error {
		if err := insert("a")(tx); err != nil {
			return err
		}
		return errTheirs
	})
	if err != errTheirs {
		t.Errorf("Update answers %v, want the function's error itself", err)
	}
	if got := names(t, db); len(got) != 0 {
		t.Errorf("%v is kept", got)
	}
}

// hold keeps the writer busy until release, so that what comes meanwhile lands
// in one group.
func hold(t *testing.T, db store.DB) (release func()) {
	t.Helper()
	began, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Update(context.Background(), func(store.Tx) error {
			once.Do(func() { close(began) })
			<-end
			return nil
		})
		if err != nil {
			t.Errorf("the holding update: %v", err)
		}
	})
	<-began
	return func() { close(end); wg.Wait() }
}

// Of 40 callers in one group a quarter fails after it wrote, a quarter by a
// conflict, a quarter panics; the others must not notice.
func onlyTheFailedRollsBack(t *testing.T, db store.DB) {
	update(t, db, insert("taken"))
	release := hold(t, db)
	var wg sync.WaitGroup
	errs := make([]error, 40)
	for i := range errs {
		wg.Go(func() {
			errs[i] = db.Update(context.Background(), func(tx store.Tx) error {
				if err := insert(fmt.Sprintf("%02d", i))(tx); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return errTheirs
				case 2:
					return insert("taken")(tx)
				case 3:
					panic("mine")
				}
				return nil
			})
		})
	}
	release()
	wg.Wait()
	want := []string{}
	for i, err := range errs {
		switch ok := err == nil; {
		case i%4 == 0 && ok:
			want = append(want, fmt.Sprintf("%02d", i))
		case i%4 == 1 && errors.Is(err, errTheirs):
		case i%4 == 2 && errors.Is(err, store.ErrConflict):
		case i%4 == 3 && err != nil && strings.Contains(err.Error(), "mine"):
		default:
			t.Errorf("caller %d gets %v", i, err)
		}
	}
	if got := names(t, db); !reflect.DeepEqual(got, append(want, "taken")) {
		t.Errorf("kept are %v, want %v and taken", got, want)
	}
}

// A failed statement whose error the function does not pass on takes only
// itself back.
func swallowed(t *testing.T, db store.DB) {
	update(t, db, insert("a"))
	update(t, db, func(tx store.Tx) error {
		_ = insert("b")(tx)
		_ = insert("a")(tx)
		return nil
	})
	if got := names(t, db); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("the names are %v", got)
	}
}

func panics(t *testing.T, db store.DB) {
	for _, run := range []func(context.Context, func(store.Tx) error) error{db.Update, db.View} {
		err := run(context.Background(), func(tx store.Tx) error {
			return tx.Each(`SELECT 1`, nil, func(func(...any) error) error { panic("oh no") })
		})
		if err == nil || !strings.Contains(err.Error(), "oh no") || !strings.Contains(err.Error(), "storetest") {
			t.Errorf("a panic answers %v, want it and its place", err)
		}
	}
	update(t, db, insert("a"))
	names(t, db)
}

// A function that ends its goroutine, as a test's FailNow does, must not end
// everybody's writes.
func goexit(t *testing.T, db store.DB) {
	err := db.Update(context.Background(), func(tx store.Tx) error {
		_ = insert("a")(tx)
		runtime.Goexit()
		return nil
	})
	if err == nil {
		t.Error("Update answers no error")
	}
	update(t, db, insert("b"))
	if got := names(t, db); !reflect.DeepEqual(got, []string{"b"}) {
		t.Errorf("the names are %v, want b", got)
	}
}

func txIsOver(t *testing.T, db store.DB) {
	var kept []store.Tx
	keep := func(tx store.Tx) error { kept = append(kept, tx); return nil }
	update(t, db, keep)
	view(t, db, keep)
	for _, tx := range kept {
		if err := insert("late")(tx); err == nil {
			t.Error("a transaction that is over takes a write")
		}
	}
	if got := names(t, db); len(got) != 0 {
		t.Errorf("the names are %v", got)
	}
}

func cancelledBefore(t *testing.T, db store.DB) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ran := func(store.Tx) error { t.Error("the function ran"); return nil }
	if err := db.Update(ctx, ran); !errors.Is(err, context.Canceled) {
		t.Errorf("Update answers %v", err)
	}
	if err := db.View(ctx, ran); !errors.Is(err, context.Canceled) {
		t.Errorf("View answers %v", err)
	}
	if err := db.Migrate(ctx, "x", `CREATE TABLE x (a TEXT)`); !errors.Is(err, context.Canceled) {
		t.Errorf("Migrate answers %v", err)
	}
}

func cancelledInLine(t *testing.T, db store.DB) {
	release := hold(t, db)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := db.Update(ctx, insert("a")); !errors.Is(err, context.Canceled) {
			t.Errorf("Update answers %v", err)
		}
	})
	cancel()
	wg.Wait() // without the writer's help
	release()
	if got := names(t, db); len(got) != 0 {
		t.Errorf("%v is kept", got)
	}
}

func readYourWrites(t *testing.T, db store.DB) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 20 {
				s := fmt.Sprintf("%d-%d", i, k)
				if err := db.Update(context.Background(), insert(s)); err != nil {
					t.Error(err)
				}
				err := db.View(context.Background(), func(tx store.Tx) error {
					var id int
					return tx.Get([]any{&id}, `SELECT id FROM t WHERE name = ?`, s)
				})
				if err != nil {
					t.Errorf("%s was written and is not read: %v", s, err)
				}
			}
		})
	}
	wg.Wait()
}

func viewDoesNotWrite(t *testing.T, db store.DB) {
	if err := db.View(context.Background(), insert("a")); err == nil {
		t.Error("a View writes")
	}
	if got := names(t, db); len(got) != 0 {
		t.Errorf("%v is kept", got)
	}
}

func viewIsOneState(t *testing.T, db store.DB) {
	update(t, db, insert("a"))
	view(t, db, func(tx store.Tx) error {
		var before, after int
		if err := tx.Get([]any{&before}, `SELECT count(*) FROM t`); err != nil {
			return err
		}
		update(t, db, insert("b"))
		if err := tx.Get([]any{&after}, `SELECT count(*) FROM t`); err != nil {
			return err
		}
		if before != 1 || after != 1 {
			t.Errorf("%d rows and then %d in one View, want 1", before, after)
		}
		return nil
	})
	if got := names(t, db); len(got) != 2 {
		t.Errorf("the names are %v", got)
	}
}

// Reading and then writing what was read is safe: nobody comes between.
func counter(t *testing.T, db store.DB) {
	update(t, db, insert("a"))
	var wg sync.WaitGroup
	const callers, each = 16, 20
	for range callers {
		wg.Go(func() {
			for range each {
				err := db.Update(context.Background(), func(tx store.Tx) error {
					var n int
					if err := tx.Get([]any{&n}, `SELECT n FROM t WHERE name = ?`, "a"); err != nil {
						return err
					}
					return exec(`UPDATE t SET n = ? WHERE name = ?`, n+1, "a")(tx)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := one[int](t, db, `SELECT n FROM t`); n != callers*each {
		t.Errorf("the counter is at %d, want %d", n, callers*each)
	}
}

func closed(t *testing.T, db store.DB) {
	for range 2 {
		if err := db.Close(); err != nil {
			t.Errorf("Close answers %v", err)
		}
	}
	if err := db.Update(context.Background(), insert("a")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Update answers %v, want ErrClosed", err)
	}
	if err := db.View(context.Background(), insert("a")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("View answers %v, want ErrClosed", err)
	}
}

func helpers(t *testing.T, db store.DB) {
	id, err := store.Write(context.Background(), db, func(tx store.Tx) (id int, err error) {
		return id, tx.Get([]any{&id}, `INSERT INTO t (name) VALUES (?) RETURNING id`, "a")
	})
	if err != nil || id == 0 {
		t.Errorf("Write answers %d, %v", id, err)
	}
	_, err = store.Read(context.Background(), db, func(tx store.Tx) ([]string, error) {
		return store.All(tx, func(func(...any) error) (string, error) { return "", errTheirs }, `SELECT name FROM t`)
	})
	if err != errTheirs {
		t.Errorf("All answers %v", err)
	}
}
