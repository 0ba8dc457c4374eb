package apigateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

const (
	account = "000000000000"
	region  = "us-east-1"
	lambda  = "arn:aws:lambda:us-east-1:000000000000:function:"
)

// uri is a function as integrations and authorizers name it.
func uri(name string) string {
	return "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + lambda + name + "/invocations"
}

// A code is a function of a test. It writes its answer, or answers a failure.
type code func(ctx context.Context, event []byte, in function.Invocation) (failure string, err error)

// answers is code that always answers the same.
func answers(text string) code {
	return func(_ context.Context, _ []byte, in function.Invocation) (string, error) {
		_, err := io.WriteString(in.Answer, text)
		return "", err
	}
}

// echo answers the event as the body.
func echo(_ context.Context, event []byte, in function.Invocation) (string, error) {
	body, _ := json.Marshal(string(event))
	_, err := io.WriteString(in.Answer, `{"statusCode":200,"headers":{"Content-Type":"application/json"},"body":`+string(body)+`}`)
	return "", err
}

type functions struct {
	mu    sync.Mutex
	codes map[string]code
	calls map[string]int
	last  []byte // event
}

func (f *functions) Ref(name, qualifier string) (function.Ref, error) {
	name = strings.TrimPrefix(name, lambda)
	name, q, _ := strings.Cut(name, ":")
	if q != "" {
		qualifier = q
	}
	return function.Ref{Name: name, Qualifier: qualifier}, nil
}

func (f *functions) Invoke(ctx context.Context, ref function.Ref, in function.Invocation) (function.Result, error) {
	f.mu.Lock()
	c := f.codes[ref.Name]
	f.calls[ref.Name]++
	f.last = in.Payload
	f.mu.Unlock()
	if c == nil {
		return function.Result{}, &function.Refusal{Kind: function.ErrNotFound, Text: "Function not found: " + ref.Name}
	}
	failure, err := c(ctx, in.Payload, in)
	if failure != "" {
		return function.Result{Failure: []byte(failure)}, err
	}
	return function.Result{}, err
}

func (f *functions) count(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[name]
}

// A sink keeps what is logged.
type sink struct {
	mu    sync.Mutex
	lines map[string][]string // by log group
}

func (s *sink) Put(group, _ string, _ []time.Time, message []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[group] = append(s.lines[group], message...)
}

// A world is the service with its data plane, in front of functions of the test.
type world struct {
	*wiretest.Client
	t       testing.TB
	book    *restapi.Book
	handler *restapi.Handler
	fs      *functions
	access  *accesslog.Log
	sink    *sink
	web     *httptest.Server
	file    string
	close   func()
	permits error // what functions' policies say

	mu  sync.Mutex
	now time.Time
}

type in = map[string]any

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// later moves the clock.
func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), file: filepath.Join(t.TempDir(), "meta.db")}
	w.fs = &functions{codes: map[string]code{"echo": echo}, calls: map[string]int{}}
	w.sink = &sink{lines: map[string][]string{}}
	w.open()
	t.Cleanup(func() { w.close() })
	return w
}

