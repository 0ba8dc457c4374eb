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
	method, serve := s.find(run, r.URL.Path)
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

// find finds who serves path; nil for nobody.
func (s *Server) find(run *run, path string) (method string, serve http.HandlerFunc) {
	if rest, ok := strings.CutPrefix(path, base); ok {
		return s.route(run, rest)
	}
	if path == "/ping" || path == "/2018-06-01/ping" { // the emulator's
		return "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "pong") }
	}
	return s.extensionRoute(run, path)
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
