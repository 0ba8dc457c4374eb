"""Streams that run functions, as a user of boto3 meets them: every parameter of a mapping.

The server is the one that the AWS_* variables name; the argument names a Python
runtime that it has. Each part asserts; the exit status tells.
"""
import base64
import collections
import datetime
import io
import json
import sys
import threading
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

once = Config(retries={"max_attempts": 0}, max_pool_connections=32)
lam, kinesis, sqs, logs, s3 = (boto3.client(n, config=once) for n in ("lambda", "kinesis", "sqs", "logs", "s3"))
ROLE = "arn:aws:iam::000000000000:role/streams"

HANDLER = """
import base64, json, time
def read(event):
    return [base64.b64decode(r["kinesis"]["data"]).decode() for r in event["Records"]]

def tell(event, **more):
    print("SEEN " + json.dumps(dict(more, data=read(event), at=time.time())), flush=True)

def whole(event, context):
    print("SEEN " + json.dumps(event), flush=True)

def seen(event, context):
    tell(event)
    if any("poison" in d for d in read(event)):
        raise ValueError("poison")

def slow(event, context):
    begin = time.time()
    time.sleep(0.3)
    tell(event, begin=begin)

def some(event, context):
    tell(event)
    bad = [r["kinesis"]["sequenceNumber"] for r, d in zip(event["Records"], read(event)) if "poison" in d]
    return {"batchItemFailures": [{"itemIdentifier": n} for n in bad]}

def count(event, context):
    n = event["state"].get("n", 0) + len(event["Records"])
    tell(event, n=n, final=event["isFinalInvokeForWindow"], early=event["isWindowTerminatedEarly"], window=event["window"], shard=event["shardId"])
    return {"state": {"n": n}}
"""


def archive(text):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w") as z:
        z.writestr("app.py", text)
    return b.getvalue()


