package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

const (
	testKey    = "AKIDEXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	testToken  = "FwoGZXIvYXdzEXAMPLE/token+with=signs"
)

var testNow = time.Date(2026, 11, 23, 11, 42, 29, 0, time.UTC)

var testCreds = aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}

func verifier() Verifier {
	return Verifier{
		Now: func() time.Time { return testNow },
		Lookup: func(_ context.Context, id, token string) (string, wire.Caller, error) {
			switch {
			case id != testKey:
				return "", wire.Caller{}, awserr.New(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
			case token != "" && token != testToken:
				return "", wire.Caller{}, awserr.New(403, "ExpiredTokenException", "The security token included in the request is expired")
			}
			return testSecret, wire.Caller{Account: "000000000000", Root: true}, nil
		},
	}
}

// arrive sends r through a real server and returns what the gate and the body
// read there said.
func arrive(t *testing.T, v Verifier, service string, r *http.Request) (caller wire.Caller, body string, err error) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var admitted *http.Request
		if admitted, err = v.Gate(r, service, "Op"); err != nil {
			return
		}
		caller = wire.CallerOf(admitted.Context())
		var b []byte
		b, err = io.ReadAll(admitted.Body)
		body = string(b)
	}))
	defer s.Close()
	to, perr := url.Parse(s.URL)
	if perr != nil {
		t.Fatal(perr)
	}
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL.Scheme, r.URL.Host = "http", to.Host
	answer, derr := http.DefaultTransport.RoundTrip(r)
	if derr != nil {
		t.Fatal(derr)
	}
	answer.Body.Close()
	return caller, body, err
}

func code(err error) string {
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		return e.Code
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

func request(t testing.TB, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sdkSign signs r with the SDK's signer, the oracle.
func sdkSign(t testing.TB, r *http.Request, body, service string, creds aws.Credentials, at time.Time) {
	t.Helper()
	h := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, hexOf(h[:]), service, "us-east-1", at); err != nil {
		t.Fatal(err)
	}
}

var oracleRequests = []struct{ name, method, url, body string }{
	{"get", "GET", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions", ""},
	{"post", "POST", "https://localhost:4566/2015-03-31/functions/f/invocations", `{"a":1}`},
	{"arn escaped", "GET", "https://localhost:4566/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af", ""},
	{"slash escaped", "GET", "https://localhost:4566/2025-12-01/durable-executions/a%2Fb%2Fc", ""},
	{"arn plain", "GET", "https://localhost:4566/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST", ""},
	{"unicode path", "GET", "https://localhost:4566/x/%C3%A9%20%E2%82%AC", ""},
	{"query", "GET", "https://localhost:4566/x?b=2&a=1&a=0&empty=&flag&space=a%20b&plus=a%2Bb&eq=a%3Db&star=*&tilde=~", ""},
	{"repeated keys", "DELETE", "https://localhost:4566/2017-03-31/tags/x?tagKeys=b&tagKeys=a&tagKeys=%C3%BC", ""},
	{"root", "POST", "https://localhost:4566/", "Action=GetCallerIdentity&Version=2011-06-15"},
	{"no path", "POST", "https://localhost:4566", "{}"},
}

func TestHeaderSignatureOfTheSDK(t *testing.T) {
	for _, tt := range oracleRequests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, tt.method, tt.url, tt.body)
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			r.Header.Set("X-Amz-Target", "  Logs_20140328.Put   LogEvents ")
			r.Header.Add("X-Amz-Meta", "b  b")
			r.Header.Add("X-Amz-Meta", "a")
			sdkSign(t, r, tt.body, "lambda", testCreds, testNow)
			caller, body, err := arrive(t, verifier(), "lambda", r)
			if err != nil {
				t.Fatal(err)
			}
			if body != tt.body {
				t.Errorf("body %q, want %q", body, tt.body)
			}
			if caller.AccessKeyID != testKey || caller.Region != "us-east-1" || !caller.Root {
				t.Errorf("caller %+v", caller)
			}
		})
	}
}

