package wire

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

type inner struct {
	A *string   `wire:"a" required:"true"`
	B []float64 `wire:"B"`
	T *tree     `wire:"T"`
}

type tree struct {
	S    *string           `wire:"S"`
	I    *int32            `wire:"I"`
	L    *int64            `wire:"L"`
	F    *float64          `wire:"F"`
	Bool *bool             `wire:"Bool"`
	At   *Time             `wire:"At"`
	ISO  *Time             `wire:"ISO" time:"iso8601"`
	Blob []byte            `wire:"Blob"`
	List []string          `wire:"List"`
	Map  map[string]string `wire:"Map"`
	In   *inner            `wire:"In"`
	Ins  []inner           `wire:"Ins"`
	Ptrs []*inner          `wire:"Ptrs"`
	Refs map[string]*inner `wire:"Refs"`
	Deep [][]int64         `wire:"Deep"`
	Not  string
}

var treeShape = ShapeOf(reflect.TypeFor[tree]())

func bindJSON(s string) (*tree, error) {
	t, err := ParseJSON([]byte(s))
	if err != nil {
		return nil, err
	}
	var v tree
	return &v, treeShape.Bind(t, reflect.ValueOf(&v).Elem())
}

func (v *tree) json() string { return string(treeShape.AppendJSON(nil, reflect.ValueOf(v).Elem())) }

// What is read and written again is what AWS would send: members in the
// shape's order, absent ones left out, empty ones kept.
func TestBindAndAppendJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                               `{}`,
		`{"S":null,"List":null,"In":null}`: `{}`,
		`{"S":"","List":[],"Map":{},"Blob":"","Ins":[]}`:    `{"S":"","Blob":"","List":[],"Map":{},"Ins":[]}`,
		`{"S":"<a & b>\u2028\u0001\"\\/"}`:                  `{"S":"<a & b>` + "\u2028" + `\u0001\"\\/"}`,
		`{"S":"\ud800"}`:                                    `{"S":"` + "\ufffd" + `"}`,
		`{"I":2147483647,"L":9223372036854775807}`:          `{"I":2147483647,"L":9223372036854775807}`,
		`{"I":-2147483648,"L":-9223372036854775808}`:        `{"I":-2147483648,"L":-9223372036854775808}`,
		`{"I":3.9,"L":1e3}`:                                 `{"I":3,"L":1000}`,
		`{"F":0.1}`:                                         `{"F":0.1}`,
		`{"F":1}`:                                           `{"F":1}`,
		`{"F":1e300}`:                                       `{"F":1e+300}`,
		`{"F":1e-9}`:                                        `{"F":1e-09}`,
		`{"F":"NaN"}`:                                       `{"F":"NaN"}`,
		`{"F":"-Infinity"}`:                                 `{"F":"-Infinity"}`,
		`{"Bool":true}`:                                     `{"Bool":true}`,
		`{"At":1700000000}`:                                 `{"At":1700000000}`,
		`{"At":1700000000.1234}`:                            `{"At":1700000000.123}`,
		`{"At":-0.5}`:                                       `{"At":-0.5}`,
		`{"At":"2023-11-14T22:13:20Z"}`:                     `{"At":1700000000}`,
		`{"At":"Tue, 14 Nov 2023 22:13:20 GMT"}`:            `{"At":1700000000}`,
		`{"ISO":1700000000}`:                                `{"ISO":"2023-11-14T22:13:20Z"}`,
		`{"Blob":"AAH/"}`:                                   `{"Blob":"AAH/"}`,
		`{"s":"other case","Not":"untagged","X":[{}]}`:      `{}`,
		`{"In":{"a":"1","B":[1.5,2]},"Ins":[{},{"a":"2"}]}`: `{"In":{"a":"1","B":[1.5,2]},"Ins":[{},{"a":"2"}]}`,
		`{"In":{"T":{"In":{"T":{"S":"deep"}}}}}`:            `{"In":{"T":{"In":{"T":{"S":"deep"}}}}}`,
		`{"Ptrs":[{"a":"1"}],"Refs":{"r":{"a":"2"}}}`:       `{"Ptrs":[{"a":"1"}],"Refs":{"r":{"a":"2"}}}`,
		`{"Deep":[[1,2],[],[3]]}`:                           `{"Deep":[[1,2],[],[3]]}`,
		`{"Map":{"b":"1","a":"2"}}`:                         `{"Map":{"a":"2","b":"1"}}`,
		`{"S":"first","S":"last"}`:                          `{"S":"last"}`,
		" \n":                                               `{}`,
	} {
		v, err := bindJSON(in)
		if in == " \n" {
			v, err = &tree{}, nil // an empty body is no tree; protocols take it for {}
		}
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := v.json(); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", in, got, want)
		}
	}
}

