package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// A client makes signed requests to one server.
type client struct {
	endpoint Endpoint
	http     *http.Client
	hint     string // how to start a server
}

func (p *program) client() (*client, error) {
	e, err := p.endpoint()
	if err != nil {
		return nil, err
	}
	return p.clientOf(e)
}

func (p *program) clientOf(e Endpoint) (*client, error) {
	if u, err := url.Parse(e.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage("%q is not the URL of a server", e.URL).next("AWS_ENDPOINT_URL looks like http://%s", defaultListen)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // the server is near: a proxy for the internet must not see its keys
	return &client{endpoint: e, http: &http.Client{Transport: t}, hint: "start one with `mayfly serve" + p.dataFlag() + "`"}, nil
}

// A request is one call of the API.
type request struct {
	service string // signing name
	method  string // POST when empty
	path    string // with its query
	header  map[string]string
	body    []byte
	watch   func(io.Reader) io.Reader // sees the body as it is sent; may be nil
}

// A response is what came back, whole.
type response struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request. An error that the server answers is a *failure.
func (c *client) do(ctx context.Context, q request) (*response, error) {
	r, err := http.NewRequestWithContext(ctx, first(q.method, "POST"), c.endpoint.URL+q.path, bytes.NewReader(q.body))
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	sigv4.Sign(r, q.body, sigv4.Credentials{
		AccessKeyID: c.endpoint.AccessKeyID, SecretAccessKey: c.endpoint.SecretAccessKey, SessionToken: c.endpoint.SessionToken,
	}, c.endpoint.Region, q.service, time.Now())
	if q.watch != nil {
		r.Body = io.NopCloser(q.watch(bytes.NewReader(q.body)))
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fail("the server broke off its answer: %v", err).next("see the server's log")
	}
	if answer.StatusCode >= 300 {
		return nil, c.refused(answer, body)
	}
	return &response{answer.StatusCode, answer.Header, body}, nil
}

// unreachable says why no answer came.
func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := fail("no server answers at %s", c.endpoint.URL).next("%s", c.hint)
	f.exit = exitUnreachable
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
		f.message = fmt.Sprintf("the server at %s did not answer: %v", c.endpoint.URL, errors.Unwrap(err))
		f.hint = "see the server's log"
	}
	return f
}

// refused reads an error answer of any of the protocols.
func (c *client) refused(answer *http.Response, body []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Lower   string `json:"message"`
		Upper   string `json:"Message"`
		Payload string `json:"error"`
	}
	if x := (xmlError{}); json.Unmarshal(body, &e) != nil {
		e.Lower = strings.TrimSpace(string(body))
		if xml.Unmarshal(body, &x) == nil && x.Code+x.PlainCode != "" {
			e.Code, e.Lower = first(x.Code, x.PlainCode), first(x.Message, x.PlainMessage)
		}
	}
	code, _, _ := strings.Cut(first(answer.Header.Get("X-Amzn-Errortype"), e.Type, e.Code), ":")
	code = code[strings.LastIndexByte(code, '#')+1:]
	f := fail("%s", first(e.Upper, e.Lower, e.Payload, answer.Status))
	f.code = code
	switch code {
	case "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId", "SignatureDoesNotMatch", "MissingAuthenticationTokenException":
		f.hint = "the key is not this server's: unset AWS_ENDPOINT_URL and the AWS_* keys, or set them with `eval \"$(mayfly env)\"`"
	case "ExpiredTokenException":
		f.hint = "get new credentials, or unset AWS_SESSION_TOKEN"
	case "ResourceNotFoundException":
		f.hint = "see what is there with `mayfly list`"
	case "InvalidRuntimeException":
		f.hint = "see what the server can run with `mayfly runtimes`"
	case "TooManyRequestsException":
		f.hint = "try again: as many as may run at once are running"
	case "ServiceException", "InternalFailure", "ServiceFailure":
		f.hint = "see the server's log"
	case "":
		f.hint = "is " + c.endpoint.URL + " a mayfly server?"
	}
	return f
}

// is tells whether err is the server's answer with a code.
func is(err error, code string) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.code == code
}

// rest calls a REST operation: in is its JSON body, out what to read from the
// answer; either may be nil.
func (c *client) rest(ctx context.Context, service, method, path string, in, out any) error {
	q := request{service: service, method: method, path: path}
	if in != nil {
		b, err := jsonBytes(in)
		if err != nil {
			return err
		}
		q.body, q.header = b, map[string]string{"Content-Type": "application/json"}
	}
	return c.read(ctx, q, out)
}

// target calls an operation of CloudWatch Logs.
func (c *client) target(ctx context.Context, op string, in, out any) error {
	b, err := jsonBytes(in)
	if err != nil {
		return err
	}
	return c.read(ctx, request{service: "logs", path: "/", body: b, header: map[string]string{
		"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328." + op,
	}}, out)
}

func (c *client) read(ctx context.Context, q request, out any) error {
	a, err := c.do(ctx, q)
	if err != nil || out == nil || len(a.body) == 0 {
		return err
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fail("the answer is not what was expected: %v", err).next("is %s a mayfly server?", c.endpoint.URL)
	}
	return nil
}

func jsonBytes(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a request: %w", err)
	}
	return b, nil
}
