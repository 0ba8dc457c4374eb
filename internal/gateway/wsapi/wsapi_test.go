package wsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/policy"
)

// A world is a Handler with one API, "a1", and functions that are Go.
type world struct {
	*Handler
	t        *testing.T
	deployed *api.Deployed
	url      string // ws://…
	code     map[string]func(event []byte) (string, error)
	events   chan string // what functions were told, but for those with code
}

func uri(name string) string {
	return "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:" + name + "/invocations"
}

// newWorld has routes that go to a function of their key, without its "$".
func newWorld(t *testing.T, change func(*Config), keys ...string) *world {
	w := &world{t: t, code: map[string]func([]byte) (string, error){}, events: make(chan string, 100)}
	d := &api.Deployed{API: &api.API{ApiId: "a1", ProtocolType: api.WebSocket}, Stage: &api.Stage{StageName: "prod", StageVariables: map[string]string{"v": "1"}}}
	d.RouteSelectionExpression = "$request.body.action"
	d.Routes, d.Integrations, d.Authorizers = map[string]*api.Route{}, map[string]*api.Integration{}, map[string]*api.Authorizer{}
	for _, k := range keys {
		name := strings.TrimPrefix(k, "$")
		d.Routes[name] = &api.Route{RouteId: name, RouteKey: k, Target: "integrations/" + name}
		d.Integrations[name] = &api.Integration{IntegrationId: name, IntegrationType: "AWS_PROXY", IntegrationUri: uri(name)}
	}
	w.deployed = d
	auth := authorize.New(authorize.Config{Functions: w, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(auth.Close)
	c := Config{APIs: w, Functions: w, Authority: auth, Account: "000000000000", Region: "us-east-1", Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	w.Handler = New(c)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if h := w.Match(r); h != nil {
			h.ServeHTTP(rw, r)
			return
		}
		rw.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	w.url = "ws" + strings.TrimPrefix(srv.URL, "http") + "/_mayfly/api/a1/prod"
	return w
}

func (w *world) Protocol(_ context.Context, id string) (string, error) {
	return map[string]string{"a1": api.WebSocket, "h1": api.HTTP}[id], nil
}

func (w *world) Deployed(_ context.Context, id, stage string) (*api.Deployed, error) {
	if stage != "prod" {
		return nil, api.ErrNoStage
	}
	return w.deployed, nil
}

func (w *world) Domain(_ context.Context, host string) (*api.Domain, error) {
	if host != "chat.example" {
		return nil, api.ErrNoDomain
	}
	return &api.Domain{DomainName: host, Mappings: []*api.Mapping{{ApiMappingKey: "room", ApiId: "a1", Stage: "prod"}}}, nil
}

func (w *world) Ref(name, _ string) (function.Ref, error) {
	return function.Ref{Name: name[strings.LastIndexByte(name, ':')+1:]}, nil
}

func (w *world) Invoke(_ context.Context, ref function.Ref, in function.Invocation) (function.Result, error) {
	answer, err := `{"statusCode":200,"body":"hello from `+ref.Name+`"}`, error(nil)
	if f := w.code[ref.Name]; f != nil {
		answer, err = f(in.Payload)
	} else {
		w.events <- string(in.Payload)
	}
	if err != nil {
		return function.Result{Failure: []byte(`{"errorMessage":"` + err.Error() + `"}`)}, nil
	}
	io.WriteString(in.Answer, answer)
	return function.Result{}, nil
}

// dial connects, or says with what it was refused.
func (w *world) dial(header http.Header) (*websocket.Conn, *http.Response) {
	w.t.Helper()
	c, r, err := websocket.DefaultDialer.Dial(w.url, header)
	if err != nil {
		if r == nil {
			w.t.Fatal(err)
		}
		return nil, r
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(time.Minute))
	return c, r
}

func (w *world) open() *websocket.Conn {
	w.t.Helper()
	c, r := w.dial(nil)
	if c == nil {
		w.t.Fatal(r.Status)
	}
	return c
}

// one is the id of the only connection.
func (w *world) one() string {
	for {
		w.mu.Lock()
		for id := range w.conns {
			w.mu.Unlock()
			return id
		}
		w.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

func say(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, b, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ends wants the connection to be closed with a code.
func ends(t *testing.T, c *websocket.Conn, code int) {
	t.Helper()
	_, b, err := c.ReadMessage()
	if e, ok := errors.AsType[*websocket.CloseError](err); !ok || e.Code != code {
		t.Errorf("%q, %v; want close %d", b, err, code)
	}
}

// shape replaces what differs from run to run by its type.
func shape(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err, text)
	}
	c := v["requestContext"].(map[string]any)
	for _, k := range []string{"connectionId", "requestId", "extendedRequestId", "messageId", "requestTime", "connectedAt", "requestTimeEpoch", "domainName"} {
		if x, ok := c[k]; ok && x != "" && x != 0.0 {
			c[k] = fmt.Sprintf("%T", x)
		}
	}
	for _, k := range []string{"headers", "multiValueHeaders"} {
		if h, ok := v[k].(map[string]any); ok {
			var names []any
			for n := range h {
				names = append(names, n)
			}
			slices.SortFunc(names, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			v[k] = names
		}
	}
	return v
}

// Every member of every event.
func TestEvents(t *testing.T) {
	w := newWorld(t, nil, "$connect", "$disconnect", "$default")
	w.url += "?a=1&a=2&b=%20x"
	c, _ := w.dial(http.Header{"User-Agent": {"me"}, "X-Own": {"1"}})
	const requestContext = `"stage":"prod","requestId":"string","extendedRequestId":"string","requestTime":"string","requestTimeEpoch":"float64",
		"connectedAt":"float64","connectionId":"string","apiId":"a1","domainName":"string","messageDirection":"IN","identity":{"sourceIp":"127.0.0.1","userAgent":"me"},`
	names := `["Host","Sec-WebSocket-Key","Sec-WebSocket-Version","User-Agent","X-Forwarded-For","X-Forwarded-Port","X-Forwarded-Proto","X-Own"]`
	gone := `["Host","X-Forwarded-For","x-api-key","x-restapi"]`
	check := func(what, got, want string) {
		t.Helper()
		var wanted map[string]any
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if g := shape(t, got); !reflect.DeepEqual(g, wanted) {
			t.Errorf("%s:\n%v\nwant\n%v", what, g, wanted)
		}
	}
	check("connect", <-w.events, `{"headers":`+names+`,"multiValueHeaders":`+names+`,"queryStringParameters":{"a":"2","b":" x"},
		"multiValueQueryStringParameters":{"a":["1","2"],"b":[" x"]},"stageVariables":{"v":"1"},"isBase64Encoded":false,
		"requestContext":{`+requestContext+`"routeKey":"$connect","eventType":"CONNECT"}}`)
	say(t, c, `{"action":"x","text":"<&>"}`)
	check("message", <-w.events, `{"stageVariables":{"v":"1"},"isBase64Encoded":false,"body":"{\"action\":\"x\",\"text\":\"<&>\"}",
		"requestContext":{`+requestContext+`"routeKey":"$default","eventType":"MESSAGE","messageId":"string"}}`)
	c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "enough"))
	ends(t, c, 4001)
	check("disconnect", <-w.events, `{"headers":`+gone+`,"multiValueHeaders":`+gone+`,"stageVariables":{"v":"1"},"isBase64Encoded":false,
		"requestContext":{`+requestContext+`"routeKey":"$disconnect","eventType":"DISCONNECT","disconnectStatusCode":4001,"disconnectReason":"enough"}}`)
}

func TestHowConnectionsEnd(t *testing.T) {
	small := func(c *Config) { c.Idle = 50 * time.Millisecond }
	short := func(c *Config) { c.Life = 50 * time.Millisecond }
	for name, x := range map[string]struct {
		change func(*Config)
		do     func(w *world, c *websocket.Conn)
		client int // the code that the client sees, 0 for none
		told   int
		reason string
	}{
		"a frame too large": {nil, func(w *world, c *websocket.Conn) {
			c.NetConn().Write([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, maxFrame >> 8, 1, 0, 0, 0, 0}) // the library makes smaller ones
		}, 1009, 1009, "Message too big"},
		"a message too large": {nil, func(w *world, c *websocket.Conn) {
			m, _ := c.NextWriter(websocket.TextMessage)
			io.WriteString(m, strings.Repeat("x", maxMessage+1)) // in frames of 4 KB
			m.Close()
		}, 1009, 1009, "Message too big"},
		"a binary message": {nil, func(w *world, c *websocket.Conn) { c.WriteMessage(websocket.BinaryMessage, []byte{1}) }, 1003, 1003, "Binary frames are not supported"},
		"silence":          {small, func(*world, *websocket.Conn) {}, 1001, 1001, "Going away"},
		"old age":          {short, func(*world, *websocket.Conn) {}, 1001, 1001, "Going away"},
		"no status":        {nil, func(w *world, c *websocket.Conn) { c.WriteMessage(websocket.CloseMessage, nil) }, 1005, 1005, "Client-side close frame status not set"},
		"a broken line":    {nil, func(w *world, c *websocket.Conn) { c.NetConn().Close() }, 0, 1006, "Connection closed abnormally"},
		"disconnected":     {nil, func(w *world, c *websocket.Conn) { w.Disconnect(w.one()) }, 1000, 1000, "Connection Closed Normally"},
		"the server's end": {nil, func(w *world, c *websocket.Conn) { go w.Drain(context.Background()) }, 1001, 1001, "Going away"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, x.change, "$disconnect")
			c := w.open()
			w.one()
			x.do(w, c)
			if x.client != 0 {
				ends(t, c, x.client)
			}
			e := <-w.events
			if !strings.Contains(e, fmt.Sprintf(`"disconnectStatusCode":%d,`, x.told)) || !strings.Contains(e, fmt.Sprintf(`"disconnectReason":%q`, x.reason)) {
				t.Errorf("told %s", e)
			}
		})
	}
}

func TestLargeMessageInSmallFrames(t *testing.T) {
	w := newWorld(t, nil, "$default")
	c := w.open()
	m, err := c.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(m, strings.Repeat("x", maxMessage))
	m.Close()
	if e := <-w.events; !strings.Contains(e, strings.Repeat("x", maxMessage)) {
		t.Errorf("an event of %d bytes", len(e))
	}
}

func TestConnectIsRefused(t *testing.T) {
	for name, x := range map[string]struct {
		answer string
		err    error
		status int
		body   string
	}{
		"by the function": {`{"statusCode":401,"body":"who?"}`, nil, 401, "who?"},
		"it fails":        {"", errors.New("no"), 502, `{"message": "Internal server error", "connectionId":`},
		"it says nothing": {"null", nil, 502, `{"message": "Internal server error", "connectionId":`},
	} {
		w := newWorld(t, nil, "$connect", "$disconnect")
		w.code["connect"] = func([]byte) (string, error) { return x.answer, x.err }
		c, r := w.dial(nil)
		if c != nil {
			t.Errorf("%s: connected", name)
			continue
		}
		if b, _ := io.ReadAll(r.Body); r.StatusCode != x.status || !strings.HasPrefix(string(b), x.body) {
			t.Errorf("%s: %d %s", name, r.StatusCode, b)
		}
	}
	w := newWorld(t, nil, "$connect")
	http := "http" + strings.TrimPrefix(w.url, "ws")
	for path, want := range map[string]int{"": 426, "x": 403, "/x": 403} {
		if r := get(t, http+path); r.StatusCode != want {
			t.Errorf("%q: %s", path, r.Status)
		}
	}
	if r := get(t, strings.Replace(http, "a1", "h1", 1)); r.StatusCode != 418 {
		t.Errorf("an HTTP API: %s", r.Status)
	}
	if len(w.events) != 0 {
		t.Error("what cannot connect ran a function")
	}
	w.Permits = func(context.Context, function.Ref, *policy.Request) error { return errors.New("no") }
	if _, r := w.dial(nil); r.StatusCode != 500 {
		t.Errorf("a function that does not permit it: %s", r.Status)
	}
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r
}

func TestSubprotocol(t *testing.T) {
	w := newWorld(t, nil, "$connect")
	w.code["connect"] = func([]byte) (string, error) {
		return `{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"two"}}`, nil
	}
	c, _ := w.dial(http.Header{"Sec-Websocket-Protocol": {"one, two"}})
	if c.Subprotocol() != "two" {
		t.Errorf("%q", c.Subprotocol())
	}
}

func TestMessages(t *testing.T) {
	w := newWorld(t, nil, "join", "one-way", "broken")
	join := w.deployed.Routes["join"]
	join.RouteResponseSelectionExpression = "$default"
	join.Responses = map[string]*api.RouteResponse{"r": {RouteResponseKey: "$default"}}
	w.code["broken"] = func([]byte) (string, error) { return "", errors.New("no") }
	c := w.open()
	say(t, c, `{"action":"one-way"}`)
	<-w.events
	for message, want := range map[string]string{
		`{"action":"join"}`:     "hello from join",
		`{"action":"broken"}`:   `{"message": "Internal server error", "connectionId":"` + w.one() + `", "requestId":"`,
		`{"action":"nobody"}`:   `{"message": "Forbidden", "connectionId":"`,
		`{"action":"$connect"}`: `{"message": "Forbidden", "connectionId":"`,
		`hello`:                 `{"message": "Forbidden", "connectionId":"`,
	} {
		say(t, c, message)
		if got := hear(t, c); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", message, got)
		}
	}
	w.deployed.Integrations["join"] = &api.Integration{IntegrationType: "MOCK", RequestTemplates: map[string]string{"$default": `{"statusCode":200}`},
		Responses: map[string]*api.IntegrationResponse{"r": {IntegrationResponseKey: "$default", ResponseTemplates: map[string]string{"$default": `{"mocked":true}`}}}}
	say(t, c, `{"action":"join"}`)
	if got := hear(t, c); got != `{"mocked":true}` {
		t.Errorf("mock: %s", got)
	}
}

