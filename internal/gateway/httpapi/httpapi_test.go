package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/policy"
)

// A world is an API, its function, and the domain names that lead to it.
type world struct {
	stages  map[string]*api.Deployed
	domains map[string]*api.Domain
	answer  string // of the function
	failure string
	wait    chan struct{} // the function waits for it
	event   map[string]any
	denied  bool
}

func (w *world) Protocol(context.Context, string) (string, error) { return api.HTTP, nil }

func (w *world) Deployed(_ context.Context, _, stage string) (*api.Deployed, error) {
	if d := w.stages[stage]; d != nil {
		return d, nil
	}
	return nil, api.ErrNoStage
}

func (w *world) Domain(_ context.Context, host string) (*api.Domain, error) {
	if d := w.domains[host]; d != nil {
		return d, nil
	}
	return nil, api.ErrNoDomain
}

func (w *world) Ref(name, _ string) (function.Ref, error) { return function.Ref{Name: name}, nil }

func (w *world) Invoke(_ context.Context, _ function.Ref, in function.Invocation) (function.Result, error) {
	if w.wait != nil {
		<-w.wait
	}
	w.event = nil
	if err := json.Unmarshal(in.Payload, &w.event); err != nil {
		return function.Result{}, err
	}
	if w.failure != "" {
		return function.Result{Failure: []byte(w.failure)}, nil
	}
	_, err := in.Answer.Write([]byte(w.answer))
	return function.Result{}, err
}

// newWorld has two stages of one API with these routes to a function.
func newWorld(keys ...string) *world {
	w := &world{stages: map[string]*api.Deployed{}, answer: `{"statusCode":200,"body":"ok"}`}
	for _, name := range []string{"$default", "prod"} {
		d := stage(keys...)
		d.Stage = &api.Stage{StageName: name, StageVariables: map[string]string{"f": "hello"}}
		d.Integrations = map[string]*api.Integration{"i": {IntegrationType: "AWS_PROXY", PayloadFormatVersion: "2.0",
			IntegrationUri: "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.f}"}}
		for _, r := range d.Routes {
			r.Target = "integrations/i"
		}
		w.stages[name] = d
	}
	return w
}

func (w *world) handler() *Handler {
	return New(Config{APIs: w, Functions: w, Authority: authorize.New(authorize.Config{Functions: w}), Account: "000000000000", Region: "us-east-1",
		Permits: func(_ context.Context, _ function.Ref, in *policy.Request) error {
			if w.denied || !strings.HasPrefix(in.Context["aws:SourceArn"][0], "arn:aws:execute-api:us-east-1:000000000000:a/") {
				return context.DeadlineExceeded
			}
			return nil
		}})
}

func ask(h *Handler, method, url string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, strings.NewReader(""))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.Match(r).ServeHTTP(rec, r)
	return rec
}

