"""Valid requests for Kinesis, for conformance.py."""
import time

ACCOUNT = "000000000000"
STREAM = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/conf"


def streams(s):
    call = s.call
    call("CreateStream", StreamName="conf", ShardCount=2, Tags={"a": "b"})
    call("CreateStream", StreamName="conf-demand", StreamModeDetails={"StreamMode": "ON_DEMAND"})
    demand = call("DescribeStreamSummary", StreamName="conf-demand")["StreamDescriptionSummary"]["StreamARN"]
    call("ListStreams", Limit=1)
    shards = call("DescribeStream", StreamName="conf")["StreamDescription"]["Shards"]
    call("DescribeStreamSummary", StreamARN=STREAM)
    call("DescribeLimits")
    token = call("ListShards", StreamName="conf", MaxResults=1)["NextToken"]
    call("ListShards", NextToken=token)
    call("PutRecord", StreamName="conf", PartitionKey="k", Data=b"one")
    call("PutRecords", StreamARN=STREAM, Records=[{"PartitionKey": str(i), "Data": b"x"} for i in range(10)])
    for shard in shards:
        it = call("GetShardIterator", StreamName="conf", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        call("GetRecords", ShardIterator=it, Limit=100)
    settings(s, demand)
    resources(s)
    call("SplitShard", StreamName="conf", ShardToSplit=shards[0]["ShardId"], NewStartingHashKey="1000")
    call("MergeShards", StreamName="conf", ShardToMerge="shardId-000000000002", AdjacentShardToMerge="shardId-000000000003")
    call("UpdateShardCount", StreamName="conf", TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    it = call("GetShardIterator", StreamName="conf", ShardId=shards[0]["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    time.sleep(1)
    call("GetRecords", ShardIterator=it)  # with children at the end
    call("DeleteStream", StreamName="conf", EnforceConsumerDeletion=True)
    call("DeleteStream", StreamARN=demand)
    s.refuse("DescribeStream", "ResourceNotFoundException", StreamName="conf")


def settings(s, demand):
    call = s.call
    call("IncreaseStreamRetentionPeriod", StreamName="conf", RetentionPeriodHours=48)
    call("DecreaseStreamRetentionPeriod", StreamName="conf", RetentionPeriodHours=24)
    call("EnableEnhancedMonitoring", StreamName="conf", ShardLevelMetrics=["ALL"])
    call("DisableEnhancedMonitoring", StreamName="conf", ShardLevelMetrics=["IncomingBytes"])
    call("StartStreamEncryption", StreamName="conf", EncryptionType="KMS", KeyId="alias/aws/kinesis")
    call("PutRecord", StreamName="conf", PartitionKey="k", Data=b"two")
    call("StopStreamEncryption", StreamName="conf", EncryptionType="KMS", KeyId="alias/aws/kinesis")
    call("UpdateMaxRecordSize", StreamARN=STREAM, MaxRecordSizeInKiB=2048)
    call("UpdateStreamRecordDistributionStrategy", StreamARN=demand, RecordDistributionStrategy="AUTO")
    call("DescribeAccountSettings")
    call("UpdateAccountSettings", MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    call("UpdateStreamWarmThroughput", StreamARN=demand, WarmThroughputMiBps=6)
    call("DescribeStreamSummary", StreamARN=demand)
    call("UpdateAccountSettings", MinimumThroughputBillingCommitment={"Status": "DISABLED"})
    call("UpdateStreamMode", StreamARN=demand, StreamModeDetails={"StreamMode": "PROVISIONED"})


def resources(s):
    call = s.call
    call("AddTagsToStream", StreamName="conf", Tags={"c": "d"})
    call("ListTagsForStream", StreamName="conf", Limit=1)
    call("RemoveTagsFromStream", StreamName="conf", TagKeys=["c"])
    call("TagResource", ResourceARN=STREAM, Tags={"e": "f"})
    call("ListTagsForResource", ResourceARN=STREAM)
    call("UntagResource", ResourceARN=STREAM, TagKeys=["e"])
    call("PutResourcePolicy", ResourceARN=STREAM, Policy='{"Version":"2012-10-17","Statement":[]}')
    call("GetResourcePolicy", ResourceARN=STREAM)
    call("DeleteResourcePolicy", ResourceARN=STREAM)
    consumer = call("RegisterStreamConsumer", StreamARN=STREAM, ConsumerName="c")["Consumer"]["ConsumerARN"]
    call("DescribeStreamConsumer", ConsumerARN=consumer)
    call("ListStreamConsumers", StreamARN=STREAM)
    s.refuse("SubscribeToShard", "ResourceNotFoundException", ConsumerARN=consumer, ShardId="shardId-000000000099",
             StartingPosition={"Type": "LATEST"})
    call("RegisterStreamConsumer", StreamARN=STREAM, ConsumerName="gone")
    call("DeregisterStreamConsumer", StreamARN=STREAM, ConsumerName="gone")