// open starts the service and its data plane on the world's file.
func (w *world) open() {
	w.t.Helper()
	db, err := store.OpenSQLite(w.file, store.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.book, err = restapi.Open(w.t.Context(), restapi.Config{DB: db, Account: account, Region: region, Now: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	access := accesslog.New(w.sink, nil)
	w.access = access
	permits := func(context.Context, function.Ref, *policy.Request) error { return w.permits }
	authority := authorize.New(authorize.Config{Functions: w.fs, Permits: permits, Gate: gate, Allow: allow, Now: w.clock})
	w.handler = restapi.New(restapi.Serving{Book: w.book, Functions: w.fs, Authority: authority, Permits: permits, Access: access})
	w.web = httptest.NewServer(wire.Front{Web: w.handler.Match}.Handler())
	w.Client = wiretest.New(w.t, Service(w.book, w.handler))
	w.close = func() {
		w.web.Close()
		w.handler.Close()
		authority.Close()
		access.Close()
		if err := w.book.Close(); err != nil {
			w.t.Error(err)
		}
		db.Close()
	}
}

// reopen ends everything and starts it again.
func (w *world) reopen() {
	w.t.Helper()
	w.close()
	w.open()
}

// gate lets in who says his name in the signature's place.
func gate(r *http.Request, service, _ string) (*http.Request, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "signed ")
	if !ok {
		return nil, awserr.New(403, "InvalidSignatureException", "no")
	}
	return r.WithContext(wire.WithCaller(r.Context(), wire.Caller{
		Account: account, ARN: "arn:aws:iam::000000000000:user/" + name, UserID: "AIDA" + name, AccessKeyID: "AKIA" + name,
	})), nil
}

// allow lets alice do everything.
func allow(_ context.Context, c wire.Caller, _ *policy.Request) error {
	if strings.HasSuffix(c.ARN, "/alice") {
		return nil
	}
	return awserr.New(403, "AccessDenied", "no")
}

// ok calls op and wants success.
func (w *world) ok(op string, in, out any) string {
	w.t.Helper()
	a := w.Do(op, in, out)
	if a.Status >= 300 {
		w.t.Fatalf("%s %v: %d %s: %s", op, in, a.Status, a.Code, a.Message)
	}
	return string(a.Body)
}

// refused calls op and wants an error whose message begins with message.
func (w *world) refused(op string, in any, status int, code, message string) {
	w.t.Helper()
	a := w.Do(op, in, nil)
	if a.Status != status || a.Code != code || !strings.HasPrefix(a.Message, message) {
		w.t.Errorf("%s %v: %d %s: %s\nwant %d %s: %s", op, in, a.Status, a.Code, a.Message, status, code, message)
	}
}

// A reply is what a client got.
type reply struct {
	status int
	header http.Header
	body   string
}

// call sends a request to a stage's path: "GET api/stage/path". Headers come in
// pairs; a header named "body" is the body.
func (w *world) call(what string, headers ...string) reply {
	w.t.Helper()
	method, path, _ := strings.Cut(what, " ")
	return w.send(method, w.web.URL+"/_mayfly/api/"+path, "", headers...)
}

// host sends a request by a host's name.
func (w *world) host(method, host, path string, headers ...string) reply {
	w.t.Helper()
	return w.send(method, w.web.URL+path, host, headers...)
}

func (w *world) send(method, url, host string, headers ...string) reply {
	w.t.Helper()
	var body io.Reader
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "body" {
			body = bytes.NewReader([]byte(headers[i+1]))
		}
	}
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(headers); i += 2 {
		if headers[i] != "body" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	if host != "" {
		r.Host = host
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{a.StatusCode, a.Header, string(b)}
}

// want checks a reply.
func (w *world) want(r reply, status int, body string) {
	w.t.Helper()
	if r.status != status || r.body != body {
		w.t.Errorf("%d %s\nwant %d %s", r.status, r.body, status, body)
	}
}

// An api is an API of a test, made by hand.
type madeAPI struct {
	w        *world
	id, root string
}

func (w *world) newAPI(with in) *madeAPI {
	w.t.Helper()
	with = merged(in{"name": "api"}, with)
	var a RestApi
	w.ok("CreateRestApi", with, &a)
	return &madeAPI{w, *a.Id, *a.RootResourceId}
}

func merged(a, b in) in {
	for k, v := range b {
		a[k] = v
	}
	return a
}

// at is the resource of a path, made as need be.
func (a *madeAPI) at(path string) string {
	a.w.t.Helper()
	var rs Resources
	a.w.ok("GetResources", in{"restapi_id": a.id, "limit": 500}, &rs)
	for _, r := range rs.Items {
		if *r.Path == path {
			return *r.Id
		}
	}
	cut := strings.LastIndexByte(path, '/')
	parent := path[:cut]
	if parent == "" {
		parent = "/"
	}
	var r Resource
	a.w.ok("CreateResource", in{"restapi_id": a.id, "parent_id": a.at(parent), "pathPart": path[cut+1:]}, &r)
	return *r.Id
}

// put gives a path a method, with an integration.
func (a *madeAPI) put(method, path string, with, integration in) in {
	a.w.t.Helper()
	place := in{"restapi_id": a.id, "resource_id": a.at(path), "http_method": method}
	a.w.ok("PutMethod", merged(merged(in{"authorizationType": "NONE"}, with), place), nil)
	if integration != nil {
		a.w.ok("PutIntegration", merged(merged(in{}, integration), place), nil)
	}
	return place
}

func proxyTo(name string) in {
	return in{"type": "AWS_PROXY", "httpMethod": "POST", "uri": uri(name)}
}

// deploy puts the API on a stage.
func (a *madeAPI) deploy(stage string, with in) string {
	a.w.t.Helper()
	var d Deployment
	a.w.ok("CreateDeployment", merged(in{"restapi_id": a.id, "stageName": stage}, with), &d)
	return *d.Id
}

// patch updates with patch operations: op, path, value.
func (w *world) patch(op string, where in, ops ...string) string {
	w.t.Helper()
	return w.ok(op, merged(in{"patchOperations": patchOps(ops...)}, where), nil)
}

func patchOps(ops ...string) []any {
	var all []any
	for i := 0; i+2 < len(ops); i += 3 {
		p := in{"op": ops[i], "path": ops[i+1]}
		if ops[i+2] != "" {
			p["value"] = ops[i+2]
		}
		all = append(all, p)
	}
	return all
}

func decoded(t testing.TB, body string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}
