package function

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckPayload(t *testing.T) {
	for _, ok := range []string{`{}`, `null`, `"x"`, ` [1, 2]
`, `3.5`, `true`} {
		if err := checkPayload([]byte(ok)); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	at := "\n at [Source: (byte[])"
	for bad, want := range map[string]string{
		"hello":    "Unexpected character ('h' (code 104))" + at + `"hello"; line: 1, column: 1]`,
		`{"a":`:    "Unexpected end-of-input" + at + `"{"a":"; line: 1, column: 6]`,
		"{}\n}":    "Unexpected character ('}' (code 125))" + at + "\"{}\n}\"; line: 2, column: 1]",
		"\"\x97\"": "Invalid UTF-8 start byte 0x97" + at + "\"\"\x97\"\"; line: 1, column: 2]",
		" ":        "Unexpected end-of-input" + at + `" "; line: 1, column: 2]`,
		`{"a":1,}`: "Unexpected character ('}' (code 125))" + at + `"{"a":1,}"; line: 1, column: 8]`,
	} {
		err := checkPayload([]byte(bad))
		wantKind(t, err, ErrContent)
		if got := strings.TrimPrefix(err.Error(), "Could not parse request body into json: Could not parse payload into json: "); got != want {
			t.Errorf("%q:\n got %s\nwant %s", bad, got, want)
		}
	}
	if err := checkPayload([]byte(strings.Repeat("x", 10000))); len(err.Error()) > 1000 {
		t.Errorf("an error repeats the payload: %d bytes", len(err.Error()))
	}
}

func FuzzCheckPayload(f *testing.F) {
	for _, s := range []string{"", "{}", "{", "\xff", "[1,2", "nul", "{}{}", "\"\\u12\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		err := checkPayload(p)
		if good := json.Valid(p) && utf8.Valid(p); good != (err == nil) {
			t.Fatalf("%q: %v", p, err)
		}
		if err != nil && !errors.Is(err, ErrContent) {
			t.Fatal(err)
		}
	})
}
