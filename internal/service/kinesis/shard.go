package kinesis

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// none is the number of a parent that there is not.
const none = -1

// A shard is a sequence of records whose hash keys are in a range.
type shard struct {
	id               int64 // of its row; its chunks' ids begin with it
	ix               int   // in its stream
	stream           *stream
	low, high        hashKey
	parents          [2]int // none, one after a split, two after a merge
	created          int64  // seconds since 1970, as it stands in sequence numbers
	openedAt         int64  // milliseconds since 1970
	minted, mintedAt int64  // the next counter to give out, and the last time; the line's own
	writes           meter  // the line's own
	refused          bool   // a record, since the stream last grew; the line's own
	mu               sync.RWMutex
	next             int64    // guarded by mu, as is all below: behind the last committed record
	lastAt           int64    // when that came
	closedAt         int64    // milliseconds since 1970; 0 is open
	gone             bool     // its stream is deleted
	tail             []*chunk // the newest chunks, none missing up to next
	changed          chan struct{}
	reads            meter
	oldest           int64 // when the oldest chunk came, 0 if there is none
}

// shardID is what the API calls the shard with that number.
func shardID(ix int) string { return fmt.Sprintf("shardId-%012d", ix) }

func (s *shard) name() string { return shardID(s.ix) }

// number is the sequence number of a record.
func (s *shard) number(seq, at int64) string {
	return number{created: s.created, seq: seq, at: at / 1000, shard: s.ix}.String()
}

// A view is what of a shard is committed.
type view struct {
	next, lastAt, closedAt int64
	gone                   bool
	tail                   []*chunk
	changed                <-chan struct{} // closed when there is more to know
}

func (s *shard) view() view {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return view{s.next, s.lastAt, s.closedAt, s.gone, s.tail, s.changed}
}

func (s *shard) isOpen() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closedAt == 0
}

// publish shows committed chunks to readers.
func (s *shard) publish(cs []*chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tail = append(s.tail, cs...)
	last := cs[len(cs)-1]
	s.next, s.lastAt = last.end(), last.at
	if s.oldest == 0 {
		s.oldest = cs[0].at
	}
	s.wake()
}

// wake tells who waits. The caller holds mu.
func (s *shard) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// end closes the shard, or takes it away.
func (s *shard) end(at int64, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closedAt == 0 {
		s.closedAt = at
	}
	if gone {
		s.gone, s.tail = true, nil
	}
	s.wake()
}

// forget drops a chunk from the tail, with those before it.
func (s *shard) forget(c *chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.tail, c); i >= 0 {
		s.tail = s.tail[i+1:] // who reads the old one may go on
	}
}

// wait returns when there is a record at from or behind, the shard has ended,
// or ctx has.
func (s *shard) wait(ctx context.Context, from int64) error {
	for {
		v := s.view()
		switch {
		case v.gone:
			return errNoStream
		case v.next > from || v.closedAt != 0:
			return nil
		}
		select {
		case <-v.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
