package logs

import (
	"fmt"
	"slices"
	"strings"
)

// maxRegexes is how many regular expressions AWS takes in a JSON or
// space-delimited pattern, maxNesting how deep our own parser goes.
const (
	maxRegexes = 2
	maxNesting = 100
)

// kind says what a selector found in a message.
type kind int

const (
	absent  kind = iota
	null         // JSON null
	boolean      // text is "true" or "false"
	numeric      // text is the number as it was written
	text
	other // an object or a list, which no comparison fits
)

// A value is what a selector found.
type value struct {
	kind kind
	text string
}

// A lookup finds what a selector names in one message.
type lookup func(selector any) value

// An expr is a condition on a message's fields.
type expr func(find lookup) bool

// expression reads conditions joined by && and ||, && first, parentheses
// before all. selector reads what stands left of an operator.
func (p *parser) expression(selector func(*parser) (any, error)) (expr, error) {
	return p.joined("||", func() (expr, error) {
		return p.joined("&&", func() (expr, error) { return p.primary(selector) })
	})
}

// joined reads one or more parts with op between them.
func (p *parser) joined(op string, part func() (expr, error)) (expr, error) {
	var parts []expr
	for {
		e, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		if p.space(); !p.take(op) {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	if op == "&&" {
		return func(find lookup) bool {
			return !slices.ContainsFunc(parts, func(e expr) bool { return !e(find) })
		}, nil
	}
	return func(find lookup) bool {
		return slices.ContainsFunc(parts, func(e expr) bool { return e(find) })
	}, nil
}

func (p *parser) primary(selector func(*parser) (any, error)) (expr, error) {
	p.space()
	if !p.take("(") {
		return p.condition(selector)
	}
	if p.depth++; p.depth > maxNesting {
		return nil, fmt.Errorf("%w: nested too deeply", errPattern)
	}
	e, err := p.expression(selector)
	if err != nil {
		return nil, err
	}
	p.depth--
	if p.space(); !p.take(")") {
		return nil, p.fail(")")
	}
	return e, nil
}

func (p *parser) condition(selector func(*parser) (any, error)) (expr, error) {
	sel, err := selector(p)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.word("NOT") {
		if p.space(); !p.word("EXISTS") {
			return nil, p.fail("EXISTS")
		}
		return func(find lookup) bool { return find(sel).kind == absent }, nil
	}
	if p.word("IS") {
		return p.is(sel)
	}
	op := p.operator()
	if op == "" {
		return nil, p.fail("an operator")
	}
	p.space()
	holds, err := p.operand(op)
	if err != nil {
		return nil, err
	}
	return func(find lookup) bool { return holds(find(sel)) }, nil
}

// is reads what follows IS.
func (p *parser) is(sel any) (expr, error) {
	p.space()
	var want value
	switch {
	case p.word("NULL"):
		want = value{kind: null}
	case p.word("TRUE"):
		want = value{boolean, "true"}
	case p.word("FALSE"):
		want = value{boolean, "false"}
	default:
		return nil, p.fail("NULL, TRUE or FALSE")
	}
	return func(find lookup) bool { return find(sel) == want }, nil
}

func (p *parser) operator() string {
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.take(op) {
			return op
		}
	}
	return ""
}

// operand reads the right side of op and makes the condition on the left side.
func (p *parser) operand(op string) (func(value) bool, error) {
	switch {
	case p.peek() == '%':
		if op != "=" && op != "!=" {
			return nil, p.fail("a number")
		}
		re, err := p.regex()
		if err != nil {
			return nil, err
		}
		if p.regexes > maxRegexes {
			return nil, fmt.Errorf("%w: more than %d regular expressions", errPattern, maxRegexes)
		}
		return equality(op, re), nil
	case p.peek() == '"':
		s, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return comparison(op, s, true, p)
	}
	start := p.at
	for !p.done() && !strings.ContainsRune(" \t\r\n(),{}[]\"|&", rune(p.peek())) {
		p.at++
	}
	return comparison(op, p.s[start:p.at], false, p)
}

// comparison makes the condition op want. Only numbers have an order.
func comparison(op, want string, quoted bool, p *parser) (func(value) bool, error) {
	n, isNumber := number(want)
	switch {
	case want == "" && !quoted:
		return nil, p.fail("a value")
	case op != "=" && op != "!=":
		if !isNumber {
			return nil, p.fail("a number")
		}
		return func(v value) bool { return ordered(op, v, n) }, nil
	case isNumber && !quoted:
		return equality(op, func(s string) bool {
			f, ok := number(s)
			return s == want || ok && f == n
		}), nil
	}
	return equality(op, wildcard(want)), nil
}

// equality makes = or != of t. Neither holds for what is not a plain value.
func equality(op string, t test) func(value) bool {
	return func(v value) bool {
		if v.kind != text && v.kind != numeric && v.kind != boolean {
			return false
		}
		return t(v.text) == (op == "=")
	}
}

func ordered(op string, v value, n float64) bool {
	f, ok := number(v.text)
	if !ok || v.kind != numeric {
		return false
	}
	switch op {
	case "<":
		return f < n
	case "<=":
		return f <= n
	case ">":
		return f > n
	}
	return f >= n
}
