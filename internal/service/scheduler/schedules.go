package scheduler

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
)

// A schedule is a schedule's row.
type schedule struct {
	id                        int64
	group, name, state, token string
	doc                       doc
	created, modified, anchor int64
	tick, due                 *int64
}

// A doc is what of a schedule is read as a whole. Times are milliseconds.
type doc struct {
	Expression  string
	Zone        string `json:",omitempty"`
	Description string `json:",omitempty"`
	Start, End  int64  `json:",omitempty"`
	Window      int    `json:",omitempty"` // minutes; 0 is off
	KMS         string `json:",omitempty"`
	After       string `json:",omitempty"` // ActionAfterCompletion
	Target      *Target
}

func scanSchedule(scan func(...any) error) (s schedule, err error) {
	var text []byte
	var tick, due int64
	err = scan(&s.id, &s.group, &s.name, &s.state, &s.token, &text, &s.created, &s.modified, &s.anchor, &tick, &due)
	if err != nil {
		return s, err
	}
	if due != 0 {
		s.tick, s.due = &tick, &due
	}
	return s, json.Unmarshal(text, &s.doc)
}

// selected are the columns, with 0 for NULL.
const selected = `id, grp, name, state, token, doc, created, modified, anchor, COALESCE(tick, 0), COALESCE(due, 0)`

func noSchedule(name string) error { return notFound("Schedule %s does not exist.", name) }

func scheduleByName(tx store.Tx, group, name string) (schedule, error) {
	if _, err := groupByName(tx, group); err != nil {
		return schedule{}, err
	}
	rows, err := store.All(tx, scanSchedule, `SELECT `+selected+` FROM scheduler_schedule WHERE grp = ? AND name = ?`, group, name)
	if err != nil {
		return schedule{}, err
	}
	if len(rows) == 0 {
		return schedule{}, noSchedule(name)
	}
	return rows[0], nil
}

