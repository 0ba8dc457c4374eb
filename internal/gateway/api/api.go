// Package api is what an API of API Gateway version 2 is, HTTP or WebSocket:
// its routes, integrations, authorizers, stages, deployments and domain names.
// It keeps them and checks them; it serves no request. The control plane edits
// them by a Book, and the data planes ask the same Book what a stage serves.
package api

import (
	"cmp"
	"strings"
)

// The protocols of an API.
const (
	HTTP      = "HTTP"
	WebSocket = "WEBSOCKET"
)

// What a route asks of its callers.
const (
	AuthNone   = "NONE"
	AuthIAM    = "AWS_IAM"
	AuthJWT    = "JWT"
	AuthCustom = "CUSTOM"
)

// DefaultKey is the key of the route for what no other matches, and the name of
// the stage that a path does not name.
const DefaultKey = "$default"

// An API is an API's own settings, without its parts. Times are milliseconds
// since 1970 here and below, and the names are those of AWS's API. The tag show
// says what an answer of the control plane has although it is empty, or never;
// the tag patch, which maps an update merges into what is there.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid.html
type API struct {
	ApiId                     string
	Name                      string
	Description               string `json:",omitempty"`
	Version                   string `json:",omitempty"`
	ProtocolType              string
	RouteSelectionExpression  string
	ApiKeySelectionExpression string
	IpAddressType             string
	CorsConfiguration         *Cors `json:",omitempty"`
	DisableExecuteApiEndpoint bool  `show:"always" json:",omitempty"`
	DisableSchemaValidation   bool  `json:",omitempty"`
	ApiGatewayManaged         bool  `json:",omitempty"`
	CreatedDate               int64
	Tags                      map[string]string `show:"always"`
	ImportInfo                []string          `json:",omitempty"`
	Warnings                  []string          `json:",omitempty"`
}

// Cors is what browsers of other origins may do.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
type Cors struct {
	AllowCredentials bool     `show:"always" json:",omitempty"`
	AllowHeaders     []string `json:",omitempty"`
	AllowMethods     []string `json:",omitempty"`
	AllowOrigins     []string `json:",omitempty"`
	ExposeHeaders    []string `json:",omitempty"`
	MaxAge           *int32   `json:",omitempty"` // seconds
}

// A Route sends what matches its key to an integration.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes-routeid.html
type Route struct {
	RouteId                          string
	RouteKey                         string                          // "GET /pets/{id}", "ANY /{proxy+}", "$default"; WebSocket: "$connect", "join"
	Target                           string                          `json:",omitempty"` // "integrations/<id>"
	AuthorizationType                string                          // NONE, AWS_IAM, JWT, CUSTOM
	AuthorizerId                     string                          `json:",omitempty"`
	AuthorizationScopes              []string                        `json:",omitempty"`
	ApiKeyRequired                   bool                            `show:"always" json:",omitempty"`
	OperationName                    string                          `json:",omitempty"`
	ModelSelectionExpression         string                          `json:",omitempty"`
	RequestModels                    map[string]string               `json:",omitempty"`
	RequestParameters                map[string]ParameterConstraints `patch:"merge" json:",omitempty"`
	RouteResponseSelectionExpression string                          `json:",omitempty"`
	ApiGatewayManaged                bool                            `json:",omitempty"`

	Responses map[string]*RouteResponse `json:",omitempty" show:"never"` // by id
}

// ParameterConstraints say whether a request must have a parameter.
type ParameterConstraints struct {
	Required bool `show:"always"`
}

// A RouteResponse is a two-way route's answer; WebSocket alone.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes-routeid-routeresponses-routeresponseid.html
type RouteResponse struct {
	RouteResponseId          string
	RouteResponseKey         string                          // "$default"
	ModelSelectionExpression string                          `json:",omitempty"`
	ResponseModels           map[string]string               `json:",omitempty"`
	ResponseParameters       map[string]ParameterConstraints `patch:"merge" json:",omitempty"`
}