func TestBindRefuses(t *testing.T) {
	for in, want := range map[string]string{
		`{"S":1}`:                   "NUMBER_VALUE can not be converted to a String",
		`{"S":1.5}`:                 "DECIMAL_VALUE can not be converted to a String",
		`{"S":true}`:                "TRUE_VALUE can not be converted to a String",
		`{"S":[]}`:                  "Start of list found where not expected",
		`{"S":{}}`:                  "Start of structure or map found where not expected.",
		`{"I":"1"}`:                 "STRING_VALUE can not be converted to an Integer",
		`{"I":2147483648}`:          "NUMBER_VALUE can not be converted to an Integer",
		`{"L":9223372036854775808}`: "NUMBER_VALUE can not be converted to a Long",
		`{"L":1e30}`:                "DECIMAL_VALUE can not be converted to a Long",
		`{"F":"1"}`:                 "STRING_VALUE can not be converted to a Double",
		`{"F":1e999}`:               "can not be converted to a Double",
		`{"Bool":"true"}`:           "STRING_VALUE can not be converted to a Boolean",
		`{"At":"yesterday"}`:        "'yesterday' can not be converted to a Date",
		`{"At":1e18}`:               "can not be converted to a Date",
		`{"Blob":"a"}`:              "'a' can not be converted to a Blob",
		`{"Blob":7}`:                "NUMBER_VALUE can not be converted to a Blob",
		`{"List":"x"}`:              "Expected list or null",
		`{"List":{}}`:               "Start of structure or map found where not expected.",
		`{"Map":[]}`:                "Start of list found where not expected",
		`{"Map":3}`:                 "Expected map or null",
		`{"In":"x"}`:                "STRING_VALUE can not be converted to a Structure",
		`{"In":[]}`:                 "Start of list found where not expected",
		`{"Ins":[1]}`:               "NUMBER_VALUE can not be converted to a Structure",
		`[]`:                        "Start of list found where not expected",
		`"x"`:                       "STRING_VALUE can not be converted to a Structure",
		`{`:                         "Could not parse request body into json",
		`{} {}`:                     "there is more behind the value",
		`{"S":"x",}`:                "Could not parse request body into json",
	} {
		_, err := bindJSON(in)
		e, ok := errors.AsType[*awserr.Error](err)
		if !ok || e.Code != "SerializationException" || e.Status != 400 || !strings.Contains(e.Message, want) {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

func TestNullMembersAreViolations(t *testing.T) {
	for in, want := range map[string]string{
		`{"List":["a",null]}`:   "1 validation error detected: Value '[a, null]' at 'list' failed to satisfy constraint: Member must satisfy constraint: [Member must not be null]",
		`{"Map":{"k":null}}`:    "1 validation error detected: Value '{k=null}' at 'map' failed to satisfy constraint: Map value must satisfy constraint: [Member must not be null]",
		`{"Ins":[null]}`:        "Member must not be null",
		`{"Deep":[[1],[null]]}`: "Member must not be null",
	} {
		_, err := bindJSON(in)
		if _, ok := errors.AsType[Violations](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestTextScalars(t *testing.T) {
	var v tree
	err := treeShape.Bind(map[string]any{
		"S": Text("x"), "I": Text("+7"), "L": Text("-8"), "F": Text("0.5"), "Bool": Text("True"), "At": Text("2023-11-14T22:13:20.5Z"), "Blob": Text("AAE="),
	}, reflect.ValueOf(&v).Elem())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.json(), `{"S":"x","I":7,"L":-8,"F":0.5,"Bool":true,"At":1700000000.5,"Blob":"AAE="}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, text := range map[string]string{"I": "", "L": "1.5", "F": "x", "Bool": "yes", "At": "x"} {
		if err := treeShape.Bind(map[string]any{name: Text(text)}, reflect.ValueOf(&v).Elem()); err == nil {
			t.Errorf("%s: took %q", name, text)
		}
	}
}

func TestPatterns(t *testing.T) {
	const name = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`
	for _, tt := range []struct {
		pattern, value string
		want           bool
	}{
		{"[a-z]+", "abc", true}, {"[a-z]+", "abc\n", false}, {"[a-z]+", "xABCx", false}, {"[a-z]+", "", false},
		{"a|b", "a", true}, {"a|b", "ab", false}, {"a|b", "xb", false}, {"^a$|^b$", "b", true}, {"^a|b$", "ab", false},
		{`$|kafka://x`, "", true}, {`$|kafka://x`, "kafka://x", true}, {`$|kafka://x`, "y", false},
		{`(arn:.*)|()`, "", true}, {`(arn:.*)|()`, "x", false},
		{name, "f", true}, {name, "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST", true}, {name, "a/b", false}, {name, "f:", false},
		{`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, "v1", true}, {`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, "12", false},
		{`((?!^\d+$)^[0-9a-zA-Z-_]+$)`, "live", true}, {`((?!^\d+$)^[0-9a-zA-Z-_]+$)`, "7", false},
		{`((?!^\d+$)^[0-9a-zA-Z-_]+$)`, "٣", false},
		{`[0-9A-Za-z\.\-_]*(?<!\.)`, "a.b", true}, {`[0-9A-Za-z\.\-_]*(?<!\.)`, "a.", false},
		{`(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)`, "system.x", false}, {`(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)`, "x", true},
		{`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`, "a é € \n", true},
		{`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`, "😀", false}, // recorded so from AWS
		{`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`, "\x01", false},
		{`\\u0041`, `\u0041`, true}, {`\\u0041`, "A", false},
		{`([\p{L}\p{Z}\p{N}_.:/=+\-@]*)`, "grün 7", true}, {`([\p{L}\p{Z}\p{N}_.:/=+\-@]*)`, "a!", false},
		{`[\p{Graph}\x20]*`, "anything", true}, // no engine of ours reads this: it refuses nothing
		{`(`, "anything", true},
	} {
		if got := newPattern(tt.pattern).match(tt.value); got != tt.want {
			t.Errorf("%s on %q: %v", tt.pattern, tt.value, got)
		}
	}
}

// A pattern that backtracks must not keep the server busy.
func TestPatternsEnd(t *testing.T) {
	p := newPattern(`(?!x)(a+)+b`)
	if p.match(strings.Repeat("a", 4000)) {
		t.Error("matched")
	}
}

func TestLengthCountsCharacters(t *testing.T) {
	type shape struct {
		S *string `wire:"S" len:"..3"`
	}
	s := ShapeOf(reflect.TypeFor[shape]())
	for text, ok := range map[string]bool{"€€€": true, "😀😀😀": true, "😀😀😀😀": false, "e\u0301e\u0301": false} {
		if err := s.Check(reflect.ValueOf(shape{&text})); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestViolationsAreBounded(t *testing.T) {
	type shape struct {
		Ins []inner `wire:"Ins"`
		S   *string `wire:"S" len:"..1"`
	}
	s := ShapeOf(reflect.TypeFor[shape]())
	big := strings.Repeat("€", 1<<20)
	err := s.Check(reflect.ValueOf(shape{make([]inner, 5000), &big}))
	if vs := err.(Violations); len(vs) != maxViolations {
		t.Errorf("%d violations", len(vs))
	}
	err = s.Check(reflect.ValueOf(shape{nil, &big}))
	if n := len(err.Error()); n > 2*maxEcho {
		t.Errorf("%d bytes of text", n)
	}
}

func TestEchoOfStructs(t *testing.T) {
	type pair struct {
		KeyName *string `wire:"KeyName"`
		Secret  *string `wire:"Secret" sensitive:"true"`
		On      *bool   `wire:"On"`
	}
	type shape struct {
		Pairs []pair `wire:"Pairs" len:"..1"`
	}
	k, s := "k", "s"
	err := ShapeOf(reflect.TypeFor[shape]()).Check(reflect.ValueOf(shape{[]pair{{&k, &s, nil}, {}}}))
	want := "Value '[pair(keyName=k, secret=***, on=null), pair(keyName=null, secret=null, on=null)]' at 'pairs'"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestShapesThatCannotBe(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[struct {
			C chan int `wire:"C"`
		}](),
		reflect.TypeFor[struct {
			S string `wire:"S,somewhere"`
		}](),
		reflect.TypeFor[struct {
			M map[int]string `wire:"M"`
		}](),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v passed", typ)
				}
			}()
			ShapeOf(typ)
		}()
	}
}

func TestFloatsAndTimes(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 1: "1", -0.5: "-0.5", 1e21: "1e+21", 123456789.25: "123456789.25", math.Inf(1): `"Infinity"`} {
		if got := string(appendFloat(nil, f)); got != want {
			t.Errorf("%v: %s", f, got)
		}
	}
	at := time.Date(2026, 11, 23, 11, 42, 29, 120e6, time.FixedZone("", 3600))
	if got := ISO(at); got != "2026-11-23T10:42:29.120Z" {
		t.Error(got)
	}
	if got := ISO(at.Truncate(time.Second)); got != "2026-11-23T10:42:29Z" {
		t.Error(got)
	}
}

func FuzzBindJSON(f *testing.F) {
	f.Add([]byte(`{"S":"x","I":1,"F":0.5,"At":1,"Blob":"AA==","List":["a"],"Map":{"k":"v"},"In":{"a":"1"},"Deep":[[1]]}`))
	f.Add([]byte(`{"In":{"T":{"In":null}},"Ins":[{}],"Refs":{"":{}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := bindJSON(string(in))
		if err != nil {
			return
		}
		treeShape.Check(reflect.ValueOf(v).Elem())
		out := v.json()
		if !json.Valid([]byte(out)) {
			t.Fatalf("%q became %q, which is no JSON", in, out)
		}
		again, err := bindJSON(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", in, out, err)
		}
		if second := again.json(); second != out {
			t.Errorf("%q\nfirst  %s\nsecond %s", in, out, second)
		}
	})
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x00<\xff€\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(AppendString(nil, s), &back); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); strings.ToValidUTF8(strings.ReplaceAll(back, "\ufffd", ""), "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Errorf("%q came back as %q", s, back)
		}
	})
}
