package apigateway

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
)

// Who finds what: fixed parts before parameters, those before greedy ones.
func TestRouting(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	for _, p := range []string{"/a", "/a/{x}", "/a/b", "/a/b/{rest+}", "/{y}", "/{y}/z", "/t~x.y"} {
		a.put("GET", p, nil, proxyTo("echo"))
	}
	a.put("ANY", "/a/b", nil, proxyTo("echo"))
	a.put("POST", "/{proxy+}", nil, proxyTo("echo"))
	a.deploy("s", nil)
	for _, tt := range []struct{ what, resource, params string }{
		{"GET /a", "/a", "map[]"},
		{"GET /a/", "/a", "map[]"},
		{"GET /a/b", "/a/b", "map[]"},
		{"PUT /a/b", "/a/b", "map[]"},
		{"GET /a/c", "/a/{x}", "map[x:c]"},
		{"GET /a/c%2Fd", "/a/{x}", "map[x:c/d]"},
		{"GET /a/b/c/d/", "/a/b/{rest+}", "map[rest:c/d]"},
		{"GET /q", "/{y}", "map[y:q]"},
		{"GET /q/z", "/{y}/z", "map[y:q]"},
		{"POST /q/w/e", "/{proxy+}", "map[proxy:q/w/e]"},
		{"GET /t~x.y", "/t~x.y", "map[]"},
		{"POST /a", "", ""}, {"GET /q/w/e", "", ""}, {"GET /", "", ""}, {"GET", "", ""},
	} {
		method, path, _ := strings.Cut(tt.what, " ")
		r := w.call(method + " " + a.id + "/s" + path)
		if tt.resource == "" {
			if r.status != 403 || r.body != `{"message":"Missing Authentication Token"}` || r.header.Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" {
				t.Errorf("%s: %d %s %v", tt.what, r.status, r.body, r.header)
			}
			continue
		}
		if r.status != 200 {
			t.Errorf("%s: %d %s", tt.what, r.status, r.body)
			continue
		}
		e := decoded(t, r.body)
		params, _ := e["pathParameters"].(in)
		if e["resource"] != tt.resource || fmt.Sprint(params) != tt.params {
			t.Errorf("%s: %v %v", tt.what, e["resource"], params)
		}
	}
	w.want(w.call("GET "+a.id+"/nostage/a"), 403, `{"message":"Forbidden"}`)
}

// The ways to an API.
func TestHosts(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("ANY", "/{proxy+}", nil, proxyTo("echo"))
	a.deploy("dev", nil)
	check := func(name string, r reply, path, full string) {
		t.Helper()
		if r.status != 200 {
			t.Fatalf("%s: %d %s", name, r.status, r.body)
		}
		e := decoded(t, r.body)
		if got := e["requestContext"].(in)["path"]; e["path"] != path || got != full {
			t.Errorf("%s: path %v, requestContext.path %v", name, e["path"], got)
		}
		if r.header.Get("X-Amz-Apigw-Id") == "" || r.header.Get("X-Amzn-Requestid") == "" || !strings.HasPrefix(r.header.Get("X-Amzn-Trace-Id"), "Root=1-") {
			t.Errorf("%s: %v", name, r.header)
		}
	}
	check("host", w.host("GET", a.id+".execute-api.eu-west-1.localhost:4566", "/dev/x"), "/x", "/dev/x")
	check("path", w.call("GET "+a.id+"/dev/x"), "/x", "/dev/x")
	check("local", w.host("GET", "", "/restapis/"+a.id+"/dev/_user_request_/x"), "/x", "/dev/x")

	w.ok("CreateDomainName", in{"domainName": "api.example.com", "regionalCertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/1", "endpointConfiguration": in{"types": []any{"REGIONAL"}}}, nil)
	w.ok("CreateBasePathMapping", in{"domain_name": "api.example.com", "restApiId": a.id, "stage": "dev", "basePath": "v1"}, nil)
	w.ok("CreateBasePathMapping", in{"domain_name": "api.example.com", "restApiId": a.id, "basePath": "all"}, nil)
	check("base path", w.host("GET", "API.example.com", "/v1/x"), "/v1/x", "/v1/x")
	check("base path alone", w.host("GET", "api.example.com:443", "/all/dev/x"), "/all/dev/x", "/all/dev/x")
	w.want(w.host("GET", "api.example.com", "/v10/x"), 403, `{"message":"Forbidden"}`)
	w.patch("UpdateBasePathMapping", in{"domain_name": "api.example.com", "base_path": "v1"}, "replace", "/basePath", "v2")
	check("renamed", w.host("GET", "api.example.com", "/v2/x"), "/v2/x", "/v2/x")
	w.refused("DeleteStage", in{"restapi_id": a.id, "stage_name": "dev"}, 400, "BadRequestException", "Please remove all base path mappings")

	w.patch("UpdateRestApi", in{"restapi_id": a.id}, "replace", "/disableExecuteApiEndpoint", "true")
	a.deploy("dev", nil)
	w.want(w.call("GET "+a.id+"/dev/x"), 403, `{"message":"Forbidden"}`)
	check("custom still", w.host("GET", "api.example.com", "/v2/x"), "/v2/x", "/v2/x")
	for _, path := range []string{"/_mayfly/api/nosuchapi0/dev/x", "/restapis/" + a.id + "/dev", "/restapis/" + a.id + "/stages/dev"} {
		r, _ := http.NewRequest("GET", w.web.URL+path, nil)
		if w.handler.Match(r) != nil {
			t.Errorf("%s is not for the data plane", path)
		}
	}
}

