package policy

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A set says how a condition looks at a key that has several values.
type set int

const (
	plain    set = iota // one of the request's values matches
	anyValue            // the same, and a key that is not there is no match
	allValues
)

// A test is a condition made ready.
type test struct {
	key      string
	set      set
	ifExists bool
	null     bool // the operator Null
	negated  bool // the values are those that it must not be
	values   []pattern
	match    func(want, got string) bool
}

// test makes a condition ready. What Parse does not know never holds.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func (c Condition) test(variables bool) test {
	t := test{key: c.Key}
	op := c.Operator
	if rest, ok := strings.CutPrefix(op, "ForAnyValue:"); ok {
		t.set, op = anyValue, rest
	} else if rest, ok := strings.CutPrefix(op, "ForAllValues:"); ok {
		t.set, op = allValues, rest
	}
	op, t.ifExists = strings.CutSuffix(op, "IfExists")
	t.null = op == "Null"
	kind, compare := family(op)
	t.match, t.negated = comparison(kind, compare)
	for _, v := range c.Values {
		t.values = append(t.values, value(kind, compare, v, variables))
	}
	return t
}

// family splits an operator: NumericLessThan is Numeric and LessThan.
func family(op string) (kind, compare string) {
	for _, k := range []string{"String", "Numeric", "Date", "Arn"} {
		if rest, ok := strings.CutPrefix(op, k); ok {
			return k, rest
		}
	}
	return op, ""
}

// value makes one of a condition's values ready: only texts and ARNs have
// variables, and of these only some have wildcards.
func value(kind, compare, v string, variables bool) pattern {
	if kind != "String" && kind != "Arn" {
		return pattern{text: v}
	}
	p := parsePattern(v, variables)
	if kind == "Arn" || strings.HasSuffix(compare, "Like") {
		return p
	}
	p.text = literal.Replace(p.text)
	for i := range p.parts {
		p.parts[i].text = literal.Replace(p.parts[i].text)
	}
	return p
}

var literal = strings.NewReplacer(string(rune(star)), "*", string(rune(one)), "?")

// comparison is how an operator compares one value of the policy with one of
// the request, and whether it wants no match.
func comparison(kind, compare string) (match func(want, got string) bool, negated bool) {
	compare, negated = strings.CutPrefix(compare, "Not")
	switch kind {
	case "String":
		switch compare {
		case "Equals":
			return func(want, got string) bool { return want == got }, negated
		case "EqualsIgnoreCase":
			return strings.EqualFold, negated
		case "Like":
			return glob, negated
		}
	case "Arn":
		return likeARN, negated
	case "Numeric":
		return ordered(compare, number), negated
	case "Date":
		return ordered(compare, date), negated
	case "Bool":
		return strings.EqualFold, false
	case "BinaryEquals":
		return sameBytes, false
	case "IpAddress", "NotIpAddress":
		return contains, kind == "NotIpAddress"
	}
	return func(string, string) bool { return false }, false
}

// ordered compares what read makes of both values. What cannot be read matches
// nothing.
func ordered(compare string, read func(string) (float64, bool)) func(want, got string) bool {
	return func(want, got string) bool {
		w, ok1 := read(want)
		g, ok2 := read(got)
		if !ok1 || !ok2 {
			return false
		}
		switch compare {
		case "Equals":
			return g == w
		case "LessThan":
			return g < w
		case "LessThanEquals":
			return g <= w
		case "GreaterThan":
			return g > w
		case "GreaterThanEquals":
			return g >= w
		}
		return false
	}
}

func number(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// date reads W3C's forms of ISO 8601, and seconds since 1970.
func date(s string) (float64, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil && (layout != "2006" || len(s) == 4) {
			return float64(t.UnixMicro()) / 1e6, true
		}
	}
	return number(s)
}

func sameBytes(want, got string) bool {
	w, err1 := base64.StdEncoding.DecodeString(want)
	g, err2 := base64.StdEncoding.DecodeString(got)
	return err1 == nil && err2 == nil && bytes.Equal(w, g)
}

// contains tells whether a range holds an address.
func contains(want, got string) bool {
	a, err := netip.ParseAddr(got)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	if p, err := netip.ParsePrefix(want); err == nil {
		return p.Contains(a)
	}
	w, err := netip.ParseAddr(want)
	return err == nil && w.Unmap() == a
}

// likeARN matches an ARN part by part: a star in one does not reach the next.
func likeARN(want, got string) bool {
	if strings.Count(got, ":") < 5 {
		return false
	}
	if strings.Count(want, ":") < 5 {
		return want == string(rune(star))
	}
	for range 5 {
		var w, g string
		w, want, _ = strings.Cut(want, ":")
		g, got, _ = strings.Cut(got, ":")
		if !glob(w, g) {
			return false
		}
	}
	return glob(want, got)
}

// holds tells whether the condition is met. A key that is not there fails it,
// but for operators that want no match, and those that say IfExists.
func (t *test) holds(r *Request) bool {
	got, there := r.values(t.key)
	switch {
	case t.null:
		return t.wantsAbsence() != there
	case !there && t.ifExists:
		return true
	case t.set == allValues:
		return t.all(got, r)
	case !there || len(got) == 0:
		return t.negated && t.set == plain
	case t.negated && t.set == plain:
		return t.all(got, r)
	}
	for _, g := range got {
		if t.one(g, r) {
			return true
		}
	}
	return false
}

func (t *test) all(got []string, r *Request) bool {
	for _, g := range got {
		if !t.one(g, r) {
			return false
		}
	}
	return true
}

// one tells whether one value of the request is as the condition wants it.
func (t *test) one(got string, r *Request) bool {
	for i := range t.values {
		if want, ok := t.values[i].filled(r); ok && t.match(want, got) {
			return !t.negated
		}
	}
	return t.negated
}

// wantsAbsence tells whether Null is to be true.
func (t *test) wantsAbsence() bool {
	return len(t.values) > 0 && strings.EqualFold(t.values[0].text, "true")
}
