"""Valid requests for every operation that Mayfly serves, in an order that works."""
import io
import json
import time
import zipfile

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/conformance"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]})


def archive(text, name="bootstrap"):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w") as z:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o755 << 16
        z.writestr(info, text)
    return b.getvalue()


# A custom runtime in sh: it needs no interpreter beyond the system's.
BOOTSTRAP = """#!/bin/bash
# Answers every event with a constant, over bash's own TCP.
api=${AWS_LAMBDA_RUNTIME_API}
host=${api%%:*} port=${api##*:}
while true; do
  exec 3<>/dev/tcp/$host/$port
  printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' "$api" >&3
  id= ; while IFS= read -r line <&3; do
    line=${line%$'\\r'}; [ -z "$line" ] && break
    case "${line,,}" in lambda-runtime-aws-request-id:*) id=${line#*: };; esac
  done
  exec 3>&-
  exec 3<>/dev/tcp/$host/$port
  body='{"ok":true}'
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nHost: %s\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n%s' "$id" "$api" ${#body} "$body" >&3
  while IFS= read -r line <&3; do :; done
  exec 3>&-
done
"""


def run_scenarios(services):
    iam(services["iam"])
    sts(services["sts"])
    logs(services["logs"])
    functions(services["lambda"])
    mappings(services["lambda"], services["sqs"])


def settled(s, name):
    """Waits until the function is Active and its last update is over."""
    for _ in range(300):
        c = s.call("GetFunctionConfiguration", FunctionName=name)
        if c.get("State") == "Active" and c.get("LastUpdateStatus") == "Successful":
            return c
        time.sleep(0.05)
    raise SystemExit(f"{name} does not settle: {c}")


