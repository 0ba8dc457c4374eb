package restjson

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// bind fills v, a struct of shape s, from all places of a request.
func bind(s *wire.Shape, v reflect.Value, r *http.Request, labels []label, body []byte) error {
	var query url.Values
	for _, f := range s.Fields {
		var tree any
		switch f.Where {
		case wire.URI:
			tree = labelOf(labels, f.Name)
		case wire.Query:
			if query == nil {
				query = queryOf(r)
			}
			if f.Kind == wire.Map {
				tree = queryTree(s, query)
			} else {
				tree = texts(f.Node, query[f.Name])
			}
		case wire.Header:
			tree = headerTree(f.Node, r.Header.Values(f.Name))
		case wire.Headers:
			tree = headersTree(r.Header, f.Name)
		}
		if tree == nil {
			continue
		}
		if err := f.Bind(tree, v.Field(f.Index)); err != nil {
			return err
		}
	}
	switch {
	case s.Payload != nil:
		return bindPayload(s.Payload, v.Field(s.Payload.Index), body)
	case s.InBody:
		tree, err := wire.ParseJSON(body)
		if err != nil || tree == nil {
			return err
		}
		return s.Bind(tree, v)
	}
	return nil
}

// queryOf is r's query; nil when there is none, as for most.
func queryOf(r *http.Request) url.Values {
	if r.URL.RawQuery == "" {
		return nil
	}
	return r.URL.Query()
}

// queryTree is the map of all parameters that are no members of their own.
func queryTree(s *wire.Shape, query url.Values) any {
	m := map[string]any{}
	for k, v := range query {
		if !slices.ContainsFunc(s.Fields, func(f *wire.Field) bool { return f.Where == wire.Query && f.Kind != wire.Map && f.Name == k }) {
			m[k] = wire.Text(v[0])
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

func labelOf(labels []label, name string) any {
	for _, l := range labels {
		if l.name == name {
			return wire.Text(l.value)
		}
	}
	return nil
}

// texts is the tree of a parameter's values: all for a list, else the first.
func texts(n *wire.Node, values []string) any {
	if len(values) == 0 {
		return nil
	}
	if n.Kind != wire.List {
		return wire.Text(values[0])
	}
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = wire.Text(v)
	}
	return list
}

func headerTree(n *wire.Node, values []string) any {
	if n.Kind != wire.List || len(values) == 0 {
		return texts(n, values)
	}
	var list []any
	for v := range strings.SplitSeq(strings.Join(values, ","), ",") {
		list = append(list, wire.Text(strings.TrimSpace(v)))
	}
	return list
}

// headersTree is the map of all headers that start with prefix.
func headersTree(h http.Header, prefix string) any {
	m := map[string]any{}
	for k, v := range h {
		if len(k) > len(prefix) && strings.EqualFold(k[:len(prefix)], prefix) {
			m[strings.ToLower(k[len(prefix):])] = wire.Text(v[0])
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// bindPayload fills the member that is the whole body.
func bindPayload(f *wire.Field, v reflect.Value, body []byte) error {
	if len(body) == 0 {
		return nil
	}
	switch f.Kind {
	case wire.Blob:
		return f.Bind(body, v)
	case wire.String:
		return f.Bind(wire.Text(body), v)
	}
	tree, err := wire.ParseJSON(body)
	if err != nil || tree == nil {
		return err
	}
	return f.Bind(tree, v)
}
