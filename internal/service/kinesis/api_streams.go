package kinesis

import (
	"context"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// The account's limits.
//
// https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
const (
	shardLimit    = 20000
	onDemandLimit = 50
	shardsAtOnce  = 10000 // in one stream
	onDemandFirst = 4     // what a stream on demand begins with
	defaultHours  = 24
	defaultKiB    = 1024
	maxTags       = 50
	maxCreating   = 5
)

// roomFor refuses what would go over the account's limits.
func (b *Book) roomFor(shards int, mode string, fresh bool) error {
	open, demand, making := 0, 0, 0
	for _, st := range b.all() {
		l := st.layout()
		open += len(l.open)
		if st.set.Load().Mode == onDemand {
			demand++
		}
		if l.status == creating {
			making++
		}
	}
	switch {
	case fresh && making >= maxCreating:
		return overLimit("This request would exceed the limit of %d streams in the CREATING state for the account %s.", maxCreating, b.account)
	case mode == onDemand && fresh && demand >= onDemandLimit:
		return overLimit("This request would exceed the on-demand stream limit for the account %s in %s. Current on-demand stream count for the account: %d. Limit: %d.",
			b.account, b.region, demand, onDemandLimit)
	case open+shards > shardLimit:
		return overLimit("This request would exceed the shard limit for the account %s in %s. Current shard count for the account: %d. Limit: %d. "+
			"Number of additional shards that would have resulted from this request: %d. Refer to the AWS Service Limits page "+
			"(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.",
			b.account, b.region, open, shardLimit, shards)
	}
	return nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html
func (a *api) createStream(ctx context.Context, in *CreateStreamInput) (*CreateStreamResponse, error) {
	set := &settings{Mode: provisioned, Hours: defaultHours, MaxKiB: defaultKiB, Tags: in.Tags,
		Strategy: value0(in.RecordDistributionStrategy), WarmMiBps: int(value0(in.WarmThroughputMiBps))}
	if in.StreamModeDetails != nil {
		set.Mode = value0(in.StreamModeDetails.StreamMode)
	}
	if in.MaxRecordSizeInKiB != nil {
		set.MaxKiB = int(*in.MaxRecordSizeInKiB)
	}
	n := int(value0(in.ShardCount))
	switch {
	case set.Mode == provisioned && in.ShardCount == nil:
		return nil, validation("ShardCount is required for streams in PROVISIONED mode.")
	case set.Mode == onDemand && in.ShardCount != nil:
		return nil, validation("ShardCount must not be specified for streams in ON_DEMAND mode.")
	case set.Mode == provisioned && set.Strategy == auto:
		return nil, invalid("RecordDistributionStrategy AUTO is only supported for streams in ON_DEMAND mode.")
	case set.Mode == provisioned && set.WarmMiBps > 0:
		return nil, validation("WarmThroughputMiBps is only supported for streams in ON_DEMAND mode.")
	case n > shardsAtOnce:
		return nil, overLimit("This request would exceed the shard limit of %d for a stream.", shardsAtOnce)
	}
	if set.Mode == onDemand {
		n = max(onDemandFirst, set.WarmMiBps)
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if err := a.create(ctx, *in.StreamName, n, set); err != nil {
		return nil, a.fault(err, *in.StreamName)
	}
	return &CreateStreamResponse{}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DeleteStream.html
func (a *api) deleteStream(ctx context.Context, in *DeleteStreamInput) (*DeleteStreamResponse, error) {
	st, err := a.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if status := st.layout().status; status != active {
		return nil, a.notActive(st, status)
	}
	if len(st.set.Load().Consumers) > 0 && !value0(in.EnforceConsumerDeletion) {
		return nil, inUse("Stream %s under account %s has enhanced fan-out consumers. Specify EnforceConsumerDeletion to delete it with them.", st.name, a.account)
	}
	if err := a.remove(ctx, st); err != nil {
		return nil, a.fault(err, st.name)
	}
	return &DeleteStreamResponse{}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeStream.html
func (a *api) describeStream(_ context.Context, in *DescribeStreamInput) (*DescribeStreamOutput, error) {
	st, err := a.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	l, set := st.layout(), st.set.Load()
	shards := l.shards
	if in.ExclusiveStartShardId != nil {
		shards = after(shards, *in.ExclusiveStartShardId)
	}
	limit := 100
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	d := &StreamDescription{StreamName: &st.name, StreamARN: &st.arn, StreamStatus: &l.status, StreamCreationTimestamp: moment(st.created / 1000 * 1000),
		RetentionPeriodHours: new(int32(set.Hours)), StreamModeDetails: &StreamModeDetails{StreamMode: &set.Mode},
		EnhancedMonitoring: metrics(set), EncryptionType: new(set.encryption()), HasMoreShards: new(len(shards) > limit), Shards: []*Shard{}}
	if set.Key != "" {
		d.KeyId = &set.Key
	}
	for _, sh := range shards[:min(limit, len(shards))] {
		d.Shards = append(d.Shards, sh.describe())
	}
	return &DescribeStreamOutput{StreamDescription: d}, nil
}

// after are the shards that follow the one of that name.
func after(shards []*shard, name string) []*shard {
	i, found := slices.BinarySearchFunc(shards, name, func(sh *shard, name string) int { return strings.Compare(sh.name(), name) })
	if found {
		i++
	}
	return shards[i:]
}

func metrics(set *settings) []*EnhancedMetrics {
	m := set.Metrics
	if m == nil {
		m = []string{}
	}
	return []*EnhancedMetrics{{ShardLevelMetrics: m}}
}

// describe is a shard as the API shows it.
func (s *shard) describe() *Shard {
	d := &Shard{ShardId: new(s.name()), HashKeyRange: s.keys(),
		SequenceNumberRange: &SequenceNumberRange{StartingSequenceNumber: new(s.number(0, s.created*1000))}}
	if p := s.parents[0]; p != none {
		d.ParentShardId = new(shardID(p))
	}
	if p := s.parents[1]; p != none {
		d.AdjacentParentShardId = new(shardID(p))
	}
	if closed := s.view().closedAt; closed != 0 {
		d.SequenceNumberRange.EndingSequenceNumber = new(s.number(lastSeq, closed))
	}
	return d
}

func (s *shard) keys() *HashKeyRange {
	return &HashKeyRange{StartingHashKey: new(s.low.String()), EndingHashKey: new(s.high.String())}
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeStreamSummary.html
func (a *api) describeStreamSummary(_ context.Context, in *DescribeStreamSummaryInput) (*DescribeStreamSummaryOutput, error) {
	st, err := a.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	l, set := st.layout(), st.set.Load()
	d := &StreamDescriptionSummary{StreamName: &st.name, StreamARN: &st.arn, StreamStatus: &l.status, StreamCreationTimestamp: moment(st.created / 1000 * 1000),
		RetentionPeriodHours: new(int32(set.Hours)), StreamModeDetails: &StreamModeDetails{StreamMode: &set.Mode}, EnhancedMonitoring: metrics(set),
		EncryptionType: new(set.encryption()), OpenShardCount: new(int32(len(l.open))), ConsumerCount: new(int32(len(set.Consumers))),
		MaxRecordSizeInKiB: new(int32(set.MaxKiB))}
	if set.Key != "" {
		d.KeyId = &set.Key
	}
	if set.Mode == onDemand {
		d.RecordDistributionStrategy = new(set.strategy())
		d.WarmThroughput = warmth(set)
	}
	return &DescribeStreamSummaryOutput{StreamDescriptionSummary: d}, nil
}

// warmth is nil for a stream whose throughput was not asked for.
func warmth(set *settings) *WarmThroughputObject {
	if set.WarmMiBps == 0 {
		return nil
	}
	return &WarmThroughputObject{CurrentMiBps: new(int32(set.WarmMiBps)), TargetMiBps: new(int32(set.WarmMiBps))}
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListStreams.html
func (a *api) listStreams(_ context.Context, in *ListStreamsInput) (*ListStreamsOutput, error) {
	from := value0(in.ExclusiveStartStreamName)
	if in.NextToken != nil {
		token, ok := parseToken("streams", *in.NextToken)
		if !ok {
			return nil, invalid("NextToken is invalid.")
		}
		from = token
	}
	list := a.all()
	slices.SortFunc(list, func(a, b *stream) int { return strings.Compare(a.name, b.name) })
	list = list[len(list)-countAfter(list, from):]
	limit := 100
	if in.Limit != nil {
		limit = min(int(*in.Limit), 10000)
	}
	out := &ListStreamsOutput{HasMoreStreams: new(len(list) > limit), StreamNames: []string{}, StreamSummaries: []*StreamSummary{}}
	for _, st := range list[:min(limit, len(list))] {
		l, set := st.layout(), st.set.Load()
		out.StreamNames = append(out.StreamNames, st.name)
		out.StreamSummaries = append(out.StreamSummaries, &StreamSummary{StreamName: &st.name, StreamARN: &st.arn, StreamStatus: &l.status,
			StreamCreationTimestamp: moment(st.created / 1000 * 1000), StreamModeDetails: &StreamModeDetails{StreamMode: &set.Mode}})
	}
	if *out.HasMoreStreams {
		out.NextToken = new(makeToken("streams", list[limit-1].name))
	}
	return out, nil
}

// countAfter is how many of the sorted list come after a name.
func countAfter(list []*stream, name string) int {
	i, found := slices.BinarySearchFunc(list, name, func(st *stream, name string) int { return strings.Compare(st.name, name) })
	if found {
		i++
	}
	return len(list) - i
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html
func (a *api) listShards(_ context.Context, in *ListShardsInput) (*ListShardsOutput, error) {
	st, from, filter, err := a.shardsWanted(in)
	if err != nil {
		return nil, err
	}
	shards, err := a.filtered(st, filter)
	if err != nil {
		return nil, err
	}
	if from != "" {
		shards = after(shards, from)
	}
	limit := 1000
	if in.MaxResults != nil {
		limit = min(int(*in.MaxResults), 1000)
	}
	out := &ListShardsOutput{Shards: []*Shard{}}
	for _, sh := range shards[:min(limit, len(shards))] {
		out.Shards = append(out.Shards, sh.describe())
	}
	if len(shards) > limit {
		out.NextToken = new(a.shardsToken(st, shards[limit-1].name(), filter))
	}
	return out, nil
}

// checkTime holds the time that a request knows of a stream to its own.
func (a *api) checkTime(st *stream, t *wire.Time) error {
	if t != nil && t.Unix() != st.created/1000 {
		return notFound("Stream %s under account %s not found.", st.name, a.account)
	}
	return nil
}
