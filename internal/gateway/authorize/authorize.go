// Package authorize decides who may call an API: by tokens of an OpenID Connect
// issuer, by functions of the user's own, by signatures. The data planes of
// API Gateway stand on it; it knows none of them.
package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// What a Refusal is about, and the status that AWS answers.
var (
	ErrUnauthorized = errors.New("authorize: who calls is not known") // 401
	ErrForbidden    = errors.New("authorize: the caller may not")     // 403
	ErrBroken       = errors.New("authorize: the authorizer failed")  // 500
)

// A Refusal is the error for a request that is not let through. errors.Is tells
// its kind.
type Refusal struct {
	Kind      error
	Text      string // for logs: $context.authorizer.error
	Challenge string // for the WWW-Authenticate header; "" for none
}

func (r *Refusal) Error() string { return r.Kind.Error() + ": " + r.Text }

// Unwrap returns the kind.
func (r *Refusal) Unwrap() error { return r.Kind }

// Status is what AWS answers a request that was not let through.
func Status(err error) int {
	switch {
	case errors.Is(err, ErrUnauthorized):
		return http.StatusUnauthorized
	case errors.Is(err, ErrForbidden):
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}

func refuse(kind error, format string, args ...any) error {
	return &Refusal{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// Functions are the functions that decide: function.Registry.
type Functions interface {
	Ref(name, qualifier string) (function.Ref, error)
	Invoke(ctx context.Context, ref function.Ref, in function.Invocation) (function.Result, error)
}

// Config is what an Authority needs of its surroundings.
type Config struct {
	Functions Functions

	// Permits tells whether a function may be invoked as the request's principal
	// asks: nil when it may. Nil permits all.
	Permits func(context.Context, function.Ref, *policy.Request) error

	Gate  wire.Gate                                                 // verifies signatures; nil refuses every signed request
	Allow func(context.Context, wire.Caller, *policy.Request) error // what the caller's own policies say; nil allows all

	Transport http.RoundTripper // to issuers; nil means http.DefaultTransport

	// Keys is asked first for the keys (a JWKS) of an issuer: those that the
	// server's owner configured. Nil when there are none.
	Keys func(issuer string) (jwks []byte, ok bool)

	Log *slog.Logger     // nil means slog.Default()
	Now func() time.Time // nil means time.Now
}

// An Authority decides. Its methods may be called from any goroutine.
type Authority struct {
	Config
	client  *http.Client
	issuers issuers
	answers answers
	calls   sync.WaitGroup // invocations that somebody may have stopped waiting for
}

// New makes an Authority. Close ends it.
func New(c Config) *Authority {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	a := &Authority{Config: c, client: &http.Client{Transport: c.Transport}}
	a.answers.now = c.Now
	return a
}

// Close waits for the functions that are still deciding.
func (a *Authority) Close() { a.calls.Wait() }

// A Grant is what an authorizer says of a request that it lets through. Nobody
// changes it.
type Grant struct {
	Principal string                     // of a function's policy
	Context   map[string]json.RawMessage // of a function
	UsageKey  string                     // of a function: the API key that it counts for
	Latency   time.Duration              // of the function; 0 when its answer was remembered

	Claims map[string]string // of a token; nil when it was not one
	Scopes []string          // of a token, those that the route asks for
}

// jwt is how events tell of a token.
type jwt struct {
	Claims map[string]string `json:"claims"`
	Scopes []string          `json:"scopes"`
}

// V2 is requestContext.authorizer of payload format 2.0.
func (g *Grant) V2() any {
	if g.Claims != nil {
		return map[string]jwt{"jwt": {g.Claims, g.Scopes}}
	}
	return map[string]any{"lambda": g.Context}
}

// V1 is requestContext.authorizer of an HTTP API's payload format 1.0.
func (g *Grant) V1() any {
	if g.Claims != nil {
		return jwt{g.Claims, g.Scopes}
	}
	all := map[string]any{"principalId": g.Principal, "integrationLatency": g.Latency.Milliseconds()}
	for k, v := range g.Context {
		all[k] = v
	}
	return all
}

// Flat is requestContext.authorizer of REST and WebSocket APIs: every value of
// the function's context is a string.
func (g *Grant) Flat() any {
	if g.Claims != nil {
		return map[string]any{"claims": g.Claims}
	}
	all := map[string]any{"principalId": g.Principal, "integrationLatency": g.Latency.Milliseconds()}
	for k, v := range g.Context {
		all[k] = Text(v)
	}
	return all
}

// Text is a scalar of JSON as a string.
func Text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && string(raw) != "null" {
		return s
	}
	return string(raw)
}

// FunctionName is the name or ARN of the function in the URI of an authorizer or
// an integration, which may be in the form of API Gateway:
// "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/<ARN>/invocations".
func FunctionName(uri string) (string, bool) {
	p := strings.SplitN(uri, ":", 6)
	if len(p) == 6 && p[2] == "lambda" {
		return uri, strings.HasPrefix(p[5], "function:")
	}
	if len(p) != 6 || p[2] != "apigateway" || p[4] != "lambda" || !strings.HasPrefix(p[5], "path/") {
		return "", false
	}
	_, name, ok := strings.Cut(p[5], "/functions/")
	if !ok {
		return "", false
	}
	for _, end := range []string{"/invocations", "/response-streaming-invocations"} {
		if n, ok := strings.CutSuffix(name, end); ok {
			return n, n != ""
		}
	}
	return "", false
}
