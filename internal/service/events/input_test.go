package events

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/filter"
)

// sample is the event of AWS's documentation.
const sample = `{"version":"0","id":"7bf73129-1428-4cd3-a780-95db273d1602","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2",` +
	`"account":"123456789012","time":"2015-11-11T21:29:54Z","region":"us-east-1","resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111","two"],` +
	`"detail":{"instance-id":"i-0123456789","state":"RUNNING","n":1.50,"yes":true,"none":null,"say":"a \"b\" \\ c","tags":[{"k":"x","v":1},{"k":"y"}],"odd key/x":{"b":2,"a":1}}}`

func sampleEvent(t testing.TB) *event {
	t.Helper()
	tree, err := filter.Decode([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	return &event{raw: []byte(sample), tree: tree, ingested: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
}

func render(t testing.TB, target *Target) string {
	t.Helper()
	target.Id = new("t")
	in, err := newInput(target)
	if err != nil {
		t.Fatal(err)
	}
	got, err := in.render(&rule{arn: "arn:aws:events:us-east-1:123456789012:rule/example", name: "example"}, sampleEvent(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestTransformer: the first are of eb-transform-target-input.html.
func TestTransformer(t *testing.T) {
	paths := map[string]string{
		"instance": "$.detail.instance-id", "state": "$.detail.state", "all": "$", "detail": "$.detail.tags", "n": "$.detail.n", "yes": "$.detail.yes",
		"none": "$.detail.none", "gone": "$.detail.gone", "say": "$.detail.say", "res": "$.resources", "first": "$.resources[0]", "obj": "$.detail.odd key/x",
		"keys": "$.detail.tags[*].k", "under_score-1": "$.detail.tags[1].k",
	}
	for _, c := range []struct{ template, want string }{
		{`"instance <instance> is in <state>"`, `"instance i-0123456789 is in RUNNING"`},
		{`"instance \"<instance>\" is in <state>"`, `"instance \"i-0123456789\" is in RUNNING"`},
		{"\"instance <instance> is in\"\n\"<state>\"", "\"instance i-0123456789 is in\"\n\"RUNNING\""},
		{`{"instance" : <instance>,"state": <state>}`, `{"instance" : "i-0123456789","state": "RUNNING"}`},
		{`{"instance" : <instance>,"state": "<state>","instanceStatus": "instance \"<instance>\" is in <state>"}`,
			`{"instance" : "i-0123456789","state": "RUNNING","instanceStatus": "instance \"i-0123456789\" is in RUNNING"}`},
		{`{"instance": <instance>,"state": [ 9, <state>, true ],"Transformed" : "Yes"}`, `{"instance": "i-0123456789","state": [ 9, "RUNNING", true ],"Transformed" : "Yes"}`},
		{`{"nested": {"deep": [<n>, <yes>, <none>]}}`, `{"nested": {"deep": [1.50, true, null]}}`},

		{`{"a": <gone>, "b": "x<gone>y"}`, `{"a": "", "b": "xy"}`},
		{`{"a": "<n> <yes> <none>"}`, `{"a": "1.50 true null"}`},
		{`{"a": <say>, "b": "<say>"}`, `{"a": "a \"b\" \\ c", "b": "a \"b\" \\ c"}`},
		{`{"a": <obj>, "b": "<obj>"}`, `{"a": {"a":1,"b":2}, "b": "{a:1,b:2}"}`},
		{`{"a": <keys>, "b": "<keys>", "c": <first>, "d": "<under_score-1>"}`, `{"a": ["x","y"], "b": "[x,y]", "c": "arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111", "d": "y"}`},
		{`[<res>]`, `[["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111","two"]]`},
		{`<state>`, `"RUNNING"`},
		{`instance <instance> is <state>: <obj> <gone>.`, `instance i-0123456789 is RUNNING: {"a":1,"b":2} .`},
		{`{"rule": <aws.events.rule-arn>, "name": "<aws.events.rule-name>", "at": <aws.events.event.ingestion-time>}`,
			`{"rule": "arn:aws:events:us-east-1:123456789012:rule/example", "name": "example", "at": "2026-11-23T09:00:00Z"}`},
		{`"a < b > c <<state>> <no such>"`, `"a < b > c <RUNNING> <no such>"`},
		{`{"escaped": "\\<state>\\"}`, `{"escaped": "\\RUNNING\\"}`},
	} {
		got := render(t, &Target{InputTransformer: &InputTransformer{InputPathsMap: paths, InputTemplate: &c.template}})
		if got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.template, got, c.want)
		}
	}
}

func TestTransformerWholeEvent(t *testing.T) {
	got := render(t, &Target{InputTransformer: &InputTransformer{InputTemplate: new(`{"full": <aws.events.event.json>, "head": <aws.events.event>}`)}})
	var v struct{ Full, Head map[string]any }
	if err := json.Unmarshal([]byte(got), &v); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if len(v.Full) != 9 || len(v.Head) != 8 || v.Head["detail"] != nil || v.Full["detail"] == nil {
		t.Errorf("%s", got)
	}
}

func TestInputs(t *testing.T) {
	for _, c := range []struct {
		target Target
		want   string
	}{
		{Target{}, sample},
		{Target{Input: new(`{"a": 1}`)}, `{"a": 1}`},
		{Target{InputPath: new("$")}, sample},
		{Target{InputPath: new("$.detail.instance-id")}, `"i-0123456789"`},
		{Target{InputPath: new("$.detail.tags[0]")}, `{"k":"x","v":1}`},
		{Target{InputPath: new("$.detail.tags.*.k")}, `["x","y"]`},
		{Target{InputPath: new("$.detail['state']")}, `"RUNNING"`},
		{Target{InputPath: new("$.detail.gone.x")}, `null`},
		{Target{InputPath: new("$.resources[7]")}, `null`},
	} {
		if got := render(t, &c.target); got != c.want {
			t.Errorf("%v: %s, want %s", c.target.InputPath, got, c.want)
		}
	}
}

func TestInputRefused(t *testing.T) {
	for _, c := range []struct {
		target Target
		want   string
	}{
		{Target{InputPath: new("detail")}, "InputPath for target t is invalid."},
		{Target{InputPath: new("$..x")}, "InputPath for target t is invalid."},
		{Target{InputPath: new("$.x[")}, "InputPath for target t is invalid."},
		{Target{InputTransformer: &InputTransformer{InputTemplate: new(`{"a": <b>}`)}}, "InputTemplate for target t contains invalid placeholder b."},
		{Target{InputTransformer: &InputTransformer{InputTemplate: new(`{"a": }`)}}, "Invalid InputTemplate for target t : it is not valid JSON."},
		{Target{InputTransformer: &InputTransformer{InputTemplate: new(`"x"`), InputPathsMap: map[string]string{"AWS.x": "$.x"}}}, "InputPathsMap for target t contains a reserved name AWS.x."},
		{Target{InputTransformer: &InputTransformer{InputTemplate: new(`"x"`), InputPathsMap: map[string]string{"x": "x"}}}, "InputPath for target t is invalid."},
	} {
		c.target.Id = new("t")
		if _, err := newInput(&c.target); err == nil || err.Error() != "ValidationException: "+c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// FuzzTransformer: a template that is JSON makes JSON of any value.
func FuzzTransformer(f *testing.F) {
	f.Add(`{"a": <v>, "b": "<v>"}`, "$.detail.say", `"x"`)
	f.Add(`"<v>"`, "$.detail", `{"a":["\\\"",{}]}`)
	f.Add(`<v>`, "$.x[*].y", `1`)
	f.Fuzz(func(t *testing.T, template, p, value string) {
		target := &Target{Id: new("t"), InputTransformer: &InputTransformer{
			InputTemplate: &template, InputPathsMap: map[string]string{"v": "$.detail", "p": p},
		}}
		in, err := newInput(target)
		raw := []byte(`{"detail":` + value + `}`)
		tree, bad := filter.Decode(raw)
		if err != nil || bad != nil {
			return
		}
		got, err := in.render(&rule{}, &event{raw: raw, tree: tree})
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(strings.TrimSpace(template), "{") && json.Valid([]byte(strings.ReplaceAll(template, "<", ""))) && !json.Valid(got) {
			t.Errorf("%s with %s became %s", template, value, got)
		}
	})
}
