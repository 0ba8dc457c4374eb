package app

import (
	"context"
	"errors"
	"html"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/bucket"
	"github.com/mayfly-faas/mayfly/internal/object"
)

// A shelf is an outbox, and a place for objects, in memory.
type shelf struct {
	mu      sync.Mutex // guards changes
	changes []object.Change
	wake    chan struct{}
	puts    chan object.Put
}

func (s *shelf) add(c object.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Seq = int64(len(s.changes) + 1)
	s.changes = append(s.changes, c)
	s.wake <- struct{}{}
}

func (s *shelf) Changes(ctx context.Context, _ int64, _ int) ([]object.Change, error) {
	select {
	case <-s.wake:
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Clone(s.changes), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *shelf) Told(_ context.Context, seqs ...int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = slices.DeleteFunc(s.changes, func(c object.Change) bool { return slices.Contains(seqs, c.Seq) })
	return nil
}

func (s *shelf) Put(ctx context.Context, p object.Put, content io.Reader) (object.Info, error) {
	body, err := io.ReadAll(content)
	p.Meta.User = map[string]string{"body": string(body)}
	s.puts <- p
	return object.Info{}, err
}

// sqs calls an operation of SQS by a form.
func (c *client) sqs(op string, in url.Values) string {
	c.Helper()
	if in == nil {
		in = url.Values{}
	}
	in.Set("Action", op)
	in.Set("Version", "2012-11-05")
	return html.UnescapeString(c.want(200, "", "POST", "/?"+in.Encode(), "sqs", ""))
}

// received waits for a message with part in it.
func (c *client) received(queue, part string) {
	c.Helper()
	at := c.url + "/000000000000/" + queue
	var got string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if got = c.sqs("ReceiveMessage", url.Values{"QueueUrl": {at}, "WaitTimeSeconds": {"1"}}); strings.Contains(got, part) {
			return
		}
	}
	c.Fatalf("%s got %s, want %q", queue, got, part)
}

// failing answers every event with an error.
const failing = `#!/usr/bin/env python3
import os, urllib.request as u
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    r = u.urlopen(api + "next")
    r.read()
    u.urlopen(u.Request(api + r.headers["Lambda-Runtime-Aws-Request-Id"] + "/error", data=b'{"errorMessage":"told to"}'))
`

// What happens in buckets reaches the real targets, and records of failures reach
// buckets.
func TestNotificationsOfBuckets(t *testing.T) {
	a, c := open(t, Config{Data: t.TempDir()})
	s := &shelf{wake: make(chan struct{}, 8), puts: make(chan object.Put, 8)}
	f, err := a.openNotifications(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.openBucketWriter(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	arn := func(service, name string) string { return "arn:aws:" + service + ":eu-central-1:000000000000:" + name }
	fn, q := arn("lambda", "function:f"), arn("sqs", "q")
	refused := func(target, reason string) {
		t.Helper()
		var r *bucket.Refusal
		if err := f.Check(t.Context(), "b", object.Rule{Target: target}); !errors.As(err, &r) || !strings.Contains(r.Reason, reason) {
			t.Errorf("%s: %v, want %q", target, err, reason)
		}
	}
	taken := func(target string) {
		t.Helper()
		if err := f.Check(t.Context(), "b", object.Rule{Target: target}); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	refused(fn, "does not exist")
	c.create("f", failing)
	refused(fn, "Not authorized")
	c.want(201, "", "POST", "/2015-03-31/functions/f/policy", "lambda", `{"StatementId":"s","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com","SourceArn":"arn:aws:s3:::b","SourceAccount":"000000000000"}`)
	taken(fn)
	refused(q, "does not exist")
	c.sqs("CreateQueue", url.Values{"QueueName": {"q"}})
	refused(q, "do not allow S3")
	c.sqs("SetQueueAttributes", url.Values{"QueueUrl": {c.url + "/000000000000/q"}, "Attribute.1.Name": {"Policy"},
		"Attribute.1.Value": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`}})
	taken(q)
	refused(arn("sns", "t"), "does not exist")

	if err := f.Test(t.Context(), "b", object.Rule{Target: q}, object.Origin{RequestID: "R1"}); err != nil {
		t.Fatal(err)
	}
	c.received("q", `"Event":"s3:TestEvent"`)
	c.want(200, "", "PUT", "/2019-09-25/functions/f/event-invoke-config", "lambda", `{"MaximumRetryAttempts":0,"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:s3:::failures"}}}`)
	s.add(object.Change{Event: "ObjectCreated:Put", Time: time.Now(), Object: object.Info{Bucket: "b", Key: "a b", Size: 3, ETag: "e", Sequencer: "01"}, Owner: "o", Region: "eu-central-1",
		Rules: []object.Rule{{ID: "1", Target: q}, {ID: "2", Target: fn}}})
	c.received("q", `"key":"a+b"`)
	c.want(200, "mayfly_bucket_changes_told_total 1", "GET", "/metrics", "", "")
	p := <-s.puts
	if ok, err := regexp.MatchString(`^aws/lambda/async/f/\d{4}/\d\d/\d\d/`, p.Key); err != nil || !ok || p.Bucket != "failures" {
		t.Errorf("put %s into %s", p.Key, p.Bucket)
	}
	for _, want := range []string{`"condition":"RetriesExhausted"`, `"key":"a+b"`, `"configurationId":"2"`, "told to"} {
		if !strings.Contains(p.Meta.User["body"], want) {
			t.Errorf("the record %s lacks %s", p.Meta.User["body"], want)
		}
	}
}
