// Package accesslog writes the access logs of APIs: a line for each request, in
// the format that the stage's owner gave, of AWS's $context variables. Every data
// plane of the gateways stands on it; it knows none of them.
package accesslog

import (
	"strings"
	"unicode/utf8"
)

// A Format is a log line's form, taken apart. It is not changed: any number of
// goroutines may use it.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
type Format struct {
	parts []part
	size  int
}

// A part is text as it stands, and the variable that follows it.
type part struct {
	text, variable string
}

const prefix = "$context."

// Parse takes a format apart. Whatever names no variable stands for itself.
func Parse(format string) *Format {
	f := &Format{size: len(format) + 256}
	format = strings.TrimRight(format, "\r\n")
	for {
		i := strings.Index(format, prefix)
		if i < 0 {
			break
		}
		n := nameLength(format[i+len(prefix):])
		end := i + len(prefix) + n
		if n == 0 {
			f.parts = append(f.parts, part{text: format[:end]})
		} else {
			f.parts = append(f.parts, part{format[:i], format[i+len(prefix) : end]})
		}
		format = format[end:]
	}
	f.parts = append(f.parts, part{text: format})
	return f
}

// Names tells whether the format has a variable.
func (f *Format) Names(variable string) bool {
	for _, p := range f.parts {
		if p.variable == variable {
			return true
		}
	}
	return false
}

// claims are the variables whose names are the users' own, and may have colons:
// "cognito:username".
const claims = "authorizer.claims."

// nameLength is how much of s is a variable's name: a dot belongs to it only
// between letters.
func nameLength(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isLetter(c):
			n = i + 1
		case c == '.' && i > 0 && s[i-1] != '.':
		case c == ':' && strings.HasPrefix(s, claims) && i > len(claims):
		default:
			return n
		}
	}
	return n
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// none is what a variable without a value shows.
const none = "-"

// Line is the line of a request of which value tells the variables.
func (f *Format) Line(value func(variable string) (string, bool)) string {
	b := make([]byte, 0, f.size)
	for _, p := range f.parts {
		b = append(b, p.text...)
		if p.variable == "" {
			continue
		}
		if v, ok := value(p.variable); ok {
			b = appendEscaped(b, v)
		} else {
			b = append(b, none...)
		}
	}
	return string(b)
}

// appendEscaped writes a value as the inside of a string of JSON: formats mostly
// are JSON, and what a client sends must not begin a line of its own.
func appendEscaped(b []byte, v string) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(v); {
		c := v[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(v[i:])
			b = utf8.AppendRune(b, r) // U+FFFD for what is not UTF-8
			i += n
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
