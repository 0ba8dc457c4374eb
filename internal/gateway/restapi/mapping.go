package restapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/restapi/vtl"
)

// overrides are what a template sets of $context.requestOverride and
// $context.responseOverride.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-override-request-response-parameters.html
type overrides struct{ request, response vtl.Map }

// vars are the variables of a mapping template. body is what $input stands
// for: the request's, or the integration's answer.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
func (x *exchange) vars(body []byte) vtl.Map {
	if x.over.request == nil {
		x.over = overrides{emptyOverride(), emptyOverride()}
	}
	stage := vtl.Map{}
	for k, v := range x.request.StageVariables {
		stage[k] = v
	}
	return vtl.Map{
		"input": &input{x: x, body: body}, "context": x.context(), "stageVariables": stage, "util": util{},
	}
}

func emptyOverride() vtl.Map {
	return vtl.Map{"header": vtl.Map{}, "path": vtl.Map{}, "querystring": vtl.Map{}}
}

// context is $context.
func (x *exchange) context() vtl.Map {
	r := &x.request
	c := vtl.Map{
		"accountId": r.Account, "apiId": r.APIID, "domainName": r.Domain, "domainPrefix": r.DomainPrefix, "extendedRequestId": r.ExtendedID,
		"httpMethod": x.r.Method, "path": r.ContextPath, "protocol": x.r.Proto, "requestId": r.ID, "resourceId": r.ResourceID,
		"resourcePath": r.Resource, "stage": r.Stage, "requestTime": r.Time.UTC().Format("02/Jan/2006:15:04:05 -0700"),
		"requestTimeEpoch": strconv.FormatInt(r.Time.UnixMilli(), 10), "xrayTraceId": r.Trace,
		"requestOverride": x.over.request, "responseOverride": x.over.response,
	}
	identity := vtl.Map{"sourceIp": r.SourceIP, "userAgent": x.r.UserAgent()}
	for k, v := range map[string]string{
		"accessKey": r.Identity.AccessKey, "accountId": r.Identity.AccountID, "caller": r.Identity.Caller, "user": r.Identity.User,
		"userArn": r.Identity.UserARN, "apiKey": r.Identity.APIKey, "apiKeyId": r.Identity.APIKeyID,
	} {
		if v != "" {
			identity[k] = v
		}
	}
	c["identity"] = identity
	if x.grant != nil {
		flat, _ := x.grant.Flat().(map[string]any)
		auth := vtl.Map{}
		for k, v := range flat {
			auth[k] = vtl.Text(number(v))
		}
		c["authorizer"] = auth
	}
	return c
}

func number(v any) vtl.Value {
	if n, ok := v.(int64); ok {
		return float64(n)
	}
	return v
}

// An input is $input.
type input struct {
	x      *exchange
	body   []byte
	parsed vtl.Value
	done   bool
}

// Member is $input.body.
func (i *input) Member(name string) vtl.Value {
	if name == "body" {
		return string(i.body)
	}
	return nil
}

// Call is $input.json, path and params.
func (i *input) Call(method string, args []vtl.Value) (vtl.Value, error) {
	arg := ""
	if len(args) > 0 {
		arg = vtl.Text(args[0])
	}
	switch method {
	case "json":
		return vtl.JSON(jsonPath(i.value(), arg)), nil
	case "path":
		return jsonPath(i.value(), arg), nil
	case "params":
		if len(args) == 0 {
			return i.x.allParams(), nil
		}
		return i.x.param(arg), nil
	}
	return nil, vtl.ErrNoMethod
}

func (i *input) value() vtl.Value {
	if !i.done {
		i.done = true
		var v any
		if len(bytes.TrimSpace(i.body)) == 0 {
			v = map[string]any{}
		} else if json.Unmarshal(i.body, &v) != nil {
			v = string(i.body)
		}
		i.parsed = vtl.Of(v)
	}
	return i.parsed
}

// param is a parameter of the request, wherever it is: in the path, the query,
// the headers, in this order. It is "" when there is none.
func (x *exchange) param(name string) vtl.Value {
	if v, ok := x.params[name]; ok {
		return v
	}
	if q := x.r.URL.Query(); q.Has(name) {
		return q.Get(name)
	}
	return x.r.Header.Get(name)
}

func (x *exchange) allParams() vtl.Map {
	path, query, header := vtl.Map{}, vtl.Map{}, vtl.Map{}
	for k, v := range x.params {
		path[k] = v
	}
	for k, v := range x.r.URL.Query() {
		query[k] = v[len(v)-1]
	}
	for k, v := range x.r.Header {
		header[k] = v[len(v)-1]
	}
	return vtl.Map{"path": path, "querystring": query, "header": header}
}

