package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// streams is a server with the functions that the clients call.
func streams(t *testing.T) (*server, *lambda.Client) {
	s := start(t)
	c := lambda.NewFromConfig(s.config(), func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} })
	code, err := os.ReadFile("testdata/stream/index.mjs")
	if err != nil {
		t.Fatal(err)
	}
	zip, rt := zipped(t, map[string]string{"index.mjs": string(code)}), s.nodeRuntime()
	create(t, c, "stream", rt, "index.handler", zip)
	create(t, c, "buffered", rt, "index.buffered", zip)
	create(t, c, "late", rt, "index.handler", zip, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(3) })
	return s, c
}

func TestStreamBoto3(t *testing.T) {
	s, _ := streams(t)
	s.client(t, python(t), "clients/stream.py")
}

func TestStreamJSSDK(t *testing.T) {
	s, _ := streams(t)
	s.client(t, node(t), "clients/stream.mjs")
}

// A streamed is what came of an answer.
type streamed struct {
	kind string
	n    int64
	text string // of a short one
	end  types.InvokeWithResponseStreamCompleteEvent
}

// stream invokes, tells each chunk to seen, and returns what came. An error is
// the connection's.
func stream(ctx context.Context, c *lambda.Client, name, event string, seen func(chunk []byte)) (r streamed, err error) {
	out, err := c.InvokeWithResponseStream(ctx, &lambda.InvokeWithResponseStreamInput{FunctionName: &name, Payload: []byte(event)})
	if err != nil {
		return r, err
	}
	r.kind = aws.ToString(out.ResponseStreamContentType)
	events := out.GetStream()
	defer events.Close()
	for e := range events.Events() {
		switch e := e.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			if r.n += int64(len(e.Value.Payload)); r.n < 1000 {
				r.text += string(e.Value.Payload)
			}
			seen(e.Value.Payload)
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			r.end = e.Value
		}
	}
	return r, events.Err()
}

func ignore([]byte) {}

// queue makes a queue, and what sends to it.
func (s *server) queue(t *testing.T, name string) (c *sqs.Client, url string, tell func([]byte)) {
	t.Helper()
	c = sqs.NewFromConfig(s.config())
	q, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return c, *q.QueueUrl, func([]byte) {
		if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String("go on")}); err != nil {
			t.Error(err)
		}
	}
}

// TestStreamGo: a Go function that returns a reader, called by the SDK for Go. Its
// second step comes once the first is here.
func TestStreamGo(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config(), func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} })
	create(t, c, "go", "provided.al2023", "bootstrap", bootstrap(t, "stream"), func(in *lambda.CreateFunctionInput) {
		if runtime.GOARCH == "arm64" {
			in.Architectures = append(in.Architectures, "arm64")
		}
	})
	const prelude = `{"statusCode":201}` + "\x00\x00\x00\x00\x00\x00\x00\x00"
	for way, want := range map[string]streamed{
		"steps":  {kind: "application/octet-stream", text: "step 1\nstep 2\n"},
		"page":   {kind: "application/vnd.awslambda.http-integration-response", text: prelude + "step 1\nstep 2\n"},
		"broken": {kind: "application/octet-stream", text: "step 1\nstep 2\n"},
		"early":  {kind: "application/vnd.amazon.eventstream"},
	} {
		_, url, tell := s.queue(t, way)
		told := false
		got, err := stream(t.Context(), c, "go", fmt.Sprintf(`{"Way":%q,"Queue":%q}`, way, url), func(chunk []byte) {
			if !told && strings.Contains(string(chunk), "step 1") {
				told = true
				tell(nil)
			}
		})
		failed := got.end.ErrorCode != nil
		if err != nil || got.kind != want.kind || got.text != want.text || failed != (way == "broken" || way == "early") {
			t.Errorf("%s: %v, %+v, error %s", way, err, got, aws.ToString(got.end.ErrorDetails))
		}
		if failed && !strings.Contains(aws.ToString(got.end.ErrorDetails), map[string]string{"broken": "amid the answer", "early": "before the answer"}[way]) {
			t.Errorf("%s: details %s", way, aws.ToString(got.end.ErrorDetails))
		}
	}
}