// An Integration is what stands behind routes.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid.html
type Integration struct {
	IntegrationId                          string
	IntegrationType                        string                       // AWS_PROXY, HTTP_PROXY; WebSocket also AWS, HTTP, MOCK
	IntegrationUri                         string                       `json:",omitempty"` // a function's ARN, also in its arn:…:apigateway:…:path/…/invocations form; a URL. Stage variables are not filled in yet
	IntegrationMethod                      string                       `json:",omitempty"`
	IntegrationSubtype                     string                       `json:",omitempty"` // "SQS-SendMessage": an AWS service without a function
	PayloadFormatVersion                   string                       `json:",omitempty"` // 1.0, 2.0
	TimeoutInMillis                        int32                        `json:",omitempty"`
	ConnectionType                         string                       `json:",omitempty"` // INTERNET
	ConnectionId                           string                       `json:",omitempty"`
	CredentialsArn                         string                       `json:",omitempty"`
	Description                            string                       `json:",omitempty"`
	RequestParameters                      map[string]string            `patch:"merge" json:",omitempty"` // "append:header.x": "$request.path.id"
	ResponseParameters                     map[string]map[string]string `patch:"merge" json:",omitempty"` // by status: "overwrite:header.x": "…"
	RequestTemplates                       map[string]string            `json:",omitempty"`
	TemplateSelectionExpression            string                       `json:",omitempty"`
	PassthroughBehavior                    string                       `json:",omitempty"`
	ContentHandlingStrategy                string                       `json:",omitempty"`
	IntegrationResponseSelectionExpression string                       `json:",omitempty"`
	TlsConfig                              *TlsConfig                   `json:",omitempty"`
	ApiGatewayManaged                      bool                         `json:",omitempty"`

	Responses map[string]*IntegrationResponse `json:",omitempty" show:"never"` // by id
}

// A TlsConfig is the name that a private integration's certificate must have.
type TlsConfig struct {
	ServerNameToVerify string `json:",omitempty"`
}

// An IntegrationResponse maps what an integration answers; WebSocket alone.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid-integrationresponses-integrationresponseid.html
type IntegrationResponse struct {
	IntegrationResponseId       string
	IntegrationResponseKey      string            // "$default", "/400/"
	ContentHandlingStrategy     string            `json:",omitempty"`
	ResponseParameters          map[string]string `patch:"merge" json:",omitempty"`
	ResponseTemplates           map[string]string `json:",omitempty"`
	TemplateSelectionExpression string            `json:",omitempty"`
}

// An Authorizer decides who may call a route.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers-authorizerid.html
type Authorizer struct {
	AuthorizerId                   string
	Name                           string
	AuthorizerType                 string            // JWT, REQUEST
	AuthorizerUri                  string            `json:",omitempty"` // arn:aws:apigateway:…:lambda:path/2015-03-31/functions/<ARN>/invocations
	AuthorizerCredentialsArn       string            `json:",omitempty"`
	AuthorizerPayloadFormatVersion string            `json:",omitempty"` // 1.0, 2.0
	AuthorizerResultTtlInSeconds   *int32            `json:",omitempty"`
	EnableSimpleResponses          bool              `json:",omitempty"`
	IdentitySource                 []string          `json:",omitempty"` // "$request.header.Authorization"; WebSocket: "route.request.header.Auth"
	IdentityValidationExpression   string            `json:",omitempty"`
	JwtConfiguration               *JWTConfiguration `json:",omitempty"`
}

// A JWTConfiguration says whose tokens are good, and for whom they were made.
type JWTConfiguration struct {
	Audience []string `json:",omitempty"`
	Issuer   string   `json:",omitempty"`
}

// A Model is a JSON schema by name; WebSocket alone.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-models-modelid.html
type Model struct {
	ModelId     string
	Name        string
	ContentType string `json:",omitempty"`
	Description string `json:",omitempty"`
	Schema      string `json:",omitempty"`
}

