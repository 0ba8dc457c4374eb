package logs

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// errPattern is what a filter pattern that cannot be read makes.
var errPattern = errors.New("invalid filter pattern")

// A pattern is a filter pattern that has been read. It may be shared.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
type pattern interface {
	match(message string) bool
}

// parsePattern reads any of the three forms of a filter pattern: terms, JSON in
// braces, space-delimited fields in brackets. The empty pattern matches all.
func parsePattern(s string) (pattern, error) {
	p := &parser{s: s}
	p.space()
	switch p.peek() {
	case '{':
		return parseJSONPattern(p)
	case '[':
		return parseFields(p)
	}
	return parseTerms(p)
}

// terms is the unstructured form: every term must be in the message, no
// excluded one, and, when there are only optional ones, any of those.
type terms struct {
	all, none, any []test
}

// A test is a condition on a piece of text.
type test func(text string) bool

func (t terms) match(message string) bool {
	for _, not := range t.none {
		if not(message) {
			return false
		}
	}
	for _, has := range t.all {
		if !has(message) {
			return false
		}
	}
	// AWS ignores optional terms that stand beside others.
	if len(t.any) == 0 || len(t.all)+len(t.none) > 0 {
		return true
	}
	for _, has := range t.any {
		if has(message) {
			return true
		}
	}
	return false
}

func parseTerms(p *parser) (pattern, error) {
	var t terms
	for {
		p.space()
		if p.done() {
			return t, nil
		}
		into := &t.all
		switch {
		case p.take("-"):
			into = &t.none
			p.space()
		case p.take("?"):
			into = &t.any
		}
		has, err := p.term()
		if err != nil {
			return nil, err
		}
		*into = append(*into, has)
	}
}

// term reads one term: a quoted phrase, a regular expression or a word.
func (p *parser) term() (test, error) {
	switch p.peek() {
	case '"':
		s, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return contains(s), nil
	case '%':
		return p.regex()
	}
	word := p.s[p.at:]
	if end := strings.IndexFunc(word, unicode.IsSpace); end >= 0 {
		word = word[:end]
	}
	p.at += len(word)
	if word == "" || strings.ContainsFunc(word, notWord) {
		return nil, fmt.Errorf("%w: Invalid character(s) in term '%s'", errPattern, word)
	}
	return contains(word), nil
}

// notWord tells the characters that a term must be quoted for.
func notWord(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }

func contains(s string) test { return func(text string) bool { return strings.Contains(text, s) } }

// A parser walks a pattern.
type parser struct {
	s       string
	at      int
	regexes int // how many regular expressions it has read
	depth   int // how many parentheses are open
}

func (p *parser) done() bool { return p.at >= len(p.s) }

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.done() {
		return 0
	}
	return p.s[p.at]
}

func (p *parser) space() {
	p.at = len(p.s) - len(strings.TrimLeftFunc(p.s[p.at:], unicode.IsSpace))
}

// take moves past s if it comes next.
func (p *parser) take(s string) bool {
	if !strings.HasPrefix(p.s[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

// word takes w if it comes next as a whole word, in any case.
func (p *parser) word(w string) bool {
	rest := p.s[p.at:]
	if len(rest) < len(w) || !strings.EqualFold(rest[:len(w)], w) {
		return false
	}
	if len(rest) > len(w) && !notWord(rune(rest[len(w)])) {
		return false
	}
	p.at += len(w)
	return true
}

func (p *parser) fail(want string) error {
	return fmt.Errorf("%w: expected %s at position %d", errPattern, want, p.at)
}

// quoted reads a string in double quotes, in which \" and \\ are escapes.
func (p *parser) quoted() (string, error) {
	p.at++
	var b strings.Builder
	for !p.done() {
		c := p.s[p.at]
		p.at++
		switch {
		case c == '"':
			return b.String(), nil
		case c == '\\' && (p.peek() == '"' || p.peek() == '\\'):
			b.WriteByte(p.s[p.at])
			p.at++
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail("a closing quote")
}

// allowedRegex is what AWS lets into %…%.
var allowedRegex = regexp.MustCompile(`^[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+. ]*$`)

// regex reads %…%. The text may match anywhere.
func (p *parser) regex() (test, error) {
	p.at++
	end := strings.IndexByte(p.s[p.at:], '%')
	if end < 0 {
		return nil, p.fail("a closing %")
	}
	src := p.s[p.at : p.at+end]
	p.at += end + 1
	if !allowedRegex.MatchString(src) {
		return nil, fmt.Errorf("%w: unsupported character in regex %%%s%%", errPattern, src)
	}
	re, err := regexp.Compile(src)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPattern, err)
	}
	p.regexes++
	return re.MatchString, nil
}

// wildcard tests text against want, where a * at either end stands for
// anything. One in the middle is itself.
func wildcard(want string) test {
	if strings.Trim(want, "*") == "" && want != "" {
		return func(string) bool { return true }
	}
	body, before := strings.CutPrefix(want, "*")
	body, after := strings.CutSuffix(body, "*")
	switch {
	case before && after:
		return contains(body)
	case before:
		return func(text string) bool { return strings.HasSuffix(text, body) }
	case after:
		return func(text string) bool { return strings.HasPrefix(text, body) }
	}
	return func(text string) bool { return text == body }
}

// number reads a number as filter patterns write them.
func number(s string) (float64, bool) {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("+-.0123456789eE", r) }) {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}