func TestAuthorizer(t *testing.T) {
	w := newWorld(t, nil, "$connect", "$default")
	w.deployed.Routes["connect"].AuthorizationType, w.deployed.Routes["connect"].AuthorizerId = api.AuthCustom, "z"
	w.deployed.Authorizers["z"] = &api.Authorizer{AuthorizerId: "z", AuthorizerType: "REQUEST", AuthorizerUri: uri("auth"), IdentitySource: []string{"route.request.querystring.token"}}
	w.code["auth"] = func(event []byte) (string, error) {
		var e struct {
			Type, MethodArn       string
			QueryStringParameters map[string]string
		}
		json.Unmarshal(event, &e)
		effect := "Deny"
		if e.Type == "REQUEST" && e.QueryStringParameters["token"] == "good" {
			effect = "Allow"
		}
		return fmt.Sprintf(`{"principalId":"me","context":{"n":1},"policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":"execute-api:Invoke","Resource":%q}]}}`, effect, e.MethodArn), nil
	}
	url := w.url
	for query, want := range map[string]int{"": 401, "?token=bad": 403} {
		w.url = url + query
		if c, r := w.dial(nil); c != nil || r.StatusCode != want {
			t.Errorf("%q: %s", query, r.Status)
		}
	}
	w.url = url + "?token=good"
	c := w.open()
	if e := <-w.events; !strings.Contains(e, `"principalId":"me"`) {
		t.Error(e)
	}
	say(t, c, "x")
	if e := <-w.events; !strings.Contains(e, `"n":"1"`) {
		t.Error(e)
	}
}

