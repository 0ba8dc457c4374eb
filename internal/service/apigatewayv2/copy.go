package apigatewayv2

import (
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// The parts of an API have the names that AWS's shapes have. What a request
// says goes to the part of the same name, and what a part has to the answer.

// show makes the shape Out of a part.
func show[Out any](part any) *Out {
	out := new(Out)
	copyFields(reflect.ValueOf(out).Elem(), reflect.ValueOf(part).Elem(), false)
	return out
}

// fill changes part to what the request in says; what it does not say stays.
func fill(part, in any) {
	copyFields(reflect.ValueOf(part).Elem(), reflect.ValueOf(in).Elem(), true)
}

// copyFields copies the fields that both structs have and from says. A part
// says what is not zero, or is tagged to be shown always; a request says what
// is there.
func copyFields(to, from reflect.Value, request bool) {
	for i := range from.NumField() {
		sf := from.Type().Field(i)
		dst := to.FieldByName(sf.Name)
		if !sf.IsExported() || !dst.IsValid() {
			continue
		}
		src := from.Field(i)
		always := sf.Tag.Get("show") == "always"
		if src.IsZero() && !always || sf.Tag.Get("show") == "never" {
			continue
		}
		if request {
			target, _ := to.Type().FieldByName(sf.Name)
			merge(dst, src, target.Tag.Get("patch"))
			continue
		}
		copyValue(dst, src, false)
	}
}

// merge puts what a request says into a part's field: in its place, or for a
// field with the tag, key by key and field by field. An empty value takes its
// key away.
func merge(dst, src reflect.Value, how string) {
	switch {
	case how == "merge" && dst.Kind() == reflect.Pointer && !dst.IsNil():
		copyFields(dst.Elem(), src.Elem(), true)
	case how == "merge" && dst.Kind() == reflect.Map && !dst.IsNil():
		for k, v := range src.Seq2() {
			mergeKey(dst, k, v)
		}
	default:
		dst.SetZero()
		copyValue(dst, src, true)
	}
}

func mergeKey(m, k, v reflect.Value) {
	if v.Kind() != reflect.Pointer && v.Len() == 0 {
		m.SetMapIndex(k, reflect.Value{})
		return
	}
	old, value := m.MapIndex(k), reflect.New(m.Type().Elem()).Elem()
	if old.IsValid() && old.Kind() == reflect.Pointer {
		value.Set(reflect.New(old.Type().Elem()))
		value.Elem().Set(old.Elem())
		copyFields(value.Elem(), v.Elem(), true)
	} else {
		copyValue(value, v, true)
	}
	m.SetMapIndex(k, value)
}

func copyValue(dst, src reflect.Value, request bool) {
	if src.Kind() == reflect.Pointer {
		if src.IsNil() {
			return
		}
		src = src.Elem()
	}
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	switch {
	case dst.Type() == reflect.TypeFor[wire.Time]():
		dst.Set(reflect.ValueOf(wire.Time{Time: time.UnixMilli(src.Int()).UTC().Truncate(time.Second)}))
	case src.Kind() == reflect.Struct:
		copyFields(dst, src, request)
	case src.Kind() == reflect.Slice:
		dst.Set(reflect.MakeSlice(dst.Type(), src.Len(), src.Len()))
		for i := range src.Len() {
			copyValue(dst.Index(i), src.Index(i), request)
		}
	case src.Kind() == reflect.Map:
		dst.Set(reflect.MakeMap(dst.Type()))
		for k, v := range src.Seq2() {
			e := reflect.New(dst.Type().Elem()).Elem()
			copyValue(e, v, request)
			dst.SetMapIndex(k, e)
		}
	default:
		dst.Set(src.Convert(dst.Type()))
	}
}

// webHost is the name that has the names of APIs below it: a client that came
// by an address, or by a service's own name, finds them below localhost.
func webHost(host string) string {
	if _, err := netip.ParseAddr(host); err == nil || strings.HasSuffix(host, ".localhost") {
		return "localhost"
	}
	return host
}
