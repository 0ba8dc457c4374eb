package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// tokens reads a pattern token by token and knows where it stands.
type tokens struct {
	src   []byte
	dec   *json.Decoder
	start int // offset where the last token begins
	last  json.Token
}

func newTokens(src []byte) *tokens {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	return &tokens{src: src, dec: d}
}

// next reads a token: a json.Delim, a string, a json.Number, a bool or nil.
func (t *tokens) next() (json.Token, error) {
	t.start = t.skip(int(t.dec.InputOffset()))
	tok, err := t.dec.Token()
	if err != nil {
		return nil, t.syntax(err)
	}
	t.last = tok
	return tok, nil
}

// is reads a token and tells whether it is the delimiter d.
func (t *tokens) is(d json.Delim) (bool, error) {
	tok, err := t.next()
	return tok == d, err
}

// skip is the offset of the token that follows at.
func (t *tokens) skip(at int) int {
	for at < len(t.src) && strings.IndexByte(" \t\r\n:,", t.src[at]) >= 0 {
		at++
	}
	return at
}

// fail is an error at the last token. AWS reads strings lazily: then the place
// is behind their quote.
func (t *tokens) fail(format string, args ...any) error {
	at := int(t.dec.InputOffset())
	if _, ok := t.last.(string); ok {
		at = t.start + 1
	}
	return t.errorAt(at, fmt.Sprintf(format, args...))
}

// failName is an error about a name that was just read: AWS has seen the
// beginning of its value then.
func (t *tokens) failName(format string, args ...any) error {
	return t.errorAt(min(t.skip(int(t.dec.InputOffset()))+1, len(t.src)), fmt.Sprintf(format, args...))
}

func (t *tokens) syntax(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return t.errorAt(len(t.src), "Unexpected end-of-input")
	}
	r, size := utf8.DecodeRune(t.src[min(t.start, len(t.src)):])
	if size == 0 {
		return t.errorAt(len(t.src), "Unexpected end-of-input")
	}
	return t.errorAt(t.start+size, fmt.Sprintf("Unexpected character ('%c' (code %d)): was expecting a valid value", r, r))
}

// maxSource bounds how much of the pattern an error repeats.
const maxSource = 500

func (t *tokens) errorAt(at int, reason string) error {
	before := t.src[:min(at, len(t.src))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	source, more := string(t.src), ""
	if len(source) > maxSource {
		source, more = source[:maxSource], fmt.Sprintf("[truncated %d chars]", len(source)-maxSource)
	}
	return &Error{fmt.Sprintf("%s\n at [Source: (String)\"%s\"%s; line: %d, column: %d]", reason, source, more, line, column)}
}
