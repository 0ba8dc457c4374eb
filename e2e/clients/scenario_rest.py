"""Valid requests for API Gateway version 1: REST APIs."""
import json
import time

ACCOUNT = "000000000000"
REGION = "us-east-1"
URI = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:{ACCOUNT}:function:conf/invocations"


def patch(path, value=None, op="replace"):
    p = {"op": op, "path": path}
    if value is not None:
        p["value"] = value
    return [p]


def run_rest_scenarios(services):
    s = services.get("apigateway")
    if s is None:
        return
    call = s.call
    root = call("CreateRestApi", name="conf", description="d", binaryMediaTypes=["image/*"], endpointConfiguration={"types": ["REGIONAL"]}, tags={"a": "b"})
    of = {"restApiId": root["id"]}
    call("GetRestApi", **of)
    call("GetRestApis", limit=10)
    call("UpdateRestApi", **of, patchOperations=patch("/description", "e"))
    at = method(call, of, root["rootResourceId"])
    parts(call, of)
    trial(call, of, at)
    stage = stages(call, of)
    keys(call, of, stage)
    domains(call, of, stage)
    documents(call, of, stage)
    account(call, of)
    call("DeleteStage", **of, stageName=stage)
    call("DeleteRestApi", **of)
    s.refuse("GetRestApi", "NotFoundException", **of)