// jsonPath walks a path: $.a.b[0]['c']. What leads nowhere is nil. Filters and
// wildcards are not there.
func jsonPath(v vtl.Value, path string) vtl.Value {
	rest := strings.TrimPrefix(strings.TrimSpace(path), "$")
	for rest != "" {
		var name string
		switch {
		case strings.HasPrefix(rest, "["):
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil
			}
			name, rest = strings.Trim(rest[1:end], `'"`), rest[end+1:]
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil
			}
			name, rest = rest[:end], rest[end:]
		}
		switch on := v.(type) {
		case vtl.Map:
			v = on[name]
		case *vtl.List:
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(on.Items) {
				return nil
			}
			v = on.Items[n]
		default:
			return nil
		}
	}
	return v
}

// A util is $util.
type util struct{}

// Member is nothing: $util has methods alone.
func (util) Member(string) vtl.Value { return nil }

// Call is a function of $util.
func (util) Call(method string, args []vtl.Value) (vtl.Value, error) {
	if len(args) != 1 {
		return nil, vtl.ErrNoMethod
	}
	s := vtl.Text(args[0])
	switch method {
	case "escapeJavaScript":
		return escapeJavaScript(s), nil
	case "parseJson":
		var v any
		if json.Unmarshal([]byte(s), &v) != nil {
			return nil, nil
		}
		return vtl.Of(v), nil
	case "urlEncode":
		return url.QueryEscape(s), nil
	case "urlDecode":
		if plain, err := url.QueryUnescape(s); err == nil {
			return plain, nil
		}
		return s, nil
	case "base64Encode":
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	case "base64Decode":
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, nil
		}
		return string(b), nil
	}
	return nil, vtl.ErrNoMethod
}

// escapeJavaScript escapes as Apache Commons does, single quotes too.
func escapeJavaScript(s string) string {
	q := quote(s)
	return strings.ReplaceAll(strings.ReplaceAll(q[1:len(q)-1], "'", `\'`), "/", `\/`)
}

// quote is s as a string of JSON, with <, > and & as they are.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// source is the value of a mapping's right side: 'constant', a place of the
// request, a variable of the context or the stage.
func (x *exchange) source(s string, vars vtl.Map) (string, bool) {
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return s[1 : len(s)-1], true
	}
	switch kind, name, _ := strings.Cut(s, "."); kind {
	case "stageVariables":
		v, ok := x.request.StageVariables[name]
		return v, ok
	case "context":
		v := jsonPath(vars["context"], "$."+name)
		return vtl.Text(v), v != nil
	case "method":
		return x.ofRequest(strings.TrimPrefix(name, "request."))
	}
	return "", false
}

// ofRequest is a place of the request: "header.X", "path.id", "body".
func (x *exchange) ofRequest(at string) (string, bool) {
	where, name, _ := strings.Cut(at, ".")
	switch where {
	case "path":
		v, ok := x.params[name]
		return v, ok
	case "querystring", "multivaluequerystring":
		q := x.r.URL.Query()
		if where == "multivaluequerystring" {
			return strings.Join(q[name], ","), q.Has(name)
		}
		return q.Get(name), q.Has(name)
	case "header", "multivalueheader":
		if strings.EqualFold(name, "host") {
			return x.r.Host, true
		}
		v := x.r.Header.Values(name)
		return strings.Join(v, ","), len(v) > 0
	case "body":
		if name == "" {
			return string(x.body), true
		}
		v := jsonPath((&input{x: x, body: x.body}).value(), "$."+name)
		return vtl.Text(v), v != nil
	}
	return "", false
}

// mediaType is a Content-Type without its parameters, JSON's when there is none.
func mediaType(header string) string {
	kind, _, err := mime.ParseMediaType(header)
	if err != nil || kind == "" {
		return "application/json"
	}
	return kind
}

// transformed is the request's body for an integration that takes a template's
// output: of the template for its type, or as it is where that may be.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html
func (x *exchange) transformed() ([]byte, error) {
	in := x.rt.Integration
	t := x.rt.requests[mediaType(x.r.Header.Get("Content-Type"))]
	switch {
	case t != nil:
		text, err := t.Run(x.vars(x.body))
		if err != nil {
			return nil, refuse("API_CONFIGURATION_ERROR", err)
		}
		return []byte(text), nil
	case in.Passthrough == "NEVER", in.Passthrough == "WHEN_NO_TEMPLATES" && len(x.rt.requests) > 0:
		return nil, refuse("UNSUPPORTED_MEDIA_TYPE", nil)
	}
	return x.body, nil
}

// A result is what an integration that is no proxy answered.
type result struct {
	match  string // what selection patterns are held against: a status, an error's message
	header http.Header
	body   []byte
}
