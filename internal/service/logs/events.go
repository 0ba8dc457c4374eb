package logs

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// Limits of AWS on a batch and on a page.
const (
	maxBatch  = 1 << 20
	maxEvents = 10_000
	maxPage   = 1 << 20
	tooOld    = 14 * day
	tooNew    = 2 * int64(time.Hour/time.Millisecond)
)

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
func (a *api) putLogEvents(ctx context.Context, in *PutLogEventsRequest) (*PutLogEventsResponse, error) {
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	var g groupRow
	err := a.db.View(ctx, func(tx store.Tx) (err error) {
		if g, err = groupByName(tx, *in.LogGroupName); err != nil {
			return err
		}
		_, err = streamID(tx, g.id, *in.LogStreamName)
		return err
	})
	if err != nil {
		return nil, fault(err)
	}
	now := a.now().UnixMilli()
	kept, rejected := sift(in.LogEvents, now, g.retention)
	if n := len(kept); n > 0 {
		if *kept[n-1].Timestamp-*kept[0].Timestamp > day {
			return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
		}
		j := &job{group: *in.LogGroupName, stream: *in.LogStreamName, existing: true}
		for _, e := range kept {
			j.entries = append(j.entries, entry{*e.Timestamp, *e.Message})
		}
		if err := a.wait(j); err != nil {
			return nil, fault(err)
		}
	}
	return &PutLogEventsResponse{NextSequenceToken: new(sequenceToken(now)), RejectedLogEventsInfo: rejected}, nil
}

// checkBatch refuses what AWS refuses as a whole.
func checkBatch(events []*InputLogEvent) error {
	total, last := 0, int64(0)
	for _, e := range events {
		n := size(*e.Message)
		if n > maxMessage+26 {
			return invalid("Log event too large: %d bytes exceeds limit of %d", n, maxMessage+26)
		}
		if *e.Timestamp < last {
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		total, last = total+n, *e.Timestamp
	}
	if total > maxBatch {
		return invalid("Upload too large: %d bytes exceeds limit of %d", total, maxBatch)
	}
	return nil
}

// sift parts the events that are too old or too new from the rest. Ends of the
// rejected ranges are exclusive, starts inclusive.
func sift(events []*InputLogEvent, now, retention int64) ([]*InputLogEvent, *RejectedLogEventsInfo) {
	count := func(before int64) int {
		n, _ := slices.BinarySearchFunc(events, before, func(e *InputLogEvent, t int64) int {
			if *e.Timestamp < t {
				return -1
			}
			return 1
		})
		return n
	}
	old, fresh := count(now-tooOld), count(now+tooNew+1)
	expired := 0
	if retention > 0 {
		expired = count(now - retention*day)
	}
	start := max(old, expired)
	if start == 0 && fresh == len(events) {
		return events, nil
	}
	r := &RejectedLogEventsInfo{}
	if old > 0 {
		r.TooOldLogEventEndIndex = new(int32(old))
	}
	if expired > old {
		r.ExpiredLogEventEndIndex = new(int32(expired))
	}
	if fresh < len(events) {
		r.TooNewLogEventStartIndex = new(int32(fresh))
	}
	return events[min(start, fresh):fresh], r
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
func (a *api) getLogEvents(ctx context.Context, in *GetLogEventsRequest) (*GetLogEventsResponse, error) {
	name, err := a.groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	q := &query{newest: !value0(in.StartFromHead)}
	if in.NextToken != nil {
		p, err := parseToken(*in.NextToken)
		if err != nil {
			return nil, err
		}
		q.after, q.newest = &p.key, p.backward
	}
	if err := a.catchUp(); err != nil {
		return nil, fault(err)
	}
	err = a.db.View(ctx, func(tx store.Tx) error {
		g, err := groupByName(tx, name)
		if err != nil {
			return err
		}
		s, err := streamID(tx, g.id, *in.LogStreamName)
		q.group, q.streams = g.id, map[int64]bool{s: true}
		q.from, q.to = a.span(g, in.StartTime, in.EndTime)
		return err
	})
	if err != nil {
		return nil, fault(err)
	}
	from := key{at: q.from} // before all events, for an empty stream
	if q.after != nil {
		from = *q.after
	}
	events, err := a.page(q, limit(in.Limit, maxEvents))
	if err != nil {
		return nil, err
	}
	return answer(events, from), nil
}

// answer makes a page of GetLogEvents. Where there is nothing, both tokens stay
// where they are: that tells a caller that it is at the end.
func answer(events []event, from key) *GetLogEventsResponse {
	first, last := from, from
	if n := len(events); n > 0 {
		first, last = events[0].key, events[n-1].key
	}
	out := &GetLogEventsResponse{
		Events:            []*OutputLogEvent{},
		NextForwardToken:  new(position{key: last}.token()),
		NextBackwardToken: new(position{key: first, backward: true}.token()),
	}
	for _, e := range events {
		out.Events = append(out.Events, &OutputLogEvent{Timestamp: &e.at, Message: &e.message, IngestionTime: new(e.ingested())})
	}
	return out
}

// span is the time that a request asks for, less what has expired. The end is
// not included.
func (b *Book) span(g groupRow, start, end *int64) (from, to int64) {
	from, to = value0(start), math.MaxInt64
	if g.retention > 0 {
		from = max(from, b.now().UnixMilli()-g.retention*day)
	}
	if end != nil {
		to = *end
	}
	return from, to
}

// page reads up to n events, as many as fit, oldest first.
func (b *Book) page(q *query, n int) ([]event, error) {
	c := b.cursor(q)
	defer c.close()
	var events []event
	for bytes := 0; len(events) < n; {
		e, ok, err := c.next()
		if err != nil {
			return nil, err
		}
		if bytes += size(e.message); !ok || bytes > maxPage && len(events) > 0 {
			break
		}
		e.message = strings.Clone(e.message)
		events = append(events, e)
	}
	if q.newest {
		slices.Reverse(events)
	}
	return events, nil
}