def method(call, of, root):
    r = {**of, "resourceId": call("CreateResource", **of, parentId=root, pathPart="pets")["id"]}
    call("GetResource", **r, embed=["methods"])
    call("GetResources", **of, embed=["methods"], limit=10)
    call("UpdateResource", **r, patchOperations=patch("/pathPart", "pet"))
    gone = call("CreateResource", **of, parentId=root, pathPart="gone")["id"]
    call("DeleteResource", **of, resourceId=gone)
    m = {**r, "httpMethod": "GET"}
    call("PutMethod", **m, authorizationType="NONE", requestParameters={"method.request.header.x": False}, operationName="op")
    call("GetMethod", **m)
    call("UpdateMethod", **m, patchOperations=patch("/operationName", "op2"))
    ok = {**m, "statusCode": "200"}
    call("PutMethodResponse", **ok, responseParameters={"method.response.header.x": True}, responseModels={"application/json": "Empty"})
    call("GetMethodResponse", **ok)
    call("UpdateMethodResponse", **ok, patchOperations=patch("/responseParameters/method.response.header.y", "false", "add"))
    call("PutIntegration", **m, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    call("GetIntegration", **m)
    call("UpdateIntegration", **m, patchOperations=patch("/timeoutInMillis", "3000"))
    call("PutIntegrationResponse", **ok, responseTemplates={"application/json": "{}"}, responseParameters={"method.response.header.x": "'1'"})
    call("GetIntegrationResponse", **ok)
    call("UpdateIntegrationResponse", **ok, patchOperations=patch("/responseTemplates/application~1json", '{"a":1}'))
    other = {**r, "httpMethod": "PUT", "statusCode": "200"}
    bare = {**r, "httpMethod": "PUT"}
    call("PutMethod", **bare, authorizationType="AWS_IAM", apiKeyRequired=True)
    call("PutMethodResponse", **other)
    call("PutIntegration", **bare, type="AWS_PROXY", integrationHttpMethod="POST", uri=URI)
    call("PutIntegrationResponse", **other)
    call("DeleteIntegrationResponse", **other)
    call("DeleteIntegration", **bare)
    call("DeleteMethodResponse", **other)
    call("DeleteMethod", **bare)
    return m


def parts(call, of):
    a = {**of, "authorizerId": call("CreateAuthorizer", **of, name="a", type="TOKEN", authorizerUri=URI, identitySource="method.request.header.Auth")["id"]}
    call("GetAuthorizer", **a)
    call("GetAuthorizers", **of)
    call("UpdateAuthorizer", **a, patchOperations=patch("/authorizerResultTtlInSeconds", "10"))
    call("TestInvokeAuthorizer", **a)
    call("DeleteAuthorizer", **a)
    v = {**of, "requestValidatorId": call("CreateRequestValidator", **of, name="v", validateRequestBody=True)["id"]}
    call("GetRequestValidator", **v)
    call("GetRequestValidators", **of)
    call("UpdateRequestValidator", **v, patchOperations=patch("/validateRequestParameters", "true"))
    call("DeleteRequestValidator", **v)
    m = {**of, "modelName": "Pet"}
    call("CreateModel", **of, name="Pet", contentType="application/json", schema='{"type":"object"}')
    call("GetModel", **m)
    call("GetModels", **of)
    call("UpdateModel", **m, patchOperations=patch("/description", "d"))
    call("DeleteModel", **m)
    g = {**of, "responseType": "UNAUTHORIZED"}
    call("PutGatewayResponse", **g, statusCode="401", responseParameters={"gatewayresponse.header.x": "'1'"})
    call("GetGatewayResponse", **g)
    call("GetGatewayResponses", **of, limit=100)
    call("UpdateGatewayResponse", **g, patchOperations=patch("/statusCode", "403"))
    call("DeleteGatewayResponse", **g)


def trial(call, of, at):
    call("TestInvokeMethod", **at, pathWithQueryString="/pet?a=1", headers={"x": "1"})


def stages(call, of):
    d = {**of, "deploymentId": call("CreateDeployment", **of, stageName="one", description="d")["id"]}
    call("GetDeployment", **d, embed=["apisummary"])
    call("GetDeployments", **of)
    call("UpdateDeployment", **d, patchOperations=patch("/description", "e"))
    s = {**of, "stageName": "two"}
    call("CreateStage", **s, deploymentId=d["deploymentId"], variables={"a": "b"}, tags={"a": "b"})
    call("GetStage", **s)
    call("GetStages", **of)
    call("UpdateStage", **s, patchOperations=patch("/*/*/throttling/rateLimit", "10.5") + patch("/variables/c", "d", "add") + patch("/*/*/logging/loglevel", "INFO"))
    call("FlushStageCache", **s)
    call("FlushStageAuthorizersCache", **s)
    call("DeleteStage", **s)
    last = call("CreateDeployment", **of)["id"]
    call("DeleteDeployment", **of, deploymentId=last)
    return "one"


def keys(call, of, stage):
    k = {"apiKey": call("CreateApiKey", name="k", enabled=True, tags={"a": "b"})["id"]}
    call("GetApiKey", **k, includeValue=True)
    call("GetApiKeys", includeValues=True, nameQuery="k")
    call("UpdateApiKey", **k, patchOperations=patch("/enabled", "false"))
    imported = call("ImportApiKeys", format="csv", body=b"Name,key\nx,12345678901234567890imported\n")["ids"]
    plan = {"usagePlanId": call("CreateUsagePlan", name="p", apiStages=[{"apiId": of["restApiId"], "stage": stage, "throttle": {"/pet/GET": {"rateLimit": 1.5, "burstLimit": 2}}}],
                                quota={"limit": 10, "period": "MONTH", "offset": 1}, throttle={"rateLimit": 1, "burstLimit": 1})["id"]}
    call("GetUsagePlan", **plan)
    call("GetUsagePlans", limit=10)
    call("UpdateUsagePlan", **plan, patchOperations=patch("/quota/limit", "20"))
    call("CreateUsagePlanKey", **plan, keyId=k["apiKey"], keyType="API_KEY")
    call("GetUsagePlanKey", **plan, keyId=k["apiKey"])
    call("GetUsagePlanKeys", **plan)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    call("GetUsage", **plan, startDate=day, endDate=day)
    call("UpdateUsage", **plan, keyId=k["apiKey"], patchOperations=patch("/remaining", "5"))
    call("DeleteUsagePlanKey", **plan, keyId=k["apiKey"])
    call("UpdateUsagePlan", **plan, patchOperations=patch("/apiStages", f"{of['restApiId']}:{stage}", "remove"))
    call("DeleteUsagePlan", **plan)
    for key in [k["apiKey"], *imported]:
        call("DeleteApiKey", apiKey=key)


def domains(call, of, stage):
    d = {"domainName": "rest.conf.example"}
    call("CreateDomainName", **d, regionalCertificateArn=f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/x", endpointConfiguration={"types": ["REGIONAL"]})
    call("GetDomainName", **d)
    call("GetDomainNames")
    call("UpdateDomainName", **d, patchOperations=patch("/securityPolicy", "TLS_1_2"))
    call("CreateBasePathMapping", **d, basePath="v1", stage=stage, **of)
    call("GetBasePathMapping", **d, basePath="v1")
    call("GetBasePathMappings", **d)
    call("UpdateBasePathMapping", **d, basePath="v1", patchOperations=patch("/basePath", "v2"))
    call("DeleteBasePathMapping", **d, basePath="v2")
    call("DeleteDomainName", **d)


def documents(call, of, stage):
    call("GetExport", **of, stageName=stage, exportType="swagger", parameters={"extensions": "apigateway"})
    document = json.dumps({"swagger": "2.0", "info": {"title": "imported"}, "paths": {"/x": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}}}).encode()
    made = call("ImportRestApi", body=document, parameters={"basepath": "prepend"})["id"]
    call("PutRestApi", restApiId=made, mode="merge", body=document)
    call("DeleteRestApi", restApiId=made)


def account(call, of):
    call("GetAccount")
    call("UpdateAccount", patchOperations=patch("/cloudwatchRoleArn", f"arn:aws:iam::{ACCOUNT}:role/logs"))
    arn = f"arn:aws:apigateway:{REGION}::/restapis/{of['restApiId']}"
    call("TagResource", resourceArn=arn, tags={"c": "d"})
    call("GetTags", resourceArn=arn)
    call("UntagResource", resourceArn=arn, tagKeys=["c"])
