"""The user of streams with boto3: every operation, as a program meets them."""
import json
import time

import boto3
from botocore.exceptions import ClientError

kinesis = boto3.client("kinesis")


def refused(code, call, **params):
    try:
        call(**params)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call.__name__} was not refused with {code}")


def read(stream, shard, kind="TRIM_HORIZON", **more):
    """All records of a shard, and the children if it has ended."""
    it = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]
    records = []
    while it:
        out = kinesis.get_records(ShardIterator=it, Limit=1000)
        records += out["Records"]
        if not out.get("NextShardIterator"):
            return records, out["ChildShards"]
        if out["MillisBehindLatest"] == 0:
            return records, []
        it = out["NextShardIterator"]
        time.sleep(0.25)
    return records, []


def basics():
    kinesis.create_stream(StreamName="orders", ShardCount=2, Tags={"team": "a"})
    kinesis.get_waiter("stream_exists").wait(StreamName="orders", WaiterConfig={"Delay": 1})
    arn = kinesis.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]["StreamARN"]
    assert arn == "arn:aws:kinesis:us-east-1:000000000000:stream/orders", arn
    refused("ResourceInUseException", kinesis.create_stream, StreamName="orders", ShardCount=1)
    refused("ResourceNotFoundException", kinesis.describe_stream, StreamName="nothing")

    before = time.time()
    one = kinesis.put_record(StreamName="orders", PartitionKey="k", Data=b"\x00\xffone")
    two = kinesis.put_record(StreamARN=arn, PartitionKey="k", Data=b"two", SequenceNumberForOrdering=one["SequenceNumber"])
    assert one["ShardId"] == two["ShardId"] and int(one["SequenceNumber"]) < int(two["SequenceNumber"]), (one, two)
    out = kinesis.put_records(StreamName="orders", Records=[{"PartitionKey": f"k{i}", "Data": f"{i}".encode()} for i in range(500)])
    assert out["FailedRecordCount"] == 0 and len(out["Records"]) == 500
    first = kinesis.put_record(StreamName="orders", PartitionKey="x", ExplicitHashKey="0", Data=b"first")
    last = kinesis.put_record(StreamName="orders", PartitionKey="x", ExplicitHashKey=str(2**128 - 1), Data=b"last")
    assert (first["ShardId"], last["ShardId"]) == ("shardId-000000000000", "shardId-000000000001")

    records = {}
    for shard in kinesis.list_shards(StreamName="orders")["Shards"]:
        got, _ = read("orders", shard["ShardId"])
        assert [int(r["SequenceNumber"]) for r in got] == sorted(int(r["SequenceNumber"]) for r in got)
        assert all(before - 1 <= r["ApproximateArrivalTimestamp"].timestamp() <= time.time() + 1 for r in got)
        records[shard["ShardId"]] = got
    data = [r["Data"] for rs in records.values() for r in rs]
    assert len(data) == 504 and b"\x00\xffone" in data and set(data) >= {f"{i}".encode() for i in range(500)}
    for r, put in zip(out["Records"], range(500)):
        match = [x for x in records[r["ShardId"]] if x["SequenceNumber"] == r["SequenceNumber"]]
        assert len(match) == 1 and match[0]["Data"] == f"{put}".encode() and match[0]["PartitionKey"] == f"k{put}"

    after, _ = read("orders", one["ShardId"], "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=one["SequenceNumber"])
    at, _ = read("orders", one["ShardId"], "AT_SEQUENCE_NUMBER", StartingSequenceNumber=one["SequenceNumber"])
    assert at[1:] == after and at[0]["Data"] == b"\x00\xffone", (at[:2], after[:2])
    since, _ = read("orders", one["ShardId"], "AT_TIMESTAMP", Timestamp=at[0]["ApproximateArrivalTimestamp"])
    assert since[0]["Data"] == b"\x00\xffone"
    assert read("orders", one["ShardId"], "LATEST") == ([], [])
    refused("InvalidArgumentException", kinesis.get_records, ShardIterator="AAAA")
    return arn


def limits():
    kinesis.create_stream(StreamName="narrow", ShardCount=1)
    out = kinesis.put_records(StreamName="narrow", Records=[{"PartitionKey": "k", "Data": b"x" * 300_000} for _ in range(5)])
    failed = [r for r in out["Records"] if "ErrorCode" in r]
    assert out["FailedRecordCount"] == len(failed) == 2, out
    assert {r["ErrorCode"] for r in failed} == {"ProvisionedThroughputExceededException"}, failed
    it = kinesis.get_shard_iterator(StreamName="narrow", ShardId="shardId-000000000000", ShardIteratorType="LATEST")["ShardIterator"]
    codes = []
    for _ in range(8):
        try:
            kinesis.get_records(ShardIterator=it)
        except ClientError as e:
            codes.append(e.response["Error"]["Code"])
    assert codes and set(codes) == {"ProvisionedThroughputExceededException"}, codes
    refused("ValidationException", kinesis.put_record, StreamName="narrow", PartitionKey="k", Data=b"x" * (1 << 20) + b"x")
    kinesis.delete_stream(StreamName="narrow")
    kinesis.get_waiter("stream_not_exists").wait(StreamName="narrow", WaiterConfig={"Delay": 1})


def resharding():
    kinesis.create_stream(StreamName="shape", ShardCount=1)
    kinesis.put_record(StreamName="shape", PartitionKey="k", Data=b"before")
    kinesis.split_shard(StreamName="shape", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    kinesis.put_record(StreamName="shape", PartitionKey="k", ExplicitHashKey="0", Data=b"between")
    kinesis.merge_shards(StreamName="shape", ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002")
    kinesis.put_record(StreamName="shape", PartitionKey="k", Data=b"after")
    out = kinesis.update_shard_count(StreamName="shape", TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    assert (out["CurrentShardCount"], out["TargetShardCount"]) == (1, 2), out
    shards = {s["ShardId"]: s for s in kinesis.describe_stream(StreamName="shape")["StreamDescription"]["Shards"]}
    assert [int(n[-1]) for n in shards] == [0, 1, 2, 3, 4, 5]
    assert shards["shardId-000000000003"]["ParentShardId"] == "shardId-000000000001"
    assert shards["shardId-000000000003"]["AdjacentParentShardId"] == "shardId-000000000002"
    open_ones = kinesis.list_shards(StreamName="shape", ShardFilter={"Type": "AT_LATEST"})["Shards"]
    assert [s["HashKeyRange"]["StartingHashKey"] for s in open_ones] == ["0", str(2**127)]
    # From parents to children, as a consumer goes.
    texts, todo = [], ["shardId-000000000000"]
    seen = set()
    while todo:
        name = todo.pop(0)
        if name in seen:
            continue
        seen.add(name)
        records, children = read("shape", name)
        texts += [r["Data"] for r in records]
        todo += [c["ShardId"] for c in children]
    assert texts == [b"before", b"between", b"after"], texts
    kinesis.delete_stream(StreamName="shape")


def settings(arn):
    kinesis.increase_stream_retention_period(StreamName="orders", RetentionPeriodHours=168)
    kinesis.decrease_stream_retention_period(StreamARN=arn, RetentionPeriodHours=24)
    on = kinesis.enable_enhanced_monitoring(StreamName="orders", ShardLevelMetrics=["IncomingBytes", "OutgoingBytes"])
    assert on["DesiredShardLevelMetrics"] == ["IncomingBytes", "OutgoingBytes"], on
    kinesis.disable_enhanced_monitoring(StreamName="orders", ShardLevelMetrics=["ALL"])
    kinesis.start_stream_encryption(StreamName="orders", EncryptionType="KMS", KeyId="alias/aws/kinesis")
    assert kinesis.put_record(StreamName="orders", PartitionKey="k", Data=b"e")["EncryptionType"] == "KMS"
    kinesis.stop_stream_encryption(StreamName="orders", EncryptionType="KMS", KeyId="alias/aws/kinesis")
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10240)
    kinesis.put_record(StreamName="orders", PartitionKey="k", ExplicitHashKey="0", Data=b"x" * (10 * 1024 * 1024 - 1))
    kinesis.add_tags_to_stream(StreamName="orders", Tags={"b": "2"})
    kinesis.tag_resource(ResourceARN=arn, Tags={"c": "3"})
    kinesis.remove_tags_from_stream(StreamName="orders", TagKeys=["b"])
    kinesis.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert kinesis.list_tags_for_stream(StreamName="orders")["Tags"] == [{"Key": "c", "Value": "3"}]
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "c", "Value": "3"}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
    assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == policy
    kinesis.delete_resource_policy(ResourceARN=arn)
    refused("ResourceNotFoundException", kinesis.get_resource_policy, ResourceARN=arn)
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    refused("ValidationException", kinesis.update_shard_count, StreamName="orders", TargetShardCount=3, ScalingType="UNIFORM_SCALING")
    kinesis.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="AUTO")
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    assert kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED"
    kinesis.update_stream_warm_throughput(StreamARN=arn, WarmThroughputMiBps=4)
    assert kinesis.describe_limits()["OpenShardCount"] == 4
    assert [s["StreamName"] for p in kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 1}) for s in p["StreamSummaries"]] == ["orders"]


