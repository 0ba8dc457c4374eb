package restapi

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi/vtl"
	"github.com/mayfly-faas/mayfly/internal/policy"
)

// integrate has what is behind the method do its work, and answers.
func (x *exchange) integrate() error {
	switch in := x.rt.Integration; in.Type {
	case "AWS_PROXY":
		if x.rt.streams {
			return x.stream()
		}
		return x.proxy()
	case "AWS":
		return x.customLambda()
	case "MOCK":
		return x.mock()
	case "HTTP", "HTTP_PROXY":
		return x.forward()
	}
	return refuse("API_CONFIGURATION_ERROR", fmt.Errorf("integration type %s", x.rt.Integration.Type))
}

// function is the function behind the method, if API Gateway may invoke it.
func (x *exchange) function() (function.Ref, error) {
	var ref function.Ref
	name := x.staged(x.rt.functionIn)
	ref, err := x.h.Functions.Ref(name, "")
	if err != nil {
		return ref, refuse("API_CONFIGURATION_ERROR", err)
	}
	if x.h.Permits == nil {
		return ref, nil
	}
	err = x.h.Permits(x.r.Context(), ref, &policy.Request{
		Principal: policy.Subject{Service: "apigateway.amazonaws.com"}, Action: "lambda:InvokeFunction",
		Context: map[string][]string{"aws:SourceArn": {x.resource()}, "aws:SourceAccount": {x.h.Book.Account}},
	})
	if err != nil {
		return ref, refuse("API_CONFIGURATION_ERROR", fmt.Errorf("execution failed due to configuration error: Invalid permissions on Lambda function: %w", err))
	}
	return ref, nil
}

// maxAnswer is the most that a function's answer may hold.
const maxAnswer = 6291556

// An outcome is how an invocation ended.
type outcome struct {
	answer  []byte
	failure []byte // of the code; nil for none
	err     error  // of the platform
}

// invoke runs a function, and stops to wait for it when its time is over: the
// function goes on, as on AWS.
func (x *exchange) invoke(ref function.Ref, event []byte) (*outcome, error) {
	ctx := context.WithoutCancel(x.r.Context())
	done := make(chan *outcome, 1)
	id, trace := x.request.ID, x.request.Trace
	begun := x.h.Book.Now()
	x.h.running.Go(func() {
		var answer bytes.Buffer
		res, err := x.h.Functions.Invoke(ctx, ref, function.Invocation{
			RequestID: id, Payload: event, TraceHeader: trace, Answer: &answer, Limit: maxAnswer,
		})
		done <- &outcome{answer.Bytes(), res.Failure, err}
	})
	late := time.NewTimer(time.Duration(x.rt.Integration.TimeoutMillis) * time.Millisecond)
	defer late.Stop()
	select {
	case o := <-done:
		x.noteIntegration(begun, 200)
		if o.err != nil {
			return nil, refuse("API_CONFIGURATION_ERROR", o.err)
		}
		return o, nil
	case <-late.C:
		x.noteIntegration(begun, 504)
		return nil, refuse("INTEGRATION_TIMEOUT", errors.New("execution failed due to a timeout error"))
	case <-x.r.Context().Done():
		return nil, x.r.Context().Err()
	}
}

func (x *exchange) noteIntegration(begun time.Time, status int) {
	i := &x.rec.Integration
	i.Reached, i.Latency, i.Status, i.RequestID = true, x.h.Book.Now().Sub(begun), status, x.request.ID
	x.say("Received response. Status: %d, Integration latency: %d ms", status, i.Latency.Milliseconds())
}

// proxy gives the request to a function, and its answer to the client.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
func (x *exchange) proxy() error {
	ref, event, err := x.event()
	if err != nil {
		return err
	}
	o, err := x.invoke(ref, event)
	if err != nil {
		return err
	}
	if o.failure != nil {
		return broken("Lambda execution failed with status 200 due to customer function error: %s", o.failure)
	}
	x.trace("Endpoint response body before transformations: %s", o.answer)
	a, err := payload.Strict(o.answer)
	if err != nil {
		return broken("execution failed due to configuration error: Malformed Lambda proxy response: %w", err)
	}
	x.rec.Integration.Status = a.Status
	if !x.binaryAnswer() && saysBase64(o.answer) {
		a.Body = []byte(base64.StdEncoding.EncodeToString(a.Body))
	}
	x.send(a)
	return nil
}

