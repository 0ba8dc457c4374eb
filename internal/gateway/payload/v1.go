package payload

import (
	"mime"
	"net/http"
	"slices"
	"strings"
)

type eventV1 struct {
	Version         string              `json:"version,omitempty"` // HTTP APIs
	Resource        string              `json:"resource"`
	Path            string              `json:"path"`
	Method          string              `json:"httpMethod"`
	Headers         map[string]string   `json:"headers"`
	MultiHeaders    map[string][]string `json:"multiValueHeaders"`
	Query           map[string]string   `json:"queryStringParameters"`
	MultiQuery      map[string][]string `json:"multiValueQueryStringParameters"`
	Context         contextV1           `json:"requestContext"`
	PathParameters  map[string]string   `json:"pathParameters"`
	StageVariables  map[string]string   `json:"stageVariables"`
	Body            *string             `json:"body"`
	IsBase64Encoded bool                `json:"isBase64Encoded"`
}

type contextV1 struct {
	AccountID    string     `json:"accountId"`
	APIID        string     `json:"apiId"`
	Authorizer   any        `json:"authorizer,omitempty"`
	DomainName   string     `json:"domainName"`
	DomainPrefix string     `json:"domainPrefix"`
	ExtendedID   string     `json:"extendedRequestId"`
	Method       string     `json:"httpMethod"`
	Identity     identityV1 `json:"identity"`
	Operation    string     `json:"operationName,omitempty"`
	Path         string     `json:"path"`
	Protocol     string     `json:"protocol"`
	RequestID    string     `json:"requestId"`
	Time         string     `json:"requestTime"`
	TimeEpoch    int64      `json:"requestTimeEpoch"`
	ResourceID   *string    `json:"resourceId"`
	ResourcePath string     `json:"resourcePath"`
	Stage        string     `json:"stage"`
}

type identityV1 struct {
	AccessKey             *string `json:"accessKey"`
	AccountID             *string `json:"accountId"`
	APIKey                *string `json:"apiKey,omitempty"`
	APIKeyID              *string `json:"apiKeyId,omitempty"`
	Caller                *string `json:"caller"`
	CognitoProvider       *string `json:"cognitoAuthenticationProvider"`
	CognitoType           *string `json:"cognitoAuthenticationType"`
	CognitoIdentityID     *string `json:"cognitoIdentityId"`
	CognitoIdentityPoolID *string `json:"cognitoIdentityPoolId"`
	PrincipalOrgID        *string `json:"principalOrgId"`
	SourceIP              string  `json:"sourceIp"`
	User                  *string `json:"user"`
	UserAgent             *string `json:"userAgent"`
	UserARN               *string `json:"userArn"`
}

// V1 is the event of payload format 1.0: HTTP APIs.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func V1(r *Request) ([]byte, error) {
	e := r.v1(r.headers())
	e.Version = "1.0"
	e.Body, e.IsBase64Encoded = r.body(isText(r.HTTP.Header.Get("Content-Type")))
	return encode(e)
}

// REST is the event of a REST API's Lambda proxy integration.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
func REST(r *Request) ([]byte, error) {
	h := r.headers()
	h.Del("Content-Length")
	e := r.v1(h)
	if len(r.Body) > 0 && !r.binary() {
		e.Body = new(string(r.Body)) // what is no UTF-8 is lost, as on AWS
		return encode(e)
	}
	e.Body, e.IsBase64Encoded = r.body(false)
	return encode(e)
}

// v1 is what V1 and REST have in common.
func (r *Request) v1(headers http.Header) eventV1 {
	h := r.HTTP
	extended := r.ExtendedID
	if extended == "" {
		extended = r.ID
	}
	e := eventV1{
		Resource: r.Resource, Path: r.Path, Method: h.Method, Headers: map[string]string{}, MultiHeaders: map[string][]string{},
		PathParameters: full(r.PathParameters), StageVariables: full(r.StageVariables),
		Context: contextV1{
			AccountID: r.Account, APIID: r.APIID, Authorizer: r.Authorizer, DomainName: r.Domain, DomainPrefix: r.DomainPrefix,
			ExtendedID: extended, Method: h.Method, Identity: r.identity(), Operation: r.OperationName, Path: r.contextPath(),
			Protocol: protocol(h), RequestID: r.ID, Time: r.Time.UTC().Format(contextTime), TimeEpoch: r.Time.UnixMilli(),
			ResourceID: some(r.ResourceID), ResourcePath: r.Resource, Stage: r.Stage,
		},
	}
	for name, values := range headers {
		name = spelled(h, name)
		e.Headers[name] = values[len(values)-1]
		e.MultiHeaders[name] = values
	}
	for _, q := range query(h.URL.RawQuery) {
		if e.Query == nil {
			e.Query, e.MultiQuery = map[string]string{}, map[string][]string{}
		}
		e.Query[q.name] = q.value
		e.MultiQuery[q.name] = append(e.MultiQuery[q.name], q.value)
	}
	return e
}

// spelled is a header's name as the events of 1.0 and REST spell it: as the
// client did, as far as is known: HTTP/2 has lower case alone. What AWS's front
// writes is capital.
func spelled(r *http.Request, name string) string {
	if r.ProtoMajor < 2 || slices.Contains(capital, name) {
		return name
	}
	return strings.ToLower(name)
}

var capital = []string{"Content-Length", "Host", "User-Agent", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"}

func (r *Request) identity() identityV1 {
	i := r.Identity
	return identityV1{
		AccessKey: some(i.AccessKey), AccountID: some(i.AccountID), APIKey: some(i.APIKey), APIKeyID: some(i.APIKeyID),
		Caller: some(i.Caller), PrincipalOrgID: some(i.PrincipalOrgID), SourceIP: r.SourceIP, User: some(i.User),
		UserAgent: some(r.HTTP.UserAgent()), UserARN: some(i.UserARN),
	}
}

// full is m, or null when nothing is in it.
func full(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

// binary tells whether a REST API passes this request's body on in base64.
func (r *Request) binary() bool {
	kind, _, err := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	if err != nil || kind == "" {
		kind = "application/json" // what a REST API takes a request for that does not say
	}
	return MatchesType(r.BinaryTypes, kind)
}

// MatchesType tells whether a media type is one of types, which may be "*/*"
// and "image/*".
func MatchesType(types []string, kind string) bool {
	class, _, _ := strings.Cut(kind, "/")
	for _, t := range types {
		if t == "*/*" || strings.EqualFold(t, kind) || strings.EqualFold(t, class+"/*") {
			return true
		}
	}
	return false
}
