"""What happens in a bucket, told to functions, queues, topics and the bus: as a user
of boto3 meets it. Also code that comes from a bucket, and records that go to one.

The server is the one that the AWS_* variables name; the argument names a Python
runtime that it has. Each part asserts; the exit status tells.
"""
import hashlib
import importlib
import io
import json
import pathlib
import sys
import time
import urllib.parse
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

once = Config(retries={"max_attempts": 0})
s3, lam, sqs, sns, bus, logs = (boto3.client(n, config=once) for n in ("s3", "lambda", "sqs", "sns", "events", "logs"))
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/s3"
KEY = "in/red flower+\u00e4.txt"

HANDLER = """
import json
def seen(event, context):
    print("SEEN " + json.dumps(event))
    if "fail" in str(event):
        raise ValueError("told to")

def again(event, context):
    import boto3
    from urllib.parse import unquote_plus
    s3 = boto3.client("s3")
    for r in event["Records"]:
        print("SEEN " + r["s3"]["object"]["key"])
        key = unquote_plus(r["s3"]["object"]["key"])
        bucket = r["s3"]["bucket"]["name"]
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.put_object(Bucket=bucket, Key=key + "+", Body=body)
"""


def archive(files):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in files.items():
            z.writestr(name, text)
    return b.getvalue()


def sdk():
    """A layer with boto3, as far as S3 needs it."""
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
        for name in ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"):
            path = pathlib.Path(importlib.import_module(name).__file__)
            if path.name != "__init__.py":
                z.write(path, "python/" + path.name)
                continue
            for f in path.parent.rglob("*"):
                rel = f.relative_to(path.parent)
                services = rel.parts[0] == "data" and len(rel.parts) > 2 and rel.parts[1] not in ("s3", "sts")
                if f.is_file() and "__pycache__" not in rel.parts and not services:
                    z.write(f, f"python/{name}/{rel}")
    return b.getvalue()


def function(name, handler, code=None, **more):
    lam.create_function(FunctionName=name, Runtime=sys.argv[1], Role=ROLE, Handler="app." + handler,
                        Code=code or {"ZipFile": archive({"app.py": HANDLER})}, Timeout=20, **more)
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return lam.get_function_configuration(FunctionName=name)["FunctionArn"]


def queue(name, policy=None):
    url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy} if policy else {})["QueueUrl"]
    return url, f"arn:aws:sqs:{s3.meta.region_name}:{ACCOUNT}:{name}"


def grant(action, arn, bucket):
    return json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": action, "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::" + bucket}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}}]})


def permit(name, bucket):
    lam.add_permission(FunctionName=name, StatementId="s3-" + bucket, Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                       SourceArn="arn:aws:s3:::" + bucket, SourceAccount=ACCOUNT)


def receive(url, n=1, patience=30):
    """Takes n messages off a queue."""
    got, end = [], time.time() + patience
    while len(got) < n and time.time() < end:
        for m in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
            got.append(json.loads(m["Body"]))
    assert len(got) == n, f"{len(got)} messages, want {n}: {got}"
    return got


def seen(name, want, patience=30):
    """Waits until the function's log has want lines of SEEN, and returns them in order."""
    end, lines = time.time() + patience, []
    while time.time() < end:
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/" + name, filterPattern="SEEN")
            lines = [e["message"].strip()[5:] for p in pages for e in p["events"]]
        except logs.exceptions.ResourceNotFoundException:
            pass
        if len(lines) >= want:
            return lines
        time.sleep(0.1)
    raise AssertionError(f"{name} saw {lines}, want {want}")


