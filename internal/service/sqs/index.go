package sqs

import (
	"container/heap"
	"slices"
	"time"
)

// A kind is where a message that an index holds on to is.
type kind uint8

const (
	delayed  kind = iota
	flying        // received, and hidden until its visibility timeout
	back          // received before and visible again: a handle may still delete it
	claiming      // was back, and is being claimed
	gone          // deleted while it was back
)

// An item is a message that is known by its handle or waits for a time.
type item struct {
	seq, sent int64
	at        int64 // visible from then on
	claimed   int64
	received  int64
	group     string
	kind      kind
	pos       int // in timed
}

// An entry is a message that is visible.
type entry struct {
	seq, sent int64
	item      *item // nil if it was never received
}

// A group is a message group of a FIFO queue.
type group struct {
	name    string
	entries []entry // visible, in order
	flying  int
	busy    bool // being claimed from
	queued  bool // in turn
	parked  bool // its first message is not visible yet, and none that follows may pass it
}

// An index knows which of a queue's messages are visible, in flight and
// delayed. Its methods are called with the queue's mutex held.
type index struct {
	ready  line[entry] // visible messages of a standard queue; some of them gone
	groups map[string]*group
	turn   line[*group] // groups that may be received from, each once
	held   map[int64]*item
	timed  timed // the held that are delayed or flying, by time

	visible, flying, delayed int
	oldest                   int64 // no message was sent before; 0 is not known
}

// A state is what a row says about a message's place in the index.
type state struct {
	seq, sent, at, received, claimed int64
	group                            string
}

// restore puts a row of the last run into the index.
func (q *queue) restore(s state, now int64) {
	q.seen(s.sent)
	e := entry{seq: s.seq, sent: s.sent}
	if s.received > 0 || s.at > now {
		e.item = &item{seq: s.seq, sent: s.sent, at: s.at, claimed: s.claimed, received: s.received, group: s.group, kind: back}
	}
	switch {
	case s.at <= now:
		if e.item != nil {
			q.held[s.seq] = e.item
		}
		q.offer(e, s.group)
	case s.received > 0:
		q.fly(e.item)
	default:
		q.delay(e.item)
	}
}

// arrive takes up a message that was committed.
func (q *queue) arrive(m *message, now int64) {
	q.seen(m.sent)
	switch group := q.lane(m); {
	case q.held[m.seq] != nil: // a claim that read its group from SQL was faster
	case m.visible > now:
		q.delay(&item{seq: m.seq, sent: m.sent, at: m.visible, group: group})
	default:
		q.offer(entry{seq: m.seq, sent: m.sent}, group)
	}
}

// lane is the group that m waits in, "" in a standard queue.
func (q *queue) lane(m *message) string {
	if q.fifo {
		return m.group
	}
	return ""
}

func (q *queue) seen(sent int64) {
	if q.oldest == 0 || sent < q.oldest {
		q.oldest = sent
	}
}

// offer makes a message visible.
func (q *queue) offer(e entry, name string) {
	q.visible++
	if !q.fifo {
		q.ready.push(e)
		return
	}
	g := q.group(name)
	g.parked = false
	if n := len(g.entries); n == 0 || g.entries[n-1].seq < e.seq {
		g.entries = append(g.entries, e)
	} else {
		i, dup := slices.BinarySearchFunc(g.entries, e.seq, bySeq)
		if dup {
			q.visible--
			return
		}
		g.entries = slices.Insert(g.entries, i, e)
	}
	q.line(g)
}

func bySeq(e entry, seq int64) int {
	switch {
	case e.seq < seq:
		return -1
	case e.seq > seq:
		return 1
	}
	return 0
}

func (q *queue) group(name string) *group {
	g := q.groups[name]
	if g == nil {
		g = &group{name: name}
		q.groups[name] = g
	}
	return g
}

// line lets g be received from if it may, and forgets it if it is empty.
func (q *queue) line(g *group) {
	switch {
	case g.busy || g.flying > 0 || g.queued:
	case len(g.entries) == 0:
		if q.groups[g.name] == g {
			delete(q.groups, g.name)
		}
	case !g.parked:
		g.queued = true
		q.turn.push(g)
	}
}

func (q *queue) delay(it *item) {
	it.kind = delayed
	q.held[it.seq] = it
	q.delayed++
	heap.Push(&q.timed, it)
}

func (q *queue) fly(it *item) {
	it.kind = flying
	q.held[it.seq] = it
	q.flying++
	if q.fifo {
		q.group(it.group).flying++
	}
	heap.Push(&q.timed, it)
}

// land ends the flight of it, which the caller does something with.
func (q *queue) land(it *item) {
	heap.Remove(&q.timed, it.pos)
	q.flying--
	if q.fifo {
		g := q.group(it.group)
		g.flying--
		q.line(g)
	}
}

// due makes visible what the time has come for.
func (q *queue) due(now int64) {
	for len(q.timed) > 0 && q.timed[0].at <= now {
		it := q.timed[0]
		if it.kind == delayed {
			heap.Pop(&q.timed)
			q.delayed--
			delete(q.held, it.seq)
			q.offer(entry{seq: it.seq, sent: it.sent}, it.group)
			continue
		}
		it.kind = back
		q.offer(entry{it.seq, it.sent, it}, it.group) // before it lands: its group must not be passed on without it
		q.land(it)
	}
}

// deleted forgets a message whose row was deleted.
func (q *queue) deleted(seq int64) {
	it := q.held[seq]
	if it == nil {
		return
	}
	switch it.kind {
	case flying:
		delete(q.held, seq)
		q.land(it)
	case back:
		delete(q.held, seq)
		it.kind = gone
		if q.fifo {
			q.withdraw(q.group(it.group), seq)
		} else {
			q.visible--
		}
	}
}

