package wire

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// A Where is the place of a member in a message.
type Where int

// The places. Protocols other than REST know Body alone.
const (
	Body Where = iota
	URI
	Query
	Header
	Headers // all headers with the member's wire name as prefix, as a map
	Payload // the whole body
	Status  // the answer's HTTP status
)

// A Kind is what a member's value is.
type Kind int

// The kinds of values in a model.
const (
	String Kind = iota
	Bool
	Integer // int32 and int64
	Float
	Timestamp
	Blob
	List
	Map
	Struct
	Streamed // a Stream
)

// A Shape is a struct of the model, read from its Go type once.
type Shape struct {
	Name    string
	Fields  []*Field
	Payload *Field // the member that is the whole body; nil for none
	InBody  bool   // there are members in the body

	byName map[string]*Field // those in the body
}

// A Field is a member of a Shape.
type Field struct {
	Name     string // on the wire
	Form     string // query: what it is called there, mostly Name
	Where    Where
	Required bool
	Index    int // in the Go struct
	*Node
}

// A Node is the type of a value, with what the model demands of it.
type Node struct {
	Kind   Kind
	Go     reflect.Type // without its pointer, if it has one
	Elem   *Node        // of a List, or of a Map's values
	Shape  *Shape       // of a Struct
	Member string       // query: what a list's members are called
	Flat   bool         // query: the list or map has no element of its own
	Names  [2]string    // query: what a map's keys and values are called

	iso       bool   // JSON: a Timestamp is a text
	path      string // as a violation names it: "functionName"
	sensitive bool
	rules     rules
	key       rules // of a Map's keys
}

// A reader reads Go types into shapes; a type that contains itself is read once.
type reader map[reflect.Type]*Shape

// ShapeOf reads the struct type t. It panics if t is not made of what the
// package documentation lists: shapes are code, and a wrong one is a bug.
func ShapeOf(t reflect.Type) *Shape { return reader{}.shape(t) }

func (rd reader) shape(t reflect.Type) *Shape {
	if s, ok := rd[t]; ok {
		return s
	}
	s := &Shape{Name: t.Name(), byName: map[string]*Field{}}
	rd[t] = s
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, ok := sf.Tag.Lookup("wire")
		if !ok {
			continue
		}
		s.add(rd.field(t, sf, tag, i))
	}
	s.settle()
	return s
}

func (s *Shape) add(f *Field) {
	s.Fields = append(s.Fields, f)
	switch f.Where {
	case Payload:
		s.Payload = f
	case Body:
		s.InBody = true
		s.byName[f.Name] = f
	}
}

// settle gives the status its place in shapes made before the generator knew
// it: a shape with a payload has no member in the body otherwise.
func (s *Shape) settle() {
	if f := s.byName["StatusCode"]; s.Payload != nil && f != nil {
		f.Where, s.InBody = Status, false
		delete(s.byName, f.Name)
	}
}

func (rd reader) field(owner reflect.Type, sf reflect.StructField, tag string, index int) *Field {
	name, place, _ := strings.Cut(tag, ",")
	where, ok := map[string]Where{
		"": Body, "uri": URI, "query": Query, "header": Header, "headers": Headers, "payload": Payload, "status": Status,
	}[place]
	if !ok {
		panic(fmt.Sprintf("wire: %s.%s: no place %q", owner, sf.Name, place))
	}
	n := rd.node(sf.Type, sf.Tag, "")
	n.path = strings.ToLower(sf.Name[:1]) + sf.Name[1:]
	n.iso = sf.Tag.Get("time") == "iso8601"
	n.sensitive = sf.Tag.Get("sensitive") == "true"
	n.Member = "member"
	if list, ok := sf.Tag.Lookup("list"); ok {
		member, flat, _ := strings.Cut(list, ",")
		n.Flat = flat == "flat"
		if member != "" {
			n.Member = member
		}
	}
	if k, v, ok := strings.Cut(sf.Tag.Get("entries"), ","); ok {
		n.Names = [2]string{k, v}
	}
	f := &Field{Name: name, Form: name, Where: where, Required: sf.Tag.Get("required") == "true", Index: index, Node: n}
	f.form(sf.Tag.Get("form"))
	return f
}

// form reads the tag of a flat member that is called something else in forms:
// its name, and for a map those of its keys and values.
func (f *Field) form(tag string) {
	if tag == "" {
		return
	}
	f.Flat = true
	f.Form, tag, _ = strings.Cut(tag, ",")
	if k, v, ok := strings.Cut(tag, ","); ok {
		f.Names = [2]string{k, v}
	}
}

// node reads the type t; its constraints are the tags behind prefix.
func (rd reader) node(t reflect.Type, tag reflect.StructTag, prefix string) *Node {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	n := &Node{Go: t, Member: "member", Names: [2]string{"key", "value"}, rules: rulesOf(tag, prefix)}
	switch {
	case t == reflect.TypeFor[Time]():
		n.Kind = Timestamp
	case t == reflect.TypeFor[Stream]():
		n.Kind = Streamed
	case t == reflect.TypeFor[[]byte]():
		n.Kind = Blob
	case t.Kind() == reflect.Slice:
		n.Kind, n.Elem = List, rd.node(t.Elem(), tag, prefix+"elem.")
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		n.Kind, n.Elem = Map, rd.node(t.Elem(), tag, prefix+"elem.")
		n.key = rulesOf(tag, prefix+"key.")
	case t.Kind() == reflect.Struct:
		n.Kind, n.Shape = Struct, rd.shape(t)
	default:
		n.Kind = scalar(t)
	}
	return n
}

func scalar(t reflect.Type) Kind {
	switch t.Kind() {
	case reflect.String:
		return String
	case reflect.Bool:
		return Bool
	case reflect.Int, reflect.Int32, reflect.Int64:
		return Integer
	case reflect.Float32, reflect.Float64:
		return Float
	}
	panic(fmt.Sprintf("wire: %s cannot be a member of a shape", t))
}

// Value is the field of the struct v, without its pointer. ok is false if it is absent.
func (f *Field) Value(v reflect.Value) (value reflect.Value, ok bool) {
	v = v.Field(f.Index)
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	case reflect.Slice, reflect.Map, reflect.Func:
		return v, !v.IsNil()
	}
	return v, true
}

// settable is v, or what v points to, made if need be.
func settable(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// timeOf is the time in a Timestamp value.
func timeOf(v reflect.Value) time.Time { return v.Interface().(Time).Time }

// StreamOf is the function in a Streamed value.
func StreamOf(v reflect.Value) func(io.Writer) error { return v.Interface().(Stream) }
