package events

import (
	"context"
	"errors"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	defaultBus = "default"
	maxBuses   = 100
)

// A busRow is a bus as its table has it.
type busRow struct {
	name, description, policy, kms, dead, level, detail string
	created, modified                                   int64
}

const busColumns = `name, description, policy, kms, dead, log_level, log_detail, created, modified`

func scanBus(scan func(...any) error) (r busRow, err error) {
	return r, scan(&r.name, &r.description, &r.policy, &r.kms, &r.dead, &r.level, &r.detail, &r.created, &r.modified)
}

func noBus(name string) error { return notFound("Event bus %s does not exist.", name) }

func busByName(tx store.Tx, name string) (busRow, error) {
	rows, err := store.All(tx, scanBus, `SELECT `+busColumns+` FROM events_bus WHERE name = ?`, name)
	if err != nil {
		return busRow{}, err
	}
	if len(rows) == 0 {
		return busRow{}, noBus(name)
	}
	return rows[0], nil
}

func insertBus(tx store.Tx, r busRow) error {
	_, err := tx.Exec(`INSERT INTO events_bus (`+busColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.name, r.description, r.policy, r.kms, r.dead, r.level, r.detail, r.created, r.modified)
	return err
}

// ensureDefault makes the bus that every account has.
func (b *Book) ensureDefault(tx store.Tx) error {
	var n int
	if err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM events_bus WHERE name = ?`, defaultBus); err != nil || n > 0 {
		return err
	}
	now := b.nowMilli()
	return insertBus(tx, busRow{name: defaultBus, created: now, modified: now})
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html
func (a *api) createEventBus(ctx context.Context, in *CreateEventBusRequest) (*CreateEventBusResponse, error) {
	if in.EventSourceName != nil {
		return nil, invalid("Mayfly has no partner event sources.")
	}
	now := a.nowMilli()
	r := busRow{name: *in.Name, created: now, modified: now}
	r.apply(in.Description, in.KmsKeyIdentifier, in.DeadLetterConfig, in.LogConfig)
	err := a.change(ctx, func(tx store.Tx) error {
		var n int
		if err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM events_bus`); err != nil {
			return err
		}
		if n >= maxBuses {
			return tooMany()
		}
		if err := insertBus(tx, r); err != nil {
			return err
		}
		return putTags(tx, a.busARN(r.name), in.Tags)
	})
	if errors.Is(err, store.ErrConflict) {
		err = exists("Event bus %s already exists.", r.name)
	}
	return &CreateEventBusResponse{
		EventBusArn: new(a.busARN(r.name)), Description: in.Description, KmsKeyIdentifier: in.KmsKeyIdentifier,
		DeadLetterConfig: in.DeadLetterConfig, LogConfig: in.LogConfig,
	}, err
}

// apply changes what a request sets.
func (r *busRow) apply(description, kms *string, dead *DeadLetterConfig, log *LogConfig) {
	if description != nil {
		r.description = *description
	}
	if kms != nil {
		r.kms = *kms
	}
	if dead != nil {
		r.dead = val(dead.Arn)
	}
	if log != nil {
		r.level, r.detail = val(log.Level), val(log.IncludeDetail)
	}
}

func (r busRow) deadLetter() *DeadLetterConfig {
	if r.dead == "" {
		return nil
	}
	return &DeadLetterConfig{Arn: &r.dead}
}

func (r busRow) logging() *LogConfig {
	if r.level == "" && r.detail == "" {
		return nil
	}
	return &LogConfig{Level: some(r.level), IncludeDetail: some(r.detail)}
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateEventBus.html
func (a *api) updateEventBus(ctx context.Context, in *UpdateEventBusRequest) (*UpdateEventBusResponse, error) {
	var r busRow
	err := a.change(ctx, func(tx store.Tx) (err error) {
		if r, err = busByName(tx, busOf(in.Name)); err != nil {
			return err
		}
		r.apply(in.Description, in.KmsKeyIdentifier, in.DeadLetterConfig, in.LogConfig)
		_, err = tx.Exec(`UPDATE events_bus SET description = ?, kms = ?, dead = ?, log_level = ?, log_detail = ?, modified = ? WHERE name = ?`,
			r.description, r.kms, r.dead, r.level, r.detail, a.nowMilli(), r.name)
		return err
	})
	return &UpdateEventBusResponse{
		Arn: new(a.busARN(r.name)), Name: &r.name, Description: some(r.description), KmsKeyIdentifier: some(r.kms),
		DeadLetterConfig: r.deadLetter(), LogConfig: r.logging(),
	}, err
}

// A bus goes with its rules; that it is not there is no error.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteEventBus.html
func (a *api) deleteEventBus(ctx context.Context, in *DeleteEventBusRequest) (*DeleteEventBusResponse, error) {
	name := busOf(in.Name)
	if name == defaultBus {
		return nil, invalid("Cannot delete event bus default.")
	}
	return &DeleteEventBusResponse{}, a.change(ctx, func(tx store.Tx) error {
		for _, q := range []string{
			`DELETE FROM events_target WHERE bus = ?`, `DELETE FROM events_rule WHERE bus = ?`, `DELETE FROM events_bus WHERE name = ?`,
		} {
			if _, err := tx.Exec(q, name); err != nil {
				return err
			}
		}
		rules := a.arn("rule/" + name + "/")
		_, err := tx.Exec(`DELETE FROM events_tag WHERE arn = ? OR arn >= ? AND arn < ?`, a.busARN(name), rules, past(rules))
		return err
	})
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeEventBus.html
func (a *api) describeEventBus(ctx context.Context, in *DescribeEventBusRequest) (*DescribeEventBusResponse, error) {
	r, err := store.Read(ctx, a.DB, func(tx store.Tx) (busRow, error) { return busByName(tx, busOf(in.Name)) })
	return &DescribeEventBusResponse{
		Arn: new(a.busARN(r.name)), Name: &r.name, Description: some(r.description), KmsKeyIdentifier: some(r.kms), Policy: some(r.policy),
		DeadLetterConfig: r.deadLetter(), LogConfig: r.logging(), CreationTime: moment(r.created), LastModifiedTime: moment(r.modified),
	}, err
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListEventBuses.html
func (a *api) listEventBuses(ctx context.Context, in *ListEventBusesRequest) (*ListEventBusesResponse, error) {
	p, err := pageOf(in.NextToken, in.NamePrefix, in.Limit)
	if err != nil {
		return nil, err
	}
	rows, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]busRow, error) {
		return store.All(tx, scanBus, `SELECT `+busColumns+` FROM events_bus WHERE name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?`,
			p.after, p.prefix, past(p.prefix), p.size+1)
	})
	if err != nil {
		return nil, err
	}
	rows, next := cut(rows, p, func(r busRow) string { return r.name })
	out := &ListEventBusesResponse{EventBuses: []*EventBus{}, NextToken: next}
	for _, r := range rows {
		out.EventBuses = append(out.EventBuses, &EventBus{
			Arn: new(a.busARN(r.name)), Name: &r.name, Description: some(r.description), Policy: some(r.policy),
			CreationTime: moment(r.created), LastModifiedTime: moment(r.modified),
		})
	}
	return out, nil
}
