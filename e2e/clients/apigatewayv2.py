"""HTTP APIs as a user of boto3 makes and calls them: quick create, routes, tokens, a Lambda authorizer, stages, deployments,
domain names, imported documents, throttling, access logs. Argument: a Python runtime that the server has."""
import base64
import http.client
import http.server
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import zipfile

import boto3

RUNTIME = sys.argv[1]
ROLE = "arn:aws:iam::000000000000:role/web"
SOURCE = """
def handler(event, context):
    r = event["requestContext"]
    return {"route": event["routeKey"], "stage": r["stage"], "path": event["rawPath"], "parameters": event.get("pathParameters"),
            "variables": event.get("stageVariables"), "authorizer": r.get("authorizer"), "header": event["headers"].get("x-mapped")}

def authorize(event, context):
    return {"isAuthorized": event["headers"].get("x-key") == "open", "context": {"who": "ann"}}
"""

endpoint = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
apis, functions, logs = boto3.client("apigatewayv2"), boto3.client("lambda"), boto3.client("logs")


def check(got, want, what):
    if got != want:
        raise SystemExit(f"{what}: got {got!r}, want {want!r}")


def call(api, path, method="GET", headers=None, host=None):
    """Calls an API under its own host name, wherever that resolves to."""
    c = http.client.HTTPConnection(endpoint.hostname, endpoint.port, timeout=60)
    c.request(method, path, headers={"Host": host or urllib.parse.urlsplit(api["ApiEndpoint"]).netloc, **(headers or {})})
    r = c.getresponse()
    body = r.read()
    return r.status, r.headers, json.loads(body) if body else None


