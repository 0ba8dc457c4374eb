package function

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep a payload's values may lie in each other, as in encoding/json.
const maxDepth = 10_000

// isJSON tells whether p is one JSON value: json.Valid at several times its
// speed, since large payloads are mostly long strings.
func isJSON(p []byte) bool {
	v := validator{p: p}
	v.space()
	for {
		if !v.value() {
			return false
		}
		for { // a value has ended: what it was in goes on, or ends too
			v.space()
			if len(v.in) == 0 {
				return v.at == len(p)
			}
			more, ok := v.next()
			if !ok {
				return false
			}
			if more {
				break
			}
		}
	}
}

// A validator walks over a text.
type validator struct {
	p  []byte
	at int
	in []byte // what the place is in, outermost first: '}' or ']'
}

// value walks over a scalar, an empty list or object, or to the first value in one.
func (v *validator) value() bool {
	for {
		switch c := v.peek(); c {
		case '[', '{':
			if len(v.in) == maxDepth {
				return false
			}
			v.at++
			v.in = append(v.in, c+2)
			v.space()
			if v.peek() == c+2 {
				v.at++
				v.in = v.in[:len(v.in)-1]
				return true
			}
			if c == '{' && !v.name() {
				return false
			}
		case '"':
			return v.text()
		case 't':
			return v.word("true")
		case 'f':
			return v.word("false")
		case 'n':
			return v.word("null")
		default:
			return v.number()
		}
	}
}

// next walks over what follows a value in a list or an object; more says that
// it is another value.
func (v *validator) next() (more, ok bool) {
	end := v.in[len(v.in)-1]
	switch v.peek() {
	case end:
		v.at++
		v.in = v.in[:len(v.in)-1]
		return false, true
	case ',':
		v.at++
		v.space()
		return true, end == ']' || v.name()
	}
	return false, false
}

// name walks over a member's name and colon.
func (v *validator) name() bool {
	if !v.text() {
		return false
	}
	if v.space(); v.peek() != ':' {
		return false
	}
	v.at++
	v.space()
	return true
}

func (v *validator) text() bool {
	if v.peek() != '"' {
		return false
	}
	for v.at++; ; {
		v.plain()
		switch c := v.peek(); {
		case c == '"':
			v.at++
			return true
		case c != '\\' || !v.escape():
			return false // a control character, or the end
		}
	}
}

// plain walks to the next byte that ends a string or means something in it,
// eight bytes at a time. Of what the differences mark, the first is always such
// a byte: only what comes after it may be marked by what was borrowed.
func (v *validator) plain() {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	p, at := v.p, v.at
	for ; len(p)-at >= 8; at += 8 {
		w := binary.LittleEndian.Uint64(p[at:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		found := ((quote-ones)&^quote | (slash-ones)&^slash | (w-' '*ones)&^w) & highs
		if found == 0 {
			continue
		}
		at += bits.TrailingZeros64(found) / 8
		break
	}
	for at < len(p) && p[at] != '"' && p[at] != '\\' && p[at] >= ' ' {
		at++
	}
	v.at = at
}

func (v *validator) escape() bool {
	v.at++
	c := v.peek()
	v.at++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if !isHex(v.peek()) {
				return false
			}
			v.at++
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (v *validator) number() bool {
	if v.peek() == '-' {
		v.at++
	}
	if v.peek() == '0' {
		v.at++
	} else if !v.digits() {
		return false
	}
	if v.peek() == '.' {
		if v.at++; !v.digits() {
			return false
		}
	}
	if c := v.peek(); c == 'e' || c == 'E' {
		v.at++
		if c := v.peek(); c == '+' || c == '-' {
			v.at++
		}
		return v.digits()
	}
	return true
}

func (v *validator) digits() bool {
	start := v.at
	for c := v.peek(); '0' <= c && c <= '9'; c = v.peek() {
		v.at++
	}
	return v.at > start
}

func (v *validator) word(w string) bool {
	if len(v.p)-v.at < len(w) || string(v.p[v.at:v.at+len(w)]) != w {
		return false
	}
	v.at += len(w)
	return true
}

func (v *validator) space() {
	for v.at < len(v.p) {
		switch v.p[v.at] {
		case ' ', '\t', '\n', '\r':
			v.at++
		default:
			return
		}
	}
}

// peek is the byte here; 0, which is in no JSON, at the end.
func (v *validator) peek() byte {
	if v.at >= len(v.p) {
		return 0
	}
	return v.p[v.at]
}
