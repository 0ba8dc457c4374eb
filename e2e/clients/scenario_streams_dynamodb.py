"""Changes of a table in a DynamoDB that is somewhere else run a function.

The server is the one that the AWS_* variables name, and was started with
--dynamodb-endpoint; the arguments are a Python runtime that it has, and that
endpoint.
"""
import io
import json
import sys
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

once = Config(retries={"max_attempts": 0})
lam, sqs, logs = (boto3.client(n, config=once) for n in ("lambda", "sqs", "logs"))
table = boto3.client("dynamodb", config=once, endpoint_url=sys.argv[2])
TABLE = f"orders-{time.time_ns()}"
ROLE = "arn:aws:iam::000000000000:role/streams"
HANDLER = """
import json
def seen(event, context):
    print("SEEN " + json.dumps(event["Records"]), flush=True)
    if any("poison" in json.dumps(r) for r in event["Records"]):
        raise ValueError("poison")
"""


def function(name):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w") as z:
        z.writestr("app.py", HANDLER)
    lam.create_function(FunctionName=name, Runtime=sys.argv[1], Role=ROLE, Handler="app.seen", Code={"ZipFile": b.getvalue()}, Timeout=20)
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def mapped(name, arn, position, **more):
    uuid = lam.create_event_source_mapping(FunctionName=name, EventSourceArn=arn, StartingPosition=position, **more)["UUID"]
    while lam.get_event_source_mapping(UUID=uuid)["State"] != "Enabled":
        time.sleep(0.05)
    return uuid


def told(name, n, patience=60):
    end = time.time() + patience
    while True:
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/" + name, filterPattern="SEEN")
            got = [r for p in pages for e in p["events"] for r in json.loads(e["message"].strip()[5:])]
        except logs.exceptions.ResourceNotFoundException:
            got = []
        if len(got) >= n:
            return got
        assert time.time() < end, f"{name} saw {got}, want {n}"
        time.sleep(0.2)


def put(key, value):
    table.put_item(TableName=TABLE, Item={"id": {"S": key}, "v": {"N": str(value)}})


arn = table.create_table(TableName=TABLE, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                         AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                         StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})["TableDescription"]["LatestStreamArn"]
arn = arn.replace(":ddblocal:", ":us-east-1:")  # what DynamoDB Local has for a region is none to Lambda
for n in range(5):
    put("a", n)
function("horizon")
function("latest")
function("filtered")
time.sleep(1.1)
uuid = mapped("horizon", arn, "TRIM_HORIZON", ParallelizationFactor=2)
mapped("latest", arn, "LATEST")
mapped("filtered", arn, "TRIM_HORIZON", FilterCriteria={"Filters": [{"Pattern": json.dumps({"eventName": ["REMOVE"]})}]})
for n in range(5, 10):
    put("a", n)
table.delete_item(TableName=TABLE, Key={"id": {"S": "a"}})

records = told("horizon", 11)
assert [r["eventName"] for r in records] == ["INSERT"] + ["MODIFY"] * 9 + ["REMOVE"], records
assert [int(r["dynamodb"]["NewImage"]["v"]["N"]) for r in records[:10]] == list(range(10)), records
first = records[0]
assert first["eventSourceARN"] == arn and first["eventSource"] == "aws:dynamodb" and first["dynamodb"]["Keys"] == {"id": {"S": "a"}}, first
assert first["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES" and first["dynamodb"]["SequenceNumber"], first
assert [int(r["dynamodb"]["OldImage"]["v"]["N"]) for r in told("latest", 6)] == [4, 5, 6, 7, 8, 9]
assert [r["eventName"] for r in told("filtered", 1)] == ["REMOVE"]

url = sqs.create_queue(QueueName="failures")["QueueUrl"]
lam.update_event_source_mapping(UUID=uuid, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:failures"}})
while lam.get_event_source_mapping(UUID=uuid)["State"] != "Enabled":
    time.sleep(0.05)
put("poison", 1)
end = time.time() + 30
messages = []
while not messages and time.time() < end:
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", [])
info = json.loads(messages[0]["Body"])["DDBStreamBatchInfo"]
assert info["batchSize"] == 1 and info["streamArn"] == arn, info

for wrong in (dict(StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=1), dict(StartingPosition="LATEST", EventSourceArn=arn + "9")):
    try:
        lam.create_event_source_mapping(**{"FunctionName": "latest", "EventSourceArn": arn, **wrong})
    except ClientError as e:
        assert e.response["Error"]["Code"] == "InvalidParameterValueException", e
        print(e)
    else:
        raise AssertionError(f"{wrong} was taken")
