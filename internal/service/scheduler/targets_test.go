package scheduler

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestTargets: what a tick hands over, by kind of target.
func TestTargets(t *testing.T) {
	b := &Book{Config: Config{Account: account, Region: region}}
	tick := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	const sdk = "arn:aws:scheduler:::aws-sdk:"
	for _, c := range []struct {
		target Target
		to     string
		want   string
		group  string
	}{
		{Target{Arn: new(queue), Input: new("<aws.scheduler.scheduled-time> <aws.scheduler.execution-id>")}, queue, "2026-11-23T09:00:00Z exec", ""},
		{Target{Arn: new(queue + ".fifo"), Input: new("x"), SqsParameters: &SqsParameters{MessageGroupId: new("g")}}, queue + ".fifo", "x", "g"},
		{Target{Arn: new("arn:aws:lambda:us-east-1:000000000000:function:f")}, "arn:aws:lambda:us-east-1:000000000000:function:f",
			`{"version":"0","id":"exec","detail-type":"Scheduled Event","source":"aws.scheduler","account":"000000000000","time":"2026-11-23T09:00:00Z",` +
				`"region":"us-east-1","resources":["arn:aws:scheduler:us-east-1:000000000000:schedule/g/s"],"detail":"{}"}`, ""},
		{Target{Arn: new(sdk + "lambda:invoke"), Input: new(`{"FunctionName":"f","InvocationType":"Event","Payload":"{\"a\":1}"}`)},
			"arn:aws:lambda:us-east-1:000000000000:function:f", `{"a":1}`, ""},
		{Target{Arn: new(sdk + "lambda:invoke"), Input: new(`{"FunctionName":"arn:aws:lambda:us-east-1:000000000000:function:f","Qualifier":"live","Payload":{"a":1}}`)},
			"arn:aws:lambda:us-east-1:000000000000:function:f:live", `{"a":1}`, ""},
		{Target{Arn: new(sdk + "sqs:sendMessage"), Input: new(`{"QueueUrl":"http://localhost:4566/000000000000/q","MessageBody":"hello","MessageGroupId":"g"}`)}, queue, "hello", "g"},
		{Target{Arn: new(sdk + "sns:publish"), Input: new(`{"TopicArn":"arn:aws:sns:us-east-1:000000000000:t","Message":"m","Subject":"s"}`)},
			"arn:aws:sns:us-east-1:000000000000:t", "m", ""},
	} {
		s := &schedule{group: "g", name: "s", doc: doc{Target: &c.target}}
		got, err := b.deliveries(s, tick, "exec")
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %v %v", *c.target.Arn, got, err)
			continue
		}
		if m := got[0]; m.To != c.to || string(m.Delivery.Payload) != c.want || m.Delivery.Group != c.group {
			t.Errorf("%s: %s %s %s\nwant %s %s", *c.target.Arn, m.To, m.Delivery.Payload, m.Delivery.Group, c.to, c.want)
		}
	}
}

func TestEventTargets(t *testing.T) {
	b := &Book{Config: Config{Account: account, Region: region, Now: time.Now}}
	bus := "arn:aws:events:us-east-1:000000000000:event-bus/orders"
	for _, c := range []struct {
		target Target
		want   []string
	}{
		{Target{Arn: &bus, Input: new(`{"a":1}`), EventBridgeParameters: &EventBridgeParameters{Source: new("src"), DetailType: new("kind")}}, []string{`src kind {"a":1}`}},
		{Target{Arn: &bus, EventBridgeParameters: &EventBridgeParameters{Source: new("src"), DetailType: new("kind")}}, []string{`src kind {}`}},
		{Target{Arn: new("arn:aws:scheduler:::aws-sdk:eventbridge:putEvents"), Input: new(
			`{"Entries":[{"Source":"a","DetailType":"b","Detail":"{\"x\":2}","EventBusName":"orders"},{"Source":"c","DetailType":"d","Detail":"{}","EventBusName":"` + bus + `"}]}`)},
			[]string{`a b {"x":2}`, `c d {}`}},
	} {
		got, err := b.deliveries(&schedule{doc: doc{Target: &c.target}}, time.Now(), "")
		if err != nil || len(got) != len(c.want) {
			t.Errorf("%v %v", got, err)
			continue
		}
		for i, m := range got {
			var e struct {
				Source string
				Kind   string `json:"detail-type"`
				Detail json.RawMessage
			}
			if err := json.Unmarshal(m.Delivery.Payload, &e); err != nil {
				t.Fatal(err)
			}
			if text := e.Source + " " + e.Kind + " " + string(e.Detail); text != c.want[i] || m.To != bus {
				t.Errorf("%s to %s, want %s", text, m.To, c.want[i])
			}
		}
	}
}

// FuzzUniversal: no input breaks the reading, and what is taken names a target.
func FuzzUniversal(f *testing.F) {
	ops := []string{"lambda:invoke", "sqs:sendMessage", "sns:publish", "eventbridge:putEvents"}
	f.Add(uint8(0), `{"FunctionName":"f","Payload":"x"}`)
	f.Add(uint8(1), `{"QueueUrl":"http://h/1/q","MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","StringValue":"v"}}}`)
	f.Add(uint8(2), `{"TopicArn":"arn:aws:sns:a:b:c","Message":"x"}`)
	f.Add(uint8(3), `{"Entries":[{"Source":"a","DetailType":"b","Detail":"{}"}]}`)
	b := &Book{Config: Config{Account: account, Region: region, Now: time.Now}}
	f.Fuzz(func(t *testing.T, op uint8, input string) {
		target := &Target{Arn: new("arn:aws:scheduler:::aws-sdk:" + ops[int(op)%len(ops)]), Input: &input}
		got, err := b.deliveries(&schedule{doc: doc{Target: target}}, time.Unix(0, 0), "e")
		if err == nil && len(got) == 0 {
			t.Errorf("%s: nothing to send", input)
		}
		for _, m := range got {
			if !strings.Contains(m.To, ":") {
				t.Errorf("%s goes to %q", input, m.To)
			}
		}
	})
}
