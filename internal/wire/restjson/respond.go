package restjson

import (
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/eventstream"
)

// respond writes out, a struct of the operation's Out, or nothing if it is invalid.
func respond(w http.ResponseWriter, r *http.Request, call *wire.Call, out reflect.Value) {
	s := call.Out
	if !out.IsValid() {
		out = reflect.New(call.OutType()).Elem()
	}
	status := headers(w.Header(), s, out)
	if status == 0 {
		status = cmp.Or(call.Status, http.StatusOK)
	}
	w.Header().Set("X-Amzn-Requestid", wire.RequestID(r.Context()))
	switch {
	case status == http.StatusNoContent:
		w.WriteHeader(status)
	case s.Payload != nil:
		payload(w, r, s.Payload, out, status)
	default:
		send(w, status, "application/json", s.AppendJSON(nil, out))
	}
}

// headers sets the members that travel in headers, and returns the status if
// a member says it.
func headers(h http.Header, s *wire.Shape, out reflect.Value) (status int) {
	for _, f := range s.Fields {
		if f.Where != wire.Header && f.Where != wire.Status && f.Where != wire.Headers {
			continue
		}
		v, ok := f.Value(out)
		if !ok {
			continue
		}
		switch f.Where {
		case wire.Status:
			status = int(v.Int())
		case wire.Headers:
			for k, e := range v.Seq2() {
				h.Set(f.Name+k.String(), e.String())
			}
		default:
			h.Set(f.Name, f.HeaderText(v))
		}
	}
	return status
}

// payload writes an answer whose body is one member. Lambda calls every
// function's answer JSON, whatever it is, unless a member says otherwise.
func payload(w http.ResponseWriter, r *http.Request, f *wire.Field, out reflect.Value, status int) {
	v, ok := f.Value(out)
	switch {
	case !ok:
		send(w, status, "", nil)
	case f.Kind == wire.Blob:
		send(w, status, "application/json", v.Bytes())
	case f.Kind == wire.String:
		send(w, status, "text/plain", []byte(v.String()))
	case f.Kind == wire.Streamed:
		stream(w, r, status, wire.StreamOf(v))
	default:
		send(w, status, "application/json", f.AppendJSON(nil, v))
	}
}

// send writes body. kind is its content type, unless the headers have one.
func send(w http.ResponseWriter, status int, kind string, body []byte) {
	h := w.Header()
	if kind != "" && h.Get("Content-Type") == "" {
		h.Set("Content-Type", kind)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // a client that went away is no error of ours
}

// stream lets the operation write its answer.
func stream(w http.ResponseWriter, r *http.Request, status int, write wire.Stream) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", eventstream.Type)
	}
	wire.SendStream(w, r, status, write)
}

// refuse writes an error of the front end: a code in a header, and a message.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := awserr.From(err, h.table.ErrorCode)
	message := e.Message
	if e.Code == "MissingAuthenticationTokenException" {
		message = "Missing Authentication Token" // as AWS puts it for REST services alone
	}
	fault(w, r, e, append(wire.AppendString([]byte(`{"message":`), message), '}'))
}

// fail writes an error of the operation, in the service's own form if it has one.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := awserr.From(err, h.table.ErrorCode)
	var body map[string]any
	if h.table.ErrorBody != nil {
		body = h.table.ErrorBody(e)
	} else {
		body = map[string]any{"message": e.Message}
		for k, v := range e.Members {
			body[k] = v
		}
	}
	b, err := json.Marshal(body)
	if err != nil { // a member that is no JSON: the message is what matters
		b = append(wire.AppendString([]byte(`{"message":`), e.Message), '}')
	}
	fault(w, r, e, b)
}

func fault(w http.ResponseWriter, r *http.Request, e *awserr.Error, body []byte) {
	h := w.Header()
	for k, v := range e.Header {
		h.Set(k, v)
	}
	h.Set("X-Amzn-Requestid", wire.RequestID(r.Context()))
	h.Set("X-Amzn-Errortype", e.Code)
	send(w, e.Status, "application/json", body)
}
