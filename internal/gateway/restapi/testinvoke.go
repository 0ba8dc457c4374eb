package restapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// testStage is the stage that tests of a method run in.
const testStage = "test-invoke-stage"

// A Trial is a request that TestInvokeMethod makes up.
type Trial struct {
	Path      string // with the query; "" is the resource's own
	Body      string
	Header    http.Header
	Variables map[string]string
}

// A Trialled is what came of a trial.
type Trialled struct {
	Status  int
	Header  http.Header
	Body    []byte
	Log     string
	Latency time.Duration
}

// A recorder is a ResponseWriter that keeps the answer.
type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Flush()                      {}

// Try runs a method of an API as it is now, not as it was deployed: without
// authorization, API keys and throttles.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeMethod.html
func (h *Handler) Try(ctx context.Context, p Place, t Trial) (*Trialled, error) {
	x, err := h.trial(ctx, p, t)
	if err != nil {
		return nil, err
	}
	to := x.w.ResponseWriter.(*recorder)
	x.body, x.request.Body = []byte(t.Body), []byte(t.Body)
	x.say("Execution log for request %s", x.request.ID)
	x.say("Starting execution for request: %s", x.request.ID)
	x.say("HTTP Method: %s, Resource Path: %s", x.r.Method, x.r.URL.Path)
	x.trace("Method request body before transformations: %s", x.body)
	err = x.validate()
	if err == nil {
		err = x.integrate()
	}
	if err != nil {
		x.fail(err)
	}
	x.say("Method completed with status: %d", x.w.status)
	return &Trialled{
		Status: x.w.status, Header: to.header, Body: to.body.Bytes(), Latency: h.Book.Now().Sub(x.start),
		Log: strings.Join(x.lines, "\n") + "\n",
	}, nil
}

// trial is an exchange for a method as it is now.
func (h *Handler) trial(ctx context.Context, p Place, t Trial) (*exchange, error) {
	def, err := read(ctx, h.Book, func(tx store.Tx) (*Definition, error) {
		if _, _, err := h.Book.onMethod(tx, p); err != nil {
			return nil, err
		}
		return h.Book.definition(tx, p.API)
	})
	if err != nil {
		return nil, err
	}
	prog, err := compile(def)
	if err != nil {
		return nil, err
	}
	rt := prog.byID(p.Resource).routes[p.Method]
	if rt.Integration == nil {
		return nil, bad("No integration defined for method")
	}
	if t.Path == "" {
		t.Path = rt.on.Path
	}
	r, err := t.request(ctx, p.Method)
	if err != nil {
		return nil, err
	}
	at := place{api: p.API, stage: testStage, path: r.URL.EscapedPath(), shown: r.URL.Path, full: r.URL.Path, domain: "testPrefix.testDomainName", prefix: "testPrefix"}
	x := &exchange{h: h, w: &tally{ResponseWriter: &recorder{header: http.Header{}}}, r: r, at: at, rt: rt, start: h.Book.Now()}
	x.d = &Deployed{prog, &Stage{Name: testStage, Variables: t.Variables}}
	x.setup = &MethodSetting{LoggingLevel: "INFO", DataTraceEnabled: true}
	x.begin()
	_, x.params = prog.find(at.path)
	q := &x.request
	q.Resource, q.ResourceID, q.OperationName = rt.on.Path, rt.on.ID, rt.OperationName
	q.PathParameters, q.StageVariables, q.BinaryTypes, q.SourceIP = x.params, t.Variables, def.API.BinaryMediaTypes, "test-invoke-source-ip"
	return x, nil
}

func (t Trial) request(ctx context.Context, method string) (*http.Request, error) {
	u, err := url.ParseRequestURI("/" + strings.TrimPrefix(t.Path, "/"))
	if err != nil {
		return nil, bad("Invalid path specified: %s", t.Path)
	}
	if method == "ANY" {
		method = http.MethodGet
	}
	r := &http.Request{Method: method, URL: u, Host: "testPrefix.testDomainName", Header: http.Header{}, Proto: "HTTP/1.1", RemoteAddr: "127.0.0.1:0", Body: http.NoBody}
	for k, v := range t.Header {
		r.Header[http.CanonicalHeaderKey(k)] = v
	}
	return r.WithContext(ctx), nil
}

// byID is the branch of a resource.
func (p *program) byID(id string) *branch {
	var look func(*branch) *branch
	look = func(b *branch) *branch {
		if b == nil || b.on != nil && b.on.ID == id {
			return b
		}
		for _, c := range b.static {
			if found := look(c); found != nil {
				return found
			}
		}
		if found := look(b.param); found != nil {
			return found
		}
		return look(b.greedy)
	}
	return look(p.root)
}

// TryAuthorizer asks an authorizer as it is now about a made-up request.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeAuthorizer.html
func (h *Handler) TryAuthorizer(ctx context.Context, api, id string, t Trial) (*authorize.Grant, error, error) {
	a, err := h.Book.Authorizer(ctx, api, id)
	if err != nil {
		return nil, nil, err
	}
	if t.Path == "" {
		t.Path = "/"
	}
	r, err := t.request(ctx, http.MethodGet)
	if err != nil {
		return nil, nil, err
	}
	if h.Authority == nil {
		return nil, nil, fmt.Errorf("test authorizer %s: there is nobody to ask", id)
	}
	x := &exchange{h: h, w: &tally{ResponseWriter: &recorder{header: http.Header{}}}, r: r, start: h.Book.Now()}
	x.at = place{api: api, stage: testStage, path: r.URL.EscapedPath(), shown: r.URL.Path, full: r.URL.Path}
	x.d = &Deployed{&program{api: &API{}}, &Stage{Name: testStage, Variables: t.Variables}}
	x.begin()
	x.request.StageVariables = t.Variables
	q, refused := x.question(a)
	if refused != nil {
		return nil, refused, nil
	}
	q.TTL = 0
	g, refused := h.Authority.Ask(ctx, q)
	return g, refused, nil
}
