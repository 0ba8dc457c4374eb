// Package scheduler is EventBridge Scheduler: groups of schedules, each with
// one target.
//
// A schedule's row says when it is due. One alarm rings for the earliest, and
// what is due then is read through an index, so that schedules cost nothing
// until their time. A tick, what it sends and when the schedule is due next are
// one transaction: it happens once, whatever happens to the server.
package scheduler

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

// A Book holds all schedules. Its methods may be called from any goroutine.
type Book struct {
	Config
	outbox *outbox.Box
	alarm  *alarm.Alarm
	zones  sync.Map // *time.Location by name: a copy of what the system has

	end     context.CancelFunc
	running sync.WaitGroup
}

// Open opens the book and starts its schedules. Close ends them.
func Open(ctx context.Context, c Config) (*Book, error) {
	c.Log = cmp.Or(c.Log, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := c.DB.Migrate(ctx, "scheduler", schema()...); err != nil {
		return nil, fmt.Errorf("open scheduler: %w", err)
	}
	b := &Book{Config: c, alarm: alarm.New(c.Now)}
	if err := c.DB.Update(ctx, b.ensureDefault); err != nil {
		return nil, fmt.Errorf("open scheduler: %w", err)
	}
	var err error
	b.outbox, err = outbox.Open(ctx, outbox.Config{DB: c.DB, Room: "scheduler", Router: c.Router, Now: c.Now, Log: c.Log, Code: deadCode})
	if err != nil {
		return nil, fmt.Errorf("open scheduler: %w", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.end = cancel
	b.alarm.Set(c.Now()) // look at what the last run left
	b.running.Go(func() { b.alarm.Run(run, b.ring) })
	return b, nil
}

// Close ends the schedules and the retries. What waits is kept.
func (b *Book) Close() error {
	b.end()
	b.running.Wait()
	b.outbox.Close()
	return nil
}

// Dropped is how many events were given up for want of a dead-letter queue.
func (b *Book) Dropped() int64 { return b.outbox.Dropped() }

// deadCode is the ERROR_CODE of a dead letter: the target's own error.
func deadCode(err error) string {
	switch {
	case errors.Is(err, target.ErrNotFound):
		return "ResourceNotFoundException"
	case errors.Is(err, target.ErrDenied):
		return "AccessDeniedException"
	case errors.Is(err, target.ErrInvalid):
		return "ValidationException"
	}
	return "InternalServerException"
}

func (b *Book) arn(resource string) string {
	return arn.ARN{Service: "scheduler", Region: b.Region, Account: b.Account, Resource: resource}.String()
}

func (b *Book) groupARN(name string) string { return b.arn("schedule-group/" + name) }

func (b *Book) scheduleARN(group, name string) string { return b.arn("schedule/" + group + "/" + name) }

// schema are the steps to the tables. A step is never changed.
func schema() []string {
	return []string{`
		CREATE TABLE scheduler_group (
			name TEXT PRIMARY KEY, created INTEGER NOT NULL, modified INTEGER NOT NULL, token TEXT NOT NULL
		);
		CREATE TABLE scheduler_tag (grp TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (grp, key));
		CREATE TABLE scheduler_schedule (
			id INTEGER PRIMARY KEY, grp TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
			target TEXT NOT NULL,    -- its ARN, for lists
			doc BLOB NOT NULL,       -- all else that the API was told
			token TEXT NOT NULL,     -- of the request that made it
			created INTEGER NOT NULL, modified INTEGER NOT NULL,
			anchor INTEGER NOT NULL, -- where a rate counts from, milliseconds
			tick INTEGER,            -- the next time that the expression says, milliseconds
			due INTEGER              -- when that is sent: later, in a flexible window
		);
		CREATE UNIQUE INDEX scheduler_schedule_name ON scheduler_schedule (grp, name);
		CREATE INDEX scheduler_schedule_due ON scheduler_schedule (due) WHERE due IS NOT NULL;`,
	}
}
