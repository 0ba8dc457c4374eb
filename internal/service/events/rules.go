package events

import (
	"context"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/event/clock"
	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
	maxRules = 300 // on a bus
)

// A ruleRow is a rule as its table has it.
type ruleRow struct {
	bus, name, pattern, schedule, state, description, role string
	anchor                                                 int64
}

const ruleColumns = `bus, name, pattern, schedule, state, description, role, anchor`

func scanRule(scan func(...any) error) (r ruleRow, err error) {
	return r, scan(&r.bus, &r.name, &r.pattern, &r.schedule, &r.state, &r.description, &r.role, &r.anchor)
}

// ruleByName reads a rule; its error is in AWS's words.
func ruleByName(tx store.Tx, bus, name string) (ruleRow, error) {
	rows, err := store.All(tx, scanRule, `SELECT `+ruleColumns+` FROM events_rule WHERE bus = ? AND name = ?`, bus, name)
	if err != nil {
		return ruleRow{}, err
	}
	if len(rows) > 0 {
		return rows[0], nil
	}
	if _, err := busByName(tx, bus); err != nil {
		return ruleRow{}, err
	}
	return ruleRow{}, notFound("Rule %s does not exist on EventBus %s.", name, bus)
}

// badPattern says why a pattern is refused.
func badPattern(err error) error {
	return awserr.New(400, "InvalidEventPatternException", "Event pattern is not valid. Reason: %s", err)
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
func (a *api) putRule(ctx context.Context, in *PutRuleRequest) (*PutRuleResponse, error) {
	r := ruleRow{
		bus: busOf(in.EventBusName), name: *in.Name, pattern: val(in.EventPattern), schedule: val(in.ScheduleExpression),
		state: enabled, description: val(in.Description), role: val(in.RoleArn),
	}
	if in.State != nil {
		r.state = *in.State
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	var due *int64
	err := a.change(ctx, func(tx store.Tx) (err error) {
		due, err = a.saveRule(tx, r, in.Tags)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.wake(due)
	return &PutRuleResponse{RuleArn: new(a.ruleARN(r.bus, r.name))}, nil
}

// check holds a rule to what the model cannot say.
func (r ruleRow) check() error {
	if r.pattern == "" && r.schedule == "" {
		return invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	if r.pattern != "" {
		if _, err := filter.Parse([]byte(r.pattern)); err != nil {
			return badPattern(err)
		}
	}
	if r.schedule == "" {
		return nil
	}
	if r.bus != defaultBus {
		return invalid("ScheduleExpression is supported only on the default event bus.")
	}
	if _, err := clock.Parse(clock.Rules, r.schedule); err != nil {
		return invalid("Parameter ScheduleExpression is not valid.")
	}
	return nil
}

// saveRule makes or changes a rule, and answers when it is due.
func (a *api) saveRule(tx store.Tx, r ruleRow, tags []*Tag) (*int64, error) {
	if _, err := busByName(tx, r.bus); err != nil {
		return nil, err
	}
	old, err := ruleByName(tx, r.bus, r.name)
	fresh := err != nil
	if fresh {
		var n int
		if err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM events_rule WHERE bus = ?`, r.bus); err != nil {
			return nil, err
		}
		if n >= maxRules {
			return nil, tooMany()
		}
	}
	r.anchor = old.anchor
	if fresh || old.schedule != r.schedule {
		r.anchor = a.nowMilli()
	}
	due := r.due(a.Now())
	_, err = tx.Exec(`INSERT INTO events_rule (`+ruleColumns+`, due) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (bus, name) DO UPDATE SET pattern = excluded.pattern, schedule = excluded.schedule, state = excluded.state,
			description = excluded.description, role = excluded.role, anchor = excluded.anchor, due = excluded.due`,
		r.bus, r.name, r.pattern, r.schedule, r.state, r.description, r.role, r.anchor, due)
	if err != nil || !fresh { // tags of a rule that was there are ignored, as AWS does
		return due, err
	}
	return due, putTags(tx, a.ruleARN(r.bus, r.name), tags)
}

// due is when the schedule fires after t, nil for never.
func (r ruleRow) due(t time.Time) *int64 {
	if r.schedule == "" || r.state == disabled {
		return nil
	}
	e, err := clock.Parse(clock.Rules, r.schedule)
	if err != nil {
		return nil // it was checked when it was put
	}
	next, ok := e.From(time.UnixMilli(r.anchor)).Next(t)
	if !ok {
		return nil
	}
	return new(next.UnixMilli())
}

// wake tells the alarm of a rule that was committed.
func (b *Book) wake(due *int64) {
	if due != nil {
		b.ticks.Set(time.UnixMilli(*due))
	}
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeRule.html
func (a *api) describeRule(ctx context.Context, in *DescribeRuleRequest) (*DescribeRuleResponse, error) {
	r, err := store.Read(ctx, a.DB, func(tx store.Tx) (ruleRow, error) { return ruleByName(tx, busOf(in.EventBusName), *in.Name) })
	return &DescribeRuleResponse{
		Arn: new(a.ruleARN(r.bus, r.name)), Name: &r.name, EventBusName: &r.bus, EventPattern: some(r.pattern),
		ScheduleExpression: some(r.schedule), State: &r.state, Description: some(r.description), RoleArn: some(r.role), CreatedBy: &a.Account,
	}, err
}

// That a rule is not there is no error.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteRule.html
func (a *api) deleteRule(ctx context.Context, in *DeleteRuleRequest) (*DeleteRuleResponse, error) {
	bus := busOf(in.EventBusName)
	return &DeleteRuleResponse{}, a.change(ctx, func(tx store.Tx) error {
		if _, err := busByName(tx, bus); err != nil {
			return err
		}
		var n int
		if err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM events_target WHERE bus = ? AND rule = ?`, bus, *in.Name); err != nil {
			return err
		}
		if n > 0 {
			return invalid("Rule can't be deleted since it has targets.")
		}
		if _, err := tx.Exec(`DELETE FROM events_rule WHERE bus = ? AND name = ?`, bus, *in.Name); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM events_tag WHERE arn = ?`, a.ruleARN(bus, *in.Name))
		return err
	})
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EnableRule.html
func (a *api) enableRule(ctx context.Context, in *EnableRuleRequest) (*EnableRuleResponse, error) {
	return &EnableRuleResponse{}, a.setState(ctx, in.EventBusName, *in.Name, enabled)
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DisableRule.html
func (a *api) disableRule(ctx context.Context, in *DisableRuleRequest) (*DisableRuleResponse, error) {
	return &DisableRuleResponse{}, a.setState(ctx, in.EventBusName, *in.Name, disabled)
}

func (a *api) setState(ctx context.Context, bus *string, name, state string) error {
	var due *int64
	err := a.change(ctx, func(tx store.Tx) error {
		r, err := ruleByName(tx, busOf(bus), name)
		if err != nil {
			return err
		}
		r.state = state
		due = r.due(a.Now())
		_, err = tx.Exec(`UPDATE events_rule SET state = ?, due = ? WHERE bus = ? AND name = ?`, state, due, r.bus, r.name)
		return err
	})
	if err == nil {
		a.wake(due)
	}
	return err
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRules.html
func (a *api) listRules(ctx context.Context, in *ListRulesRequest) (*ListRulesResponse, error) {
	p, err := pageOf(in.NextToken, in.NamePrefix, in.Limit)
	if err != nil {
		return nil, err
	}
	bus := busOf(in.EventBusName)
	rows, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]ruleRow, error) {
		if _, err := busByName(tx, bus); err != nil {
			return nil, err
		}
		return store.All(tx, scanRule, `SELECT `+ruleColumns+` FROM events_rule
			WHERE bus = ? AND name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?`, bus, p.after, p.prefix, past(p.prefix), p.size+1)
	})
	if err != nil {
		return nil, err
	}
	rows, next := cut(rows, p, func(r ruleRow) string { return r.name })
	out := &ListRulesResponse{Rules: []*Rule{}, NextToken: next}
	for _, r := range rows {
		out.Rules = append(out.Rules, &Rule{
			Arn: new(a.ruleARN(r.bus, r.name)), Name: &r.name, EventBusName: &r.bus, EventPattern: some(r.pattern),
			ScheduleExpression: some(r.schedule), State: &r.state, Description: some(r.description), RoleArn: some(r.role),
		})
	}
	return out, nil
}
