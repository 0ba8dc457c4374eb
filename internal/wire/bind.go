package wire

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// A Text is a scalar that arrived as text, in a header, a label or a form: the
// member's type says what it means. Other scalars in a tree are string, bool,
// json.Number, int64, uint64, float64, []byte and time.Time.
type Text string

// Serialization is the error for a request that does not fit its shape.
func Serialization(format string, args ...any) *awserr.Error {
	return awserr.New(400, "SerializationException", format, args...)
}

// Bind fills the members of v, a struct of this shape, that are in the body
// from tree. Members that the shape does not know are ignored, null is absent.
func (s *Shape) Bind(tree any, v reflect.Value) error {
	m, ok := tree.(map[string]any)
	if !ok {
		return mismatch(tree, "a Structure")
	}
	for name, t := range m {
		f := s.byName[name]
		if f == nil || t == nil {
			continue
		}
		if err := f.Bind(t, v.Field(f.Index)); err != nil {
			return err
		}
	}
	return nil
}

// Bind fills v, whose type is n's or a pointer to it, from tree.
func (n *Node) Bind(tree any, v reflect.Value) error {
	switch n.Kind {
	case List:
		return n.bindList(tree, v)
	case Map:
		return n.bindMap(tree, v)
	case Blob:
		return bindBlob(tree, v)
	case Struct:
		if _, ok := tree.(map[string]any); !ok {
			return mismatch(tree, "a Structure")
		}
		return n.Shape.Bind(tree, settable(v))
	case Streamed:
		return nil
	}
	return n.bindScalar(tree, v)
}

func (n *Node) bindScalar(tree any, v reflect.Value) error {
	switch n.Kind {
	case String:
		s, err := stringOf(tree)
		if err != nil {
			return err
		}
		settable(v).SetString(s)
	case Bool:
		b, err := boolOf(tree)
		if err != nil {
			return err
		}
		settable(v).SetBool(b)
	case Integer:
		i, err := integerOf(tree, n.Go.Bits())
		if err != nil {
			return err
		}
		settable(v).SetInt(i)
	case Float:
		f, err := floatOf(tree)
		if err != nil {
			return err
		}
		settable(v).SetFloat(f)
	case Timestamp:
		t, err := momentOf(tree)
		if err != nil {
			return err
		}
		settable(v).Set(reflect.ValueOf(Time{t}))
	}
	return nil
}

