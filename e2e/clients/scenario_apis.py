"""Valid requests for API Gateway version 2, HTTP and WebSocket."""
import json

ACCOUNT = "000000000000"
REGION = "us-east-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:conf"


def run_api_scenarios(services):
    if "apigatewayv2" in services:
        web(services["apigatewayv2"])
        sockets(services["apigatewayv2"])


def web(s):
    call = s.call
    api = call("CreateApi", Name="conf", ProtocolType="HTTP", CorsConfiguration={"AllowOrigins": ["*"]}, Tags={"a": "b"})["apiId"]
    call("GetApi", ApiId=api)
    call("GetApis", MaxResults="10")
    call("UpdateApi", ApiId=api, Description="d", Version="1")
    call("DeleteCorsConfiguration", ApiId=api)
    of = {"ApiId": api}
    n = call("CreateIntegration", **of, IntegrationType="AWS_PROXY", IntegrationUri=FUNCTION, PayloadFormatVersion="2.0",
             RequestParameters={"append:header.x": "$request.path"})["integrationId"]
    call("GetIntegration", **of, IntegrationId=n)
    call("GetIntegrations", **of)
    call("UpdateIntegration", **of, IntegrationId=n, TimeoutInMillis=1000)
    a = call("CreateAuthorizer", **of, Name="jwt", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
             JwtConfiguration={"Issuer": "https://issuer.example", "Audience": ["me"]})["authorizerId"]
    call("GetAuthorizer", **of, AuthorizerId=a)
    call("GetAuthorizers", **of)
    call("UpdateAuthorizer", **of, AuthorizerId=a, Name="tokens")
    r = call("CreateRoute", **of, RouteKey="GET /pets/{id}", Target="integrations/" + n, AuthorizationType="JWT", AuthorizerId=a, AuthorizationScopes=["x"])["routeId"]
    call("GetRoute", **of, RouteId=r)
    call("GetRoutes", **of)
    call("UpdateRoute", **of, RouteId=r, OperationName="pet")
    d = call("CreateDeployment", **of, Description="one")["deploymentId"]
    call("GetDeployment", **of, DeploymentId=d)
    call("GetDeployments", **of)
    call("UpdateDeployment", **of, DeploymentId=d, Description="two")
    stage = {**of, "StageName": "dev"}
    call("CreateStage", **stage, DeploymentId=d, StageVariables={"a": "b"}, RouteSettings={"GET /pets/{id}": {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.5}},
         AccessLogSettings={"DestinationArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:web", "Format": "$context.requestId"}, Tags={"a": "b"})
    call("GetStage", **stage)
    call("GetStages", **of)
    call("UpdateStage", **stage, Description="d", DefaultRouteSettings={"DetailedMetricsEnabled": True})
    call("DeleteRouteSettings", **stage, RouteKey="GET /pets/{id}")
    call("DeleteAccessLogSettings", **stage)
    call("ResetAuthorizersCache", **stage)
    tagged = f"arn:aws:apigateway:{REGION}::/apis/{api}"
    call("TagResource", ResourceArn=tagged, Tags={"c": "d"})
    call("GetTags", ResourceArn=tagged)
    call("UntagResource", ResourceArn=tagged, TagKeys=["c"])
    domain = {"DomainName": "api.conf.example"}
    call("CreateDomainName", **domain, DomainNameConfigurations=[{"CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/x"}])
    call("GetDomainName", **domain)
    call("GetDomainNames")
    call("UpdateDomainName", **domain, DomainNameConfigurations=[{"EndpointType": "REGIONAL"}])
    m = call("CreateApiMapping", **domain, **stage_of(stage))["apiMappingId"]
    call("GetApiMapping", **domain, ApiMappingId=m)
    call("GetApiMappings", **domain)
    call("UpdateApiMapping", **domain, ApiMappingId=m, ApiId=api, ApiMappingKey="v1")
    s.refuse("DeleteApi", "BadRequestException", **of)
    call("DeleteApiMapping", **domain, ApiMappingId=m)
    call("DeleteDomainName", **domain)
    documents(s, api)
    call("DeleteStage", **stage)
    call("DeleteDeployment", **of, DeploymentId=d)
    s.refuse("DeleteIntegration", "ConflictException", **of, IntegrationId=n)
    call("DeleteApi", **of)


def stage_of(stage):
    return {"ApiId": stage["ApiId"], "Stage": stage["StageName"]}


def documents(s, api):
    body = s.call("ExportApi", ApiId=api, Specification="OAS30", OutputType="JSON")["body"]
    again = s.call("ImportApi", Body=body.decode() if isinstance(body, bytes) else body)["apiId"]
    s.call("ReimportApi", ApiId=again, Body=json.dumps({"openapi": "3.0.1", "info": {"title": "again", "version": "1"}, "paths": {}}))
    s.call("DeleteApi", ApiId=again)


def sockets(s):
    call = s.call
    of = {"ApiId": call("CreateApi", Name="ws", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["apiId"]}
    n = call("CreateIntegration", **of, IntegrationType="MOCK")["integrationId"]
    e = call("CreateIntegrationResponse", **of, IntegrationId=n, IntegrationResponseKey="/200/")["integrationResponseId"]
    one = {**of, "IntegrationId": n, "IntegrationResponseId": e}
    call("GetIntegrationResponse", **one)
    call("GetIntegrationResponses", **of, IntegrationId=n)
    call("UpdateIntegrationResponse", **one, ResponseTemplates={"application/json": "{}"})
    r = call("CreateRoute", **of, RouteKey="chat", Target="integrations/" + n, RequestParameters={"route.request.querystring.x": {"Required": True}})["routeId"]
    call("DeleteRouteRequestParameter", **of, RouteId=r, RequestParameterKey="route.request.querystring.x")
    e = call("CreateRouteResponse", **of, RouteId=r, RouteResponseKey="$default")["routeResponseId"]
    two = {**of, "RouteId": r, "RouteResponseId": e}
    call("GetRouteResponse", **two)
    call("GetRouteResponses", **of, RouteId=r)
    call("UpdateRouteResponse", **two)
    m = call("CreateModel", **of, Name="Pet", Schema='{"type": "object"}')["modelId"]
    call("GetModel", **of, ModelId=m)
    call("GetModels", **of)
    call("UpdateModel", **of, ModelId=m, Description="d")
    s.refuse("GetModelTemplate", "BadRequestException", **of, ModelId=m)
    call("DeleteModel", **of, ModelId=m)
    call("DeleteRouteResponse", **two)
    call("DeleteRoute", **of, RouteId=r)
    call("DeleteIntegrationResponse", **one)
    call("DeleteIntegration", **of, IntegrationId=n)
    a = call("CreateAuthorizer", **of, Name="fn", AuthorizerType="REQUEST", AuthorizerUri=FUNCTION, IdentitySource=["route.request.header.Auth"])["authorizerId"]
    call("DeleteAuthorizer", **of, AuthorizerId=a)
    call("DeleteApi", **of)