func TestManage(t *testing.T) {
	w := newWorld(t, nil)
	c := w.open()
	id := w.one()
	if err := w.Post(id, []byte("hi")); err != nil || hear(t, c) != "hi" {
		t.Error(err)
	}
	if err := w.Post(id, make([]byte, maxMessage+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if x, err := w.Connection(id); err != nil || x.API != "a1" || x.Stage != "prod" || x.SourceIP != "127.0.0.1" || x.LastActive.IsZero() {
		t.Errorf("%+v, %v", x, err)
	}
	for _, err := range []error{w.Post("x", nil), w.Disconnect("x")} {
		if !errors.Is(err, ErrGone) {
			t.Error(err)
		}
	}
}

func TestPlaces(t *testing.T) {
	w := newWorld(t, nil)
	for url, want := range map[string]string{
		"http://a1.execute-api.us-east-1.localhost:4566/prod":      "a1 prod  a1.execute-api.us-east-1.localhost:4566",
		"http://a1.execute-api.x.y/prod/@connections/a=":           "a1 prod /@connections/a= a1.execute-api.x.y",
		"http://localhost:1/_mayfly/api/a1/prod/@connections/a%3D": "a1 prod /@connections/a= localhost:1/_mayfly/api/a1",
		"http://chat.example/room":                                 "a1 prod  chat.example",
		"http://chat.example/room/@connections/a":                  "a1 prod /@connections/a chat.example",
		"http://chat.example/other":                                "",
		"http://h1.execute-api.us-east-1.localhost/prod":           "",
		"http://localhost/2015-03-31/functions":                    "",
	} {
		got := ""
		if p, ok := w.Place(httptest.NewRequest("GET", url, nil)); ok {
			got = strings.Join([]string{p.API, p.Stage, p.Rest, p.Domain}, " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
