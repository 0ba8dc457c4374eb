// Package awsjson speaks awsJson1.0 and 1.1: every operation is a POST to /,
// named in X-Amz-Target, with JSON both ways.
//
// https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
package awsjson

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/eventstream"
)

// Protocol is awsJson. The client says which version it speaks.
type Protocol struct{}

// Speaks says whether r names an operation the way that this protocol does.
func (Protocol) Speaks(r *http.Request) bool {
	return r.Header.Get("X-Amz-Target") != "" && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-cbor")
}

// Handler serves s.
func (Protocol) Handler(s wire.Service, gate wire.Gate) http.Handler {
	return handler{wire.NewTable(s, gate)}
}

type handler struct{ table *wire.Table }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	prefix, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	call := h.table.Calls[op]
	if call == nil || prefix != h.table.Target || r.Method != http.MethodPost {
		h.fail(w, r, wire.UnknownOperation())
		return
	}
	in, r, err := decode(w, r, call)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	out, err := call.Do(r.Context(), in)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body := []byte("{}")
	if out.IsValid() {
		body = call.Out.AppendJSON(nil, out)
	}
	if p := call.Out.Payload; p != nil && p.Kind == wire.Streamed && out.IsValid() {
		stream(w, r, body, p, out)
		return
	}
	send(w, r, http.StatusOK, body)
}

// stream sends an answer that has an event stream: the other members, body, are
// its first message.
//
// https://smithy.io/2.0/aws/amazon-eventstream.html#initial-response-messages
func stream(w http.ResponseWriter, r *http.Request, body []byte, p *wire.Field, out reflect.Value) {
	h := w.Header()
	h.Set("Content-Type", eventstream.Type)
	h.Set("X-Amzn-Requestid", wire.RequestID(r.Context()))
	v, _ := p.Value(out)
	write := wire.StreamOf(v)
	wire.SendStream(w, r, http.StatusOK, func(w io.Writer) error {
		if _, err := w.Write(eventstream.Append(nil, eventstream.Event("initial-response", jsonType), body)); err != nil {
			return err
		}
		return write(w)
	})
}

const jsonType = "application/x-amz-json-1.1"

// decode makes the operation's In of r. The request that it returns is never nil.
func decode(w http.ResponseWriter, r *http.Request, call *wire.Call) (reflect.Value, *http.Request, error) {
	var none reflect.Value
	r, body, err := call.Take(w, r)
	if err != nil {
		return none, r, err
	}
	tree, err := wire.ParseJSON(body)
	if err != nil {
		return none, r, err
	}
	in := call.New()
	if tree != nil {
		if err := call.In.Bind(tree, in.Elem()); err != nil {
			return none, r, call.Refusal(err)
		}
	}
	return in, r, call.Check(in)
}

// refuse writes an error of the front end, which answers every client's
// mistake with a 400 here, those of its signature included.
func (h handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := *awserr.From(err, h.table.ErrorCode)
	if e.Status == http.StatusForbidden {
		e.Status = http.StatusBadRequest
	}
	h.fail(w, r, &e)
}

func (h handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := awserr.From(err, h.table.ErrorCode)
	body := map[string]any{"__type": e.Code, "message": e.Message}
	for k, v := range e.Members {
		body[k] = v
	}
	b, err := json.Marshal(body)
	if err != nil { // a member that is no JSON: code and message are what matters
		b = wire.AppendString([]byte(`{"__type":`), e.Code)
		b = append(wire.AppendString(append(b, `,"message":`...), e.Message), '}')
	}
	for k, v := range e.Header {
		w.Header().Set(k, v)
	}
	if e.Query != "" { // https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait
		w.Header().Set("X-Amzn-Query-Error", e.Query+";"+e.Fault.Party())
	}
	send(w, r, e.Status, b)
}

func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	kind := jsonType
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.0") {
		kind = "application/x-amz-json-1.0"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Amzn-Requestid", wire.RequestID(r.Context()))
	w.WriteHeader(status)
	w.Write(body) // a client that went away is no error of ours
}
