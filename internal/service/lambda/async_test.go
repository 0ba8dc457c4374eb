package lambda

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/event/async"
	"github.com/mayfly-faas/mayfly/internal/event/mapping"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/source/sourcetest"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const queueARN = "arn:aws:sqs:us-east-1:" + account + ":q"

// outlet takes what is sent to queues.
type outlet struct {
	db   store.DB
	sent chan target.Delivery
}

func (o *outlet) Enqueue(_ store.Tx, _ arn.ARN, d target.Delivery) (func(), error) {
	return func() { o.sent <- d }, nil
}

// line is a queue in memory.
type line struct {
	records chan source.Record
	failed  chan string
	settled chan string
}

func (l *line) Describe(_ context.Context, arn string) (source.Info, error) {
	if arn != queueARN {
		return source.Info{}, source.ErrNotFound
	}
	return source.Info{Visibility: 30 * time.Second}, nil
}

func (l *line) Receive(ctx context.Context, _ string, _ int) ([]source.Record, error) {
	select {
	case r := <-l.records:
		return []source.Record{r}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *line) Settle(_ context.Context, _ string, done, failed, _ []source.Record) error {
	for _, r := range done {
		l.settled <- r.ID
	}
	for _, r := range failed {
		l.failed <- r.ID
	}
	return nil
}

func (w *world) openEvents() (*async.Queue, *mapping.Manager) {
	w.Helper()
	db, err := store.OpenSQLite(filepath.Join(w.TempDir(), "queue.db"), store.Options{Sync: store.Normal, Ballast: -1})
	w.must(err)
	w.events = &outlet{db: db, sent: make(chan target.Delivery, 100)}
	w.line = &line{records: make(chan source.Record, 100), failed: make(chan string, 100), settled: make(chan string, 100)}
	w.stream = sourcetest.New(streamARN, 1)
	var router target.Router
	router.Register("sqs", w.events)
	queue, err := async.Open(w.Context(), async.Config{DB: db, Functions: w.fs, Router: &router, Region: "us-east-1"})
	w.must(err)
	mappings, err := mapping.Open(w.Context(), mapping.Config{
		DB: db, Functions: w.fs, Sources: map[string]source.Source{"sqs": w.line}, Account: account, Region: "us-east-1",
		Streams: map[string]source.Stream{"kinesis": w.stream}, Router: &router,
	})
	w.must(err)
	return queue, mappings
}

// next waits for what a channel brings.
func next[T any](w *world, c <-chan T) (v T) {
	w.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		w.Fatal("waited in vain")
	}
	return v
}

func TestInvocationsOfTypeEvent(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.want(200, "PUT", "/2019-09-25/functions/f/event-invoke-config", m{"DestinationConfig": m{"OnSuccess": m{"Destination": queueARN}}})
	r := w.want(202, "POST", functions+"/f/invocations", `{"a":1}`, "X-Amz-Invocation-Type", "Event", "X-Amzn-Trace-Id", "Root=1-a-b;Parent=c;Sampled=0")
	if r.raw != "" {
		t.Errorf("the answer is %q", r.raw)
	}
	var record struct {
		RequestContext struct{ RequestID, FunctionArn, Condition string }
		RequestPayload any
	}
	w.must(json.Unmarshal(next(w, w.events.sent).Payload, &record))
	if c := record.RequestContext; c.RequestID != r.header.Get("X-Amzn-Requestid") || c.FunctionArn != base+"f:$LATEST" || c.Condition != "Success" {
		t.Errorf("the record is %+v", record)
	}
	w.engine.with(func() {
		if c := w.engine.calls[0]; c.RequestID != r.header.Get("X-Amzn-Requestid") || !strings.HasPrefix(c.TraceHeader, "Root=1-a-b;Parent=c;Sampled=0;Lineage=") {
			t.Errorf("the call is %+v", c)
		}
	})
	w.want(202, "POST", "/2014-11-13/functions/f/invoke-async", `{"old":1}`)
	next(w, w.events.sent)
}

