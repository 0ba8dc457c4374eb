package async

import (
	"maps"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/ramp"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// How much of a backlog is in memory: so many events of a function, and so
// many bytes of all functions.
const (
	window      = 512
	windowBytes = 64 << 20
)

// A lane is what waits and runs of one function. Lanes take turns, one event
// each, so that no function's backlog delays another's. The Queue's mutex
// guards it.
type lane struct {
	name    string
	ramp    ramp.Ramp
	known   map[int64]*waiting // in waits, or running
	waits   []*waiting
	running int
	queued  bool // it is in the Queue's turn

	more    bool // SQL has events that are due and not known
	reading bool
	wake    time.Time // when others become due; zero for none
	until   time.Time // nothing is tried before: there was no room

	depth int64 // of what was accepted and is not done
	stats Stats
}

// Stats is what has become of a function's events since the start.
type Stats struct {
	Function string
	Received int64
	Dropped  int64 // neither succeeded nor sent on
	Looped   int64 // stopped as part of a loop
	Unsent   int64 // could not be sent to a destination or a dead letter queue
	Depth    int64 // wait or run now

	// Oldest is the age of the oldest event in memory.
	Oldest time.Duration
}

// lane finds or makes the lane of a function.
func (q *Queue) lane(name string) *lane {
	l := q.lanes[name]
	if l == nil {
		l = &lane{name: name, ramp: ramp.New(q.c.Concurrency), known: map[int64]*waiting{}}
		l.stats.Function = name
		q.lanes[name] = l
	}
	return l
}

// keep has w wait in memory.
func (q *Queue) keep(l *lane, w *waiting) {
	l.known[w.id] = w
	l.waits = append(l.waits, w)
	q.bytes += len(w.Payload)
}

// ready gives l a turn if it can use one.
func (q *Queue) ready(l *lane) {
	if !l.queued && (len(l.waits) > 0 || l.more && !l.reading) {
		l.queued = true
		q.turn = append(q.turn, l)
	}
}

// pump lets the lanes have their turns while there is room. A lane that cannot
// go on now loses its turn: who changes that makes it ready again.
func (q *Queue) pump() {
	for q.running < q.c.Concurrency && len(q.turn) > 0 && !q.closed {
		l := q.turn[0]
		q.turn[0], q.turn = nil, q.turn[1:]
		l.queued = false
		if wait := l.until.Sub(q.c.Now()); wait > 0 {
			q.wakeAt(l.until)
			continue
		}
		if l.more && !l.reading && len(l.waits) < window/2 {
			q.read(l)
		}
		if len(l.waits) == 0 || l.running >= l.ramp.Limit() {
			continue
		}
		w := l.waits[0]
		l.waits[0], l.waits = nil, l.waits[1:]
		q.bytes -= len(w.Payload)
		l.running++
		q.running++
		q.work.Go(func() { q.run(l, w) })
		q.ready(l)
	}
}

// read brings a page of l's events into memory.
func (q *Queue) read(l *lane) {
	l.reading, l.more = true, false
	known := maps.Clone(q.pending)
	for id := range l.known {
		known[id] = true
	}
	n, bytes := window-len(l.waits), max(windowBytes-q.bytes, 1) // a lane can always go on
	q.work.Go(func() {
		var p page
		err := q.retry(func() (err error) {
			p, err = store.Read(q.ctx, q.c.DB, func(tx store.Tx) (page, error) {
				return readPage(tx, l.name, q.c.Now(), known, n, bytes)
			})
			return err
		})
		q.mu.Lock()
		defer q.mu.Unlock()
		l.reading = false
		if err != nil {
			return // closed: the next Open reads it
		}
		for _, w := range p.events {
			if l.known[w.id] == nil {
				q.keep(l, w)
			}
		}
		l.more = l.more || p.more
		q.due(l, p.next)
		q.ready(l)
		q.pump()
	})
}

// due notes that something of l becomes due at a time.
func (q *Queue) due(l *lane, at time.Time) {
	if at.IsZero() {
		return
	}
	if l.wake.IsZero() || at.Before(l.wake) {
		l.wake = at
	}
	q.wakeAt(l.wake)
}

// wakeAt has the alarm go off no later than at.
func (q *Queue) wakeAt(at time.Time) {
	if q.closed || !q.alarmAt.IsZero() && !at.Before(q.alarmAt) {
		return
	}
	q.alarmAt = at
	d := max(at.Sub(q.c.Now()), 0)
	if q.alarm == nil {
		q.alarm = time.AfterFunc(d, q.woken)
		return
	}
	q.alarm.Reset(d)
}

// woken is the alarm: lanes whose time has come go on.
func (q *Queue) woken() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.alarmAt = time.Time{}
	if q.closed {
		return
	}
	now := q.c.Now()
	for _, l := range q.lanes {
		if !l.wake.IsZero() && !l.wake.After(now) {
			l.wake, l.more = time.Time{}, true
		}
		if !l.wake.IsZero() {
			q.wakeAt(l.wake)
		}
		if l.until.After(now) {
			q.wakeAt(l.until)
		}
		q.ready(l)
	}
	q.pump()
}

// release gives back what w had while it ran; then w is out of memory, or
// waits at the front again.
func (q *Queue) release(l *lane, w *waiting, again bool) {
	q.running--
	l.running--
	if again {
		l.waits = append([]*waiting{w}, l.waits...)
		q.bytes += len(w.Payload)
	} else {
		delete(l.known, w.id)
	}
	q.ready(l)
	q.pump()
}

// Stats answers what each function's events have come to.
func (q *Queue) Stats() []Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.c.Now()
	all := make([]Stats, 0, len(q.lanes))
	for _, l := range q.lanes {
		s := l.stats
		s.Depth = l.depth
		for _, w := range l.known {
			s.Oldest = max(s.Oldest, now.Sub(w.received))
		}
		all = append(all, s)
	}
	return all
}
