package function

import (
	"encoding/json"
	"strings"
	"testing"
)

// jsonTexts are texts that are JSON, and that nearly are.
func jsonTexts() []string {
	return []string{
		``, ` `, `{}`, `[]`, ` [ ] `, `{ "a" : 1 , "b" : [ true , false , null ] }`, `"x"`, `0`, `-0`, `-`, `01`, `1.`, `.5`, `1.5e+10`, `1e`, `1E-`, `-1e5`,
		`tru`, `true`, `truee`, `nul`, `null null`, `[1,]`, `[,1]`, `[1 2]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1]`, `[1}`, `[[`, `]`, `}`, `{"a":{"b":[{}]}}`,
		`"\n"`, `"\u00e9"`, `"\u00g9"`, `"\u12"`, `"\x"`, `"\`, `"abc`, "\"a\nb\"", "\"a\x1fb\"", "\"\x7f\"", "\"\x00\"", "1\x00", "\ufeff1", `"éü€😀"`, "\"\xff\"",
		`"12345678"`, `"1234567\"8"`, `"12345678\\"`, "\"1234567\x01\"", "\"aaaaaaa! aaaaaaa!aaaa#\"", "\"\x80\x81\xa2\xdc\xff!#[]\"",
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
		strings.Repeat(`{"a":`, 9_999) + "[]" + strings.Repeat("}", 9_999), strings.Repeat(`{"a":`, 10_000) + "[]" + strings.Repeat("}", 10_000),
	}
}

func TestIsJSON(t *testing.T) {
	for _, s := range jsonTexts() {
		if got, want := isJSON([]byte(s)), json.Valid([]byte(s)); got != want {
			t.Errorf("%.80q: %v, encoding/json says %v", s, got, want)
		}
	}
	for at := range 20 { // wherever in a word of eight bytes it is
		for c := range 256 {
			s := []byte(`"aaaaaaaaaaaaaaaaaaaaaaaa"`)
			s[1+at] = byte(c)
			if got, want := isJSON(s), json.Valid(s); got != want {
				t.Errorf("%q: %v, encoding/json says %v", s, got, want)
			}
		}
	}
}

func FuzzIsJSON(f *testing.F) {
	for _, s := range jsonTexts()[:len(jsonTexts())-4] {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if got, want := isJSON(p), json.Valid(p); got != want {
			t.Errorf("%q: %v, encoding/json says %v", p, got, want)
		}
	})
}

func BenchmarkIsJSON(b *testing.B) {
	small, large := []byte(`{"name":"value","n":[1,2,3],"ok":true}`), []byte(`{"data":"`+strings.Repeat("x", 1<<20)+`"}`)
	for name, p := range map[string][]byte{"small": small, "large": large} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if !isJSON(p) {
					b.Fatal("it is")
				}
			}
		})
	}
}
