package accesslog

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// A Record is what is known of a request: its $context variables. What is empty
// has no value.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
type Record struct {
	Account, APIID, Stage string
	ID, ExtendedID        string // the request's
	Domain, DomainPrefix  string
	Method, Path          string // Path is as the client sent it, with the stage
	Protocol              string // "HTTP/1.1"
	RouteKey              string
	SourceIP, UserAgent   string
	Start                 time.Time

	Status    int   // answered
	Length    int64 // of the answer's body
	Latency   time.Duration
	Processed int64 // bytes of both bodies

	Error     string // our own error's message: "Forbidden"
	ErrorType string // of the gateway's response: "ACCESS_DENIED"

	Integration Integration
	Authorizer  Authorizer
	Identity    Identity

	// Extra are further variables, by name: "connectionId", "resourcePath".
	Extra map[string]string
}

// An Integration is how what stands behind a route did.
type Integration struct {
	Reached   bool          // false: there is no value of the numbers
	Latency   time.Duration // until its answer was whole
	Status    int           // that its code answered
	Invoked   int           // a function: what Lambda itself answered, 0 for none
	Error     string
	RequestID string
}

// An Authorizer is what an authorizer said.
type Authorizer struct {
	Principal string
	Latency   time.Duration
	Status    int // 0: none was asked
	Error     string
	Context   map[string]json.RawMessage // of a function
	Claims    map[string]string          // of a token
}

// An Identity is who signed the request.
type Identity struct{ Account, Caller, User, UserARN, AccessKey, APIKey, APIKeyID string }

// Value is a variable's value, by its name without "$context.".
func (r *Record) Value(name string) (string, bool) {
	if v, ok := r.Extra[name]; ok {
		return some(v)
	}
	if rest, ok := strings.CutPrefix(name, "authorizer."); ok {
		return r.Authorizer.value(rest)
	}
	if rest, ok := strings.CutPrefix(name, "identity."); ok {
		return r.identity(rest)
	}
	if rest, ok := strings.CutPrefix(name, "integration."); ok {
		return r.Integration.value(rest)
	}
	if v, ok := r.request(name); ok {
		return some(v)
	}
	if v, ok := r.answer(name); ok {
		return some(v)
	}
	return "", false
}

func some(s string) (string, bool) { return s, s != "" }

// request are the variables of what the client asked.
func (r *Record) request(name string) (string, bool) {
	switch name {
	case "accountId":
		return r.Account, true
	case "apiId":
		return r.APIID, true
	case "stage":
		return r.Stage, true
	case "requestId":
		return r.ID, true
	case "extendedRequestId":
		return r.ExtendedID, true
	case "domainName":
		return r.Domain, true
	case "domainPrefix":
		return r.DomainPrefix, true
	case "httpMethod":
		return r.Method, true
	case "path":
		return r.Path, true
	case "protocol":
		return r.Protocol, true
	case "routeKey":
		return r.RouteKey, true
	case "requestTime":
		return r.Start.UTC().Format("02/Jan/2006:15:04:05 -0700"), true
	case "requestTimeEpoch":
		return strconv.FormatInt(r.Start.UnixMilli(), 10), true
	}
	return "", false
}

// answer are the variables of what the client got.
func (r *Record) answer(name string) (string, bool) {
	switch name {
	case "status":
		return number(r.Status), true
	case "responseLength":
		return strconv.FormatInt(r.Length, 10), true
	case "responseLatency":
		return millis(r.Latency), true
	case "dataProcessed":
		return strconv.FormatInt(r.Processed, 10), true
	case "error.message":
		return r.Error, true
	case "error.messageString":
		if r.Error == "" {
			return "", true
		}
		return strconv.Quote(r.Error), true
	case "error.responseType":
		return r.ErrorType, true
	case "integrationErrorMessage":
		return r.Integration.value("error")
	case "integrationLatency":
		return r.Integration.value("latency")
	case "integrationStatus":
		return r.Integration.value("integrationStatus")
	case "awsEndpointRequestId":
		return r.Integration.value("requestId")
	case "authorize.status", "authenticate.status":
		return number(r.Authorizer.Status), true
	}
	return "", false
}

func (i *Integration) value(name string) (string, bool) {
	switch name {
	case "error":
		return some(i.Error)
	case "requestId":
		return some(i.RequestID)
	case "latency":
		return millis(i.Latency), i.Reached
	case "status":
		return some(number(i.Status))
	case "integrationStatus":
		if i.Invoked != 0 {
			return number(i.Invoked), true
		}
		return some(number(i.Status))
	}
	return "", false
}

func (a *Authorizer) value(name string) (string, bool) {
	switch name {
	case "principalId":
		return some(a.Principal)
	case "error":
		return some(a.Error)
	case "latency", "integrationLatency":
		return millis(a.Latency), a.Status != 0
	case "status", "integrationStatus":
		return some(number(a.Status))
	}
	if claim, ok := strings.CutPrefix(name, "claims."); ok {
		v, ok := a.Claims[claim]
		return v, ok
	}
	raw, ok := a.Context[name]
	if !ok {
		return "", false
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	return string(raw), true
}

func (r *Record) identity(name string) (string, bool) {
	i := &r.Identity
	switch name {
	case "sourceIp":
		return some(r.SourceIP)
	case "userAgent":
		return some(r.UserAgent)
	case "accountId":
		return some(i.Account)
	case "caller":
		return some(i.Caller)
	case "user":
		return some(i.User)
	case "userArn":
		return some(i.UserARN)
	case "accessKey":
		return some(i.AccessKey)
	case "apiKey":
		return some(i.APIKey)
	case "apiKeyId":
		return some(i.APIKeyID)
	}
	return "", false
}

// number is n, or nothing.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
