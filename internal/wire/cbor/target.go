package cbor

import (
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// targetType is the media type of requests and answers of Target.
const targetType = "application/x-amz-cbor-1.1"

// Target is the older CBOR, in which Java's SDKs speak to Kinesis: requests are
// those of awsJson1.1, with its header X-Amz-Target, and CBOR in the place of
// JSON. It has no published specification. Times are whole milliseconds since
// 1970 behind the tag of a time, though that tag is for seconds.
//
// https://github.com/aws/aws-sdk-java-v2/blob/master/core/protocols/aws-cbor-protocol
type Target struct{}

// Speaks says whether r is in this protocol.
func (Target) Speaks(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-cbor")
}

// Handler serves s.
func (Target) Handler(s wire.Service, gate wire.Gate) http.Handler {
	return targetHandler{handler{table: wire.NewTable(s, gate), codec: newCodec()}}
}

type targetHandler struct{ handler }

func (h targetHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	prefix, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	call := h.table.Calls[op]
	if call == nil || prefix != h.table.Target || r.Method != http.MethodPost {
		h.fail(w, r, wire.UnknownOperation())
		return
	}
	if call.Out != nil && call.Out.Payload != nil { // the SDKs, too, ask for event streams in JSON
		h.fail(w, r, wire.Serialization("Mayfly serves %s in JSON alone.", op))
		return
	}
	in, r, err := h.decode(w, r, call)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	out, err := call.Do(r.Context(), in)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	tree := map[string]any{}
	if out.IsValid() {
		tree = call.Out.Tree(out)
	}
	h.send(w, r, http.StatusOK, tree)
}

// decode makes the operation's In of r. The request that it returns is never nil.
func (h targetHandler) decode(w http.ResponseWriter, r *http.Request, call *wire.Call) (reflect.Value, *http.Request, error) {
	var none reflect.Value
	r, body, err := call.Take(w, r)
	if err != nil {
		return none, r, err
	}
	in := call.New()
	if len(body) > 0 {
		tree, err := h.codec.parse(body)
		if err != nil {
			return none, r, err
		}
		if err := call.In.Bind(fromMillis(tree), in.Elem()); err != nil {
			return none, r, call.Refusal(err)
		}
	}
	return in, r, call.Check(in)
}

// refuse writes an error of the front end, as awsjson does.
func (h targetHandler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := *awserr.From(err, h.table.ErrorCode)
	if e.Status == http.StatusForbidden {
		e.Status = http.StatusBadRequest
	}
	h.fail(w, r, &e)
}

func (h targetHandler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := awserr.From(err, h.table.ErrorCode)
	tree := map[string]any{"__type": e.Code, "message": e.Message}
	for k, v := range e.Members {
		tree[k] = v
	}
	for k, v := range e.Header {
		w.Header().Set(k, v)
	}
	h.send(w, r, e.Status, tree)
}

func (h targetHandler) send(w http.ResponseWriter, r *http.Request, status int, tree map[string]any) {
	body, err := h.codec.enc.Marshal(toMillis(tree))
	if err != nil {
		panic(err) // trees are made of what CBOR has
	}
	head := w.Header()
	head.Set("Content-Type", targetType)
	head.Set("Content-Length", strconv.Itoa(len(body)))
	head.Set("X-Amzn-Requestid", wire.RequestID(r.Context()))
	w.WriteHeader(status)
	w.Write(body) // a client that went away is no error of ours
}

// timeTag is what CBOR marks a time with.
const timeTag = 1

// maxSeconds is more than any time in seconds, and less than any of this
// century in milliseconds.
const maxSeconds = 1e11

// fromMillis corrects the times of a tree, which were read as seconds. Numbers
// that can only be seconds are left.
func fromMillis(tree any) any {
	switch t := tree.(type) {
	case map[string]any:
		for k, v := range t {
			t[k] = fromMillis(v)
		}
	case []any:
		for i, v := range t {
			t[i] = fromMillis(v)
		}
	case time.Time:
		if s := t.Unix(); math.Abs(float64(s)) >= maxSeconds {
			return time.UnixMilli(s).UTC()
		}
	}
	return tree
}

// toMillis writes the times of a tree as milliseconds.
func toMillis(tree any) any {
	switch t := tree.(type) {
	case map[string]any:
		for k, v := range t {
			t[k] = toMillis(v)
		}
	case []any:
		for i, v := range t {
			t[i] = toMillis(v)
		}
	case time.Time:
		return cbor.Tag{Number: timeTag, Content: t.UnixMilli()}
	}
	return tree
}
