package runtimeapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/engine/extension"
)

// A Function is what extensions learn of the function, and what they do with it.
type Function struct {
	Name, Version, Handler, Account string

	// Subscribe is the extension called name subscribing to telemetry, by the Logs
	// API or by the one after it. The error is told as it is; nil for no telemetry.
	Subscribe func(name string, logs bool, body []byte) *SubscribeError
}

// A SubscribeError is why a subscription is refused.
type SubscribeError struct {
	Status  int // of HTTP
	Type    string
	Message string
}

// Describe says whose extensions the Server serves. It is called before the
// function's own code runs.
func (s *Server) Describe(f Function) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.function = f
}

// Extensions are those of the runtime that came after the last Reset.
func (s *Server) Extensions() *extension.Registry { return &s.current().extensions }

// Paths of the APIs that extensions use.
const (
	extensionBase = "/2020-01-01/extension/"
	telemetryPath = "/2022-07-01/telemetry"
	logsPath      = "/2020-08-15/logs"
)

// Headers of the Extensions API.
const (
	headerName       = "Lambda-Extension-Name"
	headerIdentifier = "Lambda-Extension-Identifier"
	headerEvent      = "Lambda-Extension-Event-Identifier"
	headerFeature    = "Lambda-Extension-Accept-Feature"
	headerFailure    = "Lambda-Extension-Function-Error-Type"
)

// most is the longest body that an extension may send.
const mostFromExtension = 1 << 20

// extensionRoute finds who serves a call of an extension; nil for nobody.
func (s *Server) extensionRoute(run *run, path string) (method string, serve http.HandlerFunc) {
	switch strings.TrimSuffix(path, "/") {
	case extensionBase + "register":
		return "POST", func(w http.ResponseWriter, r *http.Request) { s.serveRegister(run, w, r) }
	case extensionBase + "event/next":
		return "GET", identified(run.serveExtensionNext)
	case extensionBase + "init/error":
		return "POST", identified(run.serveExtensionError(run.extensions.InitError))
	case extensionBase + "exit/error":
		return "POST", identified(run.serveExtensionError(run.extensions.ExitError))
	case telemetryPath:
		return "PUT", identified(s.serveSubscribe(run, false))
	case logsPath:
		return "PUT", identified(s.serveSubscribe(run, true))
	}
	return "", nil
}

// An identifiedHandler serves a call of the extension that has an identifier.
type identifiedHandler func(w http.ResponseWriter, r *http.Request, id string)

// identified demands an identifier: a UUID.
func identified(serve identifiedHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(r.Header.Get(headerIdentifier))
		switch {
		case id == "":
			write(w, &refusal{403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"})
		case !isUUID(id):
			write(w, &refusal{403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"})
		default:
			serve(w, r, id)
		}
	}
}

// isUUID tells whether s has the form of one, in lower case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash && c != '-', !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// serveRegister is POST /extension/register.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-extensions-registration-api-a
func (s *Server) serveRegister(run *run, w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get(headerName)
	if name == "" {
		write(w, &refusal{403, "Extension.InvalidExtensionName", "Empty extension name"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostFromExtension))
	if err != nil {
		write(w, &refusal{403, "InvalidRequestFormat", err.Error()})
		return
	}
	req, err := extension.ParseRequest(body, strings.Join(r.Header.Values(headerFeature), ","))
	if err != nil {
		writeExtension(w, err)
		return
	}
	id, err := run.extensions.Register(name, req)
	if err != nil {
		writeExtension(w, err)
		return
	}
	s.mu.Lock()
	f := s.function
	s.mu.Unlock()
	if !req.Account {
		f.Account = ""
	}
	w.Header().Set(headerIdentifier, id)
	writeJSON(w, http.StatusOK, struct {
		Name    string `json:"functionName"`
		Version string `json:"functionVersion"`
		Handler string `json:"handler"`
		Account string `json:"accountId,omitempty"`
	}{f.Name, f.Version, f.Handler, f.Account})
}

// serveExtensionNext is GET /extension/event/next. It blocks until there is one.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#extensions-api-next
func (r *run) serveExtensionNext(w http.ResponseWriter, req *http.Request, id string) {
	events, err := r.extensions.Ask(id)
	if err != nil {
		writeExtension(w, err)
		return
	}
	select {
	case e, ok := <-events:
		if !ok {
			panic(http.ErrAbortHandler) // no answer, but the end of the connection
		}
		w.Header().Set(headerEvent, extension.NewID())
		writeJSON(w, http.StatusOK, e)
	case <-req.Context().Done():
		r.extensions.Leave(id, events)
		panic(http.ErrAbortHandler)
	}
}

// serveExtensionError is POST /extension/init/error and /extension/exit/error.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-extensions-init-error
func (r *run) serveExtensionError(note func(id, kind string) error) identifiedHandler {
	return func(w http.ResponseWriter, req *http.Request, id string) {
		kind := req.Header.Get(headerFailure)
		if kind == "" {
			write(w, &refusal{403, "Extension.MissingHeader", headerFailure + " not found"})
			return
		}
		if err := note(id, kind); err != nil {
			writeExtension(w, err)
			return
		}
		accept(w)
	}
}

// serveSubscribe is PUT /2022-07-01/telemetry, and /2020-08-15/logs before it.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
func (s *Server) serveSubscribe(run *run, logs bool) identifiedHandler {
	return func(w http.ResponseWriter, r *http.Request, id string) {
		name, err := run.extensions.Name(id)
		if err != nil {
			writeExtension(w, err)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostFromExtension))
		if err != nil {
			write(w, &refusal{400, "ValidationError", err.Error()})
			return
		}
		s.mu.Lock()
		subscribe := s.function.Subscribe
		s.mu.Unlock()
		if subscribe == nil {
			noTelemetry(w, logs)
			return
		}
		if e := subscribe(name, logs, body); e != nil {
			write(w, &refusal{e.Status, e.Type, e.Message})
			return
		}
		w.Header()["Content-Type"] = jsonType()
		io.WriteString(w, `"OK"`)
	}
}

// noTelemetry answers as the emulator does, which accepts subscriptions that it
// will not serve, so that the clients which make one at start do not give up.
func noTelemetry(w http.ResponseWriter, logs bool) {
	if logs {
		write(w, &refusal{http.StatusAccepted, "Logs.NotSupported", "Logs API is not supported"})
		return
	}
	write(w, &refusal{http.StatusAccepted, "Telemetry.NotSupported", "Telemetry API is not supported"})
}

// writeExtension renders why an extension was refused.
func writeExtension(w http.ResponseWriter, err error) {
	var e *extension.Refusal
	if !errors.As(err, &e) {
		write(w, &refusal{500, "InternalServerError", "Internal Server Error"})
		return
	}
	write(w, &refusal{403, e.Type, e.Message})
}

func writeJSON(w http.ResponseWriter, status int, doc any) {
	b, err := json.Marshal(doc)
	if err != nil {
		panic("runtimeapi: an answer cannot be encoded: " + err.Error())
	}
	w.Header()["Content-Type"] = jsonType()
	w.WriteHeader(status)
	w.Write(b)
}
