"""Events as a user of boto3 meets them: every source, with what fails on the way.

The server is the one that the AWS_* variables name; the argument names a Python
runtime that it has. Each part asserts; the exit status tells.
"""
import concurrent.futures
import datetime
import io
import json
import sys
import time
import zipfile
import zoneinfo

import boto3
from botocore.config import Config

once = Config(retries={"max_attempts": 0}, max_pool_connections=32)
lam, sqs, sns, bus, clock, logs = (boto3.client(n, config=once) for n in ("lambda", "sqs", "sns", "events", "scheduler", "logs"))
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/events"

HANDLER = """
import json, os, sys
def seen(event, context):
    print("SEEN " + json.dumps(event))
    if event.get("fail"):
        raise ValueError("told to")
    return {"ok": event}

def some(event, context):
    bad = [r["messageId"] for r in event["Records"] if r["body"].startswith("bad")]
    for r in event["Records"]:
        print("SEEN " + r["body"])
    return {"batchItemFailures": [{"itemIdentifier": m} for m in bad]}

def crashing(event, context):
    for r in event["Records"]:
        first = r["attributes"]["ApproximateReceiveCount"] == "1"
        if first and r["body"].endswith("7"):
            os._exit(3)
        print("SEEN " + r["attributes"]["MessageGroupId"] + " " + r["body"], flush=True)
"""


def archive(text):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w") as z:
        z.writestr("app.py", text)
    return b.getvalue()


def function(name, handler, timeout=20):
    lam.create_function(FunctionName=name, Runtime=sys.argv[1], Role=ROLE, Handler="app." + handler,
                        Code={"ZipFile": archive(HANDLER)}, Timeout=timeout)
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return lam.get_function_configuration(FunctionName=name)["FunctionArn"]


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(url, n=1, patience=30):
    """Takes n messages off a queue."""
    got, end = [], time.time() + patience
    while len(got) < n and time.time() < end:
        for m in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
            got.append(m)
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


def mapping(name, source, **more):
    uuid = lam.create_event_source_mapping(FunctionName=name, EventSourceArn=source, **more)["UUID"]
    while lam.get_event_source_mapping(UUID=uuid)["State"] != "Enabled":
        time.sleep(0.05)
    return uuid


def asynchronous():
    function("async", "seen")
    to, to_arn = queue("async-to")
    lam.put_function_event_invoke_config(FunctionName="async", MaximumRetryAttempts=0,
                                         DestinationConfig={"OnSuccess": {"Destination": to_arn}, "OnFailure": {"Destination": to_arn}})
    assert lam.invoke(FunctionName="async", InvocationType="Event", Payload=b'{"n": 1}')["StatusCode"] == 202
    record = json.loads(receive(to)[0]["Body"])
    assert record["requestContext"]["condition"] == "Success" and record["responsePayload"] == {"ok": {"n": 1}}, record
    lam.invoke(FunctionName="async", InvocationType="Event", Payload=b'{"fail": true}')
    record = json.loads(receive(to)[0]["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted" and record["responseContext"]["functionError"] == "Unhandled", record
    assert record["responsePayload"]["errorType"] == "ValueError", record

    dead, dead_arn = queue("async-dead")
    lam.delete_function_event_invoke_config(FunctionName="async")
    lam.put_function_event_invoke_config(FunctionName="async", MaximumRetryAttempts=0)
    lam.update_function_configuration(FunctionName="async", DeadLetterConfig={"TargetArn": dead_arn})
    lam.get_waiter("function_updated_v2").wait(FunctionName="async", WaiterConfig={"Delay": 1})
    lam.invoke(FunctionName="async", InvocationType="Event", Payload=b'{"fail": true}')
    m = receive(dead)[0]
    assert json.loads(m["Body"]) == {"fail": True} and m["MessageAttributes"]["ErrorCode"]["StringValue"] == "200", m
    assert "told to" in m["MessageAttributes"]["ErrorMessage"]["StringValue"], m

    lam.put_function_concurrency(FunctionName="async", ReservedConcurrentExecutions=0)
    lam.invoke(FunctionName="async", InvocationType="Event", Payload=b'{"n": 2}')
    assert json.loads(receive(dead)[0]["Body"]) == {"n": 2}


def partial():
    function("partial", "some", timeout=2)
    dead, dead_arn = queue("partial-dead")
    url, arn = queue("partial", VisibilityTimeout="2", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2}))
    mapping("partial", arn, FunctionResponseTypes=["ReportBatchItemFailures"], BatchSize=5)
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": ("bad" if i == 2 else "good") + str(i)} for i in range(5)])
    assert [m["Body"] for m in receive(dead, 1)] == ["bad2"]
    lines = seen("partial", 6)
    assert sorted(lines) == ["bad2", "bad2", "good0", "good1", "good3", "good4"], lines
    sqs.send_message(QueueUrl=dead, MessageBody="good9")
    sqs.start_message_move_task(SourceArn=dead_arn, DestinationArn=arn)  # it did not come from there
    assert "good9" in seen("partial", 7)


def ordered():
    function("ordered", "crashing", timeout=2)
    url, arn = queue("ordered.fifo", FifoQueue="true", VisibilityTimeout="2")
    mapping("ordered", arn, BatchSize=3)

    def send(group):
        for i in range(10):
            sqs.send_message(QueueUrl=url, MessageBody=str(i), MessageGroupId=f"g{group}", MessageDeduplicationId=f"{group}-{i}")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(16)))
    deadline = time.time() + 90
    while True:
        groups = {}
        for line in seen("ordered", 1):
            group, n = line.split()
            groups.setdefault(group, []).append(int(n))
        if len(groups) == 16 and all(9 in g for g in groups.values()):
            break
        assert time.time() < deadline, groups
        time.sleep(0.2)
    for name, got in groups.items():
        first = sorted(set(got), key=got.index)  # what a crash took back is seen again
        assert first == list(range(10)), f"{name}: {got}"


