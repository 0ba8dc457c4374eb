package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// topic finds a topic or makes it, and answers its ARN.
func (a *attacher) topic(ctx context.Context, name string) (string, error) {
	name = lastPart(name)
	arn := a.arn("sns", name)
	err := a.api.sns(ctx, "GetTopicAttributes", map[string]string{"TopicArn": arn}, nil)
	if !is(err, "NotFound") {
		return arn, err
	}
	in := map[string]string{"Name": name}
	if strings.HasSuffix(name, ".fifo") {
		in["Attributes.entry.1.key"], in["Attributes.entry.1.value"] = "FifoTopic", "true"
	}
	if err := a.api.sns(ctx, "CreateTopic", in, nil); err != nil {
		return "", err
	}
	a.said(did{"created", "topic " + name})
	return arn, nil
}

// attachTopic subscribes the function to a topic.
func (a *attacher) attachTopic(ctx context.Context, t trigger) (action string, err error) {
	topic, err := a.topic(ctx, t.SNS)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(topic))
	sid := "mayfly-sns-" + hex.EncodeToString(sum[:4])
	a.wanted[sid] = true
	settings := map[string]string{"FilterPolicy": "", "FilterPolicyScope": "", "RedrivePolicy": ""}
	if t.Filter != nil {
		settings["FilterPolicy"] = compact(t.Filter)
		settings["FilterPolicyScope"] = map[bool]string{true: "MessageBody", false: "MessageAttributes"}[t.Scope == "body"]
	}
	if t.DeadLetter != "" {
		dead, err := a.queue(ctx, t.DeadLetter)
		if err != nil {
			return "", err
		}
		settings["RedrivePolicy"] = `{"deadLetterTargetArn":"` + dead + `"}`
	}
	subscription, err := a.subscription(ctx, topic)
	if err != nil {
		return "", err
	}
	if subscription != "" {
		return a.adjust(ctx, subscription, settings)
	}
	if err := a.permit(ctx, sid, "sns.amazonaws.com", topic); err != nil {
		return "", err
	}
	in := map[string]string{"TopicArn": topic, "Protocol": "lambda", "Endpoint": a.f.FunctionArn}
	n := 0
	for name, v := range settings {
		if v != "" {
			n++
			entry := fmt.Sprintf("Attributes.entry.%d.", n)
			in[entry+"key"], in[entry+"value"] = name, v
		}
	}
	return "created", a.api.sns(ctx, "Subscribe", in, nil)
}

// subscription is the ARN of the function's subscription to a topic, "" when
// there is none.
func (a *attacher) subscription(ctx context.Context, topic string) (string, error) {
	in := map[string]string{"TopicArn": topic}
	for {
		var out struct {
			List []struct {
				SubscriptionArn, Endpoint, Protocol string
			} `xml:"ListSubscriptionsByTopicResult>Subscriptions>member"`
			Next string `xml:"ListSubscriptionsByTopicResult>NextToken"`
		}
		if err := a.api.sns(ctx, "ListSubscriptionsByTopic", in, &out); err != nil {
			return "", err
		}
		for _, s := range out.List {
			if s.Protocol == "lambda" && s.Endpoint == a.f.FunctionArn {
				return s.SubscriptionArn, nil
			}
		}
		if out.Next == "" {
			return "", nil
		}
		in["NextToken"] = out.Next
	}
}

// adjust changes what differs in a subscription.
func (a *attacher) adjust(ctx context.Context, subscription string, want map[string]string) (action string, err error) {
	var out struct {
		Entries []struct {
			Key   string `xml:"key"`
			Value string `xml:"value"`
		} `xml:"GetSubscriptionAttributesResult>Attributes>entry"`
	}
	if err := a.api.sns(ctx, "GetSubscriptionAttributes", map[string]string{"SubscriptionArn": subscription}, &out); err != nil {
		return "", err
	}
	have := map[string]string{}
	for _, e := range out.Entries {
		have[e.Key] = e.Value
	}
	action = "unchanged"
	for _, name := range []string{"FilterPolicyScope", "FilterPolicy", "RedrivePolicy"} {
		v := want[name]
		if v == "" && (name == "FilterPolicyScope" || have[name] == "") || sameJSON(v, have[name]) {
			continue
		}
		in := map[string]string{"SubscriptionArn": subscription, "AttributeName": name}
		if v != "" || name != "FilterPolicy" {
			in["AttributeValue"] = v
		} else {
			in["AttributeValue"] = "{}" // lets everything through
			if have[name] == "{}" {
				continue
			}
		}
		if err := a.api.sns(ctx, "SetSubscriptionAttributes", in, nil); err != nil {
			return "", err
		}
		action = "updated"
	}
	return action, nil
}

// sameJSON tells whether two texts are the same, as JSON if they are that.
func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}

// unsubscribe ends the function's subscription to a topic, if there is one.
func (a *attacher) unsubscribe(ctx context.Context, topic string) error {
	s, err := a.subscription(ctx, topic)
	if is(err, "NotFound") {
		return nil
	} else if err != nil || s == "" {
		return err
	}
	return a.api.sns(ctx, "Unsubscribe", map[string]string{"SubscriptionArn": s}, nil)
}
