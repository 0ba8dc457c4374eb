package restapi

// The documents. Their JSON is spelled as the API spells them, so that a
// patch's path and the service's shapes name the same members.

// An API is a REST API without its parts.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_RestApi.html
type API struct {
	ID                     string            `json:"id"`
	Name                   string            `json:"name"`
	Description            string            `json:"description,omitempty"`
	CreatedDate            int64             `json:"createdDate"`
	Version                string            `json:"version,omitempty"`
	Warnings               []string          `json:"warnings,omitempty"`
	BinaryMediaTypes       []string          `json:"binaryMediaTypes,omitempty"`
	MinimumCompressionSize *int32            `json:"minimumCompressionSize,omitempty"`
	KeySource              string            `json:"apiKeySource"`
	Endpoint               *Endpoint         `json:"endpointConfiguration"`
	Policy                 string            `json:"policy,omitempty"`
	Tags                   map[string]string `json:"tags,omitempty"`
	DisableEndpoint        bool              `json:"disableExecuteApiEndpoint"`
	RootResourceID         string            `json:"rootResourceId"`
	SecurityPolicy         string            `json:"securityPolicy,omitempty"`
	AccessMode             string            `json:"endpointAccessMode,omitempty"`
}

// An Endpoint says of which kind an API's or a domain's host is.
type Endpoint struct {
	Types         []string `json:"types"`
	VPCEndpoints  []string `json:"vpcEndpointIds,omitempty"`
	IPAddressType string   `json:"ipAddressType,omitempty"`
}

// A Resource is a node of an API's tree of paths.
type Resource struct {
	ID       string             `json:"id"`
	ParentID string             `json:"parentId,omitempty"`
	PathPart string             `json:"pathPart,omitempty"`
	Path     string             `json:"path"`
	Methods  map[string]*Method `json:"resourceMethods,omitempty"`
}

// A Method is what a resource does at an HTTP method, "ANY" for all others.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_Method.html
type Method struct {
	HTTPMethod        string                     `json:"httpMethod"`
	AuthorizationType string                     `json:"authorizationType"`
	AuthorizerID      string                     `json:"authorizerId,omitempty"`
	Scopes            []string                   `json:"authorizationScopes,omitempty"`
	KeyRequired       bool                       `json:"apiKeyRequired"`
	ValidatorID       string                     `json:"requestValidatorId,omitempty"`
	OperationName     string                     `json:"operationName,omitempty"`
	RequestParameters map[string]bool            `json:"requestParameters,omitempty"`
	RequestModels     map[string]string          `json:"requestModels,omitempty"`
	Responses         map[string]*MethodResponse `json:"methodResponses,omitempty"`
	Integration       *Integration               `json:"methodIntegration,omitempty"`
}

// A MethodResponse declares a status that a method may answer.
type MethodResponse struct {
	StatusCode string            `json:"statusCode"`
	Parameters map[string]bool   `json:"responseParameters,omitempty"`
	Models     map[string]string `json:"responseModels,omitempty"`
}

// An Integration is what is behind a method.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html
type Integration struct {
	Type              string                          `json:"type"`
	HTTPMethod        string                          `json:"httpMethod,omitempty"`
	URI               string                          `json:"uri,omitempty"`
	ConnectionType    string                          `json:"connectionType,omitempty"`
	ConnectionID      string                          `json:"connectionId,omitempty"`
	Credentials       string                          `json:"credentials,omitempty"`
	RequestParameters map[string]string               `json:"requestParameters,omitempty"`
	RequestTemplates  map[string]string               `json:"requestTemplates,omitempty"`
	Passthrough       string                          `json:"passthroughBehavior,omitempty"`
	ContentHandling   string                          `json:"contentHandling,omitempty"`
	TimeoutMillis     int32                           `json:"timeoutInMillis,omitempty"`
	CacheNamespace    string                          `json:"cacheNamespace,omitempty"`
	CacheKeys         []string                        `json:"cacheKeyParameters,omitempty"`
	TLS               *TLS                            `json:"tlsConfig,omitempty"`
	TransferMode      string                          `json:"responseTransferMode,omitempty"`
	Target            string                          `json:"integrationTarget,omitempty"`
	Responses         map[string]*IntegrationResponse `json:"integrationResponses,omitempty"`
}

