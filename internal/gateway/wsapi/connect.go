package wsapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// The routes that clients cannot name.
const (
	connectKey    = "$connect"
	disconnectKey = "$disconnect"
)

// connect is a client's request for a connection. The connection is made once
// the function behind $connect has agreed.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
func (h *Handler) connect(w http.ResponseWriter, r *http.Request, p Place) {
	c := h.newConn(r, p)
	w.Header().Set("X-Amzn-Requestid", c.opened.id)
	d, err := h.APIs.Deployed(r.Context(), p.API, p.Stage)
	switch {
	case errors.Is(err, api.ErrNoAPI), errors.Is(err, api.ErrNoStage), err == nil && d.API.DisableExecuteApiEndpoint && !p.custom:
		c.refuse(w, http.StatusForbidden)
		return
	case err != nil:
		h.Log.ErrorContext(r.Context(), "read an API", "api", p.API, "err", err)
		c.refuse(w, http.StatusInternalServerError)
		return
	case p.Rest != "":
		c.refuse(w, http.StatusForbidden) // a path that is no stage's, as AWS says it
		return
	}
	if status := handshake(r); status != 0 {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		c.refuse(w, status)
		return
	}
	if !h.enter(c) {
		c.refuse(w, http.StatusServiceUnavailable)
		return
	}
	header, ok := c.agree(w, r, d)
	if !ok {
		h.leave(c)
		return
	}
	c.upgrade(w, r, header)
}

// handshake is the status for a request that cannot become a connection, 0 for
// one that can: it must not cost a function's run.
func handshake(r *http.Request) int {
	if !websocket.IsWebSocketUpgrade(r) || r.ProtoMajor != 1 {
		return http.StatusUpgradeRequired
	}
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-Websocket-Key"))
	if r.Method != http.MethodGet || r.Header.Get("Sec-Websocket-Version") != "13" || err != nil || len(key) != 16 {
		return http.StatusBadRequest
	}
	return 0
}

// agree asks everybody who has a say in a new connection: the authorizer, then
// the function. It gives the headers of the answer, or has refused.
func (c *conn) agree(w http.ResponseWriter, r *http.Request, d *api.Deployed) (http.Header, bool) {
	route := routeOf(d, connectKey)
	if route == nil {
		return nil, true
	}
	r, err := c.authorize(r, d, route)
	if err != nil {
		status := authorize.Status(err)
		c.opened.fault(err.Error())
		c.h.Log.DebugContext(r.Context(), "WebSocket connection refused", "api", c.place.API, "why", err)
		c.refuse(w, status)
		return nil, false
	}
	if route.Target == "" {
		return nil, true
	}
	e := c.event(d, route, c.opened)
	e.request(r)
	a, err := c.integrate(r.Context(), d, route, e)
	if err != nil {
		c.failed(d, route, err)
		c.refuse(w, statusOf(err))
		return nil, false
	}
	if a.Status < 200 || a.Status > 299 {
		c.record(d, route, c.opened, a.Status)
		a.Header.Set("X-Amzn-Requestid", c.opened.id)
		a.Write(w)
		return nil, false
	}
	c.record(d, route, c.opened, a.Status)
	header := http.Header{}
	if s := a.Header.Get("Sec-Websocket-Protocol"); s != "" {
		header.Set("Sec-Websocket-Protocol", s)
	}
	return header, true
}

// upgrade makes the connection, and serves it in a goroutine of its own: what
// the request took can go.
func (c *conn) upgrade(w http.ResponseWriter, r *http.Request, header http.Header) {
	framed := &framer{ResponseWriter: w}
	u := websocket.Upgrader{
		CheckOrigin:      func(*http.Request) bool { return true }, // who may connect is the authorizer's to say
		WriteBufferPool:  &c.h.buffers,
		WriteBufferSize:  4 << 10,
		HandshakeTimeout: 10 * time.Second,
	}
	ws, err := u.Upgrade(framed, r, header)
	if err != nil {
		c.h.Log.DebugContext(r.Context(), "WebSocket handshake", "api", c.place.API, "err", err)
		c.gone(websocket.CloseAbnormalClosure, "")
		c.h.leave(c)
		return
	}
	c.start(ws)
}

// refuse answers instead of a connection.
func (c *conn) refuse(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-Errortype", strings.ReplaceAll(http.StatusText(status), " ", "")+"Exception")
	w.WriteHeader(status)
	w.Write(c.errorText(textOf(status), c.opened.id)) // an error here means that the client is gone
}

