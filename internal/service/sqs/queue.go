package sqs

import (
	"container/list"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxFlying is how many messages of a queue may be in flight.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
const maxFlying = 120_000

var (
	errNoQueue   = errors.New("sqs: the queue does not exist")
	errOverLimit = errors.New("sqs: too many messages are in flight")
	errClosed    = errors.New("sqs: closed")
)

// A queue is a queue with its index.
type queue struct {
	book *Book
	id   int64
	name string
	fifo bool
	arn  string

	set atomic.Pointer[settings] // changed under Book.admin

	mu sync.Mutex // guards what follows
	index
	purged   int64 // messages up to this one were purged
	purgedAt int64
	closed   bool // the queue was deleted, or the book ends
	dead     bool // the queue was deleted
	waiters  list.List
	timer    *time.Timer
	armed    int64 // when the timer rings; 0 for not set
	attempts map[string]*attempt
}

const queueColumns = `id, name, created, modified, attributes, tags, purged, purged_at`

func (b *Book) scanQueue(scan func(...any) error) (*queue, error) {
	var s settings
	var attributes, tags string
	q := b.newQueue()
	if err := scan(&q.id, &q.name, &s.created, &s.modified, &attributes, &tags, &q.purged, &q.purgedAt); err != nil {
		return nil, err
	}
	if err := errors.Join(json.Unmarshal([]byte(attributes), &s.attributes), json.Unmarshal([]byte(tags), &s.tags)); err != nil {
		return nil, fmt.Errorf("queue %s: %w", q.name, err)
	}
	q.describe(&s)
	return q, nil
}

func (b *Book) newQueue() *queue {
	return &queue{book: b, index: newIndex(), attempts: map[string]*attempt{}}
}

// describe makes q the queue that s is about.
func (q *queue) describe(s *settings) {
	q.fifo = strings.HasSuffix(q.name, ".fifo")
	q.arn = q.book.arn(q.name)
	s.read()
	q.set.Store(s)
}

// committed takes up messages whose transaction is committed.
func (q *queue) committed(ms ...*message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.book.ms()
	for _, m := range ms {
		switch {
		case m.duplicate || m.queue != q.id:
		case q.dead || m.seq <= q.purged:
			q.book.garbage.add(m.seq)
		default:
			q.arrive(m, now)
		}
	}
	q.wake()
	q.arm()
}

// wake wakes the receiver that waits longest if there is something for it. It
// wakes the next when there is more.
func (q *queue) wake() {
	if !q.available() {
		return
	}
	if e := q.waiters.Front(); e != nil {
		q.call(e)
	}
}

// call wakes a receiver, which leaves the line.
func (q *queue) call(e *list.Element) {
	w := q.waiters.Remove(e).(*waiter)
	w.place = nil
	close(w.ring)
}

// close ends what waits.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut()
}

func (q *queue) shut() {
	q.closed = true
	if q.timer != nil {
		q.timer.Stop()
	}
	for e := q.waiters.Front(); e != nil; e = q.waiters.Front() {
		q.call(e)
	}
}

// bury ends a queue that was deleted and has its messages removed.
func (q *queue) bury() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dead = true
	q.shut()
	q.book.garbage.add(q.clear(1<<63 - 1)...)
}

// purge forgets what was sent before the purge.
func (q *queue) purge(upTo, at int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.purged, q.purgedAt = upTo, at
	q.book.garbage.add(q.clear(upTo)...)
	q.wake()
}

// counts are the approximate numbers of GetQueueAttributes.
func (q *queue) counts() (visible, flying, delayed int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.visible, q.flying, q.delayed
}
