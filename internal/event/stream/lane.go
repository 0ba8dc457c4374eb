package stream

import (
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/batch"
	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// A lane handles the records of some keys of a shard, one batch after the other.
type lane struct {
	s      *shard
	number int
	came   chan struct{} // has one element when there is something new

	unsaved int // the step of the shard at which this lane has come forward last

	// The shard's lock guards what follows.
	items []item // that are not done, those of the batch under way first
	bytes int    // of their events
	over  time.Time
}

func newLane(s *shard, number int) *lane {
	return &lane{s: s, number: number, came: make(chan struct{}, 1)}
}

// A lane is full at so many bytes, or so many batches' records. Other lanes have
// to go on while one waits for its function, but not without end.
const (
	fullBytes   = 2 * batch.MaxBytes
	fullBatches = 10
)

func (l *lane) full() bool {
	return l.bytes >= fullBytes || len(l.items) >= fullBatches*l.s.r.job.BatchSize
}

func (l *lane) put(i item) {
	l.items = append(l.items, i)
	l.bytes += len(i.Event)
}

// drop takes away the first n, which are done.
func (l *lane) drop(n int) {
	for _, i := range l.items[:n] {
		l.bytes -= len(i.Event)
	}
	clear(l.items[:n]) // their events are not held any longer
	l.items = l.items[n:]
}

func (l *lane) wake() {
	select {
	case l.came <- struct{}{}:
	default:
	}
}

// run handles batches until the shard has ended, or the reader.
func (l *lane) run() {
	for {
		items, final := l.gather()
		switch {
		case final:
			if !l.finalize() {
				return
			}
		case len(items) == 0:
			return
		case !l.handle(items):
			return
		}
	}
}

// gather waits for a batch: what is there, or what comes within the batching
// window. It answers nothing at the end, and final when the tumbling window is
// to be closed first.
func (l *lane) gather() (items []item, final bool) {
	var window <-chan time.Time
	over := false
	for l.s.r.ctx.Err() == nil {
		items, full, final := l.take()
		switch {
		case final:
			return nil, true
		case full, len(items) > 0 && (l.s.r.job.Window == 0 || over):
			return items, false
		case l.atEnd(len(items)):
			return items, false
		case len(items) > 0 && window == nil: // it begins with the first record
			t := time.NewTimer(l.s.r.job.Window)
			defer t.Stop()
			window = t.C
		}
		select {
		case <-l.came:
		case <-window:
			over = true
		case <-l.s.r.ctx.Done():
		}
	}
	return nil, false
}

// take looks at the records that the next batch would have, and tells whether
// more would not fit into it.
func (l *lane) take() (items []item, full, final bool) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	w := l.s.mark.Window
	if w != nil && w.Early {
		return nil, false, true
	}
	b := batch.New(l.s.r.job.BatchSize)
	b.Reserve(l.s.r.overhead(w), l.s.r.each)
	for n, i := range l.items {
		if t := l.s.r.job.Tumbling; t > 0 {
			in := windowAt(i.Arrived, t)
			switch {
			case w == nil:
				w = in
			case n == 0 && !i.Arrived.Before(w.End):
				return nil, false, true
			case !i.Arrived.Before(w.End):
				return l.items[:n:n], true, false
			}
		}
		if !b.Add(i.Record) {
			return l.items[:n:n], true, false
		}
	}
	n := len(l.items)
	if n == 0 && w != nil && (l.s.end || !w.End.After(l.over)) {
		return nil, false, true
	}
	return l.items[:n:n], b.Room() == 0, false
}

// atEnd tells whether no more records come than there are.
func (l *lane) atEnd(n int) bool {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.s.end && len(l.items) == n
}

// plain are the records of items.
func plain(items []item) []source.Record {
	records := make([]source.Record, len(items))
	for i := range items {
		records[i] = items[i].Record
	}
	return records
}
