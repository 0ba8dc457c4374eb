// Package wiretest calls a wire.Service in tests the way a client would:
// through HTTP and the service's protocol, with the signature check off.
package wiretest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
	"github.com/mayfly-faas/mayfly/internal/wire/cbor"
	"github.com/mayfly-faas/mayfly/internal/wire/query"
	"github.com/mayfly-faas/mayfly/internal/wire/restjson"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// An Answer is what came back from a call.
type Answer struct {
	Status  int
	Code    string // of an error: "ResourceNotFoundException"
	Message string // of an error
	Header  http.Header
	Body    []byte
}

// Serve starts services on a port of loopback until the test ends, and
// returns their URL. Any signature or none is good: the caller is root.
func Serve(t testing.TB, services ...wire.Service) string {
	t.Helper()
	front := wire.Front{Services: services, Gate: sigv4.Verifier{Off: true}.Gate, Unsigned: true}
	server := httptest.NewServer(front.Handler())
	t.Cleanup(server.Close)
	return server.URL
}

// A Client calls one service.
type Client struct {
	t       testing.TB
	service wire.Service
	url     string
	shapes  map[string]shapes
}

type shapes struct{ in, out *wire.Shape }

// New starts s until the test ends.
func New(t testing.TB, s wire.Service) *Client {
	t.Helper()
	return &Client{t: t, service: s, url: Serve(t, s), shapes: map[string]shapes{}}
}

// Do is one call to a service that lives no longer; see Client.Do.
func Do(t testing.TB, s wire.Service, op string, in, out any) Answer {
	t.Helper()
	return New(t, s).Do(op, in, out)
}

// Do calls op. in is a pointer to the operation's In, or a map from member
// names to what JSON can say, which may be invalid. The answer fills out, a
// pointer to the operation's Out, unless it is an error or out is nil.
func (c *Client) Do(op string, in, out any) Answer {
	c.t.Helper()
	sh, model := c.operation(op)
	p := dialectOf(c.service.Protocol)
	r, err := p.request(c, model, sh.in, members(sh.in, in))
	if err != nil {
		c.t.Fatalf("%s: %v", op, err)
	}
	a := c.Send(r)
	if a.Status >= 300 {
		a.Code, a.Message = p.fault(a)
		return a
	}
	if out != nil {
		if err := p.answer(a, sh.out, reflect.ValueOf(out).Elem(), model); err != nil {
			c.t.Fatalf("%s: answer %q: %v", op, a.Body, err)
		}
	}
	return a
}

// URL is where the service is.
func (c *Client) URL() string { return c.url }

// Send sends a request made by hand. If it names no host it goes to the service.
func (c *Client) Send(r *http.Request) Answer {
	c.t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return Answer{Status: answer.StatusCode, Header: answer.Header, Body: b}
}

func (c *Client) operation(name string) (shapes, wire.Model) {
	c.t.Helper()
	for _, m := range c.service.Models {
		if m.Name != name {
			continue
		}
		sh, ok := c.shapes[name]
		for _, op := range c.service.Ops {
			if !ok && op.Name == name {
				sh = shapes{wire.ShapeOf(op.In), wire.ShapeOf(op.Out)}
				c.shapes[name] = sh
			}
		}
		return sh, m
	}
	c.t.Fatalf("%s has no operation %s", c.service.Name, name)
	return shapes{}, wire.Model{}
}

// A dialect is a protocol seen from the client.
type dialect interface {
	request(c *Client, m wire.Model, in *wire.Shape, members []member) (*http.Request, error)
	answer(a Answer, out *wire.Shape, v reflect.Value, m wire.Model) error
	fault(a Answer) (code, message string)
}

func dialectOf(p wire.Protocol) dialect {
	switch p := p.(type) {
	case restjson.Protocol:
		return rest{}
	case awsjson.Protocol:
		return jsonRPC{}
	case cbor.Protocol:
		return cborRPC{}
	case cbor.Target:
		return cborRPC{target: true}
	case query.Protocol:
		return form{}
	case wire.Any:
		return dialectOf(p[0])
	}
	panic(fmt.Sprintf("wiretest: no dialect for %T", p))
}

// newRequest makes a request with what the Front routes by: the service's
// name in a scope, as every SDK sends it.
func (c *Client) newRequest(method, path string, body []byte) (*http.Request, error) {
	r, err := http.NewRequest(method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20261123/us-east-1/"+c.service.Name+
		"/aws4_request, SignedHeaders=host, Signature=00")
	r.Header.Set("X-Amz-Date", "20261123T000000Z")
	return r, nil
}
