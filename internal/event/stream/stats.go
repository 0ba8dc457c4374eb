package stream

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Stats counts what a mapping has done since the server's start.
//
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
type Stats struct {
	Mapping  string // UUID
	Function string // ARN
	Counts

	mu sync.Mutex // guards Counts
}

// Counts are in records, but for Failures.
type Counts struct {
	Polled      int64
	FilteredOut int64
	Invoked     int64 // handed to the function, each time
	Failures    int64 // invocations
	Dropped     int64 // given up
	Delivered   int64 // of those, told to a destination

	IteratorAge time.Duration // of the last record of the newest batch, when the function got it
}

func (m *Manager) statsOf(j Job) *Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats[j.UUID]
	if s == nil {
		s = &Stats{Mapping: j.UUID}
		m.stats[j.UUID] = s
	}
	s.Function = j.FunctionARN
	return s
}

// A Stat is the Stats of a mapping at a moment.
type Stat struct {
	Mapping  string // UUID
	Function string // ARN
	Counts
}

// Stats are those of all mappings that have run.
func (m *Manager) Stats() []Stat {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Stat, 0, len(m.stats))
	for _, s := range m.stats {
		s.mu.Lock()
		all = append(all, Stat{s.Mapping, s.Function, s.Counts})
		s.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Stat) int { return cmp.Compare(a.Mapping, b.Mapping) })
	return all
}

func (s *Stats) add(to *int64, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to += int64(n)
}

func (s *Stats) polled(n int)    { s.add(&s.Polled, n) }
func (s *Stats) filtered(n int)  { s.add(&s.FilteredOut, n) }
func (s *Stats) invoked(n int)   { s.add(&s.Invoked, n) }
func (s *Stats) failed(n int)    { s.add(&s.Failures, n) }
func (s *Stats) dropped(n int)   { s.add(&s.Dropped, n) }
func (s *Stats) delivered(n int) { s.add(&s.Delivered, n) }

func (s *Stats) age(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.IteratorAge = max(d, 0)
}
