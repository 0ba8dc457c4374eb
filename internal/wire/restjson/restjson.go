// Package restjson speaks restJson1: operations are told by method and path,
// and members travel in the path, the query, headers and a JSON body.
//
// https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
package restjson

import (
	"net/http"
	"reflect"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// Protocol is restJson1.
type Protocol struct{}

// Speaks says whether r can be in this protocol: it has no target and no form.
func (Protocol) Speaks(r *http.Request) bool {
	return r.Header.Get("X-Amz-Target") == "" && r.Header.Get("Smithy-Protocol") == ""
}

// Handler serves s.
func (Protocol) Handler(s wire.Service, gate wire.Gate) http.Handler {
	t := wire.NewTable(s, gate)
	h := &handler{table: t, router: newRouter()}
	for _, m := range s.Models {
		h.router.add(t.Calls[m.Name])
	}
	return h
}

type handler struct {
	table  *wire.Table
	router *router
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, labels := h.router.match(r)
	if call == nil {
		h.refuse(w, r, wire.UnknownOperation())
		return
	}
	in, r, err := h.decode(w, r, call, labels)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	out, err := call.Do(r.Context(), in)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	respond(w, r, call, out)
}

// decode makes the operation's In of r. The request that it returns is never nil.
func (h *handler) decode(w http.ResponseWriter, r *http.Request, call *wire.Call, labels []label) (reflect.Value, *http.Request, error) {
	var none reflect.Value
	r, body, err := call.Take(w, r)
	if err != nil {
		return none, r, err
	}
	in := call.New()
	if err := bind(call.In, in.Elem(), r, labels, body); err != nil {
		return none, r, call.Refusal(err)
	}
	return in, r, call.Check(in)
}
