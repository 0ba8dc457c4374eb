// Package cbor speaks rpcv2Cbor: every operation is a POST to
// /service/NAME/operation/OP, with CBOR both ways.
//
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
package cbor

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// name is what requests and answers call the protocol.
const name = "rpc-v2-cbor"

// Protocol is rpcv2Cbor.
type Protocol struct{}

// Speaks says whether r is in this protocol.
func (Protocol) Speaks(r *http.Request) bool { return r.Header.Get("Smithy-Protocol") == name }

// Handler serves s. The NAME in the path is the service's Target.
func (Protocol) Handler(s wire.Service, gate wire.Gate) http.Handler {
	return handler{table: wire.NewTable(s, gate), codec: newCodec()}
}

type handler struct {
	table *wire.Table
	codec codec
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, op, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/service/"), "/operation/")
	call := h.table.Calls[op]
	if call == nil || service != h.table.Target || r.Method != http.MethodPost {
		h.fail(w, r, wire.UnknownOperation())
		return
	}
	in, r, err := h.decode(w, r, call)
	if err != nil {
		h.fail(w, r, err)
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
func (h handler) decode(w http.ResponseWriter, r *http.Request, call *wire.Call) (reflect.Value, *http.Request, error) {
	var none reflect.Value
	r, body, err := call.Take(w, r)
	if err != nil {
		return none, r, err
	}
	in := call.New()
	if len(body) > 0 { // an operation without members may come without a body
		tree, err := h.codec.parse(body)
		if err != nil {
			return none, r, err
		}
		if err := call.In.Bind(tree, in.Elem()); err != nil {
			return none, r, call.Refusal(err)
		}
	}
	return in, r, call.Check(in)
}

func (h handler) fail(w http.ResponseWriter, r *http.Request, err error) {
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

func (h handler) send(w http.ResponseWriter, r *http.Request, status int, tree map[string]any) {
	body, err := h.codec.enc.Marshal(tree)
	if err != nil {
		panic(err) // trees are made of what CBOR has
	}
	head := w.Header()
	head.Set("Smithy-Protocol", name)
	head.Set("Content-Type", "application/cbor")
	head.Set("Content-Length", strconv.Itoa(len(body)))
	head.Set("X-Amzn-Requestid", wire.RequestID(r.Context()))
	w.WriteHeader(status)
	w.Write(body) // a client that went away is no error of ours
}

// A codec reads and writes trees.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() codec {
	enc, err := cbor.EncOptions{Time: cbor.TimeUnixDynamic, TimeTag: cbor.EncTagRequired, Sort: cbor.SortLengthFirst}.EncMode()
	if err != nil {
		panic(err) // options are code
	}
	dec, err := cbor.DecOptions{
		DefaultMapType:   reflect.TypeFor[map[string]any](),
		MaxNestedLevels:  64,
		MaxArrayElements: 1 << 20,
		MaxMapPairs:      1 << 20,
		TimeTag:          cbor.DecTagOptional,
		IntDec:           cbor.IntDecConvertSignedOrFail,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return codec{enc, dec}
}

// parse reads one CBOR value as a tree.
func (c codec) parse(b []byte) (any, error) {
	var tree any
	if err := c.dec.Unmarshal(b, &tree); err != nil {
		return nil, wire.Serialization("Could not parse request body into cbor: %v", err)
	}
	return tree, nil
}
