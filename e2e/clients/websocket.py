"""WebSocket APIs as a user of boto3 makes them, and as a client of its own kind (websockets) meets them. Argument: a
Python runtime that the server has."""
import asyncio
import io
import json
import os
import sys
import urllib.parse
import zipfile

import boto3
import websockets
from botocore.exceptions import ClientError

RUNTIME = sys.argv[1]
SOURCE = r'''
import datetime, hashlib, hmac, os, urllib.parse, urllib.request

def post(connection, data):
    # signed by hand: no SDK comes with this function
    url = f"{os.environ['AWS_ENDPOINT_URL']}/@connections/{urllib.parse.quote(connection, safe='')}"
    at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = [at[:8], os.environ["AWS_REGION"], "execute-api", "aws4_request"]
    headers = {"host": urllib.parse.urlsplit(url).netloc, "x-amz-date": at, "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"]}
    names = ";".join(sorted(headers))
    digest = lambda b: hashlib.sha256(b).hexdigest()
    path = urllib.parse.quote(urllib.parse.urlsplit(url).path)
    canonical = "\n".join(["POST", path, "", *[f"{n}:{headers[n]}" for n in sorted(headers)], "", names, digest(data)])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = "\n".join(["AWS4-HMAC-SHA256", at, "/".join(scope), digest(canonical.encode())])
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{'/'.join(scope)}, SignedHeaders={names}, Signature={signature}"
    urllib.request.urlopen(urllib.request.Request(url, data, headers, method="POST")).read()

def handler(event, context):
    r = event["requestContext"]
    if r["routeKey"] == "$connect" and (event.get("queryStringParameters") or {}).get("name") == "nobody":
        return {"statusCode": 403}
    if r["routeKey"] == "push":
        for n in range(3):
            post(r["connectionId"], f"push {n}".encode())
    if r["routeKey"] == "$default":
        return {"statusCode": 200, "body": r["connectionId"] + " " + event["body"]}
    return {"statusCode": 200, "body": r["routeKey"]}

def authorize(event, context):
    effect = "Allow" if event["queryStringParameters"].get("key") == "open" else "Deny"
    return {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}]}}
'''

endpoint = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
apis, functions = boto3.client("apigatewayv2"), boto3.client("lambda")


def function(name, handler):
    z = io.BytesIO()
    with zipfile.ZipFile(z, "w") as f:
        f.writestr("app.py", SOURCE)
    arn = functions.create_function(FunctionName=name, Runtime=RUNTIME, Role="arn:aws:iam::000000000000:role/web", Handler="app." + handler,
                                    Code={"ZipFile": z.getvalue()}, Timeout=30, MemorySize=512)["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    functions.add_permission(FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"


def role():
    """The functions' role, which may post to connections."""
    iam = boto3.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=json.dumps(trust))
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "execute-api:ManageConnections", "Resource": "*"}]}
    iam.put_role_policy(RoleName="web", PolicyName="post", PolicyDocument=json.dumps(allow))


def make():
    role()
    api = apis.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]
    chat = apis.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function("chat", "handler"))["IntegrationId"]
    door = apis.create_authorizer(ApiId=api, Name="door", AuthorizerType="REQUEST", AuthorizerUri=function("door", "authorize"),
                                  IdentitySource=["route.request.querystring.key"])["AuthorizerId"]
    for key in ["$connect", "$disconnect", "$default", "push"]:
        more = {"AuthorizationType": "CUSTOM", "AuthorizerId": door} if key == "$connect" else {}
        route = apis.create_route(ApiId=api, RouteKey=key, Target="integrations/" + chat, **more)["RouteId"]
        if key == "$default":
            apis.update_route(ApiId=api, RouteId=route, RouteResponseSelectionExpression="$default")
            apis.create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")
    apis.create_stage(ApiId=api, StageName="live", AutoDeploy=True)
    return api


def refused(code, f, **kw):
    try:
        f(**kw)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return
    raise AssertionError(code)


async def status(url):
    try:
        async with websockets.connect(url):
            return 101
    except websockets.exceptions.InvalidStatus as e:
        return e.response.status_code


async def talk(api):
    url = f"ws://{endpoint.netloc}/_mayfly/api/{api}/live"
    assert await status(url) == 401, "nobody has no identity"
    got = await status(url + "?key=wrong")
    assert got == 403, got
    assert await status(url + "?key=open&name=nobody") == 403, "the function says no"
    manage = boto3.client("apigatewaymanagementapi", endpoint_url=f"{endpoint.geturl()}/_mayfly/api/{api}/live")
    async with websockets.connect(url + "?key=open") as ws:
        await ws.send("plain text")
        connection, text = (await asyncio.wait_for(ws.recv(), 10)).split(" ", 1)
        assert text == "plain text", text
        await ws.send(json.dumps({"action": "push"}))
        assert [await asyncio.wait_for(ws.recv(), 10) for _ in range(3)] == ["push 0", "push 1", "push 2"]
        await ws.send(json.dumps({"action": "other", "x": "ü"}, ensure_ascii=False))
        assert (await asyncio.wait_for(ws.recv(), 10)).endswith('{"action": "other", "x": "ü"}')
        info = manage.get_connection(ConnectionId=connection)
        assert info["Identity"]["SourceIp"] == "127.0.0.1", info
        manage.post_to_connection(ConnectionId=connection, Data=b"from outside")
        assert await asyncio.wait_for(ws.recv(), 10) == "from outside"
        manage.delete_connection(ConnectionId=connection)
        try:
            await asyncio.wait_for(ws.recv(), 10)
            raise AssertionError("still open")
        except websockets.exceptions.ConnectionClosed:
            pass
    refused("GoneException", manage.post_to_connection, ConnectionId=connection, Data=b"late")
    async with websockets.connect(url + "?key=open") as ws:
        await ws.send("x" * (40 << 10))  # more than a frame may hold
        try:
            await asyncio.wait_for(ws.recv(), 10)
            raise AssertionError("taken")
        except websockets.exceptions.ConnectionClosed as e:
            assert e.rcvd.code == 1009, e


api = make()
asyncio.run(talk(api))
print("chat ok")
