package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Violation is a value that breaks the model.
type Violation struct {
	Path  string // "vpcConfig.subnetIds"
	Value string // as the text echoes it: " 'x'", " null", or "" for a secret
	Rule  string // "Member must not be null"
}

// Violations is the error for a request that breaks the model. Its text is
// the one of AWS's front end.
type Violations []Violation

func (vs Violations) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d validation error", len(vs))
	if len(vs) != 1 {
		b.WriteByte('s')
	}
	b.WriteString(" detected: ")
	for i, v := range vs {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "Value%s at '%s' failed to satisfy constraint: %s", v.Value, v.Path, v.Rule)
	}
	return b.String()
}

// Check returns Violations if v, a struct of this shape, breaks the model.
func (s *Shape) Check(v reflect.Value) error {
	var c checker
	c.shape(s, v, "")
	if len(c.found) == 0 {
		return nil
	}
	return c.found
}

// maxViolations bounds the text that a hostile request can draw.
const maxViolations = 100

type checker struct{ found Violations }

func (c *checker) add(path, value, rule string) {
	if len(c.found) < maxViolations {
		c.found = append(c.found, Violation{path, value, rule})
	}
}

// shape checks the members of v; prefix is the path to it, with its point.
func (c *checker) shape(s *Shape, v reflect.Value, prefix string) {
	for _, f := range s.Fields {
		value, ok := f.Value(v)
		if !ok {
			if f.Required {
				c.add(prefix+f.path, " null", "Member must not be null")
			}
			continue
		}
		c.node(f.Node, value, prefix+f.path)
	}
}

func (c *checker) node(n *Node, v reflect.Value, path string) {
	for _, rule := range n.broken(v) {
		c.add(path, echo(n, valueText(n, v)), rule)
	}
	c.inner(n, v, path)
}

// broken lists the rules that the value itself violates, members aside.
func (n *Node) broken(v reflect.Value) []string {
	if n.rules.none() {
		return nil
	}
	switch n.Kind {
	case String:
		s := v.String()
		return n.rules.broken(String, s, float64(utf8.RuneCountInString(s)))
	case Integer:
		return n.rules.broken(Integer, strconv.FormatInt(v.Int(), 10), float64(v.Int()))
	case Float:
		return n.rules.broken(Float, "", v.Float())
	case Blob, List, Map:
		return n.rules.broken(n.Kind, "", float64(v.Len()))
	}
	return nil
}

// list checks the members of a list. AWS names the list and all the rules for
// a scalar member, and the place for a member with members of its own.
func (c *checker) list(n *Node, v reflect.Value, path string) {
	deep := n.Elem.deep()
	for i := range v.Len() {
		e := reflect.Indirect(v.Index(i))
		if deep && e.IsValid() {
			c.node(n.Elem, e, fmt.Sprintf("%s.%d.member", path, i+1))
			continue
		}
		if e.IsValid() && len(n.Elem.broken(e)) > 0 {
			c.add(path, echo(n, valueText(n, v)), "Member must satisfy constraint: "+n.Elem.rules.all(n.Elem.Kind))
			return
		}
	}
}

// mapping checks a map's keys and values, each reported once.
func (c *checker) mapping(n *Node, v reflect.Value, path string) {
	keys := sortedKeys(v)
	bad := func(k reflect.Value) bool {
		s := k.String()
		return len(n.key.broken(String, s, float64(utf8.RuneCountInString(s)))) > 0
	}
	if !n.key.none() && slices.ContainsFunc(keys, bad) {
		c.add(path, echo(n, valueText(n, v)), "Map keys must satisfy constraint: "+n.key.all(String))
	}
	for _, k := range keys {
		e := reflect.Indirect(v.MapIndex(k))
		if !e.IsValid() {
			continue
		}
		if len(n.Elem.broken(e)) > 0 {
			c.add(path, echo(n, valueText(n, v)), "Map value must satisfy constraint: "+n.Elem.rules.all(n.Elem.Kind))
			return
		}
		if n.Elem.deep() {
			c.inner(n.Elem, e, path+"."+k.String())
		}
	}
}

// inner checks the members of a value whose own rules are checked.
func (c *checker) inner(n *Node, v reflect.Value, path string) {
	switch n.Kind {
	case Struct:
		c.shape(n.Shape, v, path+".")
	case List:
		c.list(n, v, path)
	case Map:
		c.mapping(n, v, path)
	}
}

// deep says that the value has members with rules of their own.
func (n *Node) deep() bool { return n.Kind == Struct || n.Kind == List || n.Kind == Map }

func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
