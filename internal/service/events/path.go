package events

import (
	"errors"
	"strconv"
	"strings"
)

// A path is the part of JSONPath that EventBridge knows: $.detail.items[0].name,
// with * for all members of an object or a list.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
type path []string

var errPath = errors.New("not a JSON path")

func parsePath(s string) (path, error) {
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return nil, errPath
	}
	var p path
	for rest != "" {
		var step string
		switch rest[0] {
		case '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			step, rest = rest[1:end+1], rest[end+1:]
		case '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, errPath
			}
			step, rest = strings.Trim(rest[1:end], `'"`), rest[end+1:]
		}
		if step == "" {
			return nil, errPath
		}
		p = append(p, step)
	}
	return p, nil
}

// of is the value at the path in a decoded document; false when there is none.
func (p path) of(v any) (any, bool) {
	for i, step := range p {
		if step == "*" {
			return p[i+1:].each(v)
		}
		var ok bool
		switch t := v.(type) {
		case map[string]any:
			v, ok = t[step]
		case []any:
			n, err := strconv.Atoi(step)
			if ok = err == nil && n >= 0 && n < len(t); ok {
				v = t[n]
			}
		}
		if !ok {
			return nil, false
		}
	}
	return v, true
}

// each is the list of what p is in every member of v, in the order of a list.
func (p path) each(v any) (any, bool) {
	list, ok := v.([]any)
	if m, isMap := v.(map[string]any); isMap {
		for _, k := range sorted(m) {
			list = append(list, m[k])
		}
		ok = true
	}
	found := []any{}
	for _, e := range list {
		if x, ok := p.of(e); ok {
			found = append(found, x)
		}
	}
	return found, ok
}
