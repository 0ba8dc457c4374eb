"""REST APIs as a user of boto3 makes and calls them: resource by resource, by an imported document, with API keys, quotas,
authorizers, validators, mocks, streams, domain names, exports and logs. Argument: a Python runtime that the server has."""
import http.client
import io
import json
import os
import sys
import time
import urllib.parse
import zipfile

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

RUNTIME = sys.argv[1]
REGION = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or "us-east-1"
ROLE = "arn:aws:iam::000000000000:role/web"
SOURCE = """
import json

def handler(event, context):
    keep = {k: event[k] for k in ("resource", "path", "httpMethod", "pathParameters", "queryStringParameters", "stageVariables", "body")}
    keep["requestContext"] = {k: event["requestContext"].get(k) for k in ("stage", "path", "authorizer", "resourcePath")}
    keep["identity"] = {k: event["requestContext"]["identity"].get(k) for k in ("apiKeyId", "userArn", "sourceIp")}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": json.dumps(keep)}

def authorize(event, context):
    if event["authorizationToken"] == "who":
        raise Exception("Unauthorized")
    effect = "Allow" if event["authorizationToken"] == "open" else "Deny"
    return {"principalId": "ann", "context": {"n": 1}, "policyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}]}}
"""

endpoint = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
session = boto3.session.Session()
apis, functions, logs = session.client("apigateway"), session.client("lambda"), session.client("logs")


def check(got, want, what):
    if got != want:
        raise SystemExit(f"{what}: got {got!r}, want {want!r}")


