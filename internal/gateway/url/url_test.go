package url

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

const (
	account = "000000000000"
	id      = "abcdefghijklmnopqrstuvwxyz234567"
	host    = id + ".lambda-url.us-east-1.localhost"
)

// A fake is one function, its address and its policy.
type fake struct {
	url    function.URL
	policy *policy.Document
	code   func(context.Context, function.Invocation) (function.Result, error)

	mu    sync.Mutex
	calls []function.Invocation // guarded by mu
	refs  []function.Ref        // guarded by mu
}

func (f *fake) URLByID(_ context.Context, asked string) (function.URL, error) {
	if asked != f.url.ID {
		return function.URL{}, &function.Refusal{Kind: function.ErrNotFound}
	}
	return f.url, nil
}

func (f *fake) Decide(_ context.Context, _ function.Ref, in *policy.Request) (policy.Verdict, error) {
	if f.policy == nil {
		return policy.None, nil
	}
	return f.policy.Decide(in), nil
}

func (f *fake) Invoke(ctx context.Context, ref function.Ref, in function.Invocation) (function.Result, error) {
	f.mu.Lock()
	f.calls, f.refs = append(f.calls, in), append(f.refs, ref)
	f.mu.Unlock()
	return f.code(ctx, in)
}

func (f *fake) ARN(name, qualifier string) string {
	if qualifier != "" {
		name += ":" + qualifier
	}
	return "arn:aws:lambda:us-east-1:" + account + ":function:" + name
}

func (f *fake) called() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// says is code that answers b.
func says(b string) func(context.Context, function.Invocation) (function.Result, error) {
	return func(_ context.Context, in function.Invocation) (function.Result, error) {
		in.Begin("application/json")
		io.WriteString(in.Answer, b)
		return function.Result{}, nil
	}
}

