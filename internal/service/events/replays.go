package events

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// The states of a replay. CANCELLING passes in the transaction that cancels.
const (
	starting  = "STARTING"
	running   = "RUNNING"
	completed = "COMPLETED"
	cancelled = "CANCELLED"
)

// replayBatch is how many events are replayed in one transaction.
const replayBatch = 100

// A replayRow is a replay as its table has it.
type replayRow struct {
	name, archive, bus, filters, description, state, reason string
	begins, ends, started, ended, lastAt, lastID            int64
}

const replayColumns = `name, archive, bus, filters, description, state, reason, begins, ends, started, ended, last_at, last_id`

func scanReplay(scan func(...any) error) (r replayRow, err error) {
	return r, scan(&r.name, &r.archive, &r.bus, &r.filters, &r.description, &r.state, &r.reason,
		&r.begins, &r.ends, &r.started, &r.ended, &r.lastAt, &r.lastID)
}

func replayByName(tx store.Tx, name string) (replayRow, error) {
	rows, err := store.All(tx, scanReplay, `SELECT `+replayColumns+` FROM events_replay WHERE name = ?`, name)
	if err != nil {
		return replayRow{}, err
	}
	if len(rows) == 0 {
		return replayRow{}, notFound("Replay %s does not exist.", name)
	}
	return rows[0], nil
}

func (b *Book) replayARN(name string) string { return b.arn("replay/" + name) }

// replay goes on with all replays until they are through.
func (b *Book) replay(ctx context.Context) (time.Time, error) {
	for {
		var wakes []func()
		more := false
		err := b.DB.Update(ctx, func(tx store.Tx) error {
			wakes, more = nil, false
			active, err := store.All(tx, scanReplay, `SELECT `+replayColumns+` FROM events_replay WHERE state = ? OR state = ? ORDER BY started, name`,
				starting, running)
			if err != nil {
				return err
			}
			for _, r := range active {
				w, err := b.advance(tx, r)
				if err != nil {
					return err
				}
				wakes = append(wakes, w...)
				more = true
			}
			return nil
		})
		if err != nil {
			return time.Time{}, err
		}
		call(wakes)
		if !more {
			return time.Time{}, nil
		}
	}
}

// An archived is an event in an archive.
type archived struct {
	id, at int64
	raw    []byte
}

// advance sends the next events of a replay, and says how far it is, in one
// transaction: a restart goes on behind the last one.
func (b *Book) advance(tx store.Tx, r replayRow) (wakes []func(), err error) {
	events, err := store.All(tx, func(scan func(...any) error) (e archived, err error) { return e, scan(&e.id, &e.at, &e.raw) },
		`SELECT id, at, event FROM events_archived WHERE archive = ? AND at >= ? AND at < ? AND (at > ? OR at = ? AND id > ?)
			ORDER BY at, id LIMIT ?`, r.archive, r.begins, r.ends, r.lastAt, r.lastAt, r.lastID, replayBatch)
	if err != nil {
		return nil, err
	}
	var only []string
	if err := json.Unmarshal([]byte(r.filters), &only); err != nil {
		return nil, err
	}
	to, err := b.routing(tx)
	if err != nil {
		return nil, err
	}
	for _, kept := range events {
		more, err := b.again(tx, to, r, kept, only)
		if err != nil {
			return nil, err
		}
		wakes = append(wakes, more...)
		r.lastAt, r.lastID = kept.at, kept.id
	}
	r.state = running
	if len(events) < replayBatch {
		r.state, r.ended = completed, b.nowMilli()
	}
	_, err = tx.Exec(`UPDATE events_replay SET state = ?, ended = ?, last_at = ?, last_id = ? WHERE name = ?`, r.state, r.ended, r.lastAt, r.lastID, r.name)
	return wakes, err
}