func (n *Node) bindList(tree any, v reflect.Value) error {
	list, ok := tree.([]any)
	if !ok {
		if _, isMap := tree.(map[string]any); isMap {
			return mismatch(tree, "a List")
		}
		return Serialization("Expected list or null")
	}
	out := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, t := range list {
		if t == nil {
			return nullMember(n, tree, "Member must satisfy constraint: ", &n.Elem.rules)
		}
		if err := n.Elem.Bind(t, out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func (n *Node) bindMap(tree any, v reflect.Value) error {
	m, ok := tree.(map[string]any)
	if !ok {
		if _, isList := tree.([]any); isList {
			return mismatch(tree, "a Map")
		}
		return Serialization("Expected map or null")
	}
	out := reflect.MakeMapWithSize(v.Type(), len(m))
	for k, t := range m {
		if t == nil {
			return nullMember(n, tree, "Map value must satisfy constraint: ", &n.Elem.rules)
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if err := n.Elem.Bind(t, e); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), e)
	}
	v.Set(out)
	return nil
}

// nullMember is a violation that the filled struct could not tell any more.
func nullMember(n *Node, tree any, rule string, r *rules) error {
	return Violations{{n.path, echo(n, treeText(tree)), rule + r.all(n.Elem.Kind)}}
}

func bindBlob(tree any, v reflect.Value) error {
	switch t := tree.(type) {
	case []byte:
		v.SetBytes(t)
		return nil
	case string:
		return decodeBlob(t, v)
	case Text:
		return decodeBlob(string(t), v)
	}
	return mismatch(tree, "a Blob")
}

func decodeBlob(s string, v reflect.Value) error {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		if len(s) > 64 {
			s = s[:64] + "..."
		}
		return Serialization("'%s' can not be converted to a Blob: %v", s, err)
	}
	if b == nil {
		b = []byte{} // present and empty, not absent
	}
	v.SetBytes(b)
	return nil
}

// mismatch is the text of AWS's JSON reader for a value of the wrong type.
func mismatch(tree any, want string) error {
	switch t := tree.(type) {
	case []any:
		return Serialization("Start of list found where not expected")
	case map[string]any:
		return Serialization("Start of structure or map found where not expected.")
	case string, Text, []byte:
		return Serialization("STRING_VALUE can not be converted to %s", want)
	case bool:
		return Serialization("%s_VALUE can not be converted to %s", strings.ToUpper(strconv.FormatBool(t)), want)
	case json.Number:
		if strings.ContainsAny(t.String(), ".eE") {
			return Serialization("DECIMAL_VALUE can not be converted to %s", want)
		}
	case float64:
		return Serialization("DECIMAL_VALUE can not be converted to %s", want)
	}
	return Serialization("NUMBER_VALUE can not be converted to %s", want)
}

func stringOf(tree any) (string, error) {
	switch t := tree.(type) {
	case string:
		return t, nil
	case Text:
		return string(t), nil
	}
	return "", mismatch(tree, "a String")
}

func boolOf(tree any) (bool, error) {
	switch t := tree.(type) {
	case bool:
		return t, nil
	case Text:
		switch strings.ToLower(string(t)) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return false, mismatch(tree, "a Boolean")
}

func integerOf(tree any, bits int) (int64, error) {
	want := "an Integer"
	if bits == 64 {
		want = "a Long"
	}
	i, ok := integer(tree)
	if !ok || bits == 32 && (i > math.MaxInt32 || i < math.MinInt32) {
		if t, text := tree.(Text); text && t == "" {
			return 0, Serialization("missing value for decimal type")
		}
		return 0, mismatch(tree, want)
	}
	return i, nil
}

// integer reads a whole number; AWS cuts off a fraction.
func integer(tree any) (int64, bool) {
	switch t := tree.(type) {
	case int64:
		return t, true
	case uint64:
		return int64(t), t <= math.MaxInt64
	case float64:
		return whole(t)
	case Text:
		i, err := strconv.ParseInt(string(t), 10, 64)
		return i, err == nil
	case json.Number:
		if i, err := t.Int64(); err == nil {
			return i, true
		}
		if !strings.ContainsAny(t.String(), ".eE") {
			return 0, false
		}
		f, err := t.Float64()
		if err != nil {
			return 0, false
		}
		return whole(f)
	}
	return 0, false
}

func whole(f float64) (int64, bool) {
	if math.IsNaN(f) || f >= math.MaxInt64 || f <= math.MinInt64 {
		return 0, false
	}
	return int64(f), true
}

func floatOf(tree any) (float64, error) {
	switch t := tree.(type) {
	case float64:
		return t, nil
	case int64:
		return float64(t), nil
	case uint64:
		return float64(t), nil
	case json.Number:
		if f, err := t.Float64(); err == nil {
			return f, nil
		}
	case Text:
		if f, err := strconv.ParseFloat(string(t), 64); err == nil {
			return f, nil
		}
	case string: // JSON has no other way to write these
		if f, ok := map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}[t]; ok {
			return f, nil
		}
	}
	return 0, mismatch(tree, "a Double")
}

// momentOf reads seconds since 1970, ISO 8601 and the date of HTTP.
func momentOf(tree any) (time.Time, error) {
	switch t := tree.(type) {
	case time.Time: // from a float, so not exact
		return t.Round(time.Millisecond).UTC(), nil
	case string:
		return momentText(t)
	case Text:
		return momentText(string(t))
	}
	f, err := floatOf(tree)
	if err != nil || math.IsNaN(f) || math.Abs(f) > maxEpoch {
		return time.Time{}, mismatch(tree, "a Date")
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(math.Round(frac*1e3))*1e6).UTC(), nil
}

// maxEpoch is the end of the year 9999, the last that ISO 8601 can write.
const maxEpoch = 253402300799

func momentText(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05", "2006-01-02", time.RFC1123, time.RFC1123Z} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) <= maxEpoch {
		return momentOf(f)
	}
	return time.Time{}, Serialization("'%s' can not be converted to a Date", s)
}
