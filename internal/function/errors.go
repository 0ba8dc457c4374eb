package function

import (
	"errors"
	"fmt"
)

// What a Refusal is about.
var (
	ErrInvalid       = errors.New("function: invalid value")
	ErrValidation    = errors.New("function: value violates a constraint")
	ErrNotFound      = errors.New("function: no such thing")
	ErrConflict      = errors.New("function: in the way of what is there")
	ErrPrecondition  = errors.New("function: revision does not match")
	ErrTooLarge      = errors.New("function: too large")
	ErrStorage       = errors.New("function: code storage is used up")
	ErrPolicyLength  = errors.New("function: policy is too long")
	ErrForbidden     = errors.New("function: belongs to another account")
	ErrNoProvisioned = errors.New("function: no provisioned concurrency")
	ErrNoCodeSigning = errors.New("function: no code signing configuration")
	ErrContent       = errors.New("function: payload is not JSON")
	ErrRuntime       = errors.New("function: runtime cannot run here")
	ErrLocation      = errors.New("function: code location is not valid")
	ErrPublicPolicy  = errors.New("function: policy is public")
	ErrRecursive     = errors.New("function: part of a loop")
)

// ErrClosed is the error of an invocation that comes after Close.
var ErrClosed = errors.New("function: closed")

// A Refusal is the error for a request that the rules do not allow. Its text
// is for the caller; errors.Is tells its kind.
type Refusal struct {
	Kind error
	Text string
}

func (r *Refusal) Error() string { return r.Text }

// Unwrap returns the kind.
func (r *Refusal) Unwrap() error { return r.Kind }

func refuse(kind error, format string, args ...any) error {
	return &Refusal{kind, fmt.Sprintf(format, args...)}
}

// A Throttled is the error for an invocation that found no room.
type Throttled struct {
	Reason string // "ReservedFunctionConcurrentInvocationLimitExceeded"
}

func (t *Throttled) Error() string { return "function: throttled: " + t.Reason }

func errRevision() error {
	return refuse(ErrPrecondition, "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
}

func errInProgress(arn string) error {
	return refuse(ErrConflict, "The operation cannot be performed at this time. An update is in progress for resource: %s", arn)
}

func errState(state string) error {
	return refuse(ErrConflict, "The operation cannot be performed at this time. The function is currently in the following state: %s", state)
}

func errNoFunction(arn string) error { return refuse(ErrNotFound, "Function not found: %s", arn) }
