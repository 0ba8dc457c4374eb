package scheduler

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

// A client calls the service as clients do, in real time.
type client struct {
	*wiretest.Client
	t testing.TB
}

type in = map[string]any

func newClient(t testing.TB) *client {
	db := openDB(t, filepath.Join(t.TempDir(), "x.db"))
	w := openWorld(t, db)
	t.Cleanup(func() { w.Close(); db.Close() })
	return &client{wiretest.New(t, Service(w.Book)), t}
}

// ok calls op and wants success.
func (c *client) ok(op string, in, out any) wiretest.Answer {
	c.t.Helper()
	a := c.Do(op, in, out)
	if a.Status != 200 {
		c.t.Fatalf("%s: %d %s: %s", op, a.Status, a.Code, a.Message)
	}
	return a
}

// refused calls op and wants an error whose message begins with message.
func (c *client) refused(op string, in any, status int, code, message string) {
	c.t.Helper()
	a := c.Do(op, in, nil)
	if a.Status != status || a.Code != code || !strings.HasPrefix(a.Message, message) {
		c.t.Errorf("%s %v: %d %s: %s\nwant %s: %s", op, in, a.Status, a.Code, a.Message, code, message)
	}
}

// with is a good request for CreateSchedule with changes.
func with(changes in) in {
	r := in{
		"Name": "s", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": in{"Mode": "OFF"}, "State": "DISABLED",
		"Target": in{"Arn": queue, "RoleArn": role, "Input": "{}"},
	}
	for k, v := range changes {
		r[k] = v
	}
	return r
}

func to(changes in) in {
	t := in{"Arn": queue, "RoleArn": role}
	for k, v := range changes {
		t[k] = v
	}
	return in{"Target": t}
}

func TestScheduleAPI(t *testing.T) {
	c := newClient(t)
	var made CreateScheduleOutput
	c.ok("CreateSchedule", with(in{
		"ScheduleExpression": "cron(0 9 ? * MON-FRI *)", "ScheduleExpressionTimezone": "Europe/Berlin", "Description": "work",
		"FlexibleTimeWindow": in{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}, "ActionAfterCompletion": "DELETE", "EndDate": 4102444800,
	}), &made)
	if *made.ScheduleArn != "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s" {
		t.Error(*made.ScheduleArn)
	}
	var got GetScheduleOutput
	a := c.ok("GetSchedule", in{"Name": "s"}, &got)
	if *got.ScheduleExpressionTimezone != "Europe/Berlin" || *got.Description != "work" || *got.FlexibleTimeWindow.MaximumWindowInMinutes != 15 ||
		*got.ActionAfterCompletion != "DELETE" || got.EndDate.Unix() != 4102444800 || got.StartDate != nil || *got.Target.Input != "{}" ||
		*got.State != "DISABLED" || *got.GroupName != "default" {
		t.Errorf("%s", a.Body)
	}
	c.ok("UpdateSchedule", with(in{"ScheduleExpression": "at(2099-01-01T00:00:00)"}), nil)
	got = GetScheduleOutput{}
	a = c.ok("GetSchedule", in{"Name": "s", "groupName": "default"}, &got)
	if *got.ScheduleExpressionTimezone != "UTC" || got.Description != nil || *got.FlexibleTimeWindow.Mode != "OFF" || *got.ActionAfterCompletion != "NONE" {
		t.Errorf("what the update does not say is kept: %s", a.Body)
	}
	c.refused("CreateSchedule", with(nil), 409, "ConflictException", "Schedule s already exists.")
	c.ok("DeleteSchedule", in{"Name": "s"}, nil)
	for _, op := range []string{"GetSchedule", "DeleteSchedule"} {
		c.refused(op, in{"Name": "s"}, 404, "ResourceNotFoundException", "Schedule s does not exist.")
		c.refused(op, in{"Name": "s", "groupName": "nope"}, 404, "ResourceNotFoundException", "Schedule Group nope does not exist.")
	}
	c.refused("UpdateSchedule", with(nil), 404, "ResourceNotFoundException", "Schedule s does not exist.")
	c.refused("CreateSchedule", with(in{"GroupName": "nope"}), 404, "ResourceNotFoundException", "Schedule Group nope does not exist.")
}

