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
	sent, err := readBody(w, r)
	if err != nil {
		return nil, none, r, err
	}
	values, err := parseForm(r, sent)
	if err != nil {
		return nil, none, r, err
	}
	h.address(r, values)
	call, err := h.find(values)
	if err != nil {
		return nil, none, r, err
	}
	r, verified, err := call.Take(w, r) // to its end, where a signed body is checked
	if err != nil {
		return nil, none, r, err
	}
	if values, err = h.verifiedForm(r, values, sent, verified); err != nil {
		return nil, none, r, err
	}
	in := call.New()
	if err := bind(call.In, values, in.Elem()); err != nil {
		return nil, none, r, call.Refusal(err)
	}
	return call, in, r, call.Check(in)
}

// maxForm bounds a form. What it costs in memory is spent before the gate is
// asked, and IAM's largest documents are well below it.
const maxForm = 2 << 20

// readBody reads r's body, and leaves it whole.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return nil, awserr.New(413, "RequestEntityTooLarge", "Request must be smaller than %d bytes", maxForm)
	}
	if err != nil {
		return nil, awserr.New(400, "MalformedInput", "The request body could not be read.")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

// parseForm reads the form in body and in r's query. The body's parameters come first.
func parseForm(r *http.Request, body []byte) (url.Values, error) {
	text := r.URL.RawQuery
	if isForm(r) {
		text = strings.Trim(string(body)+"&"+text, "&")
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, awserr.New(400, "MalformedQueryString", "The query string is malformed: %v", err)
	}
	return values, nil
}

// verifiedForm is the form of the body that was verified. That is not the one
// that was sent when it came in chunks: their heads are no part of what is
// signed, and must not be read as parameters.
func (h handler) verifiedForm(r *http.Request, values url.Values, sent, verified []byte) (url.Values, error) {
	if r.Method != http.MethodPost || bytes.Equal(sent, verified) {
		return values, nil
	}
	again, err := parseForm(r, verified)
	if err != nil {
		return nil, err
	}
	h.address(r, again)
	if again.Get("Action") != values.Get("Action") || again.Get("Version") != values.Get("Version") {
		return nil, awserr.New(400, "MalformedInput", "The request's Action must not be in chunks.")
	}
	return again, nil
}

// address puts the URL that r was sent to into its form, at a service that
// reads what a request is about from there.
func (h handler) address(r *http.Request, values url.Values) {
	if m := h.table.URLMember; m != "" && !values.Has(m) && len(r.URL.Path) > 1 {
		values.Set(m, wire.BaseURL(r.Context())+r.URL.Path)
	}
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
