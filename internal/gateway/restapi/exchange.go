package restapi

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// An exchange is one request on its way to an answer.
type exchange struct {
	h     *Handler
	w     *tally
	r     *http.Request
	at    place
	d     *Deployed
	rt    *route
	start time.Time

	params  map[string]string // of the path
	body    []byte
	request payload.Request
	grant   *authorize.Grant // of a Lambda authorizer; nil for none
	caller  wire.Caller      // who signed
	key     *known           // API key that counts; nil for none
	over    overrides        // what templates say of the answer and the request

	rec   accesslog.Record
	setup *MethodSetting // of the stage for this method; nil for none
	lines []string       // of the execution log
}

// A refusal is a case in which the gateway itself answers.
type refusal struct {
	kind    string // "ACCESS_DENIED"
	status  int    // 0: the case's own
	message string // "": the case's own
	header  string // X-Amzn-ErrorType; "": the case's own
	detail  string // why a body is not valid
	cause   error  // for logs
}

func (f *refusal) Error() string {
	if f.cause != nil {
		return f.kind + ": " + f.cause.Error()
	}
	return f.kind
}

func (f *refusal) Unwrap() error { return f.cause }

func refuse(kind string, cause error) error { return &refusal{kind: kind, cause: cause} }

// broken is the answer to a function that failed, or answered what cannot be
// an answer.
func broken(format string, args ...any) error {
	return &refusal{kind: "DEFAULT_5XX", status: http.StatusBadGateway, message: "Internal server error", cause: fmt.Errorf(format, args...)}
}

// serve answers one request.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, at place) {
	x := &exchange{h: h, w: &tally{ResponseWriter: w}, r: r, at: at, start: h.Book.Now()}
	x.begin()
	err := x.route()
	if err == nil {
		err = x.admit()
	}
	if err == nil {
		err = x.integrate()
	}
	x.end(err)
}

// begin names the exchange, and says so in the answer's headers.
func (x *exchange) begin() {
	ctx := x.r.Context()
	id := wire.RequestID(ctx)
	extended := newExtendedID()
	trace := wire.Trace(ctx)
	if trace == "" {
		trace = newTrace(x.start)
	}
	header := x.w.Header()
	header.Set("X-Amzn-Requestid", id)
	header.Set("X-Amz-Apigw-Id", extended)
	header.Set("X-Amzn-Trace-Id", trace)
	source := payload.SourceIP(x.r)
	x.request = payload.Request{
		HTTP: x.r, ID: id, ExtendedID: extended, Trace: trace, Time: x.start, SourceIP: source, Account: x.h.Book.Account,
		APIID: x.at.api, Domain: x.at.domain, DomainPrefix: x.at.prefix, Stage: x.at.stage, Path: x.at.shown, ContextPath: x.at.full,
	}
	x.rec = accesslog.Record{
		Account: x.h.Book.Account, APIID: x.at.api, Stage: x.at.stage, ID: id, ExtendedID: extended, Domain: x.at.domain,
		DomainPrefix: x.at.prefix, Method: x.r.Method, Path: x.at.full, Protocol: x.r.Proto, SourceIP: source, UserAgent: x.r.UserAgent(),
		Start: x.start, Extra: map[string]string{"xrayTraceId": trace},
	}
}

// newTrace is an X-Amzn-Trace-Id for a request that came without one.
//
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func newTrace(at time.Time) string {
	b := make([]byte, 12)
	rand.Read(b) // never fails
	return fmt.Sprintf("Root=1-%08x-%s", at.Unix(), hex.EncodeToString(b))
}

func newExtendedID() string {
	b := make([]byte, 11)
	rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}

// forbidden is the answer to what leads nowhere.
func forbidden(cause error) error {
	return &refusal{kind: "DEFAULT_4XX", status: http.StatusForbidden, message: "Forbidden", header: "ForbiddenException", cause: cause}
}

