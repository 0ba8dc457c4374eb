package vtl

import (
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Text is a value as a template writes it.
func Text(v Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return number(v)
	case interface{ String() string }:
		return v.String()
	}
	w := &writer{}
	w.value(v, 0)
	return w.b.String()
}

// maxNodes and maxNesting bound what is written of a value: a template can put
// a map into itself.
const (
	maxNodes   = 100_000
	maxNesting = 100
)

type writer struct {
	b     strings.Builder
	nodes int
}

func (w *writer) value(v Value, depth int) {
	if w.nodes++; w.nodes > maxNodes || depth > maxNesting {
		return
	}
	switch v := v.(type) {
	case Map:
		w.b.WriteByte('{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			w.comma(i)
			w.b.WriteString(k + "=")
			w.value(v[k], depth+1)
		}
		w.b.WriteByte('}')
	case *List:
		w.b.WriteByte('[')
		for i, item := range v.Items {
			w.comma(i)
			w.value(item, depth+1)
		}
		w.b.WriteByte(']')
	default:
		if s := Text(v); w.b.Len()+len(s) <= MaxOutput {
			w.b.WriteString(s)
		}
	}
}

func (w *writer) comma(i int) {
	if i > 0 {
		w.b.WriteString(", ")
	}
}

func number(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// JSON is a value as JSON.
func JSON(v Value) string {
	b, err := json.Marshal(Plain(v))
	if err != nil {
		return "null"
	}
	return string(b)
}

// Plain is a value as encoding/json has it.
func Plain(v Value) any {
	nodes := 0
	return plain(v, 0, &nodes)
}

func plain(v Value, depth int, nodes *int) any {
	if *nodes++; *nodes > maxNodes || depth > maxNesting {
		return nil
	}
	switch v := v.(type) {
	case Map:
		m := map[string]any{}
		for k, e := range v {
			m[k] = plain(e, depth+1, nodes)
		}
		return m
	case *List:
		list := make([]any, len(v.Items))
		for i, e := range v.Items {
			list[i] = plain(e, depth+1, nodes)
		}
		return list
	case nil, string, bool:
		return v
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return int64(v)
		}
		return v
	}
	return Text(v)
}

// Of is the value of what encoding/json has read.
func Of(v any) Value {
	switch v := v.(type) {
	case map[string]any:
		m := Map{}
		for k, e := range v {
			m[k] = Of(e)
		}
		return m
	case []any:
		l := &List{Items: make([]Value, len(v))}
		for i, e := range v {
			l.Items[i] = Of(e)
		}
		return l
	}
	return v
}

func truth(v Value) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	}
	return true
}

func memberOf(v Value, name string) Value {
	switch v := v.(type) {
	case Map:
		return v[name]
	case Object:
		return v.Member(name)
	case *List:
		if name == "size" || name == "length" {
			return float64(len(v.Items))
		}
	}
	return nil
}

func at(v, index Value) Value {
	switch v := v.(type) {
	case Map:
		return v[Text(index)]
	case Object:
		return v.Member(Text(index))
	case *List:
		if f, ok := index.(float64); ok && f >= 0 && int(f) < len(v.Items) {
			return v.Items[int(f)]
		}
	}
	return nil
}

func itemsOf(v Value) []Value {
	switch v := v.(type) {
	case *List:
		return slices.Clone(v.Items)
	case Map:
		var items []Value
		for _, k := range slices.Sorted(maps.Keys(v)) {
			items = append(items, v[k])
		}
		return items
	}
	return nil
}

// method calls a method of a plain value: those of Java's String, List and Map
// that templates use.
func method(v Value, name string, args []Value) (Value, error) {
	switch v := v.(type) {
	case string:
		return ofString(v, name, args)
	case *List:
		return ofList(v, name, args)
	case Map:
		return ofMap(v, name, args)
	}
	switch name {
	case "toString":
		return Text(v), nil
	case "equals":
		return len(args) == 1 && same(v, args[0]), nil
	}
	return nil, ErrNoMethod
}