func groupOf(name *string) string { return cmp.Or(val(name), defaultGroup) }

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
func (a *api) createSchedule(ctx context.Context, in *CreateScheduleInput) (*CreateScheduleOutput, error) {
	now := a.now()
	s, err := a.read(in, now)
	if err != nil {
		return nil, err
	}
	s.created, s.modified, s.anchor = now.UnixMilli(), now.UnixMilli(), now.UnixMilli()
	a.plan(&s, now.Add(-1), true)
	err = a.DB.Update(ctx, func(tx store.Tx) error {
		if _, err := groupByName(tx, s.group); err != nil {
			return err
		}
		err := s.insert(tx)
		if errors.Is(err, store.ErrConflict) {
			return existing(tx, s)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	a.wake(s)
	return &CreateScheduleOutput{ScheduleArn: new(a.scheduleARN(s.group, s.name))}, nil
}

// existing is no error when the same request made the schedule.
func existing(tx store.Tx, s schedule) error {
	old, err := scheduleByName(tx, s.group, s.name)
	if err == nil && (s.token == "" || old.token != s.token) {
		err = conflict("Schedule %s already exists.", s.name)
	}
	return err
}

func (s *schedule) insert(tx store.Tx) error {
	text, err := json.Marshal(s.doc)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO scheduler_schedule (grp, name, state, target, token, doc, created, modified, anchor, tick, due)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, s.group, s.name, s.state, *s.doc.Target.Arn, s.token, text,
		s.created, s.modified, s.anchor, s.tick, s.due)
	return err
}

// wake tells the alarm of a schedule that was committed.
func (b *Book) wake(s schedule) {
	if s.due != nil {
		b.alarm.Set(time.UnixMilli(*s.due))
	}
}

// What a request does not say is as if the schedule were new.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html
func (a *api) updateSchedule(ctx context.Context, in *UpdateScheduleInput) (*UpdateScheduleOutput, error) {
	now := a.now()
	s, err := a.read((*CreateScheduleInput)(in), now)
	if err != nil {
		return nil, err
	}
	s, err = store.Write(ctx, a.DB, func(tx store.Tx) (schedule, error) { return a.replace(tx, s, now) })
	if err != nil {
		return nil, err
	}
	a.wake(s)
	return &UpdateScheduleOutput{ScheduleArn: new(a.scheduleARN(s.group, s.name))}, nil
}

// replace puts s in the place of the schedule of its name.
func (a *api) replace(tx store.Tx, s schedule, now time.Time) (schedule, error) {
	old, err := scheduleByName(tx, s.group, s.name)
	if err != nil {
		return s, err
	}
	s.id, s.created, s.modified, s.anchor = old.id, old.created, now.UnixMilli(), old.anchor
	same := old.doc.Expression == s.doc.Expression && old.doc.Zone == s.doc.Zone && old.doc.Start == s.doc.Start
	switch {
	case !same:
		s.anchor = now.UnixMilli()
		a.plan(&s, now.Add(-1), true)
	case old.due != nil && s.state == enabled && old.doc.End == s.doc.End && old.doc.Window == s.doc.Window:
		s.tick, s.due = old.tick, old.due
	default:
		a.plan(&s, now, old.due != nil)
	}
	text, err := json.Marshal(s.doc)
	if err != nil {
		return s, err
	}
	_, err = tx.Exec(`UPDATE scheduler_schedule SET state = ?, target = ?, doc = ?, modified = ?, anchor = ?, tick = ?, due = ? WHERE id = ?`,
		s.state, *s.doc.Target.Arn, text, s.modified, s.anchor, s.tick, s.due, s.id)
	return s, err
}

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteSchedule.html
func (a *api) deleteSchedule(ctx context.Context, in *DeleteScheduleInput) (*DeleteScheduleOutput, error) {
	return &DeleteScheduleOutput{}, a.DB.Update(ctx, func(tx store.Tx) error {
		s, err := scheduleByName(tx, groupOf(in.GroupName), *in.Name)
		if err != nil {
			return err
		}
		return s.remove(tx)
	})
}

func (s schedule) remove(tx store.Tx) error {
	_, err := tx.Exec(`DELETE FROM scheduler_schedule WHERE id = ?`, s.id)
	return err
}

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetSchedule.html
func (a *api) getSchedule(ctx context.Context, in *GetScheduleInput) (*GetScheduleOutput, error) {
	s, err := store.Read(ctx, a.DB, func(tx store.Tx) (schedule, error) { return scheduleByName(tx, groupOf(in.GroupName), *in.Name) })
	if err != nil {
		return nil, err
	}
	d := s.doc
	out := &GetScheduleOutput{
		Arn: new(a.scheduleARN(s.group, s.name)), GroupName: &s.group, Name: &s.name, State: &s.state,
		ScheduleExpression: &d.Expression, ScheduleExpressionTimezone: new(cmp.Or(d.Zone, "UTC")),
		FlexibleTimeWindow: &FlexibleTimeWindow{Mode: new("OFF")}, ActionAfterCompletion: new(cmp.Or(d.After, "NONE")),
		CreationDate: moment(s.created), LastModificationDate: moment(s.modified), Target: d.Target,
	}
	if d.Window > 0 {
		out.FlexibleTimeWindow = &FlexibleTimeWindow{Mode: new("FLEXIBLE"), MaximumWindowInMinutes: new(int32(d.Window))}
	}
	if d.Start != 0 {
		out.StartDate = moment(d.Start)
	}
	if d.End != 0 {
		out.EndDate = moment(d.End)
	}
	if d.Description != "" {
		out.Description = &d.Description
	}
	if d.KMS != "" {
		out.KmsKeyArn = &d.KMS
	}
	return out, nil
}

// A summary is what of a schedule is in a list.
type summary struct {
	group, name, state, target string
	created, modified          int64
}

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListSchedules.html
func (a *api) listSchedules(ctx context.Context, in *ListSchedulesInput) (*ListSchedulesOutput, error) {
	p, err := pageOf(in.NextToken, in.NamePrefix, in.MaxResults)
	if err != nil {
		return nil, err
	}
	rows, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]summary, error) {
		if in.GroupName != nil {
			if _, err := groupByName(tx, *in.GroupName); err != nil {
				return nil, err
			}
		}
		return store.All(tx, func(scan func(...any) error) (s summary, err error) {
			return s, scan(&s.group, &s.name, &s.state, &s.target, &s.created, &s.modified)
		}, `SELECT grp, name, state, target, created, modified FROM scheduler_schedule
			WHERE (grp > ? OR grp = ? AND name > ?) AND (? = '' OR grp = ?) AND (? = '' OR state = ?) AND name >= ? AND name < ?
			ORDER BY grp, name LIMIT ?`, p.group, p.group, p.name, val(in.GroupName), val(in.GroupName), val(in.State), val(in.State),
			p.prefix, past(p.prefix), p.size+1)
	})
	if err != nil {
		return nil, err
	}
	out := &ListSchedulesOutput{Schedules: []*ScheduleSummary{}}
	if len(rows) > p.size {
		rows = rows[:p.size]
		out.NextToken = tokenOf(rows[p.size-1].group, rows[p.size-1].name)
	}
	for _, s := range rows {
		out.Schedules = append(out.Schedules, &ScheduleSummary{
			Arn: new(a.scheduleARN(s.group, s.name)), GroupName: &s.group, Name: &s.name, State: &s.state, Target: &TargetSummary{Arn: &s.target},
			CreationDate: moment(s.created), LastModificationDate: moment(s.modified),
		})
	}
	return out, nil
}
