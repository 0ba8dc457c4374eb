package lambda

import (
	"bytes"
	"context"
	"encoding/base64"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) invokeOps() []wire.Op {
	return []wire.Op{
		op("Invoke", s.invoke),
		op("InvokeWithResponseStream", s.invokeWithResponseStream),
	}
}

// maxAnswer is the most that a buffered answer may hold.
const maxAnswer = 6291556

// maxClientContext is the most that a client context may take, encoded.
const maxClientContext = 3583

// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
func (s *service) invoke(ctx context.Context, in *InvocationRequest) (*InvocationResponse, error) {
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
	case in.DurableExecutionName != nil:
		return nil, unsupported("durable functions")
	case text(in.InvocationType) == "Event":
		return s.invokeEvent(ctx, ref, in.Payload, client)
	case text(in.InvocationType) == "DryRun":
		return &InvocationResponse{StatusCode: new(int32(204))}, s.fs.Try(ctx, ref)
	}
	var answer bytes.Buffer
	res, err := s.fs.Invoke(ctx, ref, function.Invocation{
		RequestID: wire.RequestID(ctx), Payload: in.Payload, ClientContext: client, TraceHeader: wire.Trace(ctx),
		Tail: text(in.LogType) == "Tail", Answer: &answer, Limit: maxAnswer,
	})
	if err != nil {
		return nil, err
	}
	out := &InvocationResponse{StatusCode: new(int32(200)), ExecutedVersion: new(res.Version), Payload: answer.Bytes()}
	if res.Failure != nil {
		// Real AWS calls every failure unhandled, raised or not.
		out.FunctionError, out.Payload = new("Unhandled"), res.Failure
	}
	if text(in.LogType) == "Tail" {
		out.LogResult = new(base64.StdEncoding.EncodeToString(res.Tail))
	}
	return out, nil
}

// clientContext decodes what a mobile SDK tells of its app and device.
func clientContext(encoded *string) (string, error) {
	if encoded == nil || *encoded == "" {
		return "", nil
	}
	if len(*encoded) > maxClientContext {
		return "", awserr.New(400, "InvalidRequestContentException", "Client context must be at most %d bytes.", maxClientContext)
	}
	b, err := base64.StdEncoding.DecodeString(*encoded)
	if err != nil {
		return "", awserr.New(400, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.")
	}
	return string(b), nil
}
