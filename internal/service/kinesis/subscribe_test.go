package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

// sdk is AWS's own client, against w.
func (w *world) sdk() *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(wiretest.Serve(w.t, Service(w.Book))), Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
}

// enrol registers a consumer.
func (w *world) enrol(st *stream, name string) string {
	w.t.Helper()
	out, err := w.api.registerConsumer(context.Background(), &RegisterStreamConsumerInput{StreamARN: &st.arn, ConsumerName: &name, Tags: map[string]string{"a": "b"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.Consumer.ConsumerARN
}

func subscription0(arn string, kind types.ShardIteratorType, number *string) *sdk.SubscribeToShardInput {
	return &sdk.SubscribeToShardInput{ConsumerARN: &arn, ShardId: aws.String(shard0), StartingPosition: &types.StartingPosition{Type: kind, SequenceNumber: number}}
}

// listen answers the events of a subscription.
func listen(t *testing.T, c *sdk.Client, in *sdk.SubscribeToShardInput) *sdk.SubscribeToShardEventStream {
	t.Helper()
	out, err := c.SubscribeToShard(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	s := out.GetStream()
	t.Cleanup(func() { s.Close() })
	return s
}

// next is the next event with records, or the last one.
func next(t *testing.T, s *sdk.SubscribeToShardEventStream) types.SubscribeToShardEvent {
	t.Helper()
	for e := range s.Events() {
		v := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
		if len(v.Records) > 0 || len(v.ChildShards) > 0 {
			return v
		}
	}
	t.Fatalf("the subscription ended: %v", s.Err())
	return types.SubscribeToShardEvent{}
}

func TestSubscribe(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	consumer := w.enrol(st, "c")
	w.add(st, "k", "0")
	c := w.sdk()
	s := listen(t, c, subscription0(consumer, types.ShardIteratorTypeTrimHorizon, nil))
	e := next(t, s)
	if len(e.Records) != 1 || string(e.Records[0].Data) != "0" || *e.Records[0].PartitionKey != "k" || *e.MillisBehindLatest != 0 {
		t.Errorf("%+v", e)
	}
	out := w.add(st, "k", "1")
	if e = next(t, s); len(e.Records) != 1 || string(e.Records[0].Data) != "1" || *e.ContinuationSequenceNumber != *out.SequenceNumber {
		t.Errorf("%+v", e)
	}
	// Another connection within five seconds is refused, later it takes over.
	in := subscription0(consumer, types.ShardIteratorTypeAfterSequenceNumber, e.ContinuationSequenceNumber)
	_, err := c.SubscribeToShard(t.Context(), in)
	if used := (*types.ResourceInUseException)(nil); !errors.As(err, &used) {
		t.Errorf("a second one at once: %v", err)
	}
	w.pass(6 * time.Second)
	two := listen(t, c, in)
	for range s.Events() {
	}
	if used := (*types.ResourceInUseException)(nil); !errors.As(s.Err(), &used) {
		t.Errorf("the first one ended with %v", s.Err())
	}
	w.add(st, "k", "2")
	if _, err := w.api.splitShard(t.Context(), &SplitShardInput{StreamName: &st.name, ShardToSplit: aws.String(shard0), NewStartingHashKey: aws.String("1000")}); err != nil {
		t.Fatal(err)
	}
	text := ""
	for len(e.ChildShards) == 0 {
		e = next(t, two)
		for _, r := range e.Records {
			text += string(r.Data)
		}
	}
	if text != "2" || len(e.ChildShards) != 2 || e.ContinuationSequenceNumber != nil || *e.ChildShards[0].ShardId != "shardId-000000000001" {
		t.Errorf("at the end: %s %+v", text, e)
	}
	if e, more := <-two.Events(); more || two.Err() != nil {
		t.Errorf("behind the end: %+v, %v", e, two.Err())
	}
}

// TestSubscriptionsEnd: with their consumer, their stream, their server.
func TestSubscriptionsEnd(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		end        func(w *world, arn string) error
	}{
		{"consumer", "ResourceNotFoundException", func(w *world, arn string) error {
			_, err := w.api.deregisterConsumer(w.t.(*testing.T).Context(), &DeregisterStreamConsumerInput{ConsumerARN: &arn})
			return err
		}},
		{"stream", "ResourceNotFoundException", func(w *world, _ string) error {
			_, err := w.api.deleteStream(w.t.(*testing.T).Context(), &DeleteStreamInput{StreamName: aws.String("s"), EnforceConsumerDeletion: aws.Bool(true)})
			return err
		}},
		{"server", "", func(w *world, _ string) error { w.Hangup(); return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			st := w.make("s", 1)
			arn := w.enrol(st, "c")
			w.add(st, "k", "v")
			s := listen(t, w.sdk(), subscription0(arn, types.ShardIteratorTypeTrimHorizon, nil))
			next(t, s)
			if err := tt.end(w, arn); err != nil {
				t.Fatal(err)
			}
			for range s.Events() {
			}
			got := ""
			if e, ok := errors.AsType[smithy.APIError](s.Err()); ok {
				got = e.ErrorCode()
			}
			if got != tt.want {
				t.Errorf("%v, want %s", s.Err(), tt.want)
			}
		})
	}
}

func TestConsumers(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	arn := w.enrol(st, "b")
	if arn != "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/b:1700000000" {
		t.Errorf("ARN %s", arn)
	}
	w.enrol(st, "a")
	w.again()
	st = w.stream("s")
	c := w.clients()["json"]
	if a := c.Do("RegisterStreamConsumer", m{"StreamARN": st.arn, "ConsumerName": "a"}, nil); a.Code != "ResourceInUseException" {
		t.Errorf("twice: %+v", a)
	}
	var d DescribeStreamConsumerOutput
	c.Do("DescribeStreamConsumer", m{"ConsumerARN": arn}, &d)
	if o := d.ConsumerDescription; o == nil || *o.StreamARN != st.arn || *o.ConsumerName != "b" || *o.ConsumerStatus != active {
		t.Errorf("%+v", o)
	}
	names := ""
	in := m{"StreamARN": st.arn, "MaxResults": 1}
	for range 3 {
		var list ListStreamConsumersOutput
		c.Do("ListStreamConsumers", in, &list)
		for _, o := range list.Consumers {
			names += *o.ConsumerName
		}
		if list.NextToken == nil {
			break
		}
		in["NextToken"] = *list.NextToken
	}
	if names != "ab" {
		t.Errorf("listed: %s", names)
	}
	info, err := w.Describe(t.Context(), arn)
	if err != nil || info.ARN != st.arn {
		t.Errorf("a consumer as a source: %+v, %v", info, err)
	}
	if _, err := w.Describe(t.Context(), strings.TrimSuffix(arn, "0")+"1"); err == nil {
		t.Error("another consumer of that name is a source")
	}
	var tags ListTagsForResourceOutput
	c.Do("TagResource", m{"ResourceARN": arn, "Tags": m{"c": "d"}}, nil)
	c.Do("UntagResource", m{"ResourceARN": arn, "TagKeys": []any{"a"}}, nil)
	if c.Do("ListTagsForResource", m{"ResourceARN": arn}, &tags); len(tags.Tags) != 1 || *tags.Tags[0].Key != "c" {
		t.Errorf("%+v", tags)
	}
	if a := c.Do("DeleteStream", m{"StreamName": "s"}, nil); a.Code != "ResourceInUseException" {
		t.Errorf("with consumers: %+v", a)
	}
	for i := range 18 {
		w.enrol(st, fmt.Sprint("n", i))
	}
	if a := c.Do("RegisterStreamConsumer", m{"StreamARN": st.arn, "ConsumerName": "x"}, nil); a.Code != "LimitExceededException" {
		t.Errorf("a 21st: %+v", a)
	}
	c.Do("DeregisterStreamConsumer", m{"StreamARN": st.arn, "ConsumerName": "b"}, nil)
	if a := c.Do("DescribeStreamConsumer", m{"ConsumerARN": arn}, nil); a.Code != "ResourceNotFoundException" {
		t.Errorf("deregistered: %+v", a)
	}
}
