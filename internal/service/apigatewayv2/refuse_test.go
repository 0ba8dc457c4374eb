package apigatewayv2

import "testing"

// TestRefusals: what cannot be is refused, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	c := newClient(t)
	web := c.create(nil)
	n := c.lambda(web)
	r := c.route(web, "GET /taken", n)
	var jwt, fn Authorizer
	jwtIn := in{"ApiId": web, "Name": "jwt", "AuthorizerType": "JWT", "IdentitySource": []any{"$request.header.Authorization"},
		"JwtConfiguration": in{"Issuer": "https://issuer.example", "Audience": []any{"a"}}}
	c.ok("CreateAuthorizer", jwtIn, &jwt)
	c.ok("CreateAuthorizer", in{"ApiId": web, "Name": "fn", "AuthorizerType": "REQUEST", "AuthorizerPayloadFormatVersion": "2.0", "AuthorizerUri": function, "IdentitySource": []any{}}, &fn)
	c.ok("CreateRoute", in{"ApiId": web, "RouteKey": "GET /me", "AuthorizationType": "JWT", "AuthorizerId": *jwt.AuthorizerId}, nil)
	c.ok("CreateStage", in{"ApiId": web, "StageName": "s"}, nil)
	ws := c.create(in{"ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"})

	const bad, gone, clash = "BadRequestException", "NotFoundException", "ConflictException"
	status := map[string]int{bad: 400, gone: 404, clash: 409}
	const notFormatted = "The provided route key is not formatted properly for HTTP protocol."
	for _, x := range []struct {
		op      string
		in      in
		code    string
		message string
	}{
		{"CreateApi", in{"Name": "x", "ProtocolType": "SOAP"}, bad, "1 validation error detected: Value 'SOAP' at 'protocolType'"},
		{"CreateApi", in{"Name": "x", "ProtocolType": "WEBSOCKET"}, bad, "RouteSelectionExpression is a required"},
		{"CreateApi", in{"Name": "", "ProtocolType": "HTTP"}, bad, "API name must not be empty"},
		{"CreateApi", in{"Name": "x", "ProtocolType": "HTTP", "RouteSelectionExpression": "$request.body.x"}, bad, "Invalid route selection expression"},
		{"CreateApi", in{"Name": "x", "ProtocolType": "HTTP", "CorsConfiguration": in{"AllowCredentials": true, "AllowOrigins": []any{"*"}}}, bad, "AllowCredentials cannot be true"},
		{"CreateApi", in{"Name": "x", "ProtocolType": "HTTP", "CorsConfiguration": in{"AllowOrigins": []any{"example.com"}}}, bad, "Invalid format for origin"},
		{"GetApi", in{"ApiId": "nope"}, gone, "Invalid API identifier specified 000000000000:nope"},
		{"UpdateApi", in{"ApiId": "nope"}, gone, "Invalid API identifier specified"},
		{"DeleteApi", in{"ApiId": "nope"}, gone, "Invalid API identifier specified"},
		{"GetRoutes", in{"ApiId": "nope"}, gone, "Invalid API identifier specified"},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /taken"}, clash, "Route with key GET /taken already exists for this API"},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET"}, bad, notFormatted},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "get /x"}, bad, notFormatted},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "FETCH /x"}, bad, notFormatted},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET x"}, bad, notFormatted},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /{a+}/b"}, bad, notFormatted},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /{a}/{a}"}, bad, notFormatted},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /x{a}"}, bad, notFormatted},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /{}"}, bad, notFormatted},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /x", "Target": "integrations/nope"}, bad, "Invalid target specified"},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /x", "ApiKeyRequired": true}, bad, "ApiKeyRequired is not currently supported for HTTP APIs"},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /x", "AuthorizationType": "JWT"}, bad, "Invalid authorizer ID specified."},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /x", "AuthorizationType": "JWT", "AuthorizerId": *fn.AuthorizerId}, bad, "Authorizer " + *fn.AuthorizerId + " is of type REQUEST"},
		{"CreateRoute", in{"ApiId": web, "RouteKey": "GET /x", "AuthorizationScopes": []any{"a"}}, bad, "AuthorizationScopes are supported only"},
		{"CreateRoute", in{"ApiId": ws, "RouteKey": "chat", "AuthorizationType": "AWS_IAM"}, bad, "Currently, authorization is restricted to the $connect route only"},
		{"CreateRoute", in{"ApiId": ws, "RouteKey": "$nope"}, bad, "Invalid route key specified"},
		{"UpdateRoute", in{"ApiId": web, "RouteId": "nope"}, gone, "Invalid Route identifier specified nope"},
		{"UpdateRoute", in{"ApiId": web, "RouteId": r, "RouteKey": "GET /me"}, clash, "Route with key GET /me already exists"},
		{"CreateIntegration", in{"ApiId": web, "IntegrationType": "AWS_PROXY", "IntegrationUri": function}, bad, "PayloadFormatVersion is a required parameter for integration"},
		{"CreateIntegration", in{"ApiId": web, "IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://x", "IntegrationMethod": "ANY", "PayloadFormatVersion": "2.0"}, bad, "PayloadFormatVersion 2.0 is not supported"},
		{"CreateIntegration", in{"ApiId": web, "IntegrationType": "HTTP_PROXY", "IntegrationUri": "ftp://x", "IntegrationMethod": "ANY", "PayloadFormatVersion": "1.0"}, bad, "Invalid HTTP endpoint specified for URI"},
		{"CreateIntegration", in{"ApiId": web, "IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://x", "PayloadFormatVersion": "1.0"}, bad, "IntegrationMethod is a required"},
		{"CreateIntegration", in{"ApiId": web, "IntegrationType": "AWS_PROXY", "IntegrationUri": "f", "PayloadFormatVersion": "1.0"}, bad, "Invalid ARN specified in the request"},
		{"CreateIntegration", in{"ApiId": web, "IntegrationType": "AWS_PROXY", "IntegrationUri": "arn:aws:sqs:us-east-1:0:q", "PayloadFormatVersion": "1.0"}, bad, "Invalid ARN specified in the request"},
		{"CreateIntegration", in{"ApiId": web, "IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage", "PayloadFormatVersion": "1.0"}, bad, "Mayfly does not serve integrations with the subtype"},
		{"CreateIntegration", in{"ApiId": web, "IntegrationType": "MOCK", "PayloadFormatVersion": "1.0"}, bad, "Invalid integration type specified"},
		{"CreateIntegration", in{"ApiId": web, "IntegrationType": "HTTP_PROXY", "ConnectionType": "VPC_LINK", "ConnectionId": "x", "PayloadFormatVersion": "1.0"}, bad, "Mayfly has no VPC links"},
		{"UpdateIntegration", in{"ApiId": web, "IntegrationId": n, "RequestParameters": in{"x": "y"}}, bad, "Invalid mapping expression specified"},
		{"UpdateIntegration", in{"ApiId": web, "IntegrationId": n, "RequestParameters": in{"overwrite:header.Authorization": "y"}}, bad, "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Operations on header"},
		{"UpdateIntegration", in{"ApiId": web, "IntegrationId": n, "RequestParameters": in{"append:path": "y"}}, bad, "Invalid mapping expression specified"},
		{"UpdateIntegration", in{"ApiId": web, "IntegrationId": n, "ResponseParameters": in{"20": in{"overwrite:statuscode": "403"}}}, bad, "Invalid status code"},
		{"UpdateIntegration", in{"ApiId": web, "IntegrationId": n, "ResponseParameters": in{"200": in{"append:querystring.x": "403"}}}, bad, "Invalid mapping expression specified"},
		{"UpdateIntegration", in{"ApiId": web, "IntegrationId": n, "TimeoutInMillis": 30001}, bad, "1 validation error detected: Value '30001' at 'timeoutInMillis'"},
		{"CreateIntegration", in{"ApiId": ws, "IntegrationType": "MOCK", "TimeoutInMillis": 29001}, bad, "Timeout should be between 50 ms and 29000 ms"},
		{"DeleteIntegration", in{"ApiId": web, "IntegrationId": n}, clash, "Cannot delete Integration because it is referenced by the following Routes with Ids: [" + r + "]"},
		{"CreateAuthorizer", jwtIn, bad, "Authorizer name must be unique. Authorizer jwt already exists in this RestApi."},
		{"CreateAuthorizer", in{"ApiId": web, "Name": "x", "AuthorizerType": "REQUEST", "AuthorizerUri": function, "IdentitySource": []any{"$request.header.x"}}, bad, "AuthorizerPayloadFormatVersion is a required"},
		{"CreateAuthorizer", in{"ApiId": web, "Name": "x", "AuthorizerType": "JWT", "IdentitySource": []any{"$request.header.x"}}, bad, "A JWT authorizer needs a JwtConfiguration with an Issuer"},
		{"CreateAuthorizer", in{"ApiId": web, "Name": "x", "AuthorizerType": "JWT", "IdentitySource": []any{"header.x"}}, bad, "A JWT authorizer has one identity source"},
		{"CreateAuthorizer", in{"ApiId": web, "Name": "x", "AuthorizerType": "REQUEST", "AuthorizerPayloadFormatVersion": "2.0", "AuthorizerUri": function, "AuthorizerResultTtlInSeconds": 5, "IdentitySource": []any{}}, bad, "Caching of an authorizer's results needs"},
		{"CreateAuthorizer", in{"ApiId": web, "Name": "x", "AuthorizerType": "REQUEST", "AuthorizerPayloadFormatVersion": "1.0", "AuthorizerUri": function, "EnableSimpleResponses": true, "IdentitySource": []any{}}, bad, "EnableSimpleResponses is not supported"},
		{"UpdateAuthorizer", in{"ApiId": web, "AuthorizerId": *jwt.AuthorizerId, "JwtConfiguration": in{"Issuer": "nope", "Audience": []any{"a"}}}, bad, "Invalid issuer"},
		{"DeleteAuthorizer", in{"ApiId": web, "AuthorizerId": *jwt.AuthorizerId}, clash, "Cannot delete authorizer 'jwt', is referenced in route: GET /me"},
		{"CreateStage", in{"ApiId": web, "StageName": "s"}, clash, "Stage already exists"},
		{"CreateStage", in{"ApiId": web, "StageName": "a b"}, bad, "Stage name only allows"},
		{"CreateStage", in{"ApiId": ws, "StageName": "$default"}, bad, "Stage name only allows"},
		{"CreateStage", in{"ApiId": web, "StageName": "t", "DeploymentId": "nope"}, gone, "Invalid Deployment identifier specified"},
		{"CreateStage", in{"ApiId": web, "StageName": "t", "StageVariables": in{"a b": "x"}}, bad, "Stage variable a b is invalid"},
		{"CreateStage", in{"ApiId": web, "StageName": "t", "RouteSettings": in{"GET /nope": in{}}}, gone, "Unable to find Route by key GET /nope within the provided RouteSettings"},
		{"CreateStage", in{"ApiId": web, "StageName": "t", "DefaultRouteSettings": in{"LoggingLevel": "INFO"}}, bad, "Execution logs are not supported on protocolType HTTP"},
		{"CreateStage", in{"ApiId": web, "StageName": "t", "AccessLogSettings": in{"DestinationArn": "arn:aws:firehose:us-east-1:0:deliverystream/x", "Format": "x"}}, bad, "Mayfly writes access logs to log groups alone"},
		{"GetStage", in{"ApiId": web, "StageName": "nope"}, gone, "Invalid stage identifier specified"},
		{"CreateDeployment", in{"ApiId": ws}, bad, "Unable to deploy API because no routes exist in this API"},
		{"CreateDeployment", in{"ApiId": web, "StageName": "nope"}, gone, "Invalid stage identifier specified"},
		{"CreateModel", in{"ApiId": web, "Name": "m", "Schema": "{}"}, bad, "Models are not currently supported for HTTP APIs"},
		{"CreateModel", in{"ApiId": ws, "Name": "m", "Schema": "{"}, bad, "Invalid model schema specified"},
		{"CreateRouteResponse", in{"ApiId": web, "RouteId": r, "RouteResponseKey": "$default"}, bad, "Route responses are not currently supported for HTTP APIs"},
		{"CreateDomainName", in{"DomainName": "nodots", "DomainNameConfigurations": []any{in{}}}, bad, "Invalid domain name specified"},
		{"CreateDomainName", in{"DomainName": "a.example.com"}, bad, "DomainNameConfigurations must have one"},
		{"CreateDomainName", in{"DomainName": "a.example.com", "DomainNameConfigurations": []any{in{}}, "MutualTlsAuthentication": in{"TruststoreUri": "s3://b/k"}}, bad, "Mayfly does not ask clients"},
	} {
		c.refused(x.op, x.in, status[x.code], x.code, x.message)
	}
	var routes GetRoutesResponse
	c.ok("GetRoutes", in{"ApiId": web}, &routes)
	var integrations GetIntegrationsResponse
	c.ok("GetIntegrations", in{"ApiId": web}, &integrations)
	if len(routes.Items) != 2 || len(integrations.Items) != 1 || *integrations.Items[0].TimeoutInMillis != 30000 {
		t.Errorf("%d routes, %d integrations", len(routes.Items), len(integrations.Items))
	}
}