// again sends an archived event, under the replay's name.
func (b *Book) again(tx store.Tx, to *routes, r replayRow, kept archived, only []string) ([]func(), error) {
	var v envelope
	if err := json.Unmarshal(kept.raw, &v); err != nil {
		return nil, err
	}
	v.ReplayName = r.name
	e, err := b.seal(v, time.UnixMilli(kept.at), "")
	if err != nil {
		return nil, err
	}
	return b.route(tx, to, r.bus, e, only)
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_StartReplay.html
func (a *api) startReplay(ctx context.Context, in *StartReplayRequest) (*StartReplayResponse, error) {
	if !in.EventStartTime.Before(in.EventEndTime.Time) {
		return nil, invalid("Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
	}
	filters, err := json.Marshal(in.Destination.FilterArns)
	if err != nil {
		return nil, err
	}
	r := replayRow{
		name: *in.ReplayName, archive: archiveOf(*in.EventSourceArn), bus: busOf(in.Destination.Arn), filters: string(filters),
		description: val(in.Description), state: starting, begins: in.EventStartTime.UnixMilli(), ends: in.EventEndTime.UnixMilli(),
		started: a.nowMilli(),
	}
	err = a.DB.Update(ctx, func(tx store.Tx) error { return a.insertReplay(tx, r) })
	if errors.Is(err, store.ErrConflict) {
		err = exists("Replay %s already exists.", r.name)
	}
	if err != nil {
		return nil, err
	}
	a.replays.Set(a.Now())
	return &StartReplayResponse{
		ReplayArn: new(a.replayARN(r.name)), ReplayStartTime: moment(r.started), State: new(starting),
	}, nil
}

func (a *api) insertReplay(tx store.Tx, r replayRow) error {
	kept, err := archiveByName(tx, r.archive)
	if err != nil {
		if _, ok := errors.AsType[*awserr.Error](err); ok {
			err = invalid("Parameter EventSourceArn is not valid. Reason: Archive %s does not exist.", r.archive)
		}
		return err
	}
	if _, err := busByName(tx, r.bus); err != nil {
		return err
	}
	if kept.bus != r.bus {
		return invalid("Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
	}
	_, err = tx.Exec(`INSERT INTO events_replay (`+replayColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.name, r.archive, r.bus, r.filters, r.description, r.state, r.reason, r.begins, r.ends, r.started, r.ended, r.begins-1, 0)
	return err
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CancelReplay.html
func (a *api) cancelReplay(ctx context.Context, in *CancelReplayRequest) (*CancelReplayResponse, error) {
	err := a.DB.Update(ctx, func(tx store.Tx) error {
		r, err := replayByName(tx, *in.ReplayName)
		if err != nil {
			return err
		}
		if r.state != starting && r.state != running {
			return awserr.New(400, "IllegalStatusException", "Replay %s is not in a valid state for this operation.", r.name)
		}
		_, err = tx.Exec(`UPDATE events_replay SET state = ?, ended = ? WHERE name = ?`, cancelled, a.nowMilli(), r.name)
		return err
	})
	return &CancelReplayResponse{ReplayArn: new(a.replayARN(*in.ReplayName)), State: new("CANCELLING")}, err
}

// lastReplayed is the time of the event that was replayed last; nil for none.
func (r replayRow) lastReplayed() int64 {
	if r.lastAt < r.begins {
		return 0
	}
	return r.lastAt
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeReplay.html
func (a *api) describeReplay(ctx context.Context, in *DescribeReplayRequest) (*DescribeReplayResponse, error) {
	r, err := store.Read(ctx, a.DB, func(tx store.Tx) (replayRow, error) { return replayByName(tx, *in.ReplayName) })
	if err != nil {
		return nil, err
	}
	to := &ReplayDestination{Arn: new(a.busARN(r.bus))}
	if err := json.Unmarshal([]byte(r.filters), &to.FilterArns); err != nil {
		return nil, err
	}
	return &DescribeReplayResponse{
		ReplayArn: new(a.replayARN(r.name)), ReplayName: &r.name, Description: some(r.description), Destination: to,
		EventSourceArn: new(a.archiveARN(r.archive)), State: &r.state, StateReason: some(r.reason),
		EventStartTime: moment(r.begins), EventEndTime: moment(r.ends), EventLastReplayedTime: moment(r.lastReplayed()),
		ReplayStartTime: moment(r.started), ReplayEndTime: moment(r.ended),
	}, nil
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListReplays.html
func (a *api) listReplays(ctx context.Context, in *ListReplaysRequest) (*ListReplaysResponse, error) {
	p, err := pageOf(in.NextToken, in.NamePrefix, in.Limit)
	if err != nil {
		return nil, err
	}
	archive, state := archiveOf(val(in.EventSourceArn)), val(in.State)
	rows, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]replayRow, error) {
		return store.All(tx, scanReplay, `SELECT `+replayColumns+` FROM events_replay
			WHERE name > ? AND name >= ? AND name < ? AND (? = '' OR archive = ?) AND (? = '' OR state = ?) ORDER BY name LIMIT ?`,
			p.after, p.prefix, past(p.prefix), archive, archive, state, state, p.size+1)
	})
	if err != nil {
		return nil, err
	}
	rows, next := cut(rows, p, func(r replayRow) string { return r.name })
	out := &ListReplaysResponse{Replays: []*Replay{}, NextToken: next}
	for _, r := range rows {
		out.Replays = append(out.Replays, &Replay{
			ReplayName: &r.name, EventSourceArn: new(a.archiveARN(r.archive)), State: &r.state, StateReason: some(r.reason),
			EventStartTime: moment(r.begins), EventEndTime: moment(r.ends), EventLastReplayedTime: moment(r.lastReplayed()),
			ReplayStartTime: moment(r.started), ReplayEndTime: moment(r.ended),
		})
	}
	return out, nil
}