func TestPresignedSignatureOfTheSDK(t *testing.T) {
	for _, tt := range oracleRequests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, tt.method, tt.url, tt.body)
			q := r.URL.Query()
			q.Set("X-Amz-Expires", "60")
			r.URL.RawQuery = q.Encode()
			creds := testCreds
			creds.SessionToken = testToken
			h := sha256.Sum256([]byte(tt.body))
			signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), creds, r, hexOf(h[:]), "sts", "eu-west-1", testNow)
			if err != nil {
				t.Fatal(err)
			}
			v := verifier()
			send := func(at time.Time) error {
				p := request(t, tt.method, signed, tt.body)
				p.Header = header.Clone()
				v.Now = func() time.Time { return at }
				_, _, err := arrive(t, v, "sts", p)
				return err
			}
			if err := send(testNow.Add(time.Minute)); err != nil {
				t.Errorf("in time: %v", err)
			}
			if err := send(testNow.Add(61 * time.Second)); code(err) != "InvalidSignatureException" || !strings.Contains(err.Error(), "- 1 min.)") {
				t.Errorf("too late: %v", err)
			}
		})
	}
}

func TestOurSignatureIsTheSDKs(t *testing.T) {
	for _, tt := range oracleRequests {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs := request(t, tt.method, tt.url, tt.body), request(t, tt.method, tt.url, tt.body)
			for _, r := range []*http.Request{ours, theirs} {
				r.Header.Set("Content-Type", "application/json")
				r.ContentLength = 0 // the SDK signs it if it is there
			}
			Sign(ours, []byte(tt.body), Credentials{testKey, testSecret, testToken}, "us-east-1", "lambda", testNow)
			theirs.Header.Set(hashHeader, ours.Header.Get(hashHeader))
			creds := testCreds
			creds.SessionToken = testToken
			sdkSign(t, theirs, tt.body, "lambda", creds, testNow)
			if a, b := ours.Header.Get("Authorization"), theirs.Header.Get("Authorization"); a != b {
				t.Errorf("ours   %s\ntheirs %s", a, b)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const body = `{"x":1}`
	tests := []struct {
		name, code, text string
		change           func(r *http.Request)
	}{
		{"unsigned", "MissingAuthenticationTokenException", "missing Authentication Token", func(r *http.Request) { r.Header.Del("Authorization") }},
		{"other scheme", "IncompleteSignatureException", "requires 'Credential' parameter", func(r *http.Request) { r.Header.Set("Authorization", "Basic") }},
		{"no equal-sign", "IncompleteSignatureException", "missing equal-sign", func(r *http.Request) { r.Header.Set("Authorization", "Bearer token") }},
		{"other algorithm", "IncompleteSignatureException", "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "HMAC-SHA256", "ECDSA-P256-SHA256", 1))
		}},
		{"short scope", "IncompleteSignatureException", "exactly 5 slash-delimited elements", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/us-east-1", "", 1))
		}},
		{"terminator", "InvalidSignatureException", "valid terminator", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "aws4_request", "aws5_request", 1))
		}},
		{"host unsigned", "InvalidSignatureException", "'Host' or ':authority' must be a 'SignedHeader'", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;", "", 1))
		}},
		{"a header signed twice", "IncompleteSignatureException", "names a header twice", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;", "host;HOST;", 1))
		}},
		{"too many headers", "IncompleteSignatureException", "more than 200 headers", func(r *http.Request) {
			var names strings.Builder
			for i := range 300 {
				fmt.Fprintf(&names, "x-%d;", i)
			}
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;", names.String()+"host;", 1))
		}},
		{"no date", "IncompleteSignatureException", "'X-Amz-Date' or a 'Date' header", func(r *http.Request) { r.Header.Del("X-Amz-Date") }},
		{"odd date", "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'. Got '2026-11-23'", func(r *http.Request) { r.Header.Set("X-Amz-Date", "2026-11-23") }},
		{"date of another day", "InvalidSignatureException", "'20261123' != '20261124', from '20261124T000000Z'", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261124T000000Z") }},
		{"signature", "InvalidSignatureException", "The Canonical String for this request should have been\n'POST\n/x", func(r *http.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")[:len(r.Header.Get("Authorization"))-64]+strings.Repeat("0", 64))
		}},
		{"no hex", "InvalidSignatureException", "does not match the signature you provided", func(r *http.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")+"zz")
		}},
		{"path", "InvalidSignatureException", "does not match", func(r *http.Request) { r.URL.Path = "/y" }},
		{"query", "InvalidSignatureException", "does not match", func(r *http.Request) { r.URL.RawQuery = "a=1" }},
		{"method", "InvalidSignatureException", "does not match", func(r *http.Request) { r.Method = "PUT" }},
		{"header", "InvalidSignatureException", "does not match", func(r *http.Request) { r.Header.Set("X-Amz-Target", "Other") }},
		{"host", "InvalidSignatureException", "does not match", func(r *http.Request) { r.Host = "elsewhere" }},
		{"body", "InvalidSignatureException", "does not match", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"x":2}`))
		}},
		{"key", "UnrecognizedClientException", "security token included in the request is invalid", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), testKey, "AKIDOTHER", 1))
		}},
		{"token", "ExpiredTokenException", "expired", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "old") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, "POST", "http://localhost/x", body)
			r.Header.Set("X-Amz-Target", "Target")
			sdkSign(t, r, body, "lambda", testCreds, testNow)
			tt.change(r)
			_, _, err := arrive(t, verifier(), "lambda", r)
			if code(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v\nwant %s: ...%s...", err, tt.code, tt.text)
			}
		})
	}
}

func TestBodyHash(t *testing.T) {
	const body = "the body"
	right := hexSum(body)
	for _, tt := range []struct {
		name, said, sent, code string
	}{
		{"said and sent", right, body, ""},
		{"another sent", right, "another!", "InvalidSignatureException"},
		{"cut short", right, "the", "InvalidSignatureException"},
		{"nothing sent", right, "", "InvalidSignatureException"},
		{"unsigned", unsigned, "anything", ""},
		{"nonsense", "abc", body, "InvalidSignatureException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, "POST", "http://localhost/x", tt.sent)
			r.Header.Set(hashHeader, tt.said)
			if err := v4.NewSigner().SignHTTP(t.Context(), testCreds, r, tt.said, "lambda", "us-east-1", testNow); err != nil {
				t.Fatal(err)
			}
			_, got, err := arrive(t, verifier(), "lambda", r)
			if code(err) != tt.code {
				t.Fatalf("error %v, want %s", err, tt.code)
			}
			if err == nil && got != tt.sent {
				t.Errorf("body %q", got)
			}
		})
	}
}

func TestHashedBodyStaysRefused(t *testing.T) {
	h := &hashed{body: io.NopCloser(strings.NewReader("x")), hash: sha256.New(), want: hexSum("y")}
	if _, err := io.ReadAll(h); code(err) != "InvalidSignatureException" {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(h); code(err) != "InvalidSignatureException" {
		t.Errorf("a second read says %v", err)
	}
}

func TestClockSkew(t *testing.T) {
	for _, tt := range []struct {
		service string
		off     time.Duration
		text    string
	}{
		{"lambda", 5 * time.Minute, ""},
		{"lambda", -5 * time.Minute, ""},
		{"lambda", -301 * time.Second, "Signature expired: 20261123T114229Z is now earlier than 20261123T114230Z (20261123T114730Z - 5 min.)"},
		{"lambda", 301 * time.Second, "Signature not yet current: 20261123T114229Z is still later than 20261123T114228Z (20261123T113728Z + 5 min.)"},
		{"sts", -15 * time.Minute, ""},
		{"sts", -16 * time.Minute, "- 15 min.)"},
	} {
		r := request(t, "GET", "http://localhost/", "")
		sdkSign(t, r, "", tt.service, testCreds, testNow)
		v := verifier()
		v.Now = func() time.Time { return testNow.Add(-tt.off) }
		_, _, err := arrive(t, v, tt.service, r)
		if tt.text == "" && err != nil || tt.text != "" && (err == nil || !strings.Contains(err.Error(), tt.text)) {
			t.Errorf("%s, clock off by %v: %v, want %q", tt.service, tt.off, err, tt.text)
		}
	}
}

func TestScopeOfAnotherService(t *testing.T) {
	r := request(t, "GET", "http://localhost/", "")
	sdkSign(t, r, "", "sqs", testCreds, testNow)
	_, _, err := arrive(t, verifier(), "lambda", r)
	if err == nil || !strings.Contains(err.Error(), "Credential should be scoped to correct service: 'lambda'. ") {
		t.Errorf("got %v", err)
	}
}

func TestUntidyPaths(t *testing.T) {
	// botocore and the JavaScript SDK sign the path without dots and double
	// slashes, the Go SDK as it is.
	for _, path := range []string{"/a//b", "/a/./b", "/a/../a/b/"} {
		r := request(t, "GET", "http://localhost"+path, "")
		tidied := request(t, "GET", "http://localhost"+tidy(path), "")
		sdkSign(t, tidied, "", "lambda", testCreds, testNow)
		r.Header = tidied.Header
		if _, _, err := arrive(t, verifier(), "lambda", r); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestOff(t *testing.T) {
	v := Verifier{Off: true}
	r := request(t, "POST", "http://localhost/", "body")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20261123/eu-north-1/lambda/aws4_request, SignedHeaders=host, Signature=00")
	r.Header.Set("X-Amz-Date", "20261123T000000Z")
	caller, body, err := arrive(t, v, "lambda", r)
	if err != nil || body != "body" || !caller.Root || caller.Region != "eu-north-1" || caller.AccessKeyID != "test" {
		t.Errorf("%+v %q %v", caller, body, err)
	}
	caller, _, err = arrive(t, v, "lambda", request(t, "GET", "http://localhost/", ""))
	if err != nil || !caller.Root || caller.ARN != "arn:aws:iam::000000000000:root" {
		t.Errorf("unsigned: %+v %v", caller, err)
	}
}

func TestPresignedRefusals(t *testing.T) {
	base := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + testKey + "%2F20261123%2Fus-east-1%2Fsts%2Faws4_request" +
		"&X-Amz-Date=20261123T114229Z&X-Amz-SignedHeaders=host&X-Amz-Expires=60&X-Amz-Signature=00"
	for _, tt := range []struct{ old, new, code, text string }{
		{"X-Amz-Date=20261123T114229Z&", "", "IncompleteSignatureException", "must include 'X-Amz-Date'"},
		{"Expires=60", "Expires=604801", "IncompleteSignatureException", "less than a week"},
		{"Expires=60", "Expires=-1", "IncompleteSignatureException", "non-negative"},
		{"Expires=60", "Expires=99999999999999999999", "IncompleteSignatureException", "number"},
		{"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512", "IncompleteSignatureException", "Unsupported AWS 'algorithm'"},
		{"SignedHeaders=host", "SignedHeaders=range", "InvalidSignatureException", "'Host'"},
		{"Expires=60", "Expires=604800", "InvalidSignatureException", "does not match"},
	} {
		r := request(t, "GET", "http://localhost/?"+strings.Replace(base, tt.old, tt.new, 1), "")
		_, _, err := arrive(t, verifier(), "sts", r)
		if code(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.new, err)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host;x, Signature=00", "20261123T114229Z", "")
	f.Add("AWS4-HMAC-SHA256 Credential=,,=,", "", "X-Amz-Signature=1")
	f.Add("", "Mon, 23 Nov 2026 11:42:29 GMT", "X-Amz-Credential=a&X-Amz-Expires=1")
	f.Fuzz(func(t *testing.T, auth, date, query string) {
		r := httptest.NewRequest("POST", "/x", bytes.NewReader(nil))
		r.URL.RawQuery = query
		r.Header.Set("Authorization", auth)
		r.Header.Set("X-Amz-Date", date)
		_, err := verifier().Gate(r, "lambda", "Op")
		if err == nil {
			t.Fatalf("let in: %q %q %q", auth, date, query)
		}
		if _, ok := errors.AsType[*awserr.Error](err); !ok {
			t.Errorf("not an API error: %v", err)
		}
		open(r) // must not fall over either
	})
}