func TestEventsThatAreNotAccepted(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	event := []string{"X-Amz-Invocation-Type", "Event"}
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"none", "POST", functions+"/none/invocations", `{}`, event...)
	w.refused(413, "RequestEntityTooLargeException", "Request must be smaller than 1048576 bytes for the InvokeFunction operation",
		"POST", functions+"/f/invocations", `"`+strings.Repeat("x", async.MaxPayload)+`"`, event...)
	if r := w.do("POST", functions+"/f/invocations", `{no`, event...); r.status != 400 || r.header.Get("X-Amzn-Errortype") != "InvalidRequestContentException" {
		t.Errorf("no JSON: %d %s", r.status, r.raw)
	}
}

func TestAFailedEventWithoutRetriesIsADeadLetter(t *testing.T) {
	w := open(t)
	w.create("f", m{"DeadLetterConfig": m{"TargetArn": queueARN}})
	w.want(200, "PUT", "/2019-09-25/functions/f/event-invoke-config", m{"MaximumRetryAttempts": 0})
	w.engine.with(func() {
		w.engine.script = func(*engine.Unit, engine.Call) (*engine.Outcome, error) {
			return &engine.Outcome{Failure: &engine.Failure{Type: "E", Payload: []byte(`{"errorMessage":"no","errorType":"E"}`)}, Report: engine.Report{Start: time.Now(), BilledMS: 1}}, nil
		}
	})
	w.want(202, "POST", functions+"/f/invocations", `{"a":1}`, "X-Amz-Invocation-Type", "Event")
	if d := next(w, w.events.sent); string(d.Payload) != `{"a":1}` || d.Attributes["ErrorMessage"].String != "no" {
		t.Errorf("the dead letter is %s %v", d.Payload, d.Attributes)
	}
	w.want(200, "PUT", "/2017-10-31/functions/f/concurrency", m{"ReservedConcurrentExecutions": 0})
	w.want(202, "POST", functions+"/f/invocations", `{"a":2}`, "X-Amz-Invocation-Type", "Event")
	if d := next(w, w.events.sent); string(d.Payload) != `{"a":2}` || d.Attributes["ErrorCode"].String != "429" {
		t.Errorf("without concurrency the dead letter is %s %v", d.Payload, d.Attributes)
	}
}

func TestALoopIsStopped(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	var trace string
	for range 16 {
		w.want(200, "POST", functions+"/f/invocations", `{}`, "X-Amzn-Trace-Id", trace)
		w.engine.with(func() { trace = w.engine.calls[len(w.engine.calls)-1].TraceHeader })
	}
	r := w.do("POST", functions+"/f/invocations", `{}`, "X-Amzn-Trace-Id", trace)
	if r.status != 400 || r.header.Get("X-Amzn-Errortype") != "RecursiveInvocationException" {
		t.Fatalf("turn 17: %d %s", r.status, r.raw)
	}
	w.want(200, "PUT", "/2024-08-31/functions/f/recursion-config", m{"RecursiveLoop": "Allow"})
	w.want(200, "POST", functions+"/f/invocations", `{}`, "X-Amzn-Trace-Id", trace)
}

const sourceMappings = "/2015-03-31/event-source-mappings"

// reach waits until a mapping is in a state.
func (w *world) reach(uuid, state string) m {
	w.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if b := w.want(200, "GET", sourceMappings+"/"+uuid, nil).body; b["State"] == state {
			return b
		}
	}
	w.Fatalf("the mapping does not become %s", state)
	return nil
}

