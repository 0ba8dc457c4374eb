// Package s3 is S3's HTTP API over a store of objects.
//
// It speaks HTTP itself rather than through wire's tables: contents stream through it,
// an operation is chosen by method and query, a bucket may be in the host's name, and
// much of what is said is in headers of their own making.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
package s3

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// Config is what a Gateway stands on.
type Config struct {
	Store   object.Store
	Account string
	Region  string
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // nil means the default

	// Notifier tells of changes; nil for a server without notifications.
	Notifier Notifier

	// Lookup finds the secret of a key, for signatures of version 2. Off lets
	// everybody in.
	Lookup func(ctx context.Context, accessKeyID, token string) (secret string, c wire.Caller, err error)
	Off    bool

	Hosts []string // names that clients may reach us by, besides localhost
}

// A Notifier sends what buckets say of their objects.
type Notifier interface {
	// Check asks whether a rule's target is there and lets S3 in.
	Check(ctx context.Context, bucket string, r object.Rule) error

	// Test sends the event that a target gets when it is configured.
	Test(ctx context.Context, bucket string, r object.Rule, by object.Origin) error
}

// A Gateway is the API. It is a wire.Protocol with one service.
type Gateway struct {
	c    Config
	ops  []operation
	gate wire.Gate
}

// New makes a Gateway.
func New(c Config) *Gateway {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Gateway{c: c, ops: operations()}
}

// Service is S3 among the services of the front.
func (g *Gateway) Service() wire.Service {
	s := wire.Service{Name: "s3", Title: "Amazon S3", Version: "2006-03-01", Protocol: g, ErrorCode: "InternalError"}
	for _, op := range operations() {
		s.Ops = append(s.Ops, wire.Op{Name: op.name})
	}
	return s
}

// Handler implements wire.Protocol.
func (g *Gateway) Handler(_ wire.Service, gate wire.Gate) http.Handler {
	g.gate = gate
	return g
}

// A request is one on its way through the API.
type request struct {
	*http.Request
	w      http.ResponseWriter
	g      *Gateway
	bucket string
	key    string
	op     operation
}

// hostID is what S3 answers as x-amz-id-2, for its support alone.
const hostID = "bWF5Zmx5"

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amz-Request-Id", wire.RequestID(r.Context()))
	w.Header().Set("X-Amz-Id-2", hostID)
	q := &request{Request: r, w: w, g: g}
	q.bucket, q.key = g.place(r)
	if r.Method == http.MethodOptions {
		q.preflight()
		return
	}
	if g.c.Off && !q.sameSite() && !q.allowedOrigin() {
		q.fail(accessDenied()) // a page of another site must not act for whoever looks at it
		return
	}
	q.allowOrigin()
	if err := q.serve(); err != nil {
		q.fail(err)
	}
}

// serve finds the operation, checks the signature, and has it answer.
func (q *request) serve() error {
	op, err := q.route()
	if err != nil {
		return err
	}
	q.op = op
	if op.name == "PostObject" {
		return q.postObject()
	}
	if err := q.authenticate(); err != nil {
		return err
	}
	if op.handle == nil {
		return awserr.New(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented.")
	}
	return op.handle(q)
}

// authenticate checks who asks. Whoever does not say is nobody, whom no bucket lets in.
func (q *request) authenticate() error {
	check := func(r *http.Request) (*http.Request, error) { return q.g.gate(r, "s3", q.op.name) }
	if isVersion2(q.Request) {
		check = func(r *http.Request) (*http.Request, error) { return q.g.version2(r, q.op) }
	}
	if q.Header.Get("Authorization") != "" && q.Header.Get("X-Amz-Content-Sha256") == "" {
		return invalid("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	}
	if !isVersion2(q.Request) && !q.g.c.Off && q.Header.Get("Authorization") == "" && !q.URL.Query().Has("X-Amz-Algorithm") && !q.URL.Query().Has("X-Amz-Credential") {
		return accessDenied()
	}
	r, err := check(q.Request)
	if err == nil {
		q.Request = r
	}
	return err
}

func accessDenied() error { return awserr.New(http.StatusForbidden, "AccessDenied", "Access Denied") }

// origin is who asks.
func (q *request) origin() object.Origin {
	c := wire.CallerOf(q.Context())
	return object.Origin{
		Principal: "AWS:" + c.UserID, Account: c.Account, SourceIP: sourceIP(q.Request), RequestID: wire.RequestID(q.Context()),
		HostID: hostID, Trace: wire.Trace(q.Context()),
	}
}

// ctx is the request's context.
func (q *request) ctx() context.Context { return q.Context() }

// param is a parameter of the query.
func (q *request) param(name string) string { return q.URL.Query().Get(name) }
