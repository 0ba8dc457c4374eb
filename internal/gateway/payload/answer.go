package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
	Status       json.RawMessage            `json:"statusCode"`
	Headers      map[string]json.RawMessage `json:"headers"`
	MultiHeaders map[string]json.RawMessage `json:"multiValueHeaders"`
	Cookies      []string                   `json:"cookies"`
	Body         json.RawMessage            `json:"body"`
	Base64       bool                       `json:"isBase64Encoded"`
}

// Infer reads an answer of payload format 2.0. Where no status is given, AWS
// infers: 200, application/json, and the whole value as the body.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func Infer(raw []byte) (*Answer, error) {
	members := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &members) != nil || members["statusCode"] == nil {
		return &Answer{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: raw}, nil
	}
	return read(raw, true)
}

// Strict reads an answer of payload format 1.0, of a REST or of a WebSocket
// API: it must say its status.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
func Strict(raw []byte) (*Answer, error) {
	return read(raw, false)
}

func read(raw []byte, v2 bool) (*Answer, error) {
	var s said
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	status, err := s.status()
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: status, Header: http.Header{}}
	if a.Body, err = s.body(); err != nil {
		return nil, err
	}
	if err := s.header(a.Header, v2); err != nil {
		return nil, err
	}
	if a.Header["Content-Type"] == nil && len(a.Body) > 0 {
		a.Header.Set("Content-Type", "application/json")
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

func (s *said) body() ([]byte, error) {
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
	if !s.Base64 {
		return []byte(text), nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: body: %w", ErrMalformed, err)
	}
	return b, nil
}

// header fills h with what the function wants to send.
func (s *said) header(h http.Header, v2 bool) error {
	for name, raw := range s.Headers {
		if err := setHeader(h, name, raw); err != nil {
			return err
		}
	}
	if v2 {
		for _, c := range s.Cookies {
			if err := addHeader(h, "Set-Cookie", c); err != nil {
				return err
			}
		}
		return nil
	}
	for name, raw := range s.MultiHeaders {
		var values []json.RawMessage
		if err := json.Unmarshal(raw, &values); err != nil {
			return fmt.Errorf("%w: header %s: %w", ErrMalformed, name, err)
		}
		h.Del(name)
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

// addHeader adds a header unless it is the connection's own. A name or a value
// that HTTP cannot carry would be read as something else: it is refused.
func addHeader(h http.Header, name, value string) error {
	value = strings.Trim(value, " \t")
	if !validName(name) || !validValue(value) {
		return fmt.Errorf("%w: header %q", ErrMalformed, name)
	}
	if !ours(name) {
		h.Add(name, value)
	}
	return nil
}

// ours tells whether a header is the server's to write.
func ours(name string) bool {
	switch http.CanonicalHeaderKey(name) {
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

// Write sends the answer.
func (a *Answer) Write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	if a.Status >= 200 && a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(a.Body)))
		w.WriteHeader(a.Status)
		w.Write(a.Body) // a client that went away is no error of ours
		return
	}
	w.WriteHeader(a.Status)
}
