package bucket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/alarm"
	"github.com/mayfly-faas/mayfly/internal/event/ramp"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Objects is what a Writer needs of an object.Store.
type Objects interface {
	Put(ctx context.Context, p object.Put, content io.Reader) (object.Info, error)
}

// A WriterConfig is what a Writer is made of.
type WriterConfig struct {
	DB      store.DB // the events'
	Objects Objects
	Account string

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil is slog.Default()
}

// A Writer makes objects of events: it is the target of buckets' ARNs. An event is
// durable with its sender's transaction, and is the object soon after.
type Writer struct {
	c       WriterConfig
	alarm   *alarm.Alarm
	dropped atomic.Int64
	end     context.CancelFunc
	running sync.WaitGroup
}

// OpenWriter goes on with what is still to be written. Close ends it.
func OpenWriter(ctx context.Context, c WriterConfig) (*Writer, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	err := c.DB.Migrate(ctx, "bucket_writes", `
		CREATE TABLE bucket_writes (id INTEGER PRIMARY KEY, due INTEGER NOT NULL, tries INTEGER NOT NULL, place BLOB NOT NULL, body BLOB);
		CREATE INDEX bucket_writes_due ON bucket_writes (due);`)
	if err != nil {
		return nil, fmt.Errorf("open writer of buckets: %w", err)
	}
	w := &Writer{c: c, alarm: alarm.New(c.Now)}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.end = cancel
	w.alarm.Set(c.Now()) // look at what the last run left
	w.running.Go(func() { w.alarm.Run(run, w.ring) })
	return w, nil
}

// Close ends the writing. What was not written is kept.
func (w *Writer) Close() error {
	w.end()
	w.running.Wait()
	return nil
}

// Dropped is how many events were given up: their buckets are gone.
func (w *Writer) Dropped() int64 { return w.dropped.Load() }

// Put makes body the object called key, at once.
func (w *Writer) Put(ctx context.Context, bucket, key string, body []byte) error {
	return w.put(ctx, place{Bucket: bucket, Key: key}, body)
}

// A place is where an event is to go.
type place struct{ Bucket, Key, Trace, Principal string }

func (w *Writer) put(ctx context.Context, p place, body []byte) error {
	_, err := w.c.Objects.Put(ctx, object.Put{
		Bucket: p.Bucket, Key: p.Key, Event: "ObjectCreated:Put",
		Meta: object.Meta{Headers: map[string]string{"Content-Type": "application/json"}},
		By:   object.Origin{Principal: p.Principal, Account: w.c.Account, Trace: p.Trace},
	}, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("write %s to bucket %s: %w", p.Key, p.Bucket, err)
	}
	return nil
}

// Enqueue keeps an event until it is written, as the object called d.Key.
func (w *Writer) Enqueue(tx store.Tx, to arn.ARN, d target.Delivery) (committed func(), err error) {
	if d.Key == "" {
		return nil, fmt.Errorf("%w: an object needs a key", target.ErrInvalid)
	}
	text, err := json.Marshal(place{to.Resource, d.Key, d.Trace, d.Principal})
	if err != nil {
		return nil, err
	}
	now := w.c.Now()
	_, err = tx.Exec(`INSERT INTO bucket_writes (due, tries, place, body) VALUES (?, 0, ?, ?)`, now.UnixMilli(), text, d.Payload)
	return func() { w.alarm.Set(now) }, err
}

// A waiting event is one that is to be written.
type waiting struct {
	place
	id, due int64
	tries   int
	body    []byte
}

// ring writes what is due, and answers when the next is.
func (w *Writer) ring(ctx context.Context) time.Time {
	for ctx.Err() == nil {
		next, err := w.next(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			w.c.Log.ErrorContext(ctx, "events for buckets stand still", "cause", err)
			return w.c.Now().Add(time.Second)
		case err != nil || next == nil:
			return time.Time{}
		case next.due > w.c.Now().UnixMilli():
			return time.UnixMilli(next.due)
		}
		if err := w.write(ctx, next); err != nil && ctx.Err() == nil {
			w.c.Log.ErrorContext(ctx, "an event for a bucket stays", "cause", err)
			return w.c.Now().Add(time.Second)
		}
	}
	return time.Time{}
}

// next is what is due first, nil when there is nothing.
func (w *Writer) next(ctx context.Context) (*waiting, error) {
	n, err := store.Read(ctx, w.c.DB, func(tx store.Tx) (*waiting, error) {
		n, text := new(waiting), []byte(nil)
		err := tx.Get([]any{&n.id, &n.due, &n.tries, &text, &n.body}, `SELECT id, due, tries, place, body FROM bucket_writes ORDER BY due, id LIMIT 1`)
		if err != nil {
			return nil, err
		}
		return n, json.Unmarshal(text, &n.place)
	})
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	return n, err
}

// write makes an object, and forgets the event: after a crash between the two the
// same object is made again. What fails is tried later.
func (w *Writer) write(ctx context.Context, n *waiting) error {
	err := w.put(ctx, n.place, n.body)
	if ctx.Err() != nil {
		return err
	}
	gone := errors.Is(err, object.ErrNoBucket)
	if gone {
		w.dropped.Add(1)
	}
	if err != nil {
		w.c.Log.WarnContext(ctx, "an event could not be written to a bucket", "dropped", gone, "cause", err)
	}
	return w.c.DB.Update(ctx, func(tx store.Tx) error {
		if err == nil || gone {
			_, err := tx.Exec(`DELETE FROM bucket_writes WHERE id = ?`, n.id)
			return err
		}
		due := w.c.Now().Add(ramp.Backoff(n.tries + 1))
		_, err := tx.Exec(`UPDATE bucket_writes SET due = ?, tries = tries + 1 WHERE id = ?`, due.UnixMilli(), n.id)
		return err
	})
}
