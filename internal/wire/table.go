package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"runtime/debug"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// DefaultMaxBody bounds a request's body where the service does not say.
const DefaultMaxBody = 10 << 20

// A Table is a service made ready for calls: what every protocol starts from.
type Table struct {
	Service
	Calls map[string]*Call // by the operation's name
	gate  Gate
}

// A Call is an operation made ready.
type Call struct {
	Model
	In, Out *Shape // nil if the operation is not served yet
	Limit   int64  // of the body

	op    *Op
	table *Table
}

// NewTable reads s. It panics if an operation has no model, or two handlers.
func NewTable(s Service, gate Gate) *Table {
	t := &Table{Service: s, Calls: map[string]*Call{}, gate: gate}
	for _, m := range s.Models {
		t.Calls[m.Name] = &Call{Model: m, Limit: s.maxBody(m.Name), table: t}
	}
	rd := reader{}
	for i, op := range s.Ops {
		c := t.Calls[op.Name]
		if c == nil || c.op != nil {
			panic(fmt.Sprintf("wire: %s: operation %s has no model, or two handlers", s.Name, op.Name))
		}
		c.op, c.In, c.Out = &s.Ops[i], rd.shape(op.In), rd.shape(op.Out)
	}
	return t
}

func (s Service) maxBody(op string) int64 {
	if s.MaxBody != nil {
		if n := s.MaxBody(op); n > 0 {
			return n
		}
	}
	return DefaultMaxBody
}

// NotServed is the answer to an operation of the model that we do not serve
// yet. It is a 400, since SDKs try a 501 again and again.
func NotServed(service, op string) *awserr.Error {
	return awserr.New(400, "UnsupportedOperationException", "Mayfly does not serve %s:%s yet.", service, op)
}

// UnknownOperation is the answer to a request that no operation is meant by.
func UnknownOperation() *awserr.Error {
	return awserr.New(404, "UnknownOperationException", "The requested operation is not recognized by the service.")
}

// Admit bounds r's body and asks the gate. Its error is a front-end error.
func (c *Call) Admit(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	if r.ContentLength > c.Limit {
		return nil, c.tooLarge()
	}
	r.Body = http.MaxBytesReader(w, r.Body, c.Limit)
	if c.table.gate != nil {
		var err error
		if r, err = c.table.gate(r, c.table.Name, c.Name); err != nil {
			return nil, c.bodyError(err)
		}
	}
	if c.op == nil {
		return nil, NotServed(c.table.Name, c.Name)
	}
	return r, nil
}

// Read reads the body of an admitted request. Its error is a front-end error.
func (c *Call) Read(r *http.Request) ([]byte, error) {
	b, err := readAll(r)
	if err != nil {
		return nil, c.bodyError(err)
	}
	return b, nil
}

// Take admits r and reads its body. The request that it returns is never nil.
// Its error is a front-end error.
func (c *Call) Take(w http.ResponseWriter, r *http.Request) (*http.Request, []byte, error) {
	admitted, err := c.Admit(w, r)
	if err != nil {
		return r, nil, err
	}
	body, err := c.Read(admitted)
	return admitted, body, err
}

// trusted is how much of an announced body is made room for before any of it came.
const trusted = 64 << 10

// readAll is io.ReadAll that starts with the size that the client announced: at
// once if it is small, else when so much has come that the rest can be believed.
func readAll(r *http.Request) ([]byte, error) {
	size := max(r.ContentLength, 0) + 1 // to meet the end without growing
	b := make([]byte, 0, min(size, trusted))
	for {
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		case len(b) < cap(b):
		case int64(cap(b)) < size:
			b = slices.Grow(b, int(min(size-int64(len(b)), 15*int64(len(b)))))
		default:
			b = slices.Grow(b, max(len(b), bytes.MinRead))
		}
	}
}

// bodyError tells what broke a read of the body: its size, its signature, or
// the client's going away.
func (c *Call) bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return c.tooLarge()
	}
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		return e
	}
	e := Serialization("The request body could not be read.")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e = awserr.New(http.StatusRequestTimeout, "RequestTimeoutException", "The request body came too slowly.")
	}
	e.Cause = err
	return e
}

func (c *Call) tooLarge() error {
	if c.table.TooLarge != nil {
		return c.table.TooLarge(c.Name, c.Limit)
	}
	return awserr.New(413, "RequestEntityTooLargeException",
		"Request must be smaller than %d bytes for the %s operation", c.Limit, c.Name)
}

// New makes an empty In.
func (c *Call) New() reflect.Value { return reflect.New(c.op.In) }

// OutType is the struct type that the handler's answer points to.
func (c *Call) OutType() reflect.Type { return c.op.Out }

// Check holds in, made by New, to the model. Its error is a front-end error.
func (c *Call) Check(in reflect.Value) error { return c.Refusal(c.In.Check(in.Elem())) }

// Refusal gives Violations, found by Check or Bind, the code that the service has for them.
func (c *Call) Refusal(err error) error {
	vs, ok := errors.AsType[Violations](err)
	if !ok {
		return err
	}
	code := c.table.ValidationCode
	if code == "" {
		code = "ValidationException"
	}
	return awserr.New(400, code, "%s", vs.Error())
}

// Do runs the handler. The struct that it returns is the Out, or invalid if
// there is none. Every error is an *awserr.Error; a panic is an internal one.
func (c *Call) Do(ctx context.Context, in reflect.Value) (out reflect.Value, err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p)
		}
		slog.ErrorContext(ctx, "handler panicked", "service", c.table.Name, "operation", c.Name,
			"request", RequestID(ctx), "panic", p, "stack", string(debug.Stack()))
		err = awserr.Internal(c.table.errorCode(), fmt.Errorf("panic: %v", p))
	}()
	answer, err := c.op.Call(ctx, in.Interface())
	if err != nil {
		return reflect.Value{}, c.failure(ctx, err)
	}
	return reflect.ValueOf(answer).Elem(), nil
}

// failure is err for the caller; what he may not see goes to the log.
func (c *Call) failure(ctx context.Context, err error) *awserr.Error {
	e := awserr.From(err, c.table.errorCode())
	if e.Fault == awserr.Server && ctx.Err() == nil {
		slog.ErrorContext(ctx, "operation failed", "service", c.table.Name, "operation", c.Name,
			"request", RequestID(ctx), "code", e.Code, "cause", e.Cause)
	}
	return e
}

func (t *Table) errorCode() string {
	if t.ErrorCode == "" {
		return "InternalFailure"
	}
	return t.ErrorCode
}