def function(name, handler):
    lam.create_function(FunctionName=name, Runtime=sys.argv[1], Role=ROLE, Handler="app." + handler, Code={"ZipFile": archive(HANDLER)}, Timeout=20)
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def stream(name, shards=1):
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def queue(name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(url, patience=30):
    end = time.time() + patience
    while time.time() < end:
        for m in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
            return json.loads(m["Body"])
    raise AssertionError("nothing came")


def mapped(name, source, position="TRIM_HORIZON", **more):
    made = lam.create_event_source_mapping(FunctionName=name, EventSourceArn=source, StartingPosition=position, **more)
    settle(made["UUID"], "Enabled")
    return made


def settle(uuid, state):
    while lam.get_event_source_mapping(UUID=uuid)["State"] != state:
        time.sleep(0.02)


def put(name, *data, key="k"):
    out = kinesis.put_records(StreamName=name, Records=[{"Data": d.encode(), "PartitionKey": key} for d in data])
    assert out["FailedRecordCount"] == 0, out
    return [r["SequenceNumber"] for r in out["Records"]]


def told(name):
    """What the function has said until now, in order."""
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/" + name, filterPattern="SEEN")
        return [json.loads(e["message"].strip()[5:]) for p in pages for e in p["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def until(name, enough, patience=60):
    """Waits until enough(lines) and returns the lines."""
    end = time.time() + patience
    while True:
        lines = told(name)
        if enough(lines):
            return lines
        assert time.time() < end, f"{name} saw {lines}"
        time.sleep(0.1)


def records(lines):
    return [d for line in lines for d in line["data"]]


def batches(lines):
    return [line["data"] for line in lines]


def event():
    function("event", "whole")
    arn = stream("event")
    numbers = put("event", "hello", "ünï")
    made = mapped("event", arn, BatchSize=1)
    for name, value in dict(BatchSize=1, MaximumBatchingWindowInSeconds=0, ParallelizationFactor=1, MaximumRetryAttempts=-1, MaximumRecordAgeInSeconds=-1,
                            BisectBatchOnFunctionError=False, TumblingWindowInSeconds=0, StartingPosition="TRIM_HORIZON", EventSourceArn=arn,
                            LastProcessingResult="No records processed", StateTransitionReason="User action", FunctionResponseTypes=[]).items():
        assert made[name] == value, (name, made)
    assert made["DestinationConfig"] == {"OnFailure": {}}, made
    got = [e["Records"] for e in until("event", lambda lines: len(lines) == 2)]
    for number, data, (record,) in zip(numbers, ("hello", "ünï"), got):
        at = record["kinesis"].pop("approximateArrivalTimestamp")
        assert abs(at - time.time()) < 600 and isinstance(at, float), at
        shard = "shardId-000000000000"
        assert record == {
            "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": number, "data": base64.b64encode(data.encode()).decode()},
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"{shard}:{number}", "eventName": "aws:kinesis:record",
            "invokeIdentityArn": ROLE, "awsRegion": "us-east-1", "eventSourceARN": arn}, record
    assert lam.get_event_source_mapping(UUID=made["UUID"])["LastProcessingResult"] == "OK"


def positions():
    arn = stream("positions")
    put("positions", "old")
    time.sleep(1.1)
    at = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(0.1)
    put("positions", "middle")
    for name, position, more, want in (("horizon", "TRIM_HORIZON", {}, ["old", "middle", "new"]), ("latest", "LATEST", {}, ["new"]),
                                       ("time", "AT_TIMESTAMP", {"StartingPositionTimestamp": at}, ["middle", "new"])):
        function("at-" + name, "seen")
        mapped("at-" + name, arn, position, **more)
    put("positions", "new")
    for name, want in (("horizon", ["old", "middle", "new"]), ("latest", ["new"]), ("time", ["middle", "new"])):
        assert records(until("at-" + name, lambda lines: "new" in records(lines))) == want, name


def factor():
    function("factor", "slow")
    arn = stream("factor")
    for n in range(5):
        put("factor", *[f"{n}" for _ in range(1)], key="one")
        kinesis.put_records(StreamName="factor", Records=[{"Data": f"k{k}-{n}".encode(), "PartitionKey": f"k{k}"} for k in range(40)])
    mapped("factor", arn, ParallelizationFactor=10, BatchSize=2)
    lines = until("factor", lambda lines: len(records(lines)) >= 205)
    spans = sorted([(x["begin"], 1) for x in lines] + [(x["at"], -1) for x in lines])
    most = now = 0
    for _, step in spans:
        now += step
        most = max(most, now)
    assert 3 < most <= 10, f"{most} at a time"
    lines.sort(key=lambda x: x["begin"])
    keys = collections.defaultdict(list)
    for d in records(lines):
        if "-" in d:
            keys[d.split("-")[0]].append(int(d.split("-")[1]))
    assert len(keys) == 40 and all(v == [0, 1, 2, 3, 4] for v in keys.values()), keys


def bisect():
    function("bisect", "seen")
    arn = stream("bisect")
    url, to = queue("bisect-failures")
    put("bisect", "a", "b", "poison", "c", "d")
    mapped("bisect", arn, BisectBatchOnFunctionError=True, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": to}})
    report = receive(url)
    assert report["requestContext"]["condition"] == "RetryAttemptsExhausted" and report["KinesisBatchInfo"]["batchSize"] == 1, report
    lines = until("bisect", lambda lines: ["d"] in batches(lines) or ["c", "d"] in batches(lines))
    assert batches(lines).count(["poison"]) == 2 and ["a", "b"] in batches(lines), lines


def partial():
    function("partial", "some")
    arn = stream("partial")
    url, to = queue("partial-failures")
    numbers = put("partial", "a", "b", "poison", "c")
    mapped("partial", arn, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": to}})
    info = receive(url)["KinesisBatchInfo"]
    assert (info["startSequenceNumber"], info["endSequenceNumber"], info["batchSize"]) == (numbers[2], numbers[3], 2), info
    put("partial", "e")
    lines = until("partial", lambda lines: "e" in records(lines))
    assert batches(lines) == [["a", "b", "poison", "c"], ["poison", "c"], ["e"]], lines


def destination():
    function("failing", "seen")
    arn = stream("failing")
    url, to = queue("failures")
    mapped("failing", arn, MaximumRetryAttempts=0, MaximumRecordAgeInSeconds=600, DestinationConfig={"OnFailure": {"Destination": to}})
    first, last = put("failing", "poison 1", "poison 2")
    report = receive(url)
    context, info = report["requestContext"], report["KinesisBatchInfo"]
    assert context["functionArn"].endswith(":function:failing") and context["condition"] == "RetryAttemptsExhausted" and context["approximateInvokeCount"] == 1, report
    assert report["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}, report
    assert report["version"] == "1.0" and report["timestamp"].endswith("Z"), report
    assert (info["shardId"], info["startSequenceNumber"], info["endSequenceNumber"], info["batchSize"], info["streamArn"]) == ("shardId-000000000000", first, last, 2, arn), info
    assert info["approximateArrivalOfFirstRecord"].endswith("Z"), info


def bucket():
    """A bucket as a destination gets the records as well."""
    function("bucketed", "seen")
    arn = stream("bucketed")
    s3.create_bucket(Bucket="stream-failures")
    uuid = mapped("bucketed", arn, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::stream-failures"}})["UUID"]
    (number,) = put("bucketed", "poison")
    end = time.time() + 30
    while not (found := s3.list_objects_v2(Bucket="stream-failures").get("Contents", [])):
        assert time.time() < end, "no object came"
        time.sleep(0.1)
    day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y/%m/%d/%Y-%m-%dT")
    assert len(found) == 1 and found[0]["Key"].startswith(f"aws/lambda/{uuid}/shardId-000000000000/{day}"), found
    report = json.loads(s3.get_object(Bucket="stream-failures", Key=found[0]["Key"])["Body"].read())
    assert report["KinesisBatchInfo"]["startSequenceNumber"] == number, report
    (record,) = json.loads(report["payload"])["Records"]
    assert base64.b64decode(record["kinesis"]["data"]) == b"poison" and record["invokeIdentityArn"] == ROLE, record


def filters():
    function("filtered", "seen")
    arn = stream("filtered")
    mapped("filtered", arn, FilterCriteria={"Filters": [{"Pattern": json.dumps({"data": {"kind": ["order"]}})}]})
    put("filtered", '{"kind":"visit"}', '{"kind":"order","n":1}', "text")
    put("filtered", '{"kind":"visit"}', '{"kind":"order","n":2}')
    lines = until("filtered", lambda lines: len(records(lines)) >= 2)
    assert records(lines) == ['{"kind":"order","n":1}', '{"kind":"order","n":2}'], lines


def gathering():
    function("gathering", "seen")
    arn = stream("gathering")
    mapped("gathering", arn, "LATEST", MaximumBatchingWindowInSeconds=3, BatchSize=5)
    put("gathering", "a")
    put("gathering", "b")
    lines = until("gathering", lambda lines: lines)
    assert batches(lines) == [["a", "b"]], lines
    put("gathering", *"cdefg")
    assert batches(until("gathering", lambda lines: len(lines) == 2))[1] == list("cdefg")


def windows():
    function("windows", "count")
    arn = stream("windows")
    mapped("windows", arn, TumblingWindowInSeconds=3, BatchSize=2)
    put("windows", "a", "b", "c")
    lines = until("windows", lambda lines: any(x["final"] for x in lines))
    final = [x for x in lines if x["final"]]
    assert sum(x["n"] for x in final) in (3, max(x["n"] for x in lines)), lines  # unless the three fell into two windows
    for x in lines:
        start, end = (datetime.datetime.fromisoformat(x["window"][k]) for k in ("start", "end"))
        assert (end - start).total_seconds() == 3 and start.second % 3 == 0 and x["shard"] == "shardId-000000000000" and not x["early"], x
    put("windows", "d")
    lines = until("windows", lambda lines: any("d" in x["data"] for x in lines))
    assert lines[-1]["n"] == 1 or not lines[-1]["data"], lines[-1]


def states():
    function("states", "seen")
    arn = stream("states")
    uuid = mapped("states", arn)["UUID"]
    put("states", "a")
    until("states", lambda lines: len(lines) == 1)
    assert lam.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    settle(uuid, "Disabled")
    put("states", "b", "c")
    assert lam.update_event_source_mapping(UUID=uuid, Enabled=True, BatchSize=1)["State"] == "Enabling"
    settle(uuid, "Enabled")
    assert batches(until("states", lambda lines: len(lines) == 3)) == [["a"], ["b"], ["c"]]
    refused("InvalidParameterValueException", lam.update_event_source_mapping, UUID=uuid, ParallelizationFactor=2, TumblingWindowInSeconds=10)
    refused("ResourceConflictException", lam.create_event_source_mapping, FunctionName="states", EventSourceArn=arn, StartingPosition="LATEST")
    refused("InvalidParameterValueException", lam.create_event_source_mapping, FunctionName="states", EventSourceArn=arn + "2", StartingPosition="LATEST")
    refused("InvalidParameterValueException", lam.create_event_source_mapping, FunctionName="none", EventSourceArn=arn, StartingPosition="LATEST")
    assert lam.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"


def refused(code, call, **args):
    try:
        call(**args)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return
    raise AssertionError(f"{code} did not come")


def consumer():
    function("fan", "whole")
    arn = stream("fan")
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]
    while kinesis.describe_stream_consumer(ConsumerARN=made["ConsumerARN"])["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE":
        time.sleep(0.05)
    mapped("fan", made["ConsumerARN"])
    put("fan", "x")
    (got,) = until("fan", lambda lines: lines)
    assert got["Records"][0]["eventSourceARN"] == arn, got


def resharding():
    """Splits and merges while records come: none is lost, and each key stays in order."""
    function("reshard", "seen")
    arn = stream("reshard", 2)
    mapped("reshard", arn, ParallelizationFactor=3, BatchSize=20)
    stop, want = threading.Event(), collections.Counter()

    def produce(part):
        n = 0
        while not stop.is_set():
            n += 1
            for k in range(4):  # one by one: PutRecords does not keep order
                kinesis.put_record(StreamName="reshard", Data=f"{part}.{k}-{n}".encode(), PartitionKey=f"{part}.{k}")
                want[f"{part}.{k}"] = n

    threads = [threading.Thread(target=produce, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for round in range(3):
        shards = [s for s in kinesis.list_shards(StreamName="reshard")["Shards"] if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
        lo, hi = (int(shards[round % len(shards)]["HashKeyRange"][k]) for k in ("StartingHashKey", "EndingHashKey"))
        kinesis.split_shard(StreamName="reshard", ShardToSplit=shards[round % len(shards)]["ShardId"], NewStartingHashKey=str((lo + hi) // 2))
        active("reshard")
        time.sleep(0.2)
        shards = [s for s in kinesis.list_shards(StreamName="reshard")["Shards"] if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
        shards.sort(key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))
        kinesis.merge_shards(StreamName="reshard", ShardToMerge=shards[0]["ShardId"], AdjacentShardToMerge=shards[1]["ShardId"])
        active("reshard")
        time.sleep(0.2)
    kinesis.update_shard_count(StreamName="reshard", TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    active("reshard")
    time.sleep(0.3)
    stop.set()
    for t in threads:
        t.join()
    total = sum(want.values())
    lines = until("reshard", lambda lines: len(set(records(lines))) >= total, patience=120)
    lines.sort(key=lambda x: x["at"])
    last = collections.Counter()
    for d in records(lines):
        key, n = d.split("-")
        assert int(n) <= last[key] + 1, f"{d} came after {last[key]}"
        last[key] = max(last[key], int(n))
    assert last == want, (last, want)
    print(f"resharding: {total} records in {len(lines)} batches over {len(kinesis.list_shards(StreamName='reshard')['Shards'])} shards, {len(records(lines)) - total} again")


def active(name):
    while kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        time.sleep(0.02)


for part in sys.argv[2:] or (event, positions, factor, bisect, partial, destination, bucket, filters, gathering, windows, states, consumer, resharding):
    part = globals()[part] if isinstance(part, str) else part
    begin = time.time()
    part()
    print(f"{part.__name__}: {time.time() - begin:.1f} s")
