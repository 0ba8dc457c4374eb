package logs

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// scanBudget is how many bytes are looked through for one page. A page that
// finds little within it comes back short, with a token: AWS does that, too.
const scanBudget = 64 << 20

// newestSince is the earliest start of a search from the newest event.
func newestSince() int64 { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() }

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
func (a *api) filterLogEvents(ctx context.Context, in *FilterLogEventsRequest) (*FilterLogEventsResponse, error) {
	s, err := a.search(in)
	if err != nil {
		return nil, fault(err)
	}
	name, err := a.groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if err := a.catchUp(); err != nil {
		return nil, fault(err)
	}
	err = a.db.View(ctx, func(tx store.Tx) error {
		g, err := groupByName(tx, name)
		if err != nil {
			return err
		}
		s.group = g.id
		s.from, s.to = a.span(g, in.StartTime, in.EndTime)
		if s.to < math.MaxInt64 {
			s.to++ // here, unlike in GetLogEvents, the end is included
		}
		s.streams, err = streamSet(tx, g.id, in.LogStreamNames, value0(in.LogStreamNamePrefix))
		return err
	})
	if err != nil {
		return nil, fault(err)
	}
	found, next, err := a.find(s, limit(in.Limit, maxEvents))
	if err != nil {
		return nil, err
	}
	return a.named(ctx, found, next)
}

// A search is a query with a pattern.
type search struct {
	query
	pattern pattern
}

// search reads what a request says by itself.
func (a *api) search(in *FilterLogEventsRequest) (*search, error) {
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
	}
	s := &search{}
	if in.StartFromHead != nil && !*in.StartFromHead {
		if value0(in.StartTime) < newestSince() {
			return nil, invalid("Setting startFromHead to false is supported only when startTime is on or after Jan 1, 2024 00:00:00 UTC.")
		}
		s.newest = true
	}
	if in.NextToken != nil {
		t, err := unseal(*in.NextToken)
		if err != nil {
			return nil, err
		}
		p, err := parseToken(t)
		if err != nil {
			return nil, err
		}
		s.after, s.newest = &p.key, p.backward
	}
	var err error
	s.pattern, err = parsePattern(value0(in.FilterPattern))
	return s, err
}

// streamSet is which streams a request names; nil for all.
func streamSet(tx store.Tx, group int64, names []string, prefix string) (map[int64]bool, error) {
	if len(names) == 0 && prefix == "" {
		return nil, nil
	}
	set := map[int64]bool{}
	for _, name := range names {
		id, err := streamID(tx, group, name)
		if err != nil {
			return nil, err
		}
		set[id] = true
	}
	if prefix == "" {
		return set, nil
	}
	return set, tx.Each(`SELECT id FROM logs_stream WHERE group_id = ? AND name >= ? AND name < ?`,
		[]any{group, prefix, past(prefix)}, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			set[id] = true
			return err
		})
}

// find reads a page of what matches, and the token of the next one.
func (b *Book) find(s *search, n int) (found []event, next *string, err error) {
	c := b.cursor(&s.query)
	defer c.close()
	var last key
	for bytes := 0; ; {
		e, ok, err := c.next()
		if err != nil || !ok {
			return found, nil, err
		}
		if s.pattern.match(e.message) {
			if bytes += size(e.message); len(found) == n || bytes > maxPage && len(found) > 0 {
				break
			}
			kept := e
			kept.message = strings.Clone(e.message)
			found = append(found, kept)
		}
		if last = e.key; c.read > b.scanBytes {
			break
		}
	}
	return found, seal(position{last, s.newest}.token()), nil
}

// named makes the answer; what is of deleted streams falls out.
func (a *api) named(ctx context.Context, found []event, next *string) (*FilterLogEventsResponse, error) {
	ids := map[int64]bool{}
	for _, e := range found {
		ids[e.stream] = true
	}
	var names map[int64]string
	err := a.db.View(ctx, func(tx store.Tx) (err error) {
		names, err = a.names.resolve(tx, ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &FilterLogEventsResponse{Events: []*FilteredLogEvent{}, SearchedLogStreams: []*SearchedLogStream{}, NextToken: next}
	for _, e := range found {
		name, ok := names[e.stream]
		if !ok {
			continue
		}
		out.Events = append(out.Events, &FilteredLogEvent{
			EventId: new(e.id()), LogStreamName: &name, Timestamp: &e.at, Message: &e.message, IngestionTime: new(e.ingested()),
		})
	}
	return out, nil
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TestMetricFilter.html
func (a *api) testMetricFilter(_ context.Context, in *TestMetricFilterRequest) (*TestMetricFilterResponse, error) {
	p, err := parsePattern(*in.FilterPattern)
	if err != nil {
		return nil, fault(err)
	}
	out := &TestMetricFilterResponse{Matches: []*MetricFilterMatchRecord{}}
	for i, message := range in.LogEventMessages {
		if !p.match(message) {
			continue
		}
		m := &MetricFilterMatchRecord{EventNumber: new(int64(i + 1)), EventMessage: &message, ExtractedValues: map[string]string{}}
		if f, ok := p.(fields); ok {
			m.ExtractedValues = f.extracted(message)
		}
		out.Matches = append(out.Matches, m)
	}
	return out, nil
}
