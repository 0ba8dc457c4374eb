package payload

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

// sample is a request with something in every place.
func sample(form func(*Request)) *Request {
	h := httptest.NewRequest("POST", "https://id.example:8443/capture/space%20value?repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa%2Fb&literalPlus=a+b&encodedPlus=a%2Bb&empty=", nil)
	h.Header = http.Header{
		"Accept": {"*/*"}, "Content-Type": {"application/json"}, "Cookie": {"session=abc123; theme=dark"}, "User-Agent": {"curl/8.7.1"},
		"X-Probe": {"first", "second"}, "Connection": {"keep-alive"}, "Te": {"trailers"}, "X-Forwarded-For": {"10.0.0.1"},
	}
	h.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256}
	r := &Request{
		HTTP: h, Body: []byte(`{"message":"λ < &"}`), ID: "id-1", Trace: "Root=1-6a5145aa-290a323a5de9a2e0636377d4",
		Time: time.UnixMilli(1783711146671), SourceIP: "192.0.2.7", Account: "000000000000", APIID: "api1", Domain: "id.example", DomainPrefix: "id",
		Stage: "live", RouteKey: "POST /{proxy+}", Resource: "/{proxy+}", ResourceID: "al6gqb", Path: "/capture/space%20value",
		PathParameters: map[string]string{"proxy": "capture/space%20value"}, StageVariables: map[string]string{"v": "w"},
	}
	if form != nil {
		form(r)
	}
	return r
}

// same compares two texts of JSON, members and all.
func same(t *testing.T, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	if !reflect.DeepEqual(g, w) {
		a, _ := json.MarshalIndent(g, "", " ")
		b, _ := json.MarshalIndent(w, "", " ")
		t.Errorf("got %s\nwant %s", a, b)
	}
}

