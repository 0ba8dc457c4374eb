package events

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

// A client calls the service as clients do, in real time.
type client struct {
	*wiretest.Client
	*world
	t testing.TB
}

type in = map[string]any

func newClient(t testing.TB) *client {
	db := openDB(t, filepath.Join(t.TempDir(), "x.db"))
	w := openWorld(t, db)
	t.Cleanup(func() { w.Close(); db.Close() })
	return &client{wiretest.New(t, Service(w.Book)), w, t}
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
func (c *client) refused(op string, in any, code, message string) {
	c.t.Helper()
	a := c.Do(op, in, nil)
	if a.Status != 400 || a.Code != code || !strings.HasPrefix(a.Message, message) {
		c.t.Errorf("%s %.200v: %d %s: %s\nwant %s: %s", op, fmt.Sprint(in), a.Status, a.Code, a.Message, code, message)
	}
}

const (
	missing    = "ResourceNotFoundException"
	validation = "ValidationException"
	anything   = `{"source":[{"prefix":""}]}`
)

func TestBusAPI(t *testing.T) {
	c := newClient(t)
	a := c.ok("CreateEventBus", in{"Name": "orders", "Description": "d", "Tags": []any{in{"Key": "k", "Value": "v"}}}, nil)
	if want := `{"Description":"d","EventBusArn":"arn:aws:events:us-east-1:000000000000:event-bus/orders"}`; string(a.Body) != want {
		t.Errorf("%s", a.Body)
	}
	c.refused("CreateEventBus", in{"Name": "orders"}, "ResourceAlreadyExistsException", "Event bus orders already exists.")
	c.refused("CreateEventBus", in{"Name": "default"}, "ResourceAlreadyExistsException", "Event bus default already exists.")
	c.refused("CreateEventBus", in{"Name": "a b"}, validation, "1 validation error detected: Value 'a b' at 'name' failed")
	c.refused("CreateEventBus", in{"Name": "aws.partner/a/b", "EventSourceName": "aws.partner/a/b"}, validation, "Mayfly has no partner event sources.")
	var d DescribeEventBusResponse
	c.ok("DescribeEventBus", in{"Name": "arn:aws:events:us-east-1:000000000000:event-bus/orders"}, &d)
	if *d.Name != "orders" || *d.Description != "d" || d.CreationTime == nil {
		t.Errorf("%+v", d)
	}
	c.ok("UpdateEventBus", in{"Name": "orders", "Description": "e", "LogConfig": in{"Level": "INFO"}}, nil)
	c.ok("DescribeEventBus", in{"Name": "orders"}, &d)
	if *d.Description != "e" || *d.LogConfig.Level != "INFO" {
		t.Errorf("%+v", d)
	}
	d = DescribeEventBusResponse{}
	c.ok("DescribeEventBus", in{}, &d)
	if *d.Arn != "arn:aws:events:us-east-1:000000000000:event-bus/default" {
		t.Errorf("%+v", d)
	}
	var list ListEventBusesResponse
	c.ok("ListEventBuses", in{"Limit": 1}, &list)
	if len(list.EventBuses) != 1 || *list.EventBuses[0].Name != "default" || list.NextToken == nil {
		t.Fatalf("%+v", list)
	}
	c.ok("ListEventBuses", in{"NextToken": *list.NextToken}, &list)
	if len(list.EventBuses) != 1 || *list.EventBuses[0].Name != "orders" {
		t.Errorf("%+v", list)
	}
	c.refused("ListEventBuses", in{"NextToken": "!"}, validation, "Parameter NextToken is not valid.")
	for _, op := range []string{"DescribeEventBus", "UpdateEventBus"} {
		c.refused(op, in{"Name": "nope"}, missing, "Event bus nope does not exist.")
	}
	c.refused("DeleteEventBus", in{"Name": "default"}, validation, "Cannot delete event bus default.")
	c.ok("PutRule", in{"Name": "r", "EventBusName": "orders", "EventPattern": anything}, nil)
	c.ok("DeleteEventBus", in{"Name": "orders"}, nil)
	c.ok("DeleteEventBus", in{"Name": "orders"}, nil)
	c.refused("ListRules", in{"EventBusName": "orders"}, missing, "Event bus orders does not exist.")
	for range maxBuses - 1 {
		c.ok("CreateEventBus", in{"Name": fmt.Sprint("bus", len(list.EventBuses))}, nil)
		list.EventBuses = append(list.EventBuses, nil)
	}
	c.refused("CreateEventBus", in{"Name": "one-more"}, "LimitExceededException", "The requested resource exceeds the maximum number allowed.")
}

func TestPolicyAPI(t *testing.T) {
	c := newClient(t)
	policy := func(want string) {
		t.Helper()
		var d DescribeEventBusResponse
		c.ok("DescribeEventBus", in{}, &d)
		if val(d.Policy) != want {
			t.Errorf("policy %s\nwant   %s", val(d.Policy), want)
		}
	}
	c.refused("RemovePermission", in{"StatementId": "one"}, missing, "EventBus does not have a policy.")
	c.ok("PutPermission", in{"StatementId": "one", "Action": "events:PutEvents", "Principal": "111122223333"}, nil)
	one := `{"Action":"events:PutEvents","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Resource":"arn:aws:events:us-east-1:000000000000:event-bus/default","Sid":"one"}`
	policy(`{"Version":"2012-10-17","Statement":[` + one + `]}`)
	c.ok("PutPermission", in{"StatementId": "two", "Action": "events:PutEvents", "Principal": "*",
		"Condition": in{"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"}}, nil)
	policy(`{"Version":"2012-10-17","Statement":[` + one + `,{"Action":"events:PutEvents","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}},"Effect":"Allow",` +
		`"Principal":"*","Resource":"arn:aws:events:us-east-1:000000000000:event-bus/default","Sid":"two"}]}`)
	c.refused("RemovePermission", in{"StatementId": "three"}, missing, "Statement with the provided id does not exist.")
	c.ok("RemovePermission", in{"StatementId": "two"}, nil)
	policy(`{"Version":"2012-10-17","Statement":[` + one + `]}`)
	c.ok("RemovePermission", in{"RemoveAllPermissions": true}, nil)
	policy("")
	whole := `{"Version":"2012-10-17","Statement":[{"Sid":"x"}]}`
	c.ok("PutPermission", in{"Policy": whole}, nil)
	policy(whole)
	c.ok("RemovePermission", in{"StatementId": "x"}, nil)
	policy("")
	c.refused("PutPermission", in{"Policy": "{"}, validation, "Parameter Policy is not valid.")
	c.refused("PutPermission", in{"StatementId": "one"}, validation, "Parameter(s) Action, Principal, StatementId must be specified.")
	c.refused("PutPermission", in{"StatementId": "one", "Action": "events:PutRule", "Principal": "*"}, validation, "Provided value in parameter 'action' is not supported.")
	c.refused("PutPermission", in{"EventBusName": "nope", "StatementId": "one", "Action": "events:PutEvents", "Principal": "*"}, missing, "Event bus nope does not exist.")
	c.refused("PutPermission", in{"Policy": `{"Statement":[{"Sid":"` + strings.Repeat("x", maxPolicy) + `"}]}`}, "PolicyLengthExceededException", "")
	c.refused("RemovePermission", in{}, validation, "Parameter StatementId is required.")
}

func TestRuleAPI(t *testing.T) {
	c := newClient(t)
	c.ok("CreateEventBus", in{"Name": "orders"}, nil)
	a := c.ok("PutRule", in{"Name": "r", "ScheduleExpression": "rate(1 day)", "Description": "d", "Tags": []any{in{"Key": "k", "Value": "v"}}}, nil)
	if want := `{"RuleArn":"arn:aws:events:us-east-1:000000000000:rule/r"}`; string(a.Body) != want {
		t.Errorf("%s", a.Body)
	}
	a = c.ok("PutRule", in{"Name": "r", "EventBusName": "orders", "EventPattern": anything, "State": "DISABLED"}, nil)
	if want := `{"RuleArn":"arn:aws:events:us-east-1:000000000000:rule/orders/r"}`; string(a.Body) != want {
		t.Errorf("%s", a.Body)
	}
	a = c.ok("DescribeRule", in{"Name": "r"}, nil)
	if want := `{"Arn":"arn:aws:events:us-east-1:000000000000:rule/r","CreatedBy":"000000000000","Description":"d","EventBusName":"default","Name":"r",` +
		`"ScheduleExpression":"rate(1 day)","State":"ENABLED"}`; string(a.Body) != want {
		t.Errorf("%s", a.Body)
	}
	c.ok("EnableRule", in{"Name": "r", "EventBusName": "orders"}, nil)
	c.ok("DisableRule", in{"Name": "r"}, nil)
	var one, two DescribeRuleResponse
	c.ok("DescribeRule", in{"Name": "r"}, &one)
	c.ok("DescribeRule", in{"Name": "r", "EventBusName": "arn:aws:events:us-east-1:000000000000:event-bus/orders"}, &two)
	if *one.State != "DISABLED" || *two.State != "ENABLED" || *two.EventBusName != "orders" {
		t.Errorf("%+v %+v", one, two)
	}
	for _, op := range []string{"DescribeRule", "EnableRule", "DisableRule"} {
		c.refused(op, in{"Name": "x"}, missing, "Rule x does not exist on EventBus default.")
		c.refused(op, in{"Name": "x", "EventBusName": "orders"}, missing, "Rule x does not exist on EventBus orders.")
		c.refused(op, in{"Name": "x", "EventBusName": "nope"}, missing, "Event bus nope does not exist.")
	}
	for _, v := range []struct {
		change  in
		code    string
		message string
	}{
		{in{}, validation, "Parameter(s) EventPattern or ScheduleExpression must be specified."},
		{in{"ScheduleExpression": "rate(1 minutes)"}, validation, "Parameter ScheduleExpression is not valid."},
		{in{"ScheduleExpression": "rate(5 minute)"}, validation, "Parameter ScheduleExpression is not valid."},
		{in{"ScheduleExpression": "cron(0 1 * * * *)"}, validation, "Parameter ScheduleExpression is not valid."},
		{in{"ScheduleExpression": "at(2099-01-01T00:00:00)"}, validation, "Parameter ScheduleExpression is not valid."},
		{in{"ScheduleExpression": "rate(1 day)", "EventBusName": "orders"}, validation, "ScheduleExpression is supported only on the default event bus."},
		{in{"EventPattern": `{"source":"x"}`}, "InvalidEventPatternException", "Event pattern is not valid. Reason: "},
		{in{"EventPattern": `nope`}, "InvalidEventPatternException", "Event pattern is not valid. Reason: "},
		{in{"EventPattern": anything, "EventBusName": "nope"}, missing, "Event bus nope does not exist."},
		{in{"EventPattern": anything, "State": "MAYBE"}, validation, "1 validation error detected: Value 'MAYBE' at 'state' failed"},
		{in{"Name": "a/b", "EventPattern": anything}, validation, "1 validation error detected: Value 'a/b' at 'name' failed"},
	} {
		r := in{"Name": "bad"}
		for k, x := range v.change {
			r[k] = x
		}
		c.refused("PutRule", r, v.code, v.message)
	}
	for i := range 3 {
		c.ok("PutRule", in{"Name": fmt.Sprint("s", i), "EventPattern": anything}, nil)
	}
	var list ListRulesResponse
	c.ok("ListRules", in{"NamePrefix": "s", "Limit": 2}, &list)
	if len(list.Rules) != 2 || list.NextToken == nil {
		t.Fatalf("%+v", list)
	}
	c.ok("ListRules", in{"NamePrefix": "s", "NextToken": *list.NextToken}, &list)
	if len(list.Rules) != 1 || *list.Rules[0].Name != "s2" {
		t.Errorf("%+v", list)
	}
	c.ok("DeleteRule", in{"Name": "s2"}, nil)
	c.ok("DeleteRule", in{"Name": "s2"}, nil)
	c.refused("DeleteRule", in{"Name": "s2", "EventBusName": "nope"}, missing, "Event bus nope does not exist.")
}

func TestTargetAPI(t *testing.T) {
	c := newClient(t)
	c.ok("PutRule", in{"Name": "r", "EventPattern": anything}, nil)
	a := c.ok("PutTargets", in{"Rule": "r", "Targets": []any{
		in{"Id": "1", "Arn": q1, "InputTransformer": in{"InputPathsMap": in{"a": "$.source"}, "InputTemplate": `"<a>"`}}, in{"Id": "2", "Arn": q2},
	}}, nil)
	if want := `{"FailedEntries":[],"FailedEntryCount":0}`; string(a.Body) != want {
		t.Errorf("%s", a.Body)
	}
	a = c.ok("ListTargetsByRule", in{"Rule": "r"}, nil)
	if want := `{"Targets":[{"Arn":"` + q1 + `","Id":"1","InputTransformer":{"InputPathsMap":{"a":"$.source"},"InputTemplate":"\"<a>\""}},{"Arn":"` + q2 + `","Id":"2"}]}`; string(a.Body) != want {
		t.Errorf("%s", a.Body)
	}
	var page ListTargetsByRuleResponse
	c.ok("ListTargetsByRule", in{"Rule": "r", "Limit": 1}, &page)
	c.ok("ListTargetsByRule", in{"Rule": "r", "NextToken": *page.NextToken}, &page)
	if len(page.Targets) != 1 || *page.Targets[0].Id != "2" {
		t.Errorf("%+v", page)
	}
	c.ok("PutRule", in{"Name": "q", "EventPattern": anything}, nil)
	c.ok("PutTargets", in{"Rule": "q", "Targets": []any{in{"Id": "1", "Arn": q1}}}, nil)
	var names ListRuleNamesByTargetResponse
	c.ok("ListRuleNamesByTarget", in{"TargetArn": q1}, &names)
	if strings.Join(names.RuleNames, " ") != "q r" {
		t.Errorf("%+v", names)
	}
	c.ok("ListRuleNamesByTarget", in{"TargetArn": "arn:aws:sqs:us-east-1:000000000000:none"}, &names)
	if len(names.RuleNames) != 0 {
		t.Errorf("%+v", names)
	}
	c.refused("DeleteRule", in{"Name": "r"}, validation, "Rule can't be deleted since it has targets.")
	c.refused("ListRuleNamesByTarget", in{"TargetArn": q1, "EventBusName": "nope"}, missing, "Event bus nope does not exist.")
	for op, more := range map[string]in{"ListTargetsByRule": {}, "PutTargets": {"Targets": []any{in{"Id": "1", "Arn": q1}}}, "RemoveTargets": {"Ids": []any{"1"}}} {
		more["Rule"] = "x"
		c.refused(op, more, missing, "Rule x does not exist on EventBus default.")
	}
	for _, v := range []struct {
		target  in
		message string
	}{
		{in{"Arn": "nonsense"}, "Parameter nonsense is not valid. Reason: Provided Arn is not in correct format."},
		{in{"Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/c"}, "Mayfly does not serve arn:aws:ecs:us-east-1:000000000000:cluster/c as a target yet (target 1)."},
		{in{"Arn": "arn:aws:events:us-east-1:000000000000:api-destination/x/y"}, "Mayfly does not serve"},
		{in{"Arn": q1 + ".fifo"}, "Parameter(s) SqsParameters must be specified for target: 1."},
		{in{"Input": "{}", "InputPath": "$.x"}, "Only one of Input, InputPath, or InputTransformer must be provided for target 1."},
		{in{"Input": "nope"}, "Invalid Input for target 1"},
		{in{"InputPath": "nope"}, "InputPath for target 1 is invalid."},
		{in{"InputTransformer": in{"InputTemplate": "<x>"}}, "InputTemplate for target 1 contains invalid placeholder x."},
		{in{"InputTransformer": in{}}, "1 validation error detected: Value null at 'targets.1.member.inputTransformer.inputTemplate' failed"},
		{in{"DeadLetterConfig": in{"Arn": q1 + ".fifo"}}, "Parameter DeadLetterConfig.Arn is not valid."},
		{in{"RetryPolicy": in{"MaximumRetryAttempts": 186}}, "1 validation error detected: Value '186' at 'targets.1.member.retryPolicy.maximumRetryAttempts' failed"},
	} {
		one := in{"Id": "1", "Arn": q1}
		for k, x := range v.target {
			one[k] = x
		}
		c.refused("PutTargets", in{"Rule": "r", "Targets": []any{one}}, validation, v.message)
	}
	var many []any
	for i := range 6 {
		many = append(many, in{"Id": fmt.Sprint("m", i), "Arn": q1})
	}
	c.refused("PutTargets", in{"Rule": "q", "Targets": many}, "LimitExceededException", "The requested resource exceeds the maximum number allowed.")
	a = c.ok("RemoveTargets", in{"Rule": "r", "Ids": []any{"1", "2", "3"}}, nil)
	if !strings.Contains(string(a.Body), `"FailedEntryCount":1`) || !strings.Contains(string(a.Body), `"TargetId":"3"`) {
		t.Errorf("%s", a.Body)
	}
	c.ok("DeleteRule", in{"Name": "r"}, nil)
}

func TestPutEventsAPI(t *testing.T) {
	c := newClient(t)
	c.ok("PutRule", in{"Name": "r", "EventPattern": anything}, nil)
	c.ok("PutTargets", in{"Rule": "r", "Targets": []any{in{"Id": "1", "Arn": q1}}}, nil)
	good := in{"Source": "s", "DetailType": "d", "Detail": "{}"}
	except := func(k string, v any) in {
		e := in{}
		for k, v := range good {
			e[k] = v
		}
		if e[k] = v; v == nil {
			delete(e, k)
		}
		return e
	}
	var out PutEventsResponse
	c.ok("PutEvents", in{"Entries": []any{
		good, except("Source", nil), except("DetailType", nil), except("Detail", nil), except("Detail", "[1]"), except("Detail", `"x"`),
		except("Detail", "{"), except("Source", "aws.ec2"), except("EventBusName", "nope"), except("Time", 946684800),
	}}, &out)
	var got []string
	for _, e := range out.Entries {
		got = append(got, val(e.ErrorCode)+": "+val(e.ErrorMessage))
		if (e.EventId == nil) == (e.ErrorCode == nil) {
			t.Errorf("%+v", e)
		}
	}
	want := []string{
		": ", "InvalidArgument: Parameter Source is not valid. Reason: Source is a required argument.",
		"InvalidArgument: Parameter DetailType is not valid. Reason: DetailType is a required argument.",
		"InvalidArgument: Parameter Detail is not valid. Reason: Detail is a required argument.",
		"MalformedDetail: Detail is malformed.", "MalformedDetail: Detail is malformed.", "MalformedDetail: Detail is malformed.",
		"NotAuthorizedForSourceException: Not authorized for the source.", ": ", ": ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || *out.FailedEntryCount != 7 {
		t.Errorf("got\n%s\n%d failed", strings.Join(got, "\n"), *out.FailedEntryCount)
	}
	events := c.got("q1")
	if len(events) != 2 || !strings.Contains(events[1], `"time":"2000-01-01T00:00:00Z"`) {
		t.Errorf("%v", events)
	}
	if a := c.Do("PutEvents", in{"Entries": []any{}}, nil); a.Code != validation {
		t.Errorf("no entries: %s %s", a.Code, a.Message)
	}
	eleven := make([]any, 11)
	for i := range eleven {
		eleven[i] = good
	}
	if a := c.Do("PutEvents", in{"Entries": eleven}, nil); a.Code != validation || !strings.HasSuffix(a.Message, "at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10") {
		t.Errorf("eleven: %s %s", a.Code, a.Message)
	}
	c.refused("PutEvents", in{"Entries": []any{good}, "EndpointId": "abc.def"}, validation, "Mayfly has no global endpoints.")
	big := except("Detail", `{"x":"`+strings.Repeat("x", maxPut-9)+`"}`)
	c.refused("PutEvents", in{"Entries": []any{big}}, validation, "Total size of the entries in the request is over the limit.")
	if n := len(c.got("q1")); n != 2 {
		t.Errorf("a refused request sent %d events", n-2)
	}
}

func TestTestEventPattern(t *testing.T) {
	c := newClient(t)
	test := func(pattern string) string {
		return string(c.ok("TestEventPattern", in{"EventPattern": pattern, "Event": sample}, nil).Body)
	}
	if got := test(`{"source":["aws.ec2"],"detail":{"state":["RUNNING"]}}`); got != `{"Result":true}` {
		t.Error(got)
	}
	if got := test(`{"source":["aws.s3"]}`); got != `{"Result":false}` {
		t.Error(got)
	}
	c.refused("TestEventPattern", in{"EventPattern": `{"source":"x"}`, "Event": sample}, "InvalidEventPatternException", "Event pattern is not valid. Reason: ")
	c.refused("TestEventPattern", in{"EventPattern": anything, "Event": "nope"}, validation, "Parameter Event is not valid.")
	c.refused("TestEventPattern", in{"EventPattern": anything, "Event": `{"source":"x"}`}, validation, "Parameter Event is not valid.")
}

func TestArchiveAPI(t *testing.T) {
	c := newClient(t)
	bus := "arn:aws:events:us-east-1:000000000000:event-bus/default"
	c.ok("CreateArchive", in{"ArchiveName": "a", "EventSourceArn": bus, "Description": "d", "RetentionDays": 3}, nil)
	c.refused("CreateArchive", in{"ArchiveName": "a", "EventSourceArn": bus}, "ResourceAlreadyExistsException", "Archive a already exists.")
	c.refused("CreateArchive", in{"ArchiveName": "b", "EventSourceArn": bus + "x"}, missing, "Event bus defaultx does not exist.")
	c.refused("CreateArchive", in{"ArchiveName": "b", "EventSourceArn": bus, "EventPattern": "{"}, "InvalidEventPatternException", "Event pattern is not valid.")
	c.ok("UpdateArchive", in{"ArchiveName": "a", "EventPattern": anything, "RetentionDays": 5}, nil)
	var d DescribeArchiveResponse
	c.ok("DescribeArchive", in{"ArchiveName": "a"}, &d)
	if *d.ArchiveArn != "arn:aws:events:us-east-1:000000000000:archive/a" || *d.State != "ENABLED" || *d.RetentionDays != 5 || *d.Description != "d" ||
		*d.EventPattern != anything || *d.EventCount != 0 || *d.EventSourceArn != bus {
		t.Errorf("%+v", d)
	}
	c.ok("CreateArchive", in{"ArchiveName": "b", "EventSourceArn": bus}, nil)
	var list ListArchivesResponse
	c.ok("ListArchives", in{"EventSourceArn": bus, "Limit": 1}, &list)
	c.ok("ListArchives", in{"NextToken": *list.NextToken, "State": "ENABLED"}, &list)
	if len(list.Archives) != 1 || *list.Archives[0].ArchiveName != "b" {
		t.Errorf("%+v", list)
	}
	replay := func(changes in) in {
		r := in{"ReplayName": "r", "EventSourceArn": *d.ArchiveArn, "EventStartTime": 1000, "EventEndTime": 2000, "Destination": in{"Arn": bus}}
		for k, v := range changes {
			r[k] = v
		}
		return r
	}
	var started StartReplayResponse
	c.ok("StartReplay", replay(nil), &started)
	if *started.State != "STARTING" || *started.ReplayArn != "arn:aws:events:us-east-1:000000000000:replay/r" {
		t.Errorf("%+v", started)
	}
	c.refused("StartReplay", replay(nil), "ResourceAlreadyExistsException", "Replay r already exists.")
	c.refused("StartReplay", replay(in{"EventEndTime": 1000}), validation, "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
	c.refused("StartReplay", replay(in{"EventSourceArn": *d.ArchiveArn + "x"}), validation, "Parameter EventSourceArn is not valid. Reason: Archive ax does not exist.")
	c.ok("CreateEventBus", in{"Name": "other"}, nil)
	c.refused("StartReplay", replay(in{"Destination": in{"Arn": "arn:aws:events:us-east-1:000000000000:event-bus/other"}}), validation, "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
	var replays ListReplaysResponse
	c.ok("ListReplays", in{"NamePrefix": "r"}, &replays)
	if len(replays.Replays) != 1 || *replays.Replays[0].EventSourceArn != *d.ArchiveArn {
		t.Errorf("%+v", replays)
	}
	for _, op := range []string{"DescribeReplay", "CancelReplay"} {
		c.refused(op, in{"ReplayName": "x"}, missing, "Replay x does not exist.")
	}
	for i := 0; ; i++ { // it has nothing to send: it is over as soon as it is noticed
		var r DescribeReplayResponse
		c.ok("DescribeReplay", in{"ReplayName": "r"}, &r)
		if *r.State == "COMPLETED" {
			break
		}
	}
	c.refused("CancelReplay", in{"ReplayName": "r"}, "IllegalStatusException", "Replay r is not in a valid state for this operation.")
	c.ok("DeleteArchive", in{"ArchiveName": "a"}, nil)
	for _, op := range []string{"DescribeArchive", "DeleteArchive", "UpdateArchive"} {
		c.refused(op, in{"ArchiveName": "a"}, missing, "Archive a does not exist.")
	}
}

func TestCancelReplay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rule("one", `{"replay-name":[{"exists":true}]}`, at("1", q1))
		if _, err := w.createArchive(t.Context(), &CreateArchiveRequest{ArchiveName: new("arc"), EventSourceArn: new(w.busARN("default"))}); err != nil {
			t.Fatal(err)
		}
		w.send("a", `{}`)
		w.Close() // nothing replays any more
		row := replayRow{name: "rep", archive: "arc", bus: "default", filters: "null", state: starting, begins: 1, ends: 1 << 60, started: 1}
		if err := w.DB.Update(t.Context(), func(tx store.Tx) error { return w.insertReplay(tx, row) }); err != nil {
			t.Fatal(err)
		}
		if _, err := w.cancelReplay(t.Context(), &CancelReplayRequest{ReplayName: new("rep")}); err != nil {
			t.Fatal(err)
		}
		again := openWorld(t, w.DB)
		defer again.Close()
		r, err := again.describeReplay(t.Context(), &DescribeReplayRequest{ReplayName: new("rep")})
		if err != nil || *r.State != "CANCELLED" || len(again.got("q1")) != 0 {
			t.Errorf("%+v %v %v", r, err, again.got("q1"))
		}
	})
}

