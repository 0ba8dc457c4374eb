package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/object"
)

// grant is a policy that allows an action of S3's, under a condition.
func grant(action, resource, condition string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"` + action +
		`","Resource":"` + resource + `"` + condition + `}]}`
}

func TestCheck(t *testing.T) {
	const fn, topic = "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:sns:us-east-1:000000000000:t"
	const ours = `,"Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::photos"},"StringEquals":{"AWS:SourceAccount":"000000000000"}}`
	tests := map[string]struct{ to, policy, want string }{
		"function":             {fn, grant("lambda:InvokeFunction", fn, ours), ""},
		"function, no policy":  {fn, "", "Not authorized to invoke function [" + fn + "]"},
		"function, for others": {fn, grant("lambda:InvokeFunction", fn, `,"Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::films"}}`), "Not authorized to invoke function [" + fn + "]"},
		"other account":        {fn, grant("lambda:InvokeFunction", fn, `,"Condition":{"StringEquals":{"AWS:SourceAccount":"111111111111"}}`), "Not authorized"},
		"other action":         {fn, grant("lambda:GetFunction", fn, ""), "Not authorized"},
		"no function":          {fn, "gone", "The destination Lambda does not exist"},
		"queue":                {queue, grant("sqs:SendMessage", queue, ours), ""},
		"queue, SQS:*":         {queue, grant("SQS:*", "*", ""), ""},
		"queue, no policy":     {queue, "", "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"},
		"queue, bad policy":    {queue, "{", "Permissions on the destination queue"},
		"no queue":             {queue, "gone", "The destination queue does not exist"},
		"FIFO":                 {queue + ".fifo", grant("sqs:*", "*", ""), "FIFO"},
		"topic":                {topic, grant("SNS:Publish", topic, ours), ""},
		"topic, no policy":     {topic, "", "Permissions on the destination topic do not allow S3 to publish notifications from this bucket"},
		"no topic":             {topic, "gone", "The destination topic does not exist"},
		"elsewhere":            {"arn:aws:sqs:eu-west-1:000000000000:q", grant("sqs:*", "*", ""), "region is not valid"},
		"no target":            {"arn:aws:dynamodb:us-east-1:000000000000:table/t", "", "could not be parsed"},
		"no ARN":               {"photos", "", "could not be parsed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			read := func(_ context.Context, to arn.ARN) (string, error) {
				if to.String() != tt.to {
					t.Errorf("asked for %s", to)
				}
				if tt.policy == "gone" {
					return "", target.ErrNotFound
				}
				return tt.policy, nil
			}
			f := &Forwarder{c: Config{Account: "000000000000", Region: "us-east-1",
				Policies: map[string]func(context.Context, arn.ARN) (string, error){"lambda": read, "sqs": read, "sns": read}}}
			err := f.Check(t.Context(), "photos", object.Rule{Target: tt.to})
			var r *Refusal
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (!errors.As(err, &r) || r.Target != tt.to || !strings.Contains(r.Reason, tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCheckFails(t *testing.T) {
	f := &Forwarder{c: Config{Region: "us-east-1", Policies: map[string]func(context.Context, arn.ARN) (string, error){
		"sqs": func(context.Context, arn.ARN) (string, error) { return "", errBroken }}}}
	var r *Refusal
	if err := f.Check(t.Context(), "b", object.Rule{Target: queue}); !errors.Is(err, errBroken) || errors.As(err, &r) {
		t.Errorf("got %v", err)
	}
}

func TestTestEvent(t *testing.T) {
	bubble(t, func(h *house) {
		by := object.Origin{RequestID: "R", HostID: "H"}
		for _, to := range []string{queue, "arn:aws:sns:us-east-1:000000000000:t", "arn:aws:lambda:us-east-1:000000000000:function:f"} {
			if err := h.f.Test(h.Context(), "photos", object.Rule{Target: to}, by); err != nil {
				t.Errorf("%s: %v", to, err)
			}
		}
		synctest.Wait()
		if n := len(h.desks["lambda"].got); n != 0 {
			t.Errorf("a function got %d", n)
		}
		for _, service := range []string{"sqs", "sns"} {
			var got map[string]string
			if err := json.Unmarshal(h.desks[service].got[0].Payload, &got); err != nil {
				t.Fatal(err)
			}
			if _, err := time.Parse("2006-01-02T15:04:05.000Z", got["Time"]); err != nil {
				t.Error(err)
			}
			delete(got, "Time")
			want := map[string]string{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos", "RequestId": "R", "HostId": "H"}
			for k, v := range want {
				if got[k] != v || len(got) != len(want) {
					t.Errorf("%s got %v, want %v", service, got, want)
				}
			}
		}
		h.desks["sqs"].set(target.ErrDenied)
		if err := h.f.Test(h.Context(), "photos", object.Rule{Target: queue}, by); !errors.Is(err, target.ErrDenied) {
			t.Errorf("got %v", err)
		}
	})
}
