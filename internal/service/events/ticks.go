package events

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// tickBatch is how many rules fire in one transaction.
const tickBatch = 200

// A fired is a rule whose schedule is due.
type fired struct {
	ruleRow
	due int64
}

// tick fires the scheduled rules that are due, and answers when the next is.
// What a rule sends and when it fires next is one transaction: a tick is never
// lost and never sent twice. Of ticks that were missed while nothing ran, the
// first is sent late and the others are not.
func (b *Book) tick(ctx context.Context) (next time.Time, err error) {
	for {
		var wakes []func()
		n := 0
		err := b.DB.Update(ctx, func(tx store.Tx) (err error) {
			wakes, n, next, err = b.fire(tx)
			return err
		})
		if err != nil {
			return time.Time{}, err
		}
		call(wakes)
		if n < tickBatch {
			return next, nil
		}
	}
}

func (b *Book) fire(tx store.Tx) (wakes []func(), n int, next time.Time, err error) {
	now := b.Now()
	due, err := store.All(tx, func(scan func(...any) error) (f fired, err error) {
		r := &f.ruleRow
		return f, scan(&r.bus, &r.name, &r.pattern, &r.schedule, &r.state, &r.description, &r.role, &r.anchor, &f.due)
	}, `SELECT `+ruleColumns+`, due FROM events_rule WHERE due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?`, now.UnixMilli(), tickBatch)
	if err != nil {
		return nil, 0, next, err
	}
	for _, f := range due {
		if _, err := tx.Exec(`UPDATE events_rule SET due = ? WHERE bus = ? AND name = ?`, f.ruleRow.due(now), f.bus, f.name); err != nil {
			return nil, 0, next, err
		}
		more, err := b.sendTick(tx, f)
		if err != nil {
			return nil, 0, next, err
		}
		wakes = append(wakes, more...)
	}
	next, err = earliest(tx, `SELECT due FROM events_rule WHERE due IS NOT NULL ORDER BY due LIMIT 1`)
	return wakes, len(due), next, err
}

// sendTick sends a Scheduled Event to the rule's targets.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
func (b *Book) sendTick(tx store.Tx, f fired) ([]func(), error) {
	r, err := b.routing(tx)
	if err != nil {
		return nil, err
	}
	for _, one := range r.buses[f.bus].rules {
		if one.name != f.name {
			continue
		}
		e, err := b.seal(envelope{
			DetailType: "Scheduled Event", Source: "aws.events", Resources: []string{one.arn}, Detail: json.RawMessage("{}"),
		}, time.UnixMilli(f.due), "")
		if err != nil {
			return nil, err
		}
		return b.deliver(tx, r, one, e)
	}
	return nil, nil
}

// earliest is the time that a query finds first; the zero time for none.
func earliest(tx store.Tx, query string) (time.Time, error) {
	var ms int64
	err := tx.Get([]any{&ms}, query)
	if errors.Is(err, store.ErrNoRows) {
		return time.Time{}, nil
	}
	return time.UnixMilli(ms), err
}