func TestTagAPI(t *testing.T) {
	c := newClient(t)
	c.ok("CreateEventBus", in{"Name": "orders"}, nil)
	c.ok("PutRule", in{"Name": "r", "EventBusName": "orders", "EventPattern": anything}, nil)
	for _, arn := range []string{"arn:aws:events:us-east-1:000000000000:event-bus/orders", "arn:aws:events:us-east-1:000000000000:rule/orders/r"} {
		c.ok("TagResource", in{"ResourceARN": arn, "Tags": []any{in{"Key": "k", "Value": "1"}, in{"Key": "a", "Value": ""}}}, nil)
		c.ok("TagResource", in{"ResourceARN": arn, "Tags": []any{in{"Key": "k", "Value": "2"}}}, nil)
		if a := c.ok("ListTagsForResource", in{"ResourceARN": arn}, nil); string(a.Body) != `{"Tags":[{"Key":"a","Value":""},{"Key":"k","Value":"2"}]}` {
			t.Errorf("%s", a.Body)
		}
		c.ok("UntagResource", in{"ResourceARN": arn, "TagKeys": []any{"a", "k"}}, nil)
		if a := c.ok("ListTagsForResource", in{"ResourceARN": arn}, nil); string(a.Body) != `{"Tags":[]}` {
			t.Errorf("%s", a.Body)
		}
	}
	for op, more := range map[string]in{"ListTagsForResource": {}, "TagResource": {"Tags": []any{}}, "UntagResource": {"TagKeys": []any{"k"}}} {
		more["ResourceARN"] = "arn:aws:events:us-east-1:000000000000:rule/x"
		c.refused(op, more, missing, "Rule x does not exist on EventBus default.")
		more["ResourceARN"] = "arn:aws:events:us-east-1:000000000000:event-bus/x"
		c.refused(op, more, missing, "Event bus x does not exist.")
		more["ResourceARN"] = "nonsense"
		c.refused(op, more, validation, "Parameter nonsense is not valid.")
		more["ResourceARN"] = "arn:aws:events:us-east-1:000000000000:archive/x"
		c.refused(op, more, validation, "Parameter arn:aws:events:us-east-1:000000000000:archive/x is not valid.")
	}
	var tags []any
	for i := range 51 {
		tags = append(tags, in{"Key": fmt.Sprint(i), "Value": ""})
	}
	c.refused("CreateEventBus", in{"Name": "many", "Tags": tags}, "LimitExceededException", "")
	c.refused("DescribeEventBus", in{"Name": "many"}, missing, "Event bus many does not exist.")
}

// TestNotServed: what is not there says so.
func TestNotServed(t *testing.T) {
	c := newClient(t)
	for _, op := range []string{"CreateApiDestination", "CreateConnection", "CreateEndpoint", "CreatePartnerEventSource", "ListEventSources"} {
		c.refused(op, in{}, "UnsupportedOperationException", "Mayfly does not serve events:"+op+" yet.")
	}
}
