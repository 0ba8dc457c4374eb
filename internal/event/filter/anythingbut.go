package filter

import "encoding/json"

// parseNot reads what follows "anything-but": a value, a list of values, or
// another matcher and its value or values.
func parseNot(t *tokens) (matcher, error) {
	tok, err := t.next()
	if err != nil {
		return nil, err
	}
	switch v := tok.(type) {
	case string:
		return not{[]matcher{exact{v}}}, nil
	case json.Number:
		f, err := valueOf(t, v)
		return not{[]matcher{equalNumber{f}}}, err
	case json.Delim:
		if v == '[' {
			return parseNotList(t)
		}
		if v == '{' {
			return parseNotNamed(t)
		}
	}
	return nil, t.fail("Value of anything-but must be an array or single string/number value.")
}

// parseNotList reads the rest of a list of strings, or of numbers.
func parseNotList(t *tokens) (matcher, error) {
	var m not
	words, numbers := false, false
	for {
		tok, err := t.next()
		if err != nil {
			return nil, err
		}
		switch v := tok.(type) {
		case string:
			words = true
			m.others = append(m.others, exact{v})
			continue
		case json.Number:
			f, err := valueOf(t, v)
			if err != nil {
				return nil, err
			}
			numbers = true
			m.others = append(m.others, equalNumber{f})
			continue
		}
		if tok != json.Delim(']') {
			return nil, t.fail("Inside anything but list, start|null|boolean is not supported.")
		}
		if words == numbers { // both, or nothing
			return nil, t.fail("Inside anything but list, either all values are number or string, mixed type is not supported")
		}
		return m, nil
	}
}

// parseNotNamed reads the rest of {"prefix": "x"}, {"suffix": ["x", "y"]} and
// their like.
func parseNotNamed(t *tokens) (matcher, error) {
	tok, err := t.next()
	if err != nil {
		return nil, err
	}
	name, ok := tok.(string)
	if !ok {
		return nil, t.fail("Anything-But expression name not found")
	}
	switch name {
	case "prefix", "suffix", "equals-ignore-case", "wildcard":
	default:
		return nil, t.failName("Unsupported anything-but pattern: %s", name)
	}
	tok, err = t.next()
	if err != nil {
		return nil, err
	}
	var m not
	switch v := tok.(type) {
	case string:
		other, err := notOf(t, name, v)
		if err != nil {
			return nil, err
		}
		return not{[]matcher{other}}, t.close()
	case json.Delim:
		if v != '[' {
			break
		}
		if m.others, err = parseNotStrings(t, name); err != nil {
			return nil, err
		}
		return m, t.close()
	}
	return nil, t.fail("Value of %s must be an array or single string value.", name)
}

// parseNotStrings reads the rest of a list of strings.
func parseNotStrings(t *tokens, name string) (others []matcher, err error) {
	for {
		tok, err := t.next()
		if err != nil {
			return nil, err
		}
		s, ok := tok.(string)
		switch {
		case tok == json.Delim(']') && len(others) == 0:
			return nil, t.fail("Empty arrays are not allowed")
		case tok == json.Delim(']'):
			return others, nil
		case !ok:
			return nil, t.fail("Inside anything-but/%s list, number|start|null|boolean is not supported.", name)
		}
		m, err := notOf(t, name, s)
		if err != nil {
			return nil, err
		}
		others = append(others, m)
	}
}

// notOf makes the matcher that must not take the value.
func notOf(t *tokens, name, s string) (matcher, error) {
	switch name {
	case "equals-ignore-case":
		return equalFold{s}, nil
	case "wildcard":
		return parseWildcard(t, s)
	}
	if s == "" {
		return nil, t.fail("Null prefix/suffix not allowed")
	}
	return affix(name, s, false), nil
}
