package mapping

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/event/kafka"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

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

	// Of streams alone. The positions are for Create.
	Position   *string
	PositionAt *time.Time
	Factor     *int32
	Bisect     *bool
	Retries    *int32
	MaxAge     *int32
	Tumbling   *int32
	OnFailure  *string // "" takes the destination away

	// Of Kafka alone.
	Access *[]kafka.Access
	Group  *string // for Update, where it must be what it is
}

// How many records a batch has when nobody says how many.
const (
	queueBatch  = 10
	streamBatch = 100
)

// Create makes a mapping from a source to a function.
func (m *Manager) Create(ctx context.Context, from string, e Edit, tags map[string]string) (Mapping, error) {
	one := fresh(from, tags)
	if m.streamOf(one) != nil {
		one.Plan = streamPlan()
	}
	return m.create(ctx, one, e)
}

func fresh(from string, tags map[string]string) Mapping {
	return Mapping{UUID: uuid.NewString(), Source: from, State: Creating, Tags: tags, Plan: Plan{Enabled: true, BatchSize: queueBatch}}
}

func streamPlan() Plan {
	return Plan{Enabled: true, BatchSize: streamBatch, Streaming: Streaming{Factor: 1, Retries: -1, MaxAge: -1}}
}

func (m *Manager) create(ctx context.Context, one Mapping, e Edit) (Mapping, error) {
	if err := checkTags(one.Tags); err != nil {
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
		other, err := twin(tx, one)
		if err != nil {
			return err
		}
		if other != "" {
			return m.errTwin(one, other)
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

// errTwin says that there is a mapping of the same source and function.
func (m *Manager) errTwin(one Mapping, other string) error {
	form := "An event source mapping with SQS arn (\" %s \") and function (\" %s \") already exists. Please update or delete the existing mapping with UUID %s"
	if m.streamOf(one) != nil {
		form = "The event source arn (\" %s \") and function (\" %s \") provided mapping already exists. Please update or delete the existing mapping with UUID %s"
	}
	return refuse(function.ErrConflict, form, one.Source, one.Function.Name, other)
}

// apply changes one as e wants it, or says why that cannot be.
func (m *Manager) apply(ctx context.Context, one *Mapping, e Edit) error {
	one.Plan.edit(e)
	if err := one.editKafka(e); err != nil {
		return err
	}
	if err := one.Plan.check(); err != nil {
		return err
	}
	k, err := m.describe(ctx, *one)
	switch {
	case err != nil:
		return err
	case k.stream != nil:
		err = one.checkStream(*k.stream, m.c.Now())
	default:
		err = one.Plan.checkQueue(*k.queue, e)
	}
	if err != nil {
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
		return invalid("Function does not exist")
	}
	if err != nil {
		return err
	}
	if k.queue != nil && h.Timeout > k.queue.Visibility {
		return invalid("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds",
			int(k.queue.Visibility.Seconds()), int(h.Timeout.Seconds()))
	}
	return nil
}

// edit takes over what e has.
func (p *Plan) edit(e Edit) {
	set(&p.Enabled, e.Enabled)
	set(&p.BatchSize, e.BatchSize)
	set(&p.Window, e.Window)
	set(&p.Filters, e.Filters)
	set(&p.Reports, e.Reports)
	set(&p.Concurrency, e.Concurrency)
	set(&p.Pollers, e.Pollers)
	set(&p.Metrics, e.Metrics)
	set(&p.LogLevel, e.LogLevel)
	set(&p.KMSKey, e.KMSKey)
	set(&p.Position, e.Position)
	set(&p.PositionAt, e.PositionAt)
	set(&p.Factor, e.Factor)
	set(&p.Bisect, e.Bisect)
	set(&p.Retries, e.Retries)
	set(&p.MaxAge, e.MaxAge)
	set(&p.Tumbling, e.Tumbling)
	set(&p.OnFailure, e.OnFailure)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
