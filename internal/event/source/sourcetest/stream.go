// Package sourcetest is a stream in memory, whose shards are split and merged at
// will. It is for tests.
package sourcetest

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// A Stream is a source.Stream of Kinesis' kind.
type Stream struct {
	mu      sync.Mutex // guards what follows
	Info    source.StreamInfo
	Fail    error // what every method answers, unless it is nil
	shards  []*shard
	changed chan struct{} // closed and replaced at each change
	reads   int
}

type shard struct {
	source.Shard
	records []source.StreamRecord
	slots   []int // of keys, that belong here
	trimmed int
	closed  bool
	removed bool
}

// slots is how many parts the keys are divided into.
const slots = 64

// New makes a stream of so many shards.
func New(arn string, shards int) *Stream {
	s := &Stream{Info: source.StreamInfo{ARN: arn}, changed: make(chan struct{})}
	for range shards {
		s.add()
	}
	for i := range slots {
		one := s.shards[i*shards/slots]
		one.slots = append(one.slots, i)
	}
	return s
}

// With runs f while nothing else happens.
func (s *Stream) With(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.wake()
}

func (s *Stream) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Stream) add(parents ...string) *shard {
	one := &shard{Shard: source.Shard{ID: fmt.Sprintf("shardId-%012d", len(s.shards)), Parents: parents}}
	s.shards = append(s.shards, one)
	return one
}

// Put appends a record to a shard.
func (s *Stream) Put(n int, key string, data any) {
	s.With(func() { s.put(s.shards[n], key, data) })
}

func (s *Stream) put(one *shard, key string, data any) {
	if one.closed {
		panic("sourcetest: the shard is closed")
	}
	raw, _ := json.Marshal(data)
	if text, ok := data.(string); ok {
		raw = []byte(text)
	}
	at := len(one.records) + 1
	id := fmt.Sprintf("49%020d", at)
	event, _ := json.Marshal(map[string]any{
		"eventID": one.ID + ":" + id, "eventSource": "aws:kinesis", "eventSourceARN": s.Info.ARN,
		"kinesis": map[string]any{"partitionKey": key, "sequenceNumber": id, "data": raw},
	})
	one.records = append(one.records, source.StreamRecord{
		Record: source.Record{ID: id, Group: key, Event: event}, Place: source.Place(strconv.Itoa(at)), Arrived: time.Now(), Size: len(raw),
	})
}

// Spread puts a record where its key belongs.
func (s *Stream) Spread(key string, data any) {
	s.With(func() {
		h := fnv.New32a()
		h.Write([]byte(key))
		slot := int(h.Sum32() % slots)
		for _, one := range s.shards {
			if !one.closed && slices.Contains(one.slots, slot) {
				s.put(one, key, data)
				return
			}
		}
		panic("sourcetest: no shard has the key")
	})
}

// Reshape closes shards and opens so many children of them all, which share
// their keys.
func (s *Stream) Reshape(children int, parents ...int) {
	s.With(func() {
		var ids []string
		var keys []int
		for _, n := range parents {
			s.shards[n].closed = true
			ids = append(ids, s.shards[n].ID)
			keys = append(keys, s.shards[n].slots...)
		}
		for i := range children {
			s.add(ids...).slots = keys[i*len(keys)/children : (i+1)*len(keys)/children]
		}
	})
}

// Grow adds a shard that has no parents.
func (s *Stream) Grow() { s.With(func() { s.add() }) }

// Trim removes the oldest records of a shard.
func (s *Stream) Trim(n, records int) { s.With(func() { s.shards[n].trimmed = records }) }

// Remove takes a closed shard away, as retention does in the end.
func (s *Stream) Remove(n int) { s.With(func() { s.shards[n].removed = true }) }

// Recreate takes all shards away and makes others of the same names.
func (s *Stream) Recreate(shards int) {
	s.With(func() { s.shards = New(s.Info.ARN, shards).shards })
}

// Reads is how often Read was called.
func (s *Stream) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Describe implements source.Stream.
func (s *Stream) Describe(context.Context, string) (source.StreamInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Info, s.Fail
}

// Shards implements source.Stream.
func (s *Stream) Shards(context.Context, string) (all []source.Shard, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.shards {
		if !one.removed {
			all = append(all, one.Shard)
		}
	}
	return all, s.Fail
}

// Grown implements source.Grower.
func (s *Stream) Grown(ctx context.Context, _ string, known []string) error {
	for {
		s.mu.Lock()
		changed := s.changed
		fresh := slices.ContainsFunc(s.shards, func(one *shard) bool { return len(one.Parents) == 0 && !slices.Contains(known, one.ID) })
		s.mu.Unlock()
		if fresh {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Stream) find(id string) (*shard, error) {
	for _, one := range s.shards {
		if one.ID == id && !one.removed {
			return one, s.Fail
		}
	}
	return nil, source.ErrNotFound
}

// Seek implements source.Stream.
func (s *Stream) Seek(_ context.Context, _, id string, at source.Start) (source.Place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, err := s.find(id)
	if err != nil || at.At == source.AtHorizon {
		return "", err
	}
	n := len(one.records)
	if at.At == source.AtTime {
		n = slices.IndexFunc(one.records, func(r source.StreamRecord) bool { return !r.Arrived.Before(at.Time) })
		if n < 0 {
			n = len(one.records)
		}
	}
	return source.Place(strconv.Itoa(n)), nil
}

// Read implements source.Stream.
func (s *Stream) Read(ctx context.Context, _, id string, from source.Place, most int) (source.Page, error) {
	for {
		page, ok, changed, err := s.page(id, from, most)
		if ok || err != nil {
			return page, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return page, ctx.Err()
		}
	}
}

func (s *Stream) page(id string, from source.Place, most int) (page source.Page, ok bool, changed chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	one, err := s.find(id)
	if err != nil {
		return page, false, nil, err
	}
	at := 0
	if from != "" {
		if at, err = strconv.Atoi(string(from)); err != nil {
			return page, false, nil, err
		}
	}
	at = max(at, one.trimmed)
	end := min(at+most, len(one.records))
	page.Records = slices.Clone(one.records[at:end])
	page.Next = source.Place(strconv.Itoa(end))
	page.Ended = one.closed && end == len(one.records)
	return page, page.Ended || end > at, s.changed, nil
}
