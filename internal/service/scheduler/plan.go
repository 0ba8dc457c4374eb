package scheduler

import (
	"math/rand/v2"
	"time"

	// Schedules name time zones, and not every machine has their table.
	_ "time/tzdata"

	"github.com/mayfly-faas/mayfly/internal/event/clock"
)

// read makes a schedule of a request, and holds it to what the model cannot say.
func (b *Book) read(in *CreateScheduleInput, now time.Time) (schedule, error) {
	s := schedule{group: groupOf(in.GroupName), name: *in.Name, state: enabled, token: val(in.ClientToken)}
	if in.State != nil {
		s.state = *in.State
	}
	s.doc = doc{
		Expression: *in.ScheduleExpression, Zone: val(in.ScheduleExpressionTimezone), Description: val(in.Description),
		KMS: val(in.KmsKeyArn), After: val(in.ActionAfterCompletion), Target: in.Target,
	}
	if _, err := clock.Parse(clock.Scheduler, s.doc.Expression); err != nil {
		return s, invalid("Invalid Schedule Expression %s.", s.doc.Expression)
	}
	if _, err := b.zone(s.doc.Zone); err != nil {
		return s, invalid("Invalid Schedule Expression Timezone %s.", s.doc.Zone)
	}
	if err := s.doc.window(in.FlexibleTimeWindow); err != nil {
		return s, err
	}
	if err := s.doc.dates(in, now); err != nil {
		return s, err
	}
	_, err := b.deliveries(&s, now, "")
	return s, err
}

func (d *doc) window(w *FlexibleTimeWindow) error {
	switch {
	case *w.Mode == "FLEXIBLE" && w.MaximumWindowInMinutes == nil:
		return invalid("FlexibleTimeWindow.MaximumWindowInMinutes must be specified when FlexibleTimeWindow.Mode is FLEXIBLE.")
	case *w.Mode == "OFF" && w.MaximumWindowInMinutes != nil:
		return invalid("FlexibleTimeWindow.MaximumWindowInMinutes must not be specified when FlexibleTimeWindow.Mode is OFF.")
	}
	d.Window = int(val(w.MaximumWindowInMinutes))
	return nil
}

func (d *doc) dates(in *CreateScheduleInput, now time.Time) error {
	if in.StartDate != nil {
		if in.StartDate.Before(now.Add(-5 * time.Minute)) {
			return invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
		}
		d.Start = in.StartDate.UnixMilli()
	}
	if in.EndDate != nil {
		d.End = in.EndDate.UnixMilli()
		switch {
		case in.EndDate.Before(now):
			return invalid("The EndDate you specify cannot be in the past.")
		case d.Start >= d.End:
			return invalid("The StartDate must come before the EndDate.")
		}
	}
	return nil
}

// zone is the time zone of a name, UTC for none.
func (b *Book) zone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if z, ok := b.zones.Load(name); ok {
		return z.(*time.Location), nil
	}
	if name == "Local" { // Go's name for whatever the machine has
		return nil, clock.ErrSyntax
	}
	z, err := time.LoadLocation(name)
	if err == nil {
		b.zones.Store(name, z)
	}
	return z, err
}

// plan says when s is due after a time. A one-time schedule whose time has gone
// by is due now when late is set: it was made too late, or was disabled.
func (b *Book) plan(s *schedule, after time.Time, late bool) {
	s.tick, s.due = nil, nil
	if s.state == disabled {
		return
	}
	t, ok := b.next(s, after, late)
	if !ok {
		return
	}
	due := t
	if s.doc.Window > 0 {
		due = t.Add(rand.N(time.Duration(s.doc.Window) * time.Minute))
	}
	s.tick, s.due = new(t.UnixMilli()), new(due.UnixMilli())
}

// next is the first tick of s after a time; false when there is none.
func (b *Book) next(s *schedule, after time.Time, late bool) (time.Time, bool) {
	e, err := clock.Parse(clock.Scheduler, s.doc.Expression)
	if err != nil {
		return time.Time{}, false // it was checked when it was put
	}
	zone, err := b.zone(s.doc.Zone)
	if err != nil {
		return time.Time{}, false
	}
	e = e.In(zone).From(time.UnixMilli(s.anchor))
	if e.Once() { // start and end are ignored
		if late {
			after = time.Time{}
		}
		return e.Next(after)
	}
	if s.doc.Start != 0 {
		start := time.UnixMilli(s.doc.Start)
		e = e.From(start)
		if after.Before(start) {
			after = start.Add(-1)
		}
	}
	t, ok := e.Next(after)
	return t, ok && (s.doc.End == 0 || t.UnixMilli() <= s.doc.End)
}
