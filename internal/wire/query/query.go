// Package query speaks the query protocol: an operation is the Action of a
// form, and the answer is XML.
//
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
package query

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// Protocol is awsQuery.
type Protocol struct{}

// Speaks says whether r is in this protocol.
func (Protocol) Speaks(r *http.Request) bool { return isForm(r) || r.URL.Query().Has("Action") }

// Handler serves s.
func (Protocol) Handler(s wire.Service, gate wire.Gate) http.Handler {
	return handler{wire.NewTable(s, gate)}
}

type handler struct{ table *wire.Table }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, in, r, err := h.decode(w, r)
	if err != nil {
		h.fail(w, r, recode(awserr.From(err, h.table.ErrorCode)))
		return
	}
	out, err := call.Do(r.Context(), in)
	if err != nil {
		h.fail(w, r, awserr.From(err, h.table.ErrorCode))
		return
	}
	h.respond(w, r, call, out)
}

// decode finds the operation of r and makes its In. The operation is in the
// body, so the body is read before the gate is asked, but no more than that:
// what it says is believed only after. The request that it returns is never nil.
func (h handler) decode(w http.ResponseWriter, r *http.Request) (*wire.Call, reflect.Value, *http.Request, error) {
	var none reflect.Value
	values, err := readForm(w, r)
	if err != nil {
		return nil, none, r, err
	}
	call, err := h.find(values)
	if err != nil {
		return nil, none, r, err
	}
	admitted, err := call.Admit(w, r)
	if err != nil {
		return nil, none, r, err
	}
	r = admitted
	if _, err := call.Read(r); err != nil { // to its end, where a signed body is checked
		return nil, none, r, err
	}
	in := call.New()
	if err := bind(call.In, values, in.Elem()); err != nil {
		return nil, none, r, call.Refusal(err)
	}
	return call, in, r, call.Check(in)
}

// readForm reads the form in r's body and query, and leaves the body whole.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	text := r.URL.RawQuery
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.DefaultMaxBody))
		if _, big := errors.AsType[*http.MaxBytesError](err); big {
			return nil, awserr.New(413, "RequestEntityTooLarge", "Request must be smaller than %d bytes", wire.DefaultMaxBody)
		}
		if err != nil {
			return nil, awserr.New(400, "MalformedInput", "The request body could not be read.")
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if isForm(r) {
			text = strings.Trim(string(body)+"&"+text, "&")
		}
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, awserr.New(400, "MalformedQueryString", "The query string is malformed: %v", err)
	}
	return values, nil
}

func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

func (h handler) find(values url.Values) (*wire.Call, error) {
	action, version := values.Get("Action"), values.Get("Version")
	if action == "" {
		return nil, awserr.New(400, "MissingAction", "The request must contain the parameter Action")
	}
	call := h.table.Calls[action]
	if call == nil || version != "" && version != h.table.Version {
		return nil, awserr.New(400, "InvalidAction", "Could not find operation %s for version %s", action, version)
	}
	return call, nil
}

// recode gives errors of the front end the names that they have in this protocol.
func recode(e *awserr.Error) *awserr.Error {
	c := *e
	switch e.Code {
	case "InvalidSignatureException":
		c.Code = "SignatureDoesNotMatch"
	case "UnrecognizedClientException":
		c.Code = "InvalidClientTokenId"
	case "ValidationException":
		c.Code = "ValidationError"
	case "SerializationException":
		c.Code = "MalformedInput"
	case "UnsupportedOperationException":
		c.Code = "UnsupportedOperation"
	case "IncompleteSignatureException", "MissingAuthenticationTokenException", "ExpiredTokenException",
		"AccessDeniedException", "RequestEntityTooLargeException":
		c.Code = strings.TrimSuffix(e.Code, "Exception")
	}
	return &c
}
