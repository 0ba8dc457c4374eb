package kinesis

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// What may be kept, in hours.
//
// https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
const (
	minHours = 24
	maxHours = 8760
)

// retain changes how long records are kept.
func (a *api) retain(ctx context.Context, name, streamARN *string, hours int, check func(now int) error) error {
	st, err := a.ready(name, streamARN)
	if err != nil {
		return err
	}
	err = a.change(ctx, st, func(s *settings) error {
		switch {
		case hours < minHours:
			return invalid("Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.", minHours, hours)
		case hours > maxHours:
			return invalid("Maximum allowed retention period is %d hours. Requested retention period (%d hours) is too long.", maxHours, hours)
		}
		if err := check(s.Hours); err != nil {
			return err
		}
		s.Hours = hours
		return nil
	})
	if err != nil {
		return a.fault(err, st.name)
	}
	a.nudge()
	return nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_IncreaseStreamRetentionPeriod.html
func (a *api) increaseRetention(ctx context.Context, in *IncreaseStreamRetentionPeriodInput) (*IncreaseStreamRetentionPeriodResponse, error) {
	hours := int(*in.RetentionPeriodHours)
	err := a.retain(ctx, in.StreamName, in.StreamARN, hours, func(now int) error {
		if hours < now {
			return invalid("Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours). Use DecreaseRetentionPeriod API.",
				hours, a.label(in.StreamName, in.StreamARN), now)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &IncreaseStreamRetentionPeriodResponse{}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DecreaseStreamRetentionPeriod.html
func (a *api) decreaseRetention(ctx context.Context, in *DecreaseStreamRetentionPeriodInput) (*DecreaseStreamRetentionPeriodResponse, error) {
	hours := int(*in.RetentionPeriodHours)
	err := a.retain(ctx, in.StreamName, in.StreamARN, hours, func(now int) error {
		if hours > now {
			return invalid("Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours). Use IncreaseRetentionPeriod API.",
				hours, a.label(in.StreamName, in.StreamARN), now)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &DecreaseStreamRetentionPeriodResponse{}, nil
}

// label is the name of the stream that a request names, for a message.
func (a *api) label(name, streamARN *string) string {
	if st, err := a.find(name, streamARN); err == nil {
		return st.name
	}
	return value0(name)
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_EnableEnhancedMonitoring.html
func (a *api) enableMonitoring(ctx context.Context, in *EnableEnhancedMonitoringInput) (*EnhancedMonitoringOutput, error) {
	return a.monitor(ctx, in.StreamName, in.StreamARN, func(now []string) []string { return append(now, named(in.ShardLevelMetrics)...) })
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DisableEnhancedMonitoring.html
func (a *api) disableMonitoring(ctx context.Context, in *DisableEnhancedMonitoringInput) (*EnhancedMonitoringOutput, error) {
	off := named(in.ShardLevelMetrics)
	return a.monitor(ctx, in.StreamName, in.StreamARN, func(now []string) []string {
		return slices.DeleteFunc(now, func(m string) bool { return slices.Contains(off, m) })
	})
}

// named are the metrics that a list means.
func named(list []string) []string {
	if slices.Contains(list, "ALL") {
		return []string{"IncomingBytes", "IncomingRecords", "IteratorAgeMilliseconds", "OutgoingBytes", "OutgoingRecords",
			"ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded"}
	}
	return list
}

// monitor keeps which metrics are wanted. There are none to show yet.
func (a *api) monitor(ctx context.Context, name, streamARN *string, fn func([]string) []string) (*EnhancedMonitoringOutput, error) {
	st, err := a.ready(name, streamARN)
	if err != nil {
		return nil, err
	}
	out := &EnhancedMonitoringOutput{StreamName: &st.name, StreamARN: &st.arn}
	err = a.change(ctx, st, func(s *settings) error {
		out.CurrentShardLevelMetrics = append([]string{}, s.Metrics...)
		s.Metrics = slices.Compact(slices.Sorted(slices.Values(fn(s.Metrics))))
		out.DesiredShardLevelMetrics = append([]string{}, s.Metrics...)
		return nil
	})
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	return out, nil
}

// encrypt keeps what was said of encryption. What it is worth is the disk's
// business: records are kept as they come.
func (a *api) encrypt(ctx context.Context, name, streamARN *string, kind, key string) error {
	st, err := a.ready(name, streamARN)
	if err != nil {
		return err
	}
	err = a.change(ctx, st, func(s *settings) error {
		s.Encryption, s.Key = kind, key
		return nil
	})
	if err == nil {
		a.passing(st, updating)
	}
	return a.fault(err, st.name)
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_StartStreamEncryption.html
func (a *api) startEncryption(ctx context.Context, in *StartStreamEncryptionInput) (*StartStreamEncryptionResponse, error) {
	if *in.EncryptionType != "KMS" {
		return nil, validation("EncryptionType must be KMS to start encryption.")
	}
	return &StartStreamEncryptionResponse{}, a.encrypt(ctx, in.StreamName, in.StreamARN, "KMS", *in.KeyId)
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_StopStreamEncryption.html
func (a *api) stopEncryption(ctx context.Context, in *StopStreamEncryptionInput) (*StopStreamEncryptionResponse, error) {
	st, err := a.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if key := st.set.Load().Key; key != "" && key != *in.KeyId {
		return nil, invalid("KeyId %s is not the key that stream %s under account %s is encrypted with.", *in.KeyId, st.name, a.account)
	}
	return &StopStreamEncryptionResponse{}, a.encrypt(ctx, in.StreamName, in.StreamARN, "", "")
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateMaxRecordSize.html
func (a *api) updateMaxRecordSize(ctx context.Context, in *UpdateMaxRecordSizeInput) (*UpdateMaxRecordSizeResponse, error) {
	st, err := a.ready(nil, in.StreamARN)
	if err != nil {
		return nil, err
	}
	err = a.change(ctx, st, func(s *settings) error {
		s.MaxKiB = int(*in.MaxRecordSizeInKiB)
		return nil
	})
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	a.passing(st, updating)
	return &UpdateMaxRecordSizeResponse{}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateStreamRecordDistributionStrategy.html
func (a *api) updateStrategy(ctx context.Context, in *UpdateStreamRecordDistributionStrategyInput) (*UpdateStreamRecordDistributionStrategyResponse, error) {
	st, err := a.ready(nil, in.StreamARN)
	if err != nil {
		return nil, err
	}
	err = a.change(ctx, st, func(s *settings) error {
		if s.Mode != onDemand {
			return invalid("RecordDistributionStrategy is only supported for streams in ON_DEMAND mode.")
		}
		s.Strategy = *in.RecordDistributionStrategy
		return nil
	})
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	return &UpdateStreamRecordDistributionStrategyResponse{}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateStreamWarmThroughput.html
func (a *api) updateWarmThroughput(ctx context.Context, in *UpdateStreamWarmThroughputInput) (*UpdateStreamWarmThroughputOutput, error) {
	st, release, err := a.hold(in.StreamName, in.StreamARN, false)
	if err != nil {
		return nil, err
	}
	defer release()
	want := int(*in.WarmThroughputMiBps)
	billing, err := a.commitment(ctx)
	switch {
	case err != nil:
		return nil, err
	case st.set.Load().Mode != onDemand:
		return nil, validation("WarmThroughputMiBps is only supported for streams in ON_DEMAND mode.")
	case billing.Status != enabled:
		return nil, validation("Warm throughput needs MinimumThroughputBillingCommitment to be enabled for the account %s.", a.account)
	case want > shardsAtOnce:
		return nil, invalid("WarmThroughputMiBps must not be greater than %d.", shardsAtOnce)
	}
	err = a.changeLocked(ctx, st, func(s *settings) error {
		s.WarmMiBps = want
		return nil
	})
	if err == nil && want > len(st.layout().open) {
		err = a.reshape(st, func(r *reshaping, l layout) { r.uniform(l.open, want) })
	}
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	return &UpdateStreamWarmThroughputOutput{StreamName: &st.name, StreamARN: &st.arn,
		WarmThroughput: &WarmThroughputObject{CurrentMiBps: new(int32(want)), TargetMiBps: new(int32(want))}}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeLimits.html
func (a *api) describeLimits(context.Context, *DescribeLimitsInput) (*DescribeLimitsOutput, error) {
	open, demand := 0, 0
	for _, st := range a.all() {
		open += len(st.layout().open)
		if st.set.Load().Mode == onDemand {
			demand++
		}
	}
	return &DescribeLimitsOutput{OpenShardCount: new(int32(open)), ShardLimit: new(int32(shardLimit)),
		OnDemandStreamCount: new(int32(demand)), OnDemandStreamCountLimit: new(int32(onDemandLimit))}, nil
}

const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
)

// A commitment is what the account has promised to pay at least. Nobody is
// charged here; it only opens what it opens at AWS.
type commitment struct {
	Status  string `json:"status"`
	Started int64  `json:"started,omitempty"` // milliseconds since 1970
	Ended   int64  `json:"ended,omitempty"`
}

func (b *Book) commitment(ctx context.Context) (commitment, error) {
	return store.Read(ctx, b.db, readCommitment)
}

func readCommitment(tx store.Tx) (c commitment, err error) {
	text := ""
	err = tx.Get([]any{&text}, `SELECT settings FROM kinesis_account WHERE id = 1`)
	if errIsNoRows(err) {
		return commitment{Status: disabled}, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &c)
	}
	return c, err
}

func (c commitment) output() *MinimumThroughputBillingCommitmentOutput {
	out := &MinimumThroughputBillingCommitmentOutput{Status: &c.Status}
	for to, ms := range map[**wire.Time]int64{&out.StartedAt: c.Started, &out.EndedAt: c.Ended} {
		if ms != 0 {
			*to = moment(ms)
		}
	}
	return out
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeAccountSettings.html
func (a *api) describeAccountSettings(ctx context.Context, _ *DescribeAccountSettingsInput) (*DescribeAccountSettingsOutput, error) {
	c, err := a.commitment(ctx)
	if err != nil {
		return nil, err
	}
	return &DescribeAccountSettingsOutput{MinimumThroughputBillingCommitment: c.output()}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateAccountSettings.html
func (a *api) updateAccountSettings(ctx context.Context, in *UpdateAccountSettingsInput) (*UpdateAccountSettingsOutput, error) {
	want, now := *in.MinimumThroughputBillingCommitment.Status, a.ms()
	c, err := store.Write(ctx, a.db, func(tx store.Tx) (commitment, error) {
		c, err := readCommitment(tx)
		if err != nil || c.Status == want {
			return c, err
		}
		if c.Status = want; want == enabled {
			c.Started, c.Ended = now, 0
		} else {
			c.Ended = now
		}
		text, err := json.Marshal(c)
		if err == nil {
			_, err = tx.Exec(`INSERT INTO kinesis_account (id, settings) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET settings = excluded.settings`, string(text))
		}
		return c, err
	})
	if err != nil {
		return nil, err
	}
	return &UpdateAccountSettingsOutput{MinimumThroughputBillingCommitment: c.output()}, nil
}
