package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/store/storetest"
)

func TestSQLite(t *testing.T) {
	for name, o := range map[string]store.Options{"Full": {}, "Normal": {Sync: store.Normal, Ballast: -1}} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) func() (store.DB, error) {
				path := filepath.Join(t.TempDir(), "new", "100% ?#&.db")
				return func() (store.DB, error) { return store.OpenSQLite(path, o) }
			})
		})
	}
}

func openSQLite(t testing.TB, path string, o store.Options) store.DB {
	t.Helper()
	db, err := store.OpenSQLite(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(context.Background(), "test", `CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)`); err != nil {
		t.Fatal(err)
	}
	return db
}

func insertBytes(n int) func(store.Tx) error {
	data := make([]byte, n)
	return func(tx store.Tx) error {
		_, err := tx.Exec(`INSERT INTO t (data) VALUES (?)`, data)
		return err
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := openSQLite(t, filepath.Join(dir, "x.db"), store.Options{})
	if err := db.Update(context.Background(), insertBytes(10)); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		i, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name())
		if i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", f.Name(), i.Mode())
		}
	}
	if want := "x.db x.db-shm x.db-wal x.db.ballast x.db.lock"; strings.Join(names, " ") != want {
		t.Errorf("the files are %v, want %s", names, want)
	}
	if i, err := os.Stat(dir); err != nil || i.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v; want 0700", i.Mode(), err)
	}
}

func TestOneProcessOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := openSQLite(t, path, store.Options{})
	_, err := store.OpenSQLite(path, store.Options{})
	if !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
		t.Errorf("a second opening answers %v, want ErrInUse and the process", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	openSQLite(t, path, store.Options{})
}

func TestNotADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is a letter. ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds no lock left from the first
		_, err := store.OpenSQLite(path, store.Options{})
		if err == nil || errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), path) {
			t.Errorf("opening answers %v", err)
		}
	}
}

// The WAL stays small, though there is always somebody reading.
func TestWALStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := openSQLite(t, path, store.Options{Sync: store.Normal})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { read(t, db, stop) })
	}
	var most int64
	for range 3000 { // 300 MB
		if err := db.Update(context.Background(), insertBytes(100_000)); err != nil {
			t.Fatal(err)
		}
		if i, err := os.Stat(path + "-wal"); err == nil {
			most = max(most, i.Size())
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("the WAL had at most %d MB", most>>20)
	if most > 200<<20 {
		t.Errorf("the WAL grew to %d MB", most>>20)
	}
}

// read views the database again and again, a little longer each time than a
// query takes.
func read(t *testing.T, db store.DB, stop chan struct{}) {
	for {
		err := db.View(context.Background(), func(tx store.Tx) error {
			var n int
			if err := tx.Get([]any{&n}, `SELECT max(id) IS NULL FROM t`); err != nil {
				return err
			}
			select {
			case <-time.After(5 * time.Millisecond):
			case <-stop:
			}
			return tx.Get([]any{&n}, `SELECT count(*) FROM t WHERE id < 10`)
		})
		if err != nil {
			t.Error(err)
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}
