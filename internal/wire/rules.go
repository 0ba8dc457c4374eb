package wire

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2"
)

// rules are what a model demands of one value.
type rules struct {
	min, max   *float64
	ofLength   bool // min and max bound the length, not the value
	pattern    *pattern
	enum       []string
	enumerated map[string]bool
}

func rulesOf(tag reflect.StructTag, prefix string) rules {
	var r rules
	if s, ok := tag.Lookup(prefix + "len"); ok {
		r.min, r.max = bounds(s)
		r.ofLength = true
	} else if s, ok := tag.Lookup(prefix + "range"); ok {
		r.min, r.max = bounds(s)
	}
	if s, ok := tag.Lookup(prefix + "pattern"); ok {
		r.pattern = newPattern(s)
	}
	if s, ok := tag.Lookup(prefix + "enum"); ok {
		r.enum = strings.Split(s, "|")
		r.enumerated = map[string]bool{}
		for _, e := range r.enum {
			r.enumerated[e] = true
		}
	}
	return r
}

func bounds(s string) (low, high *float64) {
	l, h, _ := strings.Cut(s, "..")
	return bound(l), bound(h)
}

func bound(s string) *float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	return &f
}

func (r *rules) none() bool {
	return r.min == nil && r.max == nil && r.pattern == nil && r.enum == nil
}

// text says how a bound reads: Java writes a double's with a point.
func boundText(f float64, kind Kind) string {
	if kind == Float {
		return javaFloat(f)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func (r *rules) maxText(kind Kind) string {
	return "Member must have " + r.measure() + " less than or equal to " + boundText(*r.max, kind)
}

func (r *rules) minText(kind Kind) string {
	return "Member must have " + r.measure() + " greater than or equal to " + boundText(*r.min, kind)
}

func (r *rules) measure() string {
	if r.ofLength {
		return "length"
	}
	return "value"
}

func (r *rules) patternText() string {
	return "Member must satisfy regular expression pattern: " + r.pattern.source
}

func (r *rules) enumText() string {
	return "Member must satisfy enum value set: [" + strings.Join(r.enum, ", ") + "]"
}

// all is the text of every rule, as AWS lists them for the members of a list
// or a map, whichever of them is violated.
func (r *rules) all(kind Kind) string {
	var texts []string
	if r.max != nil {
		texts = append(texts, r.maxText(kind))
	}
	if r.min != nil {
		texts = append(texts, r.minText(kind))
	}
	if r.pattern != nil {
		texts = append(texts, r.patternText())
	}
	if r.enum != nil {
		texts = append(texts, r.enumText())
	}
	texts = append(texts, "Member must not be null")
	return "[" + strings.Join(texts, ", ") + "]"
}

// broken lists the rules that a value violates: its text (of strings), and its
// length or number.
func (r *rules) broken(kind Kind, text string, size float64) []string {
	var texts []string
	if r.enum != nil && !r.enumerated[text] {
		texts = append(texts, r.enumText())
	}
	if r.pattern != nil && !r.pattern.match(text) {
		texts = append(texts, r.patternText())
	}
	if r.max != nil && size > *r.max {
		texts = append(texts, r.maxText(kind))
	}
	if r.min != nil && size < *r.min {
		texts = append(texts, r.minText(kind))
	}
	return texts
}

// A pattern is a Java regular expression that a whole value must match. It is
// compiled at its first use: a service has hundreds, a request meets few.
type pattern struct {
	source string
	once   sync.Once
	fast   *regexp.Regexp
	slow   *regexp2.Regexp
}

func newPattern(source string) *pattern { return &pattern{source: source} }

// patternTime bounds a match of a pattern that backtracks.
const patternTime = 100 * time.Millisecond

// compile prefers the standard library's engine, which cannot be made to
// backtrack; look-ahead and the like need the other one.
func (p *pattern) compile() {
	whole := `\A(?:` + javaToGo(p.source) + `)\z`
	if re, err := regexp.Compile(whole); err == nil {
		p.fast = re
		return
	}
	re, err := regexp2.Compile(whole, regexp2.RE2)
	if err != nil {
		return // a pattern that nobody can read refuses nothing
	}
	re.MatchTimeout = patternTime
	p.slow = re
}

func (p *pattern) match(s string) bool {
	p.once.Do(p.compile)
	switch {
	case p.fast != nil:
		return p.fast.MatchString(s)
	case p.slow != nil:
		ok, err := p.slow.MatchString(s)
		return ok && err == nil
	}
	return true
}

// javaToGo writes \uXXXX the way that our engines read it. It takes four digits,
// as Java does, even where a published model means a supplementary character
// by six: AWS refuses those characters, too.
func javaToGo(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case s[i+1] == 'u' && i+6 <= len(s):
			b.WriteString(`\x{` + s[i+2:i+6] + `}`)
			i += 5
		default:
			b.WriteString(s[i : i+2])
			i++
		}
	}
	return b.String()
}