// withdraw takes an entry out of its group.
func (q *queue) withdraw(g *group, seq int64) {
	i, ok := slices.BinarySearchFunc(g.entries, seq, bySeq)
	switch {
	case !ok:
		return
	case i == 0: // as a rule, and there may be many behind it
		g.entries = g.entries[1:]
	default:
		g.entries = slices.Delete(g.entries, i, i+1)
	}
	q.visible--
}

// reschedule hides a message in flight until at.
func (q *queue) reschedule(seq, at, now int64) {
	it := q.held[seq]
	if it == nil || it.kind != flying {
		return // it came back meanwhile; the claim will see the row's time
	}
	it.at = at
	heap.Fix(&q.timed, it.pos)
	q.due(now)
}

// available tells whether there is something to receive.
func (q *queue) available() bool {
	if q.flying >= maxFlying {
		return false
	}
	if q.fifo {
		return q.turn.len() > 0
	}
	return q.visible > 0
}

// A picked is what a receiver has taken out of the index to claim it.
type picked struct {
	entries []entry  // of a standard queue
	groups  []*group // of a FIFO queue
}

func (p picked) empty() bool { return len(p.entries) == 0 && len(p.groups) == 0 }

// pick takes up to n messages, or groups that have as many.
func (q *queue) pick(n int) (p picked) {
	n = min(n, maxFlying-q.flying)
	for q.fifo && n > 0 && q.turn.len() > 0 {
		g := q.turn.pop()
		g.queued = false
		if g.busy || g.flying > 0 || g.parked || len(g.entries) == 0 {
			q.line(g)
			continue
		}
		g.busy = true
		n -= len(g.entries)
		p.groups = append(p.groups, g)
	}
	for !q.fifo && len(p.entries) < n && q.ready.len() > 0 {
		e := q.ready.pop()
		if e.item != nil && e.item.kind == gone {
			continue
		}
		if e.item != nil {
			e.item.kind = claiming
		}
		q.visible--
		p.entries = append(p.entries, e)
	}
	return p
}

// putBack puts back what could not be claimed.
func (q *queue) putBack(p picked) {
	for _, g := range p.groups {
		g.busy = false
		q.line(g)
	}
	for _, e := range p.entries {
		if e.item != nil {
			e.item.kind = back
		}
		q.offer(e, "")
	}
}

// clear forgets all messages up to seq, and returns them.
func (q *queue) clear(upTo int64) []int64 {
	old := q.index
	q.index = newIndex()
	q.oldest = old.oldest
	var out []int64
	keep := func(e entry, group string) {
		switch {
		case e.item != nil && e.item.kind == gone:
		case e.seq <= upTo:
			out = append(out, e.seq)
		default:
			if e.item != nil {
				q.held[e.seq] = e.item
			}
			q.offer(e, group)
		}
	}
	for old.ready.len() > 0 {
		keep(old.ready.pop(), "")
	}
	for name, g := range old.groups {
		entries := g.entries
		g.entries, g.flying, g.queued, g.parked = nil, 0, false, false
		if g.busy {
			q.groups[name] = g // whoever claims from it comes back to it
		}
		for _, e := range entries {
			keep(e, name)
		}
	}
	for _, it := range old.timed {
		switch {
		case it.seq <= upTo:
			out = append(out, it.seq)
		case it.kind == delayed:
			q.delay(it)
		default:
			q.fly(it)
		}
	}
	return out
}

// expire forgets the messages sent before, which are not in flight, and
// returns them.
func (q *queue) expire(before int64) []int64 {
	if q.oldest == 0 || q.oldest >= before {
		return nil
	}
	var out []int64
	oldest := int64(0)
	old := func(sent int64) bool {
		if sent < before {
			return true
		}
		if oldest == 0 || sent < oldest {
			oldest = sent
		}
		return false
	}
	for _, it := range q.held {
		if it.kind == flying || it.kind == claiming {
			old(before) // it is looked at when it is back
		} else if it.kind == delayed && old(it.sent) {
			out = append(out, it.seq)
			heap.Remove(&q.timed, it.pos)
			q.delayed--
			delete(q.held, it.seq)
		}
	}
	expired := func(e entry) bool {
		if e.item != nil && e.item.kind == gone {
			return true
		}
		if !old(e.sent) {
			return false
		}
		out = append(out, e.seq)
		delete(q.held, e.seq)
		q.visible--
		return true
	}
	q.ready.filter(expired)
	for _, g := range q.groups {
		if !g.busy {
			g.entries = slices.DeleteFunc(g.entries, expired)
			q.line(g)
		}
	}
	q.oldest = oldest
	return out
}

func newIndex() index {
	return index{groups: map[string]*group{}, held: map[int64]*item{}}
}

// arm sets the queue's timer for the first of the timed.
func (q *queue) arm() {
	if len(q.timed) == 0 || q.closed {
		return
	}
	at := q.timed[0].at
	if q.armed != 0 && q.armed <= at {
		return // it rings earlier, and is set again then
	}
	q.armed = at
	d := max(0, time.UnixMilli(at).Sub(q.book.now()))
	if q.timer == nil {
		q.timer = time.AfterFunc(d, q.ring)
		return
	}
	q.timer.Reset(d)
}

// ring is called when the timer rings.
func (q *queue) ring() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.armed = 0
	if q.closed {
		return
	}
	q.due(q.book.ms())
	q.wake()
	q.arm()
}
