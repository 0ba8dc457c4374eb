package filter

import (
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// parseNamed reads what follows the name of a matcher.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
func parseNamed(t *tokens, name string) (matcher, error) {
	switch name {
	case "exactly":
		s, err := parseString(t, "exact match pattern must be a string")
		return exact{s}, err
	case "prefix", "suffix":
		return parseAffix(t, name)
	case "equals-ignore-case":
		s, err := parseString(t, "equals-ignore-case match pattern must be a string")
		return equalFold{s}, err
	case "wildcard":
		s, err := parseString(t, "wildcard match pattern must be a string")
		if err != nil {
			return nil, err
		}
		return parseWildcard(t, s)
	case "cidr":
		s, err := parseString(t, "prefix match pattern must be a string") // so it is on AWS
		if err != nil {
			return nil, err
		}
		return parseNetwork(t, s)
	case "numeric":
		return parseNumeric(t)
	case "anything-but":
		return parseNot(t)
	}
	return nil, t.failName("Unrecognized match type %s", name)
}

func parseString(t *tokens, otherwise string) (string, error) {
	tok, err := t.next()
	if err != nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", t.fail("%s", otherwise)
	}
	return s, nil
}

// affix makes the matcher of a prefix or a suffix.
func affix(name, s string, fold bool) matcher {
	if name == "prefix" {
		return prefix{s, fold}
	}
	return suffix{s, fold}
}

// parseAffix reads "x" or {"equals-ignore-case": "x"}.
func parseAffix(t *tokens, name string) (matcher, error) {
	tok, err := t.next()
	if err != nil {
		return nil, err
	}
	if s, ok := tok.(string); ok {
		return affix(name, s, false), nil
	}
	if tok != json.Delim('{') {
		return nil, t.fail("%s match pattern must be a string", name)
	}
	if tok, err = t.next(); err != nil {
		return nil, err
	}
	if tok != "equals-ignore-case" {
		return nil, t.failName("Unsupported %s pattern: %v", name, tok)
	}
	s, err := parseString(t, "equals-ignore-case match pattern must be a string")
	if err != nil {
		return nil, err
	}
	return affix(name, s, true), t.close()
}

// parseWildcard cuts s at its stars. A backslash makes a star, or itself, plain.
func parseWildcard(t *tokens, s string) (matcher, error) {
	var m wildcard
	var piece strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '*' && i+1 < len(s) && s[i+1] == '*':
			return nil, t.fail("Consecutive wildcard characters at pos %d", i+1) // AWS counts the quote
		case s[i] == '*':
			m.pieces = append(m.pieces, piece.String())
			piece.Reset()
		case s[i] != '\\':
			piece.WriteByte(s[i])
		case i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '\\'):
			i++
			piece.WriteByte(s[i])
		default:
			return nil, t.fail("Invalid escape character at pos %d", i+1)
		}
	}
	m.pieces = append(m.pieces, piece.String())
	return m, nil
}

func parseNetwork(t *tokens, s string) (matcher, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 2 {
		return nil, t.fail("Malformed CIDR, one '/' required")
	}
	bits, err := strconv.Atoi(parts[1])
	if err != nil {
		return nil, t.fail("Malformed CIDR, mask bits must be an integer")
	}
	a, err := netip.ParseAddr(parts[0])
	switch {
	case bits < 0:
		return nil, t.fail("Malformed CIDR, mask bits must not be negative")
	case err != nil || a.Zone() != "":
		return nil, t.fail("Nonstandard IP address: %s", parts[0])
	case a.Is4() && bits > 31:
		return nil, t.fail("IPv4 mask bits must be < 32")
	case bits > 127:
		return nil, t.fail("IPv6 mask bits must be < 128")
	}
	return network{netip.PrefixFrom(a, bits).Masked()}, nil
}

// parseNumeric reads ["=", 5], [">", 0] or [">", 0, "<=", 5].
func parseNumeric(t *tokens) (matcher, error) {
	open, err := t.is('[')
	if err != nil {
		return nil, err
	}
	if !open {
		return nil, t.fail("Value of numeric must be an array.")
	}
	tok, err := t.next()
	if err != nil {
		return nil, err
	}
	op, ok := tok.(string)
	if !ok {
		return nil, t.fail("Invalid member in numeric match: %v", tok)
	}
	switch op {
	case "=":
		f, err := parseNumber(t, "equals")
		return equalNumber{f}, endNumeric(t, err)
	case "<", "<=":
		f, err := parseNumber(t, op)
		return within{low: -maxNumber, high: f, openHigh: op == "<"}, endNumeric(t, err)
	case ">", ">=":
		f, err := parseNumber(t, op)
		if err != nil {
			return nil, err
		}
		return parseUpper(t, within{low: f, high: maxNumber, openLow: op == ">"})
	}
	return nil, t.fail("Unrecognized numeric range operator: %s", op)
}

// parseNumber reads the number that follows an operator.
func parseNumber(t *tokens, op string) (float64, error) {
	tok, err := t.next()
	if err != nil {
		return 0, err
	}
	n, ok := tok.(json.Number)
	if !ok {
		return 0, t.fail("Value of %s must be numeric", op)
	}
	return valueOf(t, n)
}

func valueOf(t *tokens, n json.Number) (float64, error) {
	f, err := n.Float64()
	if err != nil || math.Abs(f) > maxNumber {
		return 0, t.fail("Value must be between -5.0E9 and 5.0E9, inclusive")
	}
	return f, nil
}

// endNumeric reads the bracket that ends a numeric expression, if err is nil.
func endNumeric(t *tokens, err error) error {
	if err != nil {
		return err
	}
	end, err := t.is(']')
	if err == nil && !end {
		err = t.fail("Too many elements in numeric expression")
	}
	return err
}

// parseUpper reads the rest of a range whose lower end was read.
func parseUpper(t *tokens, m within) (matcher, error) {
	tok, err := t.next()
	if err != nil || tok == json.Delim(']') {
		return m, err
	}
	op, ok := tok.(string)
	if !ok {
		return nil, t.fail("Bad value in numeric range: %v", tok)
	}
	if op != "<" && op != "<=" {
		return nil, t.fail("Bad numeric range operator: %s", op)
	}
	m.openHigh = op == "<"
	if m.high, err = parseNumber(t, op); err != nil {
		return nil, err
	}
	end, err := t.is(']')
	switch {
	case err != nil:
		return nil, err
	case !end:
		return nil, t.fail("Too many terms in numeric range expression")
	case m.low > m.high || m.low == m.high && (m.openLow || m.openHigh):
		return nil, t.fail("Bottom must be less than top")
	}
	return m, nil
}
