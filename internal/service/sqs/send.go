package sqs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A draft is a message that is asked to be sent.
type draft struct {
	body         string
	delay        *int32
	attributes   map[string]attribute
	trace        string
	group, dedup *string
}

// compose makes a draft a message of q, or says what is wrong with it.
func (b *Book) compose(q *queue, d *draft, sender string) (*message, error) {
	s := q.set.Load()
	switch {
	case d.body == "":
		return nil, missingParameter("MessageBody")
	case len(d.body)+size(d.attributes) > s.maxSize:
		return nil, invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", s.maxSize)
	case !validText(d.body):
		return nil, invalidContents()
	}
	if err := checkAttributes(d.attributes); err != nil {
		return nil, err
	}
	delay, err := d.delayed(q, s)
	if err != nil {
		return nil, err
	}
	now := b.ms()
	m := &message{
		queue: q.id, id: uuid.New(), sent: now, visible: now + delay.Milliseconds(), sender: sender,
		trace: d.trace, attributes: encode(d.attributes), body: d.body,
	}
	if err := d.grouped(q, s, m); err != nil {
		return nil, err
	}
	return m, nil
}

// delayed is how long the message is delayed.
func (d *draft) delayed(q *queue, s *settings) (time.Duration, error) {
	switch {
	case d.delay == nil:
		return s.delay, nil
	case *d.delay < 0 || *d.delay > 900:
		return 0, invalidValue(*d.delay, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
	case q.fifo && *d.delay != 0:
		return 0, invalidValue(*d.delay, "DelaySeconds", "The request include parameter that is not valid for this queue type.")
	case q.fifo:
		return s.delay, nil
	}
	return time.Duration(*d.delay) * time.Second, nil
}

// grouped gives m its group and its deduplication id.
func (d *draft) grouped(q *queue, s *settings, m *message) error {
	if d.group != nil {
		if err := checkID(*d.group, "MessageGroupId"); err != nil {
			return err
		}
		m.group = *d.group
	}
	if d.dedup != nil {
		if !q.fifo {
			return invalidValue(*d.dedup, "MessageDeduplicationId", "The request include parameter that is not valid for this queue type.")
		}
		if err := checkID(*d.dedup, "MessageDeduplicationId"); err != nil {
			return err
		}
		m.dedup = *d.dedup
	}
	switch {
	case !q.fifo:
		return nil
	case m.group == "":
		return missingParameter("MessageGroupId")
	case m.dedup != "":
		return nil
	case !s.byContent:
		return invalid("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	h := sha256.Sum256([]byte(d.body))
	m.dedup = hex.EncodeToString(h[:])
	return nil
}

// window is for how long a deduplication id is remembered.
const window = 5 * time.Minute

// post keeps m within tx, unless it repeats one of the last minutes.
func (b *Book) post(tx store.Tx, q *queue, m *message) error {
	m.duplicate = false
	if !q.fifo {
		return b.insert(tx, m)
	}
	if err := b.insert(tx, m); err != nil {
		return err
	}
	scope := ""
	if q.set.Load().byGroup {
		scope = m.group
	}
	n, err := tx.Exec(`INSERT INTO sqs_dedup (queue, scope, id, message, seq, at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (queue, scope, id) DO UPDATE SET message = excluded.message, seq = excluded.seq, at = excluded.at
			WHERE sqs_dedup.at <= ?`,
		q.id, scope, m.dedup, m.id[:], m.seq, m.sent, m.sent-window.Milliseconds())
	if err != nil || n == 1 {
		return err
	}
	if err := remove(tx, m.seq); err != nil {
		return err
	}
	var id []byte
	m.duplicate = true
	err = tx.Get([]any{&id, &m.seq}, `SELECT message, seq FROM sqs_dedup WHERE queue = ? AND scope = ? AND id = ?`, q.id, scope, m.dedup)
	copy(m.id[:], id)
	return err
}

// send makes messages durable and wakes who waits for them.
func (b *Book) send(ctx context.Context, q *queue, ms ...*message) error {
	err := b.db.Update(ctx, func(tx store.Tx) error {
		for _, m := range ms {
			if err := b.post(tx, q, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("send to %s: %w", q.name, err)
	}
	q.committed(ms...)
	return nil
}

// sequence is the sequence number of a message: twenty digits that only rise.
func sequence(q *queue, m *message) *string {
	if !q.fifo {
		return nil
	}
	s := fmt.Sprintf("1%019d", m.seq)
	return &s
}

// sender is who signed a request, as SenderId tells it.
func (a *api) sender(ctx context.Context) string {
	if id := wire.CallerOf(ctx).UserID; id != "" {
		return id
	}
	return a.account
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func (a *api) sendMessage(ctx context.Context, in *SendMessageRequest) (*SendMessageResult, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	e := &SendMessageBatchRequestEntry{
		MessageBody: in.MessageBody, DelaySeconds: in.DelaySeconds, MessageAttributes: in.MessageAttributes,
		MessageSystemAttributes: in.MessageSystemAttributes, MessageGroupId: in.MessageGroupId, MessageDeduplicationId: in.MessageDeduplicationId,
	}
	m, system, err := a.draft(ctx, q, e)
	if err != nil {
		return nil, err
	}
	if err := a.send(ctx, q, m); err != nil {
		return nil, err
	}
	return &SendMessageResult{
		MessageId: new(m.id.String()), MD5OfMessageBody: new(sum(m.body)), MD5OfMessageAttributes: sumOf(m.attributes),
		MD5OfMessageSystemAttributes: system, SequenceNumber: sequence(q, m),
	}, nil
}

// draft makes a message of a request's entry. system is the MD5 of its system attributes.
func (a *api) draft(ctx context.Context, q *queue, e *SendMessageBatchRequestEntry) (m *message, system *string, err error) {
	d := &draft{body: value0(e.MessageBody), delay: e.DelaySeconds, group: e.MessageGroupId, dedup: e.MessageDeduplicationId, trace: wire.Trace(ctx)}
	if d.attributes, err = userAttributes(e.MessageAttributes); err != nil {
		return nil, nil, err
	}
	own := map[string]attribute{}
	for name, v := range e.MessageSystemAttributes {
		if name != "AWSTraceHeader" || v == nil {
			return nil, nil, invalid("Message system attribute name '%s' is invalid.", name)
		}
		if value0(v.DataType) != "String" || value0(v.StringValue) == "" || !validText(*v.StringValue) {
			return nil, nil, invalid("The message system attribute '%s' must contain a non-empty value of type 'String'.", name)
		}
		own[name] = attribute{Type: "String", String: *v.StringValue}
		d.trace = *v.StringValue
	}
	if !validText(d.trace) {
		d.trace = ""
	}
	m, err = a.compose(q, d, a.sender(ctx))
	return m, sumOf(encode(own)), err
}

func userAttributes(values map[string]*MessageAttributeValue) (map[string]attribute, error) {
	if len(values) == 0 {
		return nil, nil
	}
	m := make(map[string]attribute, len(values))
	for name, v := range values {
		if v == nil {
			v = &MessageAttributeValue{}
		}
		if len(v.StringListValues)+len(v.BinaryListValues) > 0 {
			return nil, unsupported("Message attribute list values in SendMessage operation are not supported.")
		}
		m[name] = attribute{Type: value0(v.DataType), String: value0(v.StringValue), Binary: v.BinaryValue}
	}
	return m, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
func (a *api) sendMessageBatch(ctx context.Context, in *SendMessageBatchRequest) (*SendMessageBatchResult, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.Entries), "SendMessageBatchRequestEntry", func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	if err := fitting(q, in.Entries); err != nil {
		return nil, err
	}
	out := &SendMessageBatchResult{}
	var ms []*message
	for _, e := range in.Entries {
		m, system, err := a.draft(ctx, q, e)
		if err != nil {
			out.Failed = append(out.Failed, failure(e.Id, err))
			continue
		}
		ms = append(ms, m)
		out.Successful = append(out.Successful, &SendMessageBatchResultEntry{
			Id: e.Id, MD5OfMessageBody: new(sum(m.body)), MD5OfMessageAttributes: sumOf(m.attributes), MD5OfMessageSystemAttributes: system,
		})
	}
	if len(ms) > 0 {
		if err := a.send(ctx, q, ms...); err != nil {
			return nil, err
		}
	}
	for i, m := range ms {
		out.Successful[i].MessageId, out.Successful[i].SequenceNumber = new(m.id.String()), sequence(q, m)
	}
	return out, nil
}

// fitting refuses a batch that is too long as a whole, and one for a FIFO
// queue in which a message lacks what each needs there.
func fitting(q *queue, entries []*SendMessageBatchRequestEntry) error {
	total := 0
	for _, e := range entries {
		if e.MessageBody == nil {
			return missingParameter("SendMessageBatchRequestEntry.MessageBody")
		}
		total += len(*e.MessageBody)
		if attributes, err := userAttributes(e.MessageAttributes); err == nil {
			total += size(attributes)
		}
		if !q.fifo {
			continue
		}
		if value0(e.MessageGroupId) == "" {
			return invalid("The request must contain the parameter MessageGroupId.")
		}
		if value0(e.MessageDeduplicationId) == "" && !q.set.Load().byContent {
			return invalid("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
		}
	}
	if total > maxMessage {
		return fail(400, "BatchRequestTooLong", legacy+"BatchRequestTooLong",
			"Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessage, total)
	}
	return nil
}

// maxBatch is how many entries a batch may have.
const maxBatch = 10

// checkBatch checks what all batches have in common: their ids.
func checkBatch(n int, kind string, id func(int) *string) error {
	if n == 0 {
		return fail(400, "EmptyBatchRequest", legacy+"EmptyBatchRequest", "There should be at least one %s in the request.", kind)
	}
	if n > maxBatch {
		return fail(400, "TooManyEntriesInBatchRequest", legacy+"TooManyEntriesInBatchRequest",
			"Maximum number of entries per request are %d. You have sent %d.", maxBatch, n)
	}
	seen := map[string]bool{}
	for i := range n {
		p := id(i)
		if p == nil {
			return missingParameter(kind + "." + strconv.Itoa(i+1) + ".Id")
		}
		if !plainID(*p) {
			return fail(400, "InvalidBatchEntryId", legacy+"InvalidBatchEntryId",
				"A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[*p] {
			return fail(400, "BatchEntryIdsNotDistinct", legacy+"BatchEntryIdsNotDistinct", "Id %s repeated.", *p)
		}
		seen[*p] = true
	}
	return nil
}

// failure is an entry's error as a batch's answer tells it.
func failure(id *string, err error) *BatchResultErrorEntry {
	e := awserr.From(err, "InternalError")
	code := e.Query
	if code == "" {
		code = e.Code
	}
	return &BatchResultErrorEntry{Id: id, Code: &code, Message: &e.Message, SenderFault: new(e.Fault == awserr.Client)}
}
