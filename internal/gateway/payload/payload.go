// Package payload is the form in which web requests reach functions, and in
// which functions answer them: the events of function URLs, of HTTP APIs (1.0
// and 2.0) and of REST APIs, and the answers back. Every data plane of the web
// stands on it; it knows none of them.
package payload

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// A Request is a web request with all that an event tells of it. What is empty
// is told as AWS tells what it does not know: left out, or null.
type Request struct {
	HTTP *http.Request // its body has been read: Body
	Body []byte

	// FunctionURL says that the request is for a function's own address, whose
	// events differ a little from those of HTTP APIs.
	FunctionURL bool

	ID         string // requestContext.requestId
	ExtendedID string // requestContext.extendedRequestId; ID when empty
	Trace      string // the X-Amzn-Trace-Id that the function sees
	Time       time.Time
	SourceIP   string

	Account, APIID       string
	Domain, DomainPrefix string // requestContext.domainName, domainPrefix
	Stage                string
	RouteKey             string // 2.0: "GET /x/{id}", "$default"
	Resource, ResourceID string // 1.0 and REST: "/x/{id}"
	OperationName        string // REST

	// Path is rawPath (2.0), or path (1.0, REST), as the event is to show it:
	// percent-encoded as it came (function URLs, REST), or decoded (HTTP APIs:
	// see DecodedPath).
	Path string

	// ContextPath is the path of requestContext: http.path (2.0; always decoded),
	// path (1.0 and REST: with the stage). Empty means Path.
	ContextPath string

	PathParameters map[string]string
	StageVariables map[string]string
	Authorizer     any      // requestContext.authorizer; nil for none
	Identity       Identity // 1.0 and REST: who calls

	// BinaryTypes are the media types that a REST API passes on in base64.
	BinaryTypes []string
}

// An Identity is requestContext.identity of 1.0 and REST. Empty members are
// null.
type Identity struct {
	AccessKey, AccountID, Caller, PrincipalOrgID, User, UserARN string // of a signed request
	APIKey, APIKeyID                                            string // REST
}

// contextPath is the path that requestContext tells.
func (r *Request) contextPath() string {
	if r.ContextPath != "" {
		return r.ContextPath
	}
	return r.Path
}

// contextTime is how requestContext writes a time.
const contextTime = "02/Jan/2006:15:04:05 -0700"

// encode is JSON as AWS writes it: <, > and & as themselves.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// some is s, or null when there is nothing.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