def fan_out(arn):
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="fan")["Consumer"]
    assert consumer["ConsumerStatus"] == "CREATING"
    while kinesis.describe_stream_consumer(ConsumerARN=consumer["ConsumerARN"])["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE":
        time.sleep(0.1)
    assert [c["ConsumerName"] for c in kinesis.list_stream_consumers(StreamARN=arn)["Consumers"]] == ["fan"]
    shards = kinesis.list_shards(StreamARN=arn, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    shard = shards[0]["ShardId"]
    out = kinesis.subscribe_to_shard(ConsumerARN=consumer["ConsumerARN"], ShardId=shard, StartingPosition={"Type": "LATEST"})
    kinesis.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="USER_PARTITION_KEY")
    put = kinesis.put_record(StreamARN=arn, PartitionKey="fan", ExplicitHashKey=shards[0]["HashKeyRange"]["StartingHashKey"], Data=b"pushed")
    assert put["ShardId"] == shard
    for event in out["EventStream"]:
        event = event["SubscribeToShardEvent"]
        if event["Records"]:
            break
    assert event["Records"][0]["Data"] == b"pushed" and event["ContinuationSequenceNumber"] == put["SequenceNumber"], event
    refused("ResourceInUseException", kinesis.subscribe_to_shard, ConsumerARN=consumer["ConsumerARN"], ShardId=shard,
            StartingPosition={"Type": "LATEST"})
    out["EventStream"].close()
    refused("ResourceInUseException", kinesis.delete_stream, StreamARN=arn)
    kinesis.deregister_stream_consumer(ConsumerARN=consumer["ConsumerARN"])
    kinesis.delete_stream(StreamARN=arn)


limits()
resharding()
arn = basics()
settings(arn)
fan_out(arn)
print("all operations of streams, by boto3")
