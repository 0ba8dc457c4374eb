// Package outbox hands events to targets, and keeps those that could not be
// handed over until they are, or until it is time to give them up. A room of
// the event side has one, with a table of its own in the room's database.
//
// Sending is a write in the sender's transaction. An event that its target
// takes at once never touches the outbox's table.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/alarm"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// batch is how many events are tried again in one transaction.
const batch = 200

// Config says whose an outbox is.
type Config struct {
	DB     store.DB
	Room   string // names the table: "events" has events_outbox
	Router *target.Router
	Now    func() time.Time
	Log    *slog.Logger

	// Code is the ERROR_CODE of a dead letter.
	Code func(error) string
}

// A Message is an event on its way, with what is to be done if it fails.
type Message struct {
	To          string // an ARN
	Delivery    target.Delivery
	First       time.Time     // its age counts from here
	MaxAge      time.Duration // it is given up when older
	MaxAttempts int           // it is tried so many times again
	Dead        string        // the queue for what is given up; "" drops it
	DeadLetter  []byte        // what that queue gets; nil means the payload
	Labels      map[string]string

	// Mark is a text in the payload that stands for the attempt's number.
	Mark string

	Attempts int // that have failed
}

// A Box is one room's outbox. Its methods may be called from any goroutine.
type Box struct {
	Config
	alarm   *alarm.Alarm
	dropped atomic.Int64
	end     context.CancelFunc
	running sync.WaitGroup
}

// Open opens the outbox and goes on with what waits in it. Close ends it.
func Open(ctx context.Context, c Config) (*Box, error) {
	t := c.Room + "_outbox"
	err := c.DB.Migrate(ctx, t, `
		CREATE TABLE `+t+` (id INTEGER PRIMARY KEY, due INTEGER NOT NULL, message BLOB NOT NULL);
		CREATE INDEX `+t+`_due ON `+t+` (due);`)
	if err != nil {
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	b := &Box{Config: c, alarm: alarm.New(c.Now)}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.end = cancel
	b.alarm.Set(c.Now()) // look at what the last run left
	b.running.Go(func() { b.alarm.Run(run, b.ring) })
	return b, nil
}

// Close ends the trying. What waits is kept.
func (b *Box) Close() {
	b.end()
	b.running.Wait()
}

// Dropped is how many events were given up without a queue for them.
func (b *Box) Dropped() int64 { return b.dropped.Load() }

// Send hands m to its target within tx. When the target fails m is kept in the
// outbox, or goes to its queue, or is dropped: an error is one of the store.
// What Send returns is called once tx is committed, and is not nil.
func (b *Box) Send(tx store.Tx, m Message) (committed func(), err error) {
	d := m.Delivery
	if m.Mark != "" {
		d.Payload = []byte(strings.ReplaceAll(string(d.Payload), m.Mark, strconv.Itoa(m.Attempts+1)))
	}
	committed, err = b.Router.Enqueue(tx, m.To, d)
	switch {
	case err == nil && committed == nil:
		return func() {}, nil
	case err == nil:
		return committed, nil
	case final(err):
		return b.giveUp(tx, m, err, "")
	}
	m.Attempts++
	due := b.Now().Add(pause(m.Attempts))
	switch {
	case m.Attempts > m.MaxAttempts:
		return b.giveUp(tx, m, err, "MaximumRetryAttempts")
	case due.After(m.First.Add(m.MaxAge)):
		return b.giveUp(tx, m, err, "MaximumEventAgeInSeconds")
	}
	return b.keep(tx, m, due)
}

// final tells whether trying again cannot help.
func final(err error) bool {
	return errors.Is(err, target.ErrNotFound) || errors.Is(err, target.ErrDenied) || errors.Is(err, target.ErrInvalid)
}

// pause is how long to wait after so many failures: twice as long each time, to
// ten minutes.
func pause(failures int) time.Duration {
	return min(time.Second<<min(failures-1, 10), 10*time.Minute)
}

func (b *Box) keep(tx store.Tx, m Message, due time.Time) (func(), error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(`INSERT INTO `+b.Room+`_outbox (due, message) VALUES (?, ?)`, due.UnixMilli(), text)
	return func() { b.alarm.Set(due) }, err
}

// giveUp sends m to its dead-letter queue, which is itself tried for a day.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func (b *Box) giveUp(tx store.Tx, m Message, cause error, exhausted string) (func(), error) {
	if m.Dead == "" {
		return func() {
			b.dropped.Add(1)
			b.Log.Warn("event dropped", "room", b.Room, "target", m.To, "attempts", m.Attempts, "cause", cause)
		}, nil
	}
	text := func(s string) target.Attribute { return target.Attribute{Type: "String", String: s} }
	letter := m.DeadLetter
	if letter == nil {
		letter = m.Delivery.Payload
	}
	attributes := map[string]target.Attribute{
		"TARGET_ARN": text(m.To), "ERROR_CODE": text(b.Code(cause)), "ERROR_MESSAGE": text(strings.TrimPrefix(cause.Error(), "target: ")),
		"RETRY_ATTEMPTS": text(strconv.Itoa(max(m.Attempts-1, 0))),
	}
	if exhausted != "" {
		attributes["EXHAUSTED_RETRY_CONDITION"] = text(exhausted)
	}
	for k, v := range m.Labels {
		attributes[k] = text(v)
	}
	return b.Send(tx, Message{
		To: m.Dead, First: b.Now(), MaxAge: 24 * time.Hour, MaxAttempts: 185,
		Delivery: target.Delivery{
			Payload: letter, Principal: m.Delivery.Principal, SourceARN: m.Delivery.SourceARN, Trace: m.Delivery.Trace, Attributes: attributes,
		},
	})
}

