package kinesis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire/cbor"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

// m is a request as a client writes it.
type m = map[string]any

// clients call the service in both of its protocols.
func (w *world) clients() map[string]*wiretest.Client {
	old := Service(w.Book)
	old.Protocol = cbor.Target{}
	return map[string]*wiretest.Client{"json": wiretest.New(w.t, Service(w.Book)), "cbor": wiretest.New(w.t, old)}
}

const (
	arnS   = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
	shard0 = "shardId-000000000000"
	scheme = "UNIFORM_SCALING"
)

// TestRefusals: what AWS answers to requests that cannot be met.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.make("s", 1)
	w.make("t", 1)
	if _, err := w.api.createStream(t.Context(), &CreateStreamInput{StreamName: new("d"), StreamModeDetails: &StreamModeDetails{StreamMode: new(onDemand)}}); err != nil {
		t.Fatal(err)
	}
	mine := *w.add(w.stream("s"), "k", "v").SequenceNumber
	theirs := number{created: w.clock().Unix() + 5, seq: 1, at: 1, shard: 0}.String()
	other := number{created: w.clock().Unix(), seq: 1, at: 1, shard: 3}.String()
	future := number{created: w.clock().Unix(), seq: 1, at: w.clock().Unix() + 100, shard: 0}.String()
	at := func(kind string, more ...any) m {
		in := m{"StreamName": "s", "ShardId": shard0, "ShardIteratorType": kind}
		for i := 0; i < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return in
	}
	for _, tt := range []struct {
		op         string
		in         m
		code, text string
	}{
		{"CreateStream", m{"StreamName": "s", "ShardCount": 1}, "ResourceInUse", "Stream s under account 000000000000 already exists."},
		{"CreateStream", m{"StreamName": "n"}, "Validation", "ShardCount is required"},
		{"CreateStream", m{"StreamName": "n", "ShardCount": 1, "StreamModeDetails": m{"StreamMode": "ON_DEMAND"}}, "Validation", "ShardCount must not"},
		{"CreateStream", m{"StreamName": "n", "ShardCount": 20001}, "LimitExceeded", "limit"},
		{"CreateStream", m{"StreamName": "no name", "ShardCount": 1}, "Validation", "regular expression"},
		{"CreateStream", m{"StreamName": "n", "ShardCount": 1, "Tags": m{"a": "$"}}, "InvalidArgument", "invalid characters"},
		{"DescribeStream", m{"StreamName": "x"}, "ResourceNotFound", "Stream x under account 000000000000 not found."},
		{"DescribeStream", m{}, "InvalidArgument", "Either StreamName or StreamARN"},
		{"DescribeStream", m{"StreamARN": arnS, "StreamName": "t"}, "InvalidArgument", "do not name the same stream"},
		{"DescribeStream", m{"StreamARN": "arn:aws:kinesis:us-east-1:111122223333:stream/s"}, "ResourceNotFound", "under account 111122223333"},
		{"DescribeStream", m{"StreamARN": "arn:aws:kinesis:eu-west-1:000000000000:stream/s"}, "ResourceNotFound", "not found"},
		{"ListStreams", m{"NextToken": "x"}, "InvalidArgument", "NextToken"},
		{"PutRecord", m{"StreamName": "x", "PartitionKey": "k", "Data": []byte("v")}, "ResourceNotFound", "Stream x under"},
		{"PutRecord", m{"StreamName": "s", "Data": []byte("v")}, "Validation", "Value null at 'partitionKey' failed to satisfy constraint: Member must not be null"},
		{"PutRecord", m{"StreamName": "s", "PartitionKey": "k"}, "Validation", "Value null at 'data'"},
		{"PutRecord", m{"StreamName": "s", "PartitionKey": "k", "Data": []byte("v"), "ExplicitHashKey": "340282366920938463463374607431768211456"}, "InvalidArgument",
			"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was 340282366920938463463374607431768211456"},
		{"PutRecord", m{"StreamName": "s", "PartitionKey": "k", "Data": []byte("v"), "SequenceNumberForOrdering": "1"}, "InvalidArgument",
			"ExclusiveMinimumSequenceNumber 1 used in PutRecord on stream s under account 000000000000 is invalid."},
		{"PutRecord", m{"StreamName": "s", "PartitionKey": "k", "Data": []byte("v"), "SequenceNumberForOrdering": future}, "InvalidArgument", "ExclusiveMinimumSequenceNumber"},
		{"PutRecord", m{"StreamName": "s", "PartitionKey": "k", "Data": []byte("v"), "DryRun": true}, "DryRunOperation", "would have succeeded"},
		{"PutRecords", m{"StreamName": "s", "Records": []any{m{"Data": []byte("v"), "PartitionKey": "k"}, m{"Data": []byte("v")}}}, "Validation",
			"Value null at 'records.2.member.partitionKey'"},
		{"PutRecords", m{"StreamName": "s", "Records": []any{}}, "Validation", "Value '[]' at 'records'"},
		{"GetShardIterator", at("LATEST", "ShardId", "shardId-000000000009"), "ResourceNotFound", "Shard shardId-000000000009 in stream s under account 000000000000 does not exist"},
		{"GetShardIterator", at("AT_SEQUENCE_NUMBER"), "InvalidArgument", "Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber."},
		{"GetShardIterator", at("LATEST", "StartingSequenceNumber", mine), "InvalidArgument", "Request specified LATEST and also a StartingSequenceNumber."},
		{"GetShardIterator", at("AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber", "77"), "InvalidArgument",
			"StartingSequenceNumber 77 used in GetShardIterator on shard shardId-000000000000 in stream s under account 000000000000 is invalid."},
		{"GetShardIterator", at("AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber", theirs), "InvalidArgument", "is invalid because it did not come from this stream."},
		{"GetShardIterator", at("AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber", other), "InvalidArgument",
			"Invalid StartingSequenceNumber. It encodes shardId-000000000003, while it was used in a call to a shard with shardId-000000000000"},
		{"GetShardIterator", at("AT_TIMESTAMP"), "InvalidArgument", "Must specify timestamp"},
		{"GetShardIterator", at("AT_TIMESTAMP", "Timestamp", w.clock().Add(time.Hour)), "InvalidArgument", "cannot be greater than the currentTimestampInMillis"},
		{"GetShardIterator", at("LATEST", "DryRun", true), "DryRunOperation", ""},
		{"GetRecords", m{"ShardIterator": "AAAA"}, "InvalidArgument", "Invalid ShardIterator."},
		{"GetRecords", m{"ShardIterator": iterator{stream: 99, at: w.ms()}.String()}, "ResourceNotFound", "does not exist"},
		{"GetRecords", m{"ShardIterator": iterator{stream: w.stream("s").id, at: w.ms() - iteratorLife - 1}.String()}, "ExpiredIterator",
			"Iterator expired. The iterator was created at time Tue Nov 14 22:08:20 UTC 2023 while right now it is Tue Nov 14 22:13:20 UTC 2023 which is further in the future than the tolerated delay of 300000 milliseconds."},
		{"GetRecords", m{"ShardIterator": iterator{stream: w.stream("s").id, at: w.ms()}.String(), "StreamARN": arnS + "x"}, "InvalidArgument", "does not name the stream"},
		{"ListShards", m{}, "InvalidArgument", "Either StreamName"},
		{"ListShards", m{"NextToken": "x", "StreamName": "s"}, "InvalidArgument", "NextToken and StreamName cannot be provided together."},
		{"ListShards", m{"NextToken": "x"}, "InvalidArgument", "NextToken is invalid"},
		{"ListShards", m{"NextToken": makeToken("shards", fmt.Sprintf(`{"s":1,"f":"","m":%d}`, w.ms()-iteratorLife-1))}, "ExpiredNextToken", "expired"},
		{"ListShards", m{"StreamName": "s", "ShardFilter": m{"Type": "AFTER_SHARD_ID"}}, "InvalidArgument", "ShardId must be specified"},
		{"ListShards", m{"StreamName": "s", "ShardFilter": m{"Type": "AT_TIMESTAMP"}}, "InvalidArgument", "Timestamp must be specified"},
		{"ListShards", m{"StreamName": "s", "StreamCreationTimestamp": time.Unix(5, 0)}, "ResourceNotFound", ""},
		{"IncreaseStreamRetentionPeriod", m{"StreamName": "s", "RetentionPeriodHours": 8761}, "InvalidArgument",
			"Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long."},
		{"IncreaseStreamRetentionPeriod", m{"StreamName": "s", "RetentionPeriodHours": 23}, "InvalidArgument",
			"Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short."},
		{"DecreaseStreamRetentionPeriod", m{"StreamName": "s", "RetentionPeriodHours": 25}, "InvalidArgument",
			"Requested retention period (25 hours) for stream s can not be longer than existing retention period (24 hours). Use IncreaseRetentionPeriod API."},
		{"SplitShard", m{"StreamName": "d", "ShardToSplit": shard0, "NewStartingHashKey": "1000"}, "Validation",
			"Request is invalid. Stream d under account 000000000000 is in On-Demand mode."},
		{"UpdateShardCount", m{"StreamName": "d", "TargetShardCount": 5, "ScalingType": scheme}, "Validation", "On-Demand mode"},
		{"UpdateStreamMode", m{"StreamARN": arnS, "StreamModeDetails": m{"StreamMode": "PROVISIONED"}}, "InvalidArgument", "already in PROVISIONED"},
		{"UpdateStreamWarmThroughput", m{"StreamName": "s", "WarmThroughputMiBps": 5}, "Validation", "ON_DEMAND"},
		{"UpdateStreamWarmThroughput", m{"StreamName": "d", "WarmThroughputMiBps": 5}, "Validation", "MinimumThroughputBillingCommitment"},
		{"UpdateStreamRecordDistributionStrategy", m{"StreamARN": arnS, "RecordDistributionStrategy": "AUTO"}, "InvalidArgument", "ON_DEMAND"},
		{"UpdateMaxRecordSize", m{"StreamARN": arnS, "MaxRecordSizeInKiB": 1023}, "Validation", "greater than or equal to 1024"},
		{"StartStreamEncryption", m{"StreamName": "s", "EncryptionType": "NONE", "KeyId": "k"}, "Validation", "KMS"},
		{"AddTagsToStream", m{"StreamName": "s", "Tags": many(51)}, "InvalidArgument", "more than 50 tags"},
		{"AddTagsToStream", m{"StreamName": "s", "Tags": m{"aws:x": "y"}}, "InvalidArgument", "reserved"},
		{"TagResource", m{"ResourceARN": arnS + "x", "Tags": m{"a": "b"}}, "ResourceNotFound", ""},
		{"GetResourcePolicy", m{"ResourceARN": arnS}, "ResourceNotFound", "No resource policy"},
		{"DeleteResourcePolicy", m{"ResourceARN": arnS}, "ResourceNotFound", "No resource policy"},
		{"PutResourcePolicy", m{"ResourceARN": arnS, "Policy": "{"}, "InvalidArgument", "policy"},
		{"DescribeStreamConsumer", m{"ConsumerARN": arnS + "/consumer/c:1"}, "ResourceNotFound", "Consumer"},
		{"DescribeStreamConsumer", m{"StreamARN": arnS, "ConsumerName": "c"}, "ResourceNotFound", "Consumer c, account 000000000000 not found."},
		{"DescribeStreamConsumer", m{"ConsumerName": "c"}, "InvalidArgument", "Either ConsumerARN"},
		{"ListStreamConsumers", m{"StreamARN": arnS, "NextToken": "x"}, "InvalidArgument", "NextToken"},
		{"CreateQueue", m{}, "UnsupportedOperation", "Mayfly does not serve kinesis:CreateQueue yet."},
	} {
		for protocol, c := range w.clients() {
			if tt.op == "CreateQueue" && protocol == "cbor" {
				continue // it is the same front end
			}
			a := c.Do(tt.op, tt.in, nil)
			if a.Status != 400 || a.Code != tt.code+"Exception" || !strings.Contains(a.Message, tt.text) {
				t.Errorf("%s, %s %v:\ngot  %d %s: %s\nwant %s: %s", protocol, tt.op, tt.in, a.Status, a.Code, a.Message, tt.code, tt.text)
			}
		}
	}
}

