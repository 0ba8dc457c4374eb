package sqs

import (
	"container/list"
	"context"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// forever is a wait that only its context ends.
const forever = time.Duration(1<<63 - 1)

// receive answers up to n messages, hidden from others for so long. When there
// is none it waits; nothing came when the answer is empty.
func (b *Book) receive(ctx context.Context, q *queue, n int, hidden, wait time.Duration) ([]*message, error) {
	var timeout <-chan time.Time
	if wait > 0 && wait != forever {
		t := time.NewTimer(wait)
		defer t.Stop()
		timeout = t.C
	}
	woken := false
	for {
		p, w, err := q.take(n, wait > 0, woken)
		if err != nil {
			return nil, err
		}
		if !p.empty() {
			ms, err := b.claim(ctx, q, p, n, hidden)
			if err != nil || len(ms) > 0 {
				return ms, err
			}
			continue // they were too old, or went to the dead-letter queue
		}
		if w == nil {
			return nil, nil
		}
		select {
		case <-w.ring:
			woken = true
		case <-timeout:
			q.leave(w)
			return nil, nil
		case <-ctx.Done():
			q.leave(w)
			return nil, ctx.Err()
		}
	}
}

// A waiter is a receiver in line.
type waiter struct {
	ring  chan struct{} // closed when there may be something for it
	place *list.Element // nil once it is out of the line
}

// take picks up to n messages. If there is none and the caller waits, it
// stands in line as w.
func (q *queue) take(n int, waits, woken bool) (p picked, w *waiter, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.dead:
		return p, nil, errNoQueue
	case q.closed:
		return p, nil, errClosed
	}
	if q.available() {
		p = q.pick(n)
		q.wake()
	} else if !waits && !q.fifo && q.flying >= maxFlying {
		return p, nil, errOverLimit
	}
	if !p.empty() || !waits {
		return p, nil, nil
	}
	w = &waiter{ring: make(chan struct{})}
	if woken { // it was its turn
		w.place = q.waiters.PushFront(w)
	} else {
		w.place = q.waiters.PushBack(w)
	}
	return p, w, nil
}

// leave takes a receiver out of the line, and passes on what woke it.
func (q *queue) leave(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.place != nil {
		q.waiters.Remove(w.place)
		w.place = nil
		return
	}
	if !q.closed {
		q.wake()
	}
}

// An outcome is what became of a message that was picked, or found in a group.
type outcome struct {
	m       *message // as it is now
	claimed bool
	hidden  bool // its row says that it is not visible
}

// A move is a message that a claim sent to another queue.
type move struct {
	m  *message
	to *queue
}

// A round is a claim under way: what its transaction finds.
type round struct {
	now      int64
	hidden   time.Duration
	set      *settings
	outcomes []outcome
	groups   []found
	moved    []move
}

// A found is what the rows of a group say.
type found struct {
	group    *group
	outcomes []outcome
	upTo     int64 // what is not in outcomes and not later is not there
}

// claim claims what was picked. In the answer is what its caller gets; the
// index knows of the rest.
func (b *Book) claim(ctx context.Context, q *queue, p picked, n int, hidden time.Duration) ([]*message, error) {
	var r round
	err := b.db.Update(ctx, func(tx store.Tx) (err error) {
		r = round{now: b.ms(), hidden: hidden, set: q.set.Load()}
		for _, e := range p.entries {
			o, err := b.claimOne(tx, q, &r, e.seq)
			if err != nil {
				return err
			}
			r.outcomes = append(r.outcomes, o)
		}
		left := n
		for _, g := range p.groups {
			f, err := b.claimGroup(tx, q, &r, g, left)
			if err != nil {
				return err
			}
			left -= len(f.outcomes)
			r.groups = append(r.groups, f)
		}
		return nil
	})
	if err != nil {
		q.mu.Lock()
		q.putBack(p)
		q.wake()
		q.mu.Unlock()
		return nil, err
	}
	ms := q.claimed(p, &r)
	for _, o := range r.moved {
		o.to.committed(o.m)
	}
	return ms, nil
}

// claimOne claims the message seq of a standard queue.
func (b *Book) claimOne(tx store.Tx, q *queue, r *round, seq int64) (outcome, error) {
	var m *message
	err := tx.Each(`UPDATE sqs_message SET visible = ?, received = received + 1, claimed = ?,
			first = CASE WHEN first = 0 THEN ? ELSE first END
			WHERE seq = ? AND queue = ? AND visible <= ? RETURNING `+messageColumns,
		[]any{r.now + r.hidden.Milliseconds(), r.now, r.now, seq, q.id, r.now},
		func(scan func(...any) error) (err error) {
			m, err = scanMessage(scan)
			return err
		})
	switch {
	case err != nil:
		return outcome{}, err
	case m == nil:
		return b.whereIs(tx, q, seq)
	}
	return b.sort(tx, q, r, m)
}

// whereIs tells about a message that could not be claimed: it was deleted, or
// hidden meanwhile.
func (b *Book) whereIs(tx store.Tx, q *queue, seq int64) (outcome, error) {
	m := &message{seq: seq}
	err := tx.Get([]any{&m.sent, &m.visible, &m.received, &m.claimed},
		`SELECT sent, visible, received, claimed FROM sqs_message WHERE seq = ? AND queue = ?`, seq, q.id)
	if missing(err) {
		return outcome{m: m}, nil
	}
	return outcome{m: m, hidden: true}, err
}