def functions(s):
    call = s.call
    name = "conf-fn"
    code = archive(BOOTSTRAP)
    layer = call("PublishLayerVersion", LayerName="conf-layer", Content={"ZipFile": archive("x", "python/x.txt")},
                 CompatibleRuntimes=["python3.12"], CompatibleArchitectures=["x86_64"], Description="d", LicenseInfo="MIT")
    call("GetLayerVersion", LayerName="conf-layer", VersionNumber=1)
    call("GetLayerVersionByArn", Arn=layer["LayerVersionArn"])
    call("ListLayers")
    call("ListLayerVersions", LayerName="conf-layer")
    call("AddLayerVersionPermission", LayerName="conf-layer", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal="*")
    call("GetLayerVersionPolicy", LayerName="conf-layer", VersionNumber=1)
    call("RemoveLayerVersionPermission", LayerName="conf-layer", VersionNumber=1, StatementId="s")

    fn = call("CreateFunction", FunctionName=name, Runtime="provided.al2023", Role=ROLE, Handler="x", Code={"ZipFile": code},
              Description="d", Timeout=10, MemorySize=128, Environment={"Variables": {"A1": "b"}}, Tags={"a": "b"},
              Layers=[layer["LayerVersionArn"]], TracingConfig={"Mode": "PassThrough"}, EphemeralStorage={"Size": 512})
    arn = fn.get("FunctionArn")
    settled(s, name)
    call("GetFunction", FunctionName=name)
    call("ListFunctions", MaxItems=10)
    call("Invoke", FunctionName=name, Payload=b"{}", LogType="Tail")
    call("Invoke", FunctionName=name, InvocationType="DryRun", Payload=b"{}")
    frames = call("InvokeWithResponseStream", FunctionName=name, Payload=b"{}").get("EventStream", b"")
    if b"PayloadChunk" not in frames or b"InvokeComplete" not in frames:
        raise SystemExit(f"InvokeWithResponseStream answers {frames!r}")
    call("UpdateFunctionConfiguration", FunctionName=name, Timeout=20, Environment={"Variables": {}})
    settled(s, name)
    call("UpdateFunctionCode", FunctionName=name, ZipFile=archive(BOOTSTRAP + "# two\n"), Publish=True)
    settled(s, name)
    call("PublishVersion", FunctionName=name, Description="v")
    call("ListVersionsByFunction", FunctionName=name)

    call("CreateAlias", FunctionName=name, Name="live", FunctionVersion="1", Description="d")
    call("GetAlias", FunctionName=name, Name="live")
    call("UpdateAlias", FunctionName=name, Name="live", Description="e")
    call("ListAliases", FunctionName=name)

    call("AddPermission", FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
         SourceArn="arn:aws:s3:::b", SourceAccount=ACCOUNT)
    call("GetPolicy", FunctionName=name)
    call("RemovePermission", FunctionName=name, StatementId="s3")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "a", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
                                                                   "Action": "lambda:InvokeFunction", "Resource": arn}]})
    if "PutResourcePolicy" in s.model.operation_names:
        call("PutResourcePolicy", ResourceArn=arn, Policy=policy)
        call("GetResourcePolicy", ResourceArn=arn)
        call("DeleteResourcePolicy", ResourceArn=arn)

    call("TagResource", Resource=arn, Tags={"c": "d"})
    call("ListTags", Resource=arn)
    call("UntagResource", Resource=arn, TagKeys=["c"])

    call("PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=5)
    call("GetFunctionConcurrency", FunctionName=name)
    call("PutProvisionedConcurrencyConfig", FunctionName=name, Qualifier="live", ProvisionedConcurrentExecutions=1)
    call("GetProvisionedConcurrencyConfig", FunctionName=name, Qualifier="live")
    call("ListProvisionedConcurrencyConfigs", FunctionName=name)
    call("DeleteProvisionedConcurrencyConfig", FunctionName=name, Qualifier="live")
    call("DeleteFunctionConcurrency", FunctionName=name)

    call("PutFunctionEventInvokeConfig", FunctionName=name, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60)
    call("UpdateFunctionEventInvokeConfig", FunctionName=name, MaximumRetryAttempts=0)
    call("GetFunctionEventInvokeConfig", FunctionName=name)
    call("ListFunctionEventInvokeConfigs", FunctionName=name)
    call("DeleteFunctionEventInvokeConfig", FunctionName=name)

    call("CreateFunctionUrlConfig", FunctionName=name, AuthType="NONE", Cors={"AllowOrigins": ["*"]})
    call("GetFunctionUrlConfig", FunctionName=name)
    call("UpdateFunctionUrlConfig", FunctionName=name, AuthType="AWS_IAM")
    call("ListFunctionUrlConfigs", FunctionName=name)
    call("DeleteFunctionUrlConfig", FunctionName=name)

    call("GetRuntimeManagementConfig", FunctionName=name)
    call("PutRuntimeManagementConfig", FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    call("GetFunctionRecursionConfig", FunctionName=name)
    call("PutFunctionRecursionConfig", FunctionName=name, RecursiveLoop="Allow")
    call("GetFunctionCodeSigningConfig", FunctionName=name)
    call("ListCodeSigningConfigs")
    s.refuse("GetCodeSigningConfig", "ResourceNotFoundException", CodeSigningConfigArn=f"arn:aws:lambda:us-east-1:{ACCOUNT}:code-signing-config:csc-{'0' * 17}")
    call("GetAccountSettings")

    call("DeleteAlias", FunctionName=name, Name="live")
    call("DeleteFunction", FunctionName=name, Qualifier="1")
    call("DeleteFunction", FunctionName=name)
    call("DeleteLayerVersion", LayerName="conf-layer", VersionNumber=1)


def mappings(s, queues):
    """Connects a queue to a function, which is deleted at the end."""
    call = s.call
    url = queues.call("CreateQueue", QueueName="conf-source")["QueueUrl"]
    source = f"arn:aws:sqs:us-east-1:{ACCOUNT}:conf-source"
    call("CreateFunction", FunctionName="conf-mapped", Runtime="provided.al2023", Role=ROLE, Handler="h", Code={"ZipFile": archive(BOOTSTRAP)})
    settled(s, "conf-mapped")
    made = call("CreateEventSourceMapping", FunctionName="conf-mapped", EventSourceArn=source, BatchSize=5, Tags={"a": "b"})
    uuid = made["UUID"]
    for _ in range(300):
        if call("GetEventSourceMapping", UUID=uuid)["State"] == "Enabled":
            break
        time.sleep(0.05)
    call("ListEventSourceMappings", FunctionName="conf-mapped")
    call("UpdateEventSourceMapping", UUID=uuid, BatchSize=6)
    for _ in range(300):
        if call("GetEventSourceMapping", UUID=uuid)["State"] == "Enabled":
            break
        time.sleep(0.05)
    call("DeleteEventSourceMapping", UUID=uuid)
    call("InvokeAsync", FunctionName="conf-mapped", InvokeArgs=b"{}")
    call("DeleteFunction", FunctionName="conf-mapped")
    queues.call("DeleteQueue", QueueUrl=url)


def logs(s):
    call = s.call
    g, arn = "/conf/group", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/conf/group"
    call("CreateLogGroup", logGroupName=g, tags={"a": "b"})
    call("CreateLogStream", logGroupName=g, logStreamName="one")
    now = int(time.time() * 1000)
    call("PutLogEvents", logGroupName=g, logStreamName="one", logEvents=[
        {"timestamp": now - 1, "message": "hello"}, {"timestamp": now, "message": "world"}])
    call("DescribeLogGroups", logGroupNamePrefix="/conf")
    call("DescribeLogStreams", logGroupName=g, orderBy="LastEventTime", descending=True)
    for op, params in (("GetLogEvents", {"logStreamName": "one", "startFromHead": True}), ("FilterLogEvents", {"filterPattern": "hello"})):
        events = call(op, logGroupName=g, **params).get("events", [])
        if not events:
            raise SystemExit(f"{op} finds nothing")
    call("ListLogGroups", logGroupNamePattern="conf")
    call("TestMetricFilter", filterPattern="hello", logEventMessages=["hello world", "bye"])
    call("PutLogGroupDeletionProtection", logGroupIdentifier=g, deletionProtectionEnabled=True)
    call("PutLogGroupDeletionProtection", logGroupIdentifier=g, deletionProtectionEnabled=False)
    call("PutRetentionPolicy", logGroupName=g, retentionInDays=7)
    call("DeleteRetentionPolicy", logGroupName=g)
    call("TagResource", resourceArn=arn, tags={"c": "d"})
    call("ListTagsForResource", resourceArn=arn)
    call("UntagResource", resourceArn=arn, tagKeys=["c"])
    call("TagLogGroup", logGroupName=g, tags={"e": "f"})
    call("ListTagsLogGroup", logGroupName=g)
    call("UntagLogGroup", logGroupName=g, tags=["e"])
    call("DeleteLogStream", logGroupName=g, logStreamName="one")
    call("DeleteLogGroup", logGroupName=g)


def sts(s):
    s.call("GetCallerIdentity")
    s.call("AssumeRole", RoleArn=ROLE, RoleSessionName="conf")
    s.call("GetSessionToken")
    s.call("GetAccessKeyInfo", AccessKeyId="AKIAIOSFODNN7EXAMPLE")


def iam(s):
    call = s.call
    call("CreateRole", RoleName="conformance", AssumeRolePolicyDocument=TRUST, Description="d", Tags=[{"Key": "a", "Value": "b"}])
    call("GetRole", RoleName="conformance")
    call("ListRoles")
    call("UpdateRole", RoleName="conformance", Description="e")
    call("UpdateRoleDescription", RoleName="conformance", Description="f")
    call("UpdateAssumeRolePolicy", RoleName="conformance", PolicyDocument=TRUST)
    call("PutRolePolicy", RoleName="conformance", PolicyName="p", PolicyDocument=ALLOW)
    call("GetRolePolicy", RoleName="conformance", PolicyName="p")
    call("ListRolePolicies", RoleName="conformance")
    call("DeleteRolePolicy", RoleName="conformance", PolicyName="p")
    call("TagRole", RoleName="conformance", Tags=[{"Key": "c", "Value": "d"}])
    call("ListRoleTags", RoleName="conformance")
    call("UntagRole", RoleName="conformance", TagKeys=["c"])
    call("ListInstanceProfilesForRole", RoleName="conformance")

    arn = f"arn:aws:iam::{ACCOUNT}:policy/conf-policy"
    call("CreatePolicy", PolicyName="conf-policy", PolicyDocument=ALLOW, Description="d")
    call("GetPolicy", PolicyArn=arn)
    call("GetPolicyVersion", PolicyArn=arn, VersionId="v1")
    call("ListPolicies", Scope="Local")
    call("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=ALLOW)
    call("ListPolicyVersions", PolicyArn=arn)
    call("SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v2")
    call("DeletePolicyVersion", PolicyArn=arn, VersionId="v1")
    call("TagPolicy", PolicyArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    call("ListPolicyTags", PolicyArn=arn)
    call("UntagPolicy", PolicyArn=arn, TagKeys=["c"])
    call("AttachRolePolicy", RoleName="conformance", PolicyArn=arn)
    call("ListAttachedRolePolicies", RoleName="conformance")
    call("ListEntitiesForPolicy", PolicyArn=arn)
    call("DetachRolePolicy", RoleName="conformance", PolicyArn=arn)

    u = "conf-user"
    call("CreateUser", UserName=u)
    call("GetUser", UserName=u)
    call("ListUsers")
    key = call("CreateAccessKey", UserName=u)
    key_id = key.findtext("AccessKey/AccessKeyId")
    call("ListAccessKeys", UserName=u)
    call("UpdateAccessKey", UserName=u, AccessKeyId=key_id, Status="Inactive")
    call("GetAccessKeyLastUsed", AccessKeyId=key_id)
    call("DeleteAccessKey", UserName=u, AccessKeyId=key_id)
    call("PutUserPolicy", UserName=u, PolicyName="p", PolicyDocument=ALLOW)
    call("GetUserPolicy", UserName=u, PolicyName="p")
    call("ListUserPolicies", UserName=u)
    call("DeleteUserPolicy", UserName=u, PolicyName="p")
    call("AttachUserPolicy", UserName=u, PolicyArn=arn)
    call("ListAttachedUserPolicies", UserName=u)
    call("DetachUserPolicy", UserName=u, PolicyArn=arn)
    call("TagUser", UserName=u, Tags=[{"Key": "c", "Value": "d"}])
    call("ListUserTags", UserName=u)
    call("UntagUser", UserName=u, TagKeys=["c"])
    groups(s, u, arn)
    for op in ("ListGroupsForUser", "ListMFADevices", "ListSSHPublicKeys", "ListServiceSpecificCredentials", "ListSigningCertificates"):
        call(op, UserName=u)
    s.refuse("GetLoginProfile", "NoSuchEntity", UserName=u)
    call("PutUserPermissionsBoundary", UserName=u, PermissionsBoundary=arn)
    call("DeleteUserPermissionsBoundary", UserName=u)
    call("PutRolePermissionsBoundary", RoleName="conformance", PermissionsBoundary=arn)
    call("DeleteRolePermissionsBoundary", RoleName="conformance")
    call("CreateRole", RoleName="conf-gone", AssumeRolePolicyDocument=TRUST)
    call("DeleteRole", RoleName="conf-gone")
    call("ListInstanceProfiles")
    call("UpdateUser", UserName=u, NewUserName="conf-user2")
    call("DeleteUser", UserName="conf-user2")
    call("DeletePolicy", PolicyArn=arn)
    call("ListAccountAliases")
    call("GetAccountSummary")


def groups(s, user, policy):
    call, g = s.call, "conf-group"
    call("CreateGroup", GroupName=g)
    call("AddUserToGroup", GroupName=g, UserName=user)
    call("GetGroup", GroupName=g)
    call("ListGroups")
    call("RemoveUserFromGroup", GroupName=g, UserName=user)
    call("PutGroupPolicy", GroupName=g, PolicyName="p", PolicyDocument=ALLOW)
    call("GetGroupPolicy", GroupName=g, PolicyName="p")
    call("ListGroupPolicies", GroupName=g)
    call("DeleteGroupPolicy", GroupName=g, PolicyName="p")
    call("AttachGroupPolicy", GroupName=g, PolicyArn=policy)
    call("ListAttachedGroupPolicies", GroupName=g)
    call("DetachGroupPolicy", GroupName=g, PolicyArn=policy)
    call("UpdateGroup", GroupName=g, NewGroupName="conf-group2")
    call("DeleteGroup", GroupName="conf-group2")
