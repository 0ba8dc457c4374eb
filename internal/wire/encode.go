package wire

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// HeaderText is v, which is no pointer, as a header's value.
func (n *Node) HeaderText(v reflect.Value) string {
	switch n.Kind {
	case Timestamp:
		return timeOf(v).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	case List:
		texts := make([]string, v.Len())
		for i := range texts {
			texts[i] = n.Elem.HeaderText(v.Index(i))
		}
		return strings.Join(texts, ", ")
	}
	return n.QueryText(v)
}

// QueryText is v, a scalar that is no pointer, as a form's or a query's value.
func (n *Node) QueryText(v reflect.Value) string {
	switch n.Kind {
	case String:
		return v.String()
	case Blob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case Timestamp:
		return ISO(timeOf(v))
	case Bool:
		return strconv.FormatBool(v.Bool())
	case Integer:
		return strconv.FormatInt(v.Int(), 10)
	case Float:
		return strings.Trim(string(appendFloat(nil, v.Float())), `"`)
	}
	return ""
}

// ISO is t in ISO 8601, with milliseconds if it has any.
func ISO(t time.Time) string {
	if t.UnixMilli()%1000 == 0 {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// AppendJSON appends the members of v, a struct of this shape, that are in the
// body, as a JSON object. Absent members are left out.
func (s *Shape) AppendJSON(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	first := true
	for _, f := range s.Fields {
		if f.Where != Body {
			continue
		}
		value, ok := f.Value(v)
		if !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(AppendString(b, f.Name), ':')
		b = f.AppendJSON(b, value)
	}
	return append(b, '}')
}

// AppendJSON appends v, which is no pointer.
func (n *Node) AppendJSON(b []byte, v reflect.Value) []byte {
	switch n.Kind {
	case String:
		return AppendString(b, v.String())
	case Bool:
		return strconv.AppendBool(b, v.Bool())
	case Integer:
		return strconv.AppendInt(b, v.Int(), 10)
	case Float:
		return appendFloat(b, v.Float())
	case Timestamp:
		if n.iso {
			return AppendString(b, ISO(timeOf(v)))
		}
		return AppendEpoch(b, timeOf(v))
	case Blob:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case Struct:
		return n.Shape.AppendJSON(b, v)
	case List:
		return n.appendList(b, v)
	case Map:
		return n.appendMap(b, v)
	}
	return append(b, "null"...)
}

func (n *Node) appendList(b []byte, v reflect.Value) []byte {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = n.Elem.appendMember(b, v.Index(i))
	}
	return append(b, ']')
}

func (n *Node) appendMap(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	for i, k := range sortedKeys(v) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendString(b, k.String()), ':')
		b = n.Elem.appendMember(b, v.MapIndex(k))
	}
	return append(b, '}')
}

// appendMember appends a list's member or a map's value, which may be a nil pointer.
func (n *Node) appendMember(b []byte, v reflect.Value) []byte {
	if v = reflect.Indirect(v); !v.IsValid() {
		return append(b, "null"...)
	}
	return n.AppendJSON(b, v)
}

// appendFloat writes f; what JSON has no number for goes as a string.
func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// AppendEpoch appends t as seconds since 1970, with milliseconds if it has any.
func AppendEpoch(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return strconv.AppendInt(b, ms/1000, 10)
	}
	return strconv.AppendFloat(b, float64(ms)/1e3, 'f', -1, 64)
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Unlike encoding/json, and like AWS,
// it leaves <, > and & alone.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			b = append(append(b, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, c)
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// Tree is v, a struct of this shape, as a tree: the members in the body by
// their wire names, times as time.Time.
func (s *Shape) Tree(v reflect.Value) map[string]any {
	m := map[string]any{}
	for _, f := range s.Fields {
		if value, ok := f.Value(v); ok && f.Where == Body {
			m[f.Name] = f.Tree(value)
		}
	}
	return m
}

// Tree is v, which is no pointer, as a tree.
func (n *Node) Tree(v reflect.Value) any {
	switch n.Kind {
	case String:
		return v.String()
	case Bool:
		return v.Bool()
	case Integer:
		return v.Int()
	case Float:
		return v.Float()
	case Timestamp:
		return timeOf(v)
	case Blob:
		return v.Bytes()
	case Struct:
		return n.Shape.Tree(v)
	case List:
		list := make([]any, v.Len())
		for i := range list {
			if e := reflect.Indirect(v.Index(i)); e.IsValid() {
				list[i] = n.Elem.Tree(e)
			}
		}
		return list
	case Map:
		m := make(map[string]any, v.Len())
		for k, e := range v.Seq2() {
			if e = reflect.Indirect(e); e.IsValid() {
				m[k.String()] = n.Elem.Tree(e)
			}
		}
		return m
	}
	return nil
}