// textOf is the message that AWS has for a status.
func textOf(status int) string {
	if status == http.StatusInternalServerError || status == http.StatusBadGateway {
		return "Internal server error"
	}
	return http.StatusText(status)
}

// errorText is an error as clients get it.
func (c *conn) errorText(message, request string) []byte {
	return fmt.Appendf(nil, `{"message": "%s", "connectionId":"%s", "requestId":"%s"}`, message, c.id, request)
}

// authorize asks who decides about the route. The request that it returns has
// the caller in its context.
func (c *conn) authorize(r *http.Request, d *api.Deployed, route *api.Route) (*http.Request, error) {
	if route.ApiKeyRequired {
		return r, &authorize.Refusal{Kind: authorize.ErrForbidden, Text: "API keys of WebSocket APIs are not supported yet: use an authorizer"}
	}
	resource := c.routeARN(connectKey)
	switch route.AuthorizationType {
	case "", api.AuthNone:
		return r, nil
	case api.AuthIAM:
		in, err := c.h.Authority.Signed(r, "execute-api:Invoke", resource, map[string][]string{"aws:SourceIp": {c.ip}})
		if err == nil {
			c.caller = wire.CallerOf(in.Context())
		}
		return in, err
	case api.AuthCustom:
		return r, c.ask(r, d, route, resource)
	}
	return r, fmt.Errorf("%w: a WebSocket API cannot authorize by %s", authorize.ErrBroken, route.AuthorizationType)
}

// ask asks a REQUEST authorizer.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
func (c *conn) ask(r *http.Request, d *api.Deployed, route *api.Route, resource string) error {
	a := d.Authorizer(route)
	if a == nil {
		return fmt.Errorf("%w: the route's authorizer is not there", authorize.ErrBroken)
	}
	identity := make([]string, len(a.IdentitySource))
	for i, source := range a.IdentitySource {
		if identity[i] = c.source(r, d, source); identity[i] == "" {
			return &authorize.Refusal{Kind: authorize.ErrUnauthorized, Text: source + " is missing"}
		}
	}
	uri, err := fill(a.AuthorizerUri, d.Stage.StageVariables)
	if err != nil {
		return fmt.Errorf("%w: %w", authorize.ErrBroken, err)
	}
	g, err := c.h.Authority.Ask(r.Context(), &authorize.Question{
		Authorizer: c.place.API + "/authorizers/" + a.AuthorizerId, URI: uri, Strict: true, Identity: identity,
		SourceARN: c.arn("authorizers/" + a.AuthorizerId), Timeout: maxTime, Resource: resource,
		Context:   map[string][]string{"aws:SourceIp": {c.ip}},
		RequestID: wire.RequestID(r.Context()), Trace: c.trace,
		Event: func() ([]byte, error) {
			e := c.event(d, route, c.opened)
			e.request(r)
			e.Type, e.MethodARN, e.Base64 = "REQUEST", resource, nil
			return json.Marshal(e)
		},
	})
	if err == nil {
		c.authorizer = g.Flat()
	}
	return err
}

// source is the value of an identity source, "" for none.
func (c *conn) source(r *http.Request, d *api.Deployed, source string) string {
	kind, name, _ := strings.Cut(strings.TrimPrefix(source, "route."), ".")
	if kind == "request" {
		kind, name, _ = strings.Cut(name, ".")
	}
	switch kind {
	case "header":
		return r.Header.Get(name)
	case "querystring":
		return r.URL.Query().Get(name)
	case "stageVariables":
		return d.Stage.StageVariables[name]
	case "context":
		b, err := json.Marshal(c.event(d, routeOf(d, connectKey), c.opened).Context)
		if err != nil {
			return ""
		}
		return valueAt(b, strings.Split(name, "."))
	}
	return ""
}

// newConn is a connection that is being asked for.
func (h *Handler) newConn(r *http.Request, p Place) *conn {
	now := time.Now()
	c := &conn{h: h, id: newID(), place: p, since: now, ip: payload.SourceIP(r), agent: r.UserAgent(), trace: wire.Trace(r.Context()),
		slots: make(chan struct{}, atOnce)}
	c.opened = c.newTurn("CONNECT", connectKey)
	c.active.Store(now.UnixMilli())
	return c
}