func ofString(s, name string, args []Value) (Value, error) {
	arg := func(i int) string {
		if i < len(args) {
			return Text(args[i])
		}
		return ""
	}
	switch name {
	case "equals":
		return s == arg(0), nil
	case "equalsIgnoreCase":
		return strings.EqualFold(s, arg(0)), nil
	case "contains":
		return strings.Contains(s, arg(0)), nil
	case "startsWith":
		return strings.HasPrefix(s, arg(0)), nil
	case "endsWith":
		return strings.HasSuffix(s, arg(0)), nil
	case "indexOf":
		return float64(strings.Index(s, arg(0))), nil
	case "length":
		return float64(len(s)), nil
	case "isEmpty":
		return s == "", nil
	case "toLowerCase":
		return strings.ToLower(s), nil
	case "toUpperCase":
		return strings.ToUpper(s), nil
	case "trim":
		return strings.TrimSpace(s), nil
	case "toString":
		return s, nil
	case "concat":
		return s + arg(0), nil
	case "replace":
		return bounded(s, arg(0), arg(1))
	case "substring":
		return substring(s, args)
	case "matches", "replaceAll", "replaceFirst", "split":
		return byPattern(s, name, arg(0), arg(1))
	}
	return nil, ErrNoMethod
}

// bounded replaces, unless what comes of it is too long to be meant.
func bounded(s, from, to string) (Value, error) {
	if n := strings.Count(s, from); len(s)+n*len(to) > MaxOutput {
		return nil, ErrTooLong
	}
	return strings.ReplaceAll(s, from, to), nil
}

func byPattern(s, name, pattern, with string) (Value, error) {
	if name == "matches" {
		pattern = "^(?:" + pattern + ")$"
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	switch name {
	case "matches":
		return re.MatchString(s), nil
	case "split":
		l := &List{}
		for _, p := range re.Split(s, -1) {
			l.Items = append(l.Items, p)
		}
		return l, nil
	case "replaceFirst":
		if m := re.FindStringIndex(s); m != nil {
			return s[:m[0]] + re.ReplaceAllString(s[m[0]:m[1]], with) + s[m[1]:], nil
		}
		return s, nil
	}
	if n := len(re.FindAllStringIndex(s, -1)); len(s)+n*(len(with)+len(s)) > 8*MaxOutput {
		return nil, ErrTooLong
	}
	return re.ReplaceAllString(s, with), nil
}

func substring(s string, args []Value) (Value, error) {
	from, to := 0, len(s)
	for i, p := range []*int{&from, &to} {
		if i < len(args) {
			f, _ := args[i].(float64)
			*p = int(max(0, min(f, float64(len(s)))))
		}
	}
	if from > to {
		return "", nil
	}
	return s[from:to], nil
}

func ofList(l *List, name string, args []Value) (Value, error) {
	switch name {
	case "size":
		return float64(len(l.Items)), nil
	case "isEmpty":
		return len(l.Items) == 0, nil
	case "get":
		if len(args) == 1 {
			return at(l, args[0]), nil
		}
	case "contains":
		return len(args) == 1 && slices.ContainsFunc(l.Items, func(v Value) bool { return same(v, args[0]) }), nil
	case "add":
		if len(args) == 1 {
			l.Items = append(l.Items, args[0])
			return true, nil
		}
	}
	return nil, ErrNoMethod
}

func ofMap(m Map, name string, args []Value) (Value, error) {
	switch name {
	case "size":
		return float64(len(m)), nil
	case "isEmpty":
		return len(m) == 0, nil
	case "keySet":
		l := &List{}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			l.Items = append(l.Items, k)
		}
		return l, nil
	case "values":
		return &List{Items: itemsOf(m)}, nil
	case "entrySet":
		l := &List{}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			l.Items = append(l.Items, Map{"key": k, "value": m[k]})
		}
		return l, nil
	case "get", "containsKey":
		if len(args) == 1 {
			v, ok := m[Text(args[0])]
			if name == "containsKey" {
				return ok, nil
			}
			return v, nil
		}
	case "put":
		if len(args) == 2 {
			m[Text(args[0])] = args[1]
			return nil, nil
		}
	}
	return nil, ErrNoMethod
}

func same(a, b Value) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case string, bool, float64:
		if a == b {
			return true
		}
		_, texts := a.(string)
		_, other := b.(string)
		return texts != other && Text(a) == Text(b) && b != nil
	}
	return b != nil && Text(a) == Text(b)
}
