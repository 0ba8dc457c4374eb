// Package dynamo reads the streams of tables in a DynamoDB that is somewhere
// else: AWS's own, or one on this machine. Records pass through as they are: the
// JSON of that API is the JSON of a function's event.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html
package dynamo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// An Error is a refusal of the API, without its name space.
type Error struct{ Code, Message string }

// Error implements error.
func (e *Error) Error() string { return "dynamodb: " + e.Code + ": " + e.Message }

// A Config is what a Streams is made of.
type Config struct {
	// Call makes a signed request for an operation of region, "DescribeStream",
	// and answers the status and the body.
	Call func(ctx context.Context, region, operation string, body []byte) (status int, answer []byte, err error)

	Poll time.Duration    // how long it waits at a shard's end; 0 is a quarter of a second, as AWS does
	Now  func() time.Time // nil is time.Now
}

// Streams is a source.Stream. Its API cannot tell when records come: it is asked
// again and again, while somebody reads.
type Streams struct {
	c Config

	mu        sync.Mutex      // guards what follows
	iterators map[spot]string // where the API goes on
	locals    map[string]bool // streams that DynamoDB Local knows by its own region
}

// A spot is a place of a shard of a stream.
type spot struct {
	arn, shard string
	at         source.Place
}

var (
	_ source.Stream = (*Streams)(nil)
	_ source.Grower = (*Streams)(nil)
)

// New makes a Streams.
func New(c Config) *Streams {
	c.Poll = cmp.Or(c.Poll, time.Second/4)
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Streams{c: c, iterators: map[spot]string{}, locals: map[string]bool{}}
}

// call asks for an operation.
func (s *Streams) call(ctx context.Context, arn, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	status, answer, err := s.c.Call(ctx, region(arn), operation, body)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if status == 200 {
		if err := json.Unmarshal(answer, out); err != nil {
			return fmt.Errorf("%s: %w", operation, err)
		}
		return nil
	}
	var refusal struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(answer, &refusal) // what is no JSON has no type
	e := &Error{refusal.Type[strings.LastIndexByte(refusal.Type, '#')+1:], refusal.Message}
	if e.Code == "" {
		e.Code = "status " + strconv.Itoa(status)
	}
	if e.Code == "ResourceNotFoundException" {
		return fmt.Errorf("%w: %w", source.ErrNotFound, e)
	}
	return e
}

// region is that of an ARN.
func region(arn string) string {
	if p := strings.SplitN(arn, ":", 5); len(p) == 5 {
		return p[3]
	}
	return ""
}

// is tells whether err is a refusal with one of the codes.
func is(err error, codes ...string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && slices.Contains(codes, e.Code)
}

// A description is a page of DescribeStream.
type description struct {
	Status string `json:"StreamStatus"`
	Shards []struct {
		ID     string `json:"ShardId"`
		Parent string `json:"ParentShardId"`
	}
	Last string `json:"LastEvaluatedShardId"`
}

// describe reads all shards of a stream.
func (s *Streams) describe(ctx context.Context, arn string) (all description, err error) {
	type request struct {
		ARN   string `json:"StreamArn"`
		Start string `json:"ExclusiveStartShardId,omitempty"`
	}
	for in := (request{ARN: s.name(arn)}); ; {
		var out struct {
			Description description `json:"StreamDescription"`
		}
		if err := s.call(ctx, arn, "DescribeStream", in, &out); err != nil {
			return all, err
		}
		all.Status = out.Description.Status
		all.Shards = append(all.Shards, out.Description.Shards...)
		if in.Start = out.Description.Last; in.Start == "" {
			return all, nil
		}
	}
}

// Describe implements source.Stream.
func (s *Streams) Describe(ctx context.Context, arn string) (source.StreamInfo, error) {
	_, err := s.describe(ctx, arn)
	if errors.Is(err, source.ErrNotFound) {
		s.rename(arn)
		if _, err = s.describe(ctx, arn); err != nil {
			s.rename(arn)
		}
	}
	return source.StreamInfo{ARN: arn, Kind: source.DynamoDB}, err
}

// localRegion is what DynamoDB Local has for a region in its ARNs, which Lambda's
// API takes for no region at all. Its streams are named here by any other one.
const localRegion = "ddblocal"

