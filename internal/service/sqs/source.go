package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

var (
	_ source.Source = (*Book)(nil)
	_ target.Target = (*Book)(nil)
)

// maxReceive is how many records are received at once, since a claim is one
// transaction that others wait for.
const maxReceive = 500

// Describe tells about the queue that arn names.
func (b *Book) Describe(_ context.Context, arn string) (source.Info, error) {
	q := b.byARN(arn)
	if q == nil {
		return source.Info{}, fmt.Errorf("%w: %s", source.ErrNotFound, arn)
	}
	return source.Info{FIFO: q.fifo, Visibility: q.set.Load().visibility}, nil
}

// Receive waits for messages and answers them as Lambda's event has them.
func (b *Book) Receive(ctx context.Context, arn string, max int) ([]source.Record, error) {
	q := b.byARN(arn)
	if q == nil {
		return nil, fmt.Errorf("%w: %s", source.ErrNotFound, arn)
	}
	ms, err := b.receive(ctx, q, min(max, maxReceive), q.set.Load().visibility, forever)
	if err != nil {
		if q.isDead() {
			err = fmt.Errorf("%w: %s", source.ErrNotFound, arn)
		}
		return nil, err
	}
	records := make([]source.Record, len(ms))
	for i, m := range ms {
		event, err := b.event(q, m)
		if err != nil {
			return nil, err
		}
		records[i] = source.Record{
			ID: m.id.String(), Group: q.lane(m), Event: event, Trace: m.trace,
			Handle: receipt{queue: q.id, seq: m.seq, count: m.received, large: len(m.body) > maxInline},
		}
	}
	return records, nil
}

func (q *queue) isDead() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dead
}

// A record is a message in the event that a function gets.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
type record struct {
	MessageID     string                     `json:"messageId"`
	ReceiptHandle string                     `json:"receiptHandle"`
	Body          string                     `json:"body"`
	Attributes    map[string]string          `json:"attributes"`
	Message       map[string]recordAttribute `json:"messageAttributes"`
	SumAttributes *string                    `json:"md5OfMessageAttributes,omitempty"`
	SumBody       string                     `json:"md5OfBody"`
	Source        string                     `json:"eventSource"`
	SourceARN     string                     `json:"eventSourceARN"`
	Region        string                     `json:"awsRegion"`
}

type recordAttribute struct {
	String  *string  `json:"stringValue,omitempty"`
	Binary  []byte   `json:"binaryValue,omitempty"`
	Strings []string `json:"stringListValues"`
	Blobs   []string `json:"binaryListValues"`
	Type    string   `json:"dataType"`
}

func (b *Book) event(q *queue, m *message) (json.RawMessage, error) {
	attributes, err := decode(m.attributes)
	if err != nil {
		return nil, err
	}
	r := record{
		MessageID: m.id.String(), ReceiptHandle: m.handle, Body: m.body, Attributes: m.system(q), Message: map[string]recordAttribute{},
		SumAttributes: sumOf(m.attributes), SumBody: sum(m.body), Source: "aws:sqs", SourceARN: q.arn, Region: b.region,
	}
	for name, v := range attributes {
		e := recordAttribute{Type: v.Type, Strings: []string{}, Blobs: []string{}}
		if v.binary() {
			e.Binary = v.Binary
		} else {
			e.String = &v.String
		}
		r.Message[name] = e
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // as AWS writes it
	if err := enc.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(text.Bytes()), nil
}

// Settle deletes the messages of done and makes those of untried visible at
// once, as if they had not been received. The failed come back by themselves.
func (b *Book) Settle(ctx context.Context, arn string, done, _, untried []source.Record) error {
	q := b.byARN(arn)
	if q == nil {
		return fmt.Errorf("%w: %s", source.ErrNotFound, arn)
	}
	var deleted, returned []int64
	var now int64
	err := b.db.Update(ctx, func(tx store.Tx) error {
		deleted, returned, now = nil, nil, b.ms()
		for _, r := range done {
			rc := r.Handle.(receipt)
			n, err := b.eraseOne(tx, q, rc)
			if err != nil && err != errExpired { // it comes again, since it took too long
				return err
			}
			if n > 0 {
				deleted = append(deleted, rc.seq)
			}
		}
		for _, r := range untried {
			rc := r.Handle.(receipt)
			n, err := tx.Exec(`UPDATE sqs_message SET visible = ?, received = received - 1 WHERE seq = ? AND queue = ? AND received = ? AND visible > ?`,
				now, rc.seq, q.id, rc.count, now)
			if err != nil {
				return err
			}
			if n > 0 {
				returned = append(returned, rc.seq)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("settle records of %s: %w", q.name, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, seq := range deleted {
		q.deleted(seq)
	}
	for _, seq := range returned {
		q.reschedule(seq, now, now)
	}
	q.wake()
	q.arm()
	return nil
}

// Enqueue sends an event to a queue, within the sender's transaction.
func (b *Book) Enqueue(tx store.Tx, to arn.ARN, d target.Delivery) (func(), error) {
	q := b.byARN(to.String())
	if q == nil {
		return nil, fmt.Errorf("%w: %s", target.ErrNotFound, to)
	}
	m, err := b.accept(q, d)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", target.ErrInvalid, q.name, err)
	}
	if err := b.post(tx, q, m); err != nil {
		return nil, err
	}
	return func() { q.committed(m) }, nil
}

// accept makes a message of an event.
func (b *Book) accept(q *queue, d target.Delivery) (*message, error) {
	e := &draft{body: string(d.Payload), trace: d.Trace, attributes: map[string]attribute{}}
	for name, a := range d.Attributes {
		e.attributes[name] = attribute{a.Type, a.String, a.Binary}
	}
	if d.Group != "" {
		e.group = &d.Group
	}
	if d.Dedup != "" && q.fifo {
		e.dedup = &d.Dedup
	}
	sender := d.Principal
	if sender == "" {
		sender = b.account
	}
	m, err := b.compose(q, e, sender)
	if err == nil && !validText(d.Trace) {
		err = invalidContents()
	}
	return m, err
}