// event is what a function is given of the request.
func (x *exchange) event() (function.Ref, []byte, error) {
	ref, err := x.function()
	if err != nil {
		return ref, nil, err
	}
	event, err := payload.REST(&x.request)
	if err != nil {
		return ref, nil, refuse("API_CONFIGURATION_ERROR", err)
	}
	if len(event) > payload.MaxEvent {
		return ref, nil, refuse("REQUEST_TOO_LARGE", payload.ErrTooLarge)
	}
	x.trace("Endpoint request body after transformations: %s", event)
	x.say("Sending request to %s", x.staged(x.rt.Integration.URI))
	return ref, event, nil
}

// binaryAnswer tells whether an answer in base64 is decoded: when the first
// type that the client accepts is one of the API's binary types.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
func (x *exchange) binaryAnswer() bool {
	first, _, _ := strings.Cut(x.r.Header.Get("Accept"), ",")
	return payload.MatchesType(x.d.api.BinaryMediaTypes, mediaType(first))
}

func saysBase64(answer []byte) bool {
	var said struct {
		Base64 bool `json:"isBase64Encoded"`
	}
	return json.Unmarshal(answer, &said) == nil && said.Base64
}

// stream gives the request to a function and its answer to the client as it
// comes: the head as JSON, eight NUL bytes, the body.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
func (x *exchange) stream() error {
	ref, event, err := x.event()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), time.Duration(x.rt.Integration.TimeoutMillis)*time.Millisecond)
	defer cancel()
	s := payload.NewStream(x.w, func(a *payload.Answer) { remap(a.Header) })
	s.Begin(payload.StreamType)
	begun := x.h.Book.Now()
	x.h.running.Add(1)
	defer x.h.running.Done()
	res, err := x.h.Functions.Invoke(ctx, ref, function.Invocation{
		RequestID: x.request.ID, Payload: event, TraceHeader: x.request.Trace, Answer: s,
	})
	x.noteIntegration(begun, 200)
	switch {
	case errors.Is(err, payload.ErrMalformed):
		return broken("execution failed due to configuration error: Malformed streaming response: %w", err)
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil && x.r.Context().Err() == nil:
		return refuse("INTEGRATION_TIMEOUT", err)
	case err != nil:
		return refuse("API_CONFIGURATION_ERROR", err)
	case res.Failure != nil:
		return broken("Lambda execution failed due to customer function error: %s", res.Failure)
	}
	if !s.Begun() {
		if err := s.End(); err != nil {
			return broken("malformed streaming response: %w", err)
		}
	}
	return nil
}

// customLambda gives a function what a template makes of the request, and the
// client what another makes of its answer.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-custom-integrations.html
func (x *exchange) customLambda() error {
	ref, err := x.function()
	if err != nil {
		return err
	}
	event, err := x.transformed()
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(event)) == 0 {
		event = []byte("{}")
	}
	if !json.Valid(event) {
		return broken("the template's output is no JSON")
	}
	o, err := x.invoke(ref, event)
	if err != nil {
		return err
	}
	r := &result{header: http.Header{"Content-Type": {"application/json"}}, body: o.answer}
	if o.failure != nil {
		var f struct {
			Message string `json:"errorMessage"`
		}
		_ = json.Unmarshal(o.failure, &f) // what is not JSON has no message
		r.match, r.body = f.Message, o.failure
	}
	return x.mapped(r)
}

// statusIn finds a mock's status: templates write {statusCode: 200}, which is
// no JSON, as well as {"statusCode": 200}.
var statusIn = regexp.MustCompile(`["']?statusCode["']?\s*:\s*["']?(\d{3})`)

// mock answers by itself.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html
func (x *exchange) mock() error {
	text, err := x.transformed()
	if err != nil {
		return err
	}
	m := statusIn.FindSubmatch(text)
	if m == nil {
		return refuse("API_CONFIGURATION_ERROR", errors.New("the mock's request template gives no statusCode"))
	}
	return x.mapped(&result{match: string(m[1]), header: http.Header{}})
}

