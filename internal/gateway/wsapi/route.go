package wsapi

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
)

// routeOf is the route with a key; nil for none.
func routeOf(d *api.Deployed, key string) *api.Route {
	for _, r := range d.Routes {
		if r.RouteKey == key {
			return r
		}
	}
	return nil
}

// choose is the route of a message: the one whose key the API's expression makes
// of it, else $default; nil for none. A message cannot name what connections
// alone cause.
func choose(d *api.Deployed, message []byte) *api.Route {
	key, ok := evaluate(d.RouteSelectionExpression, message)
	if ok && key != connectKey && key != disconnectKey {
		if r := routeOf(d, key); r != nil {
			return r
		}
	}
	return routeOf(d, api.DefaultKey)
}

// evaluate is the value of a route selection expression: "$request.body.action",
// or text with any number of "${request.body.a.b}". It is false when the message
// has no such value.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
func evaluate(expression string, message []byte) (string, bool) {
	if rest, ok := strings.CutPrefix(expression, "$request."); ok {
		return requested(rest, message)
	}
	var b strings.Builder
	for {
		text, rest, ok := strings.Cut(expression, "${")
		b.WriteString(text)
		if !ok {
			return b.String(), b.Len() > 0
		}
		name, after, closed := strings.Cut(rest, "}")
		path, named := strings.CutPrefix(name, "request.")
		if !closed || !named {
			return "", false
		}
		v, ok := requested(path, message)
		if !ok {
			return "", false
		}
		b.WriteString(v)
		expression = after
	}
}

func requested(path string, message []byte) (string, bool) {
	path, ok := strings.CutPrefix(path, "body.")
	if !ok {
		return "", false
	}
	v := valueAt(message, strings.Split(path, "."))
	return v, v != ""
}

// valueAt is the text of the scalar at a path in JSON, whose elements may end
// with indexes ("items[0]"); "" for none.
func valueAt(raw json.RawMessage, path []string) string {
	for _, element := range path {
		name, indexes, _ := strings.Cut(element, "[")
		if name != "" {
			var members map[string]json.RawMessage
			if json.Unmarshal(raw, &members) != nil {
				return ""
			}
			raw = members[name]
		}
		for indexes != "" {
			var index string
			index, indexes, _ = strings.Cut(indexes, "[")
			var items []json.RawMessage
			n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil || json.Unmarshal(raw, &items) != nil || n < 0 || n >= len(items) {
				return ""
			}
			raw = items[n]
		}
	}
	return scalar(raw)
}

// scalar is a string, a number or a boolean as text.
func scalar(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case bool, float64:
		return strings.TrimSpace(string(raw))
	}
	return ""
}

// fill puts stage variables into a URI: "${stageVariables.name}".
func fill(uri string, variables map[string]string) (string, error) {
	var b strings.Builder
	for {
		text, rest, ok := strings.Cut(uri, "${stageVariables.")
		b.WriteString(text)
		if !ok {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		v, known := variables[name]
		if !closed || !known {
			return "", fmt.Errorf("%s names a stage variable that is not there", uri)
		}
		b.WriteString(v)
		uri = after
	}
}