func TestPlaces(t *testing.T) {
	w := newWorld("GET /pets/{id}", "$default")
	w.domains = map[string]*api.Domain{"shop.example": {Mappings: []*api.Mapping{{ApiMappingKey: "v1", ApiId: "a", Stage: "prod"}}}}
	h := w.handler()
	for url, want := range map[string]string{
		"http://a.execute-api.us-east-1.localhost:4566/pets/7":      "/pets/7 $default GET /pets/{id}",
		"http://a.execute-api.us-east-1.localhost:4566/prod/pets/7": "/prod/pets/7 prod GET /pets/{id}",
		"http://127.0.0.1:4566/_mayfly/api/a/prod/pets/7":           "/prod/pets/7 prod GET /pets/{id}",
		"http://127.0.0.1:4566/_mayfly/api/a/x":                     "/x $default $default",
		"http://shop.example/v1/pets/7":                             "/v1/pets/7 prod GET /pets/{id}",
		"http://a.execute-api.eu-west-1.example.org/prod":           "/prod/ prod $default",
	} {
		if rec := ask(h, "GET", url); rec.Code != 200 || rec.Header().Get("Apigw-Requestid") == "" && rec.Body.String() != "ok" {
			t.Errorf("%s: %d %s", url, rec.Code, rec.Body)
			continue
		}
		c := w.event["requestContext"].(map[string]any)
		if got := w.event["rawPath"].(string) + " " + c["stage"].(string) + " " + w.event["routeKey"].(string); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
	if h.Match(httptest.NewRequest("GET", "http://shop.example/v2", nil)) != nil || h.Match(httptest.NewRequest("GET", "http://127.0.0.1/2015-03-31/functions", nil)) != nil {
		t.Error("what is nobody's is served")
	}
}

func TestWhatGoesWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*world)
		status int
		body   string
	}{
		"no route":           {func(w *world) { w.stages["$default"].Routes = nil }, 404, `{"message":"Not Found"}`},
		"no permission":      {func(w *world) { w.denied = true }, 500, `{"message":"Internal Server Error"}`},
		"the function fails": {func(w *world) { w.failure = `{"errorType":"X"}` }, 500, `{"message":"Internal Server Error"}`},
		"a bad answer":       {func(w *world) { w.answer = `{"statusCode":7}` }, 500, `{"message":"Internal Server Error"}`},
		"late": {func(w *world) {
			w.stages["$default"].Integrations["i"].TimeoutInMillis = 50
			w.wait = make(chan struct{})
			time.AfterFunc(time.Second, func() { close(w.wait) })
		}, 503, `{"message":"Service Unavailable"}`},
		"no token": {func(w *world) {
			d := w.stages["$default"]
			d.Authorizers = map[string]*api.Authorizer{"j": {AuthorizerType: "JWT", IdentitySource: []string{"$request.header.Authorization"},
				JwtConfiguration: &api.JWTConfiguration{Issuer: "https://issuer.example", Audience: []string{"x"}}}}
			d.Routes["$default"].AuthorizationType, d.Routes["$default"].AuthorizerId = api.AuthJWT, "j"
		}, 401, `{"message":"Unauthorized"}`},
		"too often": {func(w *world) {
			w.stages["$default"].Stage.DefaultRouteSettings = &api.RouteSettings{ThrottlingBurstLimit: new(int32(0)), ThrottlingRateLimit: new(1.0)}
		}, 429, `{"message":"Too Many Requests"}`},
		"switched off": {func(w *world) { w.stages["$default"].API.DisableExecuteApiEndpoint = true }, 404, `{"message":"Not Found"}`},
	} {
		w := newWorld("$default")
		c.spoil(w)
		h := w.handler()
		rec := ask(h, "GET", "http://a.execute-api.us-east-1.localhost/")
		if rec.Code != c.status || rec.Body.String() != c.body {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.status, c.body)
		}
		if name == "no token" && rec.Header().Get("Www-Authenticate") != "Bearer" {
			t.Errorf("the challenge is %q", rec.Header().Get("Www-Authenticate"))
		}
		h.Close()
	}
}

func TestOtherOrigins(t *testing.T) {
	w := newWorld("GET /a")
	w.answer = `{"statusCode":200,"headers":{"access-control-allow-origin":"evil"},"body":"ok"}`
	w.stages["$default"].CorsConfiguration = &api.Cors{AllowOrigins: []string{"https://*.example"}, AllowMethods: []string{"GET"}, AllowHeaders: []string{"x-a"},
		ExposeHeaders: []string{"x-b"}, MaxAge: new(int32(60)), AllowCredentials: true}
	h := w.handler()
	const at = "http://a.execute-api.us-east-1.localhost/a"
	rec := ask(h, "OPTIONS", at, "Origin", "https://shop.example", "Access-Control-Request-Method", "GET")
	if rec.Code != 204 || w.event != nil {
		t.Errorf("a preflight: %d, the function was asked: %v", rec.Code, w.event != nil)
	}
	for name, want := range map[string]string{"Allow-Origin": "https://shop.example", "Allow-Methods": "GET", "Allow-Headers": "x-a", "Max-Age": "60", "Allow-Credentials": "true"} {
		if got := rec.Header().Get("Access-Control-" + name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for origin, want := range map[string]string{"https://shop.example": "https://shop.example", "https://example": "", "": ""} {
		rec := ask(h, "GET", at, "Origin", origin)
		if got := rec.Header().Get("Access-Control-Allow-Origin"); rec.Code != 200 || got != want {
			t.Errorf("%q: %d, %q, want %q", origin, rec.Code, got, want)
		}
	}
}

func TestWebServersBehindRoutes(t *testing.T) {
	var path, query string
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, query = r.URL.EscapedPath(), r.URL.RawQuery
		w.WriteHeader(http.StatusTeapot)
	}))
	defer back.Close()
	w := newWorld("ANY /x/{proxy+}")
	w.stages["$default"].Integrations["i"] = &api.Integration{IntegrationType: "HTTP_PROXY", IntegrationMethod: "ANY", IntegrationUri: back.URL + "/y/{proxy}"}
	rec := ask(w.handler(), "GET", "http://a.execute-api.us-east-1.localhost/x/a/b%20c?d=e")
	if rec.Code != http.StatusTeapot || path != "/y/a/b%20c" || query != "d=e" {
		t.Errorf("%d %s %s", rec.Code, path, query)
	}
	back.Close()
	if rec := ask(w.handler(), "GET", "http://a.execute-api.us-east-1.localhost/x/a"); rec.Code != 503 {
		t.Errorf("a server that is gone: %d", rec.Code)
	}
}
