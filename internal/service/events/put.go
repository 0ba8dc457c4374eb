package events

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// maxPut bounds the entries of one PutEvents together.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
const maxPut = 1 << 20

// A sealed is an event and the bus that it is for.
type sealed struct {
	*event
	bus string
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
func (a *api) putEvents(ctx context.Context, in *PutEventsRequest) (*PutEventsResponse, error) {
	if in.EndpointId != nil {
		return nil, invalid("Mayfly has no global endpoints.")
	}
	total := 0
	for _, e := range in.Entries {
		total += e.size()
	}
	if total > maxPut {
		return nil, invalid("Total size of the entries in the request is over the limit.")
	}
	out := &PutEventsResponse{FailedEntryCount: new(int32), Entries: []*PutEventsResultEntry{}}
	var good []sealed
	for _, e := range in.Entries {
		s, refused, err := a.entry(ctx, e)
		switch {
		case err != nil:
			return nil, err
		case refused != nil:
			*out.FailedEntryCount++
			out.Entries = append(out.Entries, refused)
		default:
			good = append(good, s)
			out.Entries = append(out.Entries, &PutEventsResultEntry{EventId: new(s.id())})
		}
	}
	return out, a.accept(ctx, good)
}

func (e *event) id() string { return e.tree.(map[string]any)["id"].(string) }

// size is what an entry counts against the limit.
func (e *PutEventsRequestEntry) size() int {
	n := len(val(e.Detail)) + len(val(e.DetailType)) + len(val(e.Source))
	if e.Time != nil {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// entry makes an event of an entry, or the answer that says why not.
func (a *api) entry(ctx context.Context, e *PutEventsRequestEntry) (s sealed, refused *PutEventsResultEntry, err error) {
	if refused = e.check(); refused != nil {
		return s, refused, nil
	}
	at := a.Now()
	if e.Time != nil {
		at = e.Time.Time
	}
	var detail bytes.Buffer
	if err := json.Compact(&detail, []byte(*e.Detail)); err != nil {
		return s, nil, err
	}
	ev, err := a.seal(envelope{
		DetailType: *e.DetailType, Source: *e.Source, Resources: e.Resources, Detail: detail.Bytes(),
	}, at, cmp.Or(val(e.TraceHeader), wire.Trace(ctx)))
	return sealed{ev, busOf(e.EventBusName)}, nil, err
}

// check is the answer for an entry that is not right; nil for one that is.
func (e *PutEventsRequestEntry) check() *PutEventsResultEntry {
	refuse := func(code, message string) *PutEventsResultEntry {
		return &PutEventsResultEntry{ErrorCode: &code, ErrorMessage: &message}
	}
	for _, m := range []struct {
		name  string
		value *string
	}{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if val(m.value) == "" {
			return refuse("InvalidArgument", fmt.Sprintf("Parameter %s is not valid. Reason: %s is a required argument.", m.name, m.name))
		}
	}
	switch {
	case strings.HasPrefix(*e.Source, "aws."):
		return refuse("NotAuthorizedForSourceException", "Not authorized for the source.")
	case !isObject([]byte(*e.Detail)):
		return refuse("MalformedDetail", "Detail is malformed.")
	}
	return nil
}

// accept takes events in: on return they are on disk at their targets.
func (b *Book) accept(ctx context.Context, events []sealed) error {
	if len(events) == 0 {
		return nil
	}
	var wakes []func()
	err := b.DB.Update(ctx, func(tx store.Tx) error {
		wakes = nil
		r, err := b.routing(tx)
		if err != nil {
			return err
		}
		for _, e := range events {
			more, err := b.route(tx, r, e.bus, e.event, nil)
			if err != nil {
				return err
			}
			wakes = append(wakes, more...)
		}
		return nil
	})
	if err == nil {
		call(wakes)
	}
	return err
}

func call(wakes []func()) {
	for _, w := range wakes {
		w()
	}
}

// Enqueue takes an event in on a bus within tx: as a target.Target, for other
// rooms. The payload is an envelope of which the source, the detail-type and
// the detail must be there.
func (b *Book) Enqueue(tx store.Tx, to arn.ARN, d target.Delivery) (func(), error) {
	name, ok := b.ownBus(to)
	if !ok {
		return nil, fmt.Errorf("%w: %s is no event bus", target.ErrNotFound, to)
	}
	var v envelope
	if err := json.Unmarshal(d.Payload, &v); err != nil {
		return nil, fmt.Errorf("%w: %w", target.ErrInvalid, err)
	}
	if v.Source == "" || v.DetailType == "" || !isObject(v.Detail) {
		return nil, fmt.Errorf("%w: an event needs a source, a detail-type and a detail that is an object", target.ErrInvalid)
	}
	at, err := time.Parse(time.RFC3339, v.Time)
	if err != nil {
		at = b.Now()
	}
	e, err := b.seal(v, at, d.Trace)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", target.ErrInvalid, err)
	}
	r, err := b.routing(tx)
	if err != nil {
		return nil, err
	}
	if r.buses[name] == nil {
		return nil, fmt.Errorf("%w: event bus %s", target.ErrNotFound, name)
	}
	wakes, err := b.route(tx, r, name, e, nil)
	return func() { call(wakes) }, err
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html
func (a *api) testEventPattern(_ context.Context, in *TestEventPatternRequest) (*TestEventPatternResponse, error) {
	p, err := filter.Parse([]byte(*in.EventPattern))
	if err != nil {
		return nil, badPattern(err)
	}
	tree, err := filter.Decode([]byte(*in.Event))
	fields, ok := tree.(map[string]any)
	if err != nil || !ok {
		return nil, invalid("Parameter Event is not valid.")
	}
	for _, name := range []string{"id", "account", "source", "time", "region", "resources", "detail-type"} {
		if fields[name] == nil {
			return nil, invalid("Parameter Event is not valid. Reason: %s is a required argument.", name)
		}
	}
	return &TestEventPatternResponse{Result: new(p.Matches(tree))}, nil
}
