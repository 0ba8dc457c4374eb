package payload

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// An Answer is what goes back to the client.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ErrMalformed says that a function's answer is not one that HTTP can carry:
// the client gets a 502.
var ErrMalformed = errors.New("malformed answer of the function")

// A said is an answer as a function writes it.
type said struct {
	Status       json.RawMessage
	Headers      map[string]json.RawMessage
	MultiHeaders map[string]json.RawMessage
	Cookies      []string
	Body         json.RawMessage
	Base64       bool
}

// Infer reads an answer of payload format 2.0. Where no status is given, AWS
// infers: 200, application/json, and the whole value as the body.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func Infer(raw []byte) (*Answer, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && raw[0] == '{' {
		if m, err := members(raw); err == nil && m["statusCode"] != nil {
			return read(m, form{cookies: true, decode: true})
		}
	}
	a := &Answer{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: raw}
	if len(raw) > 0 && raw[0] == '"' {
		var text string // goes out as it is, without its quotes
		if json.Unmarshal(raw, &text) == nil {
			a.Body = []byte(text)
		}
	}
	return a, nil
}

// Strict reads an answer of payload format 1.0, of a REST or of a WebSocket
// API: it must say its status.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
func Strict(raw []byte) (*Answer, error) {
	return parse(raw, form{multi: true, decode: true})
}

// StrictText is Strict for a REST API whose client did not ask for one of its
// binary types: a body in base64 goes out as it is.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings.html
func StrictText(raw []byte) (*Answer, error) {
	return parse(raw, form{multi: true})
}

// A form is what of an answer is heeded.
type form struct {
	cookies bool // 2.0
	multi   bool // 1.0 and REST: multiValueHeaders
	decode  bool // isBase64Encoded

	kind string // Content-Type when none is said; "" is application/json
	lax  bool   // no status is 200
}

// members are those of an object, told apart by case as a struct would not.
func members(raw []byte) (m map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if m == nil {
		return nil, fmt.Errorf("%w: it is null", ErrMalformed)
	}
	return m, nil
}

func parse(raw []byte, f form) (*Answer, error) {
	m, err := members(raw)
	if err != nil {
		return nil, err
	}
	return read(m, f)
}

func read(m map[string]json.RawMessage, f form) (*Answer, error) {
	s := said{Status: m["statusCode"], Body: m["body"]}
	for name, to := range map[string]any{"headers": &s.Headers, "multiValueHeaders": &s.MultiHeaders, "cookies": &s.Cookies, "isBase64Encoded": &s.Base64} {
		if raw := m[name]; raw != nil {
			if err := json.Unmarshal(raw, to); err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, name, err)
			}
		}
	}
	status := http.StatusOK
	if !f.lax || s.Status != nil {
		var err error
		if status, err = s.status(); err != nil {
			return nil, err
		}
	}
	a := &Answer{Status: status, Header: http.Header{}}
	var err error
	if a.Body, err = s.body(f.decode && s.Base64); err != nil {
		return nil, err
	}
	if err := s.header(a.Header, f); err != nil {
		return nil, err
	}
	if a.Header["Content-Type"] == nil {
		a.Header.Set("Content-Type", cmp.Or(f.kind, "application/json"))
	}
	return a, nil
}

// status is a number, or a text of one.
func (s *said) status() (int, error) {
	n, err := strconv.Atoi(strings.Trim(string(s.Status), `"`))
	if err != nil || n < 100 || n > 599 {
		return 0, fmt.Errorf("%w: status code %s", ErrMalformed, s.Status)
	}
	return n, nil
}

// body is the text, decoded if it is to be. What is no text goes out as JSON.
func (s *said) body(decode bool) ([]byte, error) {
	if len(s.Body) == 0 || string(s.Body) == "null" {
		return nil, nil
	}
	if s.Body[0] != '"' {
		return s.Body, nil
	}
	var text string
	if err := json.Unmarshal(s.Body, &text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !decode {
		return []byte(text), nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: body: %w", ErrMalformed, err)
	}
	return b, nil
}

// header fills h with what the function wants to send.
func (s *said) header(h http.Header, f form) error {
	if f.multi {
		if err := s.multiHeader(h); err != nil {
			return err
		}
	}
	for name, raw := range s.Headers {
		if err := setHeader(h, name, raw); err != nil {
			return err
		}
	}
	if !f.cookies {
		return nil
	}
	for _, c := range s.Cookies {
		if err := addHeader(h, "Set-Cookie", c); err != nil {
			return err
		}
	}
	return nil
}

// multiHeader adds headers with several values.
func (s *said) multiHeader(h http.Header) error {
	for name, raw := range s.MultiHeaders {
		var values []json.RawMessage
		if err := json.Unmarshal(raw, &values); err != nil {
			return fmt.Errorf("%w: header %q: %w", ErrMalformed, name, err)
		}
		for _, v := range values {
			if err := setHeader(h, name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// setHeader adds what a value of JSON says.
func setHeader(h http.Header, name string, raw json.RawMessage) error {
	switch {
	case string(raw) == "null":
		return nil
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return fmt.Errorf("%w: header %s: %w", ErrMalformed, name, err)
		}
		return addHeader(h, name, text)
	case raw[0] == '{' || raw[0] == '[':
		return fmt.Errorf("%w: header %s is neither a text nor a number", ErrMalformed, name)
	}
	return addHeader(h, name, string(bytes.TrimSpace(raw)))
}

// addHeader adds a header unless it is the connection's own, or is there with
// this value. A name or a value that HTTP cannot carry would be read as
// something else: it is refused.
func addHeader(h http.Header, name, value string) error {
	value = strings.Trim(value, " \t")
	if !validName(name) || !validValue(value) {
		return fmt.Errorf("%w: header %q", ErrMalformed, name)
	}
	name = http.CanonicalHeaderKey(name)
	if !ours(name) && (name == "Set-Cookie" || !slices.Contains(h[name], value)) {
		h[name] = append(h[name], value)
	}
	return nil
}

// ours tells whether a header is the server's to write.
func ours(name string) bool {
	switch name { // canonical
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Content-Length", "Date":
		return true
	}
	return false
}

func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

func validValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// Write sends the answer. The headers that w has stay, unless the answer has
// them too.
func (a *Answer) Write(w http.ResponseWriter) {
	h := w.Header()
	maps.Copy(h, a.Header)
	if bodiless(a.Status) {
		h.Del("Content-Type")
		w.WriteHeader(final(a.Status))
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	w.WriteHeader(a.Status)
	w.Write(a.Body) // a client that went away is no error of ours; net/http sends none to HEAD
}

// bodiless tells whether HTTP knows no body for a status.
func bodiless(status int) bool {
	return status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}

// final is the status that ends a request: one below 200 would leave the client
// waiting.
func final(status int) int {
	if status < 200 {
		return http.StatusBadGateway
	}
	return status
}
