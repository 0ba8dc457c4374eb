package engine

import (
	"context"
	"io"
	"time"
)

// A Unit is code that can run: an immutable function version, or one state of
// $LATEST.
type Unit struct {
	Key      string // names this code and configuration: same Key, same sandboxes
	Function string // name of the function
	Version  string // "$LATEST" or a number
	ARN      string // of the function, unqualified
	Account  string
	Region   string

	Runtime  string // "python3.12", "nodejs22.x", "provided.al2023"
	Arch     string // "x86_64", "arm64"
	Handler  string
	Env      map[string]string // the user's variables
	MemoryMB int
	TmpMB    int
	Timeout  time.Duration
	Code     string // host directory shown at /var/task
	Opt      string // host directory shown at /opt; "" for none

	Log Logging

	// Credentials makes the role's temporary credentials for a new sandbox.
	Credentials func(ctx context.Context) (Credentials, error)
}

// Logging says where a unit's log goes and in which form.
type Logging struct {
	Group       string // "/aws/lambda/NAME"
	JSON        bool
	AppLevel    string // with JSON: "INFO"
	SystemLevel string // with JSON: "INFO"
}

// Credentials are what code inside signs with.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
}

// A Call is one invocation, on its way in.
type Call struct {
	RequestID     string
	Payload       []byte
	InvokedARN    string // with the qualifier that the caller used
	ClientContext string // JSON, decoded
	TraceHeader   string // X-Amzn-Trace-Id
	Tail          bool   // the caller wants the last 4 KB of the log

	// Begin, if any, is told the media type that the code gives its answer,
	// "" for none: once, before the first byte of Answer, and not at all when
	// there is no answer.
	Begin func(contentType string)

	// Answer gets the payload as the code writes it. When the invocation
	// fails, what it got is the beginning of an answer that never came.
	Answer io.Writer

	// Limit is the most bytes that Answer may get; past it the invocation
	// fails as Function.ResponseSizeTooLarge. 0 is no limit.
	Limit int64
}

// An Outcome is how an invocation ended. A failure of the code is an Outcome,
// never an error.
type Outcome struct {
	Failure *Failure // nil for success
	Tail    []byte   // the log's end, when Call asked for it
	Report  Report

	// Late, unless nil, brings the Report, once: extensions are still at work, and
	// Report is not known. A Call that asks for the Tail waits for them.
	Late <-chan Report
}

// A Failure is what the code, or the platform in its name, says went wrong.
type Failure struct {
	Type    string // "Runtime.ExitError", "Sandbox.Timedout", or the code's own
	Payload []byte // JSON object with errorType and errorMessage
}

// A Report is what the invocation cost.
type Report struct {
	Start       time.Time
	Duration    time.Duration
	Init        time.Duration // 0 when the sandbox was warm
	BilledMS    int64         // whole milliseconds, init included
	MaxMemoryMB int
	CPU         time.Duration
	Cold        bool
	Provisioned bool
}

// A Throttle is the error for an invocation that found no room.
type Throttle struct {
	Reason string // as TooManyRequestsException's Reason: "ReservedFunctionConcurrentInvocationLimitExceeded"
}

func (t *Throttle) Error() string { return "engine: throttled: " + t.Reason }
