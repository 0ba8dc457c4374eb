package scheduler

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/outbox"
	"github.com/mayfly-faas/mayfly/internal/event/target"
)

// What stands for the context of an invocation in a target's input.
//
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
const (
	markSchedule  = "<aws.scheduler.schedule-arn>"
	markTime      = "<aws.scheduler.scheduled-time>"
	markExecution = "<aws.scheduler.execution-id>"
	markAttempt   = "<aws.scheduler.attempt-number>" // filled in by the outbox
)

// deliveries are what a tick of s sends, or why its target is refused.
func (b *Book) deliveries(s *schedule, tick time.Time, execution string) ([]message, error) {
	t := s.doc.Target
	to, err := arn.Parse(*t.Arn)
	if err != nil {
		return nil, invalid("Provided Arn is not in correct format.")
	}
	input, given := b.input(s, tick, execution)
	if to.Service == "scheduler" {
		return b.universal(to, input, given)
	}
	d := target.Delivery{Payload: input}
	switch {
	case to.Service == "sqs":
		if t.SqsParameters != nil {
			d.Group = val(t.SqsParameters.MessageGroupId)
		}
		if strings.HasSuffix(to.Resource, ".fifo") && d.Group == "" {
			return nil, invalid("MessageGroupId must be specified in SqsParameters for a FIFO queue.")
		}
	case to.Service == "events" && strings.HasPrefix(to.Resource, "event-bus/"):
		if d.Payload, err = b.event(t, input, given); err != nil {
			return nil, err
		}
	case !slices.Contains([]string{"lambda", "sns"}, to.Service):
		return nil, invalid("Mayfly does not serve %s as a target yet.", *t.Arn)
	}
	return []message{{outbox.Message{To: *t.Arn, Delivery: d}}}, nil
}

