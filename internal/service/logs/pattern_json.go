package logs

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// A path is a selector of a JSON pattern, $.a[0].b: its steps are names
// (string) and indexes (int).
type path []any

type jsonPattern struct{ holds expr }

func parseJSONPattern(p *parser) (pattern, error) {
	p.at++
	holds, err := p.expression(jsonSelector)
	if err != nil {
		return nil, err
	}
	if p.space(); !p.take("}") {
		return nil, p.fail("}")
	}
	if p.space(); !p.done() {
		return nil, p.fail("the end")
	}
	return jsonPattern{holds}, nil
}

func (j jsonPattern) match(message string) bool {
	if !strings.ContainsAny(message, "{[") { // cheap, and most text lines go here
		return false
	}
	d := json.NewDecoder(bytes.NewReader([]byte(message)))
	d.UseNumber() // a number is compared as it was written, too
	var doc any
	if d.Decode(&doc) != nil || d.More() {
		return false
	}
	return j.holds(func(sel any) value { return find(doc, sel.(path)) })
}

// jsonSelector reads $.a-b[0]['c.d'].
func jsonSelector(p *parser) (any, error) {
	if !p.take("$") {
		return nil, p.fail("a selector that begins with $")
	}
	var steps path
	for {
		step, ok, err := p.step()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		steps = append(steps, step)
	}
	if len(steps) == 0 {
		return nil, p.fail("a property")
	}
	return steps, nil
}

// step reads one step of a selector; false when it has ended.
func (p *parser) step() (any, bool, error) {
	dot := p.take(".")
	if p.peek() == '[' {
		p.at++
		s, err := p.bracket()
		return s, true, err
	}
	if !dot {
		return nil, false, nil
	}
	start := p.at
	for !p.done() && (p.peek() == '-' || p.peek() >= 0x80 || !notWord(rune(p.peek()))) {
		p.at++
	}
	if start == p.at {
		return nil, false, p.fail("a property's name")
	}
	return p.s[start:p.at], true, nil
}

// bracket reads what follows a [: an index, or a name in quotes of either kind.
func (p *parser) bracket() (any, error) {
	end := strings.IndexByte(p.s[p.at:], ']')
	if end < 0 {
		return nil, p.fail("]")
	}
	in := p.s[p.at : p.at+end]
	if n := len(in); n >= 2 && in[0] == in[n-1] && (in[0] == '\'' || in[0] == '"') {
		p.at += end + 1
		return in[1 : n-1], nil
	}
	i, err := strconv.ParseUint(in, 10, 31)
	if err != nil {
		return nil, p.fail("an index")
	}
	p.at += end + 1
	return int(i), nil
}

// find follows steps from doc.
func find(doc any, steps path) value {
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			m, _ := doc.(map[string]any)
			next, ok := m[s]
			if !ok {
				return value{}
			}
			doc = next
		case int:
			l, _ := doc.([]any)
			if s >= len(l) {
				return value{}
			}
			doc = l[s]
		}
	}
	switch v := doc.(type) {
	case nil:
		return value{kind: null}
	case bool:
		return value{boolean, strconv.FormatBool(v)}
	case json.Number:
		return value{numeric, v.String()}
	case string:
		return value{text, v}
	}
	return value{kind: other}
}
