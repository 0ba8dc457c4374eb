"""boto3's user, start to end: what a Python program does with Lambda."""
import base64
import io
import json
import os
import sys
import zipfile

import boto3
from botocore.exceptions import ClientError

RUNTIME = sys.argv[1]
ROLE = "arn:aws:iam::000000000000:role/boto"


def archive(**files):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in files.items():
            z.writestr(name.replace("__", "/") + ".py", text)
    return b.getvalue()


def code_of(error):
    return error.response["Error"]["Code"]


def raises(code, call, **params):
    try:
        call(**params)
    except ClientError as e:
        assert code_of(e) == code, e
        return e
    raise AssertionError(f"no {code} from {call.__name__}")


lam = boto3.client("lambda")
fn = lam.create_function(FunctionName="boto", Runtime=RUNTIME, Role=ROLE, Handler="app.handler", Timeout=5, MemorySize=256,
                         Code={"ZipFile": archive(app="def handler(event, context):\n    return {'sum': sum(event['n'])}\n")},
                         Environment={"Variables": {"STAGE": "test"}})
assert fn["State"] == "Pending" and fn["ResponseMetadata"]["HTTPStatusCode"] == 201, fn
lam.get_waiter("function_active_v2").wait(FunctionName="boto", WaiterConfig={"Delay": 1})

r = lam.invoke(FunctionName="boto", Payload=json.dumps({"n": [1, 2, 3]}), LogType="Tail")
assert json.load(r["Payload"]) == {"sum": 6}
assert "REPORT RequestId: " + r["ResponseMetadata"]["RequestId"] in base64.b64decode(r["LogResult"]).decode()

r = lam.invoke(FunctionName="boto", Payload=b'{"n": "x"}')
body = json.load(r["Payload"])
assert r["FunctionError"] == "Unhandled" and body["errorType"] == "TypeError" and body["stackTrace"], body
assert lam.invoke(FunctionName="boto", InvocationType="DryRun")["StatusCode"] == 204

lam.update_function_code(FunctionName="boto", ZipFile=archive(app="def handler(event, context):\n    return context.function_version\n"))
lam.get_waiter("function_updated_v2").wait(FunctionName="boto", WaiterConfig={"Delay": 1})
v1 = lam.publish_version(FunctionName="boto", CodeSha256=lam.get_function_configuration(FunctionName="boto")["CodeSha256"])
assert v1["Version"] == "1" and v1["FunctionArn"].endswith(":boto:1")
assert lam.publish_version(FunctionName="boto")["Version"] == "1", "nothing changed, so no new version"
lam.create_alias(FunctionName="boto", Name="prod", FunctionVersion="1")
r = lam.invoke(FunctionName="boto", Qualifier="prod")
assert json.load(r["Payload"]) == "1" and r["ExecutedVersion"] == "1"
assert lam.get_function(FunctionName="boto", Qualifier="prod")["Configuration"]["FunctionArn"].endswith(":boto:prod")

lam.tag_resource(Resource=fn["FunctionArn"], Tags={"team": "x"})
assert lam.list_tags(Resource=fn["FunctionArn"])["Tags"] == {"team": "x"}
lam.put_function_concurrency(FunctionName="boto", ReservedConcurrentExecutions=3)
assert lam.get_function(FunctionName="boto")["Concurrency"]["ReservedConcurrentExecutions"] == 3
lam.delete_function_concurrency(FunctionName="boto")
assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName="boto")

layer = lam.publish_layer_version(LayerName="boto", Content={"ZipFile": archive(python__inlayer="x = 7\n")}, CompatibleRuntimes=[RUNTIME])
assert layer["Version"] == 1
lam.update_function_code(FunctionName="boto", ZipFile=archive(app="import inlayer\ndef handler(event, context):\n    return inlayer.x\n"))
lam.get_waiter("function_updated_v2").wait(FunctionName="boto", WaiterConfig={"Delay": 1})
lam.update_function_configuration(FunctionName="boto", Layers=[layer["LayerVersionArn"]])
lam.get_waiter("function_updated_v2").wait(FunctionName="boto", WaiterConfig={"Delay": 1})
assert json.load(lam.invoke(FunctionName="boto")["Payload"]) == 7

e = raises("ResourceNotFoundException", lam.get_function, FunctionName="none")
assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 404 and e.response["Error"]["Message"].startswith("Function not found: arn:"), e
raises("InvalidParameterValueException", lam.create_function, FunctionName="bad", Runtime=RUNTIME, Role=ROLE, Handler="a.b", Code={"ZipFile": b"no zip"})
raises("ResourceConflictException", lam.create_alias, FunctionName="boto", Name="prod", FunctionVersion="1")
raises("InvalidRequestContentException", lam.invoke, FunctionName="boto", Payload=b"{not json")
raises("PreconditionFailedException", lam.update_function_configuration, FunctionName="boto", RevisionId="0" * 8)
raises("RequestEntityTooLargeException", lam.invoke, FunctionName="boto", Payload=b'"' + b"x" * (6 << 20) + b'"')

iam, sts = boto3.client("iam"), boto3.client("sts")
iam.create_role(RoleName="boto", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com", "AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}]}))
iam.attach_role_policy(RoleName="boto", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
assert iam.list_attached_role_policies(RoleName="boto")["AttachedPolicies"][0]["PolicyName"] == "AWSLambdaBasicExecutionRole"
creds = sts.assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
who = boto3.client("sts", aws_access_key_id=creds["AccessKeyId"], aws_secret_access_key=creds["SecretAccessKey"],
                   aws_session_token=creds["SessionToken"]).get_caller_identity()
assert who["Arn"] == "arn:aws:sts::000000000000:assumed-role/boto/me", who
raises("NoSuchEntity", iam.get_role, RoleName="none")
user = iam.create_user(UserName="u")["User"]
key = iam.create_access_key(UserName="u")["AccessKey"]
me = boto3.client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]).get_caller_identity()
assert me["Arn"] == user["Arn"] and me["UserId"] == user["UserId"], me

logs = boto3.client("logs")
assert logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/boto")["logGroups"][0]["logGroupName"] == "/aws/lambda/boto"
streams = logs.describe_log_streams(logGroupName="/aws/lambda/boto", orderBy="LastEventTime", descending=True)["logStreams"]
events = logs.get_log_events(logGroupName="/aws/lambda/boto", logStreamName=streams[-1]["logStreamName"], startFromHead=True)["events"]
assert any(e["message"].startswith("REPORT RequestId") for e in events), events

url = lam.get_function(FunctionName="boto")["Code"]["Location"]
import urllib.request
assert zipfile.ZipFile(io.BytesIO(urllib.request.urlopen(url).read())).namelist() == ["app.py"]
presigned = lam.generate_presigned_url("get_account_settings", ExpiresIn=60)
assert b"AccountLimit" in urllib.request.urlopen(presigned).read()

lam.delete_function(FunctionName="boto")
raises("ResourceNotFoundException", lam.invoke, FunctionName="boto")
print("boto3: all of it held")
