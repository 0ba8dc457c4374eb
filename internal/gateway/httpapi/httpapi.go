// Package httpapi is the data plane of HTTP APIs: it leads a stage's requests by
// its routes to the functions and web servers behind them. It serves what
// package api keeps; it edits nothing.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/policy"
)

// APIs are the APIs that are there: api.Book.
type APIs interface {
	Protocol(ctx context.Context, apiID string) (string, error)
	Deployed(ctx context.Context, apiID, stage string) (*api.Deployed, error)
	Domain(ctx context.Context, host string) (*api.Domain, error)
}

// Functions are the functions behind them: function.Registry.
type Functions interface {
	Ref(name, qualifier string) (function.Ref, error)
	Invoke(ctx context.Context, ref function.Ref, in function.Invocation) (function.Result, error)
}

// A Config is what a Handler needs of its surroundings.
type Config struct {
	APIs            APIs
	Functions       Functions
	Authority       *authorize.Authority
	Account, Region string

	// Permits tells whether a function may be invoked as the request's principal
	// asks: nil when it may. Nil permits all.
	Permits func(context.Context, function.Ref, *policy.Request) error

	Access    *accesslog.Log    // nil for none
	Transport http.RoundTripper // to web servers; nil is http.DefaultTransport
	Now       func() time.Time  // nil is time.Now
	Log       *slog.Logger      // nil is slog.Default()
}

// A Handler serves HTTP APIs. Its methods may be called from any goroutine.
type Handler struct {
	Config
	routers sync.Map       // by stage: *router of its newest state
	limits  sync.Map       // by route of a stage: *limit
	formed  sync.Map       // access log formats taken apart, by their texts
	calls   sync.WaitGroup // functions that run, whether or not anybody waits
}

// New makes a Handler.
func New(c Config) *Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	return &Handler{Config: c}
}

// Close waits for the functions that still run.
func (h *Handler) Close() { h.calls.Wait() }

// A place is where in an API a request leads.
type place struct {
	api, stage string // a stage of "" is the path's first part, or $default
	path       string // escaped; with the stage, unless that is given
	mapped     string // the mapping's key that path lies under
	domain     string // as events tell it
	prefix     string // of the domain
	custom     bool   // it came under a domain name of the user's
}

// pathForm is where APIs are for clients that cannot resolve their hosts.
const pathForm = "/_mayfly/api/"

// Match is who serves r; nil when it is not for an HTTP API.
func (h *Handler) Match(r *http.Request) http.Handler {
	p, ok := h.locate(r)
	if !ok {
		return nil
	}
	protocol, err := h.APIs.Protocol(r.Context(), p.api)
	if err != nil {
		h.Log.ErrorContext(r.Context(), "find an API", "api", p.api, "err", err)
	}
	if protocol != api.HTTP {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, p) })
}

func (h *Handler) locate(r *http.Request) (place, bool) {
	escaped := r.URL.EscapedPath()
	if path, ok := strings.CutPrefix(escaped, pathForm); ok {
		id, path, _ := strings.Cut(path, "/")
		return place{api: id, path: "/" + path, domain: r.Host, prefix: id}, id != ""
	}
	host := hostName(r.Host)
	if label := strings.SplitN(host, ".", 3); len(label) == 3 && label[1] == "execute-api" {
		return place{api: label[0], path: escaped, domain: r.Host, prefix: label[0]}, true
	}
	d, err := h.APIs.Domain(r.Context(), host)
	if err != nil {
		if !errors.Is(err, api.ErrNoDomain) {
			h.Log.ErrorContext(r.Context(), "find a domain name", "host", host, "err", err)
		}
		return place{}, false
	}
	m, rest := d.Resolve(escaped)
	if m == nil {
		return place{}, false
	}
	prefix, _, _ := strings.Cut(host, ".")
	return place{api: m.ApiId, stage: m.Stage, path: rest, mapped: m.ApiMappingKey, domain: r.Host, prefix: prefix, custom: true}, true
}

// hostName is a Host header without its port, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// deployed is what serves a place, which it completes: the stage is the path's
// first part, if there is a stage of that name.
func (h *Handler) deployed(ctx context.Context, p *place) (*api.Deployed, error) {
	if p.stage != "" {
		return h.APIs.Deployed(ctx, p.api, p.stage)
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(p.path, "/"), "/")
	if first != "" {
		d, err := h.APIs.Deployed(ctx, p.api, first)
		if err == nil {
			p.stage, p.path = first, "/"+rest
			return d, nil
		}
		if !errors.Is(err, api.ErrNoStage) {
			return nil, err
		}
	}
	p.stage = api.DefaultKey
	return h.APIs.Deployed(ctx, p.api, p.stage)
}

// shown is the path as events show it, escaped: with its stage or, under a
// domain name of the user's, with the mapping's key.
func (p *place) shown() string {
	switch {
	case p.custom && p.mapped != "":
		return "/" + p.mapped + p.path
	case p.custom || p.stage == api.DefaultKey:
		return p.path
	}
	return "/" + p.stage + p.path
}
