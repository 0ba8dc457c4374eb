package lambda

import (
	"context"
	"encoding/json"
	"io"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/eventstream"
)

// A streamed answer is an event stream, which the generator has no shape for.
// The media type that the function gives its answer travels where HTTP has that
// of the event stream: the model says so.
type streamed struct {
	ExecutedVersion           *string     `wire:"X-Amz-Executed-Version,header"`
	ResponseStreamContentType *string     `wire:"Content-Type,header"`
	StatusCode                *int32      `wire:"StatusCode,status"`
	EventStream               wire.Stream `wire:"EventStream,payload"`
}

// maxStream is the most that a streamed answer may hold.
const maxStream = 200 << 20

// invokeWithResponseStream answers once the function has begun its answer, or
// has ended without: until then it can still be refused in the ordinary way.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
func (s *service) invokeWithResponseStream(ctx context.Context, in *InvokeWithResponseStreamRequest) (*streamed, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	client, err := clientContext(in.ClientContext)
	if err != nil {
		return nil, err
	}
	switch {
	case in.TenantId != nil:
		return nil, unsupported("tenant isolation")
	case text(in.InvocationType) == "DryRun":
		return &streamed{StatusCode: new(int32(204))}, s.fs.Try(ctx, ref)
	}
	r := newRelay(ctx.Done(), text(in.LogType) == "Tail")
	go r.run(ctx, s.fs, ref, function.Invocation{
		RequestID: wire.RequestID(ctx), Payload: in.Payload, ClientContext: client, TraceHeader: wire.Trace(ctx),
		Tail: r.tail, Answer: r, Limit: maxStream, Begin: r.begin, Chosen: func(v string) { r.version = v },
	})
	select {
	case <-r.begun:
	case <-r.ended:
		if r.err != nil {
			return nil, r.err
		}
	}
	out := &streamed{StatusCode: new(int32(200)), ExecutedVersion: new(r.version), EventStream: r.stream}
	if r.kind != "" {
		out.ResponseStreamContentType = new(r.kind)
	}
	return out, nil
}

// completion is the last message: how the invocation ended.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStreamCompleteEvent.html
type completion struct {
	ErrorCode    string `json:",omitempty"`
	ErrorDetails string `json:",omitempty"`
	LogResult    string `json:",omitempty"`
}

func writeCompletion(w io.Writer, c completion) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = w.Write(eventstream.Append(nil, endHeaders, b))
	return err
}
