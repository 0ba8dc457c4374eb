package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/event/outbox"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// batch is how many schedules are sent in one transaction.
const batch = 500

// The limits of a target's retries, unless it says otherwise.
const (
	maxAge      = 24 * time.Hour
	maxAttempts = 185
)

// ring sends what is due, and answers when the next is.
func (b *Book) ring(ctx context.Context) time.Time {
	for {
		n, next, err := b.fire(ctx)
		switch {
		case ctx.Err() != nil:
			return time.Time{}
		case err != nil:
			b.Log.ErrorContext(ctx, "schedules stand still", "cause", err)
			return b.Now().Add(time.Second)
		case n < batch:
			return next
		}
	}
}

// fire sends the next of those that are due.
func (b *Book) fire(ctx context.Context) (n int, next time.Time, err error) {
	var wakes []func()
	err = b.DB.Update(ctx, func(tx store.Tx) error {
		wakes = nil
		now := b.Now()
		due, err := store.All(tx, scanSchedule, `SELECT `+selected+` FROM scheduler_schedule
			WHERE due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?`, now.UnixMilli(), batch)
		if err != nil {
			return err
		}
		for _, s := range due {
			more, err := b.send(tx, s, now)
			if err != nil {
				return err
			}
			wakes = append(wakes, more...)
		}
		n = len(due)
		next, err = earliest(tx)
		return err
	})
	if err == nil {
		for _, w := range wakes {
			w()
		}
	}
	return n, next, err
}

func earliest(tx store.Tx) (time.Time, error) {
	var ms int64
	err := tx.Get([]any{&ms}, `SELECT due FROM scheduler_schedule WHERE due IS NOT NULL ORDER BY due LIMIT 1`)
	if errors.Is(err, store.ErrNoRows) {
		return time.Time{}, nil
	}
	return time.UnixMilli(ms), err
}

// send sends one tick and moves the schedule on. Of ticks that were missed
// while nothing ran, the first is sent late and the others are not.
func (b *Book) send(tx store.Tx, s schedule, now time.Time) ([]func(), error) {
	tick, due := time.UnixMilli(*s.tick), time.UnixMilli(*s.due)
	wakes, err := b.deliver(tx, s, tick, due)
	if err != nil {
		return nil, err
	}
	after := now
	if tick.After(now) {
		after = tick
	}
	b.plan(&s, after, false)
	if s.due == nil && s.doc.After == "DELETE" {
		return wakes, s.remove(tx)
	}
	_, err = tx.Exec(`UPDATE scheduler_schedule SET tick = ?, due = ? WHERE id = ?`, s.tick, s.due, s.id)
	return wakes, err
}

// deliver hands a tick to the target.
func (b *Book) deliver(tx store.Tx, s schedule, tick, due time.Time) ([]func(), error) {
	execution := uuid.NewString()
	arn := b.scheduleARN(s.group, s.name)
	messages, err := b.deliveries(&s, tick, execution)
	if err != nil {
		b.Log.Warn("schedule cannot be sent", "schedule", arn, "cause", err)
		return nil, nil // it was checked when it was put
	}
	var wakes []func()
	for _, m := range messages {
		m.First = due
		m.Labels = map[string]string{
			"SCHEDULE_ARN": arn, "SCHEDULED_TIME": tick.UTC().Format(time.RFC3339), "EXECUTION_ID": execution, "IS_PAYLOAD_TRUNCATED": "false",
			"TARGET_ARN": *s.doc.Target.Arn,
		}
		m.Delivery.SourceARN = arn // and no principal: a schedule acts by its role, and no target's policy is asked
		wake, err := b.outbox.Send(tx, m.limited(s.doc.Target))
		if err != nil {
			return nil, err
		}
		wakes = append(wakes, wake)
	}
	return wakes, nil
}

// A message is one that a tick sends.
type message struct{ outbox.Message }

// limited is m with the limits and the dead-letter queue of a target.
func (m message) limited(t *Target) outbox.Message {
	m.MaxAge, m.MaxAttempts, m.Mark = maxAge, maxAttempts, markAttempt
	if p := t.RetryPolicy; p != nil {
		if p.MaximumEventAgeInSeconds != nil {
			m.MaxAge = time.Duration(*p.MaximumEventAgeInSeconds) * time.Second
		}
		if p.MaximumRetryAttempts != nil {
			m.MaxAttempts = int(*p.MaximumRetryAttempts)
		}
	}
	if t.DeadLetterConfig != nil {
		m.Dead = val(t.DeadLetterConfig.Arn)
	}
	return m.Message
}
