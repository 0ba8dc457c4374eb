package filter

import (
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A matcher takes a value or does not: a string, a json.Number, a bool or nil.
type matcher interface {
	match(v any) bool
}

// exact takes a value that is written the same.
type exact struct{ v any }

func (m exact) match(v any) bool {
	if n, ok := m.v.(json.Number); ok {
		d, isNumber := digits(v)
		return isNumber && d == n.String()
	}
	return m.v == v
}

// digits is a number as it is written.
func digits(v any) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		return v.String(), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}

// number is a number's value, if it is one that numeric matching knows.
func number(v any) (float64, bool) {
	d, ok := digits(v)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(d, 64)
	return f, err == nil && math.Abs(f) <= maxNumber
}

// maxNumber bounds what numeric matching knows.
const maxNumber = 5e9

// prefix takes strings that begin so.
type prefix struct {
	s    string
	fold bool // the case does not matter
}

func (m prefix) match(v any) bool {
	s, ok := v.(string)
	if !ok || !m.fold {
		return ok && strings.HasPrefix(s, m.s)
	}
	return strings.HasPrefix(strings.ToLower(s), strings.ToLower(m.s))
}

// suffix takes strings that end so.
type suffix struct {
	s    string
	fold bool
}

func (m suffix) match(v any) bool {
	s, ok := v.(string)
	if !ok || !m.fold {
		return ok && strings.HasSuffix(s, m.s)
	}
	return strings.HasSuffix(strings.ToLower(s), strings.ToLower(m.s))
}

// equalFold takes strings that differ in case at most.
type equalFold struct{ s string }

func (m equalFold) match(v any) bool {
	s, ok := v.(string)
	return ok && strings.EqualFold(s, m.s)
}

// wildcard takes strings by their literal pieces: what was between the stars.
type wildcard struct{ pieces []string }

func (m wildcard) match(v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	last := len(m.pieces) - 1
	if last == 0 {
		return s == m.pieces[0]
	}
	if s, ok = strings.CutPrefix(s, m.pieces[0]); !ok {
		return false
	}
	if s, ok = strings.CutSuffix(s, m.pieces[last]); !ok {
		return false
	}
	for _, p := range m.pieces[1:last] {
		i := strings.Index(s, p) // the leftmost place leaves the most to the others
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

// equalNumber takes numbers by value.
type equalNumber struct{ f float64 }

func (m equalNumber) match(v any) bool {
	f, ok := number(v)
	return ok && f == m.f
}

// within takes numbers between two bounds.
type within struct {
	low, high         float64
	openLow, openHigh bool // the bound itself is outside
}

func (m within) match(v any) bool {
	f, ok := number(v)
	if !ok || f < m.low || f > m.high {
		return false
	}
	return !(m.openLow && f == m.low) && !(m.openHigh && f == m.high)
}

// exists takes every value.
type exists struct{}

func (exists) match(any) bool { return true }

// network takes addresses within a network.
type network struct{ p netip.Prefix }

func (m network) match(v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	a, err := netip.ParseAddr(s)
	return err == nil && m.p.Contains(a)
}

// address takes an address, however it is written.
type address struct{ a netip.Addr }

func (m address) match(v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	a, err := netip.ParseAddr(s)
	return err == nil && a == m.a
}

// not takes what none of the others takes: anything-but.
type not struct{ others []matcher }

func (m not) match(v any) bool {
	return !slices.ContainsFunc(m.others, func(o matcher) bool { return o.match(v) })
}
