package restapi

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

// Functions are the functions behind the APIs: function.Registry.
type Functions interface {
	Ref(name, qualifier string) (function.Ref, error)
	Invoke(ctx context.Context, ref function.Ref, in function.Invocation) (function.Result, error)
}

// Domains are the domain names of API Gateway's newer API, which may lead to
// REST APIs too: api.Book.
type Domains interface {
	Domain(ctx context.Context, host string) (*api.Domain, error)
}

// Serving is what a Handler needs of its surroundings.
type Serving struct {
	Book      *Book
	Functions Functions
	Authority *authorize.Authority
	Domains   Domains // nil for none

	// Permits tells whether a function may be invoked as the request's principal
	// asks: nil when it may. Nil permits all.
	Permits func(context.Context, function.Ref, *policy.Request) error

	Transport http.RoundTripper // to HTTP integrations; nil means one of its own
	Access    *accesslog.Log    // nil for none
	Log       *slog.Logger      // nil means slog.Default()
}

// A Handler serves REST APIs. Its methods may be called from any goroutine.
type Handler struct {
	Serving
	formats sync.Map // *accesslog.Format by its text
	buckets buckets
	running sync.WaitGroup // invocations, also those that nobody waits for any more
}

// New makes a Handler. Close ends it.
func New(s Serving) *Handler {
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.Transport == nil {
		s.Transport = newTransport()
	}
	return &Handler{Serving: s}
}

// newTransport is one that passes on what it gets: it decompresses nothing.
func newTransport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute}
	t.DisableCompression = true
	return t
}

// Close waits for the functions under way.
func (h *Handler) Close() error {
	h.running.Wait()
	if t, ok := h.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// A place is where in a REST API a request leads.
type place struct {
	api, stage string
	path       string // behind the stage or the base path, undecoded: "/pets/1"
	shown      string // event.path: with a custom domain's base path
	full       string // requestContext.path: as the client sent it
	domain     string // requestContext.domainName
	prefix     string
	custom     bool // it came under a domain name of the user's
}

// The path forms, for clients that cannot resolve an API's host.
const (
	pathForm  = "/_mayfly/api/"
	localForm = "/restapis/" // as another emulator has it: /restapis/{api}/{stage}/_user_request_/...
)

// Match is who serves r; nil when it is not for a REST API.
func (h *Handler) Match(r *http.Request) http.Handler {
	p, ok := h.locate(r)
	if !ok {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, p) })
}

func (h *Handler) locate(r *http.Request) (place, bool) {
	path := r.URL.EscapedPath()
	if rest, ok := strings.CutPrefix(path, pathForm); ok {
		id, rest, _ := strings.Cut(rest, "/")
		p := staged(id, "/"+rest)
		p.domain = r.Host + pathForm + id
		return p, h.Book.Has(r.Context(), id)
	}
	if p, ok := local(path); ok {
		p.domain = r.Host
		return p, h.Book.Has(r.Context(), p.api)
	}
	host := hostName(r.Host)
	if label := strings.SplitN(host, ".", 3); len(label) == 3 && label[1] == "execute-api" {
		p := staged(label[0], path)
		p.domain = host
		return p, h.Book.Has(r.Context(), p.api)
	}
	return h.mapped(r.Context(), host, path)
}

// staged is a place by a path that begins with its stage.
func staged(id, path string) place {
	stage, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return place{api: id, stage: unescape(stage), path: "/" + rest, shown: unescape("/" + rest), full: unescape(path), prefix: id}
}

// local reads the path form that ends in _user_request_.
func local(path string) (place, bool) {
	rest, ok := strings.CutPrefix(path, localForm)
	p := strings.SplitN(rest, "/", 4)
	if !ok || len(p) < 3 || p[2] != "_user_request_" {
		return place{}, false
	}
	tail := ""
	if len(p) == 4 {
		tail = p[3]
	}
	return staged(p[0], "/"+p[1]+"/"+tail), true
}

// mapped is a place by a custom domain name: that of this API, or of the newer.
func (h *Handler) mapped(ctx context.Context, host, path string) (place, bool) {
	at := place{shown: unescape(path), full: unescape(path), domain: host, custom: true}
	at.prefix, _, _ = strings.Cut(host, ".")
	ms, ok := h.Book.hosted(ctx, host)
	if !ok {
		_, parent, _ := strings.Cut(host, ".")
		ms, ok = h.Book.hosted(ctx, "*."+parent)
	}
	if ok {
		for _, m := range ms {
			if rest, under := underBase(path, m.BasePath); under {
				return at.on(m.API, m.Stage, rest), true
			}
		}
		return at, true // the domain is ours: no mapping is a 403
	}
	return h.mappedV2(ctx, at, path)
}

func (h *Handler) mappedV2(ctx context.Context, at place, path string) (place, bool) {
	if h.Domains == nil {
		return at, false
	}
	d, err := h.Domains.Domain(ctx, at.domain)
	if err != nil || d == nil {
		if err != nil && !errors.Is(err, api.ErrNoDomain) {
			h.Log.ErrorContext(ctx, "find a domain name", "host", at.domain, "err", err)
		}
		return at, false
	}
	m, rest := d.Resolve(path)
	if m == nil || !h.Book.Has(ctx, m.ApiId) {
		return at, false
	}
	return at.on(m.ApiId, m.Stage, "/"+strings.TrimPrefix(rest, "/")), true
}

// on is the place with what its mapping says. A mapping without a stage takes
// the stage from the path.
func (p place) on(id, stage, rest string) place {
	p.api, p.stage, p.path = id, stage, rest
	if stage == "" {
		first, behind, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		p.stage, p.path = unescape(first), "/"+behind
	}
	return p
}

// underBase is what is behind a base path.
func underBase(path, base string) (rest string, ok bool) {
	if base == noBase {
		return path, true
	}
	rest, ok = strings.CutPrefix(path, "/"+base)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	if rest == "" {
		rest = "/"
	}
	return rest, true
}

// hostName is a Host header without its port, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