// A Stage is a name under which a deployment is served.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename.html
type Stage struct {
	StageName                   string
	Description                 string                    `json:",omitempty"`
	DeploymentId                string                    `json:",omitempty"`
	AutoDeploy                  bool                      `json:",omitempty"`
	ClientCertificateId         string                    `json:",omitempty"`
	StageVariables              map[string]string         `patch:"merge" show:"always" json:",omitempty"`
	DefaultRouteSettings        *RouteSettings            `patch:"merge" json:",omitempty"`
	RouteSettings               map[string]*RouteSettings `patch:"merge" show:"always" json:",omitempty"` // by route key
	AccessLogSettings           *AccessLogSettings        `patch:"merge" json:",omitempty"`
	LastDeploymentStatusMessage string                    `json:",omitempty"`
	ApiGatewayManaged           bool                      `json:",omitempty"`
	Tags                        map[string]string         `show:"always" json:",omitempty"`
	CreatedDate                 int64
	LastUpdatedDate             int64

	// AuthorizersReset counts ResetAuthorizersCache: a cached decision that was
	// made under another number is void.
	AuthorizersReset int64 `json:",omitempty" show:"never"`
}

// RouteSettings are a route's limits and logs in a stage. Nil says nothing.
type RouteSettings struct {
	DataTraceEnabled       *bool    `json:",omitempty"`
	DetailedMetricsEnabled *bool    `json:",omitempty"`
	LoggingLevel           string   `json:",omitempty"`
	ThrottlingBurstLimit   *int32   `json:",omitempty"`
	ThrottlingRateLimit    *float64 `json:",omitempty"` // requests in a second
}

// AccessLogSettings say where a stage logs each request, and what.
type AccessLogSettings struct {
	DestinationArn string `json:",omitempty"` // a log group's ARN
	Format         string `json:",omitempty"`
}

// A Deployment is an API's state at one time.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-deployments-deploymentid.html
type Deployment struct {
	DeploymentId            string
	Description             string `json:",omitempty"`
	AutoDeployed            bool   `show:"always" json:",omitempty"`
	DeploymentStatus        string // DEPLOYED
	DeploymentStatusMessage string `json:",omitempty"`
	CreatedDate             int64
}

// A Snapshot is what of an API a deployment has. Maps are by id.
type Snapshot struct {
	RouteSelectionExpression  string
	ApiKeySelectionExpression string
	CorsConfiguration         *Cors                   `json:",omitempty"`
	Routes                    map[string]*Route       `json:",omitempty"`
	Integrations              map[string]*Integration `json:",omitempty"`
	Authorizers               map[string]*Authorizer  `json:",omitempty"`
	Models                    map[string]*Model       `json:",omitempty"`
}

// A Deployed is what one stage of an API serves: nobody changes it, and any
// number of goroutines may read it. Until something changes the Book answers
// the same pointer, so that what was compiled from one may be kept beside it.
type Deployed struct {
	Snapshot // of the stage's deployment

	API          *API
	Stage        *Stage
	DeploymentID string // "" where nothing was deployed to the stage: it has no routes
	Revision     uint64 // grows with every change of the API, also over restarts
}

// Integration is what r sends its requests to; nil for none.
func (d *Deployed) Integration(r *Route) *Integration {
	return d.Integrations[targetOf(r)]
}

// targetOf is the id of the integration that r's target names.
func targetOf(r *Route) string {
	id, ok := strings.CutPrefix(r.Target, "integrations/")
	if !ok {
		return ""
	}
	return id
}

// Authorizer is who decides about r's requests; nil for none.
func (d *Deployed) Authorizer(r *Route) *Authorizer { return d.Authorizers[r.AuthorizerId] }

// Settings are those of a route: the stage's defaults where it has none of its own.
func (d *Deployed) Settings(routeKey string) RouteSettings {
	var own, all RouteSettings
	if s := d.Stage.RouteSettings[routeKey]; s != nil {
		own = *s
	}
	if s := d.Stage.DefaultRouteSettings; s != nil {
		all = *s
	}
	return RouteSettings{
		DataTraceEnabled:       cmp.Or(own.DataTraceEnabled, all.DataTraceEnabled),
		DetailedMetricsEnabled: cmp.Or(own.DetailedMetricsEnabled, all.DetailedMetricsEnabled),
		LoggingLevel:           cmp.Or(own.LoggingLevel, all.LoggingLevel),
		ThrottlingBurstLimit:   cmp.Or(own.ThrottlingBurstLimit, all.ThrottlingBurstLimit),
		ThrottlingRateLimit:    cmp.Or(own.ThrottlingRateLimit, all.ThrottlingRateLimit),
	}
}