// TLS says how an integration's certificate is looked at.
type TLS struct {
	Insecure bool `json:"insecureSkipVerification"`
}

// An IntegrationResponse makes a method's answer of an integration's.
type IntegrationResponse struct {
	StatusCode       string            `json:"statusCode"`
	SelectionPattern string            `json:"selectionPattern,omitempty"`
	Parameters       map[string]string `json:"responseParameters,omitempty"`
	Templates        map[string]string `json:"responseTemplates,omitempty"`
	ContentHandling  string            `json:"contentHandling,omitempty"`
}

// An Authorizer decides who may call a method.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_Authorizer.html
type Authorizer struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	Type           string   `json:"type"` // TOKEN, REQUEST, COGNITO_USER_POOLS
	ProviderARNs   []string `json:"providerARNs,omitempty"`
	AuthType       string   `json:"authType,omitempty"`
	URI            string   `json:"authorizerUri,omitempty"`
	Credentials    string   `json:"authorizerCredentials,omitempty"`
	IdentitySource string   `json:"identitySource,omitempty"`
	Validation     string   `json:"identityValidationExpression,omitempty"`
	TTL            *int32   `json:"authorizerResultTtlInSeconds,omitempty"`
}

// A Model is a JSON schema.
type Model struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Schema      string `json:"schema,omitempty"`
	ContentType string `json:"contentType"`
}

// A Validator says what of a request is held to the method's declaration.
type Validator struct {
	ID         string `json:"id"`
	Name       string `json:"name,omitempty"`
	Body       bool   `json:"validateRequestBody"`
	Parameters bool   `json:"validateRequestParameters"`
}

// A GatewayResponse is what the gateway itself answers in a case.
type GatewayResponse struct {
	Type       string            `json:"responseType"`
	StatusCode string            `json:"statusCode,omitempty"`
	Parameters map[string]string `json:"responseParameters,omitempty"`
	Templates  map[string]string `json:"responseTemplates,omitempty"`
	Default    bool              `json:"defaultResponse"`
}

// A Deployment is an API's definition as it was at a moment.
type Deployment struct {
	ID          string                               `json:"id"`
	Description string                               `json:"description,omitempty"`
	CreatedDate int64                                `json:"createdDate"`
	Summary     map[string]map[string]MethodSnapshot `json:"apiSummary,omitempty"`
}

// A MethodSnapshot is what a deployment's summary says of a method.
type MethodSnapshot struct {
	AuthorizationType string `json:"authorizationType"`
	KeyRequired       bool   `json:"apiKeyRequired"`
}

// A Stage is a deployment on the web.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_Stage.html
type Stage struct {
	Name                 string                    `json:"stageName"`
	DeploymentID         string                    `json:"deploymentId"`
	Description          string                    `json:"description,omitempty"`
	CreatedDate          int64                     `json:"createdDate"`
	LastUpdatedDate      int64                     `json:"lastUpdatedDate"`
	Variables            map[string]string         `json:"variables,omitempty"`
	Settings             map[string]*MethodSetting `json:"methodSettings,omitempty"`
	AccessLog            *AccessLog                `json:"accessLogSettings,omitempty"`
	Tags                 map[string]string         `json:"tags,omitempty"`
	TracingEnabled       bool                      `json:"tracingEnabled"`
	CacheClusterEnabled  bool                      `json:"cacheClusterEnabled"`
	CacheClusterSize     string                    `json:"cacheClusterSize,omitempty"`
	CacheClusterStatus   string                    `json:"cacheClusterStatus,omitempty"`
	ClientCertificateID  string                    `json:"clientCertificateId,omitempty"`
	DocumentationVersion string                    `json:"documentationVersion,omitempty"`

	// Flushes counts how often what authorizers said was made void.
	Flushes int64 `json:"flushes,omitempty"`
}

