package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func isFull(err error) bool { return errors.Is(err, store.ErrFull) }

// BenchmarkInsert is one durable insert of 1 KB for each operation.
func BenchmarkInsert(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("sqlite/full/%d", callers), func(b *testing.B) {
			benchInsert(b, openSQLite(b, filepath.Join(b.TempDir(), "x.db"), store.Options{}), callers)
		})
	}
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("sqlite/normal/%d", callers), func(b *testing.B) {
			benchInsert(b, openSQLite(b, filepath.Join(b.TempDir(), "x.db"), store.Options{Sync: store.Normal}), callers)
		})
	}
}

func BenchmarkInsertPostgres(b *testing.B) {
	s := startPostgres(b)
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			db := openPostgres(b, s.database(b))
			if err := db.Migrate(context.Background(), "test", `CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)`); err != nil {
				b.Fatal(err)
			}
			benchInsert(b, db, callers)
		})
	}
}

func benchInsert(b *testing.B, db store.DB, callers int) {
	fn := insertBytes(1000)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := db.Update(context.Background(), fn); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "inserts/s")
}

func BenchmarkGet(b *testing.B) {
	db := openSQLite(b, filepath.Join(b.TempDir(), "x.db"), store.Options{})
	if err := db.Update(context.Background(), insertBytes(1000)); err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			err := db.View(context.Background(), func(tx store.Tx) error {
				var data []byte
				return tx.Get([]any{&data}, `SELECT data FROM t WHERE id = ?`, 1)
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
}
