package vtl

import (
	"fmt"
	"strconv"
	"strings"
)

// maxDepth bounds how deep blocks and expressions nest.
const maxDepth = 50

// Parse makes a template ready. Its error is for the template's author.
func Parse(text string) (*Template, error) {
	p := &parser{s: text}
	body, end, err := p.block(0)
	if err != nil {
		return nil, err
	}
	if end != "" {
		return nil, p.fail("#%s without an #if or a #foreach", end)
	}
	return &Template{body}, nil
}

type parser struct {
	s string
	i int
}

func (p *parser) fail(format string, args ...any) error {
	line := 1 + strings.Count(p.s[:min(p.i, len(p.s))], "\n")
	return fmt.Errorf("line %d: "+format, append([]any{line}, args...)...)
}

func (p *parser) rest() string { return p.s[p.i:] }

func (p *parser) has(prefix string) bool { return strings.HasPrefix(p.rest(), prefix) }

// take goes over prefix if it stands here.
func (p *parser) take(prefix string) bool {
	if p.has(prefix) {
		p.i += len(prefix)
		return true
	}
	return false
}

func (p *parser) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// block reads nodes up to a directive that ends it: "end", "else", "elseif",
// or "" for the end of the text.
func (p *parser) block(depth int) (body []node, end string, err error) {
	if depth > maxDepth {
		return nil, "", p.fail("blocks nest too deep")
	}
	for p.i < len(p.s) {
		next := strings.IndexAny(p.rest(), "$#\\")
		if next < 0 {
			body = append(body, textNode(p.rest()))
			p.i = len(p.s)
			break
		}
		if next > 0 {
			body = append(body, textNode(p.rest()[:next]))
			p.i += next
		}
		n, end, err := p.special(depth)
		if err != nil || end != "" {
			return body, end, err
		}
		if n != nil {
			body = append(body, n)
		}
	}
	return body, "", nil
}

