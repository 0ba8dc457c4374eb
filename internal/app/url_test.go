package app

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// mirror answers a web request with its event: as it is, or as a stream whose
// prelude and first words come before the last.
const mirror = `#!/usr/bin/env python3
import http.client, json, os
host = os.environ["AWS_LAMBDA_RUNTIME_API"]
base = "/2018-06-01/runtime/invocation/"
while True:
    c = http.client.HTTPConnection(host)
    c.request("GET", base + "next")
    r = c.getresponse()
    event = json.loads(r.read())
    path = base + r.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    if event["rawPath"] != "/stream":
        c.request("POST", path, json.dumps({"statusCode": 203, "cookies": ["a=1", "b=2"], "body": json.dumps(event)}))
    else:
        parts = [b'{"statusCode":202,"headers":{"X-A":"b"}}', b"\0" * 8 + b"one ", b"two"]
        c.request("POST", path, iter(parts), {"Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked",
            "Content-Type": "application/vnd.awslambda.http-integration-response"}, encode_chunked=True)
    c.getresponse().read()
`

// address makes a function's URL and gives it.
func (c *client) address(name, settings string) string {
	c.Helper()
	var u struct{ FunctionUrl string }
	text := c.want(201, "lambda-url.eu-central-1.localhost:", "POST", "/2021-10-31/functions/"+name+"/url", "lambda", settings)
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		c.Fatal(err)
	}
	return u.FunctionUrl
}

// visit asks an address, whose name need not be known to this machine's
// resolver; signed as root if asked.
func (c *client) visit(address, path string, sign bool) (*http.Response, string) {
	c.Helper()
	at, err := url.Parse(address)
	if err != nil {
		c.Fatal(err)
	}
	r, err := http.NewRequest("POST", c.url+path, strings.NewReader("hi"))
	if err != nil {
		c.Fatal(err)
	}
	r.Host = at.Host
	if sign {
		sigv4.Sign(r, []byte("hi"), c.cred, "eu-central-1", "lambda", time.Now())
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		c.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		c.Fatal(err)
	}
	return a, string(b)
}

func TestFunctionURL(t *testing.T) {
	_, c := open(t, Config{Data: t.TempDir()})
	c.create("f", mirror)
	at := c.address("f", `{"AuthType":"NONE"}`)
	permit := func(body string) {
		t.Helper()
		c.want(201, "Statement", "POST", "/2015-03-31/functions/f/policy", "lambda", body)
	}
	refused := func(sign bool) {
		t.Helper()
		if a, body := c.visit(at, "/", sign); a.StatusCode != 403 || !strings.Contains(body, "urls-auth.html") {
			t.Errorf("%d %s", a.StatusCode, body)
		}
	}
	refused(false)
	permit(`{"StatementId":"a","Action":"lambda:InvokeFunctionUrl","Principal":"*","FunctionUrlAuthType":"NONE"}`)
	refused(false)
	permit(`{"StatementId":"b","Action":"lambda:InvokeFunction","Principal":"*","InvokedViaFunctionUrl":true}`)
	a, body := c.visit(at, "/a%20b?x=1", false)
	if a.StatusCode != 203 || len(a.Header["Set-Cookie"]) != 2 || !strings.Contains(body, `"rawPath": "/a%20b", "rawQueryString": "x=1"`) {
		t.Errorf("%v %s", a, body)
	}

	c.want(200, "AWS_IAM", "PUT", "/2021-10-31/functions/f/url", "lambda", `{"AuthType":"AWS_IAM","InvokeMode":"RESPONSE_STREAM"}`)
	refused(false)
	a, body = c.visit(at, "/stream", true)
	if a.StatusCode != 202 || a.Header.Get("X-A") != "b" || body != "one two" {
		t.Errorf("%v %s", a, body)
	}
	c.want(204, "", "DELETE", "/2021-10-31/functions/f/url", "lambda", "")
	if a, body := c.visit(at, "/", true); a.StatusCode != 404 {
		t.Errorf("%d %s", a.StatusCode, body)
	}
}
