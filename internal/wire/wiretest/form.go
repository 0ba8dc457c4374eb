package wiretest

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// form is the query protocol.
type form struct{}

func (form) request(c *Client, m wire.Model, _ *wire.Shape, ms []member) (*http.Request, error) {
	values := url.Values{"Action": {m.Name}, "Version": {c.service.Version}}
	for _, e := range ms {
		var n *wire.Node
		if e.field != nil {
			n = e.field.Node
		}
		name := e.name
		if e.field != nil {
			name = e.field.Form
		}
		flatten(values, name, n, e.value)
	}
	r, err := c.newRequest(http.MethodPost, "/", []byte(values.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r, nil
}

// flatten writes a tree under dotted names. n may be nil.
func flatten(values url.Values, name string, n *wire.Node, tree any) {
	switch t := tree.(type) {
	case nil:
	case []any:
		at, elem := name+".member", (*wire.Node)(nil)
		if n != nil && n.Kind == wire.List {
			at, elem = name+"."+n.Member, n.Elem
			if n.Flat {
				at = name
			}
		}
		if len(t) == 0 {
			values.Set(name, "")
		}
		for i, e := range t {
			flatten(values, fmt.Sprintf("%s.%d", at, i+1), elem, e)
		}
	case map[string]any:
		flattenMap(values, name, n, t)
	case []byte:
		values.Set(name, base64.StdEncoding.EncodeToString(t))
	default:
		values.Set(name, text(t))
	}
}

func flattenMap(values url.Values, name string, n *wire.Node, m map[string]any) {
	if n != nil && n.Kind == wire.Map {
		for i, k := range slices.Sorted(maps.Keys(m)) {
			entry := fmt.Sprintf("%s.entry.%d", name, i+1)
			if n.Flat {
				entry = fmt.Sprintf("%s.%d", name, i+1)
			}
			values.Set(entry+"."+n.Names[0], k)
			flatten(values, entry+"."+n.Names[1], n.Elem, m[k])
		}
		return
	}
	for k, e := range m {
		var elem *wire.Node
		called := k
		if n != nil && n.Kind == wire.Struct {
			for _, f := range n.Shape.Fields {
				if f.Name == k {
					elem, called = f.Node, f.Form
				}
			}
		}
		flatten(values, name+"."+called, elem, e)
	}
}

// An element is one of an answer's XML.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

func (e *element) child(name string) *element {
	for i := range e.Children {
		if e.Children[i].XMLName.Local == name {
			return &e.Children[i]
		}
	}
	return nil
}

func (form) answer(a Answer, s *wire.Shape, v reflect.Value, m wire.Model) error {
	var root element
	if err := xml.Unmarshal(a.Body, &root); err != nil {
		return err
	}
	if root.XMLName.Local != m.Name+"Response" || root.child("ResponseMetadata") == nil {
		return fmt.Errorf("not a %sResponse with ResponseMetadata", m.Name)
	}
	if m.Result == "" {
		return nil
	}
	result := root.child(m.Result)
	if result == nil {
		return fmt.Errorf("no %s", m.Result)
	}
	return s.Bind(result.structure(s), v)
}

func (e *element) structure(s *wire.Shape) map[string]any {
	tree := map[string]any{}
	for _, f := range s.Fields {
		if f.Kind == wire.List && f.Flat {
			list := []any{}
			for i := range e.Children {
				if e.Children[i].XMLName.Local == f.Form {
					list = append(list, e.Children[i].tree(f.Elem))
				}
			}
			tree[f.Name] = list
		} else if f.Kind == wire.Map && f.Flat {
			tree[f.Name] = e.entries(f.Form, f.Node)
		} else if c := e.child(f.Form); c != nil {
			tree[f.Name] = c.tree(f.Node)
		}
	}
	return tree
}

func (e *element) tree(n *wire.Node) any {
	switch n.Kind {
	case wire.Struct:
		return e.structure(n.Shape)
	case wire.List:
		list := []any{}
		for i := range e.Children {
			if e.Children[i].XMLName.Local == n.Member {
				list = append(list, e.Children[i].tree(n.Elem))
			}
		}
		return list
	case wire.Map:
		return e.entries("entry", n)
	}
	return wire.Text(e.Text)
}

// entries reads the children of that name as a map.
func (e *element) entries(name string, n *wire.Node) map[string]any {
	m := map[string]any{}
	for i := range e.Children {
		if e.Children[i].XMLName.Local != name {
			continue
		}
		if key, value := e.Children[i].child(n.Names[0]), e.Children[i].child(n.Names[1]); key != nil && value != nil {
			m[key.Text] = value.tree(n.Elem)
		}
	}
	return m
}

func (form) fault(a Answer) (code, message string) {
	var root element
	if err := xml.Unmarshal(a.Body, &root); err != nil {
		return "", err.Error()
	}
	e := root.child("Error")
	if root.XMLName.Local != "ErrorResponse" || e == nil || root.child("RequestId") == nil {
		return "", "not an ErrorResponse: " + strings.TrimSpace(string(a.Body))
	}
	if c := e.child("Code"); c != nil {
		code = c.Text
	}
	if m := e.child("Message"); m != nil {
		message = m.Text
	}
	return code, message
}
