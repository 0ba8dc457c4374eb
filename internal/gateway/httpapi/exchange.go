package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// An exchange is one request and its answer.
type exchange struct {
	*Handler
	w       *counted
	r       *http.Request
	place   place
	d       *api.Deployed
	route   *api.Route
	vars    map[string]string // of the path
	decoded string            // the path behind the stage
	shown   string            // the path as events show it, decoded
	id      string
	trace   string
	at      time.Time
	grant   *authorize.Grant
	caller  *wire.Caller // who signed, where that was asked for
	log     accesslog.Record
}

// A counted remembers what was answered.
type counted struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (c *counted) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController flush.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, p place) {
	x := &exchange{Handler: h, w: &counted{ResponseWriter: w}, r: r, place: p, id: wire.RequestID(r.Context()), at: h.Now()}
	x.trace = payload.Trace(r, x.at)
	x.w.Header().Set("Apigw-Requestid", x.id)
	x.answer()
	x.record()
}

// A fault is an answer of the gateway's own.
type fault struct {
	status    int
	message   string
	challenge string // for WWW-Authenticate; "" for none
	why       error  // for logs
}

func (f *fault) Error() string { return f.message }

func (f *fault) Unwrap() error { return f.why }

func refuse(status int, message string, why error) error {
	return &fault{status: status, message: message, why: why}
}

func (x *exchange) answer() {
	err := x.find()
	if err == nil && x.preflight() {
		return
	}
	if err == nil {
		err = x.admit()
	}
	if err == nil {
		err = x.integrate()
	}
	if err != nil {
		x.fail(err)
	}
}

// find finds the stage and the route.
func (x *exchange) find() error {
	d, err := x.deployed(x.r.Context(), &x.place)
	switch {
	case errors.Is(err, api.ErrNoAPI), errors.Is(err, api.ErrNoStage), err == nil && d.API.DisableExecuteApiEndpoint && !x.place.custom:
		return refuse(404, "Not Found", err)
	case err != nil:
		return refuse(500, "Internal Server Error", err)
	}
	x.d = d
	var ok, shown bool
	x.decoded, ok = payload.DecodedPath(x.place.path)
	x.shown, shown = payload.DecodedPath(x.place.shown())
	if !ok || !shown {
		return refuse(400, "Bad Request", errors.New("the path is not well encoded"))
	}
	x.route, x.vars = x.router(d).find(x.r.Method, x.decoded)
	return nil
}

// admit lets through who may call the route, as often as he may.
func (x *exchange) admit() error {
	if x.route == nil {
		return refuse(404, "Not Found", nil)
	}
	if err := x.authorize(); err != nil {
		return err
	}
	if !x.within() {
		return refuse(429, "Too Many Requests", nil)
	}
	return nil
}

// fail answers for an error.
func (x *exchange) fail(err error) {
	f, ok := errors.AsType[*fault](err)
	if !ok {
		f = &fault{status: 500, message: "Internal Server Error", why: err}
	}
	if f.status >= 500 {
		x.Log.WarnContext(x.r.Context(), "HTTP API", "api", x.place.api, "request", x.id, "status", f.status, "err", f.why)
	}
	x.log.Error = f.message
	if errors.Is(f.why, context.Canceled) && x.r.Context().Err() != nil {
		return // nobody listens
	}
	a := payload.Answer{Status: f.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"message":"` + f.message + `"}`)}
	if f.challenge != "" {
		a.Header.Set("Www-Authenticate", f.challenge)
	}
	x.cors(a.Header)
	a.Write(x.w)
}

// cors puts what the API says of other origins in the place of what a function
// says of them.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
func (x *exchange) cors(h http.Header) bool {
	if x.d == nil || x.d.CorsConfiguration == nil {
		return false
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			h.Del(name)
		}
	}
	c, origin := x.d.CorsConfiguration, x.r.Header.Get("Origin")
	allowed, vary := allow(c, origin)
	if origin == "" || !allowed {
		return false
	}
	if vary {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
	} else {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	if c.AllowCredentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	list(h, "Access-Control-Expose-Headers", c.ExposeHeaders)
	return true
}

// allow tells whether an origin may, and whether the answer is for it alone.
func allow(c *api.Cors, origin string) (allowed, vary bool) {
	for _, o := range c.AllowOrigins {
		before, after, star := strings.Cut(o, "*")
		switch {
		case o == "*":
			return true, false
		case strings.EqualFold(o, origin):
			return true, true
		case star && len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after):
			return true, true
		}
	}
	return false, false
}

func list(h http.Header, name string, values []string) {
	if len(values) > 0 {
		h.Set(name, strings.Join(values, ","))
	}
}

// preflight answers what a browser asks before it sends a request of another
// site's page, without any route.
func (x *exchange) preflight() bool {
	c := x.d.CorsConfiguration
	if c == nil || x.r.Method != http.MethodOptions || x.r.Header.Get("Origin") == "" || x.r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if h := x.w.Header(); x.cors(h) {
		list(h, "Access-Control-Allow-Methods", c.AllowMethods)
		list(h, "Access-Control-Allow-Headers", c.AllowHeaders)
		if c.MaxAge != nil {
			h.Set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
		}
	}
	x.w.WriteHeader(http.StatusNoContent)
	return true
}

// record writes the request's line of the stage's access log.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
func (x *exchange) record() {
	if x.d == nil || x.Access == nil {
		return
	}
	s := x.d.Stage.AccessLogSettings
	if s == nil || s.DestinationArn == "" || s.Format == "" {
		return
	}
	l := &x.log
	l.Account, l.APIID, l.Stage, l.ID, l.ExtendedID = x.Account, x.place.api, x.place.stage, x.id, x.id
	l.Domain, l.DomainPrefix, l.Method, l.Path, l.Protocol = x.place.domain, x.place.prefix, x.r.Method, x.shown, x.r.Proto
	l.SourceIP, l.UserAgent, l.Start, l.Status, l.Length = payload.SourceIP(x.r), x.r.UserAgent(), x.at, x.w.status, x.w.bytes
	l.Latency = x.Now().Sub(x.at)
	if x.route != nil {
		l.RouteKey = x.route.RouteKey
	}
	x.Access.Add(accesslog.Group(s.DestinationArn), accesslog.Stream(x.place.api, x.place.stage, x.at), x.at, x.format(s.Format).Line(l.Value))
}

// format is a format taken apart, once.
func (h *Handler) format(text string) *accesslog.Format {
	f, ok := h.formed.Load(text)
	if !ok {
		f, _ = h.formed.LoadOrStore(text, accesslog.Parse(text))
	}
	return f.(*accesslog.Format)
}