const open = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunctionUrl","Resource":"*","Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}},
	{"Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"*","Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}}]}`

func document(t testing.TB, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(policy.Resource, text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A rig is a server with one address, open to everybody.
type rig struct {
	testing.TB
	*fake
	h   *Handler
	srv *httptest.Server
}

func newRig(t testing.TB, change ...func(*fake, *Config)) *rig {
	t.Helper()
	f := &fake{url: function.URL{Function: "f", Qualifier: function.Latest, ID: id, Auth: "NONE"}, policy: document(t, open), code: says(`"ok"`)}
	c := Config{Functions: f, Account: account, Log: slog.New(slog.DiscardHandler), Gate: gate}
	for _, do := range change {
		do(f, &c)
	}
	r := &rig{TB: t, fake: f, h: New(c)}
	r.srv = httptest.NewServer(wire.Front{Web: r.h.Match}.Handler())
	t.Cleanup(r.srv.Close)
	return r
}

// gate lets in whoever gives a name.
func gate(r *http.Request, service, _ string) (*http.Request, error) {
	name := r.Header.Get("Authorization")
	if name == "" || service != "lambda" {
		return nil, awserr.New(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	return r.WithContext(wire.WithCaller(r.Context(), wire.Caller{
		AccessKeyID: "AKIA" + name, Account: account, UserID: "AIDA" + name, ARN: "arn:aws:iam::" + account + ":user/" + name,
	})), nil
}

// do sends a request whose host is the address's.
func (r *rig) do(method, target, body string, header ...string) (*http.Response, string) {
	r.Helper()
	q, err := http.NewRequest(method, r.srv.URL+target, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	q.Host = host
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		q.Header.Add(name, value)
	}
	if h := q.Header.Get("Host"); h != "" {
		q.Host = h
	}
	a, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		r.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		r.Fatal(err)
	}
	return a, string(b)
}

// event is what the function got last.
func (r *rig) event() map[string]any {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var e map[string]any
	if err := json.Unmarshal(r.calls[len(r.calls)-1].Payload, &e); err != nil {
		r.Fatal(err)
	}
	return e
}

func TestMatch(t *testing.T) {
	h := New(Config{})
	for _, c := range []struct {
		host, path string
		want       bool
	}{
		{host, "/", true},
		{host + ":4566", "/x", true},
		{strings.ToUpper(host), "/", true},
		{id + ".lambda-url.eu-west-1.on.aws", "/", true},
		{id + ".lambda-url.eu-west-1", "/", false},
		{id + ".lambda-url", "/", false},
		{id + ".execute-api.eu-west-1.localhost", "/", false},
		{"short.lambda-url.eu-west-1.localhost", "/", false},
		{"x." + host, "/", false},
		{"localhost", "/_mayfly/url/" + id, true},
		{"localhost", "/_mayfly/url/" + id + "/", true},
		{"localhost", "/_mayfly/url/" + id + "/a/b", true},
		{"localhost", "/_mayfly/url/" + id + "x/a", false},
		{"localhost", "/_mayfly/url/", false},
		{"localhost", "/%5Fmayfly/url/" + id + "/", false},
		{"localhost", "/", false},
	} {
		r := httptest.NewRequest("GET", "http://"+c.host+c.path, nil)
		if got := h.Match(r) != nil; got != c.want {
			t.Errorf("%s%s: %v", c.host, c.path, got)
		}
	}
}

func TestBuffered(t *testing.T) {
	r := newRig(t)
	r.code = says(`{"statusCode":201,"headers":{"X-A":"b","Connection":"close"},"cookies":["a=1; Path=/","b=2"],"body":"aGk=","isBase64Encoded":true}`)
	a, body := r.do("POST", "/a%2Fb/c%20d?x=1&x=%26", "hello", "Content-Type: text/plain", "Cookie: k=v; l=w", "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793")
	if a.StatusCode != 201 || body != "hi" || a.Header.Get("X-A") != "b" || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %q", a, body)
	}
	if got := a.Header["Set-Cookie"]; !slices.Equal(got, []string{"a=1; Path=/", "b=2"}) {
		t.Errorf("cookies %q", got)
	}
	if a.Header.Get("Connection") != "" || a.ContentLength != 2 || a.Header.Get("X-Amzn-Trace-Id") != "Root=1-5759e988-bd862e3fe1be46a994272793" {
		t.Errorf("%v", a.Header)
	}
	e := r.event()
	c := e["requestContext"].(map[string]any)
	if e["rawPath"] != "/a%2Fb/c%20d" || c["http"].(map[string]any)["path"] != "/a/b/c d" || e["rawQueryString"] != "x=1&x=%26" {
		t.Errorf("paths: %v", e)
	}
	if c["accountId"] != "anonymous" || c["authorizer"] != nil || c["apiId"] != id || c["domainPrefix"] != id || c["domainName"] != host || c["stage"] != "$default" {
		t.Errorf("context: %v", c)
	}
	if got := a.Header.Get("X-Amzn-Requestid"); got == "" || got != c["requestId"] || r.calls[0].RequestID != got {
		t.Errorf("request id %q: %v", got, c)
	}
	h := e["headers"].(map[string]any)
	if h["cookie"] != "k=v; l=w" || h["x-amzn-trace-id"] != "Root=1-5759e988-bd862e3fe1be46a994272793" || r.calls[0].TraceHeader != h["x-amzn-trace-id"] {
		t.Errorf("headers: %v", h)
	}
	if e["body"] != "hello" || e["isBase64Encoded"] != false {
		t.Errorf("body: %v", e)
	}
}

func TestMethods(t *testing.T) {
	r := newRig(t)
	r.code = says(`{"statusCode":200,"body":"four"}`)
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		a, body := r.do(m, "/", "")
		want := "four"
		if m == "HEAD" {
			want = ""
		}
		if a.StatusCode != 200 || body != want || a.ContentLength != 4 {
			t.Errorf("%s: %v %q", m, a, body)
		}
		if got := r.event()["requestContext"].(map[string]any)["http"].(map[string]any)["method"]; got != m {
			t.Errorf("%s is told as %v", m, got)
		}
	}
}

func TestPathForm(t *testing.T) {
	r := newRig(t)
	for target, want := range map[string]string{"": "/", "/": "/", "/a%20b/": "/a%20b/", "//x": "//x"} {
		if a, body := r.do("GET", "/_mayfly/url/"+id+target, "", "Host: localhost"); a.StatusCode != 200 || body != "ok" {
			t.Fatalf("%v %q", a, body)
		}
		e := r.event()
		if e["rawPath"] != want || e["headers"].(map[string]any)["x-forwarded-prefix"] != "/_mayfly/url/"+id {
			t.Errorf("%s: %v", target, e)
		}
	}
}

func TestAliases(t *testing.T) {
	r := newRig(t, func(f *fake, _ *Config) {
		f.url.Qualifier = "live"
		f.policy = document(t, strings.ReplaceAll(open, `"Resource":"*"`, `"Resource":"`+f.ARN("f", "live")+`"`))
	})
	if a, _ := r.do("GET", "/", ""); a.StatusCode != 200 {
		t.Fatal(a.Status)
	}
	if got := r.refs[0]; got != (function.Ref{Name: "f", Qualifier: "live"}) {
		t.Errorf("invoked %v", got)
	}
}

// Since October 2025 one permission is not enough.
func TestPermissions(t *testing.T) {
	statement := func(effect, who, action, condition string) string {
		return `{"Effect":"` + effect + `","Principal":` + who + `,"Action":"` + action + `","Resource":"*"` + condition + `}`
	}
	doc := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	const (
		all  = `"*"`
		ann  = `{"AWS":"arn:aws:iam::` + account + `:user/ann"}`
		none = `,"Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}`
		iam  = `,"Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"AWS_IAM"}}`
		via  = `,"Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}`
		use  = "lambda:InvokeFunctionUrl"
		run  = "lambda:InvokeFunction"
	)
	for _, c := range []struct {
		name, auth, policy, caller string
		own                        policy.Verdict
		want                       int
	}{
		{"both", "NONE", doc(statement("Allow", all, use, none), statement("Allow", all, run, via)), "", 0, 200},
		{"no policy", "NONE", "", "", 0, 403},
		{"the old one alone", "NONE", doc(statement("Allow", all, use, none)), "", 0, 403},
		{"the new one alone", "NONE", doc(statement("Allow", all, run, via)), "", 0, 403},
		{"for another type", "NONE", doc(statement("Allow", all, use, iam), statement("Allow", all, run, via)), "", 0, 403},
		{"a denial", "NONE", doc(statement("Allow", all, "lambda:*", ""), statement("Deny", all, use, "")), "", 0, 403},
		{"for somebody", "NONE", doc(statement("Allow", ann, "lambda:*", "")), "", 0, 403},
		{"a signature does not count", "NONE", doc(statement("Allow", ann, "lambda:*", "")), "ann", policy.Allowed, 403},
		{"IAM, unsigned", "AWS_IAM", doc(statement("Allow", all, "lambda:*", "")), "", 0, 403},
		{"IAM, by the function", "AWS_IAM", doc(statement("Allow", ann, use, iam), statement("Allow", ann, run, via)), "ann", policy.None, 200},
		{"IAM, somebody else", "AWS_IAM", doc(statement("Allow", ann, "lambda:*", "")), "bob", policy.None, 403},
		{"IAM, by the identity", "AWS_IAM", "", "ann", policy.Allowed, 200},
		{"IAM, by both in part", "AWS_IAM", doc(statement("Allow", ann, use, "")), "ann", policy.None, 403},
		{"IAM, denied by the function", "AWS_IAM", doc(statement("Deny", all, run, "")), "ann", policy.Allowed, 403},
		{"IAM, denied by the identity", "AWS_IAM", doc(statement("Allow", ann, "lambda:*", "")), "ann", policy.Denied, 403},
		{"IAM, nobody", "AWS_IAM", "", "ann", policy.None, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(f *fake, conf *Config) {
				f.url.Auth, f.policy = c.auth, nil
				if c.policy != "" {
					f.policy = document(t, c.policy)
				}
				conf.Identity = func(context.Context, wire.Caller, *policy.Request) (policy.Verdict, error) { return c.own, nil }
			})
			a, body := r.do("GET", "/", "", "Authorization: "+c.caller)
			if a.StatusCode != c.want {
				t.Errorf("%d %s, want %d", a.StatusCode, body, c.want)
			}
			if c.want == 403 {
				if body != forbidden || a.Header.Get("X-Amzn-Errortype") != "AccessDeniedException" || r.called() != 0 {
					t.Errorf("%v %s", a.Header, body)
				}
			}
		})
	}
}