// What a function answers, and what becomes of it.
func TestAnswers(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(in{"binaryMediaTypes": []any{"image/*"}})
	a.put("GET", "/{name}", nil, proxyTo("f"))
	a.put("POST", "/{name}", nil, proxyTo("echo"))
	a.deploy("s", nil)
	bad := `{"message":"Internal server error"}`
	for _, tt := range []struct {
		name   string
		code   code
		status int
		body   string
		header string // "Name: value"
	}{
		{"plain", answers(`{"statusCode":201,"body":"hi","headers":{"X-A":"1"}}`), 201, "hi", "X-A: 1"},
		{"text status", answers(`{"statusCode":"202"}`), 202, "", ""},
		{"json by default", answers(`{"statusCode":200,"body":"{}"}`), 200, "{}", "Content-Type: application/json"},
		{"multi", answers(`{"statusCode":200,"headers":{"a":"1"},"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]}}`), 200, "", "Set-Cookie: a=1|b=2"},
		{"remapped", answers(`{"statusCode":401,"headers":{"WWW-Authenticate":"Basic"}}`), 401, "", "X-Amzn-Remapped-Www-Authenticate: Basic"},
		{"base64 without a binary type", answers(`{"statusCode":200,"body":"aGk=","isBase64Encoded":true}`), 200, "aGk=", ""},
		{"no status", answers(`{"body":"hi"}`), 502, bad, "X-Amzn-Errortype: InternalServerErrorException"},
		{"text", answers(`"hi"`), 502, bad, ""},
		{"no JSON", answers(`hi`), 502, bad, ""},
		{"nothing", answers(``), 502, bad, ""},
		{"injected", answers(`{"statusCode":200,"headers":{"X-A":"1\r\nX-B: 2"}}`), 502, bad, ""},
		{"failed", func(context.Context, []byte, function.Invocation) (string, error) {
			return `{"errorMessage":"boom"}`, nil
		}, 502, bad, ""},
		{"throttled", func(context.Context, []byte, function.Invocation) (string, error) {
			return "", &function.Throttled{Reason: "r"}
		}, 500, bad, ""},
		{"gone", nil, 500, bad, ""},
	} {
		w.fs.codes["f"] = tt.code
		r := w.call("GET " + a.id + "/s/x")
		name, value, _ := strings.Cut(tt.header, ": ")
		if r.status != tt.status || r.body != tt.body || tt.header != "" && strings.Join(r.header.Values(name), "|") != value {
			t.Errorf("%s: %d %s %v", tt.name, r.status, r.body, r.header)
		}
	}
	w.fs.codes["f"] = answers(`{"statusCode":200,"body":"aGk=","isBase64Encoded":true,"headers":{"Content-Type":"image/png"}}`)
	if r := w.call("GET "+a.id+"/s/x", "Accept", "image/png, */*"); r.body != "hi" {
		t.Errorf("binary: %s", r.body)
	}
	e := decoded(t, w.call("POST "+a.id+"/s/x", "body", "\xff\x00", "Content-Type", "image/gif").body)
	if e["isBase64Encoded"] != true || e["body"] != "/wA=" {
		t.Errorf("binary request: %v %v", e["isBase64Encoded"], e["body"])
	}
	e = decoded(t, w.call("POST "+a.id+"/s/x", "body", "a=1", "Content-Type", "application/x-www-form-urlencoded").body)
	if e["isBase64Encoded"] != false || e["body"] != "a=1" {
		t.Errorf("a form: %v %v", e["isBase64Encoded"], e["body"])
	}
	w.want(w.call("POST "+a.id+"/s/x", "body", strings.Repeat("x", 10<<20+1)), 413, `{"message":"Request Too Long"}`)
	w.permits = errors.New("no")
	w.fs.codes["f"] = answers(`{"statusCode":200}`)
	n := w.fs.count("f")
	w.want(w.call("GET "+a.id+"/s/x"), 500, bad)
	if w.fs.count("f") != n {
		t.Error("a function ran that API Gateway may not invoke")
	}
}

