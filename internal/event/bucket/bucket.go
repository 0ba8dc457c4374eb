// Package bucket tells functions, queues, topics and the default event bus what
// happened to the objects of a bucket.
//
// What happened is written down with the object's own commit (object.Outbox). A
// Forwarder hands it to its targets in one transaction of the events' database,
// and only then has it forgotten there. It remembers in that transaction what it
// handed over, so that whoever is killed between the two does not tell it twice.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
package bucket

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/outbox"
	"github.com/mayfly-faas/mayfly/internal/event/ramp"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// principal is who delivers.
const principal = "s3.amazonaws.com"

// atOnce is how many changes are handed over in one transaction.
const atOnce = 200

// How long a target that fails for a while is tried.
const (
	maxAge   = 24 * time.Hour
	maxTries = 185
)

// A Config is what a Forwarder is made of.
type Config struct {
	DB      store.DB      // the events': the targets' tables are there
	Changes object.Outbox // what is told
	Router  *target.Router
	Account string
	Region  string

	// Policies answer the policy of a target, by the service of its ARN, and
	// target.ErrNotFound when there is no such target; "" is no policy. Check asks
	// them. Targets of other services are refused.
	Policies map[string]func(ctx context.Context, to arn.ARN) (string, error)

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil is slog.Default()
}

// A Forwarder tells targets of changes, in the order in which they happened.
type Forwarder struct {
	c       Config
	box     *outbox.Box // of what a target could not take
	ledger  ledger
	told    atomic.Int64
	end     context.CancelFunc
	running sync.WaitGroup
}

// Open goes on with what is still to be told. Close ends it.
func Open(ctx context.Context, c Config) (*Forwarder, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	f := &Forwarder{c: c}
	var err error
	if f.ledger, err = openLedger(ctx, c.DB); err != nil {
		return nil, fmt.Errorf("open notifications of buckets: %w", err)
	}
	f.box, err = outbox.Open(ctx, outbox.Config{DB: c.DB, Room: "bucket", Router: c.Router, Now: c.Now, Log: c.Log,
		Code: func(error) string { return "" }}) // there are no dead letters
	if err != nil {
		return nil, fmt.Errorf("open notifications of buckets: %w", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.end = cancel
	f.running.Go(func() { f.run(run) })
	return f, nil
}

// Close ends the telling. What was not told is kept.
func (f *Forwarder) Close() error {
	f.end()
	f.running.Wait()
	f.box.Close()
	return nil
}

// Stats are counts since Open.
type Stats struct {
	Told    int64 // changes that all their targets were told of
	Dropped int64 // events that a target refused for good
}

// Stats answers the counts.
func (f *Forwarder) Stats() Stats { return Stats{Told: f.told.Load(), Dropped: f.box.Dropped()} }

func (f *Forwarder) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		err := f.forward(ctx)
		if err == nil || ctx.Err() != nil {
			failures = 0
			continue
		}
		failures++
		f.c.Log.ErrorContext(ctx, "notifications of buckets stand still", "cause", err)
		select {
		case <-time.After(ramp.Backoff(failures)):
		case <-ctx.Done():
		}
	}
}

// forward tells the oldest changes, when there are some. It always asks for the
// oldest: what was told is gone, whatever number the next one gets.
func (f *Forwarder) forward(ctx context.Context) error {
	changes, err := f.c.Changes.Changes(ctx, 0, atOnce)
	if err != nil || len(changes) == 0 {
		return err
	}
	if err := f.deliver(ctx, f.ledger.fresh(changes), changes); err != nil {
		return err
	}
	seqs := make([]int64, len(changes))
	for i, c := range changes {
		seqs[i] = c.Seq
	}
	return f.c.Changes.Told(ctx, seqs...)
}

// deliver hands over the fresh ones of all changes.
func (f *Forwarder) deliver(ctx context.Context, fresh, all []object.Change) error {
	if len(fresh) == 0 {
		return nil
	}
	var wakes []func()
	err := f.c.DB.Update(ctx, func(tx store.Tx) error {
		wakes = nil
		for _, c := range fresh {
			more, err := f.tell(tx, c)
			if err != nil {
				return err
			}
			wakes = append(wakes, more...)
		}
		return f.ledger.write(tx, all)
	})
	if err != nil {
		return err
	}
	f.ledger.wrote(all)
	f.told.Add(int64(len(fresh)))
	for _, wake := range wakes {
		wake()
	}
	return nil
}

// tell hands a change to all who want it.
func (f *Forwarder) tell(tx store.Tx, c object.Change) (wakes []func(), err error) {
	for _, d := range f.deliveries(c) {
		wake, err := f.box.Send(tx, d)
		if err != nil {
			return nil, err
		}
		wakes = append(wakes, wake)
	}
	return wakes, nil
}

// deliveries are the messages that a change makes.
func (f *Forwarder) deliveries(c object.Change) (all []outbox.Message) {
	for _, r := range c.Rules {
		all = append(all, f.message(c, r.Target, record(c, r.ID)))
	}
	if event, ok := busEvent(c, f.c.Account); ok && c.EventBridge {
		all = append(all, f.message(c, "arn:aws:events:"+f.c.Region+":"+f.c.Account+":event-bus/default", event))
	}
	return all
}

func (f *Forwarder) message(c object.Change, to string, payload []byte) outbox.Message {
	return outbox.Message{To: to, First: f.c.Now(), MaxAge: maxAge, MaxAttempts: maxTries, Delivery: target.Delivery{
		Payload: payload, Principal: principal, SourceARN: ARN(c.Object.Bucket), Trace: c.By.Trace, Subject: subject,
	}}
}

// ARN names a bucket.
func ARN(bucket string) string { return "arn:aws:s3:::" + bucket }