// TestStream200MB: an answer of the greatest size comes whole, and of one that is a
// byte longer the client hears why not. The server holds little of them.
func TestStream200MB(t *testing.T) {
	s, c := streams(t)
	const most = 200 << 20
	if _, err := stream(t.Context(), c, "stream", `{"way":"big","size":1000000}`, ignore); err != nil {
		t.Fatal(err)
	}
	before, known := s.peak()
	at := 0
	got, err := stream(t.Context(), c, "stream", fmt.Sprintf(`{"way":"big","size":%d}`, most), func(chunk []byte) {
		for i := 0; i < len(chunk); i += 4099 {
			if want := byte((at + i) >> 16 % 251); chunk[i] != want {
				t.Fatalf("byte %d is %d, not %d", at+i, chunk[i], want)
			}
		}
		at += len(chunk)
	})
	if err != nil || got.n != most || got.end.ErrorCode != nil {
		t.Errorf("%d bytes, %v, %s", got.n, err, aws.ToString(got.end.ErrorDetails))
	}
	got, err = stream(t.Context(), c, "stream", fmt.Sprintf(`{"way":"big","size":%d}`, most+1), ignore)
	if err != nil || got.n != most || !strings.Contains(aws.ToString(got.end.ErrorDetails), `"Function.ResponseSizeTooLarge"`) {
		t.Errorf("%d bytes, %v, %s", got.n, err, aws.ToString(got.end.ErrorDetails))
	}
	if after, _ := s.peak(); known && after-before > 32<<20 {
		t.Errorf("the server grew by %d MB", (after-before)>>20)
	}
}

// peak is the most memory that the server has had, in bytes.
func (s *server) peak() (n int, known bool) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, false
	}
	_, rest, known := strings.Cut(string(status), "VmHWM:")
	n, _ = strconv.Atoi(strings.Fields(rest + " 0")[0])
	return n << 10, known
}

// TestStreamAlone: when its client goes away the function goes on to its end.
func TestStreamAlone(t *testing.T) {
	s, c := streams(t)
	_, url, tell := s.queue(t, "signal")
	q, done, _ := s.queue(t, "done")
	ctx, leave := context.WithCancel(t.Context())
	event := fmt.Sprintf(`{"way":"alone","queue":%q,"done":%q}`, url, done)
	if got, err := stream(ctx, c, "stream", event, func([]byte) { leave() }); err == nil || got.text != "begun\n" {
		t.Errorf("%v, %+v", err, got)
	}
	tell(nil)
	out, err := q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &done, WaitTimeSeconds: 20})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("it did not go on: %v", err)
	}
	if got := invoke(t, c, "stream", `{"way":"empty"}`); got != "" {
		t.Errorf("after that it answers %q", got)
	}
}

// TestStreamLate: a function that is out of time is ended although its client does
// not read; the client gets what there was, and hears why there is no more.
func TestStreamLate(t *testing.T) {
	_, c := streams(t)
	out, err := c.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("late"), Payload: []byte(`{"way":"big","size":100000000}`)})
	if err != nil {
		t.Fatal(err)
	}
	// Reserving one execution tells when the first has ended: until then a second is refused.
	if _, err := c.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("late"), ReservedConcurrentExecutions: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the one who is not read", func() bool {
		_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("late"), Payload: []byte(`{"way":"empty"}`)})
		var busy *types.TooManyRequestsException
		return !errors.As(err, &busy)
	})
	var end types.InvokeWithResponseStreamCompleteEvent
	for e := range out.GetStream().Events() {
		if e, ok := e.(*types.InvokeWithResponseStreamResponseEventMemberInvokeComplete); ok {
			end = e.Value
		}
	}
	var details struct{ ErrorType, ErrorMessage string }
	json.Unmarshal([]byte(aws.ToString(end.ErrorDetails)), &details)
	if details.ErrorType != "Sandbox.Timedout" || !strings.Contains(details.ErrorMessage, "Task timed out after 3.00 seconds") {
		t.Errorf("it ended with %+v: %+v", end, details)
	}
}