// input is what the target is told, with its context filled in; given is false
// when the schedule does not say, and it is what AWS sends then.
func (b *Book) input(s *schedule, tick time.Time, execution string) (text []byte, given bool) {
	name, at := b.scheduleARN(s.group, s.name), tick.UTC().Format(time.RFC3339)
	if s.doc.Target.Input != nil {
		filled := strings.NewReplacer(markSchedule, name, markTime, at, markExecution, execution).Replace(*s.doc.Target.Input)
		return []byte(filled), true
	}
	text, _ = json.Marshal(struct { // of strings alone: it cannot fail
		Version    string   `json:"version"`
		ID         string   `json:"id"`
		DetailType string   `json:"detail-type"`
		Source     string   `json:"source"`
		Account    string   `json:"account"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
		Detail     string   `json:"detail"`
	}{"0", execution, "Scheduled Event", "aws.scheduler", b.Account, at, b.Region, []string{name}, "{}"})
	return text, false
}

// event is the envelope for a bus, of which the input is the detail.
func (b *Book) event(t *Target, detail []byte, given bool) ([]byte, error) {
	p := t.EventBridgeParameters
	if p == nil {
		return nil, invalid("EventBridgeParameters must be specified for an event bus.")
	}
	if !given {
		detail = []byte("{}")
	}
	return b.envelope(*p.Source, *p.DetailType, detail, nil)
}

func (b *Book) envelope(source, kind string, detail []byte, resources []string) ([]byte, error) {
	if !strings.HasPrefix(strings.TrimSpace(string(detail)), "{") || !json.Valid(detail) {
		return nil, invalid("The Input of an event must be a JSON object.")
	}
	return json.Marshal(map[string]any{
		"version": "0", "id": uuid.NewString(), "source": source, "detail-type": kind, "detail": json.RawMessage(detail),
		"account": b.Account, "region": b.Region, "resources": append([]string{}, resources...), "time": b.Now().UTC().Format(time.RFC3339),
	})
}

// universal are the messages of a target that names an operation of AWS's API,
// with its input as the operation's request.
//
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
func (b *Book) universal(to arn.ARN, input []byte, given bool) ([]message, error) {
	op, ok := strings.CutPrefix(to.Resource, "aws-sdk:")
	if !ok {
		return nil, invalid("%s is not a target.", to)
	}
	if !given {
		input = []byte("{}")
	}
	read := map[string]func([]byte) ([]message, error){
		"lambda:invoke": b.invoke, "sqs:sendMessage": b.sendMessage, "sns:publish": b.publish, "eventbridge:putEvents": b.putEvents,
	}[op]
	if read == nil {
		return nil, invalid("Mayfly does not serve the target %s yet.", to)
	}
	messages, err := read(input)
	if err != nil {
		return nil, invalid("Invalid Input for %s: %v.", to, err)
	}
	return messages, nil
}

func single(to string, d target.Delivery) []message {
	return []message{{outbox.Message{To: to, Delivery: d}}}
}

func (b *Book) local(service, resource string) string {
	return arn.ARN{Service: service, Region: b.Region, Account: b.Account, Resource: resource}.String()
}

// invoke reads a request of Lambda's Invoke. The payload may be text or JSON.
func (b *Book) invoke(input []byte) ([]message, error) {
	var in struct {
		FunctionName, Qualifier string
		Payload                 json.RawMessage
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	if in.FunctionName == "" {
		return nil, fmt.Errorf("FunctionName must not be null")
	}
	to := in.FunctionName
	if !strings.HasPrefix(to, "arn:") {
		to = b.local("lambda", "function:"+to)
	}
	if in.Qualifier != "" {
		to += ":" + in.Qualifier
	}
	payload := []byte(in.Payload)
	var text string
	if json.Unmarshal(payload, &text) == nil {
		payload = []byte(text)
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	return single(to, target.Delivery{Payload: payload}), nil
}

// An attribute is a message attribute in a request of SQS or SNS.
type attribute struct {
	DataType, StringValue, BinaryValue string
}

func attributes(in map[string]attribute) (map[string]target.Attribute, error) {
	out := map[string]target.Attribute{}
	for name, a := range in {
		b, err := base64.StdEncoding.DecodeString(a.BinaryValue)
		if err != nil {
			return nil, err
		}
		out[name] = target.Attribute{Type: a.DataType, String: a.StringValue, Binary: b}
	}
	return out, nil
}

// sendMessage reads a request of SQS's SendMessage.
func (b *Book) sendMessage(input []byte) ([]message, error) {
	var in struct {
		QueueUrl, MessageBody, MessageGroupId, MessageDeduplicationId string

		MessageAttributes map[string]attribute
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	steps := strings.Split(in.QueueUrl, "/")
	if len(steps) < 2 || in.MessageBody == "" {
		return nil, fmt.Errorf("QueueUrl and MessageBody must not be null")
	}
	a, err := attributes(in.MessageAttributes)
	return single(b.local("sqs", steps[len(steps)-1]), target.Delivery{
		Payload: []byte(in.MessageBody), Group: in.MessageGroupId, Dedup: in.MessageDeduplicationId, Attributes: a,
	}), err
}

// publish reads a request of SNS's Publish.
func (b *Book) publish(input []byte) ([]message, error) {
	var in struct {
		TopicArn, TargetArn, Message, Subject, MessageGroupId, MessageDeduplicationId string

		MessageAttributes map[string]attribute
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	if in.TopicArn == "" {
		in.TopicArn = in.TargetArn
	}
	if in.TopicArn == "" || in.Message == "" {
		return nil, fmt.Errorf("TopicArn and Message must not be null")
	}
	a, err := attributes(in.MessageAttributes)
	return single(in.TopicArn, target.Delivery{
		Payload: []byte(in.Message), Subject: in.Subject, Group: in.MessageGroupId, Dedup: in.MessageDeduplicationId, Attributes: a,
	}), err
}

// putEvents reads a request of EventBridge's PutEvents.
func (b *Book) putEvents(input []byte) ([]message, error) {
	var in struct {
		Entries []struct {
			Source, DetailType, Detail, EventBusName string

			Resources []string
		}
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	if n := len(in.Entries); n < 1 || n > 10 {
		return nil, fmt.Errorf("there must be 1 to 10 Entries")
	}
	var all []message
	for _, e := range in.Entries {
		if e.EventBusName == "" {
			e.EventBusName = "default"
		}
		if !strings.HasPrefix(e.EventBusName, "arn:") {
			e.EventBusName = b.local("events", "event-bus/"+e.EventBusName)
		}
		payload, err := b.envelope(e.Source, e.DetailType, []byte(e.Detail), e.Resources)
		if err != nil {
			return nil, err
		}
		all = append(all, single(e.EventBusName, target.Delivery{Payload: payload})...)
	}
	return all, nil
}