// The events below were seen on AWS for this request, but for the names.
func TestFunctionURL(t *testing.T) {
	got, err := V2(sample(func(r *Request) {
		r.FunctionURL, r.Account, r.RouteKey, r.Stage, r.ContextPath = true, "anonymous", "$default", "$default", "/capture/space value"
		r.PathParameters, r.StageVariables = nil, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"version":"2.0","routeKey":"$default","rawPath":"/capture/space%20value",
		"rawQueryString":"repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa%2Fb&literalPlus=a+b&encodedPlus=a%2Bb&empty=",
		"cookies":["session=abc123","theme=dark"],
		"headers":{"accept":"*/*","content-length":"20","content-type":"application/json","cookie":"session=abc123; theme=dark","host":"id.example:8443",
			"user-agent":"curl/8.7.1","x-amzn-tls-cipher-suite":"TLS_AES_128_GCM_SHA256","x-amzn-tls-version":"TLSv1.3",
			"x-amzn-trace-id":"Root=1-6a5145aa-290a323a5de9a2e0636377d4","x-forwarded-for":"10.0.0.1, 192.0.2.7","x-forwarded-port":"8443",
			"x-forwarded-proto":"https","x-probe":"first,second"},
		"queryStringParameters":{"empty":"","encodedPlus":"a+b","literalPlus":"a b","redirect":"https://example.com/a/b","repeat":"one,two"},
		"requestContext":{"accountId":"anonymous","apiId":"api1","domainName":"id.example","domainPrefix":"id",
			"http":{"method":"POST","path":"/capture/space value","protocol":"HTTP/1.1","sourceIp":"192.0.2.7","userAgent":"curl/8.7.1"},
			"requestId":"id-1","routeKey":"$default","stage":"$default","time":"10/Jul/2026:19:19:06 +0000","timeEpoch":1783711146671},
		"body":"{\"message\":\"λ < &\"}","isBase64Encoded":false}`)
	if !bytes.Contains(got, []byte("λ < &")) {
		t.Errorf("escaped for HTML: %s", got)
	}
}

func TestHTTPAPI2(t *testing.T) {
	got, err := V2(sample(func(r *Request) {
		r.Path = "/capture/space value"
		r.Authorizer = map[string]any{"jwt": map[string]any{"claims": map[string]string{"sub": "s"}, "scopes": nil}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"version":"2.0","routeKey":"POST /{proxy+}","rawPath":"/capture/space value",
		"rawQueryString":"repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa%2Fb&literalPlus=a+b&encodedPlus=a%2Bb&empty=",
		"cookies":["session=abc123","theme=dark"],
		"headers":{"accept":"*/*","content-length":"20","content-type":"application/json","host":"id.example:8443","user-agent":"curl/8.7.1",
			"x-amzn-trace-id":"Root=1-6a5145aa-290a323a5de9a2e0636377d4","x-forwarded-for":"10.0.0.1, 192.0.2.7","x-forwarded-port":"8443",
			"x-forwarded-proto":"https","x-probe":"first,second"},
		"queryStringParameters":{"empty":"","encodedPlus":"a+b","literalPlus":"a b","redirect":"https://example.com/a/b","repeat":"one,two"},
		"requestContext":{"accountId":"000000000000","apiId":"api1","authorizer":{"jwt":{"claims":{"sub":"s"},"scopes":null}},"domainName":"id.example","domainPrefix":"id",
			"http":{"method":"POST","path":"/capture/space value","protocol":"HTTP/1.1","sourceIp":"192.0.2.7","userAgent":"curl/8.7.1"},
			"requestId":"id-1","routeKey":"POST /{proxy+}","stage":"live","time":"10/Jul/2026:19:19:06 +0000","timeEpoch":1783711146671},
		"pathParameters":{"proxy":"capture/space%20value"},"stageVariables":{"v":"w"},
		"body":"{\"message\":\"λ < &\"}","isBase64Encoded":false}`)
}

func TestREST(t *testing.T) {
	got, err := REST(sample(func(r *Request) {
		r.ContextPath, r.ExtendedID, r.OperationName = "/live/capture/space%20value", "ATfSdF7nPHcErRA=", "Probe"
		r.Identity = Identity{APIKey: "k", APIKeyID: "ki"}
		r.Authorizer = map[string]any{"principalId": "p"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"resource":"/{proxy+}","path":"/capture/space%20value","httpMethod":"POST",
		"headers":{"Accept":"*/*","Content-Type":"application/json","Cookie":"session=abc123; theme=dark","Host":"id.example:8443","User-Agent":"curl/8.7.1",
			"X-Amzn-Trace-Id":"Root=1-6a5145aa-290a323a5de9a2e0636377d4","X-Forwarded-For":"10.0.0.1, 192.0.2.7","X-Forwarded-Port":"8443","X-Forwarded-Proto":"https","X-Probe":"second"},
		"multiValueHeaders":{"Accept":["*/*"],"Content-Type":["application/json"],"Cookie":["session=abc123; theme=dark"],"Host":["id.example:8443"],"User-Agent":["curl/8.7.1"],
			"X-Amzn-Trace-Id":["Root=1-6a5145aa-290a323a5de9a2e0636377d4"],"X-Forwarded-For":["10.0.0.1, 192.0.2.7"],"X-Forwarded-Port":["8443"],"X-Forwarded-Proto":["https"],"X-Probe":["first","second"]},
		"queryStringParameters":{"empty":"","encodedPlus":"a+b","literalPlus":"a b","redirect":"https://example.com/a/b","repeat":"two"},
		"multiValueQueryStringParameters":{"empty":[""],"encodedPlus":["a+b"],"literalPlus":["a b"],"redirect":["https://example.com/a/b"],"repeat":["one","two"]},
		"requestContext":{"accountId":"000000000000","apiId":"api1","authorizer":{"principalId":"p"},"domainName":"id.example","domainPrefix":"id",
			"extendedRequestId":"ATfSdF7nPHcErRA=","httpMethod":"POST",
			"identity":{"accessKey":null,"accountId":null,"apiKey":"k","apiKeyId":"ki","caller":null,"cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,
				"cognitoIdentityId":null,"cognitoIdentityPoolId":null,"principalOrgId":null,"sourceIp":"192.0.2.7","user":null,"userAgent":"curl/8.7.1","userArn":null},
			"operationName":"Probe","path":"/live/capture/space%20value","protocol":"HTTP/1.1","requestId":"id-1","requestTime":"10/Jul/2026:19:19:06 +0000",
			"requestTimeEpoch":1783711146671,"resourceId":"al6gqb","resourcePath":"/{proxy+}","stage":"live"},
		"pathParameters":{"proxy":"capture/space%20value"},"stageVariables":{"v":"w"},
		"body":"{\"message\":\"λ < &\"}","isBase64Encoded":false}`)
}

func TestHTTPAPI1(t *testing.T) {
	got, err := V1(sample(func(r *Request) {
		r.Path, r.ContextPath, r.ResourceID = "/capture/space value", "/live/capture/space value", ""
		r.HTTP.Header, r.HTTP.URL.RawQuery, r.Body, r.PathParameters, r.StageVariables, r.HTTP.TLS = http.Header{}, "", nil, map[string]string{}, nil, nil
		r.HTTP.Host = "id.example"
		r.Identity = Identity{AccessKey: "a", AccountID: "b", Caller: "c", User: "d", UserARN: "e", PrincipalOrgID: "f"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"version":"1.0","resource":"/{proxy+}","path":"/capture/space value","httpMethod":"POST",
		"headers":{"Host":"id.example","X-Amzn-Trace-Id":"Root=1-6a5145aa-290a323a5de9a2e0636377d4","X-Forwarded-For":"192.0.2.7","X-Forwarded-Port":"80","X-Forwarded-Proto":"http"},
		"multiValueHeaders":{"Host":["id.example"],"X-Amzn-Trace-Id":["Root=1-6a5145aa-290a323a5de9a2e0636377d4"],"X-Forwarded-For":["192.0.2.7"],"X-Forwarded-Port":["80"],"X-Forwarded-Proto":["http"]},
		"queryStringParameters":null,"multiValueQueryStringParameters":null,
		"requestContext":{"accountId":"000000000000","apiId":"api1","domainName":"id.example","domainPrefix":"id","extendedRequestId":"id-1","httpMethod":"POST",
			"identity":{"accessKey":"a","accountId":"b","caller":"c","cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,
				"cognitoIdentityId":null,"cognitoIdentityPoolId":null,"principalOrgId":"f","sourceIp":"192.0.2.7","user":"d","userAgent":null,"userArn":"e"},
			"path":"/live/capture/space value","protocol":"HTTP/1.1","requestId":"id-1","requestTime":"10/Jul/2026:19:19:06 +0000",
			"requestTimeEpoch":1783711146671,"resourceId":null,"resourcePath":"/{proxy+}","stage":"live"},
		"pathParameters":null,"stageVariables":null,"body":null,"isBase64Encoded":false}`)
}

// What is empty is left out of 2.0.
func TestEmpty2(t *testing.T) {
	got, err := V2(&Request{HTTP: httptest.NewRequest("GET", "http://h/", nil), Path: "/", Time: time.UnixMilli(0)})
	if err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	json.Unmarshal(got, &e)
	for _, name := range []string{"cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"} {
		if _, there := e[name]; there {
			t.Errorf("%s is there: %s", name, got)
		}
	}
	if names := slices.Sorted(maps.Keys(e)); len(names) != 7 {
		t.Errorf("members %v", names)
	}
}

func TestHTTP2(t *testing.T) {
	r := sample(func(r *Request) { r.HTTP.Proto, r.HTTP.ProtoMajor, r.HTTP.ProtoMinor = "HTTP/2.0", 2, 0 })
	got, err := REST(r)
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Headers map[string]string
		Context struct{ Protocol string } `json:"requestContext"`
	}
	json.Unmarshal(got, &e)
	if e.Context.Protocol != "HTTP/1.1" || e.Headers["accept"] != "*/*" || e.Headers["Host"] == "" || e.Headers["x-probe"] != "second" || e.Headers["User-Agent"] == "" {
		t.Errorf("%+v", e)
	}
}

func TestBodies(t *testing.T) {
	for _, c := range []struct {
		kind, body string
		v2, rest   bool // in base64
	}{
		{"application/json", "{}", false, false},
		{"application/json; charset=utf-8", "{}", false, false},
		{"Application/JSON", "{}", false, false},
		{"text/html", "x", false, false},
		{"application/xml", "x", false, false},
		{"application/javascript", "x", false, false},
		{"application/x-www-form-urlencoded", "a=b", true, false},
		{"multipart/form-data; boundary=x", "x", true, false},
		{"application/vnd.api+json", "{}", true, false},
		{"application/octet-stream", "x", true, true},
		{"image/png", "x", true, true},
		{"", "x", true, false},
		{"nonsense;;;", "x", true, false},
		{"text/plain", "\xff", true, false},
		{"image/png", "\xff", true, true},
	} {
		for name, form := range map[string]func(*Request) ([]byte, error){"2.0": V2, "1.0": V1, "REST": REST} {
			r := sample(func(r *Request) {
				r.HTTP.Header = http.Header{"Content-Type": {c.kind}}
				r.Body, r.BinaryTypes = []byte(c.body), []string{"application/octet-stream", "image/*"}
			})
			got, err := form(r)
			if err != nil {
				t.Fatal(err)
			}
			var e struct {
				Body   string
				Base64 bool `json:"isBase64Encoded"`
			}
			json.Unmarshal(got, &e)
			want, binary := strings.ToValidUTF8(c.body, "\ufffd"), c.v2
			if name == "REST" {
				binary = c.rest
			}
			if binary {
				want = base64.StdEncoding.EncodeToString([]byte(c.body))
			}
			if e.Body != want || e.Base64 != binary {
				t.Errorf("%s, %q %q: %+v", name, c.kind, c.body, e)
			}
		}
	}
}

func TestMatchesType(t *testing.T) {
	for _, c := range []struct {
		types []string
		kind  string
		want  bool
	}{
		{nil, "image/png", false}, {[]string{"*/*"}, "image/png", true}, {[]string{"image/*"}, "image/png", true}, {[]string{"image/*"}, "text/png", false},
		{[]string{"a/b", "IMAGE/PNG"}, "image/png", true}, {[]string{"*/*"}, "", true}, {[]string{"image/jpeg"}, "image/png", false},
	} {
		if got := MatchesType(c.types, c.kind); got != c.want {
			t.Errorf("%v %s: %v", c.types, c.kind, got)
		}
	}
}

// Measured on AWS.
func TestDecodedPath(t *testing.T) {
	for sent, want := range map[string]string{
		"/capture/plain":                             "/capture/plain",
		"/capture/space%20value":                     "/capture/space value",
		"/capture/question%3Fvalue":                  "/capture/question",
		"/capture/percent%25done":                    "",
		"/capture/hash%23value":                      "/capture/hash#value",
		"/capture/slash%2Fvalue":                     "/capture/slash/value",
		"/capture/unicode-%CE%BB-%E4%B8%96%E7%95%8C": "/capture/unicode-λ-世界",
		"/capture/literal%252Fvalue":                 "/capture/literal/value",
		"/capture/literal%253Fvalue":                 "/capture/literal?value",
		"/capture/literal%2525value":                 "/capture/literal%value",
		"/plus+stays":                                "/plus+stays",
		"/capture/%ff":                               "",
		"/capture/%zz":                               "",
	} {
		got, ok := DecodedPath(sent)
		if got != want && ok || ok != (want != "") {
			t.Errorf("%s: %q, %v", sent, got, ok)
		}
	}
}

func TestTrace(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	now := time.Unix(0x5759e988, 0)
	if got := Trace(r, now); !strings.HasPrefix(got, "Root=1-5759e988-") || len(got) != len("Root=1-5759e988-bd862e3fe1be46a994272793") || got == Trace(r, now) {
		t.Error(got)
	}
	for header, kept := range map[string]bool{"Root=1-2-3": true, "Self=1;Root=1-2-3;Sampled=1": true, "nonsense": false} {
		r.Header.Set("X-Amzn-Trace-Id", header)
		if got := Trace(r, now); (got == header) != kept {
			t.Errorf("%s: %s", header, got)
		}
	}
}

func TestReadBody(t *testing.T) {
	body := func(s string, length int64) *http.Request {
		r := httptest.NewRequest("POST", "/", io.NopCloser(strings.NewReader(s)))
		r.ContentLength = length
		return r
	}
	for _, c := range []struct {
		r    *http.Request
		want string
		err  error
	}{
		{httptest.NewRequest("GET", "/", nil), "", nil},
		{body("1234", 4), "1234", nil},
		{body("1234", -1), "1234", nil},
		{body("12345", -1), "", ErrTooLarge},
		{body("", 5), "", ErrTooLarge}, // before it is read
	} {
		got, err := ReadBody(c.r, 4)
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q, %v", got, err)
		}
	}
	broken := errors.New("broken")
	r := httptest.NewRequest("POST", "/", iotest.ErrReader(broken))
	if _, err := ReadBody(r, 4); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestSourceIP(t *testing.T) {
	for addr, want := range map[string]string{"192.0.2.1:80": "192.0.2.1", "[::1]:80": "::1", "@": "@"} {
		if got := SourceIP(&http.Request{RemoteAddr: addr}); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
}

// FuzzRequest: whatever comes, the event is JSON, and tells the query and the
// body as they were.
func FuzzRequest(f *testing.F) {
	f.Add("a=b&c", "/x%2Fy", "text/plain", "hello", "a=1; b", "X-A", "v")
	f.Add("%zz=%&&=&+", "/%", "image/png", "\xff\x00", ";;", "Cookie", "\xff")
	f.Fuzz(func(t *testing.T, query, path, kind, body, cookie, name, value string) {
		h := &http.Request{
			Method: "POST", URL: &url.URL{Path: path, RawQuery: query}, Proto: "HTTP/1.1", ProtoMajor: 1, Host: "h",
			Header: http.Header{"Content-Type": {kind}, "Cookie": {cookie}, http.CanonicalHeaderKey(name): {value, value}},
		}
		r := &Request{HTTP: h, Body: []byte(body), Path: path, Time: time.UnixMilli(1), Stage: "s", BinaryTypes: []string{"*/*"}}
		for _, form := range []func(*Request) ([]byte, error){V2, V1, REST} {
			got, err := form(r)
			if err != nil {
				t.Fatal(err)
			}
			var e struct {
				RawQuery string `json:"rawQueryString"`
				Version  string
				Body     *string
				Base64   bool `json:"isBase64Encoded"`
			}
			if err := json.Unmarshal(got, &e); err != nil {
				t.Fatalf("%v: %q", err, got)
			}
			if e.Version == "2.0" && utf8.ValidString(query) && e.RawQuery != query {
				t.Errorf("query %q became %q", query, e.RawQuery)
			}
			back := ""
			if e.Body != nil {
				back = *e.Body
			}
			if e.Base64 {
				b, err := base64.StdEncoding.DecodeString(back)
				if err != nil {
					t.Fatal(err)
				}
				back = string(b)
			}
			if back != body {
				t.Errorf("body %q became %q", body, back)
			}
		}
	})
}

func BenchmarkV2(b *testing.B) {
	r := sample(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := V2(r); err != nil {
			b.Fatal(err)
		}
	}
}
