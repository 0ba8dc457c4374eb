package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// maxRecords is the most that the API answers at once.
const maxRecords = 1000

// Read implements source.Stream.
func (s *Streams) Read(ctx context.Context, arn, shard string, from source.Place, most int) (source.Page, error) {
	name, err := s.begin(ctx, arn, shard, from)
	if err != nil {
		return source.Page{}, err
	}
	for {
		out, err := s.records(ctx, arn, name, min(most, maxRecords))
		if is(err, "ExpiredIteratorException", "TrimmedDataAccessException") {
			s.forget(arn, shard, from)
			name, err = s.begin(ctx, arn, shard, from)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return source.Page{}, err
		}
		page, err := s.page(arn, from, out.Records)
		if err != nil {
			return page, err
		}
		if out.Next == "" {
			s.forget(arn, shard, from)
			page.Ended = true
			return page, s.awaitChild(ctx, arn, shard)
		}
		s.remember(arn, shard, from, page.Next, out.Next)
		if len(page.Records) > 0 {
			return page, nil
		}
		name = out.Next
		if err := pause(ctx, s.c.Poll); err != nil {
			return page, err
		}
	}
}

// got is what GetRecords answers.
type got struct {
	Records []json.RawMessage
	Next    string `json:"NextShardIterator"`
}

func (s *Streams) records(ctx context.Context, arn, name string, most int) (out got, err error) {
	in := struct {
		Iterator string `json:"ShardIterator"`
		Limit    int
	}{name, most}
	return out, s.call(ctx, arn, "GetRecords", in, &out)
}

// rounded is how exactly a DynamoDB may know when a record was made.
const rounded = time.Minute

// page makes records of what was read. Those that were there before a place that
// is a time are left out.
func (s *Streams) page(arn string, from source.Place, records []json.RawMessage) (source.Page, error) {
	p := source.Page{Next: from}
	after, timed := timeOf(from)
	for _, raw := range records {
		one, err := record(arn, raw)
		if err != nil {
			return p, err
		}
		if timed && one.Arrived.Before(after.Truncate(rounded)) {
			continue // the place stays: it is as good as this one's
		}
		p.Records = append(p.Records, one)
		p.Next = one.Place
	}
	return p, nil
}

// record is a record as it stands in an event: it tells where it comes from, too.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
func record(arn string, raw json.RawMessage) (source.StreamRecord, error) {
	var members map[string]json.RawMessage
	var r struct {
		Dynamo struct {
			Created float64 `json:"ApproximateCreationDateTime"`
			Keys    map[string]any
			Number  string `json:"SequenceNumber"`
			Size    int    `json:"SizeBytes"`
		} `json:"dynamodb"`
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return source.StreamRecord{}, fmt.Errorf("dynamodb: a record: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return source.StreamRecord{}, fmt.Errorf("dynamodb: a record: %w", err)
	}
	if r.Dynamo.Number == "" || members == nil {
		return source.StreamRecord{}, errors.New("dynamodb: a record has no sequence number")
	}
	keys, err := json.Marshal(r.Dynamo.Keys) // in the order of their names
	if err != nil {
		return source.StreamRecord{}, fmt.Errorf("dynamodb: the keys of a record: %w", err)
	}
	if members["eventSourceARN"], err = json.Marshal(arn); err != nil {
		return source.StreamRecord{}, err
	}
	event, err := json.Marshal(members)
	whole, part := math.Modf(r.Dynamo.Created)
	return source.StreamRecord{
		Record: source.Record{ID: r.Dynamo.Number, Group: string(keys), Event: event}, Place: source.Place(r.Dynamo.Number),
		Arrived: time.Unix(int64(whole), int64(part*float64(time.Second))), Size: r.Dynamo.Size,
	}, err
}

// A shard may end a moment before its child can be seen.
const (
	childTries = 30
	childWait  = time.Second
)

// awaitChild waits until a shard that has ended has a child, or is not to get one.
func (s *Streams) awaitChild(ctx context.Context, arn, shard string) error {
	for range childTries {
		d, err := s.describe(ctx, arn)
		if err != nil {
			return err
		}
		if d.Status == "DISABLED" || d.Status == "DISABLING" {
			return nil
		}
		for _, one := range d.Shards {
			if one.Parent == shard {
				return nil
			}
		}
		if err := pause(ctx, childWait); err != nil {
			return err
		}
	}
	return nil
}
