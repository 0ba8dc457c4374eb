package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/policy"
)

// maxTime is how long an integration may take when it says nothing.
const maxTime = 30 * time.Second

// integrate has what is behind the route answer.
func (x *exchange) integrate() error {
	in := x.d.Integration(x.route)
	if in == nil {
		return refuse(500, "Internal Server Error", errors.New("the route has no integration"))
	}
	switch {
	case in.IntegrationType == "AWS_PROXY" && in.IntegrationSubtype == "":
		return x.invoke(in)
	case in.IntegrationType == "HTTP_PROXY":
		return x.forward(in)
	}
	return refuse(500, "Internal Server Error", fmt.Errorf("integrations of type %s %s are not served yet", in.IntegrationType, in.IntegrationSubtype))
}

// request is the request as events tell it.
func (x *exchange) request(body []byte) *payload.Request {
	r := &payload.Request{
		HTTP: x.r, Body: body, ID: x.id, Trace: x.trace, Time: x.at, SourceIP: payload.SourceIP(x.r), Account: x.Account, APIID: x.place.api,
		Domain: x.place.domain, DomainPrefix: x.place.prefix, Stage: x.place.stage, RouteKey: x.route.RouteKey,
		Path: x.shown, ContextPath: x.shown, PathParameters: x.vars, StageVariables: x.d.Stage.StageVariables,
	}
	if _, path, ok := strings.Cut(x.route.RouteKey, " "); ok {
		r.Resource, r.ResourceID = path, x.route.RouteKey
	} else {
		r.Resource, r.ResourceID = x.route.RouteKey, x.route.RouteKey
	}
	return r
}

// event is the function's event in the payload format that it asks for.
func (x *exchange) event(in *api.Integration, body []byte) (e []byte, err error) {
	r := x.request(body)
	if in.PayloadFormatVersion == "1.0" {
		if x.grant != nil {
			r.Authorizer = x.grant.V1()
		}
		if c := x.caller; c != nil {
			r.Identity = payload.Identity{AccessKey: c.AccessKeyID, AccountID: c.Account, Caller: c.UserID, User: c.UserID, UserARN: c.ARN}
		}
		e, err = payload.V1(r)
	} else {
		if x.grant != nil {
			r.Authorizer = x.grant.V2()
		} else if x.caller != nil {
			r.Authorizer = iam(x.caller)
		}
		e, err = payload.V2(r)
	}
	if err == nil && len(e) > payload.MaxEvent {
		err = payload.ErrTooLarge
	}
	return e, err
}

// invoke has a function answer, and stops to wait for it when its time is over:
// the function goes on.
func (x *exchange) invoke(in *api.Integration) error {
	ref, err := x.ref(in)
	if err != nil {
		return refuse(500, "Internal Server Error", err)
	}
	body, err := payload.ReadBody(x.r, payload.MaxAPIBody)
	var event []byte
	if err == nil {
		event, err = x.event(in, body)
	}
	if errors.Is(err, payload.ErrTooLarge) {
		return refuse(413, "Request Entity Too Large", err)
	}
	if err != nil {
		return refuse(400, "Bad Request", err)
	}
	start := x.Now()
	o, err := x.await(in, ref, event)
	x.log.Integration = accesslog.Integration{Reached: true, Latency: x.Now().Sub(start), RequestID: x.id}
	if err != nil {
		x.log.Integration.Error = err.Error()
		return err
	}
	x.log.Integration.Status, x.log.Integration.Invoked = o.Status, 200
	x.cors(o.Header)
	o.Write(x.w)
	return nil
}

type outcome struct {
	answer *payload.Answer
	err    error
}

func (x *exchange) await(in *api.Integration, ref function.Ref, event []byte) (*payload.Answer, error) {
	patience := maxTime
	if in.TimeoutInMillis > 0 {
		patience = time.Duration(in.TimeoutInMillis) * time.Millisecond
	}
	done := make(chan outcome, 1)
	ctx := context.WithoutCancel(x.r.Context())
	x.calls.Go(func() {
		a, err := x.call(ctx, in, ref, event)
		done <- outcome{a, err}
	})
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case o := <-done:
		return o.answer, o.err
	case <-late.C:
		return nil, refuse(503, "Service Unavailable", fmt.Errorf("%s did not answer within %v", ref.Name, patience))
	case <-x.r.Context().Done():
		return nil, refuse(503, "Service Unavailable", x.r.Context().Err())
	}
}