// TestWebSocketParts walks all parts that only WebSocket APIs have.
func TestWebSocketParts(t *testing.T) {
	c := newClient(t)
	id := c.create(in{"ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"})
	var n Integration
	c.ok("CreateIntegration", in{"ApiId": id, "IntegrationType": "MOCK", "RequestTemplates": in{"application/json": "{}"}}, &n)
	var r Route
	c.ok("CreateRoute", in{"ApiId": id, "RouteKey": "ping", "Target": "integrations/" + *n.IntegrationId, "RouteResponseSelectionExpression": "$default",
		"RequestParameters": in{"route.request.querystring.x": in{"Required": true}}}, &r)
	same(t, c.ok("CreateRouteResponse", in{"ApiId": id, "RouteId": *r.RouteId, "RouteResponseKey": "$default"}, nil),
		`{"routeResponseId":"<id>","routeResponseKey":"$default"}`)
	c.refused("CreateRouteResponse", in{"ApiId": id, "RouteId": *r.RouteId, "RouteResponseKey": "$default"}, 409, "ConflictException", "RouteResponse with key")
	c.refused("CreateRouteResponse", in{"ApiId": id, "RouteId": *r.RouteId, "RouteResponseKey": "x"}, 400, "BadRequestException", "Invalid route response key")
	var answers GetRouteResponsesResponse
	c.ok("GetRouteResponses", in{"ApiId": id, "RouteId": *r.RouteId}, &answers)
	answer := in{"ApiId": id, "RouteId": *r.RouteId, "RouteResponseId": *answers.Items[0].RouteResponseId}
	c.ok("UpdateRouteResponse", answer, nil)
	c.ok("GetRouteResponse", answer, nil)

	same(t, c.ok("CreateIntegrationResponse", in{"ApiId": id, "IntegrationId": *n.IntegrationId, "IntegrationResponseKey": "/200/", "ResponseTemplates": in{"a": "b"}}, nil),
		`{"integrationResponseId":"<id>","integrationResponseKey":"/200/","responseTemplates":{"a":"b"}}`)
	c.refused("CreateIntegrationResponse", in{"ApiId": id, "IntegrationId": *n.IntegrationId, "IntegrationResponseKey": "200"}, 400, "BadRequestException", "Invalid integration response key")
	c.refused("CreateIntegrationResponse", in{"ApiId": id, "IntegrationId": *n.IntegrationId, "IntegrationResponseKey": "/200/"}, 409, "ConflictException", "IntegrationResponse with key")
	var mapped GetIntegrationResponsesResponse
	c.ok("GetIntegrationResponses", in{"ApiId": id, "IntegrationId": *n.IntegrationId}, &mapped)
	mapping := in{"ApiId": id, "IntegrationId": *n.IntegrationId, "IntegrationResponseId": *mapped.Items[0].IntegrationResponseId}
	c.ok("UpdateIntegrationResponse", mapping, nil)
	c.ok("GetIntegrationResponse", mapping, nil)

	var m Model
	c.ok("CreateModel", in{"ApiId": id, "Name": "Pet", "Schema": `{"type":"object"}`}, &m)
	same(t, c.ok("UpdateModel", in{"ApiId": id, "ModelId": *m.ModelId, "Description": "d"}, nil),
		`{"contentType":"application/json","description":"d","modelId":"<id>","name":"Pet","schema":"{\"type\":\"object\"}"}`)
	c.refused("CreateModel", in{"ApiId": id, "Name": "Pet", "Schema": `{}`}, 409, "ConflictException", "Model name already exists")
	c.refused("GetModelTemplate", in{"ApiId": id, "ModelId": *m.ModelId}, 400, "BadRequestException", "Mayfly does not make templates")

	c.ok("CreateStage", in{"ApiId": id, "StageName": "prod", "AutoDeploy": true}, nil)
	d, err := c.book.Deployed(t.Context(), id, "prod")
	if err != nil {
		t.Fatal(err)
	}
	route := d.Routes[*r.RouteId]
	if len(route.Responses) != 1 || len(d.Integration(route).Responses) != 1 || len(d.Models) != 1 || !route.RequestParameters["route.request.querystring.x"].Required {
		t.Errorf("deployed %+v", d.Snapshot)
	}
	c.ok("DeleteRouteRequestParameter", in{"ApiId": id, "RouteId": *r.RouteId, "RequestParameterKey": "route.request.querystring.x"}, nil)
	c.refused("DeleteRouteRequestParameter", in{"ApiId": id, "RouteId": *r.RouteId, "RequestParameterKey": "x"}, 404, "NotFoundException", "Invalid request parameter key")
	c.ok("DeleteRouteResponse", answer, nil)
	c.ok("DeleteIntegrationResponse", mapping, nil)
	c.ok("DeleteModel", in{"ApiId": id, "ModelId": *m.ModelId}, nil)
	c.ok("DeleteRoute", in{"ApiId": id, "RouteId": *r.RouteId}, nil)
	c.ok("DeleteIntegration", in{"ApiId": id, "IntegrationId": *n.IntegrationId}, nil)
}