func TestEventSourceMappings(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	made := w.want(202, "POST", sourceMappings, m{"EventSourceArn": queueARN, "FunctionName": "f", "Tags": m{"k": "v"},
		"FilterCriteria": m{"Filters": []m{{"Pattern": `{"body":["a"]}`}}}, "ScalingConfig": m{"MaximumConcurrency": 2}}).body
	id := made["UUID"].(string)
	delete(made, "LastModified")
	w.same(made, m{"UUID": id, "EventSourceMappingArn": "arn:aws:lambda:us-east-1:" + account + ":event-source-mapping:" + id,
		"EventSourceArn": queueARN, "FunctionArn": base + "f", "BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "State": "Creating",
		"StateTransitionReason": "USER_INITIATED", "FunctionResponseTypes": []string{}, "FilterCriteria": m{"Filters": []m{{"Pattern": `{"body":["a"]}`}}},
		"ScalingConfig": m{"MaximumConcurrency": 2}})
	w.reach(id, "Enabled")
	w.line.records <- source.Record{ID: "1", Event: json.RawMessage(`{"body":"a"}`)}
	w.line.records <- source.Record{ID: "2", Event: json.RawMessage(`{"body":"b"}`)}
	next(w, w.line.settled)
	next(w, w.line.settled)
	w.engine.with(func() {
		if len(w.engine.calls) != 1 || string(w.engine.calls[0].Payload) != `{"Records":[{"body":"a"}]}` {
			t.Errorf("calls %+v", w.engine.calls)
		}
	})
	w.same(w.want(200, "GET", "/2017-03-31/tags/arn:aws:lambda:us-east-1:"+account+":event-source-mapping:"+id, nil).body, m{"Tags": m{"k": "v"}})
	if b := w.want(202, "PUT", sourceMappings+"/"+id, m{"Enabled": false, "FilterCriteria": m{}}).body; b["State"] != "Disabling" || b["FilterCriteria"] != nil {
		t.Errorf("the update answers %v", b)
	}
	w.reach(id, "Disabled")
	if l := w.want(200, "GET", sourceMappings+"?FunctionName=f", nil).body["EventSourceMappings"].([]any); len(l) != 1 {
		t.Errorf("listed %v", l)
	}
	if b := w.want(202, "DELETE", sourceMappings+"/"+id, nil).body; b["State"] != "Deleting" {
		t.Errorf("the deletion answers %v", b)
	}
	for w.do("GET", sourceMappings+"/"+id, nil).status == 200 {
		time.Sleep(time.Millisecond)
	}
	w.refused(404, "ResourceNotFoundException", "The resource you requested does not exist.", "GET", sourceMappings+"/"+id, nil)
}

func TestMappingsOfABrokenAndADeletedFunction(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.engine.with(func() {
		w.engine.script = func(*engine.Unit, engine.Call) (*engine.Outcome, error) {
			return &engine.Outcome{Failure: &engine.Failure{Type: "E", Payload: []byte(`{}`)}, Report: engine.Report{Start: time.Now(), BilledMS: 1}}, nil
		}
	})
	id := w.want(202, "POST", sourceMappings, m{"EventSourceArn": queueARN, "FunctionName": "f"}).body["UUID"].(string)
	w.reach(id, "Enabled")
	w.line.records <- source.Record{ID: "1", Event: json.RawMessage(`{}`)}
	next(w, w.line.failed)
	w.want(204, "DELETE", functions+"/f", nil)
	w.line.records <- source.Record{ID: "2", Event: json.RawMessage(`{}`)}
	next(w, w.line.failed)
	if b := w.want(200, "GET", sourceMappings+"/"+id, nil).body; b["LastProcessingResult"] != "PROBLEM: Function call failed" {
		t.Errorf("the mapping is %v", b)
	}
}

func TestMappingsThatAreRefused(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	for _, c := range []struct {
		text string
		in   m
	}{
		{"Unrecognized event source.", m{"FunctionName": "f"}},
		{"Function does not exist", m{"FunctionName": "g", "EventSourceArn": queueARN}},
		{"StartingPosition is not valid for SQS event sources.", m{"FunctionName": "f", "EventSourceArn": queueARN, "StartingPosition": "LATEST"}},
		{"Unsupported DestinationConfig parameter for given event source mapping type.", m{"FunctionName": "f", "EventSourceArn": queueARN, "DestinationConfig": m{}}},
		{"Invalid filter pattern definition.", m{"FunctionName": "f", "EventSourceArn": queueARN, "FilterCriteria": m{"Filters": []m{{"Pattern": "{}"}}}}},
	} {
		w.refused(400, "InvalidParameterValueException", c.text, "POST", sourceMappings, c.in)
	}
	w.want(202, "POST", sourceMappings, m{"EventSourceArn": queueARN, "FunctionName": "f"})
	if r := w.do("POST", sourceMappings, m{"EventSourceArn": queueARN, "FunctionName": "f"}); r.status != 409 {
		t.Errorf("a second one: %d %s", r.status, r.raw)
	}
}
