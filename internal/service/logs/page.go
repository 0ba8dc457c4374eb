package logs

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errEnough ends the reading of rows once a page is full.
var errEnough = errors.New("page is full")

func enough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// value0 is *p, or the zero value where there is none.
func value0[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func limit(n *int32, otherwise int) int {
	if n == nil {
		return otherwise
	}
	return int(*n)
}

// past is the first string behind all that begin with prefix.
func past(prefix string) string { return prefix + "\U0010FFFF" }

// seal makes a token of what a page ended with.
func seal(s string) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte(s)))
}

// unseal reads a token. What it says goes to the database, which need not take
// what is no text.
func unseal(token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return "", invalid("The specified nextToken is invalid.")
	}
	return string(b), nil
}

// nameToken is the name in a token; "" without one.
func nameToken(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	return unseal(*token)
}

// An event's id is 56 digits, as AWS's are: a 3, the time, the sequence number.
// Ids sort as events do.
const idDigits = 56

func (k key) id() string { return fmt.Sprintf("3%017d%038d", k.at, k.seq) }

// parseID reads an event's id.
func parseID(s string) (key, bool) {
	if len(s) != idDigits || s[0] != '3' {
		return key{}, false
	}
	at, err := strconv.ParseUint(s[1:18], 10, 63)
	seq, err2 := strconv.ParseUint(s[18:], 10, 63)
	return key{int64(at), int64(seq)}, err == nil && err2 == nil
}

// A position is a place between events, and which way to read from it.
type position struct {
	key
	backward bool
}

// parseToken reads a token of GetLogEvents: f/ or b/, an event's id, /s.
func parseToken(s string) (position, error) {
	way, rest, _ := strings.Cut(s, "/")
	k, ok := parseID(strings.TrimSuffix(rest, "/s"))
	if !ok || way != "f" && way != "b" {
		return position{}, invalid("The specified nextToken is invalid.")
	}
	return position{k, way == "b"}, nil
}

func (p position) token() string {
	if p.backward {
		return "b/" + p.id() + "/s"
	}
	return "f/" + p.id() + "/s"
}

// numbers prints a list as AWS's front end does.
func numbers[T any](list []T) string {
	var s []string
	for _, n := range list {
		s = append(s, fmt.Sprint(n))
	}
	return "[" + strings.Join(s, ", ") + "]"
}