func many(n int) m {
	tags := m{}
	for i := range n {
		tags[fmt.Sprint(i)] = "v"
	}
	return tags
}

// TestProtocols: a record goes round in both protocols, times and bytes whole.
func TestProtocols(t *testing.T) {
	w := newWorld(t)
	w.make("s", 1)
	data := []byte{0, 0xff, 'x'}
	for protocol, c := range w.clients() {
		var put PutRecordOutput
		if a := c.Do("PutRecord", m{"StreamName": "s", "PartitionKey": "é", "Data": data}, &put); a.Status != 200 {
			t.Fatal(protocol, a.Message)
		}
		var it GetShardIteratorOutput
		c.Do("GetShardIterator", m{"StreamName": "s", "ShardId": shard0, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": *put.SequenceNumber}, &it)
		a := c.Do("GetRecords", m{"ShardIterator": *it.ShardIterator}, nil)
		if a.Status != 200 || len(a.Body) < 100 {
			t.Errorf("%s: %d %s", protocol, a.Status, a.Body)
		}
		if protocol == "json" && !strings.Contains(string(a.Body), `"ApproximateArrivalTimestamp":1700000000.5,"Data":"AP94","PartitionKey":"é"`) {
			t.Errorf("%s", a.Body)
		}
		if protocol == "cbor" && !strings.Contains(string(a.Body), "\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x69\xf4") { // a time, in milliseconds
			t.Errorf("%x", a.Body)
		}
	}
}

// TestLists: names and shards page by page.
func TestLists(t *testing.T) {
	w := newWorld(t)
	c := w.clients()["json"]
	for _, n := range []string{"b", "a", "c"} {
		w.make(n, 5)
	}
	var list ListStreamsOutput
	c.Do("ListStreams", m{"Limit": 2}, &list)
	if fmt.Sprint(list.StreamNames) != "[a b]" || !*list.HasMoreStreams || *list.StreamSummaries[0].StreamStatus != active {
		t.Errorf("%+v", list)
	}
	var rest ListStreamsOutput
	c.Do("ListStreams", m{"NextToken": *list.NextToken}, &rest)
	if fmt.Sprint(rest.StreamNames) != "[c]" || *rest.HasMoreStreams || rest.NextToken != nil {
		t.Errorf("%+v", rest)
	}
	c.Do("ListStreams", m{"ExclusiveStartStreamName": "bb"}, &rest)
	if fmt.Sprint(rest.StreamNames) != "[c]" {
		t.Errorf("behind bb: %v", rest.StreamNames)
	}
	var shards ListShardsOutput
	c.Do("ListShards", m{"StreamName": "a", "MaxResults": 3}, &shards)
	names := ""
	for n := 0; n < 3; n++ {
		for _, s := range shards.Shards {
			names += strings.TrimLeft((*s.ShardId)[8:], "0") + " "
		}
		if shards.NextToken == nil {
			break
		}
		token := *shards.NextToken
		shards = ListShardsOutput{}
		c.Do("ListShards", m{"NextToken": token, "MaxResults": 3}, &shards)
	}
	if names != " 1 2 3 4 " {
		t.Errorf("shards %q", names)
	}
	var d DescribeStreamOutput
	c.Do("DescribeStream", m{"StreamName": "a", "Limit": 2, "ExclusiveStartShardId": "shardId-000000000001"}, &d)
	if s := d.StreamDescription; len(s.Shards) != 2 || *s.Shards[0].ShardId != "shardId-000000000002" || !*s.HasMoreShards {
		t.Errorf("%+v", s)
	}
}

// TestSettings: what is set is described, also after a restart.
func TestSettings(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	do := func(op string, in m, out any) {
		t.Helper()
		if a := w.clients()["cbor"].Do(op, in, out); a.Status != 200 {
			t.Fatalf("%s: %s %s", op, a.Code, a.Message)
		}
	}
	do("IncreaseStreamRetentionPeriod", m{"StreamName": "s", "RetentionPeriodHours": 72}, nil)
	do("DecreaseStreamRetentionPeriod", m{"StreamARN": arnS, "RetentionPeriodHours": 48}, nil)
	do("StartStreamEncryption", m{"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/k"}, nil)
	do("UpdateMaxRecordSize", m{"StreamARN": arnS, "MaxRecordSizeInKiB": 2000}, nil)
	var on EnhancedMonitoringOutput
	do("EnableEnhancedMonitoring", m{"StreamName": "s", "ShardLevelMetrics": []any{"ALL"}}, &on)
	do("DisableEnhancedMonitoring", m{"StreamName": "s", "ShardLevelMetrics": []any{"IncomingBytes"}}, &on)
	if len(on.CurrentShardLevelMetrics) != 7 || len(on.DesiredShardLevelMetrics) != 6 {
		t.Errorf("%+v", on)
	}
	do("AddTagsToStream", m{"StreamName": "s", "Tags": m{"a": "1", "b": "2", "c": "3"}}, nil)
	do("RemoveTagsFromStream", m{"StreamName": "s", "TagKeys": []any{"b"}}, nil)
	do("TagResource", m{"ResourceARN": arnS, "Tags": m{"d": ""}}, nil)
	do("PutResourcePolicy", m{"ResourceARN": arnS, "Policy": `{"Statement":[]}`}, nil)
	do("UpdateStreamMode", m{"StreamARN": arnS, "StreamModeDetails": m{"StreamMode": "ON_DEMAND"}}, nil)
	do("UpdateStreamRecordDistributionStrategy", m{"StreamARN": arnS, "RecordDistributionStrategy": "AUTO"}, nil)
	do("UpdateAccountSettings", m{"MinimumThroughputBillingCommitment": m{"Status": "ENABLED"}}, nil)
	do("UpdateStreamWarmThroughput", m{"StreamARN": arnS, "WarmThroughputMiBps": 3}, nil)
	out := w.add(st, "k", "v")
	if value0(out.EncryptionType) != "KMS" {
		t.Errorf("put: %+v", out)
	}
	w.again()
	var d DescribeStreamSummaryOutput
	do("DescribeStreamSummary", m{"StreamName": "s"}, &d)
	s := d.StreamDescriptionSummary
	if *s.RetentionPeriodHours != 48 || *s.EncryptionType != "KMS" || *s.KeyId != "alias/k" || *s.MaxRecordSizeInKiB != 2000 || *s.OpenShardCount != 3 ||
		len(s.EnhancedMonitoring[0].ShardLevelMetrics) != 6 || *s.StreamModeDetails.StreamMode != onDemand || *s.RecordDistributionStrategy != auto ||
		*s.WarmThroughput.CurrentMiBps != 3 || *s.StreamStatus != active || s.StreamCreationTimestamp.Unix() != 1_700_000_000 {
		t.Errorf("%+v", s)
	}
	var tags ListTagsForStreamOutput
	do("ListTagsForStream", m{"StreamName": "s", "ExclusiveStartTagKey": "a", "Limit": 1}, &tags)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "c" || *tags.Tags[0].Value != "3" || !*tags.HasMoreTags {
		t.Errorf("%+v", tags)
	}
	var policy GetResourcePolicyOutput
	do("GetResourcePolicy", m{"ResourceARN": arnS}, &policy)
	if *policy.Policy != `{"Statement":[]}` {
		t.Errorf("policy %s", *policy.Policy)
	}
	var account DescribeAccountSettingsOutput
	do("DescribeAccountSettings", m{}, &account)
	if b := account.MinimumThroughputBillingCommitment; *b.Status != enabled || b.StartedAt == nil || b.EndedAt != nil {
		t.Errorf("%+v", b)
	}
	var limits DescribeLimitsOutput
	do("DescribeLimits", m{}, &limits)
	if *limits.OpenShardCount != 3 || *limits.OnDemandStreamCount != 1 {
		t.Errorf("%+v", limits)
	}
	// With AUTO the key does not matter.
	places := map[string]bool{}
	for range 40 {
		places[*w.add(w.stream("s"), "one key", "v").ShardId] = true
	}
	if len(places) < 2 {
		t.Errorf("40 records went to %v", places)
	}
	do("StopStreamEncryption", m{"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/k"}, nil)
	do("DeleteStream", m{"StreamName": "s"}, nil)
	if a := w.clients()["json"].Do("DescribeStream", m{"StreamName": "s"}, nil); a.Code != "ResourceNotFoundException" {
		t.Errorf("deleted: %+v", a)
	}
}

// TestStates: with a time for them, streams pass through AWS's states.
func TestStates(t *testing.T) {
	w := newWorld(t)
	w.shut()
	w.Settle = time.Hour
	w.open()
	if _, err := w.api.createStream(t.Context(), &CreateStreamInput{StreamName: new("s"), ShardCount: new(int32(1))}); err != nil {
		t.Fatal(err)
	}
	c := w.clients()["json"]
	is := func(want string) {
		t.Helper()
		var d DescribeStreamSummaryOutput
		if c.Do("DescribeStreamSummary", m{"StreamName": "s"}, &d); d.StreamDescriptionSummary == nil || *d.StreamDescriptionSummary.StreamStatus != want {
			t.Errorf("%+v, want %s", d.StreamDescriptionSummary, want)
		}
	}
	is(creating)
	if a := c.Do("PutRecord", m{"StreamName": "s", "PartitionKey": "k", "Data": []byte("v")}, nil); a.Code != "ResourceNotFoundException" {
		t.Errorf("while it is made: %+v", a)
	}
	for range 4 {
		w.api.createStream(t.Context(), &CreateStreamInput{StreamName: new(fmt.Sprint("s", len(w.all()))), ShardCount: new(int32(1))})
	}
	if a := c.Do("CreateStream", m{"StreamName": "six", "ShardCount": 1}, nil); a.Code != "LimitExceededException" {
		t.Errorf("a sixth that is made: %+v", a)
	}
	st := w.stream("s")
	st.setStatus(active)
	w.passing(st, updating)
	is(updating)
	if a := c.Do("SplitShard", m{"StreamName": "s", "ShardToSplit": shard0, "NewStartingHashKey": "1000"}, nil); a.Code != "ResourceInUseException" ||
		a.Message != "Stream s under account 000000000000 not ACTIVE, instead in state UPDATING" {
		t.Errorf("while it changes: %+v", a)
	}
	if a := c.Do("PutRecord", m{"StreamName": "s", "PartitionKey": "k", "Data": []byte("v")}, nil); a.Status != 200 {
		t.Errorf("a put while it changes: %+v", a)
	}
	st.setStatus(active)
	c.Do("DeleteStream", m{"StreamName": "s"}, nil)
	is(deleting)
}