def refused(code, text, call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code and text in e.response["Error"]["Message"], e
        return e.response
    raise AssertionError(f"{call} was not refused with {code}")


def notify(bucket, **configuration):
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def targets():
    s3.create_bucket(Bucket="photos")
    events = ["s3:ObjectCreated:*"]

    def rule(kind, arn, prefix):
        return {"Id": kind, kind + "Arn": arn, "Events": events, "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}}

    url, arn = queue("told")
    fn = function("told", "seen")
    topic = sns.create_topic(Name="told")["TopicArn"]
    invalid = "Unable to validate the following destination configurations"
    for kind, target in (("Queue", arn), ("LambdaFunction", fn), ("Topic", topic), ("Queue", arn + "-gone"), ("LambdaFunction", fn + "-gone")):
        refused("InvalidArgument", invalid, s3.put_bucket_notification_configuration, Bucket="photos",
                NotificationConfiguration={kind + "Configurations": [rule(kind, target, "in/")]})
    assert not s3.get_bucket_notification_configuration(Bucket="photos").keys() & {"QueueConfigurations", "LambdaFunctionConfigurations"}

    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": grant("sqs:SendMessage", arn, "photos")})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=grant("sns:Publish", topic, "photos"))
    permit("told", "photos")
    letters, letters_arn = queue("letters")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=letters_arn)
    caught, caught_arn = queue("caught")
    bus.put_rule(Name="uploads", EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": ["photos"]}}}))
    bus.put_targets(Rule="uploads", Targets=[{"Id": "q", "Arn": caught_arn}])

    overlap = [rule("Queue", arn, "in/"), dict(rule("Queue", arn, "in/deep/"), Id="other")]
    refused("InvalidArgument", "", s3.put_bucket_notification_configuration, Bucket="photos", NotificationConfiguration={"QueueConfigurations": overlap})
    notify("photos", QueueConfigurations=[rule("Queue", arn, "in/")], LambdaFunctionConfigurations=[rule("LambdaFunction", fn, "fn/")],
           TopicConfigurations=[rule("Topic", topic, "topic/")], EventBridgeConfiguration={})
    test = receive(url)[0]
    assert test["Event"] == "s3:TestEvent" and test["Service"] == "Amazon S3" and test["Bucket"] == "photos" and test["RequestId"], test
    letter = receive(letters)[0]
    assert letter["Subject"] == "Amazon S3 Notification" and json.loads(letter["Message"])["Event"] == "s3:TestEvent", letter

    answer = s3.put_object(Bucket="photos", Key=KEY, Body=b"hello")
    record = receive(url)[0]["Records"][0]
    assert urllib.parse.unquote_plus(record["s3"]["object"]["key"]) == KEY and record["s3"]["object"]["key"].startswith("in/red+flower%2B"), record
    assert record["eventName"] == "ObjectCreated:Put" and record["eventSource"] == "aws:s3" and record["eventVersion"].startswith("2."), record
    assert record["s3"]["configurationId"] == "Queue" and record["s3"]["bucket"]["arn"] == "arn:aws:s3:::photos", record
    thing = record["s3"]["object"]
    assert thing["size"] == 5 and thing["eTag"] == hashlib.md5(b"hello").hexdigest() and int(thing["sequencer"], 16) and "versionId" not in thing, record
    assert record["responseElements"]["x-amz-request-id"] == answer["ResponseMetadata"]["RequestId"], (record, answer)
    assert record["requestParameters"]["sourceIPAddress"] == "127.0.0.1" and record["userIdentity"]["principalId"].startswith("AWS:"), record

    event = receive(caught)[0]
    assert event["detail-type"] == "Object Created" and event["source"] == "aws.s3" and event["resources"] == ["arn:aws:s3:::photos"], event
    assert event["detail"]["object"]["key"] == KEY and event["detail"]["reason"] == "PutObject" and event["detail"]["requester"] == ACCOUNT, event

    s3.put_object(Bucket="photos", Key="fn/a", Body=b"1")
    event = json.loads(seen("told", 1)[0])
    assert event["Records"][0]["s3"]["object"]["key"] == "fn/a", event
    s3.copy_object(Bucket="photos", Key="topic/b", CopySource={"Bucket": "photos", "Key": KEY})
    record = json.loads(receive(letters)[0]["Message"])["Records"][0]
    assert record["eventName"] == "ObjectCreated:Copy" and record["s3"]["object"]["size"] == 5, record
    upload = s3.create_multipart_upload(Bucket="photos", Key="in/parts")["UploadId"]
    part = s3.upload_part(Bucket="photos", Key="in/parts", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    s3.complete_multipart_upload(Bucket="photos", Key="in/parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    record = receive(url)[0]["Records"][0]
    assert record["eventName"] == "ObjectCreated:CompleteMultipartUpload" and record["s3"]["object"]["eTag"].endswith("-1"), record
    assert [e["detail"]["reason"] for e in receive(caught, 3)] == ["PutObject", "CopyObject", "CompleteMultipartUpload"]


def deletions():
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    url, arn = queue("deletions", grant("sqs:SendMessage", f"arn:aws:sqs:{s3.meta.region_name}:{ACCOUNT}:deletions", "kept"))
    notify("kept", QueueConfigurations=[{"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]}])
    receive(url)
    version = s3.put_object(Bucket="kept", Key="k", Body=b"1")["VersionId"]
    s3.put_object_tagging(Bucket="kept", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket="kept", Key="k")
    marker = s3.delete_object(Bucket="kept", Key="k")["VersionId"]
    s3.delete_object(Bucket="kept", Key="k", VersionId=version)
    records = [m["Records"][0] for m in receive(url, 5)]
    names = [(r["eventName"], r["s3"]["object"].get("versionId")) for r in records]
    assert names == [("ObjectCreated:Put", version), ("ObjectTagging:Put", version), ("ObjectTagging:Delete", version),
                     ("ObjectRemoved:DeleteMarkerCreated", marker), ("ObjectRemoved:Delete", version)], names
    order = [r["s3"]["object"]["sequencer"] for r in (records[0], records[3])]
    assert order == sorted(order) and len(set(order)) == 2, order
    assert records[0]["s3"]["configurationId"], "a rule without an id gets one"


def code():
    s3.create_bucket(Bucket="code")
    s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="code", Key="f.zip", Body=archive({"app.py": "def f(e, c): return 1"}))["VersionId"]
    s3.put_object(Bucket="code", Key="f.zip", Body=archive({"app.py": "def f(e, c): return 2"}))
    invoke = lambda: json.load(lam.invoke(FunctionName="coded")["Payload"])
    function("coded", "f", {"S3Bucket": "code", "S3Key": "f.zip", "S3ObjectVersion": first})
    assert invoke() == 1
    lam.update_function_code(FunctionName="coded", S3Bucket="code", S3Key="f.zip")
    lam.get_waiter("function_updated_v2").wait(FunctionName="coded", WaiterConfig={"Delay": 1})
    assert invoke() == 2
    prefix = "Error occurred while GetObject. S3 Error Code: "
    refused("InvalidParameterValueException", prefix + "NoSuchKey. S3 Error Message: The specified key does not exist.",
            lam.update_function_code, FunctionName="coded", S3Bucket="code", S3Key="nope")
    refused("InvalidParameterValueException", prefix + "NoSuchBucket. S3 Error Message: The specified bucket does not exist",
            lam.update_function_code, FunctionName="coded", S3Bucket="nope", S3Key="f.zip")
    assert invoke() == 2


def loop():
    s3.put_object(Bucket="code", Key="sdk.zip", Body=sdk())
    layer = lam.publish_layer_version(LayerName="sdk", Content={"S3Bucket": "code", "S3Key": "sdk.zip"})["LayerVersionArn"]
    s3.create_bucket(Bucket="loop")
    fn = function("loop", "again", Layers=[layer], MemorySize=512)
    permit("loop", "loop")
    notify("loop", LambdaFunctionConfigurations=[{"LambdaFunctionArn": fn, "Events": ["s3:ObjectCreated:*"]}])
    ends, ends_arn = queue("loop-ends")
    lam.put_function_event_invoke_config(FunctionName="loop", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": ends_arn}})
    s3.put_object(Bucket="loop", Key="a b", Body=b"round")
    end = receive(ends, patience=60)[0]
    assert end["requestContext"]["condition"] == "RecursiveInvocation", end
    assert len(seen("loop", 16)) == 16
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket="loop")["Contents"]]
    assert keys == ["a b" + "+" * n for n in range(17)], keys
    assert s3.get_object(Bucket="loop", Key=keys[-1])["Body"].read() == b"round"


def failures():
    s3.create_bucket(Bucket="failures")
    function("failing", "seen")
    lam.put_function_event_invoke_config(FunctionName="failing", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::failures"}})
    lam.invoke(FunctionName="failing", InvocationType="Event", Payload=b'{"fail": true}')
    end, contents = time.time() + 30, []
    while not contents and time.time() < end:
        time.sleep(0.05)
        contents = s3.list_objects_v2(Bucket="failures").get("Contents", [])
    key = contents[0]["Key"]
    assert key.startswith(time.strftime("aws/lambda/async/failing/%Y/%m/%d/%Y-%m-%dT", time.gmtime(contents[0]["LastModified"].timestamp()))), key
    record = json.load(s3.get_object(Bucket="failures", Key=key)["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted" and record["requestPayload"] == {"fail": True}, record


if __name__ == "__main__":
    parts = [targets, deletions, code, loop, failures]
    for part in parts:
        if len(sys.argv) < 3 or part.__name__ in sys.argv[2:]:
            start = time.time()
            part()
            print(f"{part.__name__}: {time.time() - start:.1f} s")
