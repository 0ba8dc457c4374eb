package sqs

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
func (a *api) receiveMessage(ctx context.Context, in *ReceiveMessageRequest) (*ReceiveMessageResult, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	want, err := wantedOf(in)
	if err != nil {
		return nil, err
	}
	s := q.set.Load()
	n := int32(1)
	if in.MaxNumberOfMessages != nil {
		n = *in.MaxNumberOfMessages
	}
	if n < 1 || n > maxBatch {
		return nil, invalidValue(n, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
	}
	hidden, err := seconds(in.VisibilityTimeout, "VisibilityTimeout", 43200, s.visibility)
	if err != nil {
		return nil, err
	}
	wait, err := seconds(in.WaitTimeSeconds, "WaitTimeSeconds", 20, s.wait)
	if err != nil {
		return nil, err
	}
	ms, err := a.attempt(ctx, q, value0(in.ReceiveRequestAttemptId), int(n), hidden, wait)
	switch {
	case errors.Is(err, errClosed): // the server ends: nothing came
	case err != nil:
		return nil, fault(err)
	}
	out := &ReceiveMessageResult{}
	for _, m := range ms {
		e, err := want.message(q, m)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, e)
	}
	return out, nil
}

// An attempt is what a receive of a FIFO queue answered, for a client that
// did not get the answer and asks again. A restart forgets attempts: the
// messages come back after their visibility timeout, in order.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-receiverequestattemptid-request-parameter.html
type attempt struct {
	at       int64
	messages []*message
}

// attempt is receive, which answers the same again for the same id.
func (b *Book) attempt(ctx context.Context, q *queue, id string, n int, hidden, wait time.Duration) ([]*message, error) {
	if id == "" || !q.fifo {
		return b.receive(ctx, q, n, hidden, wait)
	}
	if err := checkID(id, "ReceiveRequestAttemptId"); err != nil {
		return nil, err
	}
	if ms, err := b.again(ctx, q, id, hidden); err != nil || ms != nil {
		return ms, err
	}
	ms, err := b.receive(ctx, q, n, hidden, wait)
	if len(ms) > 0 {
		q.mu.Lock()
		q.attempts[id] = &attempt{b.ms(), ms}
		q.mu.Unlock()
	}
	return ms, err
}

// again answers the messages of an earlier attempt, hidden anew, if none of
// them was touched since.
func (b *Book) again(ctx context.Context, q *queue, id string, hidden time.Duration) ([]*message, error) {
	q.mu.Lock()
	a := q.attempts[id]
	if a != nil && a.at+window.Milliseconds() <= b.ms() {
		a = nil
	}
	q.mu.Unlock()
	if a == nil {
		return nil, nil
	}
	var hs []hiding
	for _, m := range a.messages {
		hs = append(hs, hiding{receipt{queue: q.id, seq: m.seq, count: m.received}, hidden})
	}
	errs, err := b.hide(ctx, q, hs)
	if err != nil || slices.ContainsFunc(errs, func(e error) bool { return e != nil }) {
		return nil, err
	}
	return a.messages, nil
}

// forgetAttempts drops the attempts that are over.
func (q *queue) forgetAttempts(before int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, a := range q.attempts {
		if a.at < before {
			delete(q.attempts, id)
		}
	}
}

// A wanted is what a receiver asks to be told beside the body.
type wanted struct {
	system   map[string]bool
	all      bool // system attributes
	names    map[string]bool
	prefixes []string
	every    bool // message attribute
}

func systemNames() []string {
	return []string{"SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "SequenceNumber",
		"MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn"}
}

func wantedOf(in *ReceiveMessageRequest) (*wanted, error) {
	w := &wanted{system: map[string]bool{}, names: map[string]bool{}}
	for _, n := range append(slices.Clone(in.AttributeNames), in.MessageSystemAttributeNames...) {
		switch {
		case n == "All":
			w.all = true
		case slices.Contains(systemNames(), n):
			w.system[n] = true
		case !slices.Contains(attributeNames(), n): // AttributeNames may name those of a queue, too
			return nil, unknownAttribute(n)
		}
	}
	for _, n := range in.MessageAttributeNames {
		if n == "All" || n == ".*" || n == "*" {
			w.every = true
		} else if p, ok := strings.CutSuffix(n, ".*"); ok {
			w.prefixes = append(w.prefixes, p)
		} else {
			w.names[n] = true
		}
	}
	return w, nil
}

// message is m as a receiver sees it. The MD5 is that of the attributes that
// he asked for.
func (w *wanted) message(q *queue, m *message) (*Message, error) {
	out := &Message{MessageId: new(m.id.String()), ReceiptHandle: &m.handle, Body: &m.body, MD5OfBody: new(sum(m.body))}
	if w.all || len(w.system) > 0 {
		for k, v := range m.system(q) {
			if w.all || w.system[k] {
				if out.Attributes == nil {
					out.Attributes = map[string]string{}
				}
				out.Attributes[k] = v
			}
		}
	}
	if len(m.attributes) == 0 || !w.every && len(w.names)+len(w.prefixes) == 0 {
		return out, nil
	}
	all, err := decode(m.attributes)
	if err != nil {
		return nil, err
	}
	some := map[string]attribute{}
	for name, v := range all {
		if w.asks(name) {
			some[name] = v
		}
	}
	if len(some) > 0 {
		out.MD5OfMessageAttributes = sumOf(encode(some))
		out.MessageAttributes = map[string]*MessageAttributeValue{}
	}
	for name, v := range some {
		value := &MessageAttributeValue{DataType: new(v.Type)}
		if v.binary() {
			value.BinaryValue = v.Binary
		} else {
			value.StringValue = new(v.String)
		}
		out.MessageAttributes[name] = value
	}
	return out, nil
}

func (w *wanted) asks(name string) bool {
	return w.every || w.names[name] || slices.ContainsFunc(w.prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// system are the system attributes of a message that was received.
func (m *message) system(q *queue) map[string]string {
	s := map[string]string{
		"SenderId":                         m.sender,
		"SentTimestamp":                    strconv.FormatInt(m.sent, 10),
		"ApproximateReceiveCount":          strconv.FormatInt(m.received, 10),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first, 10),
	}
	for k, v := range map[string]string{"MessageGroupId": m.group, "AWSTraceHeader": m.trace, "DeadLetterQueueSourceArn": m.source} {
		if v != "" {
			s[k] = v
		}
	}
	if q.fifo {
		s["SequenceNumber"], s["MessageDeduplicationId"] = *sequence(q, m), m.dedup
	}
	return s
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html
func (a *api) purgeQueue(ctx context.Context, in *PurgeQueueRequest) (*PurgeQueueResponse, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	a.admin.Lock()
	defer a.admin.Unlock()
	var upTo, now int64
	err = a.db.Update(ctx, func(tx store.Tx) error {
		var last int64
		if err := tx.Get([]any{&last}, `SELECT purged_at FROM sqs_queue WHERE id = ?`, q.id); err != nil {
			return err
		}
		if now = a.ms(); last != 0 && now-last < 60_000 {
			return fail(403, "PurgeQueueInProgress", legacy+"PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
		}
		upTo = a.clock.next()
		_, err := tx.Exec(`UPDATE sqs_queue SET purged = ?, purged_at = ? WHERE id = ?`, upTo, now, q.id)
		return err
	})
	if missing(err) {
		return nil, noQueue()
	}
	if err != nil {
		return nil, err
	}
	q.purge(upTo, now)
	return &PurgeQueueResponse{}, nil
}

// base is the URL under which the client reached us.
func base(ctx context.Context) string { return wire.BaseURL(ctx) }