// route finds the stage and the method.
func (x *exchange) route() error {
	d, err := x.h.Book.Deployed(x.r.Context(), x.at.api, x.at.stage)
	switch {
	case isNotFound(err):
		return forbidden(err)
	case err != nil:
		return refuse("API_CONFIGURATION_ERROR", err)
	}
	x.d = d
	if d.api.DisableEndpoint && !x.at.custom {
		return forbidden(errors.New("the API's default endpoint is disabled"))
	}
	b, params := d.find(x.at.path)
	if x.rt = b.at(x.r.Method); x.rt == nil {
		return refuse("MISSING_AUTHENTICATION_TOKEN", nil)
	}
	x.params = params
	x.setup = d.Stage.setting(x.rt.on.Path, x.rt.HTTPMethod)
	r := &x.request
	r.Resource, r.ResourceID, r.OperationName = x.rt.on.Path, x.rt.on.ID, x.rt.OperationName
	r.PathParameters, r.StageVariables, r.BinaryTypes = params, d.Stage.Variables, d.api.BinaryMediaTypes
	x.rec.Extra["resourcePath"], x.rec.Extra["resourceId"] = x.rt.on.Path, x.rt.on.ID
	return nil
}

// setting is what a stage says of a method: of itself before of all.
func (s *Stage) setting(path, method string) *MethodSetting {
	key := settingKey([]string{path, method})
	for _, k := range []string{key, strings.TrimPrefix(key, "/"), "*/*"} {
		if m := s.Settings[k]; m != nil {
			return m
		}
	}
	return nil
}

// admit lets the request through to the integration, or not.
func (x *exchange) admit() error {
	x.say("Extended Request Id: %s", x.request.ExtendedID)
	x.say("Verifying Usage Plan for request: %s. API Key: %s API Stage: %s/%s", x.request.ID, masked(x.r.Header.Get("X-Api-Key")), x.at.api, x.at.stage)
	if err := x.authorize(); err != nil {
		return err
	}
	if err := x.meter(); err != nil {
		return err
	}
	body, err := payload.ReadBody(x.r, payload.MaxAPIBody)
	switch {
	case errors.Is(err, payload.ErrTooLarge):
		return refuse("REQUEST_TOO_LARGE", err)
	case err != nil && x.caller.ARN != "": // the body was not the one that was signed, or the client went away
		return refuse("INVALID_SIGNATURE", err)
	case err != nil:
		return refuse("BAD_REQUEST_BODY", err)
	}
	x.body, x.request.Body = body, body
	x.say("Method request path: %v", x.params)
	x.say("Method request query string: %v", x.r.URL.Query())
	x.trace("Method request body before transformations: %s", body)
	return x.validate()
}

// end answers for an error, and writes the logs.
func (x *exchange) end(err error) {
	if err != nil {
		x.fail(err)
	}
	x.rec.Status, x.rec.Length = x.w.status, x.w.bytes
	x.rec.Latency = x.h.Book.Now().Sub(x.start)
	x.rec.Processed = int64(len(x.body)) + x.w.bytes
	x.say("Method completed with status: %d", x.w.status)
	x.log(err)
	if x.w.broken {
		panic(http.ErrAbortHandler) // half an answer is out: do not let it look whole
	}
}

// fail answers for an error unless an answer has begun.
func (x *exchange) fail(err error) {
	f, ok := errors.AsType[*refusal](err)
	if !ok {
		f = &refusal{kind: "API_CONFIGURATION_ERROR", cause: err}
	}
	x.say("Execution failed: %v", f)
	if errors.Is(err, context.Canceled) || x.w.status != 0 {
		x.w.broken = x.w.status != 0
		return
	}
	x.answerFault(f)
}

// A tally is a ResponseWriter that remembers what was answered.
type tally struct {
	http.ResponseWriter
	status int
	bytes  int64
	broken bool
}

func (t *tally) WriteHeader(status int) {
	if status >= 200 && t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *tally) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	n, err := t.ResponseWriter.Write(b)
	t.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController flush.
func (t *tally) Unwrap() http.ResponseWriter { return t.ResponseWriter }
