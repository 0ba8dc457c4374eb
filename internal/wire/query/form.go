package query

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A form is a node of the tree that a form's dotted names are.
type form struct {
	text *string
	kids map[string]*form
}

// maxDepth bounds the dots in a name. The deepest published shape has 9.
const maxDepth = 32

// parse makes the tree of a form. Of a name that comes twice the first counts, as on AWS.
func parse(values url.Values) (*form, error) {
	root := &form{}
	for name, vs := range values {
		if strings.Count(name, ".") > maxDepth {
			return nil, awserr.New(400, "MalformedInput", "The parameter name is nested too deeply.")
		}
		n := root
		for part := range strings.SplitSeq(name, ".") {
			n = n.child(part)
		}
		n.text = &vs[0]
	}
	return root, nil
}

func (f *form) child(name string) *form {
	if f.kids == nil {
		f.kids = map[string]*form{}
	}
	c := f.kids[name]
	if c == nil {
		c = &form{}
		f.kids[name] = c
	}
	return c
}

// bind fills v, a struct of shape s, from a form.
func bind(s *wire.Shape, values url.Values, v reflect.Value) error {
	f, err := parse(values)
	if err != nil {
		return err
	}
	return s.Bind(f.structure(s), v)
}

// tree reads f as a value of type n: what dotted names mean depends on it.
func (f *form) tree(n *wire.Node) any {
	switch n.Kind {
	case wire.Struct:
		return f.structure(n.Shape)
	case wire.List:
		return f.list(n)
	case wire.Map:
		return f.mapping(n)
	}
	if f.text == nil {
		return nil
	}
	return wire.Text(*f.text)
}

func (f *form) structure(s *wire.Shape) map[string]any {
	m := map[string]any{}
	for _, field := range s.Fields {
		if kid := f.kids[field.Form]; kid != nil {
			m[field.Name] = kid.tree(field.Node)
		}
	}
	return m
}

// list reads Name.member.1, or Name.1 if it is flat. A bare "Name=" is how
// SDKs write an empty list.
func (f *form) list(n *wire.Node) any {
	items := f
	if !n.Flat {
		items = f.kids[n.Member]
	}
	if items == nil || len(items.kids) == 0 {
		if f.text != nil && *f.text == "" {
			return []any{}
		}
		return nil
	}
	var list []any
	for _, item := range items.ordered() {
		list = append(list, item.tree(n.Elem))
	}
	return list
}

// mapping reads Name.entry.1.key and .value, or Name.1.key if it is flat.
func (f *form) mapping(n *wire.Node) any {
	entries := f
	if !n.Flat {
		entries = f.kids["entry"]
	}
	if entries == nil {
		return nil
	}
	m := map[string]any{}
	for _, e := range entries.ordered() {
		key, value := e.kids[n.Names[0]], e.kids[n.Names[1]]
		if key == nil || key.text == nil || value == nil && n.Elem.Kind != wire.Struct {
			continue
		}
		if value == nil { // a structure of which nothing was given
			value = &form{}
		}
		if _, seen := m[*key.text]; !seen {
			m[*key.text] = value.tree(n.Elem)
		}
	}
	return m
}

// ordered lists the children named by numbers, in their order. Gaps do not matter.
func (f *form) ordered() []*form {
	var numbers []int
	byNumber := map[int]*form{}
	for name, kid := range f.kids {
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 {
			continue
		}
		if byNumber[i] == nil {
			numbers = append(numbers, i)
		}
		byNumber[i] = kid
	}
	slices.Sort(numbers)
	kids := make([]*form, len(numbers))
	for i, n := range numbers {
		kids[i] = byNumber[n]
	}
	return kids
}
