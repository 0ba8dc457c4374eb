package app

import (
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/bucket"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/object/disk"
)

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
	f, s := a.events.notifier, a.objects.store
	for _, name := range []string{"b", "failures"} {
		if err := s.CreateBucket(t.Context(), object.Bucket{Name: name, Region: "eu-central-1", Owner: Account}); err != nil {
			t.Fatal(err)
		}
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
	err := s.SetNotification(t.Context(), "b", object.Notification{Rules: []object.Rule{
		{ID: "1", Target: q, Events: []string{"s3:ObjectCreated:*"}}, {ID: "2", Target: fn, Events: []string{"s3:ObjectCreated:*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), object.Put{Bucket: "b", Key: "a b", Event: "ObjectCreated:Put"}, strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
	c.received("q", `"key":"a+b"`)
	c.want(200, "mayfly_bucket_changes_told_total 1", "GET", "/metrics", "", "")
	record := written(t, s, "failures")
	if ok, err := regexp.MatchString(`^aws/lambda/async/f/\d{4}/\d\d/\d\d/`, record.Key); err != nil || !ok {
		t.Errorf("the record is called %s", record.Key)
	}
	_, content, err := s.Open(t.Context(), "failures", record.Key, "")
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	body, err := io.ReadAll(content)
	for _, want := range []string{`"condition":"RetriesExhausted"`, `"key":"a+b"`, `"configurationId":"2"`, "told to"} {
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("the record %s lacks %s (%v)", body, want, err)
		}
	}
}

// written waits for an object in a bucket.
func written(t *testing.T, s *disk.Store, bucket string) object.Info {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		l, err := s.List(t.Context(), bucket, object.Listing{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Objects) > 0 {
			return l.Objects[0]
		}
	}
	t.Fatalf("nothing comes into %s", bucket)
	return object.Info{}
}

func TestCodeFromABucket(t *testing.T) {
	a, c := open(t, Config{Data: t.TempDir()})
	c.create("f", sleeper)
	var f struct{ Code struct{ Location string } }
	if err := json.Unmarshal([]byte(c.want(200, "Location", "GET", "/2015-03-31/functions/f", "lambda", "")), &f); err != nil {
		t.Fatal(err)
	}
	_, zip := c.do("GET", f.Code.Location, "", "")
	s := a.objects.store
	if err := s.CreateBucket(t.Context(), object.Bucket{Name: "code", Region: "eu-central-1", Owner: Account}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), object.Put{Bucket: "code", Key: "f.zip"}, strings.NewReader(zip)); err != nil {
		t.Fatal(err)
	}
	ask := func(status int, part, key string) {
		t.Helper()
		c.want(status, part, "POST", "/2015-03-31/functions", "lambda", `{"FunctionName":"g","Runtime":"provided.al2023","Handler":"h",
			"Role":"arn:aws:iam::000000000000:role/r","Code":{"S3Bucket":"code","S3Key":"`+key+`"}}`)
	}
	ask(400, "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.", "g.zip")
	ask(201, `"State":"Pending"`, "f.zip")
	for text := ""; !strings.Contains(text, `"State":"Active"`); time.Sleep(5 * time.Millisecond) {
		_, text = c.do("GET", "/2015-03-31/functions/g/configuration", "lambda", "")
	}
	c.want(200, "0", "POST", "/2015-03-31/functions/g/invocations", "lambda", "0")
}
