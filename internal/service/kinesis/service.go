package kinesis

import (
	"strconv"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
	"github.com/mayfly-faas/mayfly/internal/wire/cbor"
)

// maxBody is room for records of 10 MiB in base64, and their keys.
const maxBody = 16 << 20

// Service is Kinesis Data Streams on b. Most SDKs speak JSON; Java's, and older
// ones, CBOR.
func Service(b *Book) wire.Service {
	a := &api{b}
	return wire.Service{
		Name: "kinesis", Title: "Amazon Kinesis Data Streams", Version: "2013-12-02", Target: "Kinesis_20131202",
		Protocol: wire.Any{awsjson.Protocol{}, cbor.Target{}}, Models: models(),
		ErrorCode: "InternalFailureException",
		MaxBody: func(op string) int64 {
			if op == "PutRecord" || op == "PutRecords" {
				return maxBody
			}
			return 2 << 20
		},
		Ops: []wire.Op{
			wire.Handle("CreateStream", a.createStream),
			wire.Handle("DeleteStream", a.deleteStream),
			wire.Handle("DescribeStream", a.describeStream),
			wire.Handle("DescribeStreamSummary", a.describeStreamSummary),
			wire.Handle("ListStreams", a.listStreams),
			wire.Handle("ListShards", a.listShards),

			wire.Handle("SplitShard", a.splitShard),
			wire.Handle("MergeShards", a.mergeShards),
			wire.Handle("UpdateShardCount", a.updateShardCount),
			wire.Handle("UpdateStreamMode", a.updateStreamMode),

			wire.Handle("PutRecord", a.putRecord),
			wire.Handle("PutRecords", a.putRecords),
			wire.Handle("GetShardIterator", a.getShardIterator),
			wire.Handle("GetRecords", a.getRecords),

			wire.Handle("RegisterStreamConsumer", a.registerConsumer),
			wire.Handle("DeregisterStreamConsumer", a.deregisterConsumer),
			wire.Handle("DescribeStreamConsumer", a.describeConsumer),
			wire.Handle("ListStreamConsumers", a.listConsumers),
			wire.Handle("SubscribeToShard", a.subscribeToShard),

			wire.Handle("AddTagsToStream", a.addTagsToStream),
			wire.Handle("RemoveTagsFromStream", a.removeTagsFromStream),
			wire.Handle("ListTagsForStream", a.listTagsForStream),
			wire.Handle("TagResource", a.tagResource),
			wire.Handle("UntagResource", a.untagResource),
			wire.Handle("ListTagsForResource", a.listTagsForResource),
			wire.Handle("PutResourcePolicy", a.putResourcePolicy),
			wire.Handle("GetResourcePolicy", a.getResourcePolicy),
			wire.Handle("DeleteResourcePolicy", a.deleteResourcePolicy),

			wire.Handle("IncreaseStreamRetentionPeriod", a.increaseRetention),
			wire.Handle("DecreaseStreamRetentionPeriod", a.decreaseRetention),
			wire.Handle("EnableEnhancedMonitoring", a.enableMonitoring),
			wire.Handle("DisableEnhancedMonitoring", a.disableMonitoring),
			wire.Handle("StartStreamEncryption", a.startEncryption),
			wire.Handle("StopStreamEncryption", a.stopEncryption),
			wire.Handle("UpdateMaxRecordSize", a.updateMaxRecordSize),
			wire.Handle("UpdateStreamRecordDistributionStrategy", a.updateStrategy),
			wire.Handle("UpdateStreamWarmThroughput", a.updateWarmThroughput),
			wire.Handle("DescribeLimits", a.describeLimits),
			wire.Handle("DescribeAccountSettings", a.describeAccountSettings),
			wire.Handle("UpdateAccountSettings", a.updateAccountSettings),
		},
	}
}

// An api serves the operations.
type api struct{ *Book }

// at finds the stream that a request names, by its ARN, its name, or both.
func (a *api) find(name, streamARN *string) (*stream, error) {
	n := value0(name)
	if streamARN != nil {
		parsed, err := arn.Parse(*streamARN)
		if err != nil || parsed.Service != "kinesis" {
			return nil, invalid("StreamARN %s is not a valid ARN of a stream.", *streamARN)
		}
		st, c := a.byARN(*streamARN)
		if st == nil || c != nil {
			return nil, notFound("Stream %s under account %s not found.", nameIn(parsed), parsed.Account)
		}
		if n != "" && n != st.name {
			return nil, invalid("StreamName %s and StreamARN %s do not name the same stream.", n, *streamARN)
		}
		return st, nil
	}
	if n == "" {
		return nil, invalid("Either StreamName or StreamARN should be provided.")
	}
	if st := a.stream(n); st != nil {
		return st, nil
	}
	return nil, a.noStream(n)
}

// nameIn is a stream's name in its ARN.
func nameIn(a arn.ARN) string {
	if len(a.Resource) > len("stream/") {
		return a.Resource[len("stream/"):]
	}
	return a.Resource
}

// ready finds a stream that can be changed now.
func (a *api) ready(name, streamARN *string) (*stream, error) {
	st, err := a.find(name, streamARN)
	if err != nil {
		return nil, err
	}
	if status := st.layout().status; status != active {
		return nil, a.notActive(st, status)
	}
	return st, nil
}

func value0[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// moment is a time of milliseconds since 1970, on the wire.
func moment(ms int64) *wire.Time { return &wire.Time{Time: time.UnixMilli(ms).UTC()} }

func digits(n int) string { return strconv.Itoa(n) }