func TestTimeout(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("GET", "/x", nil, merged(in{"timeoutInMillis": 50}, proxyTo("f")))
	a.deploy("s", nil)
	release := make(chan bool)
	w.fs.codes["f"] = func(context.Context, []byte, function.Invocation) (string, error) {
		<-release
		return "", nil
	}
	w.want(w.call("GET "+a.id+"/s/x"), 504, `{"message":"Endpoint request timed out"}`)
	close(release)
}

// A streamed answer is at the client before the function goes on.
func TestStreaming(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("GET", "/x", nil, in{
		"type": "AWS_PROXY", "httpMethod": "POST", "responseTransferMode": "STREAM",
		"uri": "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/" + lambda + "f/response-streaming-invocations",
	})
	a.deploy("s", nil)
	next := make(chan bool)
	prelude := `{"statusCode":201,"headers":{"Content-Type":"text/plain","Server":"me"}}` + strings.Repeat("\x00", 8)
	w.fs.codes["f"] = func(_ context.Context, _ []byte, in function.Invocation) (string, error) {
		for i, part := range []string{prelude[:20], prelude[20:] + "one", "two"} {
			if _, err := io.WriteString(in.Answer, part); err != nil {
				return "", err
			}
			if i == 1 {
				<-next
			}
		}
		return "", nil
	}
	r, err := http.Get(w.web.URL + "/_mayfly/api/" + a.id + "/s/x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	first := make([]byte, 3)
	if _, err := io.ReadFull(r.Body, first); err != nil || string(first) != "one" || r.StatusCode != 201 || r.Header.Get("X-Amzn-Remapped-Server") != "me" {
		t.Fatalf("%d %s %v %v", r.StatusCode, first, err, r.Header)
	}
	next <- true
	if rest, err := io.ReadAll(r.Body); string(rest) != "two" || err != nil {
		t.Errorf("%s %v", rest, err)
	}
	w.fs.codes["f"] = answers(`{"statusCode":200}`)
	w.want(w.call("GET "+a.id+"/s/x"), 502, `{"message":"Internal server error"}`)
	w.fs.codes["f"] = func(_ context.Context, _ []byte, in function.Invocation) (string, error) {
		io.WriteString(in.Answer, prelude+"half")
		return `{"errorMessage":"boom"}`, nil
	}
	if r, err := http.Get(w.web.URL + "/_mayfly/api/" + a.id + "/s/x"); err == nil {
		if b, err := io.ReadAll(r.Body); err == nil {
			t.Errorf("an answer that broke off looks whole: %s", b)
		}
		r.Body.Close()
	}
}

func TestCompression(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(in{"minimumCompressionSize": 10})
	a.put("GET", "/x", nil, proxyTo("f"))
	a.deploy("s", nil)
	w.fs.codes["f"] = answers(`{"statusCode":200,"body":"0123456789abcdef"}`)
	r, err := http.NewRequest("GET", w.web.URL+"/_mayfly/api/"+a.id+"/s/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	got, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	z, err := gzip.NewReader(got.Body)
	if err != nil || got.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v %v", err, got.Header)
	}
	if b, err := io.ReadAll(z); string(b) != "0123456789abcdef" {
		t.Errorf("%s %v", b, err)
	}
}

// Web servers behind methods.
func TestHTTP(t *testing.T) {
	w := newWorld(t)
	site := httptest.NewServer(http.HandlerFunc(func(a http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		a.Header().Set("X-Site", "yes")
		a.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/fail" {
			a.WriteHeader(418)
		}
		fmt.Fprintf(a, "%s %s %s %s", r.Method, r.URL, r.Header.Get("X-In"), b)
	}))
	defer site.Close()
	a := w.newAPI(nil)
	a.put("ANY", "/p/{proxy+}", in{"requestParameters": in{"method.request.path.proxy": true}}, in{
		"type": "HTTP_PROXY", "httpMethod": "ANY", "uri": "http://${stageVariables.host}/{proxy}",
		"requestParameters": in{"integration.request.path.proxy": "method.request.path.proxy", "integration.request.header.X-In": "'const'", "integration.request.querystring.rid": "context.stage"},
	})
	place := a.put("POST", "/t", nil, in{
		"type": "HTTP", "httpMethod": "PUT", "uri": site.URL + "/t", "requestTemplates": in{"application/json": `{"name": $input.json('$.n'), "ip": "$context.identity.sourceIp"}`},
	})
	for status, headers := range map[string]in{"200": {"method.response.header.X-Out": true}, "499": {}} {
		w.ok("PutMethodResponse", merged(in{"status_code": status, "responseParameters": headers}, place), nil)
	}
	w.ok("PutIntegrationResponse", merged(in{
		"status_code": "200", "responseParameters": in{"method.response.header.X-Out": "integration.response.header.X-Site"},
		"responseTemplates": in{"text/plain": "[$input.body]"},
	}, place), nil)
	w.ok("PutIntegrationResponse", merged(in{"status_code": "499", "selectionPattern": "4\\d\\d"}, place), nil)
	a.put("GET", "/down", nil, in{"type": "HTTP_PROXY", "httpMethod": "GET", "uri": "http://127.0.0.1:1/"})
	a.deploy("s", in{"variables": in{"host": strings.TrimPrefix(site.URL, "http://")}})
	r := w.call("PATCH "+a.id+"/s/p/a/b%20c?q=1", "body", "hello")
	if r.status != 200 || r.body != "PATCH /a/b%20c?q=1&rid=s const hello" || r.header.Get("X-Site") != "yes" {
		t.Errorf("%d %s %v", r.status, r.body, r.header)
	}
	if r := w.call("GET " + a.id + "/s/p/fail"); r.status != 418 {
		t.Errorf("%d %s", r.status, r.body)
	}
	r = w.call("POST "+a.id+"/s/t", "body", `{"n":{"x":1}}`, "Content-Type", "application/json")
	if r.status != 200 || r.body != `[PUT /t  {"name": {"x":1}, "ip": "127.0.0.1"}]` || r.header.Get("X-Out") != "yes" {
		t.Errorf("%d %s %v", r.status, r.body, r.header)
	}
	w.want(w.call("GET "+a.id+"/s/down"), 504, `{"message":"Internal server error"}`)
	w.patch("UpdateIntegration", place, "replace", "/uri", site.URL+"/fail")
	a.deploy("s", nil)
	if r := w.call("POST "+a.id+"/s/t", "body", `{}`); r.status != 499 {
		t.Errorf("by pattern: %d %s", r.status, r.body)
	}
}