// sort decides about a message that is claimed: its receiver gets it, or it
// has been received too often, or it is too old.
func (b *Book) sort(tx store.Tx, q *queue, r *round, m *message) (outcome, error) {
	if m.sent+r.set.retention.Milliseconds() <= r.now {
		return outcome{m: m}, remove(tx, m.seq)
	}
	if to := b.deadLetters(q, r.set); to != nil && m.received > r.set.maxReceive {
		seq := m.seq
		m.received--
		m.source, m.visible = q.arn, r.now
		if to.fifo { // a FIFO queue counts a message's age anew
			m.sent = r.now
		}
		r.moved = append(r.moved, move{m, to})
		return outcome{m: &message{seq: seq}}, b.relocate(tx, m, to)
	}
	return outcome{m: m, claimed: true}, large(tx, m)
}

// deadLetters is the queue for what cannot be handled, nil for none.
func (b *Book) deadLetters(q *queue, s *settings) *queue {
	if s.maxReceive == 0 {
		return nil
	}
	to := b.byARN(s.deadLetter)
	if to == nil || to.fifo != q.fifo {
		return nil
	}
	return to
}

// claimGroup claims up to n messages of a group: the first ones, as the rows
// say. The index may not know yet of one that was just committed.
func (b *Book) claimGroup(tx store.Tx, q *queue, r *round, g *group, n int) (found, error) {
	f := found{group: g, upTo: b.clock.next()}
	if n <= 0 {
		f.upTo = 0
		return f, nil
	}
	var rows []*message
	err := tx.Each(`SELECT `+messageColumns+` FROM sqs_message
			WHERE queue = ? AND grp = ? AND dedup IS NOT NULL AND seq > ? ORDER BY seq LIMIT ?`,
		[]any{q.id, g.name, q.watermark(), n}, func(scan func(...any) error) error {
			m, err := scanMessage(scan)
			rows = append(rows, m)
			return err
		})
	if err != nil {
		return f, err
	}
	for _, m := range rows {
		if m.visible > r.now { // nothing may pass it
			f.outcomes = append(f.outcomes, outcome{m: m, hidden: true})
			f.upTo = m.seq
			return f, nil
		}
		o, err := b.claimRow(tx, q, r, m)
		if err != nil {
			return f, err
		}
		f.outcomes = append(f.outcomes, o)
	}
	if len(rows) == n {
		f.upTo = rows[n-1].seq
	}
	return f, nil
}

// claimRow claims a row that was just read.
func (b *Book) claimRow(tx store.Tx, q *queue, r *round, m *message) (outcome, error) {
	m.received++
	o, err := b.sort(tx, q, r, m)
	if err != nil || !o.claimed {
		return o, err
	}
	m.visible, m.claimed = r.now+r.hidden.Milliseconds(), r.now
	if m.first == 0 {
		m.first = r.now
	}
	_, err = tx.Exec(`UPDATE sqs_message SET visible = ?, received = ?, claimed = ?, first = ? WHERE seq = ?`,
		m.visible, m.received, m.claimed, m.first, m.seq)
	return o, err
}

// watermark is what the queue was purged up to.
func (q *queue) watermark() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.purged
}

// claimed brings the index up to a claim, and answers what the receiver gets.
func (q *queue) claimed(p picked, r *round) []*message {
	q.mu.Lock()
	defer q.mu.Unlock()
	var ms []*message
	for _, o := range r.outcomes {
		ms = q.place(ms, o)
	}
	for _, f := range r.groups {
		q.matched(f)
		for _, o := range f.outcomes {
			q.withdraw(f.group, o.m.seq)
			if o.hidden && q.held[o.m.seq] != nil && q.held[o.m.seq].kind == delayed {
				f.group.parked = true
				continue
			}
			ms = q.place(ms, o)
		}
		f.group.busy = false
		q.line(f.group)
	}
	q.due(r.now)
	q.wake()
	q.arm()
	return ms
}

// matched drops entries of a group that have no row.
func (q *queue) matched(f found) {
	rows := map[int64]bool{}
	for _, o := range f.outcomes {
		rows[o.m.seq] = true
	}
	var ghosts []int64
	for _, e := range f.group.entries {
		if e.seq > f.upTo {
			break
		}
		if !rows[e.seq] {
			ghosts = append(ghosts, e.seq)
		}
	}
	for _, seq := range ghosts {
		q.withdraw(f.group, seq)
		delete(q.held, seq)
	}
}

// place puts what a claim found out about a message into the index.
func (q *queue) place(ms []*message, o outcome) []*message {
	it := q.held[o.m.seq]
	if !o.claimed && !o.hidden {
		delete(q.held, o.m.seq)
		return ms
	}
	if o.m.seq <= q.purged || q.dead {
		delete(q.held, o.m.seq)
		q.book.garbage.add(o.m.seq)
	} else {
		if it == nil {
			it = &item{seq: o.m.seq, sent: o.m.sent, group: q.lane(o.m), kind: claiming}
		}
		if it.kind == flying { // as an earlier claim left it
			q.land(it)
		}
		it.at, it.claimed, it.received = o.m.visible, o.m.claimed, o.m.received
		q.fly(it)
	}
	if o.claimed {
		o.m.handle = makeHandle(q.id, o.m)
		ms = append(ms, o.m)
	}
	return ms
}