// mapped answers with what an integration response makes of a result.
func (x *exchange) mapped(r *result) error {
	a := x.choose(r.match)
	if a == nil {
		return refuse("API_CONFIGURATION_ERROR", fmt.Errorf("no integration response for %q", r.match))
	}
	status, _ := strconv.Atoi(a.StatusCode)
	out := &payload.Answer{Status: status, Header: http.Header{}, Body: r.body}
	vars := x.vars(r.body)
	kind := cmp.Or(mediaTypeOf(r.header), "application/json")
	if t := a.template(kind); t != nil {
		text, err := t.Run(vars)
		if err != nil {
			return refuse("API_CONFIGURATION_ERROR", err)
		}
		out.Body = []byte(text)
	}
	out.Header.Set("Content-Type", kind)
	for target, source := range a.Parameters {
		if v, ok := x.ofResult(source, r, vars); ok {
			setHeader(out.Header, strings.TrimPrefix(target, "method.response.header."), v)
		}
	}
	x.override(out)
	x.send(out)
	return nil
}

func mediaTypeOf(h http.Header) string {
	if h.Get("Content-Type") == "" {
		return ""
	}
	return mediaType(h.Get("Content-Type"))
}

// choose is the first response whose pattern fits, or the default.
func (x *exchange) choose(match string) *answer {
	i := slices.IndexFunc(x.rt.answers, func(a *answer) bool {
		return a.pattern == nil || match != "" && a.pattern.MatchString(match)
	})
	if i < 0 {
		return nil
	}
	return x.rt.answers[i]
}

func (a *answer) template(kind string) *vtl.Template {
	if t := a.templates[kind]; t != nil {
		return t
	}
	if t := a.templates["application/json"]; t != nil && len(a.templates) == 1 {
		return t
	}
	return nil
}

// ofResult is the value of a response mapping's right side.
func (x *exchange) ofResult(source string, r *result, vars vtl.Map) (string, bool) {
	rest, ok := strings.CutPrefix(source, "integration.response.")
	if !ok {
		return x.source(source, vars)
	}
	where, name, _ := strings.Cut(rest, ".")
	switch where {
	case "header":
		return r.header.Get(name), len(r.header.Values(name)) > 0
	case "multivalueheader":
		return strings.Join(r.header.Values(name), ","), len(r.header.Values(name)) > 0
	case "body":
		if name == "" {
			return string(r.body), true
		}
		v := jsonPath((&input{x: x, body: r.body}).value(), "$."+name)
		return vtl.Text(v), v != nil
	}
	return "", false
}

// override does what templates said by $context.responseOverride.
func (x *exchange) override(a *payload.Answer) {
	if n, err := strconv.Atoi(vtl.Text(x.over.response["status"])); err == nil && n >= 200 && n <= 599 {
		a.Status = n
	}
	headers, _ := x.over.response["header"].(vtl.Map)
	for k, v := range headers {
		setHeader(a.Header, k, vtl.Text(v))
	}
}

// remapped are headers of an integration's that reach the client under another
// name.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
func remapped() []string {
	return []string{"Authorization", "Connection", "Content-Md5", "Date", "Expect", "Host", "Max-Forwards", "Proxy-Authenticate",
		"Server", "Te", "Trailer", "Upgrade", "User-Agent", "Via", "Warn", "Www-Authenticate"}
}

// remap renames what AWS renames.
func remap(h http.Header) {
	for _, name := range remapped() {
		if v, ok := h[name]; ok {
			delete(h, name)
			h["X-Amzn-Remapped-"+name] = v
		}
	}
}

// send writes an answer.
func (x *exchange) send(a *payload.Answer) {
	remap(a.Header)
	x.trace("Method response body after transformations: %s", a.Body)
	x.say("Method response headers: %v", a.Header)
	if a.Status < 200 {
		a.Status = http.StatusOK
	}
	x.compress(a)
	a.Write(x.w)
}

// compress makes an answer smaller that is as large as the API says, for a
// client that can read it.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-enable-compression.html
func (x *exchange) compress(a *payload.Answer) {
	least := x.d.api.MinimumCompressionSize
	if least == nil || len(a.Body) < int(*least) || a.Header.Get("Content-Encoding") != "" || !strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip") {
		return
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(a.Body) // to memory: no error
	z.Close()
	a.Body = b.Bytes()
	a.Header.Set("Content-Encoding", "gzip")
}