// A MethodSetting is how a stage treats a method: logs, throttles, cache.
type MethodSetting struct {
	MetricsEnabled         bool    `json:"metricsEnabled"`
	LoggingLevel           string  `json:"loggingLevel,omitempty"`
	DataTraceEnabled       bool    `json:"dataTraceEnabled"`
	BurstLimit             int32   `json:"throttlingBurstLimit"`
	RateLimit              float64 `json:"throttlingRateLimit"`
	CachingEnabled         bool    `json:"cachingEnabled"`
	CacheTTL               int32   `json:"cacheTtlInSeconds"`
	CacheDataEncrypted     bool    `json:"cacheDataEncrypted"`
	CacheControlAuthorized bool    `json:"requireAuthorizationForCacheControl"`
	CacheControlStrategy   string  `json:"unauthorizedCacheControlHeaderStrategy,omitempty"`
}

// An AccessLog says where and how a stage logs requests.
type AccessLog struct {
	DestinationARN string `json:"destinationArn,omitempty"`
	Format         string `json:"format,omitempty"`
}

// A Key is an API key.
type Key struct {
	ID              string            `json:"id"`
	Value           string            `json:"value,omitempty"`
	Name            string            `json:"name,omitempty"`
	CustomerID      string            `json:"customerId,omitempty"`
	Description     string            `json:"description,omitempty"`
	Enabled         bool              `json:"enabled"`
	CreatedDate     int64             `json:"createdDate"`
	LastUpdatedDate int64             `json:"lastUpdatedDate"`
	StageKeys       []string          `json:"stageKeys"`
	Tags            map[string]string `json:"tags,omitempty"`
}

// A Plan is a usage plan: which stages its keys may call, and how much.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UsagePlan.html
type Plan struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Stages      []*PlanStage      `json:"apiStages"`
	Throttle    *Throttle         `json:"throttle,omitempty"`
	Quota       *Quota            `json:"quota,omitempty"`
	ProductCode string            `json:"productCode,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// A PlanStage is a stage that a plan is for. Throttle is by "/path/METHOD".
type PlanStage struct {
	API      string               `json:"apiId"`
	Stage    string               `json:"stage"`
	Throttle map[string]*Throttle `json:"throttle,omitempty"`
}

// A Throttle is a rate a second and a burst.
type Throttle struct {
	BurstLimit int32   `json:"burstLimit"`
	RateLimit  float64 `json:"rateLimit"`
}

// A Quota is how many requests a key may make in a period.
type Quota struct {
	Limit  int32  `json:"limit"`
	Offset int32  `json:"offset"`
	Period string `json:"period"` // DAY, WEEK, MONTH
}

// A PlanKey is a key of a plan.
type PlanKey struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Value string `json:"value,omitempty"`
	Name  string `json:"name,omitempty"`
}

// A Domain is a custom domain name.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DomainName.html
type Domain struct {
	Name                    string            `json:"domainName"`
	ARN                     string            `json:"domainNameArn"`
	CertificateName         string            `json:"certificateName,omitempty"`
	CertificateARN          string            `json:"certificateArn,omitempty"`
	CertificateUploadDate   int64             `json:"certificateUploadDate,omitempty"`
	RegionalCertificateName string            `json:"regionalCertificateName,omitempty"`
	RegionalCertificateARN  string            `json:"regionalCertificateArn,omitempty"`
	RegionalDomain          string            `json:"regionalDomainName,omitempty"`
	RegionalZone            string            `json:"regionalHostedZoneId,omitempty"`
	DistributionDomain      string            `json:"distributionDomainName,omitempty"`
	DistributionZone        string            `json:"distributionHostedZoneId,omitempty"`
	Endpoint                *Endpoint         `json:"endpointConfiguration"`
	Status                  string            `json:"domainNameStatus"`
	SecurityPolicy          string            `json:"securityPolicy"`
	RoutingMode             string            `json:"routingMode,omitempty"`
	Tags                    map[string]string `json:"tags,omitempty"`
}

// A Mapping puts a stage under a base path of a domain.
type Mapping struct {
	BasePath string `json:"basePath"` // "(none)" for the domain's root
	API      string `json:"restApiId"`
	Stage    string `json:"stage,omitempty"`
}

// An Account is what API Gateway knows of the account.
type Account struct {
	CloudwatchRoleARN string    `json:"cloudwatchRoleArn,omitempty"`
	Throttle          *Throttle `json:"throttleSettings"`
	Features          []string  `json:"features"`
	KeyVersion        string    `json:"apiKeyVersion"`
}
