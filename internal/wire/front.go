package wire

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// A Front is the one door to all services.
type Front struct {
	Services []Service
	Gate     Gate         // nil lets everybody in, as nobody; for tests
	Private  http.Handler // answers /_mayfly/; nil for none
	Hosts    []string     // names that clients may reach us by, besides loopback's and the listener's own

	// Web, unless nil, is asked first. It answers who serves a request to what
	// users have put on the web (a function's URL, an API), nil for any other
	// request. Neither its host nor its origin is checked: those doors are open to
	// browsers, and guard themselves.
	Web func(*http.Request) http.Handler

	Unsigned bool         // the gate lets unsigned requests in: refuse browsers of other sites
	Log      *slog.Logger // nil means the default
}

// privatePath is the part of the path space that is not AWS's.
const privatePath = "/_mayfly/"

// Handler is the door itself. Services that share a signing name, as the two
// versions of API Gateway do, are told apart by their Paths, and the first of
// them gets what none of them names. It panics if two services have one name
// and the later one has no Paths.
func (f Front) Handler() http.Handler {
	if f.Log == nil {
		f.Log = slog.Default()
	}
	d := &door{Front: f, handlers: map[string]http.Handler{}, patience: patience}
	for _, s := range f.Services {
		h := s.Protocol.Handler(s, f.Gate)
		if first := d.handlers[s.Name]; first != nil {
			if len(s.Paths) == 0 {
				panic("wire: two services named " + s.Name)
			}
			h = sharing{first, h, s}
		}
		d.handlers[s.Name] = h
	}
	return d
}

// A sharing are services of one signing name: later has what is under its paths.
type sharing struct {
	first, later http.Handler
	service      Service
}

func (s sharing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.service.under(r.URL.Path) {
		s.later.ServeHTTP(w, r)
		return
	}
	s.first.ServeHTTP(w, r)
}

type door struct {
	Front
	handlers map[string]http.Handler // by signing name
	patience time.Duration           // with a request's body
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := uuid.NewString()
	ctx := context.Context(&known{Context: r.Context(), id: id, r: r})
	if trace := r.Header.Get("X-Amzn-Trace-Id"); trace != "" {
		ctx = WithTrace(ctx, trace)
	}
	r = r.WithContext(ctx)
	w.Header().Set("Server", "Mayfly")
	body := &requestBody{ReadCloser: r.Body, conn: http.NewResponseController(w), patience: d.patience}
	if r.Body != http.NoBody {
		r.Body = body
	}
	a := &answer{ResponseWriter: w, refused: func() { body.drain(r) }}
	service := "-"
	defer func() {
		d.rescue(a, r, recover())
		if !d.Log.Enabled(ctx, slog.LevelDebug) {
			return
		}
		d.Log.DebugContext(ctx, "request", "method", r.Method, "path", r.URL.Path, "service", service,
			"status", a.status, "bytes", a.bytes, "took", time.Since(start), "request", id, "from", r.RemoteAddr)
	}()
	if d.Web != nil {
		if h := d.Web(r); h != nil {
			service = "web"
			h.ServeHTTP(a, r)
			return
		}
	}
	if err := d.admit(r); err != nil {
		refuse(a, r, err)
		return
	}
	if d.Private != nil && strings.HasPrefix(r.URL.Path, privatePath) {
		service = "mayfly"
		a.Header().Set("X-Amzn-Requestid", id)
		d.Private.ServeHTTP(a, r)
		return
	}
	service = d.serviceOf(r)
	h := d.handlers[service]
	if h == nil {
		refuse(a, r, d.unknown(service))
		return
	}
	h.ServeHTTP(a, r)
}

// rescue answers for a handler that panicked, and keeps the server alive.
func (d *door) rescue(a *answer, r *http.Request, p any) {
	switch p {
	case nil:
		return
	case http.ErrAbortHandler:
		panic(p) // net/http's way to break the connection
	}
	d.Log.ErrorContext(r.Context(), "front panicked", "path", r.URL.Path,
		"request", RequestID(r.Context()), "panic", p, "stack", string(debug.Stack()))
	if a.status != 0 {
		panic(http.ErrAbortHandler) // half an answer is out: do not let it look whole
	}
	refuse(a, r, awserr.Internal("InternalFailure", fmt.Errorf("panic: %v", p)))
}

func (d *door) unknown(service string) *awserr.Error {
	names := make([]string, 0, len(d.handlers))
	for n := range d.handlers {
		names = append(names, n)
	}
	slices.Sort(names)
	served := strings.Join(names, ", ")
	if service == "" {
		return awserr.New(404, "UnknownServiceException",
			"Nothing in this request names a service. Sign it, as every AWS SDK does; served are: %s.", served)
	}
	return awserr.New(404, "UnknownServiceException", "Mayfly does not serve the service '%s' yet; served are: %s.", service, served)
}

// A known is a request's context with what the door knows of it: WithRequestID
// and WithBaseURL at once.
type known struct {
	context.Context
	id any // a string
	r  *http.Request
}

// Value implements context.Context.
func (k *known) Value(key any) any {
	switch key.(type) {
	case requestKey:
		return k.id
	case baseKey:
		return baseURL(k.r)
	}
	return k.Context.Value(key)
}

func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// An answer remembers what was answered, for the log.
type answer struct {
	http.ResponseWriter
	refused func() // called before an error is sent
	status  int
	bytes   int64
}

func (a *answer) WriteHeader(status int) {
	if status >= 200 && a.status == 0 {
		a.status = status
		if status >= 400 {
			a.refused()
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController flush.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