// Functions behind templates.
func TestCustomLambda(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	place := a.put("POST", "/{id}", nil, in{
		"type": "AWS", "httpMethod": "POST", "uri": uri("f"), "passthroughBehavior": "NEVER",
		"requestTemplates": in{"application/json": `{"id":"$input.params('id')","who":"$util.escapeJavaScript($input.params('who'))","n":#set($n = $input.path('$.n'))#if($n)$n#{else}0#end}`},
	})
	for status, pattern := range map[string]string{"200": "", "404": ".*not found.*"} {
		w.ok("PutMethodResponse", merged(in{"status_code": status}, place), nil)
		w.ok("PutIntegrationResponse", merged(in{"status_code": status, "selectionPattern": pattern, "responseTemplates": in{"application/json": map[string]string{
			"200": `{"got":$input.json('$')}`, "404": `{"error":"$input.path('$.errorMessage')"}`}[status]}}, place), nil)
	}
	a.deploy("s", nil)
	w.fs.codes["f"] = func(_ context.Context, event []byte, in function.Invocation) (string, error) {
		if strings.Contains(string(event), `"id":"none"`) {
			return `{"errorMessage":"it was not found\nat all"}`, nil
		}
		in.Answer.Write(event)
		return "", nil
	}
	w.want(w.call("POST "+a.id+"/s/7?who=a%22b", "body", `{"n":5}`), 200, `{"got":{"id":"7","n":5,"who":"a\"b"}}`)
	w.want(w.call("POST "+a.id+"/s/7", "body", ``), 200, `{"got":{"id":"7","n":0,"who":""}}`)
	w.want(w.call("POST "+a.id+"/s/none", "body", `{}`), 404, "{\"error\":\"it was not found\nat all\"}")
	w.want(w.call("POST "+a.id+"/s/7", "body", `x`, "Content-Type", "text/plain"), 415, `{"message":"Unsupported Media Type"}`)
}

