package wsapi

import (
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
)

// An event is what a function is told.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
type event struct {
	Type           string              `json:"type,omitempty"`      // of authorizers
	MethodARN      string              `json:"methodArn,omitempty"` // of authorizers
	Headers        map[string]string   `json:"headers,omitempty"`
	MultiHeaders   map[string][]string `json:"multiValueHeaders,omitempty"`
	Query          map[string]string   `json:"queryStringParameters,omitempty"`
	MultiQuery     map[string][]string `json:"multiValueQueryStringParameters,omitempty"`
	StageVariables map[string]string   `json:"stageVariables,omitempty"`
	Context        eventContext        `json:"requestContext"`
	Body           *string             `json:"body,omitempty"`
	Base64         *bool               `json:"isBase64Encoded,omitempty"`
}

type eventContext struct {
	RouteKey         string        `json:"routeKey"`
	Authorizer       any           `json:"authorizer,omitempty"`
	DisconnectCode   *int          `json:"disconnectStatusCode,omitempty"`
	MessageID        string        `json:"messageId,omitempty"`
	EventType        string        `json:"eventType"`
	ExtendedID       string        `json:"extendedRequestId"`
	RequestTime      string        `json:"requestTime"`
	Direction        string        `json:"messageDirection"`
	DisconnectReason *string       `json:"disconnectReason,omitempty"`
	Stage            string        `json:"stage"`
	ConnectedAt      int64         `json:"connectedAt"`
	RequestTimeEpoch int64         `json:"requestTimeEpoch"`
	Identity         eventIdentity `json:"identity"`
	RequestID        string        `json:"requestId"`
	Domain           string        `json:"domainName"`
	ConnectionID     string        `json:"connectionId"`
	APIID            string        `json:"apiId"`
}

type eventIdentity struct {
	AccountID string `json:"accountId,omitempty"` // these five of a signed request
	Caller    string `json:"caller,omitempty"`
	AccessKey string `json:"accessKey,omitempty"`
	User      string `json:"user,omitempty"`
	UserARN   string `json:"userArn,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	SourceIP  string `json:"sourceIp"`
}

// A turn is one thing that happens on a connection: its begin, a message, its end.
type turn struct {
	kind    string // CONNECT, MESSAGE, DISCONNECT
	key     string // of the route
	id      string // requestId
	message string // messageId
	at      time.Time
	body    []byte
	err     string // what went wrong, for the access log
}

func (c *conn) newTurn(kind, key string) *turn {
	return &turn{kind: kind, key: key, id: newID(), at: time.Now()}
}

func (t *turn) fault(err string) { t.err = err }

// event is what route's function is told of a turn.
func (c *conn) event(d *api.Deployed, route *api.Route, t *turn) *event {
	base64 := false
	return &event{
		StageVariables: d.Stage.StageVariables, Base64: &base64,
		Context: eventContext{
			RouteKey: route.RouteKey, Authorizer: c.authorizer, MessageID: t.message, EventType: t.kind, ExtendedID: t.id,
			RequestTime: t.at.UTC().Format("02/Jan/2006:15:04:05 -0700"), Direction: "IN", Stage: c.place.Stage,
			ConnectedAt: c.since.UnixMilli(), RequestTimeEpoch: t.at.UnixMilli(), RequestID: t.id,
			Identity: eventIdentity{AccountID: c.caller.Account, Caller: c.caller.UserID, AccessKey: c.caller.AccessKeyID, User: c.caller.UserID,
				UserARN: c.caller.ARN, UserAgent: c.agent, SourceIP: c.ip},
			Domain: c.place.Domain, ConnectionID: c.id, APIID: c.place.API,
		},
	}
}

// request adds what came with the request to connect.
func (e *event) request(r *http.Request) {
	e.Headers, e.MultiHeaders = map[string]string{}, map[string][]string{}
	for name, values := range r.Header {
		if name != "Connection" && name != "Upgrade" {
			e.header(spelling(name), values...)
		}
	}
	proto, port := "http", "80"
	if r.TLS != nil {
		proto, port = "https", "443"
	}
	if _, p, err := net.SplitHostPort(r.Host); err == nil {
		port = p
	}
	e.header("Host", r.Host)
	e.header("X-Forwarded-For", strings.Join(append(r.Header.Values("X-Forwarded-For"), e.Context.Identity.SourceIP), ", "))
	e.header("X-Forwarded-Port", port)
	e.header("X-Forwarded-Proto", proto)
	for name, values := range r.URL.Query() {
		if e.Query == nil {
			e.Query, e.MultiQuery = map[string]string{}, map[string][]string{}
		}
		e.Query[name], e.MultiQuery[name] = values[len(values)-1], values
	}
}

func (e *event) header(name string, values ...string) {
	e.Headers[name], e.MultiHeaders[name] = values[len(values)-1], values
}

// spelling undoes net/http's: clients, and AWS's documents, write these so.
func spelling(name string) string {
	if rest, ok := strings.CutPrefix(name, "Sec-Websocket-"); ok {
		return "Sec-WebSocket-" + rest
	}
	return name
}

// parting adds what is known of a connection's end.
func (e *event) parting(code int, reason string) {
	e.Context.DisconnectCode, e.Context.DisconnectReason = &code, &reason
	e.Headers, e.MultiHeaders = map[string]string{}, map[string][]string{}
	host, _, _ := strings.Cut(e.Context.Domain, "/")
	for _, name := range []string{"x-api-key", "X-Forwarded-For", "x-restapi"} { // as AWS tells it
		e.header(name, "")
	}
	e.header("Host", host)
}
