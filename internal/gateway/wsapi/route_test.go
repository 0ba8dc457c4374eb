package wsapi

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestEvaluate(t *testing.T) {
	const message = `{"action":"join","a":{"b":"deep","n":1.50,"t":true,"l":[{"x":"y"}],"o":{}},"empty":"","null":null}`
	for expression, want := range map[string]string{
		"$request.body.action":                          "join",
		"${request.body.action}":                        "join",
		"$request.body.a.b":                             "deep",
		"$request.body.a.n":                             "1.50",
		"$request.body.a.t":                             "true",
		"$request.body.a.l[0].x":                        "y",
		"$request.body.a.l[1].x":                        "",
		"$request.body.a.l[-1].x":                       "",
		"$request.body.a.o":                             "",
		"$request.body.a.l":                             "",
		"$request.body.empty":                           "",
		"$request.body.null":                            "",
		"$request.body.none":                            "",
		"$request.header.x":                             "",
		"${request.body.action}/${request.body.a.b}":    "join/deep",
		"${request.body.action}/${request.body.nobody}": "",
		"${request.body.action":                         "",
		"fixed":                                         "fixed",
	} {
		got, ok := evaluate(expression, []byte(message))
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", expression, got, ok)
		}
	}
}

// What a route is chosen by is a scalar's text, and bad JSON chooses nothing.
func FuzzEvaluate(f *testing.F) {
	f.Add("$request.body.action", []byte(`{"action":"join"}`))
	f.Add("${request.body.a.b[0]}-x", []byte(`{"a":{"b":[1]}}`))
	f.Fuzz(func(t *testing.T, expression string, message []byte) {
		v, ok := evaluate(expression, message)
		if ok != (v != "") {
			t.Fatalf("%q, %v", v, ok)
		}
		if !json.Valid(message) && ok && strings.Contains(expression, "request.body.") && strings.HasPrefix(expression, "$request.") {
			t.Fatalf("%q of %q", v, message)
		}
	})
}

func TestFill(t *testing.T) {
	v := map[string]string{"f": "fn", "g": ""}
	if got, err := fill("a:${stageVariables.f}:${stageVariables.g}/x", v); got != "a:fn:/x" || err != nil {
		t.Error(got, err)
	}
	for _, bad := range []string{"${stageVariables.h}", "${stageVariables.f"} {
		if got, err := fill(bad, v); err == nil {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

// Frames are measured alike however the bytes come.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x81, 0x83, 1, 2, 3, 4, 5, 6, 7, 0x81, 0xfe, 0x80, 0x01, 1, 2, 3, 4}, uint8(1))
	f.Add([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0x80, 0, 1, 2, 3, 4}, uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var whole, cut frames
		ok := whole.see(stream)
		n := int(size) + 1
		for part := range bytesChunks(stream, n) {
			cut.see(part)
		}
		if cut.bad == ok || ok && cut != whole {
			t.Fatalf("%+v, cut %+v", whole, cut)
		}
	})
}

func bytesChunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for r := bytes.NewBuffer(b); r.Len() > 0; {
			if !yield(r.Next(n)) {
				return
			}
		}
	}
}