// What the gateway itself answers can be changed.
func TestGatewayResponses(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("GET", "/x", in{"apiKeyRequired": true}, proxyTo("echo"))
	w.ok("PutGatewayResponse", in{"restapi_id": a.id, "response_type": "DEFAULT_4XX", "responseParameters": in{"gatewayresponse.header.Access-Control-Allow-Origin": "'*'", "gatewayresponse.header.X-Asked": "method.request.header.X-Ask"}}, nil)
	w.ok("PutGatewayResponse", in{"restapi_id": a.id, "response_type": "MISSING_AUTHENTICATION_TOKEN", "statusCode": "404", "responseTemplates": in{"application/json": `{"at":"$context.path","why":$context.error.messageString,"type":"$context.error.responseType"}`}}, nil)
	a.deploy("s", nil)
	r := w.call("GET "+a.id+"/s/x", "X-Ask", "me")
	if r.status != 403 || r.body != `{"message":"Forbidden"}` || r.header.Get("Access-Control-Allow-Origin") != "*" || r.header.Get("X-Asked") != "me" {
		t.Errorf("%d %s %v", r.status, r.body, r.header)
	}
	w.want(w.host("GET", a.id+".execute-api.us-east-1.localhost", "/s/nope"), 404, `{"at":"/s/nope","why":"Missing Authentication Token","type":"MISSING_AUTHENTICATION_TOKEN"}`)
	var got GatewayResponse
	w.ok("GetGatewayResponse", in{"restapi_id": a.id, "response_type": "THROTTLED"}, &got)
	if !*got.DefaultResponse || *got.StatusCode != "429" {
		t.Errorf("%+v", got)
	}
	w.patch("UpdateGatewayResponse", in{"restapi_id": a.id, "response_type": "THROTTLED"}, "replace", "/statusCode", "503", "add", "/responseParameters/gatewayresponse.header.Retry-After", "'1'")
	w.ok("GetGatewayResponse", in{"restapi_id": a.id, "response_type": "THROTTLED"}, &got)
	if *got.DefaultResponse || *got.StatusCode != "503" {
		t.Errorf("%+v", got)
	}
	w.ok("DeleteGatewayResponse", in{"restapi_id": a.id, "response_type": "THROTTLED"}, nil)
	w.refused("DeleteGatewayResponse", in{"restapi_id": a.id, "response_type": "THROTTLED"}, 404, "NotFoundException", "Gateway response type not defined on api")
}

func TestThrottles(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("GET", "/x", nil, proxyTo("echo"))
	a.deploy("s", nil)
	w.patch("UpdateStage", in{"restapi_id": a.id, "stage_name": "s"}, "replace", "/~1x/GET/throttling/rateLimit", "1", "replace", "/~1x/GET/throttling/burstLimit", "2")
	for i, want := range []int{200, 200, 429} {
		if r := w.call("GET " + a.id + "/s/x"); r.status != want {
			t.Errorf("%d: %d %s", i, r.status, r.body)
		}
	}
	w.later(time.Second)
	if r := w.call("GET " + a.id + "/s/x"); r.status != 200 {
		t.Errorf("after a second: %d", r.status)
	}
	w.want(w.call("GET "+a.id+"/s/x"), 429, `{"message":"Too Many Requests"}`)
}
