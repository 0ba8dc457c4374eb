// Package awserr is the one error type that a caller of the API may see.
//
// A room that wants the caller to see a particular AWS error returns one of
// these, from any depth. Every other error reaches the caller as the service's
// internal failure, and its text goes to the log alone.
package awserr

import (
	"errors"
	"fmt"
)

// Fault says whose mistake it was.
type Fault int

// The two faults that AWS knows.
const (
	Client Fault = iota
	Server
)

// String is the fault as restJson1's Type member spells it: User or Server.
func (f Fault) String() string {
	if f == Server {
		return "Server"
	}
	return "User"
}

// Party is the fault as query's Type element spells it: Sender or Receiver.
func (f Fault) Party() string {
	if f == Server {
		return "Receiver"
	}
	return "Sender"
}

// An Error is an AWS error: a code from the service's model and a message for
// the caller. How it looks on the wire is the protocol's business.
type Error struct {
	Code    string
	Query   string // the code in the query protocol, where it is another; JSON clients of such a service are told both
	Message string
	Status  int // HTTP status
	Fault   Fault
	Members map[string]any    // further members of the error's shape, as "Reason"
	Header  map[string]string // further response headers, as "Retry-After"
	Cause   error             // for the log; never sent
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Unwrap returns the cause, so that errors.Is sees through an API error.
func (e *Error) Unwrap() error { return e.Cause }

// New makes a client fault.
func New(status int, code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: status}
}

// Internal makes a server fault that hides cause.
func Internal(code string, cause error) *Error {
	return &Error{Code: code, Message: "An internal error occurred.", Status: 500, Fault: Server, Cause: cause}
}

// From finds the API error in err, or hides err behind code.
func From(err error, code string) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Internal(code, err)
}
