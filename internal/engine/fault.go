package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// The platform's own error types.
const (
	exitError         = "Runtime.ExitError"
	invalidEntrypoint = "Runtime.InvalidEntrypoint"
	outOfMemory       = "Runtime.OutOfMemory"
	timedOut          = "Sandbox.Timedout"
	truncated         = "Runtime.TruncatedResponse"
	unknown           = "Function.Unknown" // whatever code calls its own errors

	initFailure = "FUNCTION_ERROR_INIT_FAILURE" // as StatusReason of provisioned concurrency
)

// A status is how a phase ended, as log lines say it.
type status string

const (
	success status = "success"
	failed  status = "error"   // the code said so
	crashed status = "failure" // the platform said so
	late    status = "timeout"
)

// A fault is what went wrong in initialisation or an invocation, on the code's side.
type fault struct {
	status  status
	kind    string // error type
	logged  string // error type in log lines, where it differs
	message string // the platform's words; "" when payload is the code's
	payload []byte
}

// reported is a fault that the runtime reported by itself.
func reported(f *runtimeapi.Failure) *fault {
	switch f.Type {
	case truncated:
		return &fault{status: crashed, kind: truncated, message: "Runtime closed the connection before its response was complete"}
	case "Runtime.InvalidResponseModeHeader":
		return &fault{status: crashed, kind: f.Type, message: "Invalid function response mode"}
	}
	kind := f.Type
	if kind == "" {
		var doc struct{ ErrorType string }
		_ = json.Unmarshal(f.Payload, &doc) // not every runtime posts JSON
		kind = or(doc.ErrorType, unknown)
	}
	payload := f.Payload
	if len(payload) == 0 {
		payload = document(kind, "")
	}
	return &fault{status: failed, kind: kind, logged: scrubbed(f.Type), payload: payload}
}

// exited is the fault of a process that has ended.
func exited(x sandbox.Exit, oom bool) *fault {
	f := &fault{status: crashed, kind: exitError}
	switch {
	case oom:
		f.logged, f.message = outOfMemory, "Runtime exited with error: signal: killed"
	case x.Signal != 0:
		f.message = "Runtime exited with error: signal: " + x.Signal.String()
	case x.Code != 0:
		f.message = fmt.Sprintf("Runtime exited with error: exit status %d", x.Code)
	default:
		f.message = "Runtime exited without providing a reason"
	}
	return f
}

// overran is the fault of taking longer than limit.
func overran(limit time.Duration) *fault {
	return &fault{status: late, kind: timedOut, message: fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds())}
}

// unstartable is the fault behind an error of Sandbox.Start, or nil when the
// platform is to blame. Of a program that is there and cannot be executed, of
// another machine's format for instance, AWS says what the kernel says.
func (i *instance) unstartable(err error) *fault {
	var path *fs.PathError
	switch {
	case errors.As(err, &path) && path.Op == "fork/exec":
		message := "fork/exec " + i.inside(path.Path) + ": " + path.Err.Error()
		return &fault{status: crashed, kind: invalidEntrypoint, message: message}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return &fault{status: crashed, kind: invalidEntrypoint, message: err.Error()}
	}
	return nil
}

// inside is what a path of a command, as Sandbox.Path tells it, is on AWS.
func (i *instance) inside(path string) string {
	for _, root := range []string{taskRoot, optRoot, runtimeRoot, "/var/lang"} {
		if rest, ok := strings.CutPrefix(path, i.box.Path(root)); ok {
			return root + rest
		}
	}
	return path
}

// own reports whether f is an error that the handler raised, and nothing that
// the platform has a name for. AWS's REPORT line, in text, is silent about those.
func (f *fault) own() bool { return f.status == failed && f.logged == unknown }

// failure is f as the caller of the invocation called id sees it.
func (f *fault) failure(id string) *Failure {
	if f.payload != nil {
		return &Failure{Type: f.kind, Payload: f.payload}
	}
	return &Failure{Type: f.kind, Payload: document(f.kind, "RequestId: "+id+" Error: "+f.message)}
}

// logKind is the error type in log lines.
func (f *fault) logKind() string { return or(f.logged, f.kind) }

func document(kind, message string) []byte {
	b, _ := json.Marshal(struct { // of strings: cannot fail
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{kind, message})
	return b
}

// scrubbed is what becomes of an error type in log lines and telemetry, where
// only Runtime.Reason and Function.Reason may appear.
func scrubbed(kind string) string {
	switch {
	case regexp.MustCompile(`^(Runtime|Function)\.[A-Z][a-zA-Z]+$`).MatchString(kind):
		return kind
	case strings.HasPrefix(kind, "Runtime."):
		return "Runtime.Unknown"
	}
	return unknown
}
