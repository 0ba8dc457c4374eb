package cli

import (
	"context"
	"net/url"
	"strings"
)

// attachRule makes a rule on a bus that invokes the function.
func (a *attacher) attachRule(ctx context.Context, t trigger) (action string, err error) {
	bus, name := lastPart(t.Bus), a.name(t)
	if err := a.bus(ctx, bus); err != nil {
		return "", err
	}
	a.wanted[name] = true
	var have struct{ Targets []any }
	err = a.api.events(ctx, "ListTargetsByRule", map[string]any{"Rule": name, "EventBusName": bus}, &have)
	if _, ok := a.policy[name]; ok && err == nil && len(have.Targets) > 0 {
		return "unchanged", nil
	} else if err != nil && !is(err, "ResourceNotFoundException") {
		return "", err
	}
	to, err := a.target(ctx, t)
	if err != nil {
		return "", err
	}
	to["Id"] = "function"
	rule := map[string]any{"Name": name, "EventBusName": bus, "EventPattern": compact(t.Pattern), "Description": "made by mayfly deploy"}
	if err := a.api.events(ctx, "PutRule", rule, nil); err != nil {
		return "", err
	}
	path := name
	if bus != "default" {
		path = bus + "/" + name
	}
	if err := a.permit(ctx, name, "events.amazonaws.com", a.arn("events", "rule/"+path)); err != nil {
		return "", err
	}
	var out struct {
		FailedEntries []struct{ ErrorCode, ErrorMessage string }
	}
	err = a.api.events(ctx, "PutTargets", map[string]any{"Rule": name, "EventBusName": bus, "Targets": []any{to}}, &out)
	if err == nil && len(out.FailedEntries) > 0 {
		err = fail("%s", out.FailedEntries[0].ErrorMessage)
	}
	return "created", err
}

// target is the function as a target of a rule or a schedule.
func (a *attacher) target(ctx context.Context, t trigger) (map[string]any, error) {
	to := map[string]any{"Arn": a.f.FunctionArn}
	if t.Input != nil {
		to["Input"] = compact(t.Input)
	}
	if t.Retries != nil {
		to["RetryPolicy"] = map[string]int{"MaximumRetryAttempts": *t.Retries}
	}
	if t.DeadLetter != "" {
		dead, err := a.queue(ctx, t.DeadLetter)
		if err != nil {
			return nil, err
		}
		to["DeadLetterConfig"] = map[string]string{"Arn": dead}
	}
	return to, nil
}

// bus finds an event bus or makes it.
func (a *attacher) bus(ctx context.Context, name string) error {
	err := a.api.events(ctx, "DescribeEventBus", map[string]any{"Name": name}, nil)
	if !is(err, "ResourceNotFoundException") {
		return err
	}
	if err := a.api.events(ctx, "CreateEventBus", map[string]any{"Name": name}, nil); err != nil {
		return err
	}
	a.said(did{"created", "bus " + name})
	return nil
}

// deleteRule deletes a rule that an ARN names, if it is there.
func (a *attacher) deleteRule(ctx context.Context, arn string) error {
	_, path, _ := strings.Cut(arn, ":rule/")
	bus, name, ok := strings.Cut(path, "/")
	if !ok {
		bus, name = "default", path
	}
	in := map[string]any{"Rule": name, "EventBusName": bus, "Ids": []string{"function"}}
	err := a.api.events(ctx, "RemoveTargets", in, nil)
	if err == nil {
		err = a.api.events(ctx, "DeleteRule", map[string]any{"Name": name, "EventBusName": bus}, nil)
	}
	if is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}

// attachSchedule makes a schedule that invokes the function.
func (a *attacher) attachSchedule(ctx context.Context, t trigger) (action string, err error) {
	name := a.name(t)
	a.wanted[name] = true
	path := "/schedules/" + url.PathEscape(name)
	if err := a.api.rest(ctx, "scheduler", "GET", path, nil, nil); !is(err, "ResourceNotFoundException") {
		return "unchanged", err
	}
	to, err := a.target(ctx, t)
	if err != nil {
		return "", err
	}
	to["RoleArn"] = a.f.Role
	in := map[string]any{
		"ScheduleExpression": t.Schedule, "FlexibleTimeWindow": map[string]string{"Mode": "OFF"},
		"Target": to, "Description": "made by mayfly deploy",
	}
	if t.Timezone != "" {
		in["ScheduleExpressionTimezone"] = t.Timezone
	}
	return "created", a.api.rest(ctx, "scheduler", "POST", path, in, nil)
}

// pruneSchedules deletes the function's schedules that nothing wants any more.
func (a *attacher) pruneSchedules(ctx context.Context) error {
	query := url.Values{"NamePrefix": {a.prefix()}, "ScheduleGroup": {"default"}}
	var gone []string
	for {
		var out struct {
			Schedules []struct {
				Name   string
				Target struct{ Arn string }
			}
			NextToken string
		}
		if err := a.api.rest(ctx, "scheduler", "GET", "/schedules?"+query.Encode(), nil, &out); err != nil {
			return err
		}
		for _, s := range out.Schedules { // the prefix of another function may begin with ours
			if s.Target.Arn == a.f.FunctionArn && !a.wanted[s.Name] {
				gone = append(gone, s.Name)
			}
		}
		if out.NextToken == "" {
			break
		}
		query.Set("NextToken", out.NextToken)
	}
	for _, name := range gone {
		if err := a.api.rest(ctx, "scheduler", "DELETE", "/schedules/"+url.PathEscape(name), nil, nil); err != nil {
			return err
		}
		a.said(did{"deleted", "schedule " + name})
	}
	return nil
}
