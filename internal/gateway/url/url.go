// Package url serves function URLs: the addresses that functions have on the
// web by themselves.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
package url

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// Path is where addresses are for clients that cannot resolve their host names:
// Path + id + "/…", on a host that the server knows.
const Path = "/_mayfly/url/"

// Functions is what a Handler needs of *function.Registry.
type Functions interface {
	URLByID(ctx context.Context, id string) (function.URL, error)
	Decide(ctx context.Context, ref function.Ref, in *policy.Request) (policy.Verdict, error)
	Invoke(ctx context.Context, ref function.Ref, in function.Invocation) (function.Result, error)
	ARN(name, qualifier string) string
}

// A Config is what a Handler is made of.
type Config struct {
	Functions Functions

	// Gate verifies signatures, see wire.Gate.
	Gate wire.Gate

	// Allow says what the caller's own policies say of a request.
	Allow func(context.Context, wire.Caller, *policy.Request) (policy.Verdict, error)

	Now func() time.Time // time.Now
	Log *slog.Logger     // slog.Default()
}

// A Handler serves all function URLs.
type Handler struct {
	c    Config
	sums [3]atomic.Int64 // requests, 4xx, 5xx
}

// New makes a Handler.
func New(c Config) *Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Handler{c: c}
}

// Stats are counts since the start, as AWS's metrics UrlRequestCount,
// Url4xxCount and Url5xxCount have them.
type Stats struct{ Requests, Errors4xx, Errors5xx int64 }

// Stats answers the counts.
func (h *Handler) Stats() Stats {
	return Stats{h.sums[0].Load(), h.sums[1].Load(), h.sums[2].Load()}
}

// Match answers who serves r, nil when it is for no function URL.
func (h *Handler) Match(r *http.Request) http.Handler {
	if id := idOf(r.Host); id != "" {
		return h.serve(id, r.URL.EscapedPath())
	}
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), Path)
	if !ok {
		return nil
	}
	id, path, _ := strings.Cut(rest, "/")
	return h.serve(id, "/"+path)
}

// idOf is the id in a host name "<id>.lambda-url.<region>.…", "" for none.
func idOf(host string) string {
	id, rest, _ := strings.Cut(host, ".")
	if len(rest) < len("lambda-url.") || !strings.EqualFold(rest[:len("lambda-url.")], "lambda-url.") {
		return ""
	}
	return strings.ToLower(id)
}

func (h *Handler) serve(id, path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Handler: h, w: &counted{ResponseWriter: w}, r: r, path: path, at: h.c.Now(), id: wire.RequestID(r.Context())}
		v.trace = payload.Trace(r, v.at)
		v.head(w.Header())
		v.answer(id)
		h.count(v.w.status)
	})
}

func (h *Handler) count(status int) {
	h.sums[0].Add(1)
	if class := status / 100; class == 4 || class == 5 {
		h.sums[class-3].Add(1)
	}
}

// A counted remembers its status.
type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// A visit is one request to a function URL.
type visit struct {
	*Handler
	w         *counted
	r         *http.Request
	path      string // escaped, as it came, without what names the function
	id, trace string
	at        time.Time
	url       function.URL
	who       any // requestContext.authorizer
	account   string
}

// head writes what every answer has.
func (v *visit) head(h http.Header) {
	h.Set("X-Amzn-Requestid", v.id)
	root, _, _ := strings.Cut(v.trace, ";")
	h.Set("X-Amzn-Trace-Id", root)
}

func (v *visit) answer(id string) {
	u, err := v.c.Functions.URLByID(v.r.Context(), id)
	if err != nil {
		v.fail(err)
		return
	}
	v.url = u
	if v.preflight() {
		return
	}
	if err := v.admit(); err != nil {
		v.fail(err)
		return
	}
	body, err := payload.ReadBody(v.r, payload.MaxURLBody)
	if err == nil {
		err = v.invoke(body)
	}
	if err != nil {
		v.fail(err)
	}
}

// event is the request as the function sees it.
func (v *visit) event(body []byte) ([]byte, error) {
	prefix, _, _ := strings.Cut(v.r.Host, ".")
	decoded, ok := payload.DecodedPath(v.path)
	if !ok {
		decoded = v.path
	}
	e, err := payload.V2(&payload.Request{
		HTTP: v.r, Body: body, FunctionURL: true, ID: v.id, Trace: v.trace, Time: v.at, SourceIP: payload.SourceIP(v.r),
		Account: v.account, APIID: v.url.ID, Domain: v.r.Host, DomainPrefix: prefix, Stage: "$default", RouteKey: "$default",
		Path: v.path, ContextPath: decoded, Authorizer: v.who,
	})
	if err == nil && len(e) > payload.MaxEvent {
		err = payload.ErrTooLarge
	}
	return e, err
}

func (v *visit) invoke(body []byte) error {
	e, err := v.event(body)
	if err != nil {
		return err
	}
	in := function.Invocation{RequestID: v.id, Payload: e, TraceHeader: v.trace}
	if v.url.Mode == "RESPONSE_STREAM" {
		return v.stream(in)
	}
	return v.buffered(in)
}

// maxAnswer is the most that a function may answer at once, maxStream in pieces.
const (
	maxAnswer = 6<<20 + 100
	maxStream = 200 << 20
)

// errFunction says that the function failed: the client is not told how.
var errFunction = errors.New("the function failed")

// buffered sends the answer once it is whole.
func (v *visit) buffered(in function.Invocation) error {
	var out whole
	in.Answer, in.Limit = &out, maxAnswer
	res, err := v.c.Functions.Invoke(v.r.Context(), v.url.Ref(), in)
	switch {
	case err != nil:
		return err
	case res.Failure != nil:
		return errFunction
	}
	a, err := payload.Infer(out)
	if err != nil {
		return err
	}
	v.cors(a.Header)
	a.Write(v.w)
	return nil
}

// A whole is an answer as it comes in.
type whole []byte

func (b *whole) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// stream sends the answer as it comes. What fails behind its first byte breaks
// the connection: half an answer must not look whole.
func (v *visit) stream(in function.Invocation) error {
	s := payload.NewStream(v.w, func(a *payload.Answer) { v.cors(a.Header) })
	in.Answer, in.Limit, in.Begin = s, maxStream, s.Begin
	res, err := v.c.Functions.Invoke(v.r.Context(), v.url.Ref(), in)
	if err == nil && res.Failure != nil {
		err = errFunction
	}
	if err == nil {
		err = s.End()
	}
	if err != nil && s.Begun() {
		v.c.Log.Debug("a streamed answer broke off", "function", v.url.Function, "request", v.id, "err", err)
		panic(http.ErrAbortHandler)
	}
	return err
}