// special reads what begins with $, # or \.
func (p *parser) special(depth int) (node, string, error) {
	switch p.s[p.i] {
	case '\\':
		p.i++
		if p.i < len(p.s) && (p.s[p.i] == '$' || p.s[p.i] == '#') {
			p.i++
			return textNode(p.s[p.i-1 : p.i]), "", nil
		}
		return textNode(`\`), "", nil
	case '$':
		n, err := p.refNode(depth)
		return n, "", err
	}
	return p.directive(depth)
}

func (p *parser) refNode(depth int) (node, error) {
	start := p.i
	p.i++
	quiet := p.take("!")
	braces := p.take("{")
	name := p.name()
	if name == "" { // a dollar sign
		p.i = start + 1
		return textNode("$"), nil
	}
	ref, err := p.steps(name, depth)
	if err != nil {
		return nil, err
	}
	if braces && !p.take("}") {
		return nil, p.fail("${%s is not closed", name)
	}
	return refNode{ref, quiet, p.s[start:p.i]}, nil
}

// name reads an identifier, "" if there is none.
func (p *parser) name() string {
	start := p.i
	for p.i < len(p.s) {
		c := p.s[p.i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (p.i == start || (c < '0' || c > '9') && c != '-') {
			break
		}
		p.i++
	}
	return p.s[start:p.i]
}

// steps reads .member, .method(args) and [index] behind a name.
func (p *parser) steps(name string, depth int) (*reference, error) {
	if depth > maxDepth {
		return nil, p.fail("expressions nest too deep")
	}
	ref := &reference{name: name}
	for p.i < len(p.s) {
		switch {
		case p.s[p.i] == '[':
			p.i++
			e, err := p.or(depth + 1)
			if err != nil {
				return nil, err
			}
			if p.space(); !p.take("]") {
				return nil, p.fail("[ is not closed")
			}
			ref.steps = append(ref.steps, step{index: e})
		case p.s[p.i] == '.':
			p.i++
			n := p.name()
			if n == "" { // the end of a sentence
				p.i--
				return ref, nil
			}
			s := step{name: n}
			if p.take("(") {
				args, err := p.list(")", depth+1)
				if err != nil {
					return nil, err
				}
				s.call, s.args = true, args
			}
			ref.steps = append(ref.steps, s)
		default:
			return ref, nil
		}
	}
	return ref, nil
}

// list reads expressions with commas up to end.
func (p *parser) list(end string, depth int) (items []expr, err error) {
	for {
		if p.space(); p.take(end) {
			return items, nil
		}
		if len(items) > 0 && !p.take(",") {
			return nil, p.fail("%s is missing", end)
		}
		e, err := p.or(depth)
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
}

// directive reads what begins with #.
func (p *parser) directive(depth int) (node, string, error) {
	switch {
	case p.take("##"):
		line, _, _ := strings.Cut(p.rest(), "\n")
		p.i = min(p.i+len(line)+1, len(p.s))
		return nil, "", nil
	case p.take("#*"):
		n := strings.Index(p.rest(), "*#")
		if n < 0 {
			return nil, "", p.fail("#* is not closed")
		}
		p.i += n + 2
		return nil, "", nil
	case p.take("#[["):
		n := strings.Index(p.rest(), "]]#")
		if n < 0 {
			return nil, "", p.fail("#[[ is not closed")
		}
		text := textNode(p.rest()[:n])
		p.i += n + 3
		return text, "", nil
	}
	start := p.i
	p.i++
	braces := p.take("{")
	word := p.letters()
	if braces {
		p.take("}")
	}
	n, end, known, err := p.known(word, depth)
	if !known && err == nil { // a number sign
		p.i = start + 1
		return textNode("#"), "", nil
	}
	return n, end, err
}

// letters reads a directive's name.
func (p *parser) letters() string {
	start := p.i
	for p.i < len(p.s) && (p.s[p.i] >= 'a' && p.s[p.i] <= 'z') {
		p.i++
	}
	return p.s[start:p.i]
}

func (p *parser) known(word string, depth int) (n node, end string, known bool, err error) {
	switch word {
	case "set":
		n, err = p.set(depth)
	case "if":
		n, err = p.branch(depth)
	case "foreach":
		n, err = p.each(depth)
	case "stop":
		n = endNode{errStop}
	case "break":
		n = endNode{errBreak}
	case "end", "else", "elseif":
		end = word
	case "macro", "parse", "include", "define", "evaluate":
		err = p.fail("#%s is not supported", word)
	default:
		return nil, "", false, nil
	}
	if word == "set" || word == "end" || word == "else" { // they take their line's end with them
		p.lineEnd()
	}
	return n, end, true, err
}

// lineEnd goes over the rest of a line that has nothing else.
func (p *parser) lineEnd() {
	j := p.i
	for j < len(p.s) && (p.s[j] == ' ' || p.s[j] == '\t' || p.s[j] == '\r') {
		j++
	}
	if j < len(p.s) && p.s[j] == '\n' {
		p.i = j + 1
	}
}

func (p *parser) open(word string) error {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
	if !p.take("(") {
		return p.fail("#%s wants a (", word)
	}
	return nil
}

func (p *parser) close(word string) error {
	if p.space(); !p.take(")") {
		return p.fail("#%s is not closed", word)
	}
	return nil
}

// target reads the reference that #set or #foreach gives a value.
func (p *parser) target(depth int) (*reference, error) {
	p.space()
	if !p.take("$") {
		return nil, p.fail("a $name is missing")
	}
	p.take("!")
	braces := p.take("{")
	name := p.name()
	if name == "" {
		return nil, p.fail("a $name is missing")
	}
	ref, err := p.steps(name, depth)
	if err == nil && braces && !p.take("}") {
		err = p.fail("${%s is not closed", name)
	}
	return ref, err
}

func (p *parser) set(depth int) (node, error) {
	if err := p.open("set"); err != nil {
		return nil, err
	}
	to, err := p.target(depth)
	if err != nil {
		return nil, err
	}
	if p.space(); p.has("==") || !p.take("=") {
		return nil, p.fail("#set wants a =")
	}
	e, err := p.or(depth)
	if err != nil {
		return nil, err
	}
	return setNode{to, e}, p.close("set")
}

func (p *parser) branch(depth int) (node, error) {
	var n ifNode
	for word := "if"; ; {
		if word != "else" {
			c, err := p.condition(word, depth)
			if err != nil {
				return nil, err
			}
			n.conds = append(n.conds, c)
		}
		body, end, err := p.block(depth + 1)
		if err != nil {
			return nil, err
		}
		n.blocks = append(n.blocks, body)
		switch {
		case end == "end":
			return n, nil
		case end == "" || word == "else":
			return nil, p.fail("#if has no #end")
		}
		word = end
	}
}

func (p *parser) condition(word string, depth int) (expr, error) {
	if err := p.open(word); err != nil {
		return nil, err
	}
	c, err := p.or(depth)
	if err != nil {
		return nil, err
	}
	if err := p.close(word); err != nil {
		return nil, err
	}
	p.lineEnd()
	return c, nil
}

func (p *parser) each(depth int) (node, error) {
	if err := p.open("foreach"); err != nil {
		return nil, err
	}
	to, err := p.target(depth)
	if err != nil {
		return nil, err
	}
	if p.space(); !p.take("in") {
		return nil, p.fail("#foreach wants an in")
	}
	over, err := p.or(depth)
	if err != nil {
		return nil, err
	}
	if err := p.close("foreach"); err != nil {
		return nil, err
	}
	p.lineEnd()
	body, end, err := p.block(depth + 1)
	if err == nil && end != "end" {
		err = p.fail("#foreach has no #end")
	}
	return eachNode{to.name, over, body}, err
}

// levels are the binary operators, those that bind least first. A word stands
// for each that Velocity has a word for.
func levels() [][][2]string {
	return [][][2]string{
		{{"||", "||"}, {"or ", "||"}},
		{{"&&", "&&"}, {"and ", "&&"}},
		{{"==", "=="}, {"!=", "!="}, {"eq ", "=="}, {"ne ", "!="}},
		{{"<=", "<="}, {">=", ">="}, {"<", "<"}, {">", ">"}, {"lt ", "<"}, {"le ", "<="}, {"gt ", ">"}, {"ge ", ">="}},
		{{"+", "+"}, {"-", "-"}},
		{{"*", "*"}, {"/", "/"}, {"%", "%"}},
	}
}

func (p *parser) or(depth int) (expr, error) { return p.level(0, levels(), depth+1) }

func (p *parser) level(n int, ops [][][2]string, depth int) (expr, error) {
	if n == len(ops) {
		return p.unary(depth)
	}
	a, err := p.level(n+1, ops, depth)
	if err != nil {
		return nil, err
	}
	for count := 0; ; count++ {
		p.space()
		op := ""
		for _, o := range ops[n] {
			if p.take(o[0]) {
				op = o[1]
				break
			}
		}
		if op == "" {
			return a, nil
		}
		if count > 1000 {
			return nil, p.fail("the expression is too long")
		}
		b, err := p.level(n+1, ops, depth)
		if err != nil {
			return nil, err
		}
		a = binary{op, a, b}
	}
}

func (p *parser) unary(depth int) (expr, error) {
	if depth > maxDepth {
		return nil, p.fail("expressions nest too deep")
	}
	p.space()
	if p.has("!=") {
		return nil, p.fail("an operand is missing")
	}
	if p.take("!") || p.take("not ") {
		e, err := p.unary(depth + 1)
		return notExpr{e}, err
	}
	return p.primary(depth)
}

func (p *parser) primary(depth int) (expr, error) {
	switch {
	case p.i >= len(p.s):
		return nil, p.fail("an operand is missing")
	case p.take("("):
		e, err := p.or(depth)
		if err != nil {
			return nil, err
		}
		if p.space(); !p.take(")") {
			return nil, p.fail("( is not closed")
		}
		return e, nil
	case p.has("$"):
		ref, err := p.target(depth)
		return refExpr{ref}, err
	case p.take("'"):
		s, err := p.until('\'')
		return literal{s}, err
	case p.take(`"`):
		return p.doubleQuoted(depth)
	case p.take("["):
		return p.listOrRange(depth)
	case p.take("{"):
		return p.mapOf(depth)
	}
	return p.word()
}

// until reads a string up to its quote; two of them stand for one.
func (p *parser) until(q byte) (string, error) {
	var b strings.Builder
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		if c != q {
			b.WriteByte(c)
			continue
		}
		if p.i >= len(p.s) || p.s[p.i] != q {
			return b.String(), nil
		}
		b.WriteByte(q)
		p.i++
	}
	return "", p.fail("a string is not closed")
}

