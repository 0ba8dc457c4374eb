// Package url is the data plane of function URLs: a request to a function's own
// address becomes an event, the function runs, and its answer goes back, at once
// or as it is written. It edits nothing: package function keeps the addresses.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
package url

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// Functions are the functions behind the addresses: function.Registry.
type Functions interface {
	// URLByID finds an address; function.ErrNotFound when there is none.
	URLByID(ctx context.Context, id string) (function.URL, error)

	// Decide says what a function's resource policy says.
	Decide(ctx context.Context, ref function.Ref, in *policy.Request) (policy.Verdict, error)

	Invoke(ctx context.Context, ref function.Ref, in function.Invocation) (function.Result, error)
	ARN(name, qualifier string) string
}

// Config is what a Handler needs of its surroundings.
type Config struct {
	Functions Functions

	// Gate verifies the signatures of requests to addresses of type AWS_IAM.
	Gate wire.Gate

	// Identity says what a caller's own policies say. Nil allows the root user
	// all, and says nothing of others.
	Identity func(context.Context, wire.Caller, *policy.Request) (policy.Verdict, error)

	Account string

	// Open lets everybody in, whatever the policies say: a server without
	// authorization.
	Open bool

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil is slog.Default()
}

// A Handler serves all function URLs. It may be used from any goroutine.
type Handler struct {
	Config
	count counters
}

// New makes a Handler.
func New(c Config) *Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Identity == nil {
		c.Identity = rootAlone
	}
	return &Handler{Config: c}
}

func rootAlone(_ context.Context, c wire.Caller, _ *policy.Request) (policy.Verdict, error) {
	if c.Root {
		return policy.Allowed, nil
	}
	return policy.None, nil
}

// pathForm begins the paths of addresses for clients that cannot resolve names
// below ours.
const pathForm = "/_mayfly/url/"

// Match is who serves r; nil when it is not for a function's address.
func (h *Handler) Match(r *http.Request) http.Handler {
	if id, ok := idOf(r.Host); ok {
		return &site{h, id, ""}
	}
	if rest, ok := strings.CutPrefix(r.URL.EscapedPath(), pathForm); ok {
		id, _, _ := strings.Cut(rest, "/")
		if isID(id) {
			return &site{h, id, pathForm + id}
		}
	}
	return nil
}

// idOf is the id in a host: "<id>.lambda-url.<region>.<anything>".
func idOf(host string) (string, bool) {
	id, rest, ok := strings.Cut(host, ".")
	if !ok || len(rest) < len("lambda-url.") || !strings.EqualFold(rest[:len("lambda-url.")], "lambda-url.") {
		return "", false
	}
	if !strings.Contains(rest[len("lambda-url."):], ".") {
		return "", false
	}
	id = strings.ToLower(id)
	return id, isID(id)
}

func isID(id string) bool {
	return len(id) == 32 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// A site is one address, as one request means it.
type site struct {
	*Handler
	id     string
	prefix string // of the path, in its path form
}

// ServeHTTP answers a request.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.Now()
	c := &counted{ResponseWriter: w}
	defer func() { s.count.add(c.status, s.Now().Sub(start)) }()
	trace := payload.Trace(r, start)
	w.Header().Set("X-Amzn-Requestid", wire.RequestID(r.Context()))
	w.Header().Set("X-Amzn-Trace-Id", trace)
	u, err := s.Functions.URLByID(r.Context(), s.id)
	switch {
	case errors.Is(err, function.ErrNotFound):
		refuse(c, http.StatusNotFound, "ResourceNotFoundException", `{"Message":null}`)
		return
	case err != nil:
		s.fail(c, r, err)
		return
	}
	if u.CORS != nil && preflight(r) {
		allowPreflight(c, r, u.CORS)
		return
	}
	v := &visit{site: s, u: u, trace: trace, time: start, w: c}
	if err := v.serve(r); err != nil {
		s.fail(c, r, err)
	}
}

// A visit is one request to an address that is there.
type visit struct {
	*site
	u     function.URL
	trace string
	time  time.Time
	w     *counted
	r     *http.Request // let in, with its caller
}

// serve runs the function. Its error is for the client to hear, who has heard
// nothing.
func (v *visit) serve(r *http.Request) (err error) {
	if v.r, err = v.admit(r); err != nil {
		return err
	}
	body, err := payload.ReadBody(v.r, payload.MaxURLBody)
	if err != nil {
		return err
	}
	event, err := payload.V2(v.request(body))
	if err != nil {
		return err
	}
	if len(event) > payload.MaxEvent {
		return payload.ErrTooLarge
	}
	in := function.Invocation{RequestID: wire.RequestID(v.r.Context()), Payload: event, TraceHeader: v.trace}
	if v.u.Mode == "RESPONSE_STREAM" {
		return v.stream(in)
	}
	return v.buffer(in)
}

// request is what the event tells of the request.
func (v *visit) request(body []byte) *payload.Request {
	r := v.r
	path := strings.TrimPrefix(r.URL.EscapedPath(), v.prefix)
	decoded := strings.TrimPrefix(r.URL.Path, v.prefix)
	if path == "" {
		path, decoded = "/", "/"
	}
	p := &payload.Request{
		FunctionURL: true, HTTP: r, Body: body, ID: wire.RequestID(r.Context()), Trace: v.trace, Time: v.time, SourceIP: payload.SourceIP(r),
		Account: "anonymous", APIID: v.id, Domain: hostname(r.Host), DomainPrefix: v.id, Stage: "$default", RouteKey: "$default",
		Path: path, ContextPath: decoded,
	}
	if v.prefix != "" {
		r.Header.Set("X-Forwarded-Prefix", v.prefix) // where frameworks look
	}
	if v.u.Auth == "AWS_IAM" {
		r.Header.Del("Authorization") // it was for us
		p.Account = v.Account
		p.Authorizer = map[string]any{"iam": iamOf(wire.CallerOf(r.Context()))}
	}
	return p
}

// An iam is requestContext.authorizer.iam.
type iam struct {
	AccessKey       string  `json:"accessKey"`
	AccountID       string  `json:"accountId"`
	CallerID        string  `json:"callerId"`
	CognitoIdentity *string `json:"cognitoIdentity"`
	PrincipalOrgID  *string `json:"principalOrgId"`
	UserARN         string  `json:"userArn"`
	UserID          string  `json:"userId"`
}

func iamOf(c wire.Caller) iam {
	return iam{AccessKey: c.AccessKeyID, AccountID: c.Account, CallerID: c.UserID, UserARN: c.ARN, UserID: c.UserID}
}

// hostname is a host without its port.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host
}
