package app

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/service/kinesis"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A streaming is what keeps streams of records.
type streaming struct {
	db      store.DB
	kinesis *kinesis.Book
}

// openStreams opens the streams. They have a database of their own: a put is a
// commit, and nothing else is to wait for so many bytes.
func (a *App) openStreams(ctx context.Context) (err error) {
	s := &a.streams
	if s.db, err = store.OpenSQLite(a.path("streams.db"), store.Options{Sync: store.Full}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return s.db.Close() })
	if s.kinesis, err = kinesis.Open(ctx, kinesis.Config{DB: s.db, Account: Account, Region: a.config.Region}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return s.kinesis.Close() })
	a.onDrain(func(context.Context) error { s.kinesis.Hangup(); return nil }) // subscriptions last for minutes
	return nil
}