def refused(code, what, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        check(e.response["Error"]["Code"], code, what)
        return e.response["Error"]["Message"]
    raise SystemExit(f"{what}: was not refused")


def call(host, path, method="GET", headers=None, body=None):
    """Calls a host's path, wherever the name resolves to."""
    c = http.client.HTTPConnection(endpoint.hostname, endpoint.port, timeout=60)
    c.request(method, path, body=body, headers={"Host": host, **(headers or {})})
    r = c.getresponse()
    text = r.read()
    try:
        return r.status, r.headers, json.loads(text) if text else None
    except ValueError:
        return r.status, r.headers, text.decode()


def hostname(api):
    return f"{api}.execute-api.{REGION}.localhost:{endpoint.port}"


def function(name, handler):
    z = io.BytesIO()
    with zipfile.ZipFile(z, "w") as f:
        f.writestr("app.py", SOURCE)
    made = functions.create_function(FunctionName=name, Runtime=RUNTIME, Role=ROLE, Handler="app." + handler, Code={"ZipFile": z.getvalue()})
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    return made["FunctionArn"]


def permit(name, source):
    functions.add_permission(FunctionName=name, StatementId="api" + str(time.time_ns()), Action="lambda:InvokeFunction",
                             Principal="apigateway.amazonaws.com", SourceArn=source)


def uri(arn):
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"


handler, authorizer = function("rest", "handler"), function("rest-auth", "authorize")
logs.create_log_group(logGroupName="/rest")


def by_hand():
    api = apis.create_rest_api(name="pets", endpointConfiguration={"types": ["REGIONAL"]}, tags={"a": "b"})
    id, root = api["id"], api["rootResourceId"]
    pets = apis.create_resource(restApiId=id, parentId=root, pathPart="pets")["id"]
    pet = apis.create_resource(restApiId=id, parentId=pets, pathPart="{id}")["id"]
    rest = apis.create_resource(restApiId=id, parentId=root, pathPart="{proxy+}")["id"]
    at = {"restApiId": id, "resourceId": pet, "httpMethod": "GET"}
    apis.put_method(**at, authorizationType="NONE", requestParameters={"method.request.path.id": True})
    apis.put_integration(**at, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri(handler))
    apis.put_method(restApiId=id, resourceId=rest, httpMethod="ANY", authorizationType="NONE", apiKeyRequired=True)
    apis.put_integration(restApiId=id, resourceId=rest, httpMethod="ANY", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri(handler))
    preflight = {"restApiId": id, "resourceId": pet, "httpMethod": "OPTIONS"}
    apis.put_method(**preflight, authorizationType="NONE")
    apis.put_integration(**preflight, type="MOCK", requestTemplates={"application/json": "{ statusCode: 200 }"})
    apis.put_method_response(**preflight, statusCode="204", responseParameters={"method.response.header.Access-Control-Allow-Origin": True})
    apis.put_integration_response(**preflight, statusCode="204", responseParameters={"method.response.header.Access-Control-Allow-Origin": "'*'"})
    apis.create_deployment(restApiId=id, stageName="prod", variables={"color": "blue"})
    host = hostname(id)

    status, _, body = call(host, "/prod/pets/7?a=1")
    check((status, body), (500, {"message": "Internal server error"}), "without the function's permission")
    permit("rest", f"arn:aws:execute-api:{REGION}:000000000000:{id}/*")
    status, headers, body = call(host, "/prod/pets/7?a=1")
    check(status, 200, "a pet")
    check(body["pathParameters"], {"id": "7"}, "path parameters")
    check(body["resource"], "/pets/{id}", "resource")
    check(body["path"], "/pets/7", "path")
    check(body["requestContext"]["path"], "/prod/pets/7", "requestContext.path")
    check(body["stageVariables"], {"color": "blue"}, "stage variables")
    check(headers.get_all("Set-Cookie"), ["a=1", "b=2"], "cookies")
    check(all(h in headers for h in ("x-amzn-RequestId", "x-amz-apigw-id", "X-Amzn-Trace-Id")), True, "headers of AWS")
    status, headers, _ = call(host, "/prod/pets/7", "OPTIONS", {"Origin": "https://a.example"})
    check((status, headers["Access-Control-Allow-Origin"]), (204, "*"), "preflight")
    check(call(host, "/prod/pets/7", "PUT")[0::2], (403, {"message": "Missing Authentication Token"}), "no such method")
    check(call(host, "/nope/pets/7")[0::2], (403, {"message": "Forbidden"}), "no such stage")

    keys_and_quotas(id, host)
    stage_settings(id, host)
    trial(at)
    exported = apis.get_export(restApiId=id, stageName="prod", exportType="oas30", parameters={"extensions": "apigateway"})["body"].read()
    copy = apis.import_rest_api(body=exported)["id"]
    paths = sorted(r["path"] for r in apis.get_resources(restApiId=copy)["items"])
    check(paths, ["/", "/pets", "/pets/{id}", "/{proxy+}"], "an import of an export")
    apis.delete_rest_api(restApiId=copy)
    check(refused("NotFoundException", "a deleted API", apis.get_rest_api, restApiId=copy), f"Invalid API identifier specified 000000000000:{copy}", "message")
    domain(id)


def keys_and_quotas(id, host):
    plan = apis.create_usage_plan(name="basic", apiStages=[{"apiId": id, "stage": "prod"}], quota={"limit": 2, "period": "DAY"}, throttle={"rateLimit": 100, "burstLimit": 100})
    key = apis.create_api_key(name="ann", enabled=True)
    check("value" in apis.get_api_keys(includeValues=False)["items"][0], False, "values are told when asked for")
    apis.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    check(call(host, "/prod/other")[0::2], (403, {"message": "Forbidden"}), "no API key")
    for _ in range(2):
        status, _, body = call(host, "/prod/a/b", "POST", {"x-api-key": key["value"]}, body="hello")
        check((status, body["identity"]["apiKeyId"], body["body"], body["pathParameters"]), (200, key["id"], "hello", {"proxy": "a/b"}), "with an API key")
    check(call(host, "/prod/other", headers={"x-api-key": key["value"]})[0::2], (429, {"message": "Limit Exceeded"}), "over the quota")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    usage = apis.get_usage(usagePlanId=plan["id"], startDate=day, endDate=day)["items"]
    check(usage, {key["id"]: [[2, 0]]}, "usage")
    apis.update_usage(usagePlanId=plan["id"], keyId=key["id"], patchOperations=[{"op": "replace", "path": "/remaining", "value": "1"}])
    check(call(host, "/prod/other", headers={"x-api-key": key["value"]})[0], 200, "after a grant")


def stage_settings(id, host):
    apis.update_stage(restApiId=id, stageName="prod", patchOperations=[
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": f"arn:aws:logs:{REGION}:000000000000:log-group:/rest"},
        {"op": "replace", "path": "/accessLogSettings/format", "value": '{"status":"$context.status","path":"$context.resourcePath"}'},
        {"op": "replace", "path": "/~1pets~1{id}/GET/throttling/rateLimit", "value": "0.001"},
        {"op": "replace", "path": "/~1pets~1{id}/GET/throttling/burstLimit", "value": "1"}])
    check(call(host, "/prod/pets/1")[0], 200, "the first")
    check(call(host, "/prod/pets/1")[0::2], (429, {"message": "Too Many Requests"}), "the second")
    deadline = time.time() + 20
    while True:
        lines = sorted(e["message"] for e in logs.filter_log_events(logGroupName="/rest")["events"])
        if len(lines) == 2 or time.time() > deadline:
            break
        time.sleep(0.2)
    check(lines, ['{"status":"200","path":"/pets/{id}"}', '{"status":"429","path":"/pets/{id}"}'], "access log")
    apis.update_stage(restApiId=id, stageName="prod", patchOperations=[{"op": "remove", "path": "/~1pets~1{id}/GET"}])


def trial(at):
    t = apis.test_invoke_method(**at, pathWithQueryString="/pets/9?q=1")
    check((t["status"], json.loads(t["body"])["pathParameters"], "Method completed with status: 200" in t["log"]), (200, {"id": "9"}, True), "a test of a method")


def domain(id):
    apis.create_domain_name(domainName="pets.example.com", regionalCertificateArn=f"arn:aws:acm:{REGION}:000000000000:certificate/x", endpointConfiguration={"types": ["REGIONAL"]})
    apis.create_base_path_mapping(domainName="pets.example.com", basePath="v1", restApiId=id, stage="prod")
    status, _, body = call("pets.example.com", "/v1/pets/3")
    check((status, body["path"], body["pathParameters"]), (200, "/v1/pets/3", {"id": "3"}), "a domain name")


def by_document():
    """As SAM's transform writes it."""
    auth = {"type": "token", "authorizerUri": uri(authorizer), "authorizerResultTtlInSeconds": 0}
    integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri(handler)}
    document = {
        "swagger": "2.0", "info": {"title": "sam", "version": "1.0"},
        "definitions": {"Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
        "securityDefinitions": {
            "Auth": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": auth},
            "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}},
        "x-amazon-apigateway-request-validators": {"body": {"validateRequestBody": True, "validateRequestParameters": False}},
        "x-amazon-apigateway-gateway-responses": {"UNAUTHORIZED": {"statusCode": "401", "responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
                                                                   "responseTemplates": {"application/json": '{"error":$context.error.messageString}'}}},
        "paths": {
            "/": {"x-amazon-apigateway-any-method": {"security": [{"Auth": []}], "responses": {}, "x-amazon-apigateway-integration": integration}},
            "/signed": {"get": {"security": [{"sigv4": []}], "responses": {}, "x-amazon-apigateway-integration": integration}},
            "/pets": {"post": {"parameters": [{"in": "body", "name": "Pet", "schema": {"$ref": "#/definitions/Pet"}}], "x-amazon-apigateway-request-validator": "body",
                               "responses": {}, "x-amazon-apigateway-integration": integration}}}}
    id = apis.create_rest_api(name="sam")["id"]
    apis.put_rest_api(restApiId=id, mode="overwrite", body=json.dumps(document))
    deployment = apis.create_deployment(restApiId=id, stageName="Stage")["id"]
    apis.create_stage(restApiId=id, stageName="Prod", deploymentId=deployment)
    permit("rest", f"arn:aws:execute-api:{REGION}:000000000000:{id}/*")
    permit("rest-auth", f"arn:aws:execute-api:{REGION}:000000000000:{id}/authorizers/*")
    host = hostname(id)
    status, headers, body = call(host, "/Prod/")
    check((status, body, headers["Access-Control-Allow-Origin"]), (401, {"error": "Unauthorized"}, "*"), "no token")
    check(call(host, "/Prod/", headers={"Authorization": "who"})[0], 401, "a token that nobody knows")
    check(call(host, "/Prod/", headers={"Authorization": "no"})[0::2], (403, {"Message": "User is not authorized to access this resource"}), "a token that is denied")
    status, _, body = call(host, "/Prod/", headers={"Authorization": "open"})
    check((status, body["requestContext"]["authorizer"]["principalId"], body["requestContext"]["authorizer"]["n"]), (200, "ann", "1"), "a token")
    check(call(host, "/Prod/pets", "POST", body='{"age":3}')[0::2], (400, {"message": "Invalid request body"}), "a body that is not valid")
    check(call(host, "/Prod/pets", "POST", body='{"name":"x"}')[0], 200, "a body that is")
    check(call(host, "/Prod/signed")[0::2], (403, {"message": "Missing Authentication Token"}), "no signature")
    request = AWSRequest("GET", f"http://{host}/Prod/signed", headers={"Host": host})
    SigV4Auth(session.get_credentials(), "execute-api", REGION).add_auth(request)
    status, _, body = call(host, "/Prod/signed", headers=dict(request.headers))
    check((status, ":root" in body["identity"]["userArn"]), (200, True), "a signature")


by_hand()
by_document()
print("ok")
