package query

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A writer writes XML elements.
type writer struct{ bytes.Buffer }

func (w *writer) open(name string)  { w.WriteString("<" + name + ">") }
func (w *writer) close(name string) { w.WriteString("</" + name + ">") }

func (w *writer) leaf(name, text string) {
	w.open(name)
	xml.EscapeText(&w.Buffer, []byte(text))
	w.close(name)
}

// root opens an element in the service's namespace.
func (w *writer) root(name, namespace string) {
	w.WriteString("<" + name + ` xmlns="`)
	xml.EscapeText(&w.Buffer, []byte(namespace))
	w.WriteString(`">`)
}

// structure writes the members of v, a struct of shape s.
func (w *writer) structure(s *wire.Shape, v reflect.Value) {
	for _, f := range s.Fields {
		if value, ok := f.Value(v); ok {
			w.member(f.Form, f.Node, value)
		}
	}
}

// member writes v as the element name, or as several if it is a flat list.
func (w *writer) member(name string, n *wire.Node, v reflect.Value) {
	switch {
	case n.Kind == wire.List && n.Flat:
		w.items(name, n, v)
	case n.Kind == wire.List:
		w.open(name)
		w.items(n.Member, n, v)
		w.close(name)
	case n.Kind == wire.Map && n.Flat:
		w.entries(name, n, v)
	case n.Kind == wire.Map:
		w.open(name)
		w.entries("entry", n, v)
		w.close(name)
	case n.Kind == wire.Struct:
		w.open(name)
		w.structure(n.Shape, v)
		w.close(name)
	default:
		w.leaf(name, n.QueryText(v))
	}
}

func (w *writer) items(name string, n *wire.Node, v reflect.Value) {
	for i := range v.Len() {
		if e := reflect.Indirect(v.Index(i)); e.IsValid() {
			w.member(name, n.Elem, e)
		}
	}
}

func (w *writer) entries(name string, n *wire.Node, v reflect.Value) {
	keys := map[string]reflect.Value{}
	for k, e := range v.Seq2() {
		if e = reflect.Indirect(e); e.IsValid() {
			keys[k.String()] = e
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		w.open(name)
		w.leaf(n.Names[0], k)
		w.member(n.Names[1], n.Elem, keys[k])
		w.close(name)
	}
}

// respond writes out, a struct of the operation's Out, or nothing if it is invalid.
func (h handler) respond(w http.ResponseWriter, r *http.Request, call *wire.Call, out reflect.Value) {
	var x writer
	x.root(call.Name+"Response", h.table.Namespace)
	if call.Result != "" {
		x.open(call.Result)
		if out.IsValid() {
			x.structure(call.Out, out)
		}
		x.close(call.Result)
	}
	x.open("ResponseMetadata")
	x.leaf("RequestId", wire.RequestID(r.Context()))
	x.close("ResponseMetadata")
	x.close(call.Name + "Response")
	send(w, r, http.StatusOK, x.Bytes())
}

func (h handler) fail(w http.ResponseWriter, r *http.Request, e *awserr.Error) {
	var x writer
	x.root("ErrorResponse", h.table.Namespace)
	x.open("Error")
	x.leaf("Type", e.Fault.Party())
	x.leaf("Code", cmp.Or(e.Query, e.Code))
	x.leaf("Message", e.Message)
	for _, k := range slices.Sorted(maps.Keys(e.Members)) {
		x.leaf(k, fmt.Sprint(e.Members[k]))
	}
	x.close("Error")
	x.leaf("RequestId", wire.RequestID(r.Context()))
	x.close("ErrorResponse")
	for k, v := range e.Header {
		w.Header().Set(k, v)
	}
	send(w, r, e.Status, x.Bytes())
}

func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/xml")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Amzn-Requestid", wire.RequestID(r.Context()))
	w.WriteHeader(status)
	w.Write(body) // a client that went away is no error of ours
}
