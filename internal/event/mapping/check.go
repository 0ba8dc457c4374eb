package mapping

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/stream"
	"github.com/mayfly-faas/mayfly/internal/function"
)

// dataKey is the member of a queue's record that holds what was sent.
const dataKey = "body"

// noQueue is what AWS says of a queue that does not exist.
const noQueue = "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."

func refuse(kind error, format string, args ...any) error {
	return &function.Refusal{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error { return refuse(function.ErrInvalid, format, args...) }

func errUnsupported(name string) error {
	return invalid("Unsupported %s parameter for given event source mapping type.", name)
}

// A kind is what there is behind a source's ARN: a queue or a stream.
type kind struct {
	queue  *source.Info
	stream *source.StreamInfo
}

// describe asks the source about what a mapping reads.
func (m *Manager) describe(ctx context.Context, one Mapping) (kind, error) {
	if one.Kafka != nil {
		return m.describeTopic(ctx, one)
	}
	from := one.Source
	a, err := arn.Parse(from)
	if err != nil {
		return kind{}, invalid("Unrecognized event source.")
	}
	if s := m.c.Streams[a.Service]; s != nil {
		info, err := s.Describe(ctx, from)
		if errors.Is(err, source.ErrNotFound) {
			return kind{}, invalid("Stream not found: %s", from)
		}
		return kind{stream: &info}, err
	}
	s := m.c.Sources[a.Service]
	if s == nil {
		switch a.Service {
		case "dynamodb":
			return kind{}, invalid("Mayfly has no tables. To read the streams of a DynamoDB elsewhere, start it with --dynamodb-endpoint.")
		case "kinesis", "kafka", "mq", "rds", "docdb", "sqs":
			return kind{}, invalid("Mayfly does not support event source mappings of %s yet.", a.Service)
		}
		return kind{}, invalid("Unrecognized event source.")
	}
	info, err := s.Describe(ctx, from)
	if errors.Is(err, source.ErrNotFound) {
		return kind{}, invalid("%s", noQueue)
	}
	return kind{queue: &info}, err
}

const maxFilters = 10

// check holds a plan to what is true of any source.
func (p Plan) check() error {
	if len(p.Filters) > maxFilters {
		return invalid("A maximum of %d filters is allowed.", maxFilters)
	}
	if p.Concurrency != 0 && p.Pollers != nil {
		return invalid("ScalingConfig and ProvisionedPollerConfig cannot be used together.")
	}
	if g := p.Pollers; g != nil && g.Min != nil && g.Max != nil && *g.Min > *g.Max {
		return invalid("MinimumPollers cannot be greater than MaximumPollers.")
	}
	return nil
}

// The most that a batch may have which does not wait for records.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
const maxUnwindowed = 10

// checkQueue holds a plan to what its queue allows.
func (p Plan) checkQueue(info source.Info, e Edit) error {
	switch name := e.ofStreams(); {
	case e.Position != nil:
		return invalid("StartingPosition is not valid for SQS event sources.")
	case name != "":
		return errUnsupported(name)
	case info.FIFO && p.Window > 0:
		return invalid("Batching window is not supported for FIFO queues.")
	case info.FIFO && p.BatchSize > maxUnwindowed:
		return invalid("Maximum batch size for FIFO queues is %d.", maxUnwindowed)
	case p.BatchSize > maxUnwindowed && p.Window == 0:
		return invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than %d", maxUnwindowed)
	}
	if _, err := filter.ParseCriteria(dataKey, p.Filters); err != nil {
		return errFilter()
	}
	return nil
}

func errFilter() error { return invalid("Invalid filter pattern definition.") }

// ofStreams names a parameter that no queue has; "" when none is given.
func (e Edit) ofStreams() string {
	switch {
	case e.OnFailure != nil:
		return "DestinationConfig"
	case e.Factor != nil:
		return "ParallelizationFactor"
	case e.MaxAge != nil:
		return "MaximumRecordAgeInSeconds"
	case e.Retries != nil:
		return "MaximumRetryAttempts"
	case e.Bisect != nil:
		return "BisectBatchOnFunctionError"
	case e.Tumbling != nil:
		return "TumblingWindowInSeconds"
	case e.PositionAt != nil:
		return "StartingPositionTimestamp"
	}
	return ""
}

// The least and the most that a record's age may be limited to, in seconds.
const (
	minAge = 60
	maxAge = 604800
)

// checkStream holds a mapping to what its stream allows.
func (one Mapping) checkStream(info source.StreamInfo, now time.Time) error {
	p, from := one.Plan, one.Source
	switch {
	case p.Concurrency != 0:
		return errUnsupported("ScalingConfig")
	case p.Pollers != nil && info.Kind != source.Kafka:
		return errUnsupported("ProvisionedPollerConfig")
	case p.MaxAge != -1 && (p.MaxAge < minAge || p.MaxAge > maxAge):
		return invalid("Maximum record age in seconds must be -1 or between %d and %d.", minAge, maxAge)
	case p.Tumbling > 0 && p.Factor > 1:
		return invalid("Tumbling windows are not supported with a parallelization factor greater than 1.")
	}
	if err := p.checkStart(from, info, now); err != nil {
		return err
	}
	if info.Kind == source.Kafka {
		if err := one.checkKafka(); err != nil {
			return err
		}
	}
	if p.OnFailure != "" && !destination(p.OnFailure) && !(info.Kind == source.Kafka && stream.IsTopic(p.OnFailure)) {
		return invalid("The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=%s)) is invalid.", p.OnFailure)
	}
	if stream.CheckFilters(info.Kind, p.Filters) != nil {
		return errFilter()
	}
	return nil
}

// checkStart holds a plan to where its stream may be read from.
func (p Plan) checkStart(from string, info source.StreamInfo, now time.Time) error {
	switch {
	case p.Position == "":
		return invalid("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
	case p.Position == AtTimestamp && info.Kind == source.DynamoDB:
		return invalid("Unsupported starting position for arn type: %s", from)
	case p.Position == AtTimestamp && p.PositionAt.IsZero():
		return invalid("Need to specify a timestamp")
	case p.Position != AtTimestamp && !p.PositionAt.IsZero():
		return invalid("StartingPositionTimestamp can only be specified when StartingPosition is AT_TIMESTAMP.")
	case p.PositionAt.After(now):
		return invalid("StartingPositionTimestamp cannot be in the future.")
	}
	return nil
}

// destination tells whether failures may be told to what an ARN names.
func destination(to string) bool {
	a, err := arn.Parse(to)
	return err == nil && (a.Service == "sqs" || a.Service == "sns" || a.Service == "s3")
}
