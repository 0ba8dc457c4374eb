package query

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

type part struct {
	Key  *string  `wire:"Key" required:"true"`
	Subs []string `wire:"Subs"`
}

type all struct {
	S       *string             `wire:"S"`
	N       *int32              `wire:"N" range:"900..43200"`
	B       *bool               `wire:"B"`
	At      *wire.Time          `wire:"At"`
	List    []string            `wire:"List"`
	Renamed []string            `wire:"Renamed" list:"Item"`
	Flat    []string            `wire:"Flat" list:",flat"`
	Parts   []part              `wire:"Parts"`
	FlatTwo []part              `wire:"FlatTwo" list:",flat"`
	Map     map[string]string   `wire:"Map"`
	Named   map[string]string   `wire:"Named" entries:"Name,Value"`
	Deep    map[string]part     `wire:"Deep"`
	Lists   map[string][]string `wire:"Lists"`
	Part    *part               `wire:"Part"`
}

var allShape = wire.ShapeOf(reflect.TypeFor[all]())

func bound(t testing.TB, form string) (string, error) {
	t.Helper()
	values, err := url.ParseQuery(form)
	if err != nil {
		return "", err
	}
	var v all
	err = bind(allShape, values, reflect.ValueOf(&v).Elem())
	return string(allShape.AppendJSON(nil, reflect.ValueOf(v))), err
}

func TestForms(t *testing.T) {
	for form, want := range map[string]string{
		"":                                 `{}`,
		"S=":                               `{"S":""}`,
		"S=a%20b+c%26":                     `{"S":"a b c&"}`,
		"S=first&S=second":                 `{"S":"first"}`,
		"N=%2B900":                         `{"N":900}`,
		"N=0900":                           `{"N":900}`,
		"B=true":                           `{"B":true}`,
		"At=2026-11-23T11:42:29Z":          `{"At":1795434149}`,
		"Unknown=1&Unknown.x=2":            `{}`,
		"List.member.1=a&List.member.2=b":  `{"List":["a","b"]}`,
		"List.member.10=b&List.member.9=a": `{"List":["a","b"]}`,
		"List.member.1=a&List.member.999999999999=b": `{"List":["a","b"]}`,
		"List=":                               `{"List":[]}`,
		"List.member.x=a":                     `{"List":[]}`,
		"List.member.-1=a":                    `{"List":[]}`,
		"List=x":                              `{}`,
		"Renamed.Item.1=a&Renamed.member.1=b": `{"Renamed":["a"]}`,
		"Flat.1=a&Flat.2=b":                   `{"Flat":["a","b"]}`,
		"Parts.member.1.Key=k&Parts.member.1.Subs.member.1=s":                         `{"Parts":[{"Key":"k","Subs":["s"]}]}`,
		"FlatTwo.1.Key=k&FlatTwo.2.Key=l":                                             `{"FlatTwo":[{"Key":"k"},{"Key":"l"}]}`,
		"Map.entry.1.key=k&Map.entry.1.value=v&Map.entry.2.key=l&Map.entry.2.value=":  `{"Map":{"k":"v","l":""}}`,
		"Map.entry.1.key=k&Map.entry.1.value=v&Map.entry.2.key=k&Map.entry.2.value=w": `{"Map":{"k":"v"}}`,
		"Map.entry.1.key=k":                                  `{"Map":{}}`,
		"Named.entry.1.Name=k&Named.entry.1.Value=v":         `{"Named":{"k":"v"}}`,
		"Deep.entry.1.key=k&Deep.entry.1.value.Key=x":        `{"Deep":{"k":{"Key":"x"}}}`,
		"Lists.entry.1.key=k&Lists.entry.1.value.member.1=a": `{"Lists":{"k":["a"]}}`,
		"Part.Key=k":                   `{"Part":{"Key":"k"}}`,
		"Part=text":                    `{"Part":{}}`,
		"S=a&S.b=c":                    `{"S":"a"}`,
		strings.Repeat("S.", 31) + "=": `{}`,
	} {
		got, err := bound(t, form)
		if err != nil || got != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", form, got, err, want)
		}
	}
}

func TestFormsRefused(t *testing.T) {
	for form, want := range map[string]string{
		"N=":                            "missing value for decimal type",
		"N=abc":                         "can not be converted to an Integer",
		"N=900.0":                       "can not be converted to an Integer",
		"N=2147483648":                  "can not be converted to an Integer",
		"B=yes":                         "can not be converted to a Boolean",
		"At=soon":                       "can not be converted to a Date",
		strings.Repeat("a.", 40) + "=1": "nested too deeply",
		"List.member.2.x=1":             "Member must not be null",
	} {
		if got, err := bound(t, form); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v", form, got, err)
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add("S=a&N=900&List.member.1=a&Map.entry.1.key=k&Map.entry.1.value=v&Parts.member.1.Key=k&Flat.1=x")
	f.Add("Part=x&Part.Key=k&List=&List.member=&Map.entry.1=x")
	f.Fuzz(func(t *testing.T, form string) {
		first, err := bound(t, form)
		if err != nil {
			return
		}
		if second, err := bound(t, form); err != nil || second != first {
			t.Errorf("%q is read as %s and as %s, %v", form, first, second, err)
		}
	})
}
