package policy

import "strings"

// In a pattern's text these stand for * and ?, so that a * that a variable
// brings in stays one. A text that has them by itself matches nothing.
const (
	star = '\x00'
	one  = '\x01'
)

// A pattern is a text with wildcards, and with variables.
type pattern struct {
	text  string // when there are no parts
	parts []part
	never bool
}

// A part is some text, or a variable.
type part struct {
	text     string
	key      string // of a variable
	fallback string
	has      bool // a fallback
}

var wildcards = strings.NewReplacer("*", string(rune(star)), "?", string(rune(one)))

// parsePattern reads a text as policies write it: "arn:aws:s3:::b/${aws:username}/*".
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func parsePattern(s string, variables bool) pattern {
	if strings.ContainsAny(s, "\x00\x01") {
		return pattern{never: true}
	}
	var p pattern
	text := ""
	for variables {
		before, rest, ok := strings.Cut(s, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			break
		}
		text, s = text+wildcards.Replace(before), after
		switch name {
		case "*", "?", "$":
			text += name // the character itself
			continue
		}
		p.parts = append(p.parts, part{text: text}, variable(name))
		text = ""
	}
	text += wildcards.Replace(s)
	if p.parts == nil {
		return pattern{text: text}
	}
	p.parts = append(p.parts, part{text: text})
	return p
}

// variable reads "aws:username" or "aws:PrincipalTag/team, 'none'".
func variable(name string) part {
	key, fallback, has := strings.Cut(name, ",")
	fallback = strings.TrimSpace(fallback)
	if len(fallback) >= 2 && fallback[0] == '\'' && fallback[len(fallback)-1] == '\'' {
		fallback = fallback[1 : len(fallback)-1]
	}
	return part{key: strings.TrimSpace(key), fallback: fallback, has: has}
}

// filled is the pattern's text for a request. A variable that the request does
// not tell, or tells more than once, makes it match nothing.
func (p *pattern) filled(r *Request) (string, bool) {
	if p.parts == nil {
		return p.text, !p.never
	}
	var b strings.Builder
	for _, part := range p.parts {
		if part.key == "" {
			b.WriteString(part.text)
			continue
		}
		v, ok := r.values(part.key)
		switch {
		case ok && len(v) == 1 && !strings.ContainsAny(v[0], "\x00\x01"):
			b.WriteString(v[0])
		case !ok && part.has:
			b.WriteString(part.fallback)
		default:
			return "", false
		}
	}
	return b.String(), true
}

func (p *pattern) matches(s string, r *Request) bool {
	text, ok := p.filled(r)
	return ok && glob(text, s)
}

// glob matches in time that the product of the lengths bounds: it goes back to
// the last star alone.
func glob(p, s string) bool {
	i, back, from := 0, -1, 0
	j := 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == star:
			back, from = i, j
			i++
		case i < len(p) && p[i] == one && s[j]&0xc0 != 0x80:
			i++
			for j++; j < len(s) && s[j]&0xc0 == 0x80; j++ { // one character, not one byte
			}
		case i < len(p) && p[i] == s[j] && p[i] != one:
			i, j = i+1, j+1
		case back >= 0:
			from++
			i, j = back+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == star {
		i++
	}
	return i == len(p)
}
