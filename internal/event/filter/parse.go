package filter

import (
	"encoding/json"
	"net/netip"
	"slices"
)

// maxDepth bounds how deep a pattern nests; AWS's own are bounded by their length.
const maxDepth = 200

// Parse reads a pattern. Its error is an *Error.
func Parse(pattern []byte) (*Pattern, error) {
	t := newTokens(pattern)
	open, err := t.is('{')
	if err != nil {
		return nil, err
	}
	if !open {
		return nil, t.fail("Filter is not an object")
	}
	root, err := parseObject(t, nil, false)
	if err != nil {
		return nil, err
	}
	if at := t.skip(int(t.dec.InputOffset())); at < len(pattern) {
		return nil, t.errorAt(at, "Unexpected character after the pattern")
	}
	return &Pattern{root}, nil
}

// reserved are the names that no field within an $or may have.
var reserved = []string{
	"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr", "regexp",
	"=", "<", ">", "<=", ">=",
}

// parseObject reads the rest of an object whose brace was read. inOr says that
// it belongs to an $or.
func parseObject(t *tokens, path []string, inOr bool) (*object, error) {
	if len(path) > maxDepth {
		return nil, t.fail("The pattern nests too deep")
	}
	o := &object{}
	for n := 0; ; n++ {
		tok, err := t.next()
		if err != nil {
			return nil, err
		}
		if tok == json.Delim('}') {
			if n == 0 {
				return nil, t.fail("Empty objects are not allowed")
			}
			return o, nil
		}
		if err := o.parseMember(t, path, tok.(string), inOr); err != nil {
			return nil, err
		}
	}
}

func (o *object) parseMember(t *tokens, path []string, name string, inOr bool) error {
	if name == "$or" {
		alternatives, err := parseOr(t, path)
		o.ors = append(o.ors, alternatives)
		return err
	}
	if inOr && slices.Contains(reserved, name) {
		return t.failName("%s is Ruler reserved fieldName which cannot be used inside $or.", name)
	}
	tok, err := t.next()
	if err != nil {
		return err
	}
	below := append(slices.Clone(path), name)
	switch tok {
	case json.Delim('{'):
		nested, err := parseObject(t, below, inOr)
		o.fields = append(o.fields, field{name: name, nested: nested})
		return err
	case json.Delim('['):
		l, err := parseLeaf(t, below)
		o.fields = append(o.fields, field{name: name, leaf: l})
		return err
	}
	return t.fail("%q must be an object or an array", name)
}

func parseOr(t *tokens, path []string) ([]*object, error) {
	open, err := t.is('[')
	if err != nil {
		return nil, err
	}
	if !open {
		return nil, t.fail("It must be an Array followed with $or.")
	}
	var all []*object
	for {
		tok, err := t.next()
		switch {
		case err != nil:
			return nil, err
		case tok == json.Delim(']') && len(all) < 2:
			return nil, t.fail("There must have at least 2 Objects in $or relationship.")
		case tok == json.Delim(']'):
			return all, nil
		case tok != json.Delim('{'):
			return nil, t.fail("Only JSON object is allowed in array of $or relationship.")
		}
		o, err := parseObject(t, append(slices.Clone(path), "$or"), true)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
}

// parseLeaf reads the rest of an array of matchers.
func parseLeaf(t *tokens, path []string) (*leaf, error) {
	l := &leaf{path: slices.DeleteFunc(slices.Clone(path), func(s string) bool { return s == "$or" })}
	for n := 0; ; n++ {
		tok, err := t.next()
		if err != nil {
			return nil, err
		}
		switch v := tok.(type) {
		case json.Delim:
			switch {
			case v == '{':
				err = l.parseMatcher(t)
			case v == ']' && n == 0:
				err = t.fail("Empty arrays are not allowed")
			case v == ']':
				return l, nil
			default:
				err = t.fail("Match value must be String, number, true, false, or null")
			}
			if err != nil {
				return nil, err
			}
		case string:
			l.matchers = append(l.matchers, literal(v))
		default:
			l.matchers = append(l.matchers, exact{tok})
		}
	}
}

// literal takes the string; an address is one however it is written.
func literal(s string) matcher {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return address{a}
	}
	return exact{s}
}

// parseMatcher reads the rest of {"prefix": "x"} and its like.
func (l *leaf) parseMatcher(t *tokens) error {
	tok, err := t.next()
	if err != nil {
		return err
	}
	name, ok := tok.(string)
	if !ok {
		return t.fail("Match expression name not found")
	}
	if name == "exists" {
		return l.parseExists(t)
	}
	m, err := parseNamed(t, name)
	if err != nil {
		return err
	}
	l.matchers = append(l.matchers, m)
	return t.close()
}

func (l *leaf) parseExists(t *tokens) error {
	tok, err := t.next()
	if err != nil {
		return err
	}
	switch tok {
	case true:
		l.matchers = append(l.matchers, exists{})
	case false:
		l.absent = true
	default:
		return t.fail("exists match pattern must be either true or false.")
	}
	return t.close()
}

// close reads the brace that ends a matcher.
func (t *tokens) close() error {
	end, err := t.is('}')
	if err == nil && !end {
		err = t.failName("Only one key allowed in match expression")
	}
	return err
}
