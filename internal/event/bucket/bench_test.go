package bucket

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/object/disk"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A bell rings when an event that it took is committed.
type bell chan struct{}

func (b bell) Enqueue(store.Tx, arn.ARN, target.Delivery) (func(), error) {
	return func() { b <- struct{}{} }, nil
}

// BenchmarkPut is a put of 4 KB: alone, one that is told, and one after the other
// until each is told.
func BenchmarkPut(b *testing.B) {
	for _, kind := range []string{"alone", "told", "until told"} {
		b.Run(kind, func(b *testing.B) {
			dir := b.TempDir()
			var dbs []store.DB
			for _, name := range []string{"objects.db", "queue.db"} {
				db, err := store.OpenSQLite(filepath.Join(dir, name), store.Options{Sync: store.Full, Ballast: -1})
				if err != nil {
					b.Fatal(err)
				}
				defer db.Close()
				dbs = append(dbs, db)
			}
			objects, err := disk.Open(b.Context(), disk.Config{Dir: filepath.Join(dir, "objects"), DB: dbs[0]})
			if err != nil {
				b.Fatal(err)
			}
			defer objects.Close()
			heard, r := make(bell, 1<<20), new(target.Router)
			r.Register("sqs", heard)
			f, err := Open(b.Context(), Config{DB: dbs[1], Changes: objects, Router: r, Account: "000000000000", Region: "us-east-1", Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			bench(b, objects, kind, heard)
		})
	}
}

func bench(b *testing.B, objects *disk.Store, kind string, heard bell) {
	if err := objects.CreateBucket(b.Context(), object.Bucket{Name: "b"}); err != nil {
		b.Fatal(err)
	}
	if kind != "alone" {
		rules := []object.Rule{{ID: "r", Target: queue, Events: []string{"s3:ObjectCreated:*"}}}
		if err := objects.SetNotification(b.Context(), "b", object.Notification{Rules: rules}); err != nil {
			b.Fatal(err)
		}
	}
	body := make([]byte, 4<<10)
	i := 0
	for b.Loop() {
		i++
		p := object.Put{Bucket: "b", Key: fmt.Sprint(i), Event: "ObjectCreated:Put"}
		if _, err := objects.Put(b.Context(), p, bytes.NewReader(body)); err != nil {
			b.Fatal(err)
		}
		if kind == "until told" {
			<-heard
		} else {
			select {
			case <-heard:
			default:
			}
		}
	}
}
