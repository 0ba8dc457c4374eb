// Package wsapi is the data plane of WebSocket APIs: clients connect to a stage,
// their messages go to the functions behind its routes, and whoever may posts to
// the connections. It serves what package api keeps; it edits nothing.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html
package wsapi

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
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

// The limits of AWS.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
const (
	maxMessage = 128 << 10
	maxFrame   = 32 << 10
	maxTime    = 29 * time.Second // of an integration
	idleTime   = 10 * time.Minute
	lifeTime   = 2 * time.Hour
)

// What a connection may cost beside these.
const (
	atOnce   = 16      // messages of one connection that are at work; more wait in the network
	maxQueue = 1 << 20 // bytes on their way to a client that reads slowly
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

// Config is what a Handler needs of its surroundings.
type Config struct {
	APIs            APIs
	Functions       Functions
	Authority       *authorize.Authority // asked at $connect
	Account, Region string

	// Permits tells whether a function may be invoked as the request's principal
	// asks: nil when it may. Nil permits all.
	Permits func(context.Context, function.Ref, *policy.Request) error

	Access *accesslog.Log // nil for none
	Log    *slog.Logger   // nil means slog.Default()

	// Idle and Life bound a connection's silence and its life, for tests; 0 is what
	// AWS has.
	Idle, Life time.Duration
}

// A Handler serves WebSocket APIs and knows their connections. Its methods may
// be called from any goroutine.
type Handler struct {
	Config
	ctx     context.Context // of what connections do; ends with Close
	cancel  context.CancelFunc
	formed  sync.Map  // *accesslog.Format by its text
	buffers sync.Pool // for what is being sent

	mu      sync.Mutex // guards what follows
	conns   map[string]*conn
	closing bool
	running sync.WaitGroup // connections, and what they have functions do
}

// New makes a Handler. Close ends it.
func New(c Config) *Handler {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Idle == 0 {
		c.Idle = idleTime
	}
	if c.Life == 0 {
		c.Life = lifeTime
	}
	h := &Handler{Config: c, conns: map[string]*conn{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Drain says goodbye to every client and returns when the functions have been
// told, or ctx ends. No connection is made any more.
func (h *Handler) Drain(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true
	for _, c := range h.conns {
		h.running.Go(func() { c.close(goingAway, "Going away") })
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() {
		h.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end WebSocket connections: %w", ctx.Err())
	}
}

// Close ends the connections that are left, whatever their functions do.
func (h *Handler) Close() error {
	h.cancel()
	h.mu.Lock()
	h.closing = true
	for _, c := range h.conns {
		c.ws.NetConn().Close() // its reader ends the rest
	}
	h.mu.Unlock()
	h.running.Wait()
	return nil
}

// Connections is how many are open.
func (h *Handler) Connections() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// A Place is where in a WebSocket API a request leads.
type Place struct {
	API, Stage string
	Rest       string // of the path behind the stage: "", "/@connections/x"
	Domain     string // as events tell it: a client that puts the stage behind it reaches us
	Prefix     string // of the domain
	custom     bool   // it came under a domain name of the user's
}

// pathForm is where APIs are for clients that cannot resolve their hosts.
const pathForm = "/_mayfly/api/"

// Place finds where r leads, if that is a WebSocket API.
func (h *Handler) Place(r *http.Request) (Place, bool) {
	p, ok := h.locate(r)
	if !ok {
		return p, false
	}
	protocol, err := h.APIs.Protocol(r.Context(), p.API)
	if err != nil {
		h.Log.ErrorContext(r.Context(), "find an API", "api", p.API, "err", err)
	}
	return p, protocol == api.WebSocket
}

func (h *Handler) locate(r *http.Request) (Place, bool) {
	if path, ok := strings.CutPrefix(r.URL.Path, pathForm); ok {
		id, path, _ := strings.Cut(path, "/")
		p := staged(id, "/"+path)
		p.Domain, p.Prefix = r.Host+pathForm+id, id
		return p, id != ""
	}
	host := hostName(r.Host)
	if label := strings.SplitN(host, ".", 3); len(label) == 3 && label[1] == "execute-api" {
		p := staged(label[0], r.URL.Path)
		p.Domain, p.Prefix = r.Host, label[0]
		return p, true
	}
	d, err := h.APIs.Domain(r.Context(), host)
	if err != nil {
		if !errors.Is(err, api.ErrNoDomain) {
			h.Log.ErrorContext(r.Context(), "find a domain name", "host", host, "err", err)
		}
		return Place{}, false
	}
	m, rest := d.Resolve(r.URL.Path)
	if m == nil {
		return Place{}, false
	}
	prefix, _, _ := strings.Cut(host, ".")
	return Place{API: m.ApiId, Stage: m.Stage, Rest: strings.TrimSuffix(rest, "/"), Domain: r.Host, Prefix: prefix, custom: true}, true
}

// staged is a place by a path that begins with its stage.
func staged(id, path string) Place {
	stage, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if ok && rest != "" {
		rest = "/" + rest
	}
	return Place{API: id, Stage: stage, Rest: rest}
}

// hostName is a Host header without its port, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// Match is who serves r; nil when it is not for a WebSocket API.
func (h *Handler) Match(r *http.Request) http.Handler {
	p, ok := h.Place(r)
	if !ok {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.connect(w, r, p) })
}

// newID is an id as AWS makes them for connections, messages and requests.
func newID() string {
	b := make([]byte, 11)
	rand.Read(b) // never fails
	return base64.URLEncoding.EncodeToString(b)
}