// ring tries again what is due, and answers when the next is.
func (b *Box) ring(ctx context.Context) time.Time {
	for {
		full, next, err := b.again(ctx)
		switch {
		case ctx.Err() != nil:
			return time.Time{}
		case err != nil:
			b.Log.ErrorContext(ctx, "outbox stands still", "room", b.Room, "cause", err)
			return b.Now().Add(time.Second)
		case !full:
			return next
		}
	}
}

// again tries a batch. full says that there may be more.
func (b *Box) again(ctx context.Context) (full bool, next time.Time, err error) {
	var wakes []func()
	err = b.DB.Update(ctx, func(tx store.Tx) error {
		wakes, full, next = nil, false, time.Time{}
		due, err := b.due(tx)
		if err != nil {
			return err
		}
		for _, k := range due {
			if _, err := tx.Exec(`DELETE FROM `+b.Room+`_outbox WHERE id = ?`, k.id); err != nil {
				return err
			}
			wake, err := b.Send(tx, k.Message)
			if err != nil {
				return err
			}
			wakes = append(wakes, wake)
		}
		full = len(due) == batch
		next, err = b.next(tx)
		return err
	})
	if err == nil {
		for _, wake := range wakes {
			wake()
		}
	}
	return full, next, err
}

// A kept message is one that waits in the table.
type kept struct {
	Message
	id int64
}

// due are the messages that it is time for.
func (b *Box) due(tx store.Tx) ([]kept, error) {
	return store.All(tx, func(scan func(...any) error) (kept, error) {
		var k kept
		var text []byte
		if err := scan(&k.id, &text); err != nil {
			return k, err
		}
		return k, json.Unmarshal(text, &k.Message)
	}, `SELECT id, message FROM `+b.Room+`_outbox WHERE due <= ? ORDER BY due, id LIMIT ?`, b.Now().UnixMilli(), batch)
}

func (b *Box) next(tx store.Tx) (time.Time, error) {
	var ms int64
	err := tx.Get([]any{&ms}, `SELECT due FROM `+b.Room+`_outbox ORDER BY due LIMIT 1`)
	if errors.Is(err, store.ErrNoRows) {
		return time.Time{}, nil
	}
	return time.UnixMilli(ms), err
}
