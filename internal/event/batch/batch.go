// Package batch puts records together into one invocation's event, and reads
// which of them the function says have failed. The package is pure.
package batch

import (
	"bytes"
	"encoding/json"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// MaxBytes is the most that an event may hold, its brackets included.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching
const MaxBytes = 6291456

const (
	opening = `{"Records":[`
	closing = `]}`
)

// A Batch gathers records up to a number and a size.
type Batch struct {
	most    int
	bytes   int
	each    int // bytes that a record needs beside its own
	records []source.Record
}

// New makes a Batch of at most so many records.
func New(most int) *Batch { return &Batch{most: most, bytes: len(opening) + len(closing)} }

// Reserve keeps bytes of the event for what is beside its records, and for what
// each of them gets in addition.
func (b *Batch) Reserve(once, each int) { b.bytes, b.each = b.bytes+once, each }

// Add takes r, unless that would be too much. A record that is too large by
// itself is taken alone: nobody else could.
func (b *Batch) Add(r source.Record) bool {
	n := len(r.Event) + 1 + b.each
	if len(b.records) == b.most || len(b.records) > 0 && b.bytes+n > MaxBytes {
		return false
	}
	b.bytes += n
	b.records = append(b.records, r)
	return true
}

// Room is how many more records may come.
func (b *Batch) Room() int { return b.most - len(b.records) }

// Records are those that were taken, in order.
func (b *Batch) Records() []source.Record { return b.records }

// Event is what the function gets.
func (b *Batch) Event() []byte {
	out := make([]byte, 0, b.bytes)
	out = append(out, opening...)
	for i, r := range b.records {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, r.Event...)
	}
	return append(out, closing...)
}

// Failures reads which records a function that reports them has failed at. ok
// is false when all have: the answer is not one that it may give.
//
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
func Failures(answer []byte, records []source.Record) (failed map[string]bool, ok bool) {
	if answer = bytes.TrimSpace(answer); len(answer) == 0 {
		return nil, true
	}
	var response *struct {
		Failures []map[string]json.RawMessage `json:"batchItemFailures"`
	}
	if json.Unmarshal(answer, &response) != nil {
		return nil, false
	}
	if response == nil {
		return nil, true
	}
	there := make(map[string]bool, len(records))
	for _, r := range records {
		there[r.ID] = true
	}
	failed = map[string]bool{}
	for _, f := range response.Failures {
		var id string
		if json.Unmarshal(f["itemIdentifier"], &id) != nil || !there[id] {
			return nil, false
		}
		failed[id] = true
	}
	return failed, true
}
