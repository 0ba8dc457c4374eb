package kinesis

import (
	"context"
	"slices"
)

// hold finds a stream whose shards can be changed, and keeps others from
// changing it until release is called.
func (a *api) hold(name, streamARN *string, manual bool) (st *stream, release func(), err error) {
	a.admin.Lock()
	if st, err = a.ready(name, streamARN); err == nil && manual && st.set.Load().Mode == onDemand {
		err = validation("Request is invalid. Stream %s under account %s is in On-Demand mode.", st.name, a.account)
	}
	if err != nil {
		a.admin.Unlock()
		return nil, nil, err
	}
	return st, a.admin.Unlock, nil
}

// openShard finds an open shard of st.
func (a *api) openShard(st *stream, name, op string) (*shard, error) {
	sh := st.shard(name)
	if sh == nil {
		return nil, a.noShard(name, st.name)
	}
	if !sh.isOpen() {
		return nil, invalid("Shard %s in stream %s under account %s is not open, and cannot be used in %s().", name, st.name, a.account, op)
	}
	return sh, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SplitShard.html
func (a *api) splitShard(_ context.Context, in *SplitShardInput) (*SplitShardResponse, error) {
	st, release, err := a.hold(in.StreamName, in.StreamARN, true)
	if err != nil {
		return nil, err
	}
	defer release()
	sh, err := a.openShard(st, *in.ShardToSplit, "SplitShard")
	if err != nil {
		return nil, err
	}
	key, ok := parseHash(*in.NewStartingHashKey)
	if !ok || key.compare(sh.low.plus(1)) <= 0 || key.compare(sh.high) >= 0 {
		return nil, invalid("NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s is not both greater than one plus the shard's "+
			"StartingHashKey %s and less than the shard's EndingHashKey %s.", *in.NewStartingHashKey, sh.name(), st.name, a.account, sh.low, sh.high)
	}
	if err := a.roomFor(1, provisioned, false); err != nil {
		return nil, err
	}
	err = a.reshape(st, func(r *reshaping, _ layout) { r.split(sh, key) })
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	return &SplitShardResponse{}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_MergeShards.html
func (a *api) mergeShards(_ context.Context, in *MergeShardsInput) (*MergeShardsResponse, error) {
	st, release, err := a.hold(in.StreamName, in.StreamARN, true)
	if err != nil {
		return nil, err
	}
	defer release()
	one, err := a.openShard(st, *in.ShardToMerge, "MergeShards")
	if err != nil {
		return nil, err
	}
	other, err := a.openShard(st, *in.AdjacentShardToMerge, "MergeShards")
	if err != nil {
		return nil, err
	}
	beside := func(a, b *shard) bool { return a.high != maxHash && a.high.plus(1) == b.low }
	if !beside(one, other) && !beside(other, one) {
		return nil, invalid("Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging", one.name(), other.name(), st.name, a.account)
	}
	err = a.reshape(st, func(r *reshaping, _ layout) {
		if beside(one, other) {
			r.merge(one, other)
			return
		}
		sh := r.merge(one, other) // the parent is the one that was named first
		sh.low, sh.high = other.low, one.high
	})
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	return &MergeShardsResponse{}, nil
}

const (
	scalesADay   = 10
	switchesADay = 2
	day          = 24 * 3600_000 // milliseconds
)

// recent are the times that lie in the last day.
func recent(times []int64, now int64) []int64 {
	return slices.DeleteFunc(slices.Clone(times), func(t int64) bool { return t <= now-day })
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateShardCount.html
func (a *api) updateShardCount(ctx context.Context, in *UpdateShardCountInput) (*UpdateShardCountOutput, error) {
	st, release, err := a.hold(in.StreamName, in.StreamARN, true)
	if err != nil {
		return nil, err
	}
	defer release()
	open, want := len(st.layout().open), int(*in.TargetShardCount)
	scaled := recent(st.set.Load().Scaled, a.ms())
	counts := func(text string) error {
		return overLimit("%s Current open shard count: %d, Target shard count: %d", text, open, want)
	}
	switch {
	case want > shardsAtOnce:
		return nil, counts("Target shard count or number of open shards cannot be greater than " + digits(shardsAtOnce) + ".")
	case want > 2*open:
		return nil, counts("UpdateShardCount cannot scale up over double your current open shard count.")
	case 2*want < open:
		return nil, counts("UpdateShardCount cannot scale down below half your current open shard count.")
	case want == open:
		return nil, invalid("Target shard count of %d is the current open shard count of stream %s under account %s.", want, st.name, a.account)
	case len(scaled) >= scalesADay:
		return nil, overLimit("UpdateShardCount for stream %s under account %s has been called %d times in the last 24 hours, which is the limit.", st.name, a.account, scalesADay)
	}
	if err := a.roomFor(max(want-open, 0), provisioned, false); err != nil {
		return nil, err
	}
	err = a.changeLocked(ctx, st, func(s *settings) error {
		s.Scaled = append(scaled, a.ms())
		return nil
	})
	if err == nil {
		err = a.reshape(st, func(r *reshaping, l layout) { r.uniform(l.open, want) })
	}
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	return &UpdateShardCountOutput{StreamName: &st.name, StreamARN: &st.arn, CurrentShardCount: new(int32(open)), TargetShardCount: in.TargetShardCount}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateStreamMode.html
func (a *api) updateStreamMode(ctx context.Context, in *UpdateStreamModeInput) (*UpdateStreamModeResponse, error) {
	st, release, err := a.hold(nil, in.StreamARN, false)
	if err != nil {
		return nil, err
	}
	defer release()
	mode, set := value0(in.StreamModeDetails.StreamMode), st.set.Load()
	switched := recent(set.Switched, a.ms())
	switch {
	case mode == set.Mode:
		return nil, invalid("Stream %s under account %s is already in %s mode.", st.name, a.account, mode)
	case mode == provisioned && in.WarmThroughputMiBps != nil:
		return nil, invalid("WarmThroughputMiBps is only supported for streams in ON_DEMAND mode.")
	case len(switched) >= switchesADay:
		return nil, overLimit("The mode of stream %s under account %s can be switched at most %d times in 24 hours.", st.name, a.account, switchesADay)
	}
	err = a.changeLocked(ctx, st, func(s *settings) error {
		s.Mode, s.Switched = mode, append(switched, a.ms())
		s.WarmMiBps = int(value0(in.WarmThroughputMiBps))
		if mode == provisioned {
			s.Strategy = ""
		}
		return nil
	})
	if err == nil {
		err = a.alone(func(context.Context) error { // the limits are the line's own
			for _, sh := range st.layout().open {
				st.limits(sh)
			}
			return nil
		})
	}
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	a.passing(st, updating)
	return &UpdateStreamModeResponse{}, nil
}