def fan_out():
    arn = function("topic", "seen")
    topic = sns.create_topic(Name="fan")["TopicArn"]
    url, to = queue("fan")
    picky, picky_arn = queue("fan-picky")
    lam.add_permission(FunctionName="topic", StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=topic)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=to)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=picky_arn, Attributes={"FilterPolicy": '{"kind":["order"]}', "RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="one", MessageAttributes={"kind": {"DataType": "String", "StringValue": "other"}})
    sns.publish(TopicArn=topic, Message="two", MessageAttributes={"kind": {"DataType": "String", "StringValue": "order"}})
    assert sorted(json.loads(m["Body"])["Message"] for m in receive(url, 2)) == ["one", "two"]
    m = receive(picky)[0]
    assert m["Body"] == "two" and m["MessageAttributes"]["kind"]["StringValue"] == "order", m
    records = [json.loads(line)["Records"][0] for line in seen("topic", 2)]
    assert {r["Sns"]["Message"] for r in records} == {"one", "two"} and records[0]["EventSource"] == "aws:sns", records


def rules():
    arn = function("rule", "seen")
    url, to = queue("rule")
    bus.put_rule(Name="orders", EventPattern=json.dumps({"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}))
    out = bus.put_targets(Rule="orders", Targets=[
        {"Id": "f", "Arn": arn},
        {"Id": "q", "Arn": to, "InputTransformer": {"InputPathsMap": {"n": "$.detail.total"}, "InputTemplate": '{"total": <n>, "text": "it was <n>"}'}}])
    assert out["FailedEntryCount"] == 0, out
    out = bus.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": json.dumps({"total": t})} for t in (5, 50)])
    assert out["FailedEntryCount"] == 0, out
    assert json.loads(receive(url)[0]["Body"]) == {"total": 50, "text": "it was 50"}
    event = json.loads(seen("rule", 1)[0])
    assert event["detail-type"] == "order" and event["detail"] == {"total": 50}, event


def schedules():
    url, to = queue("tick")
    zone = "America/New_York"
    at = datetime.datetime.now(zoneinfo.ZoneInfo(zone)) + datetime.timedelta(seconds=2)
    clock.create_schedule(Name="once", ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})", ScheduleExpressionTimezone=zone,
                          FlexibleTimeWindow={"Mode": "OFF"}, ActionAfterCompletion="DELETE", Target={"Arn": to, "RoleArn": ROLE, "Input": '{"tick": 1}'})
    clock.create_schedule(Name="minutely", ScheduleExpression="rate(1 minute)", FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": queue("minutes")[1], "RoleArn": ROLE})
    assert clock.get_schedule(Name="minutely")["State"] == "ENABLED"
    assert json.loads(receive(url)[0]["Body"]) == {"tick": 1}
    for _ in range(100):
        if "once" not in [s["Name"] for s in clock.list_schedules()["Schedules"]]:
            return
        time.sleep(0.1)
    raise AssertionError("a schedule is still there after its end")


def looped():
    url, arn = queue("loop", VisibilityTimeout="60")
    lam.create_function(FunctionName="loop", Runtime=sys.argv[1], Role=ROLE, Handler="app.handler", Timeout=20,
                        Code={"ZipFile": archive(LOOP)}, Environment={"Variables": {"QUEUE": url}})
    lam.get_waiter("function_active_v2").wait(FunctionName="loop", WaiterConfig={"Delay": 1})
    mapping("loop", arn)
    sqs.send_message(QueueUrl=url, MessageBody="turn")
    seen("loop", 16)
    time.sleep(2)  # for a turn that must not come
    assert len(seen("loop", 16)) == 16


# Sends what it gets on to its own queue, under the trace that it runs under, as
# an SDK that passes traces on does.
LOOP = """
import json, os, urllib.parse, urllib.request, hashlib, hmac, datetime
def sign(key, text): return hmac.new(key, text.encode(), hashlib.sha256).digest()
def handler(event, context):
    print("SEEN turn")
    end, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
    body = json.dumps({"QueueUrl": os.environ["QUEUE"], "MessageBody": "turn"})
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day, host = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d"), urllib.parse.urlsplit(end).netloc
    head = {"content-type": "application/x-amz-json-1.0", "host": host, "x-amz-date": stamp,
            "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"], "x-amz-target": "AmazonSQS.SendMessage"}
    names = ";".join(sorted(head))
    canonical = "\\n".join(["POST", "/", "", *(k + ":" + head[k] for k in sorted(head)), "", names, hashlib.sha256(body.encode()).hexdigest()])
    scope = day + "/" + region + "/sqs/aws4_request"
    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for part in (day, region, "sqs", "aws4_request"): key = sign(key, part)
    text = "\\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    head["authorization"] = "AWS4-HMAC-SHA256 Credential=" + os.environ["AWS_ACCESS_KEY_ID"] + "/" + scope + ", SignedHeaders=" + names + ", Signature=" + sign(key, text).hex()
    head["x-amzn-trace-id"] = os.environ["_X_AMZN_TRACE_ID"]
    urllib.request.urlopen(urllib.request.Request(end + "/", body.encode(), head)).read()
"""

if __name__ == "__main__":
    with concurrent.futures.ThreadPoolExecutor(8) as parts:
        jobs = {f.__name__: parts.submit(f) for f in (asynchronous, partial, ordered, fan_out, rules, schedules, looped)}
    for name, job in jobs.items():
        job.result()
        print(name, "ok")
