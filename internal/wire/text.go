package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// maxEcho bounds how much of a value a violation repeats.
const maxEcho = 64 << 10

// echo is a value in a violation's text; a sensitive one is not repeated.
func echo(n *Node, text string) string {
	if n.sensitive {
		return ""
	}
	if len(text) > maxEcho {
		text = strings.ToValidUTF8(text[:maxEcho], "")
	}
	return " '" + text + "'"
}

// valueText writes v as Java's toString does, since that is what AWS echoes.
func valueText(n *Node, v reflect.Value) string {
	var b strings.Builder
	writeText(&b, n, v)
	return b.String()
}

func writeText(b *strings.Builder, n *Node, v reflect.Value) {
	switch n.Kind {
	case String:
		b.WriteString(v.String())
	case Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case Integer:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case Float:
		b.WriteString(javaFloat(v.Float()))
	case Blob:
		fmt.Fprintf(b, "java.nio.HeapByteBuffer[pos=0 lim=%d cap=%[1]d]", v.Len())
	case Timestamp:
		b.WriteString(timeOf(v).UTC().Format("Mon Jan 02 15:04:05 UTC 2006"))
	case Struct:
		writeStruct(b, n.Shape, v)
	case List:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			if e := reflect.Indirect(v.Index(i)); e.IsValid() {
				writeText(b, n.Elem, e)
			}
		}
		b.WriteByte(']')
	case Map:
		writeMap(b, n, v)
	}
}

func writeMap(b *strings.Builder, n *Node, v reflect.Value) {
	b.WriteByte('{')
	for i, k := range sortedKeys(v) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(k.String() + "=")
		if e := reflect.Indirect(v.MapIndex(k)); e.IsValid() {
			writeText(b, n.Elem, e)
		}
	}
	b.WriteByte('}')
}

// writeStruct is what AWS's generated toString makes: OnSuccess(destination=x).
func writeStruct(b *strings.Builder, s *Shape, v reflect.Value) {
	b.WriteString(s.Name + "(")
	for i, f := range s.Fields {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.path + "=")
		switch e, ok := f.Value(v); {
		case !ok:
			b.WriteString("null")
		case f.sensitive:
			b.WriteString("***")
		default:
			writeText(b, f.Node, e)
		}
	}
	b.WriteByte(')')
}

// treeText is valueText for what is not in a struct yet.
func treeText(tree any) string {
	switch t := tree.(type) {
	case nil:
		return "null"
	case []any:
		texts := make([]string, len(t))
		for i, e := range t {
			texts[i] = treeText(e)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case map[string]any:
		texts := make([]string, 0, len(t))
		for _, k := range slices.Sorted(maps.Keys(t)) {
			texts = append(texts, k+"="+treeText(t[k]))
		}
		return "{" + strings.Join(texts, ", ") + "}"
	case json.Number:
		return t.String()
	}
	return fmt.Sprint(tree)
}

// javaFloat is Double.toString for the sizes that occur.
func javaFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") && !math.IsInf(f, 0) && !math.IsNaN(f) {
		s += ".0"
	}
	return s
}
