package sqs

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// schema makes the tables. Times are milliseconds since 1970.
//
// A message's seq is its place in its queue and its name in receipt handles.
// There is no index by queue: which messages a queue has is known in memory,
// and an insert writes one place. A group of a FIFO queue is read in order from
// SQL, so it has one; the rows of other queues, whose dedup is NULL, are not in it.
func schema() []string {
	return []string{
		`CREATE TABLE sqs_queue (
			id INTEGER PRIMARY KEY,
			name TEXT NOT NULL UNIQUE,
			created INTEGER NOT NULL,
			modified INTEGER NOT NULL,
			attributes TEXT NOT NULL,
			tags TEXT NOT NULL,
			purged INTEGER NOT NULL,
			purged_at INTEGER NOT NULL
		)`,
		`CREATE TABLE sqs_deleted (name TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL)`,
		`CREATE TABLE sqs_message (
			seq INTEGER PRIMARY KEY,
			queue INTEGER NOT NULL,
			id BLOB NOT NULL,
			sent INTEGER NOT NULL,
			visible INTEGER NOT NULL,
			received INTEGER NOT NULL DEFAULT 0,
			first INTEGER NOT NULL DEFAULT 0,
			claimed INTEGER NOT NULL DEFAULT 0,
			sender TEXT NOT NULL,
			grp TEXT,
			dedup TEXT,
			trace TEXT,
			source TEXT,
			attributes BLOB,
			body TEXT
		)`,
		`CREATE INDEX sqs_message_group ON sqs_message (queue, grp, seq) WHERE dedup IS NOT NULL`,
		`CREATE TABLE sqs_body (seq INTEGER PRIMARY KEY, body TEXT NOT NULL)`,
		`CREATE TABLE sqs_dedup (
			queue INTEGER NOT NULL,
			scope TEXT NOT NULL,
			id TEXT NOT NULL,
			message BLOB NOT NULL,
			seq INTEGER NOT NULL,
			at INTEGER NOT NULL,
			PRIMARY KEY (queue, scope, id)
		)`,
		`CREATE INDEX sqs_dedup_at ON sqs_dedup (at)`,
		`CREATE TABLE sqs_move (
			id TEXT NOT NULL PRIMARY KEY,
			source TEXT NOT NULL,
			destination TEXT NOT NULL,
			rate INTEGER NOT NULL,
			status TEXT NOT NULL,
			started INTEGER NOT NULL,
			moved INTEGER NOT NULL,
			total INTEGER NOT NULL,
			failure TEXT NOT NULL
		)`,
	}
}

// maxInline is the largest body that stands in its message's row. A claim
// writes the row anew, so a large one stands beside it.
const maxInline = 3000

// A message is a message as SQL keeps it. What is optional is empty when there
// is none.
type message struct {
	seq        int64
	queue      int64
	id         uuid.UUID
	sent       int64 // when it came into a queue for the first time
	visible    int64 // in flight or delayed until then
	received   int64 // how often
	first      int64 // when it was received for the first time
	claimed    int64 // when it was received last
	sender     string
	group      string
	dedup      string
	trace      string
	source     string // ARN of the queue that it could not be handled in
	attributes []byte // see attributes.encode
	body       string

	duplicate bool // it was there already: seq and id are the other's
	handle    string
}

const messageColumns = `seq, queue, id, sent, visible, received, first, claimed, sender, grp, dedup, trace, source, attributes, body`