def function(name, handler):
    z = io.BytesIO()
    with zipfile.ZipFile(z, "w") as f:
        f.writestr("app.py", SOURCE)
    made = functions.create_function(FunctionName=name, Runtime=RUNTIME, Role=ROLE, Handler="app." + handler, Code={"ZipFile": z.getvalue()})
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    functions.add_permission(FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
    return made["FunctionArn"]


class Issuer:
    """Signs tokens, and tells its keys as OpenID providers do."""

    def __init__(self):
        self.dir = tempfile.mkdtemp()
        self.key = os.path.join(self.dir, "key.pem")
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
        n = bytes.fromhex(re.search("Modulus=(.*)", modulus).group(1))
        keys = {"keys": [{"kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "n": b64(n), "e": "AQAB"}]}
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(keys if self.path == "/keys" else {"issuer": issuer.url, "jwks_uri": issuer.url + "/keys"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, **claims):
        now = int(time.time())
        claims = {"iss": self.url, "aud": "shop", "iat": now, "exp": now + 300, "sub": "ann", **claims}
        text = b64(json.dumps({"alg": "RS256", "kid": "k"}).encode()) + "." + b64(json.dumps(claims).encode())
        sig = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True, capture_output=True).stdout
        return {"Authorization": "Bearer " + text + "." + b64(sig)}


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def quick(arn):
    api = apis.create_api(Name="quick", ProtocolType="HTTP", Target=arn)
    status, _, body = call(api, "/any/thing?x=1")
    check((status, body["route"], body["stage"], body["path"]), (200, "$default", "$default", "/any/thing"), "quick create")
    apis.delete_api(ApiId=api["ApiId"])
    check(call(api, "/")[0] >= 400, True, "an API that is gone")


def shop(arn, authorizer):
    """An API with everything: answers what the checks below use."""
    api = apis.create_api(Name="shop", ProtocolType="HTTP", CorsConfiguration={"AllowOrigins": ["https://shop.example"], "AllowMethods": ["GET"]})
    of = {"ApiId": api["ApiId"]}
    target = "integrations/" + apis.create_integration(
        **of, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0")["IntegrationId"]
    issuer = Issuer()
    jwt = apis.create_authorizer(**of, Name="jwt", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
                                 JwtConfiguration={"Issuer": issuer.url, "Audience": ["shop"]})["AuthorizerId"]
    own = apis.create_authorizer(**of, Name="own", AuthorizerType="REQUEST", AuthorizerUri=authorizer, IdentitySource=["$request.header.x-key"],
                                 AuthorizerPayloadFormatVersion="2.0", EnableSimpleResponses=True)["AuthorizerId"]
    apis.create_route(**of, RouteKey="GET /pets/{id}", Target=target)
    apis.create_route(**of, RouteKey="ANY /files/{path+}", Target=target)
    apis.create_route(**of, RouteKey="GET /me", Target=target, AuthorizationType="JWT", AuthorizerId=jwt)
    apis.create_route(**of, RouteKey="GET /read", Target=target, AuthorizationType="JWT", AuthorizerId=jwt, AuthorizationScopes=["pets.read"])
    apis.create_route(**of, RouteKey="GET /own", Target=target, AuthorizationType="CUSTOM", AuthorizerId=own)
    return api, issuer, target


def routes(api):
    status, _, body = call(api, "/dev/pets/7")
    check((status, body["route"], body["parameters"], body["variables"]), (200, "GET /pets/{id}", {"id": "7"}, {"tier": "one"}), "a route")
    check(call(api, "/dev/files/a/b%20c")[2]["parameters"], {"path": "a/b c"}, "a greedy route")
    check(call(api, "/dev/nowhere")[0], 404, "no route")
    check(call(api, "/nostage/pets/7")[0], 404, "no stage")
    status, headers, _ = call(api, "/dev/pets/7", "OPTIONS", {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"})
    check((status, headers["Access-Control-Allow-Origin"]), (204, "https://shop.example"), "a preflight")


def tokens(api, issuer):
    check(call(api, "/dev/me")[0], 401, "without a token")
    check(call(api, "/dev/me", headers=issuer.token(aud="other"))[0], 401, "a token for another")
    check(call(api, "/dev/me", headers=issuer.token(exp=1))[0], 401, "a token of old")
    status, _, body = call(api, "/dev/me", headers=issuer.token())
    check((status, body["authorizer"]["jwt"]["claims"]["sub"]), (200, "ann"), "a token")
    check(call(api, "/dev/read", headers=issuer.token())[0], 403, "a token without the scope")
    check(call(api, "/dev/read", headers=issuer.token(scope="x pets.read"))[0], 200, "a token with the scope")
    check(call(api, "/dev/own")[0], 401, "without the identity source")
    check(call(api, "/dev/own", headers={"x-key": "shut"})[0], 403, "an authorizer that refuses")
    status, _, body = call(api, "/dev/own", headers={"x-key": "open"})
    check((status, body["authorizer"]), (200, {"lambda": {"who": "ann"}}), "an authorizer that allows")


def deployments(api, target):
    """A stage that does not deploy by itself serves what was deployed to it."""
    of = {"ApiId": api["ApiId"]}
    first = apis.create_deployment(**of)["DeploymentId"]
    apis.create_stage(**of, StageName="prod", DeploymentId=first)
    route = apis.create_route(**of, RouteKey="GET /new", Target=target)["RouteId"]
    check([call(api, "/dev/new")[0], call(api, "/prod/new")[0]], [200, 404], "a route that is not deployed")
    apis.create_deployment(**of, StageName="prod")
    apis.delete_route(**of, RouteId=route)
    check([call(api, "/dev/new")[0], call(api, "/prod/new")[0]], [404, 200], "a route that is deployed")
    apis.update_stage(**of, StageName="prod", DeploymentId=first)
    check(call(api, "/prod/new")[0], 404, "a deployment of before")


def domains(api):
    apis.create_domain_name(DomainName="shop.example", DomainNameConfigurations=[{"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/x"}])
    apis.create_api_mapping(DomainName="shop.example", ApiId=api["ApiId"], Stage="dev", ApiMappingKey="v1/api")
    status, _, body = call(api, "/v1/api/pets/3", host="shop.example")
    check((status, body["parameters"], body["stage"]), (200, {"id": "3"}, "dev"), "a domain name")
    check(call(api, "/v2/pets/3", host="shop.example")[0], 403, "a path without a mapping")
    try:
        apis.delete_api(ApiId=api["ApiId"])
        raise SystemExit("an API with a mapping was deleted")
    except apis.exceptions.BadRequestException:
        pass
    apis.delete_domain_name(DomainName="shop.example")


def documents(api):
    body = apis.export_api(ApiId=api["ApiId"], Specification="OAS30", OutputType="YAML")["body"].read().decode()
    again = apis.import_api(Body=body)
    apis.create_stage(ApiId=again["ApiId"], StageName="$default", AutoDeploy=True)
    check(call(again, "/pets/9")[2]["parameters"], {"id": "9"}, "an imported document")
    keys = sorted(r["RouteKey"] for r in apis.get_routes(ApiId=again["ApiId"])["Items"])
    check(keys, sorted(r["RouteKey"] for r in apis.get_routes(ApiId=api["ApiId"])["Items"]), "imported routes")
    apis.delete_api(ApiId=again["ApiId"])


def limits(api):
    of = {"ApiId": api["ApiId"], "StageName": "dev"}
    apis.update_stage(**of, RouteSettings={"GET /pets/{id}": {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.001}})
    check([call(api, "/dev/pets/1")[0] for _ in range(3)][1:], [429, 429], "a route over its limit")
    apis.delete_route_settings(**of, RouteKey="GET /pets/{id}")
    check([call(api, "/dev/pets/1")[0] for _ in range(3)], [200] * 3, "a route without a limit")


def access_logs(api):
    logs.create_log_group(logGroupName="web")
    apis.update_stage(ApiId=api["ApiId"], StageName="dev", AccessLogSettings={
        "DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:web", "Format": "$context.routeKey $context.status"})
    call(api, "/dev/pets/1")
    for _ in range(200):  # lines come a moment later
        lines = [e["message"] for e in logs.filter_log_events(logGroupName="web")["events"]]
        if lines:
            break
        time.sleep(0.05)
    check(lines, ["GET /pets/{id} 200"], "the access log")


def main():
    arn, authorizer = function("web", "handler"), function("door", "authorize")
    quick(arn)
    api, issuer, target = shop(arn, authorizer)
    apis.create_stage(ApiId=api["ApiId"], StageName="dev", AutoDeploy=True, StageVariables={"tier": "one"})
    routes(api)
    tokens(api, issuer)
    deployments(api, target)
    domains(api)
    documents(api)
    limits(api)
    access_logs(api)
    apis.delete_api(ApiId=api["ApiId"])
    print("HTTP APIs are as boto3 expects them")


main()
