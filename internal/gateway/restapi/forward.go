package restapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi/vtl"
)

// forward gives the request to a web server, as it is or transformed, and its
// answer to the client.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/setup-http-integrations.html
func (x *exchange) forward() error {
	ctx, cancel := context.WithTimeout(x.r.Context(), time.Duration(x.rt.Integration.TimeoutMillis)*time.Millisecond)
	defer cancel()
	out, err := x.outgoing(ctx)
	if err != nil {
		return err
	}
	x.say("Sending request to %s", out.URL)
	begun := x.h.Book.Now()
	in, err := x.h.Transport.RoundTrip(out)
	if err != nil {
		return x.noAnswer(ctx, err)
	}
	defer in.Body.Close()
	x.noteIntegration(begun, in.StatusCode)
	if x.rt.Integration.Type == "HTTP_PROXY" && x.rt.Integration.TransferMode == "STREAM" {
		return x.passOn(in)
	}
	body, err := io.ReadAll(io.LimitReader(in.Body, payload.MaxAPIBody+1))
	switch {
	case err != nil:
		return x.noAnswer(ctx, err)
	case len(body) > payload.MaxAPIBody:
		return broken("the endpoint's answer is too large")
	}
	if x.rt.Integration.Type == "HTTP" {
		return x.mapped(&result{match: strconv.Itoa(in.StatusCode), header: in.Header, body: body})
	}
	x.send(&payload.Answer{Status: in.StatusCode, Header: endToEnd(in.Header), Body: body})
	return nil
}

// noAnswer is the case of an endpoint that did not answer.
func (x *exchange) noAnswer(ctx context.Context, err error) error {
	switch {
	case x.r.Context().Err() != nil:
		return x.r.Context().Err()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return refuse("INTEGRATION_TIMEOUT", err)
	}
	return refuse("INTEGRATION_FAILURE", err)
}

// outgoing is the request to the endpoint.
func (x *exchange) outgoing(ctx context.Context) (*http.Request, error) {
	in := x.rt.Integration
	body := x.body
	if in.Type == "HTTP" {
		var err error
		if body, err = x.transformed(); err != nil {
			return nil, err
		}
	}
	p := x.parameters()
	to, err := x.target(p)
	if err != nil {
		return nil, refuse("API_CONFIGURATION_ERROR", err)
	}
	method := in.HTTPMethod
	if method == "ANY" {
		method = x.r.Method
	}
	out, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, refuse("API_CONFIGURATION_ERROR", err)
	}
	out.Header = x.outgoingHeader(p)
	return out, nil
}

// parameters are what the integration maps into the outgoing request.
type parameters struct {
	path, query, header map[string]string
}

func (x *exchange) parameters() parameters {
	p := parameters{map[string]string{}, map[string]string{}, map[string]string{}}
	vars := x.vars(x.body)
	for target, source := range x.rt.Integration.RequestParameters {
		v, ok := x.source(source, vars)
		where, name, _ := strings.Cut(strings.TrimPrefix(target, "integration.request."), ".")
		if ok {
			p.put(where, name, v)
		}
	}
	for where, m := range x.over.request {
		all, _ := m.(vtl.Map)
		for name, v := range all {
			p.put(where, name, vtl.Text(v))
		}
	}
	return p
}

func (p parameters) put(where, name, value string) {
	switch where {
	case "path":
		p.path[name] = value
	case "querystring", "multivaluequerystring":
		p.query[name] = value
	case "header", "multivalueheader":
		p.header[name] = value
	}
}

// target is the outgoing URL: with the path's parameters and the stage's
// variables put in, and the client's query where the integration is a proxy.
func (x *exchange) target(p parameters) (string, error) {
	uri := x.staged(x.rt.Integration.URI)
	for name, v := range p.path {
		escaped := (&url.URL{Path: v}).EscapedPath() // a greedy parameter keeps its slashes
		uri = strings.NewReplacer("{"+name+"}", escaped, "{"+name+"+}", escaped).Replace(uri)
	}
	if x.rt.Integration.Type == "HTTP_PROXY" {
		for name, v := range x.params {
			escaped := (&url.URL{Path: v}).EscapedPath()
			uri = strings.NewReplacer("{"+name+"}", escaped, "{"+name+"+}", escaped).Replace(uri)
		}
	}
	u, err := url.Parse(uri)
	if err != nil {
		return "", fmt.Errorf("the integration's URI: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("the integration's URI %q is not a web address", uri)
	}
	q := u.Query()
	if x.rt.Integration.Type == "HTTP_PROXY" {
		for name, vs := range x.r.URL.Query() {
			q[name] = vs
		}
	}
	for name, v := range p.query {
		q.Set(name, v)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (x *exchange) outgoingHeader(p parameters) http.Header {
	h := http.Header{}
	if x.rt.Integration.Type == "HTTP_PROXY" {
		h = endToEnd(x.r.Header)
		h.Del("Authorization") // AWS passes it on under a mapping alone when it signed the request
		if x.caller.ARN == "" {
			if v := x.r.Header.Values("Authorization"); len(v) > 0 {
				h["Authorization"] = v
			}
		}
		h.Set("X-Forwarded-For", strings.Join(append(x.r.Header.Values("X-Forwarded-For"), x.request.SourceIP), ", "))
	} else if kind := x.r.Header.Get("Content-Type"); kind != "" {
		h.Set("Content-Type", kind)
	}
	h.Set("X-Amzn-Apigateway-Api-Id", x.at.api)
	h.Set("X-Amzn-Trace-Id", x.request.Trace)
	if h.Get("User-Agent") == "" {
		h.Set("User-Agent", "AmazonAPIGateway_"+x.at.api)
	}
	for name, v := range p.header {
		setHeader(h, name, v)
	}
	return h
}

// endToEnd are the headers that are not one connection's own.
func endToEnd(h http.Header) http.Header {
	out := h.Clone()
	for _, list := range h.Values("Connection") {
		for name := range strings.SplitSeq(list, ",") {
			out.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length"} {
		out.Del(name)
	}
	return out
}

// passOn gives the endpoint's answer to the client as it comes.
func (x *exchange) passOn(in *http.Response) error {
	h := endToEnd(in.Header)
	remap(h)
	for name, values := range h {
		x.w.Header()[name] = values
	}
	x.w.WriteHeader(in.StatusCode)
	flush := http.NewResponseController(x.w)
	buffer := make([]byte, 32<<10)
	for {
		n, err := in.Body.Read(buffer)
		if n > 0 {
			if _, err := x.w.Write(buffer[:n]); err != nil {
				return err
			}
			if err := flush.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
