package restapi

import "strconv"

// A fault is a case in which the gateway itself answers.
type fault struct {
	kind    string
	status  int    // 0: the family's
	message string // "" for no default message
	header  string // X-Amzn-ErrorType
}

// faults are all cases and AWS's own answers to them.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
func faults() []fault {
	return []fault{
		{"ACCESS_DENIED", 403, "User is not authorized to access this resource", "AccessDeniedException"},
		{"API_CONFIGURATION_ERROR", 500, "Internal server error", "InternalServerErrorException"},
		{"AUTHORIZER_CONFIGURATION_ERROR", 500, "Internal server error", "AuthorizerConfigurationException"},
		{"AUTHORIZER_FAILURE", 500, "Internal server error", "AuthorizerFailureException"},
		{"BAD_REQUEST_BODY", 400, "Invalid request body", "BadRequestException"},
		{"BAD_REQUEST_PARAMETERS", 400, "Missing required request parameters", "BadRequestException"},
		{"DEFAULT_4XX", 0, "", "BadRequestException"},
		{"DEFAULT_5XX", 0, "", "InternalServerErrorException"},
		{"EXPIRED_TOKEN", 403, "The security token included in the request is expired", "ExpiredTokenException"},
		{"INTEGRATION_FAILURE", 504, "Internal server error", "InternalServerErrorException"},
		{"INTEGRATION_TIMEOUT", 504, "Endpoint request timed out", "InternalServerErrorException"},
		{"INVALID_API_KEY", 403, "Forbidden", "ForbiddenException"},
		{"INVALID_SIGNATURE", 403, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.", "InvalidSignatureException"},
		{"MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token", "MissingAuthenticationTokenException"},
		{"QUOTA_EXCEEDED", 429, "Limit Exceeded", "LimitExceededException"},
		{"REQUEST_TOO_LARGE", 413, "Request Too Long", "RequestTooLargeException"},
		{"RESOURCE_NOT_FOUND", 404, "Missing Authentication Token", "MissingAuthenticationTokenException"},
		{"THROTTLED", 429, "Too Many Requests", "TooManyRequestsException"},
		{"UNAUTHORIZED", 401, "Unauthorized", "UnauthorizedException"},
		{"UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported Media Type", "BadRequestException"},
		{"WAF_FILTERED", 403, "Forbidden", "ForbiddenException"},
	}
}

// faultOf is a case by its name. It panics if there is none.
func faultOf(kind string) fault {
	for _, f := range faults() {
		if f.kind == kind {
			return f
		}
	}
	panic("restapi: no gateway response " + kind)
}

// plainResponse is the template of AWS's own answers.
const plainResponse = `{"message":$context.error.messageString}`

// defaultResponses are AWS's own answers as the API tells them.
func defaultResponses() []*GatewayResponse {
	var rs []*GatewayResponse
	for _, f := range faults() {
		r := &GatewayResponse{Type: f.kind, Templates: map[string]string{"application/json": plainResponse}, Default: true}
		if f.status != 0 {
			r.StatusCode = strconv.Itoa(f.status)
		}
		rs = append(rs, r)
	}
	return rs
}
