// Package events is EventBridge: buses, rules, their targets, archives and
// replays.
//
// PutEvents matches an event with the rules of its bus and hands it to their
// targets in the one transaction that it acknowledges: what was answered is on
// disk at the target, at every target. What a target cannot take waits in an
// outbox. Scheduled rules fire when an alarm rings for the earliest of them.
package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/alarm"
	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/event/outbox"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Config says where a book is and whose it is.
type Config struct {
	DB      store.DB
	Account string
	Region  string
	Router  *target.Router
	Log     *slog.Logger     // nil means slog.Default()
	Now     func() time.Time // nil means time.Now
}

// A Book holds all buses. Its methods may be called from any goroutine.
type Book struct {
	Config
	outbox  *outbox.Box
	ticks   *alarm.Alarm // for scheduled rules
	replays *alarm.Alarm // for replays that have more to send
	expiry  *alarm.Alarm // for archived events

	end     context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex // guards what follows
	routes   *routes    // as of routes.epoch
	patterns map[string]*filter.Pattern
}

// Open opens the book, goes on with its replays and starts its schedules.
// Close ends them.
func Open(ctx context.Context, c Config) (*Book, error) {
	c.Log = cmp.Or(c.Log, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := c.DB.Migrate(ctx, "events", schema()...); err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	b := &Book{Config: c, ticks: alarm.New(c.Now), replays: alarm.New(c.Now), expiry: alarm.New(c.Now), patterns: map[string]*filter.Pattern{}}
	if err := b.DB.Update(ctx, b.ensureDefault); err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	var err error
	b.outbox, err = outbox.Open(ctx, outbox.Config{DB: c.DB, Room: "events", Router: c.Router, Now: c.Now, Log: c.Log, Code: deadCode})
	if err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.end = cancel
	for a, ring := range map[*alarm.Alarm]func(context.Context) (time.Time, error){
		b.ticks: b.tick, b.replays: b.replay, b.expiry: b.expire,
	} {
		a.Set(c.Now()) // look at what the last run left
		b.running.Go(func() { a.Run(run, b.patiently(ring)) })
	}
	return b, nil
}

// patiently is ring, once more a second later when it failed.
func (b *Book) patiently(ring func(context.Context) (time.Time, error)) func(context.Context) time.Time {
	return func(ctx context.Context) time.Time {
		next, err := ring(ctx)
		if err != nil && ctx.Err() == nil {
			b.Log.ErrorContext(ctx, "events stand still", "cause", err)
			return b.Now().Add(time.Second)
		}
		return next
	}
}

// Close ends the schedules, the replays and the retries. What waits is kept.
func (b *Book) Close() error {
	b.end()
	b.running.Wait()
	b.outbox.Close()
	return nil
}

// Dropped is how many events were given up for want of a dead-letter queue.
func (b *Book) Dropped() int64 { return b.outbox.Dropped() }

// deadCode is the ERROR_CODE of a dead letter.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func deadCode(err error) string {
	switch {
	case errors.Is(err, target.ErrNotFound):
		return "NO_RESOURCE"
	case errors.Is(err, target.ErrDenied):
		return "NO_PERMISSIONS"
	case errors.Is(err, target.ErrInvalid):
		return "INVALID_PARAMETER"
	}
	return "ERROR_FROM_TARGET"
}

func (b *Book) arn(resource string) string {
	return arn.ARN{Service: "events", Region: b.Region, Account: b.Account, Resource: resource}.String()
}

func (b *Book) busARN(name string) string { return b.arn("event-bus/" + name) }

func (b *Book) ruleARN(bus, name string) string {
	if bus == defaultBus {
		return b.arn("rule/" + name)
	}
	return b.arn("rule/" + bus + "/" + name)
}

// schema are the steps to the tables. A step is never changed.
func schema() []string {
	return []string{`
		CREATE TABLE events_bus (
			name TEXT PRIMARY KEY, created INTEGER NOT NULL, modified INTEGER NOT NULL,
			description TEXT NOT NULL, policy TEXT NOT NULL, kms TEXT NOT NULL, dead TEXT NOT NULL,
			log_level TEXT NOT NULL, log_detail TEXT NOT NULL
		);
		CREATE TABLE events_rule (
			bus TEXT NOT NULL, name TEXT NOT NULL, pattern TEXT NOT NULL, schedule TEXT NOT NULL, state TEXT NOT NULL,
			description TEXT NOT NULL, role TEXT NOT NULL,
			anchor INTEGER NOT NULL, -- where a rate counts from, milliseconds
			due INTEGER,             -- when the schedule fires next, milliseconds
			PRIMARY KEY (bus, name)
		);
		CREATE INDEX events_rule_due ON events_rule (due) WHERE due IS NOT NULL;
		CREATE TABLE events_target (
			bus TEXT NOT NULL, rule TEXT NOT NULL, id TEXT NOT NULL, arn TEXT NOT NULL, doc BLOB NOT NULL,
			PRIMARY KEY (bus, rule, id)
		);
		CREATE INDEX events_target_arn ON events_target (arn, bus, rule);
		CREATE TABLE events_tag (arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key));
		CREATE TABLE events_archive (
			name TEXT PRIMARY KEY, bus TEXT NOT NULL, pattern TEXT NOT NULL, description TEXT NOT NULL, kms TEXT NOT NULL,
			retention INTEGER NOT NULL, created INTEGER NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT NULL
		);
		CREATE TABLE events_archived (
			id INTEGER PRIMARY KEY, archive TEXT NOT NULL, at INTEGER NOT NULL, expires INTEGER, event BLOB NOT NULL
		);
		CREATE INDEX events_archived_at ON events_archived (archive, at, id);
		CREATE INDEX events_archived_expires ON events_archived (expires) WHERE expires IS NOT NULL;
		CREATE TABLE events_replay (
			name TEXT PRIMARY KEY, archive TEXT NOT NULL, bus TEXT NOT NULL, filters TEXT NOT NULL, description TEXT NOT NULL,
			state TEXT NOT NULL, reason TEXT NOT NULL, begins INTEGER NOT NULL, ends INTEGER NOT NULL,
			started INTEGER NOT NULL, ended INTEGER NOT NULL,
			last_at INTEGER NOT NULL, last_id INTEGER NOT NULL -- the event that was replayed last
		);
		CREATE TABLE events_epoch (one INTEGER PRIMARY KEY, value INTEGER NOT NULL);
		INSERT INTO events_epoch (one, value) VALUES (1, 0);`,
	}
}
