package logs

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// A query says which events of one group are wanted, and in which order.
type query struct {
	group    int64
	streams  map[int64]bool // nil means all
	from, to int64          // milliseconds; to is not included
	after    *key           // only what comes after this in the wanted order
	newest   bool           // the newest first
}

func (q *query) wants(stream int64) bool { return q.streams == nil || q.streams[stream] }

// has tells whether e is asked for.
func (q *query) has(e event) bool {
	if e.at < q.from || e.at >= q.to || !q.wants(e.stream) {
		return false
	}
	return q.after == nil || q.before(*q.after, e.key)
}

// before tells whether a comes before o in the wanted order.
func (q *query) before(a, o key) bool {
	if q.newest {
		return o.less(a)
	}
	return a.less(o)
}

// edge is the time of r's first event in the wanted order.
func (q *query) edge(r run) int64 {
	if q.newest {
		return r.max
	}
	return r.min
}

// A cursor walks the events that a query asks for, in order. It takes one day
// after the other, since days do not overlap, and within a day merges the runs,
// each of which it reads when its time comes, as it does the slices' indexes: a
// large day's do not all fit into memory.
type cursor struct {
	*query
	indexes *indexes
	read    int64    // bytes of events read so far
	days    []*slice // still to come, in the wanted order
	waiting []part   // of the day at hand: not read yet, in the wanted order
	open    runHeap  // of the day at hand: read
	files   map[*slice]*os.File
}

// A part is a run and where it is, or all of a slice that was not looked into.
type part struct {
	run
	slice *slice
	whole bool
}

// cursor starts a walk. The caller must close it.
func (b *Book) cursor(q *query) *cursor {
	c := &cursor{query: q, indexes: b.indexes, files: map[*slice]*os.File{}, open: runHeap{q: q}}
	if q.after != nil { // no need to look at what lies before
		if q.newest {
			q.to = min(q.to, q.after.at+1)
		} else {
			q.from = max(q.from, q.after.at)
		}
	}
	for _, s := range b.shelves.of(q.group).list() {
		if (s.day+1)*day > q.from && s.day*day < q.to {
			c.days = append(c.days, s)
		}
	}
	if q.newest {
		slices.Reverse(c.days)
	}
	return c
}

func (c *cursor) close() {
	for _, f := range c.files {
		f.Close()
	}
}

// next returns the next event; false at the end.
func (c *cursor) next() (event, bool, error) {
	for {
		if len(c.open.runs) == 0 && len(c.waiting) == 0 {
			if len(c.days) == 0 {
				return event{}, false, nil
			}
			c.nextDay()
			continue
		}
		if len(c.waiting) > 0 && c.due(c.waiting[0]) {
			p := c.waiting[0]
			c.waiting = c.waiting[1:]
			if err := c.load(p); err != nil {
				return event{}, false, err
			}
			continue
		}
		return c.open.pop(), true, nil
	}
}

// due tells whether p must be read before the next event is known.
func (c *cursor) due(p part) bool {
	if len(c.open.runs) == 0 {
		return true
	}
	first := c.open.runs[0][0].at
	if c.newest {
		return c.edge(p.run) >= first
	}
	return c.edge(p.run) <= first
}

// nextDay gathers the slices of the next day.
func (c *cursor) nextDay() {
	c.close()
	clear(c.files)
	for d := c.days[0].day; len(c.days) > 0 && c.days[0].day == d; c.days = c.days[1:] {
		p := part{slice: c.days[0], whole: true}
		if p.min, p.max = p.slice.spans(); p.max >= c.from && p.min < c.to {
			c.waiting = append(c.waiting, p)
		}
	}
	c.sort()
}

// sort puts what waits into the wanted order.
func (c *cursor) sort() {
	slices.SortStableFunc(c.waiting, func(a, b part) int {
		if c.newest {
			a, b = b, a
		}
		return cmp.Compare(c.edge(a.run), c.edge(b.run))
	})
}

// expand lets the runs of s wait in its place.
func (c *cursor) expand(s *slice) error {
	runs, err := c.runs(s)
	if err != nil {
		return err
	}
	waiting := make([]part, 0, len(runs)+len(c.waiting))
	for _, r := range runs {
		waiting = append(waiting, part{run: r, slice: s})
	}
	c.waiting = append(waiting, c.waiting...)
	c.sort()
	return nil
}

// runs looks into the index of s, which another reader's need may push out of
// memory before we have looked.
func (c *cursor) runs(s *slice) ([]run, error) {
	for {
		if found, ok := s.find(c.query); ok {
			return found, nil
		}
		if err := c.indexes.load(s); err != nil {
			return nil, err
		}
	}
}

// load reads a run and opens it for merging, or looks into a slice.
func (c *cursor) load(p part) error {
	if p.whole {
		return c.expand(p.slice)
	}
	f, err := c.file(p.slice)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has been dropped meanwhile
	}
	if err != nil {
		return fmt.Errorf("open slice: %w", err)
	}
	buf := make([]byte, p.size)
	if _, err := f.ReadAt(buf, p.off); err != nil {
		return fmt.Errorf("read slice: %w", err)
	}
	c.read += p.size
	events, err := c.decode(buf)
	if err != nil {
		return fmt.Errorf("read %s at %d: %w", p.slice.path, p.off, err)
	}
	if len(events) > 0 {
		heap.Push(&c.open, events)
	}
	return nil
}

// decode reads the frames in b and sorts what is wanted.
func (c *cursor) decode(b []byte) ([]event, error) {
	var events []event
	for len(b) > 0 {
		body, rest, err := frame(b)
		if err != nil {
			return nil, err
		}
		err = readBlock(body, func(e event) {
			if c.has(e) {
				events = append(events, e)
			}
		})
		if err != nil {
			return nil, err
		}
		b = rest
	}
	slices.SortFunc(events, func(a, b event) int {
		if c.before(a.key, b.key) {
			return -1
		}
		return 1
	})
	return events, nil
}

func (c *cursor) file(s *slice) (*os.File, error) {
	if f := c.files[s]; f != nil {
		return f, nil
	}
	f, err := os.Open(s.path)
	if err == nil {
		c.files[s] = f
	}
	return f, err
}

// A runHeap holds runs that have been read; the one with the next event first.
// None is empty.
type runHeap struct {
	q    *query
	runs [][]event
}

func (h *runHeap) Len() int           { return len(h.runs) }
func (h *runHeap) Less(i, j int) bool { return h.q.before(h.runs[i][0].key, h.runs[j][0].key) }
func (h *runHeap) Swap(i, j int)      { h.runs[i], h.runs[j] = h.runs[j], h.runs[i] }
func (h *runHeap) Push(x any)         { h.runs = append(h.runs, x.([]event)) }

func (h *runHeap) Pop() any {
	n := len(h.runs) - 1
	x := h.runs[n]
	h.runs = h.runs[:n]
	return x
}

// pop takes the next event.
func (h *runHeap) pop() event {
	e := h.runs[0][0]
	if h.runs[0] = h.runs[0][1:]; len(h.runs[0]) == 0 {
		heap.Pop(h)
	} else {
		heap.Fix(h, 0)
	}
	return e
}
