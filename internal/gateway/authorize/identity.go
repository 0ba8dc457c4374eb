package authorize

import (
	"net/http"
	"net/url"
	"strings"
)

// A Lookup tells the values that identity sources name.
type Lookup struct {
	HTTP           *http.Request
	StageVariables map[string]string
	Context        func(variable string) (string, bool) // nil knows none
}

// Identity are the values of an authorizer's identity sources, in their order;
// false when one of them is not there or empty. Sources are those of HTTP APIs
// ("$request.header.Authorization"), REST APIs ("method.request.header.Auth")
// and WebSocket APIs ("route.request.querystring.token").
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html#http-api-lambda-authorizer.identity-sources
func Identity(sources []string, l *Lookup) ([]string, bool) {
	values := make([]string, 0, len(sources))
	for _, s := range sources {
		v, ok := l.Value(strings.TrimSpace(s))
		if !ok || v == "" {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

// Value is the value of one identity source.
func (l *Lookup) Value(source string) (string, bool) {
	for _, p := range []string{"$", "method.", "route."} {
		if rest, ok := strings.CutPrefix(source, p); ok {
			source = rest
			break
		}
	}
	kind, name, ok := strings.Cut(source, ".")
	if !ok {
		return "", false
	}
	switch kind {
	case "request":
		return l.request(name)
	case "stageVariables":
		v, ok := l.StageVariables[name]
		return v, ok
	case "context":
		if l.Context != nil {
			return l.Context(name)
		}
	}
	return "", false
}

// request is a value of the request itself: "header.X", "querystring.x".
func (l *Lookup) request(source string) (string, bool) {
	where, name, ok := strings.Cut(source, ".")
	if !ok {
		return "", false
	}
	switch where {
	case "header", "multivalueheader":
		if strings.EqualFold(name, "host") {
			return l.HTTP.Host, true
		}
		v := l.HTTP.Header.Values(name)
		return strings.Join(v, ","), len(v) > 0
	case "querystring", "multivaluequerystring":
		q, _ := url.ParseQuery(l.HTTP.URL.RawQuery) // what is well formed counts
		v := q[name]
		return strings.Join(v, ","), len(v) > 0
	}
	return "", false
}
