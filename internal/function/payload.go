package function

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// checkPayload wants one JSON value of any kind.
func checkPayload(p []byte) error {
	if !utf8.Valid(p) {
		at := 0
		for rest := p; ; {
			c, n := utf8.DecodeRune(rest)
			if c == utf8.RuneError && n <= 1 {
				break
			}
			at, rest = at+n, rest[n:]
		}
		return refuse(ErrContent, "%s", unparsed(p, at, fmt.Sprintf("Invalid UTF-8 start byte 0x%02x", p[at])))
	}
	if isJSON(p) {
		return nil
	}
	var v json.RawMessage
	err := json.Unmarshal(p, &v)
	at, why := len(p), "Unexpected end-of-input"
	if s, ok := errors.AsType[*json.SyntaxError](err); ok && int(s.Offset) <= len(p) && s.Offset > 0 && !ended(p, s) {
		at = int(s.Offset) - 1
		c, _ := utf8.DecodeRune(p[at:])
		why = fmt.Sprintf("Unexpected character ('%c' (code %d))", c, c)
	}
	return refuse(ErrContent, "%s", unparsed(p, at, why))
}

// ended tells whether a syntax error is that the text just stops.
func ended(p []byte, s *json.SyntaxError) bool {
	return int(s.Offset) == len(p) && s.Error() == "unexpected end of JSON input"
}

// repeated is how much of a payload an error repeats.
const repeated = 500

// unparsed is the text of a parse error at p[at], in the words of AWS's parser.
func unparsed(p []byte, at int, why string) string {
	line := 1 + bytes.Count(p[:at], []byte{'\n'})
	column := at - bytes.LastIndexByte(p[:at], '\n')
	source := string(p)
	if len(p) > repeated {
		source = fmt.Sprintf("%s\"[truncated %d bytes]", p[:repeated], len(p)-repeated)
	} else {
		source += `"`
	}
	return fmt.Sprintf("Could not parse request body into json: Could not parse payload into json: %s\n at [Source: (byte[])\"%s; line: %d, column: %d]", why, source, line, column)
}

// CheckPayload is the check that Invoke makes of an event, for one that is to
// be invoked with later. Nothing stands for {}.
func CheckPayload(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	return checkPayload(p)
}