func scanMessage(scan func(...any) error) (*message, error) {
	m := new(message)
	var id []byte
	var group, dedup, trace, source, body *string
	err := scan(&m.seq, &m.queue, &id, &m.sent, &m.visible, &m.received, &m.first, &m.claimed, &m.sender,
		&group, &dedup, &trace, &source, &m.attributes, &body)
	if err != nil {
		return nil, err
	}
	copy(m.id[:], id)
	m.group, m.dedup, m.trace, m.source, m.body = text(group), text(dedup), text(trace), text(source), text(body)
	return m, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// optional is s as an argument: NULL when it is empty.
func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// insert gives m its place and keeps it. Most messages are plain: they take
// the statement with fewer columns.
func (b *Book) insert(tx store.Tx, m *message) error {
	m.seq = b.clock.next()
	var body any = m.body
	if len(m.body) > maxInline {
		body = nil
		if _, err := tx.Exec(`INSERT INTO sqs_body (seq, body) VALUES (?, ?)`, m.seq, m.body); err != nil {
			return err
		}
	}
	if m.group == "" && m.attributes == nil && m.trace == "" {
		_, err := tx.Exec(`INSERT INTO sqs_message (seq, queue, id, sent, visible, sender, body) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			m.seq, m.queue, m.id[:], m.sent, m.visible, m.sender, body)
		return err
	}
	_, err := tx.Exec(`INSERT INTO sqs_message (seq, queue, id, sent, visible, sender, body, grp, dedup, trace, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.seq, m.queue, m.id[:], m.sent, m.visible, m.sender, body,
		optional(m.group), optional(m.dedup), optional(m.trace), m.attributes)
	return err
}

// large reads the body of m if it stands beside its row.
func large(tx store.Tx, m *message) error {
	if m.body != "" {
		return nil
	}
	return tx.Get([]any{&m.body}, `SELECT body FROM sqs_body WHERE seq = ?`, m.seq)
}

// remove deletes messages by their seq, wherever they are.
func remove(tx store.Tx, seqs ...int64) error {
	for _, seq := range seqs {
		if _, err := tx.Exec(`DELETE FROM sqs_message WHERE seq = ?`, seq); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM sqs_body WHERE seq = ?`, seq); err != nil {
			return err
		}
	}
	return nil
}

// relocate puts m at the end of another queue as what it is now.
func (b *Book) relocate(tx store.Tx, m *message, to *queue) error {
	old := m.seq
	m.seq, m.queue = b.clock.next(), to.id
	dedup := optional(m.dedup)
	if to.fifo && m.dedup == "" {
		dedup = m.id.String()
	}
	_, err := tx.Exec(`UPDATE sqs_message SET seq = ?, queue = ?, id = ?, sent = ?, visible = ?, received = ?, first = ?, claimed = 0, source = ?, dedup = ? WHERE seq = ?`,
		m.seq, m.queue, m.id[:], m.sent, m.visible, m.received, m.first, optional(m.source), dedup, old)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE sqs_body SET seq = ? WHERE seq = ?`, m.seq, old)
	return err
}

// loadPage is how many rows are read at a time, since a View must be short.
const loadPage = 20_000

// load reads the queues, and their indexes from the messages' rows.
func (b *Book) load(ctx context.Context) error {
	if err := b.loadQueues(ctx); err != nil {
		return err
	}
	now := b.ms()
	last := int64(-1)
	for {
		n := 0
		err := b.db.View(ctx, func(tx store.Tx) error {
			n = 0
			return tx.Each(`SELECT seq, queue, sent, visible, received, claimed, CASE WHEN dedup IS NULL THEN NULL ELSE grp END FROM sqs_message WHERE seq > ? ORDER BY seq LIMIT ?`,
				[]any{last, loadPage}, func(scan func(...any) error) error {
					var queue int64
					var s state
					var group *string
					if err := scan(&s.seq, &queue, &s.sent, &s.at, &s.received, &s.claimed, &group); err != nil {
						return err
					}
					s.group = text(group)
					n++
					last = s.seq
					b.found(b.byID[queue], s, now)
					return nil
				})
		})
		if err != nil {
			return fmt.Errorf("load messages: %w", err)
		}
		b.clock.after(last)
		if n < loadPage {
			break
		}
	}
	for _, q := range b.byID {
		q.rouse()
	}
	return nil
}

// rouse sets the timer for what was delayed or in flight when the last run
// ended: nothing else may ever happen to the queue.
func (q *queue) rouse() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.arm()
}

// found puts a row of the last run into its queue's index, or has it removed if
// it has outlived its queue.
func (b *Book) found(q *queue, s state, now int64) {
	if q == nil || s.seq <= q.purged {
		b.garbage.add(s.seq)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.restore(s, now)
}

func (b *Book) loadQueues(ctx context.Context) error {
	err := b.db.View(ctx, func(tx store.Tx) error {
		return tx.Each(`SELECT `+queueColumns+` FROM sqs_queue`, nil, func(scan func(...any) error) error {
			q, err := b.scanQueue(scan)
			if err != nil {
				return err
			}
			b.queues[q.name], b.byID[q.id] = q, q
			b.clock.after(max(q.id, q.purged))
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("load queues: %w", err)
	}
	return nil
}

// missing tells whether err only says that there is no row.
func missing(err error) bool { return errors.Is(err, store.ErrNoRows) }
