// Package filter is the pattern language of EventBridge's rules and of event
// source mappings' filter criteria: a pattern is a JSON document, and an event
// matches it or does not. The package is pure.
//
// What AWS publishes of its own matcher (Event Ruler) decides where the
// documentation is silent, with one exception: a number in a pattern that
// stands alone is compared by its digits, as the documentation has it, so 300
// does not match 300.0.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
package filter

import (
	"bytes"
	"encoding/json"
	"io"
)

// An Error tells why a pattern is not valid, in AWS's words and with the
// place: what EventBridge writes after "Event pattern is not valid. Reason: ".
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

// A Pattern is one pattern, ready to match. It may be used by any number of
// goroutines.
type Pattern struct {
	root *object
}

// Match tells whether an event, a JSON document, matches. What is no JSON
// object matches nothing.
func (p *Pattern) Match(event []byte) bool {
	v, err := Decode(event)
	return err == nil && p.Matches(v)
}

// Matches is Match for an event that Decode, or an equal decoder, has read: one
// that is matched against many patterns is read once. Numbers are json.Number,
// since their digits count.
func (p *Pattern) Matches(event any) bool {
	if _, ok := event.(map[string]any); !ok {
		return false
	}
	return p.root.match(&scene{root: event}, event)
}

// Decode reads an event for Matches.
func Decode(event []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(event))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, &Error{"something follows the event"}
	}
	return v, nil
}

// An object is what a pattern asks of an object of the event: all of its
// fields, and one alternative of each $or.
type object struct {
	fields []field
	ors    [][]*object
}

// A field asks either for an object or for a value.
type field struct {
	name   string
	nested *object
	leaf   *leaf
}

// A leaf asks that one of its matchers takes the value, or that there is none.
type leaf struct {
	path     []string // from the root, for absent
	matchers []matcher
	absent   bool // {"exists": false} is among them
}

// A scene is one event that is being matched. What it lacks is found out once:
// an array may ask for each of its elements.
type scene struct {
	root any
	lack map[*leaf]bool
}

func (s *scene) lacks(l *leaf) bool {
	lack, known := s.lack[l]
	if !known {
		lack = !present(s.root, l.path)
		if s.lack == nil {
			s.lack = map[*leaf]bool{}
		}
		s.lack[l] = lack
	}
	return lack
}

// missing stands for a member that is not there.
type missing struct{}

// match tells whether v is an object as o asks, or an array that holds one.
// Fields of one pattern object are looked for in one and the same element.
func (o *object) match(s *scene, v any) bool {
	if list, ok := v.([]any); ok && len(list) > 0 {
		for _, e := range list {
			if o.match(s, e) {
				return true
			}
		}
		return false
	}
	members, _ := v.(map[string]any)
	for _, f := range o.fields {
		child, ok := members[f.name]
		if !ok {
			child = missing{}
		}
		if !f.match(s, child) {
			return false
		}
	}
	for _, alternatives := range o.ors {
		if !matchOne(alternatives, s, v) {
			return false
		}
	}
	return true
}

func matchOne(alternatives []*object, s *scene, v any) bool {
	for _, o := range alternatives {
		if o.match(s, v) {
			return true
		}
	}
	return false
}

func (f field) match(s *scene, v any) bool {
	if f.nested != nil {
		return f.nested.match(s, v)
	}
	return f.leaf.match(v) || f.leaf.absent && s.lacks(f.leaf)
}

// match tells whether v, or one element of it, is taken. Objects are not values.
func (l *leaf) match(v any) bool {
	switch v := v.(type) {
	case missing, map[string]any:
		return false
	case []any:
		for _, e := range v {
			if l.match(e) {
				return true
			}
		}
		return false
	}
	for _, m := range l.matchers {
		if m.match(v) {
			return true
		}
	}
	return false
}

// present tells whether there is a value at path anywhere in v.
func present(v any, path []string) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if present(e, path) {
				return true
			}
		}
		return false
	case map[string]any:
		if len(path) == 0 {
			return false
		}
		child, ok := v[path[0]]
		return ok && present(child, path[1:])
	}
	return len(path) == 0
}
