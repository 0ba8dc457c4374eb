package logs

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// fields is the space-delimited form, [ip, ..., status=4*, bytes]: the message's
// words in order, each with a name and perhaps a condition.
type fields struct {
	names []string // "" for a field without a name
	conds []expr
	gap   int // where the ellipsis stands, -1 for none
}

func parseFields(p *parser) (pattern, error) {
	p.at++
	f := fields{gap: -1}
	for {
		if p.space(); len(f.names) == 0 && f.gap < 0 && p.take("]") { // []
			break
		}
		if err := f.field(p); err != nil {
			return nil, err
		}
		if p.space(); p.take(",") {
			continue
		}
		if !p.take("]") {
			return nil, p.fail(", or ]")
		}
		break
	}
	if p.space(); !p.done() {
		return nil, p.fail("the end")
	}
	return f, nil
}

// field reads one field and its condition.
func (f *fields) field(p *parser) error {
	if p.take("...") || p.take("…") {
		if f.gap >= 0 {
			return p.fail("one ellipsis only")
		}
		f.gap = len(f.names)
		return nil
	}
	start := p.at
	name := p.name()
	f.names = append(f.names, name)
	if p.space(); p.peek() == ',' || p.peek() == ']' {
		return nil
	}
	if p.at = start; name == "" && p.peek() != '(' {
		return p.fail("a field's name")
	}
	cond, err := p.expression(fieldSelector)
	if err != nil {
		return err
	}
	if name == "" { // (w1=a || w1=b) names its field inside
		f.names[len(f.names)-1] = strings.TrimSpace(strings.FieldsFunc(p.s[start:p.at]+" ", func(r rune) bool {
			return strings.ContainsRune("( =!<>", r)
		})[0])
	}
	f.conds = append(f.conds, cond)
	return nil
}

// name reads a field's name; $ may begin it. Letters outside ASCII are all taken.
func (p *parser) name() string {
	start := p.at
	for !p.done() && (p.peek() == '-' || p.peek() == '$' || p.peek() == '.' || p.peek() >= utf8.RuneSelf || !notWord(rune(p.peek()))) {
		p.at++
	}
	return p.s[start:p.at]
}

func fieldSelector(p *parser) (any, error) {
	name := p.name()
	if name == "" {
		return nil, p.fail("a field's name")
	}
	return name, nil
}

func (f fields) match(message string) bool {
	at, ok := f.bind(split(message))
	if !ok {
		return false
	}
	get := func(sel any) value {
		i := slices.Index(f.names, sel.(string))
		if i < 0 {
			return value{}
		}
		if _, ok := number(at[i]); ok {
			return value{numeric, at[i]}
		}
		return value{text, at[i]}
	}
	return !slices.ContainsFunc(f.conds, func(e expr) bool { return !e(get) })
}

// bind gives each named field its word; false when the counts do not fit.
func (f fields) bind(words []string) ([]string, bool) {
	extra := len(words) - len(f.names)
	if extra < 0 || extra > 0 && f.gap < 0 {
		return nil, false
	}
	if f.gap < 0 {
		return words, true
	}
	return slices.Concat(words[:f.gap], words[f.gap+extra:]), true
}

// extracted are the values that TestMetricFilter tells: by name, or by place
// where there is no name.
func (f fields) extracted(message string) map[string]string {
	words := split(message)
	values := make(map[string]string, len(words))
	extra := len(words) - len(f.names)
	for i, w := range words {
		name := ""
		switch {
		case f.gap < 0 || i < f.gap:
			name = f.names[i]
		case i >= f.gap+extra:
			name = f.names[i-extra]
		}
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		values["$"+strings.TrimPrefix(name, "$")] = w
	}
	return values
}

// split cuts a message at spaces; what is in brackets or double quotes is one
// word, and goes without them.
func split(message string) []string {
	var words []string
	for rest := strings.TrimSpace(message); rest != ""; rest = strings.TrimLeft(rest, " \t\r\n") {
		closing := ""
		switch rest[0] {
		case '[':
			closing = "]"
		case '"':
			closing = `"`
		}
		if closing != "" {
			if in, after, ok := strings.Cut(rest[1:], closing); ok {
				words, rest = append(words, in), after
				continue
			}
		}
		end := strings.IndexAny(rest, " \t\r\n")
		if end < 0 {
			end = len(rest)
		}
		words, rest = append(words, rest[:end]), rest[end:]
	}
	return words
}
