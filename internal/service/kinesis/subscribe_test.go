package kinesis

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

// enrol registers a consumer.
func (w *world) enrol(st *stream, name string) string {
	w.t.Helper()
	out, err := w.api.registerConsumer(context.Background(), &RegisterStreamConsumerInput{StreamARN: &st.arn, ConsumerName: &name, Tags: map[string]string{"a": "b"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.Consumer.ConsumerARN
}

// A position is a request for shard 0 by a consumer.
func position(arn, kind, number string) m {
	at := m{"Type": kind}
	if number != "" {
		at["SequenceNumber"] = number
	}
	return m{"ConsumerARN": arn, "ShardId": shard0, "StartingPosition": at}
}

// A listener reads a subscription. (AWS's client for Go does so in the tests of
// the whole: it has a data race of its own.)
type listener struct {
	t    *testing.T
	body io.Reader
}

// subscribe answers a subscription, or the code of an error.
func subscribe(t *testing.T, url string, in m) (*listener, string) {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "Kinesis_20131202.SubscribeToShard")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 {
		var e struct {
			Type string `json:"__type"`
		}
		if err := json.NewDecoder(res.Body).Decode(&e); err != nil {
			t.Fatal(err)
		}
		return nil, e.Type
	}
	l := &listener{t, res.Body}
	if kind, name, body := l.message(); res.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" || kind != "event" || name != "initial-response" || string(body) != "{}" {
		t.Fatalf("the answer begins with %s %s %s, %v", kind, name, body, res.Header)
	}
	return l, ""
}

// message is the next message: its type, what it is called, its payload. All are
// empty at the end.
func (l *listener) message() (kind, name string, body []byte) {
	l.t.Helper()
	msg, err := eventstream.NewDecoder().Decode(l.body, nil)
	if err == io.EOF {
		return "", "", nil
	}
	if err != nil {
		l.t.Fatal(err)
	}
	kind = msg.Headers.Get(":message-type").String()
	return kind, msg.Headers.Get(":" + kind + "-type").String(), msg.Payload
}

// next is the next event with records, or the shard's last one.
func (l *listener) next() (e SubscribeToShardEvent) {
	l.t.Helper()
	for {
		kind, name, body := l.message()
		if kind != "event" || name != "SubscribeToShardEvent" {
			l.t.Fatalf("the subscription ended: %s %s", name, body)
		}
		e = SubscribeToShardEvent{}
		tree, err := wire.ParseJSON(body)
		if err == nil {
			err = wire.ShapeOf(reflect.TypeFor[SubscribeToShardEvent]()).Bind(tree, reflect.ValueOf(&e).Elem())
		}
		if err != nil {
			l.t.Fatal(err)
		}
		if len(e.Records) > 0 || len(e.ChildShards) > 0 {
			return e
		}
	}
}

// end is the code of the error that ends the subscription, "" for none.
func (l *listener) end() string {
	l.t.Helper()
	for {
		switch kind, name, _ := l.message(); kind {
		case "":
			return ""
		case "exception":
			return name
		}
	}
}

func TestSubscribe(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	consumer := w.enrol(st, "c")
	w.add(st, "k", "0")
	url := wiretest.Serve(t, Service(w.Book))
	one, _ := subscribe(t, url, position(consumer, "TRIM_HORIZON", ""))
	e := one.next()
	if len(e.Records) != 1 || string(e.Records[0].Data) != "0" || *e.Records[0].PartitionKey != "k" || *e.MillisBehindLatest != 0 {
		t.Errorf("%+v", e)
	}
	out := w.add(st, "k", "1")
	if e = one.next(); len(e.Records) != 1 || string(e.Records[0].Data) != "1" || *e.ContinuationSequenceNumber != *out.SequenceNumber {
		t.Errorf("%+v", e)
	}
	// Another connection within five seconds is refused, later it takes over.
	in := position(consumer, "AFTER_SEQUENCE_NUMBER", *e.ContinuationSequenceNumber)
	if _, code := subscribe(t, url, in); code != "ResourceInUseException" {
		t.Errorf("a second one at once: %q", code)
	}
	w.pass(6 * time.Second)
	two, code := subscribe(t, url, in)
	if code != "" {
		t.Fatal(code)
	}
	if got := one.end(); got != "ResourceInUseException" {
		t.Errorf("the first one ended with %q", got)
	}
	w.add(st, "k", "2")
	if _, err := w.api.splitShard(t.Context(), &SplitShardInput{StreamName: &st.name, ShardToSplit: new(shard0), NewStartingHashKey: new("1000")}); err != nil {
		t.Fatal(err)
	}
	text := ""
	for len(e.ChildShards) == 0 {
		e = two.next()
		for _, r := range e.Records {
			text += string(r.Data)
		}
	}
	if text != "2" || len(e.ChildShards) != 2 || e.ContinuationSequenceNumber != nil || *e.ChildShards[0].ShardId != "shardId-000000000001" {
		t.Errorf("at the end: %s %+v", text, e)
	}
	if kind, name, _ := two.message(); kind != "" {
		t.Errorf("behind the end: %s %s", kind, name)
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
			_, err := w.api.deleteStream(w.t.(*testing.T).Context(), &DeleteStreamInput{StreamName: new("s"), EnforceConsumerDeletion: new(true)})
			return err
		}},
		{"server", "", func(w *world, _ string) error { w.Hangup(); return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			st := w.make("s", 1)
			arn := w.enrol(st, "c")
			w.add(st, "k", "v")
			s, _ := subscribe(t, wiretest.Serve(t, Service(w.Book)), position(arn, "TRIM_HORIZON", ""))
			s.next()
			if err := tt.end(w, arn); err != nil {
				t.Fatal(err)
			}
			if got := s.end(); got != tt.want {
				t.Errorf("it ended with %q, want %q", got, tt.want)
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
