package lambda

import (
	"context"
	"errors"

	"github.com/mayfly-faas/mayfly/internal/event/async"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) asyncOps() []wire.Op {
	return []wire.Op{op("InvokeAsync", s.invokeAsync)}
}

// invokeEvent accepts an invocation of type Event: it is on disk before the answer.
func (s *service) invokeEvent(ctx context.Context, ref function.Ref, payload []byte, client string) (*InvocationResponse, error) {
	if err := s.accept(ctx, ref, payload, client); err != nil {
		return nil, err
	}
	return &InvocationResponse{StatusCode: new(int32(202))}, nil
}

// InvokeAsync is deprecated, and still there.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_InvokeAsync.html
func (s *service) invokeAsync(ctx context.Context, in *InvokeAsyncRequest) (*InvokeAsyncResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), "")
	if err != nil {
		return nil, err
	}
	return &InvokeAsyncResponse{Status: new(int32(202))}, s.accept(ctx, ref, in.InvokeArgs, "")
}

func (s *service) accept(ctx context.Context, ref function.Ref, payload []byte, client string) error {
	if s.queue == nil {
		return unsupported("invocations of type Event", "Use RequestResponse.")
	}
	if err := s.fs.Try(ctx, ref); err != nil {
		return err
	}
	if err := function.CheckPayload(payload); err != nil {
		return err
	}
	err := s.queue.Accept(ctx, async.Event{
		Ref: ref, RequestID: wire.RequestID(ctx), Payload: payload, ClientContext: client, Trace: wire.Trace(ctx),
	})
	if errors.Is(err, async.ErrTooLarge) {
		return tooLarge("Invoke", async.MaxPayload)
	}
	return err
}
