// Package lambda is AWS Lambda's API over package function: shapes in and
// out, and the errors that AWS answers.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html
package lambda

import (
	"context"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/event/async"
	"github.com/mayfly-faas/mayfly/internal/event/mapping"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/restjson"
)

// A service is the handlers' common ground.
type service struct {
	fs       *function.Registry
	queue    *async.Queue     // nil: no asynchronous invocations
	mappings *mapping.Manager // nil: no event source mappings
}

// An Option adds to the API what is not there without it.
type Option func(*service)

// WithAsync adds asynchronous invocations.
func WithAsync(q *async.Queue) Option { return func(s *service) { s.queue = q } }

// WithMappings adds event source mappings.
func WithMappings(m *mapping.Manager) Option { return func(s *service) { s.mappings = m } }

// Service is the Lambda API over the functions of fs.
func Service(fs *function.Registry, options ...Option) wire.Service {
	s := &service{fs: fs}
	for _, o := range options {
		o(s)
	}
	return wire.Service{
		Name: "lambda", Title: "AWS Lambda", Version: "2015-03-31",
		Paths:     paths(),
		Protocol:  restjson.Protocol{},
		Models:    statuses(models()),
		Ops:       s.ops(),
		ErrorCode: "ServiceException",
		ErrorBody: errorBody,
		MaxBody:   maxBody,
		TooLarge:  tooLarge,
	}
}

// ops lists what is served.
func (s *service) ops() []wire.Op {
	return slices.Concat(
		s.asyncOps(), s.mappingOps(), s.functionOps(), s.versionOps(), s.aliasOps(), s.invokeOps(), s.permissionOps(), s.tagOps(),
		s.concurrencyOps(), s.provisionedOps(), s.eventOps(), s.urlOps(), s.managementOps(), s.layerOps(),
	)
}

// paths are the dates that the API's paths begin with.
func paths() []string {
	return []string{
		"/2014-11-13/functions", "/2015-03-31/", "/2016-08-19/", "/2017-03-31/tags", "/2017-10-31/functions", "/2018-10-31/layers",
		"/2019-09-25/functions", "/2019-09-30/functions", "/2020-04-22/code-signing-configs", "/2020-06-30/functions",
		"/2021-07-20/functions", "/2021-10-31/functions", "/2021-11-15/functions", "/2024-08-31/functions",
		"/2025-11-30/", "/2025-12-01/", "/2026-07-09/",
	}
}

// statuses corrects the model where the service answers otherwise.
func statuses(ms []wire.Model) []wire.Model {
	for i := range ms {
		if ms[i].Name == "DeleteFunction" {
			ms[i].Status = 204
		}
	}
	return ms
}

// The sizes of requests that AWS takes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxInvokeBody = 6291456
	maxCodeBody   = 70167211
)

func maxBody(op string) int64 {
	switch op {
	case "Invoke", "InvokeWithResponseStream", "InvokeAsync":
		return maxInvokeBody
	case "CreateFunction", "UpdateFunctionCode", "PublishLayerVersion":
		return maxCodeBody
	}
	return 0 // as wire has it
}

func tooLarge(op string, limit int64) *awserr.Error {
	if op == "Invoke" {
		op = "InvokeFunction" // its name in the front end's messages
	}
	return awserr.New(413, "RequestEntityTooLargeException", "Request must be smaller than %d bytes for the %s operation", limit, op)
}

// op makes a wire.Op whose errors are in AWS's words.
func op[In, Out any](name string, h func(context.Context, *In) (*Out, error)) wire.Op {
	return wire.Handle(name, func(ctx context.Context, in *In) (*Out, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, translate(ctx, name, err)
		}
		return out, nil
	})
}
