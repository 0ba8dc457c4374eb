package mapping

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// dataKey is the member of a queue's record that holds what was sent.
const dataKey = "body"

// noQueue is what AWS says of a queue that does not exist.
const noQueue = "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."

func refuse(kind error, format string, args ...any) error {
	return &function.Refusal{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

func errGone() error {
	return refuse(function.ErrNotFound, "The resource you requested does not exist.")
}

// An Edit is what a caller wants of a mapping. nil leaves a member as it is,
// or at its default on a new mapping.
type Edit struct {
	Function    *string
	Enabled     *bool
	BatchSize   *int32
	Window      *int32
	Filters     *[]string
	Reports     *bool
	Concurrency *int32 // 0 takes the limit away
	Pollers     **Pollers
	Metrics     *[]string
	LogLevel    *string
	KMSKey      *string
}

// Create makes a mapping from a source to a function.
func (m *Manager) Create(ctx context.Context, from string, e Edit, tags map[string]string) (Mapping, error) {
	one := Mapping{UUID: uuid.NewString(), Source: from, State: Creating, Tags: tags, Plan: Plan{Enabled: true, BatchSize: 10}}
	if err := checkTags(tags); err != nil {
		return one, err
	}
	if err := m.apply(ctx, &one, e); err != nil {
		return one, err
	}
	return m.save(ctx, one, "")
}

// Update changes a mapping that is not being changed.
func (m *Manager) Update(ctx context.Context, uuid string, e Edit) (Mapping, error) {
	one, err := m.Get(ctx, uuid)
	if err != nil {
		return one, err
	}
	was := one.State
	if was != Enabled && was != Disabled {
		return one, errInUse(was)
	}
	before := one.Enabled
	if err := m.apply(ctx, &one, e); err != nil {
		return one, err
	}
	switch {
	case before && !one.Enabled:
		one.State = Disabling
	case !before && one.Enabled:
		one.State = Enabling
	default:
		one.State = Updating
	}
	return m.save(ctx, one, was)
}

func errInUse(state string) error {
	return refuse(ErrInUse, "Cannot update the event source mapping because it is in use. The event source mapping is currently in the following state: %s", state)
}

// save writes a mapping whose state was as the caller has read it; "" means
// that it is new.
func (m *Manager) save(ctx context.Context, one Mapping, was string) (Mapping, error) {
	one.Modified = m.c.Now()
	err := m.c.DB.Update(ctx, func(tx store.Tx) error {
		other, err := twin(tx, one.Source, one.FunctionARN, one.UUID)
		if err != nil {
			return err
		}
		if other != "" {
			return refuse(function.ErrConflict, "An event source mapping with SQS arn (\" %s \") and function (\" %s \") already exists. Please update or delete the existing mapping with UUID %s",
				one.Source, one.Function.Name, other)
		}
		if was != "" {
			now, err := get(tx, one.UUID)
			if errors.Is(err, store.ErrNoRows) {
				return errGone()
			}
			if err != nil {
				return err
			}
			if now.State != was {
				return errInUse(now.State)
			}
			one.Tags = now.Tags
		}
		return write(tx, one)
	})
	if err == nil {
		m.transit(one)
	}
	return one, err
}

// apply changes one as e wants it, or says why that cannot be.
func (m *Manager) apply(ctx context.Context, one *Mapping, e Edit) error {
	set(&one.Enabled, e.Enabled)
	set(&one.BatchSize, e.BatchSize)
	set(&one.Window, e.Window)
	set(&one.Filters, e.Filters)
	set(&one.Reports, e.Reports)
	set(&one.Concurrency, e.Concurrency)
	set(&one.Pollers, e.Pollers)
	set(&one.Metrics, e.Metrics)
	set(&one.LogLevel, e.LogLevel)
	set(&one.KMSKey, e.KMSKey)
	if err := one.Plan.check(); err != nil {
		return err
	}
	info, err := m.describe(ctx, one.Source)
	if err != nil {
		return err
	}
	if err := one.Plan.checkSource(info); err != nil {
		return err
	}
	if e.Function != nil {
		if one.Function, err = m.c.Functions.Ref(*e.Function, ""); err != nil {
			return err
		}
		one.FunctionARN = m.c.Functions.ARN(one.Function.Name, one.Function.Qualifier)
	}
	h, err := m.c.Functions.Handling(ctx, one.Function)
	if errors.Is(err, function.ErrNotFound) {
		return refuse(function.ErrInvalid, "Function does not exist")
	}
	if err != nil {
		return err
	}
	if h.Timeout > info.Visibility {
		return refuse(function.ErrInvalid, "Queue visibility timeout: %d seconds is less than Function timeout: %d seconds",
			int(info.Visibility.Seconds()), int(h.Timeout.Seconds()))
	}
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// describe asks the source about what its ARN names.
func (m *Manager) describe(ctx context.Context, from string) (source.Info, error) {
	a, err := arn.Parse(from)
	if err != nil {
		return source.Info{}, refuse(function.ErrInvalid, "Unrecognized event source.")
	}
	s := m.c.Sources[a.Service]
	if s == nil {
		switch a.Service {
		case "kinesis", "dynamodb", "kafka", "mq", "rds", "docdb", "sqs":
			return source.Info{}, refuse(function.ErrInvalid, "Mayfly does not support event source mappings of %s yet.", a.Service)
		}
		return source.Info{}, refuse(function.ErrInvalid, "Unrecognized event source.")
	}
	info, err := s.Describe(ctx, from)
	if errors.Is(err, source.ErrNotFound) {
		return info, refuse(function.ErrInvalid, "%s", noQueue)
	}
	return info, err
}

const maxFilters = 10

// check holds a plan to what is true of any source.
func (p Plan) check() error {
	if len(p.Filters) > maxFilters {
		return refuse(function.ErrInvalid, "A maximum of %d filters is allowed.", maxFilters)
	}
	if _, err := filter.ParseCriteria(dataKey, p.Filters); err != nil {
		return refuse(function.ErrInvalid, "Invalid filter pattern definition.")
	}
	if p.Concurrency != 0 && p.Pollers != nil {
		return refuse(function.ErrInvalid, "ScalingConfig and ProvisionedPollerConfig cannot be used together.")
	}
	if g := p.Pollers; g != nil && g.Min != nil && g.Max != nil && *g.Min > *g.Max {
		return refuse(function.ErrInvalid, "MinimumPollers cannot be greater than MaximumPollers.")
	}
	return nil
}

// The most that a batch of a queue may have.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
const maxUnwindowed = 10

// checkSource holds a plan to what its queue allows.
func (p Plan) checkSource(info source.Info) error {
	switch {
	case info.FIFO && p.Window > 0:
		return refuse(function.ErrInvalid, "Batching window is not supported for FIFO queues.")
	case info.FIFO && p.BatchSize > maxUnwindowed:
		return refuse(function.ErrInvalid, "Maximum batch size for FIFO queues is %d.", maxUnwindowed)
	case p.BatchSize > maxUnwindowed && p.Window == 0:
		return refuse(function.ErrInvalid, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than %d", maxUnwindowed)
	}
	return nil
}
