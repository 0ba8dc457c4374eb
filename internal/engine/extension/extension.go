// Package extension keeps the extensions of one sandbox: which there are, what
// they listen for, and where each is in its life. It speaks no HTTP and starts no
// process: package runtimeapi serves the Extensions API from it, and the engine
// runs what is in /opt/extensions.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
package extension

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Most is how many extensions a function may have.
const Most = 10

// The events that an extension may listen for.
const (
	Invoke   = "INVOKE"
	Shutdown = "SHUTDOWN"
)

// Why a sandbox ends, as AWS's own emulator spells it.
const (
	Spindown = "spindown" // it is needed no more
	Timeout  = "timeout"  // an invocation took too long
	Failure  = "failure"  // the runtime or an extension broke
)

// An Event is what an extension is told.
type Event struct {
	Type       string // Invoke or Shutdown
	Deadline   time.Time
	RequestID  string // this and what follows: of an invocation
	InvokedARN string
	Trace      string
	Reason     string // of a shutdown
}

// MarshalJSON is the event as AWS writes it.
func (e Event) MarshalJSON() ([]byte, error) {
	type tracing struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	doc := struct {
		Type       string   `json:"eventType"`
		Deadline   int64    `json:"deadlineMs"`
		RequestID  string   `json:"requestId,omitempty"`
		InvokedARN string   `json:"invokedFunctionArn,omitempty"`
		Tracing    *tracing `json:"tracing,omitempty"`
		Reason     string   `json:"shutdownReason,omitempty"`
	}{Type: e.Type, Deadline: e.Deadline.UnixMilli(), RequestID: e.RequestID, InvokedARN: e.InvokedARN, Reason: e.Reason}
	if e.Type == Invoke {
		doc.Tracing = &tracing{"X-Amzn-Trace-Id", e.Trace}
	}
	return json.Marshal(doc)
}

// A Refusal is an error of the API's. The error types are AWS's.
type Refusal struct {
	Type    string // "Extension.InvalidExtensionState"
	Message string
}

func (r *Refusal) Error() string { return r.Type + ": " + r.Message }

func refuse(kind, format string, args ...any) *Refusal {
	return &Refusal{"Extension." + kind, fmt.Sprintf(format, args...)}
}

// notAllowed says that an extension may not go from one state to another.
func notAllowed(from, to state, who string) *Refusal {
	return refuse("InvalidExtensionState",
		"State transition from %s to %s failed for extension %s. Error: State transition is not allowed", from, to, who)
}

// A Request is what an extension registers with.
type Request struct {
	Events  []string
	Account bool // it wants to know the function's account
}

// ParseRequest reads the body of a registration, and the features that its header
// asks for.
func ParseRequest(body []byte, features string) (Request, error) {
	var doc struct {
		Events            []string `json:"events"`
		ConfigurationKeys []string `json:"configurationKeys"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return Request{}, &Refusal{"InvalidRequestFormat", err.Error()}
	}
	if len(doc.ConfigurationKeys) > 0 {
		return Request{}, &Refusal{"InvalidRequestFormat", "configurationKeys are deprecated; use environment variables instead"}
	}
	r := Request{Events: doc.Events}
	for f := range strings.SplitSeq(features, ",") {
		r.Account = r.Account || strings.TrimSpace(f) == "accountId"
	}
	return r, nil
}

// check refuses events that there are not, and that an internal extension, which
// ends with the runtime, cannot be told.
func (r Request) check(external bool) *Refusal {
	for _, e := range r.Events {
		switch {
		case e != Invoke && e != Shutdown:
			return refuse("InvalidEventType", "%s: ErrorInvalidEventType", e)
		case e == Shutdown && !external:
			return refuse("InvalidEventType", "%s: ShutdownEventNotSupportedForInternalExtension", e)
		}
	}
	return nil
}

// events are what r asks for, each once.
func (r Request) events() []string {
	var once []string
	for _, e := range r.Events {
		if !slices.Contains(once, e) {
			once = append(once, e)
		}
	}
	return once
}

// An Info tells of one extension what log and telemetry say.
type Info struct {
	Name      string
	State     string   // "Ready"
	Events    []string // that it listens for
	ErrorType string   // "" for none
}