// A whole is an answer as it comes in.
type whole []byte

func (b *whole) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func (x *exchange) call(ctx context.Context, in *api.Integration, ref function.Ref, event []byte) (*payload.Answer, error) {
	var out whole
	res, err := x.Functions.Invoke(ctx, ref, function.Invocation{RequestID: x.id, Payload: event, TraceHeader: x.trace, Answer: &out, Limit: payload.MaxEvent})
	switch {
	case err != nil:
		if _, ok := errors.AsType[*function.Throttled](err); ok {
			return nil, refuse(503, "Service Unavailable", err)
		}
		return nil, refuse(500, "Internal Server Error", err)
	case res.Failure != nil:
		return nil, refuse(500, "Internal Server Error", fmt.Errorf("the function failed: %.1000s", res.Failure))
	}
	read := payload.Infer
	if in.PayloadFormatVersion == "1.0" {
		read = payload.Strict
	}
	a, err := read(out)
	if err != nil {
		return nil, refuse(500, "Internal Server Error", err)
	}
	return a, nil
}

// ref is the function of an integration, when it lets the API invoke it.
func (x *exchange) ref(in *api.Integration) (function.Ref, error) {
	uri, err := fill(in.IntegrationUri, x.d.Stage.StageVariables)
	if err != nil {
		return function.Ref{}, err
	}
	name, ok := authorize.FunctionName(uri)
	if !ok {
		return function.Ref{}, fmt.Errorf("%q names no function", uri)
	}
	ref, err := x.Functions.Ref(name, "")
	if err != nil || x.Permits == nil {
		return ref, err
	}
	source := x.base() + "/" + x.place.stage + "/" + api.DefaultKey
	if method, path, ok := strings.Cut(x.route.RouteKey, " "); ok {
		source = x.base() + "/" + x.place.stage + "/" + strings.Replace(method, "ANY", "*", 1) + path
	}
	return ref, x.Permits(x.r.Context(), ref, &policy.Request{
		Principal: policy.Subject{Service: "apigateway.amazonaws.com"}, Action: "lambda:InvokeFunction",
		Context: map[string][]string{"aws:SourceArn": {source}, "aws:SourceAccount": {x.Account}},
	})
}

// forward hands the request to a web server.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-http.html
func (x *exchange) forward(in *api.Integration) error {
	to, err := x.server(in)
	if err != nil {
		return refuse(500, "Internal Server Error", err)
	}
	if x.r.ContentLength > payload.MaxAPIBody {
		return refuse(413, "Request Entity Too Large", payload.ErrTooLarge)
	}
	patience := maxTime
	if in.TimeoutInMillis > 0 {
		patience = time.Duration(in.TimeoutInMillis) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), patience)
	defer cancel()
	var failed error
	proxy := httputil.ReverseProxy{
		Transport: x.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL, r.Out.Host = to, to.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			if in.IntegrationMethod != "" && in.IntegrationMethod != "ANY" {
				r.Out.Method = in.IntegrationMethod
			}
		},
		ModifyResponse: func(res *http.Response) error { x.cors(res.Header); return nil },
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			failed = refuse(503, "Service Unavailable", err)
		},
	}
	r := x.r.Clone(ctx)
	r.Body = http.MaxBytesReader(x.w, r.Body, payload.MaxAPIBody)
	proxy.ServeHTTP(x.w, r)
	return failed
}

// server is the web address of an integration: path variables and the query are
// the request's.
func (x *exchange) server(in *api.Integration) (*url.URL, error) {
	text, err := fill(in.IntegrationUri, x.d.Stage.StageVariables)
	if err != nil {
		return nil, err
	}
	for name, value := range x.vars {
		escaped := (&url.URL{Path: value}).EscapedPath()
		text = strings.NewReplacer("{"+name+"}", escaped, "{"+name+"+}", escaped).Replace(text)
	}
	to, err := url.Parse(text)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return nil, fmt.Errorf("%q is no web address", text)
	}
	to.RawQuery = strings.Trim(to.RawQuery+"&"+x.r.URL.RawQuery, "&")
	return to, nil
}