func (p *parser) doubleQuoted(depth int) (expr, error) {
	s, err := p.until('"')
	if err != nil {
		return nil, err
	}
	in := &parser{s: s}
	body, end, err := in.block(depth + 1)
	if err != nil {
		return nil, p.fail("in a string: %v", err)
	}
	if end != "" {
		return nil, p.fail("#%s in a string", end)
	}
	return quoted{body}, nil
}

func (p *parser) listOrRange(depth int) (expr, error) {
	if p.space(); p.take("]") {
		return listExpr{}, nil
	}
	first, err := p.or(depth)
	if err != nil {
		return nil, err
	}
	if p.space(); p.take("..") {
		to, err := p.or(depth)
		if err != nil {
			return nil, err
		}
		if p.space(); !p.take("]") {
			return nil, p.fail("[ is not closed")
		}
		return rangeExpr{first, to}, nil
	}
	items := []expr{first}
	for {
		if p.space(); p.take("]") {
			return listExpr{items}, nil
		}
		if !p.take(",") {
			return nil, p.fail("[ is not closed")
		}
		e, err := p.or(depth)
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
}

func (p *parser) mapOf(depth int) (expr, error) {
	var m mapExpr
	for {
		if p.space(); p.take("}") {
			return m, nil
		}
		if len(m.keys) > 0 && !p.take(",") {
			return nil, p.fail("{ is not closed")
		}
		k, err := p.or(depth)
		if err != nil {
			return nil, err
		}
		if p.space(); !p.take(":") {
			return nil, p.fail("a : is missing")
		}
		v, err := p.or(depth)
		if err != nil {
			return nil, err
		}
		m.keys, m.values = append(m.keys, k), append(m.values, v)
	}
}

// word reads a number, true, false or null.
func (p *parser) word() (expr, error) {
	start := p.i
	for p.i < len(p.s) && (p.s[p.i] == '-' && p.i == start || p.s[p.i] >= '0' && p.s[p.i] <= '9' ||
		p.s[p.i] == '.' && !p.has("..") || p.s[p.i] >= 'a' && p.s[p.i] <= 'z') {
		p.i++
	}
	switch w := p.s[start:p.i]; w {
	case "true", "false":
		return literal{w == "true"}, nil
	case "null":
		return literal{nil}, nil
	default:
		f, err := strconv.ParseFloat(w, 64)
		if err != nil || w == "nan" || strings.Contains(w, "inf") {
			return nil, p.fail("%q is no operand", w)
		}
		return literal{f}, nil
	}
}
