package app

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/s3"
	"github.com/mayfly-faas/mayfly/internal/object/disk"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A warehouse is what keeps objects in buckets.
type warehouse struct {
	db    store.DB
	store *disk.Store
	api   *s3.Gateway
}

// openObjects opens the objects. What takes code from them is opened later, as is
// what tells of their changes. They have a database of their own: neither
// invocations nor events are to wait for the commit of a large listing.
func (a *App) openObjects(ctx context.Context) (err error) {
	o := &a.objects
	if o.db, err = store.OpenSQLite(a.path("objects.db"), store.Options{Sync: store.Full}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return o.db.Close() })
	if o.store, err = disk.Open(ctx, disk.Config{Dir: a.path("objects"), DB: o.db}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return o.store.Close() })
	return nil
}

// openBuckets opens what carries events from buckets, and to them.
func (a *App) openBuckets(ctx context.Context) error {
	if err := a.openBucketWriter(ctx, a.objects.store); err != nil {
		return err
	}
	if err := a.openNotifications(ctx, a.objects.store); err != nil {
		return err
	}
	a.objects.api = s3.New(s3.Config{Store: a.objects.store, Account: Account, Region: a.config.Region,
		Notifier: a.events.notifier, Lookup: a.lookup, Off: a.config.AuthOff, Hosts: a.config.Hosts})
	return nil
}
