package runtimeapi

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

const base = "/2018-06-01/runtime/"

// serve routes by hand: there are few paths, and one of them is hot.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	run := s.enter()
	if run == nil {
		panic(http.ErrAbortHandler)
	}
	defer s.serving.Done()
	rest, ok := strings.CutPrefix(r.URL.Path, base)
	if !ok {
		s.elsewhere(w, r)
		return
	}
	method, serve := s.route(run, rest)
	switch {
	case serve == nil:
		http.NotFound(w, r)
	case r.Method != method:
		w.Header().Set("Allow", method)
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		serve(w, r)
	}
}

func (s *Server) route(run *run, rest string) (method string, serve http.HandlerFunc) {
	switch rest {
	case "invocation/next":
		return "GET", run.serveNext
	case "init/error":
		return "POST", run.serveInitError
	case "restore/next":
		return "GET", run.serveRestoreNext
	case "restore/error":
		return "POST", run.serveRestoreError
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(rest, "invocation/"), "/")
	switch {
	case !strings.HasPrefix(rest, "invocation/"):
	case verb == "response":
		return "POST", func(w http.ResponseWriter, r *http.Request) { run.serveResponse(w, r, id) }
	case verb == "error":
		return "POST", func(w http.ResponseWriter, r *http.Request) { run.serveError(w, r, id) }
	}
	return "", nil
}

// elsewhere answers what is not the Runtime API proper: the emulator's ping,
// and the APIs of extensions, which are not here yet.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request) {
	switch p := r.URL.Path; {
	case p == "/ping" || p == "/2018-06-01/ping":
		io.WriteString(w, "pong")
	case strings.HasPrefix(p, "/2020-01-01/extension/"):
		write(w, &refusal{http.StatusNotImplemented, "Extension.NotSupported", "Extensions API is not supported"})
	// The emulator accepts subscriptions that it will not serve, so that the
	// clients which make one at start do not give up. So do we.
	case p == "/2022-07-01/telemetry":
		write(w, &refusal{http.StatusAccepted, "Telemetry.NotSupported", "Telemetry API is not supported"})
	case p == "/2020-08-15/logs":
		write(w, &refusal{http.StatusAccepted, "Logs.NotSupported", "Logs API is not supported"})
	default:
		http.NotFound(w, r)
	}
}

// write renders a refusal.
func write(w http.ResponseWriter, e *refusal) {
	b, _ := json.Marshal(struct { // of strings: cannot fail
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}{e.message, e.errorType})
	w.Header()["Content-Type"] = jsonType()
	w.WriteHeader(e.status)
	w.Write(b)
}

// accept renders the answer to what was posted and is good.
func accept(w http.ResponseWriter) {
	w.Header()["Content-Type"] = jsonType()
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, "{\"status\":\"OK\"}\n")
}

func jsonType() []string { return []string{"application/json"} }
