package payload

import "strings"

type eventV2 struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	Context         contextV2         `json:"requestContext"`
	PathParameters  map[string]string `json:"pathParameters,omitempty"`
	StageVariables  map[string]string `json:"stageVariables,omitempty"`
	Body            *string           `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type contextV2 struct {
	AccountID    string `json:"accountId"`
	APIID        string `json:"apiId"`
	Authorizer   any    `json:"authorizer,omitempty"`
	DomainName   string `json:"domainName"`
	DomainPrefix string `json:"domainPrefix"`
	HTTP         httpV2 `json:"http"`
	RequestID    string `json:"requestId"`
	RouteKey     string `json:"routeKey"`
	Stage        string `json:"stage"`
	Time         string `json:"time"`
	TimeEpoch    int64  `json:"timeEpoch"`
}

type httpV2 struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// V2 is the event of payload format 2.0: function URLs and HTTP APIs.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func V2(r *Request) ([]byte, error) {
	h := r.HTTP
	e := eventV2{
		Version: "2.0", RouteKey: r.RouteKey, RawPath: r.Path, RawQueryString: h.URL.RawQuery,
		Headers: map[string]string{}, PathParameters: r.PathParameters, StageVariables: r.StageVariables,
		Context: contextV2{
			AccountID: r.Account, APIID: r.APIID, Authorizer: r.Authorizer, DomainName: r.Domain, DomainPrefix: r.DomainPrefix,
			HTTP: httpV2{
				Method: h.Method, Path: r.contextPath(), Protocol: protocol(h), SourceIP: r.SourceIP, UserAgent: h.UserAgent(),
			},
			RequestID: r.ID, RouteKey: r.RouteKey, Stage: r.Stage,
			Time: r.Time.UTC().Format(contextTime), TimeEpoch: r.Time.UnixMilli(),
		},
	}
	for name, values := range r.headers() {
		with := ","
		if name == "Cookie" {
			if e.Cookies = cookies(values); !r.FunctionURL {
				continue
			}
			with = "; "
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, with)
	}
	for _, q := range query(h.URL.RawQuery) {
		e.Query = joined(e.Query, q.name, q.value)
	}
	e.Body, e.IsBase64Encoded = r.body(isText(h.Header.Get("Content-Type")))
	return encode(e)
}

// joined adds a value behind a comma to those that name has.
func joined(m map[string]string, name, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	if old, ok := m[name]; ok {
		value = old + "," + value
	}
	m[name] = value
	return m
}

// cookies are the single cookies of Cookie headers.
func cookies(values []string) (all []string) {
	for _, v := range values {
		for c := range strings.SplitSeq(v, ";") {
			if c = strings.TrimSpace(c); c != "" {
				all = append(all, c)
			}
		}
	}
	return all
}