func TestOpenServer(t *testing.T) {
	r := newRig(t, func(f *fake, c *Config) { f.policy, c.Open = nil, true })
	if a, _ := r.do("GET", "/", ""); a.StatusCode != 200 {
		t.Error(a.Status)
	}
}

func TestAuthorizer(t *testing.T) {
	r := newRig(t, func(f *fake, c *Config) {
		f.url.Auth = "AWS_IAM"
		c.Identity = func(context.Context, wire.Caller, *policy.Request) (policy.Verdict, error) {
			return policy.Allowed, nil
		}
	})
	r.do("GET", "/", "", "Authorization: ann")
	c := r.event()["requestContext"].(map[string]any)
	got, _ := json.Marshal(c["authorizer"])
	want := `{"iam":{"accessKey":"AKIAann","accountId":"000000000000","callerId":"AIDAann","cognitoIdentity":null,"principalOrgId":null,"userArn":"arn:aws:iam::000000000000:user/ann","userId":"AIDAann"}}`
	if string(got) != want || c["accountId"] != account {
		t.Errorf("%s\n%v", got, c)
	}
}

func TestFailures(t *testing.T) {
	fails := func(err error) func(context.Context, function.Invocation) (function.Result, error) {
		return func(context.Context, function.Invocation) (function.Result, error) { return function.Result{}, err }
	}
	for _, mode := range []string{"BUFFERED", "RESPONSE_STREAM"} {
		for _, c := range []struct {
			name  string
			code  func(context.Context, function.Invocation) (function.Result, error)
			want  int
			kind  string
			body  string
			after string
		}{
			{"throttled", fails(&function.Throttled{Reason: "ReservedFunctionConcurrentInvocationLimitExceeded"}), 429, "TooManyRequestsException",
				`{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`, "1"},
			{"gone", fails(&function.Refusal{Kind: function.ErrNotFound}), 404, "ResourceNotFoundException", `{"Message":null}`, ""},
			{"closed", fails(function.ErrClosed), 503, "ServiceException", `{"Message":"Service Unavailable"}`, ""},
			{"pending", fails(&function.Refusal{Kind: function.ErrConflict, Text: "secret"}), 502, "", "Internal Server Error", ""},
			{"broken", fails(errors.New("secret")), 502, "", "Internal Server Error", ""},
			{"failed", func(context.Context, function.Invocation) (function.Result, error) {
				return function.Result{Failure: []byte(`{"errorMessage":"secret"}`)}, nil
			}, 502, "", "Internal Server Error", ""},
			{"a bad prelude", func(_ context.Context, in function.Invocation) (function.Result, error) {
				in.Begin(payload.StreamType)
				io.WriteString(in.Answer, "no\x00\x00\x00\x00\x00\x00\x00\x00body")
				return function.Result{}, nil
			}, 502, "", "Internal Server Error", ""},
			{"half a prelude", func(_ context.Context, in function.Invocation) (function.Result, error) {
				in.Begin(payload.StreamType)
				io.WriteString(in.Answer, `{"statusCode":200}`)
				return function.Result{}, nil
			}, 502, "", "Internal Server Error", ""},
		} {
			t.Run(mode+" "+c.name, func(t *testing.T) {
				r := newRig(t, func(f *fake, _ *Config) { f.code, f.url.Mode = c.code, mode })
				a, body := r.do("GET", "/", "")
				if a.StatusCode != c.want || body != c.body || a.Header.Get("X-Amzn-Errortype") != c.kind || a.Header.Get("Retry-After") != c.after {
					t.Errorf("%d %v %s", a.StatusCode, a.Header, body)
				}
				if a.Header.Get("X-Amzn-Requestid") == "" {
					t.Error("no request id")
				}
			})
		}
	}
}

