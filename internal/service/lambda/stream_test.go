package lambda

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/mayfly-faas/mayfly/internal/engine"
)

// sdkClient is AWS's own client, against w.
func (w *world) sdkClient() *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(w.url), Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
}

// read collects a stream: its chunks joined by |, and its end.
func (w *world) read(ctx context.Context, in *sdk.InvokeWithResponseStreamInput) (string, types.InvokeWithResponseStreamCompleteEvent) {
	w.Helper()
	out, err := w.sdkClient().InvokeWithResponseStream(ctx, in)
	w.must(err)
	if out.StatusCode != 200 || aws.ToString(out.ExecutedVersion) != "$LATEST" {
		w.Errorf("status %d, version %v", out.StatusCode, aws.ToString(out.ExecutedVersion))
	}
	s := out.GetStream()
	defer s.Close()
	var chunks []string
	var end types.InvokeWithResponseStreamCompleteEvent
	for e := range s.Events() {
		switch e := e.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			chunks = append(chunks, string(e.Value.Payload))
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			end = e.Value
		}
	}
	w.must(s.Err())
	return strings.Join(chunks, "|"), end
}

func TestResponseStream(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	sent := make(chan struct{})
	w.engine.script = func(_ *engine.Unit, c engine.Call) (*engine.Outcome, error) {
		io.WriteString(c.Answer, "one")
		<-sent
		io.WriteString(c.Answer, "two")
		return &engine.Outcome{Tail: []byte("END\n"), Report: engine.Report{Start: time.Now(), BilledMS: 1}}, nil
	}
	out, err := w.sdkClient().InvokeWithResponseStream(t.Context(), &sdk.InvokeWithResponseStreamInput{FunctionName: aws.String("f"), LogType: types.LogTypeTail})
	w.must(err)
	s := out.GetStream()
	first := <-s.Events() // arrives while the function still runs
	if c, ok := first.(*types.InvokeWithResponseStreamResponseEventMemberPayloadChunk); !ok || string(c.Value.Payload) != "one" {
		t.Errorf("first event %+v", first)
	}
	close(sent)
	<-s.Events()
	last := <-s.Events()
	if e, ok := last.(*types.InvokeWithResponseStreamResponseEventMemberInvokeComplete); !ok || e.Value.ErrorCode != nil || aws.ToString(e.Value.LogResult) != "RU5ECg==" {
		t.Errorf("last event %+v", last)
	}
	w.must(s.Close())
}

func TestResponseStreamFailure(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.engine.script = func(_ *engine.Unit, c engine.Call) (*engine.Outcome, error) {
		io.WriteString(c.Answer, "half")
		return &engine.Outcome{Failure: &engine.Failure{Type: "Runtime.ExitError", Payload: []byte(`{"errorType":"x"}`)}, Report: engine.Report{Start: time.Now(), BilledMS: 1}}, nil
	}
	chunks, end := w.read(t.Context(), &sdk.InvokeWithResponseStreamInput{FunctionName: aws.String("f")})
	if chunks != "half" || aws.ToString(end.ErrorCode) != "Unhandled" || aws.ToString(end.ErrorDetails) != `{"errorType":"x"}` {
		t.Errorf("%q, %+v", chunks, end)
	}
}

func TestResponseStreamRefusals(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	const path = "/2021-11-15/functions/f/response-streaming-invocations"
	w.want(204, "POST", path, "{}", "X-Amz-Invocation-Type", "DryRun")
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"f:9", "POST", path+"?Qualifier=9", "{}")
	w.engine.script = func(*engine.Unit, engine.Call) (*engine.Outcome, error) {
		return nil, &engine.Throttle{Reason: "ConcurrentInvocationLimitExceeded"}
	}
	w.refused(429, "TooManyRequestsException", "Rate Exceeded.", "POST", path, "{}")
}

// TestResponseStreamType: what the function calls its answer, whether a byte of
// it comes or none.
func TestResponseStreamType(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	for _, c := range []struct {
		kind, body string
		begins     bool
		want       string
	}{
		{"text/event-stream", "data", true, "text/event-stream"},
		{"application/vnd.awslambda.http-integration-response", "", true, "application/vnd.awslambda.http-integration-response"},
		{"", "data", true, "application/octet-stream"},
		{"", "", false, "application/vnd.amazon.eventstream"},
	} {
		w.engine.script = func(_ *engine.Unit, call engine.Call) (*engine.Outcome, error) {
			if c.begins {
				call.Begin(c.kind)
			}
			if c.body != "" {
				io.WriteString(call.Answer, c.body)
			}
			return &engine.Outcome{Report: engine.Report{Start: time.Now(), BilledMS: 1}}, nil
		}
		if c.body == "" && !c.begins {
			w.engine.script = func(*engine.Unit, engine.Call) (*engine.Outcome, error) {
				return &engine.Outcome{Failure: &engine.Failure{Type: "E", Payload: []byte("{}")}, Report: engine.Report{Start: time.Now(), BilledMS: 1}}, nil
			}
		}
		out, err := w.sdkClient().InvokeWithResponseStream(t.Context(), &sdk.InvokeWithResponseStreamInput{FunctionName: aws.String("f")})
		w.must(err)
		if got := aws.ToString(out.ResponseStreamContentType); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
		w.must(out.GetStream().Close())
	}
}