// rename has a stream be one of DynamoDB Local, or none if it was one.
func (s *Streams) rename(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locals[arn] = !s.locals[arn]
}

// name is what the API calls a stream.
func (s *Streams) name(arn string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.locals[arn] {
		return arn
	}
	return strings.Replace(arn, ":"+region(arn)+":", ":"+localRegion+":", 1)
}

// Shards implements source.Stream. A shard's name begins with when it was made.
func (s *Streams) Shards(ctx context.Context, arn string) ([]source.Shard, error) {
	d, err := s.describe(ctx, arn)
	if err != nil {
		return nil, err
	}
	var all []source.Shard
	for _, one := range d.Shards {
		shard := source.Shard{ID: one.ID}
		if one.Parent != "" {
			shard.Parents = []string{one.Parent}
		}
		all = append(all, shard)
	}
	slices.SortFunc(all, func(a, b source.Shard) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// growth is how often it is asked for shards that come without parents, as they
// do when a stream begins.
const growth = 30 * time.Second

// Grown implements source.Grower.
func (s *Streams) Grown(ctx context.Context, arn string, known []string) error {
	for {
		if err := pause(ctx, growth); err != nil {
			return err
		}
		all, err := s.Shards(ctx, arn)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(one source.Shard) bool { return !slices.Contains(known, one.ID) }) {
			return nil
		}
	}
}

// pause waits, and answers why it was cut short.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// since begins a place that is a time, in nanoseconds to the base of 36: the end
// as it was then. It is shorter than a sequence number, and so comes before all of
// them. The API knows no better one: its own ends live for minutes.
const since = "t"

// timeOf is the time that a place is; ok is false when it is none.
func timeOf(p source.Place) (at time.Time, ok bool) {
	text, ok := strings.CutPrefix(string(p), since)
	n, err := strconv.ParseInt(text, 36, 64)
	return time.Unix(0, n), ok && err == nil
}

// Seek implements source.Stream. There is no AtTime in this API.
func (s *Streams) Seek(ctx context.Context, arn, shard string, at source.Start) (source.Place, error) {
	switch at.At {
	case source.AtHorizon:
		return "", nil
	case source.AtTime:
		return "", errors.New("dynamodb: a stream is not read from a time")
	}
	name, err := s.iterator(ctx, arn, shard, "LATEST", "")
	if err != nil {
		return "", err
	}
	p := source.Place(since + strconv.FormatInt(s.c.Now().UnixNano(), 36))
	s.remember(arn, shard, p, p, name)
	return p, nil
}

// iterator asks for where the API is to go on.
func (s *Streams) iterator(ctx context.Context, arn, shard, kind, number string) (string, error) {
	in := struct {
		ARN    string `json:"StreamArn"`
		Shard  string `json:"ShardId"`
		Type   string `json:"ShardIteratorType"`
		Number string `json:"SequenceNumber,omitempty"`
	}{s.name(arn), shard, kind, number}
	var out struct{ ShardIterator string }
	err := s.call(ctx, arn, "GetShardIterator", in, &out)
	return out.ShardIterator, err
}

// remember keeps where the API goes on at a place, and forgets the place before.
// There may be several readers of a shard.
func (s *Streams) remember(arn, shard string, before, at source.Place, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.iterators, spot{arn, shard, before})
	s.iterators[spot{arn, shard, at}] = name
}

func (s *Streams) forget(arn, shard string, at source.Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.iterators, spot{arn, shard, at})
}

// begin is where to go on at a place.
func (s *Streams) begin(ctx context.Context, arn, shard string, from source.Place) (string, error) {
	s.mu.Lock()
	name := s.iterators[spot{arn, shard, from}]
	s.mu.Unlock()
	if name != "" {
		return name, nil
	}
	if _, timed := timeOf(from); from != "" && !timed {
		name, err := s.iterator(ctx, arn, shard, "AFTER_SEQUENCE_NUMBER", string(from))
		if !is(err, "TrimmedDataAccessException") {
			return name, err
		}
	}
	return s.iterator(ctx, arn, shard, "TRIM_HORIZON", "")
}
