package wiretest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A member is one member of an In, to be sent.
type member struct {
	name  string      // on the wire
	field *wire.Field // nil if the shape does not have it
	value any         // a tree: string, bool, int64, float64, []byte, time.Time, []any, map[string]any, nil
}

// members takes in apart: a pointer to a struct of shape s, a map, or nil.
func members(s *wire.Shape, in any) []member {
	if m, ok := in.(map[string]any); ok {
		return ofMap(s, m)
	}
	if in == nil || s == nil {
		return nil
	}
	v := reflect.ValueOf(in).Elem()
	var ms []member
	for _, f := range s.Fields {
		if value, ok := f.Value(v); ok {
			ms = append(ms, member{f.Name, f, f.Tree(value)})
		}
	}
	return ms
}

// ofMap looks the names up in the shape, by wire name.
func ofMap(s *wire.Shape, m map[string]any) []member {
	var ms []member
	for _, name := range slices.Sorted(maps.Keys(m)) {
		found := member{name: name, value: m[name]}
		if s != nil {
			for _, f := range s.Fields {
				if f.Name == name {
					found.field = f
				}
			}
		}
		ms = append(ms, found)
	}
	return ms
}

func (m member) where() wire.Where {
	if m.field == nil {
		return wire.Body
	}
	return m.field.Where
}

// text is a scalar outside a JSON body.
func text(value any) string {
	if t, ok := value.(time.Time); ok {
		return wire.ISO(t)
	}
	return fmt.Sprint(value)
}

// object is the JSON of those members that are in the body.
func object(ms []member) ([]byte, error) {
	m := map[string]any{}
	for _, e := range ms {
		if e.where() == wire.Body {
			m[e.name] = plain(e.value)
		}
	}
	return json.Marshal(m)
}

// plain is a tree with its times as JSON has them.
func plain(tree any) any {
	switch t := tree.(type) {
	case time.Time:
		return json.Number(wire.AppendEpoch(nil, t))
	case []any:
		list := make([]any, len(t))
		for i, e := range t {
			list[i] = plain(e)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(t))
		for k, e := range t {
			m[k] = plain(e)
		}
		return m
	}
	return tree
}

// message finds an error's message, whichever way it is spelled.
func message(tree any) string {
	m, _ := tree.(map[string]any)
	for _, k := range []string{"message", "Message"} {
		if s, ok := m[k].(string); ok {
			return s
		}
	}
	return ""
}