func TestClientToken(t *testing.T) {
	c := newClient(t)
	c.ok("CreateSchedule", with(in{"ClientToken": "t1"}), nil)
	c.ok("CreateSchedule", with(in{"ClientToken": "t1"}), nil)
	c.refused("CreateSchedule", with(in{"ClientToken": "t2"}), 409, "ConflictException", "Schedule s already exists.")
	c.ok("CreateScheduleGroup", in{"Name": "g", "ClientToken": "t1"}, nil)
	c.ok("CreateScheduleGroup", in{"Name": "g", "ClientToken": "t1"}, nil)
	c.refused("CreateScheduleGroup", in{"Name": "g"}, 409, "ConflictException", "Schedule Group g already exists.")
}

func TestValidation(t *testing.T) {
	c := newClient(t)
	for _, v := range []struct {
		change in
		want   string
	}{
		{in{"ScheduleExpression": "cron(0 1 * * * *)"}, "Invalid Schedule Expression cron(0 1 * * * *)."},
		{in{"ScheduleExpression": "rate( 10 minutes )"}, "Invalid Schedule Expression rate( 10 minutes )."},
		{in{"ScheduleExpression": "at(2021-12-31T23:59:59Z)"}, "Invalid Schedule Expression at(2021-12-31T23:59:59Z)."},
		{in{"ScheduleExpressionTimezone": "Mars/Phobos"}, "Invalid Schedule Expression Timezone Mars/Phobos."},
		{in{"ScheduleExpressionTimezone": "Local"}, "Invalid Schedule Expression Timezone Local."},
		{in{"ScheduleExpressionTimezone": "../../etc/passwd"}, "Invalid Schedule Expression Timezone"},
		{in{"FlexibleTimeWindow": in{"Mode": "FLEXIBLE"}}, "FlexibleTimeWindow.MaximumWindowInMinutes must be"},
		{in{"FlexibleTimeWindow": in{"Mode": "OFF", "MaximumWindowInMinutes": 5}}, "FlexibleTimeWindow.MaximumWindowInMinutes must not be"},
		{in{"FlexibleTimeWindow": in{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441}}, "1 validation error detected: Value '1441' at 'flexibleTimeWindow.maximumWindowInMinutes' failed"},
		{in{"FlexibleTimeWindow": nil}, "1 validation error detected: Value null at 'flexibleTimeWindow' failed"},
		{in{"StartDate": 946684800}, "The StartDate you specify cannot be earlier than 5 minutes ago."},
		{in{"EndDate": 946684800}, "The EndDate you specify cannot be in the past."},
		{in{"StartDate": 4102444800, "EndDate": 4102444800}, "The StartDate must come before the EndDate."},
		{in{"Name": "a b"}, "1 validation error detected: Value 'a b' at 'name' failed"},
		{to(in{"Arn": "nonsense"}), "Provided Arn is not in correct format."},
		{to(in{"Arn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}), "Mayfly does not serve arn:aws:kinesis:us-east-1:000000000000:stream/s as a target yet."},
		{to(in{"Arn": queue + ".fifo"}), "MessageGroupId must be specified"},
		{to(in{"Arn": "arn:aws:events:us-east-1:000000000000:event-bus/default"}), "EventBridgeParameters must be specified"},
		{to(in{"Arn": "arn:aws:events:us-east-1:000000000000:event-bus/default", "Input": "[]", "EventBridgeParameters": in{"Source": "s", "DetailType": "d"}}), "The Input of an event must be a JSON object."},
		{to(in{"Arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances"}), "Mayfly does not serve the target arn:aws:scheduler:::aws-sdk:ec2:stopInstances yet."},
		{to(in{"Arn": "arn:aws:scheduler:::aws-sdk:lambda:invoke", "Input": "{}"}), "Invalid Input for arn:aws:scheduler:::aws-sdk:lambda:invoke"},
		{to(in{"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "Input": "nope"}), "Invalid Input for"},
		{to(in{"Arn": "arn:aws:scheduler:::aws-sdk:sns:publish"}), "Invalid Input for"},
		{to(in{"Arn": "arn:aws:scheduler:::aws-sdk:eventbridge:putEvents", "Input": `{"Entries":[]}`}), "Invalid Input for"},
		{to(in{"RoleArn": "nope"}), "1 validation error detected: Value 'nope' at 'target.roleArn' failed"},
		{to(in{"RetryPolicy": in{"MaximumRetryAttempts": 186}}), "1 validation error detected: Value '186' at 'target.retryPolicy.maximumRetryAttempts' failed"},
	} {
		c.refused("CreateSchedule", with(v.change), 400, "ValidationException", v.want)
		c.refused("UpdateSchedule", with(v.change), 400, "ValidationException", v.want)
	}
}

func TestGroupAPI(t *testing.T) {
	c := newClient(t)
	c.ok("CreateScheduleGroup", in{"Name": "g", "Tags": []any{in{"Key": "k", "Value": "v"}}}, nil)
	var g GetScheduleGroupOutput
	c.ok("GetScheduleGroup", in{"Name": "g"}, &g)
	if *g.Arn != "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g" || *g.State != "ACTIVE" {
		t.Errorf("%+v", g)
	}
	tags := func(want string) {
		t.Helper()
		var out ListTagsForResourceOutput
		c.ok("ListTagsForResource", in{"ResourceArn": *g.Arn}, &out)
		got := ""
		for _, t := range out.Tags {
			got += *t.Key + "=" + *t.Value + " "
		}
		if got != want {
			t.Errorf("tags %q, want %q", got, want)
		}
	}
	tags("k=v ")
	c.ok("TagResource", in{"ResourceArn": *g.Arn, "Tags": []any{in{"Key": "a", "Value": "1"}, in{"Key": "k", "Value": "2"}}}, nil)
	tags("a=1 k=2 ")
	c.ok("UntagResource", in{"ResourceArn": *g.Arn, "TagKeys": []any{"a"}}, nil)
	tags("k=2 ")

	var list ListScheduleGroupsOutput
	c.ok("ListScheduleGroups", in{"MaxResults": 1}, &list)
	if len(list.ScheduleGroups) != 1 || *list.ScheduleGroups[0].Name != "default" || list.NextToken == nil {
		t.Fatalf("%+v", list)
	}
	c.ok("ListScheduleGroups", in{"NextToken": *list.NextToken}, &list)
	if len(list.ScheduleGroups) != 1 || *list.ScheduleGroups[0].Name != "g" {
		t.Errorf("%+v", list)
	}
	c.refused("DeleteScheduleGroup", in{"Name": "default"}, 400, "ValidationException", "")
	c.ok("DeleteScheduleGroup", in{"Name": "g"}, nil)
	for _, op := range []string{"GetScheduleGroup", "DeleteScheduleGroup"} {
		c.refused(op, in{"Name": "g"}, 404, "ResourceNotFoundException", "Schedule Group g does not exist.")
	}
	for op, more := range map[string]in{"ListTagsForResource": {}, "TagResource": {"Tags": []any{}}, "UntagResource": {"TagKeys": []any{"k"}}} {
		more["ResourceArn"] = *g.Arn
		c.refused(op, more, 404, "ResourceNotFoundException", "Schedule Group g does not exist.")
	}
	c.refused("ListSchedules", in{"ScheduleGroup": "g"}, 404, "ResourceNotFoundException", "Schedule Group g does not exist.")
	c.refused("ListSchedules", in{"NextToken": "!"}, 400, "ValidationException", "Invalid NextToken.")
	c.refused("ListScheduleGroups", in{"NextToken": "_w"}, 400, "ValidationException", "Invalid NextToken.")
}

func TestListSchedules(t *testing.T) {
	c := newClient(t)
	c.ok("CreateScheduleGroup", in{"Name": "g"}, nil)
	for i := range 5 {
		c.ok("CreateSchedule", with(in{"Name": fmt.Sprint("d", i)}), nil)
		c.ok("CreateSchedule", with(in{"Name": fmt.Sprint("g", i), "GroupName": "g", "State": "ENABLED", "ScheduleExpression": "at(2099-01-01T00:00:00)"}), nil)
	}
	list := func(filter in) string {
		t.Helper()
		names := ""
		for {
			var out ListSchedulesOutput
			c.ok("ListSchedules", filter, &out)
			for _, s := range out.Schedules {
				names += *s.GroupName + "/" + *s.Name + " "
				if *s.Target.Arn != queue {
					t.Errorf("target %s", *s.Target.Arn)
				}
			}
			if out.NextToken == nil {
				return names
			}
			filter["NextToken"] = *out.NextToken
		}
	}
	const d, g = "default/d0 default/d1 default/d2 default/d3 default/d4 ", "g/g0 g/g1 g/g2 g/g3 g/g4 "
	for want, filter := range map[string]in{
		d + g: {"MaxResults": 3}, g: {"ScheduleGroup": "g", "MaxResults": 2}, d: {"State": "DISABLED"}, "g/g3 ": {"NamePrefix": "g3"},
	} {
		if got := list(filter); got != want {
			t.Errorf("%v: %s, want %s", filter, got, want)
		}
	}
}
