// Package wire is AWS on the wire: it turns an HTTP request into a typed call
// on a service, and the answer back. It knows protocols and no service.
//
// A service is data: the models of its operations (made by tools/shapegen from
// the published model) and the handlers of those that it serves. A handler is
// typed and sees no HTTP: func(context.Context, *In) (*Out, error).
//
// # Shapes
//
// The fields of In and Out carry the model in their tags:
//
//	wire:"FunctionName,uri"   wire name, and where: uri, query, header, headers, payload, status; body when absent
//	required:"true"           must be there
//	len:"1..140"              length of a string, blob, list or map; either end may be missing
//	range:"1..900"            bounds of a number; either end may be missing
//	pattern:"[a-z]+"          the whole value must match
//	enum:"x86_64|arm64"       one of these
//	elem.len, elem.pattern, elem.range, elem.enum    the same for a list's members or a map's values; elem.elem. one deeper
//	key.len, key.pattern, key.enum                   the same for a map's keys
//	time:"iso8601"            JSON: a time is written so, and not as seconds
//	sensitive:"true"          the value is not repeated in a violation's text
//	form:"Tag,Key,Value"      query: a flat list's or map's name, and what a map's keys and values are called
//	entries:"Name,Value"      query: what a map's keys and values are called, if not "key" and "value"
//	list:"member"             query: what a list's members are called, if not "member"; list:",flat" when flattened
//
// Their types are *string, *bool, *int32, *int64, *float64, *Time, []byte, []T,
// map[string]T and *struct. Nil means absent: an absent member is left out of
// an answer, an empty list or map that is not nil is sent empty.
package wire

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// A Model is what the published model says of one operation.
type Model struct {
	Name   string // "CreateFunction"
	Method string // REST: "POST"
	URI    string // REST: "/2015-03-31/functions/{FunctionName}", constant query parameters included
	Status int    // REST: status of success; 0 means 200
	Result string // query: name of the result element, "" for none
}

// An Op is an operation that a service serves.
type Op struct {
	Name    string
	In, Out reflect.Type // struct types
	Call    func(ctx context.Context, in any) (out any, err error)
}

// Handle makes an Op from a typed handler.
func Handle[In, Out any](name string, h func(context.Context, *In) (*Out, error)) Op {
	return Op{
		Name: name, In: reflect.TypeFor[In](), Out: reflect.TypeFor[Out](),
		Call: func(ctx context.Context, in any) (any, error) {
			out, err := h(ctx, in.(*In))
			if err != nil { // a typed nil must not become a non-nil any
				return nil, err
			}
			return out, nil
		},
	}
}

// A Service is everything that wire needs to know about an AWS service.
type Service struct {
	Name      string   // signing name: "lambda"
	Title     string   // for people: "AWS Lambda"
	Version   string   // API version: "2015-03-31"
	Target    string   // awsJson: prefix of X-Amz-Target: "Logs_20140328"
	Namespace string   // query: XML namespace
	URLMember string   // query: the member that is the request's own URL, unless the form says it: "QueueUrl"
	Paths     []string // REST: path prefixes that are this service's, for requests that name no service otherwise
	Protocol  Protocol
	Models    []Model // every operation of the published model
	Ops       []Op    // those that are served; the others answer that they are not there yet

	// ErrorCode is the code of an internal failure: "ServiceException".
	ErrorCode string

	// ErrorBody makes the members of an error's JSON body; nil means the protocol's own.
	// It is asked about errors of the handlers alone: what the front end itself
	// refuses (a signature, a constraint) looks the same at every service.
	ErrorBody func(*awserr.Error) map[string]any

	// ValidationCode is the code of a violated constraint, if it is not the
	// protocol's own: "InvalidParameterException".
	ValidationCode string

	// MaxBody bounds the request body of op in bytes; nil or 0 means DefaultMaxBody.
	MaxBody func(op string) int64

	// TooLarge makes the error for a body over MaxBody; nil means RequestEntityTooLargeException.
	TooLarge func(op string, limit int64) *awserr.Error
}

// A Protocol speaks one of AWS's protocols for any service.
type Protocol interface {
	// Handler serves s. It asks gate before it decodes a body.
	Handler(s Service, gate Gate) http.Handler
}

// A Gate lets a request through or says why not, before its body is decoded.
// The request that it returns carries the Caller in its context, and a body
// that is verified as it is read.
type Gate func(r *http.Request, service, op string) (*http.Request, error)

// A Time is a point in time in a shape. Protocols write it as the model says:
// seconds since 1970 in JSON and CBOR, ISO 8601 in query.
type Time struct{ time.Time }

// A Stream is an answer's payload that is written as it is made: an Out field
// of this type tagged payload. It is called after the headers are out, with a
// writer whose every Write reaches the client at once.
type Stream func(w io.Writer) error

// A Caller is who signed a request.
type Caller struct {
	AccessKeyID string
	Account     string // "000000000000"
	ARN         string // "arn:aws:iam::000000000000:root", ":user/x", "arn:aws:sts::…:assumed-role/r/s"
	UserID      string // as GetCallerIdentity tells it
	Region      string // of the signature's scope
	Root        bool
	Who         any // the same as those know it who keep the identities
}

type (
	callerKey  struct{}
	requestKey struct{}
	baseKey    struct{}
	traceKey   struct{}
)

// WithCaller returns ctx with c in it.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns who signed the request that ctx belongs to.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// WithRequestID returns ctx with a request id in it.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestID is the id that the answer to ctx's request carries.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// WithBaseURL returns ctx with the URL under which the client reached us.
func WithBaseURL(ctx context.Context, url string) context.Context {
	return context.WithValue(ctx, baseKey{}, url)
}

// BaseURL is the scheme and host that the client used: "http://127.0.0.1:4566".
func BaseURL(ctx context.Context) string {
	u, _ := ctx.Value(baseKey{}).(string)
	return u
}

// WithTrace returns ctx with the X-Amzn-Trace-Id that a request came under.
func WithTrace(ctx context.Context, trace string) context.Context {
	return context.WithValue(ctx, traceKey{}, trace)
}

// Trace is the X-Amzn-Trace-Id that ctx's request came under, "" for none.
func Trace(ctx context.Context) string {
	s, _ := ctx.Value(traceKey{}).(string)
	return s
}
