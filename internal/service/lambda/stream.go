package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A streamed answer is an event stream, which the generator has no shape for.
type streamed struct {
	ExecutedVersion *string     `wire:"X-Amz-Executed-Version,header"`
	StatusCode      *int32      `wire:"StatusCode,status"`
	EventStream     wire.Stream `wire:"EventStream,payload"`
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
		RequestID: wire.RequestID(ctx), Payload: in.Payload, ClientContext: client,
		TraceHeader: wire.Trace(ctx), Tail: r.tail, Answer: r, Limit: maxStream, Chosen: func(v string) { r.version = v },
	})
	select {
	case <-r.begun:
	case <-r.ended:
		if r.err != nil {
			return nil, r.err
		}
	}
	return &streamed{StatusCode: new(int32(200)), ExecutedVersion: new(r.version), EventStream: r.stream}, nil
}

// A relay carries an answer from the invocation, which begins first, to the
// client, whose connection is ready later.
type relay struct {
	gone    <-chan struct{} // closed when the request is over: the invocation goes on alone
	tail    bool
	version string // set before begun or ended is closed

	begun chan struct{}  // closed with the first byte
	out   chan io.Writer // gets the client's side once
	ended chan struct{}  // closed when the invocation has ended
	to    io.Writer      // the client's side; used by Write alone

	res function.Result // good once ended is closed
	err error
}

func newRelay(gone <-chan struct{}, tail bool) *relay {
	return &relay{gone: gone, tail: tail, begun: make(chan struct{}), out: make(chan io.Writer, 1), ended: make(chan struct{})}
}

func (r *relay) run(ctx context.Context, fs *function.Registry, ref function.Ref, in function.Invocation) {
	defer close(r.ended)
	r.res, r.err = fs.Invoke(ctx, ref, in)
}

// Write sends a chunk. The first one waits for the client's side.
func (r *relay) Write(p []byte) (int, error) {
	if r.to == nil {
		close(r.begun)
		select {
		case r.to = <-r.out:
		case <-r.gone:
			r.to = io.Discard
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	if _, err := r.to.Write(frame("PayloadChunk", "application/octet-stream", p)); err != nil {
		r.to = io.Discard // the client is gone; the function is not to notice
	}
	return len(p), nil
}

// stream is the client's side: it returns when all has been sent.
func (r *relay) stream(w io.Writer) error {
	r.out <- w
	<-r.ended
	if r.err != nil {
		return r.err
	}
	end := struct {
		ErrorCode    string `json:",omitempty"`
		ErrorDetails string `json:",omitempty"`
		LogResult    string `json:",omitempty"`
	}{r.res.Type, string(r.res.Failure), ""}
	if r.tail {
		end.LogResult = base64.StdEncoding.EncodeToString(r.res.Tail)
	}
	b, err := json.Marshal(end)
	if err != nil {
		return err
	}
	_, err = w.Write(frame("InvokeComplete", "application/json", b))
	return err
}