func TestBadAnswers(t *testing.T) {
	for _, b := range []string{
		`{"statusCode":"x"}`, `{"statusCode":99}`, `{"statusCode":600}`, `{"statusCode":200,"headers":{"a\r\nb":"c"}}`,
		`{"statusCode":200,"headers":{"a":"b\r\nc: d"}}`, `{"statusCode":200,"headers":"a"}`, `{"statusCode":200,"body":"!","isBase64Encoded":true}`,
		`{"statusCode":200,"cookies":["a\nb"]}`,
	} {
		r := newRig(t)
		r.code = says(b)
		if a, body := r.do("GET", "/", ""); a.StatusCode != 502 || body != "Internal Server Error" {
			t.Errorf("%s: %d %s", b, a.StatusCode, body)
		}
	}
}

func TestNoSuchAddress(t *testing.T) {
	r := newRig(t)
	a, body := r.do("GET", "/", "", "Host: "+strings.Repeat("z", 32)+".lambda-url.us-east-1.localhost")
	if a.StatusCode != 404 || body != `{"Message":null}` || r.called() != 0 {
		t.Errorf("%d %s", a.StatusCode, body)
	}
}

func TestTooLarge(t *testing.T) {
	r := newRig(t)
	text := strings.Repeat("a", payload.MaxURLBody)
	binary := strings.Repeat("\xff", payload.MaxEvent*3/4)
	for _, c := range []struct {
		name, body, kind string
		want             int
	}{
		{"over the limit", text + "a", "text/plain", 413},
		{"its event is", text, "text/plain", 413},
		{"in base64", binary, "image/png", 413},
		{"almost", text[:payload.MaxURLBody-4096], "text/plain", 200},
		{"almost, in base64", binary[:len(binary)-4096], "image/png", 200},
	} {
		if a, body := r.do("POST", "/", c.body, "Content-Type: "+c.kind); a.StatusCode != c.want {
			t.Errorf("%s: %d %s", c.name, a.StatusCode, body)
		}
	}
}

func TestStats(t *testing.T) {
	now := time.Unix(0, 0)
	r := newRig(t, func(_ *fake, c *Config) {
		c.Now = func() time.Time { now = now.Add(time.Second); return now }
	})
	r.do("GET", "/", "")
	r.code = says(`{"statusCode":404}`)
	r.do("GET", "/", "")
	r.code = says(`{"statusCode":500}`)
	r.do("GET", "/", "")
	r.srv.Close() // waits for the handlers
	if got, want := r.h.Stats(), (Stats{Requests: 3, Client: 1, Server: 1, Latency: 3 * time.Second}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
