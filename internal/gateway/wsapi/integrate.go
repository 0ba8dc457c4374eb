package wsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/policy"
)

// What may be wrong behind a route.
var (
	errConfigured = errors.New("wsapi: the integration cannot be used")
	errFailed     = errors.New("wsapi: the integration failed")
	errTimeout    = errors.New("wsapi: the integration did not answer in time")
)

// statusOf is what a client that connects is answered.
func statusOf(err error) int {
	switch {
	case errors.Is(err, errTimeout):
		return http.StatusGatewayTimeout
	case errors.Is(err, errFailed):
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}

// integrate has what is behind a route do its work.
func (c *conn) integrate(ctx context.Context, d *api.Deployed, route *api.Route, e *event) (*payload.Answer, error) {
	in := d.Integration(route)
	if in == nil {
		return nil, fmt.Errorf("%w: route %s has none", errConfigured, route.RouteKey)
	}
	switch in.IntegrationType {
	case "MOCK":
		return mock(in)
	case "AWS_PROXY":
		return c.invoke(ctx, d, route, in, e)
	}
	return nil, fmt.Errorf("%w: integrations of type %s are not supported yet", errConfigured, in.IntegrationType)
}

// invoke runs the function of a proxy integration, and stops to wait for it when
// its time is over: the function goes on.
func (c *conn) invoke(ctx context.Context, d *api.Deployed, route *api.Route, in *api.Integration, e *event) (*payload.Answer, error) {
	ref, err := c.ref(ctx, d, route, in)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errConfigured, err)
	}
	text, err := encode(e)
	if err != nil {
		return nil, err
	}
	type outcome struct {
		answer *payload.Answer
		err    error
	}
	done := make(chan outcome, 1)
	c.h.running.Go(func() { // c itself is counted: the group is not empty
		a, err := c.call(ref, text)
		done <- outcome{a, err}
	})
	late := time.NewTimer(timeLimit(in))
	defer late.Stop()
	select {
	case o := <-done:
		return o.answer, o.err
	case <-late.C:
		return nil, errTimeout
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errTimeout, ctx.Err())
	}
}

func timeLimit(in *api.Integration) time.Duration {
	if in.TimeoutInMillis > 0 {
		return time.Duration(in.TimeoutInMillis) * time.Millisecond
	}
	return maxTime
}

func (c *conn) call(ref function.Ref, event []byte) (*payload.Answer, error) {
	var answer bytes.Buffer
	res, err := c.h.Functions.Invoke(c.h.ctx, ref, function.Invocation{
		RequestID: uuid.NewString(), Payload: event, TraceHeader: c.trace, Answer: &answer, Limit: payload.MaxEvent,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFailed, err)
	}
	if res.Failure != nil {
		return nil, fmt.Errorf("%w: %s", errFailed, res.Failure)
	}
	a, err := payload.Strict(answer.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFailed, err)
	}
	return a, nil
}

// ref is the function of an integration, when it lets API Gateway invoke it.
func (c *conn) ref(ctx context.Context, d *api.Deployed, route *api.Route, in *api.Integration) (function.Ref, error) {
	uri, err := fill(in.IntegrationUri, d.Stage.StageVariables)
	if err != nil {
		return function.Ref{}, err
	}
	name, ok := authorize.FunctionName(uri)
	if !ok {
		return function.Ref{}, fmt.Errorf("%q names no function", uri)
	}
	ref, err := c.h.Functions.Ref(name, "")
	if err != nil || c.h.Permits == nil {
		return ref, err
	}
	return ref, c.h.Permits(ctx, ref, &policy.Request{
		Principal: policy.Subject{Service: "apigateway.amazonaws.com"}, Action: "lambda:InvokeFunction",
		Context: map[string][]string{"aws:SourceArn": {c.routeARN(route.RouteKey)}, "aws:SourceAccount": {c.h.Account}},
	})
}

// arn is the ARN of something in the API, as policies know it.
func (c *conn) arn(rest string) string {
	return "arn:aws:execute-api:" + c.h.Region + ":" + c.h.Account + ":" + c.place.API + "/" + rest
}

func (c *conn) routeARN(key string) string { return c.arn(c.place.Stage + "/" + key) }

// mock answers without anything behind it: the status of its template for 200,
// and the body that its response's template says.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-requests.html
func mock(in *api.Integration) (*payload.Answer, error) {
	a := &payload.Answer{Status: http.StatusOK, Header: http.Header{}}
	for _, template := range in.RequestTemplates {
		var said struct {
			StatusCode int `json:"statusCode"`
		}
		if json.Unmarshal([]byte(template), &said) == nil && said.StatusCode >= 100 && said.StatusCode <= 599 {
			a.Status = said.StatusCode
		}
	}
	for _, r := range in.Responses {
		if r.IntegrationResponseKey != api.DefaultKey {
			continue
		}
		for _, template := range r.ResponseTemplates {
			if strings.ContainsAny(template, "#$") {
				return nil, fmt.Errorf("%w: templates that compute something are not supported yet", errConfigured)
			}
			a.Body = []byte(template)
		}
	}
	return a, nil
}

// encode is JSON as AWS writes it: <, > and & as themselves.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
