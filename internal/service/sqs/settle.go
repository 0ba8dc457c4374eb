package sqs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// maxHidden is for how long a message may be hidden after it was received.
const maxHidden = 12 * time.Hour

// What a receipt may be no longer good for.
var (
	errExpired   = errors.New("sqs: the receipt has expired")
	errNotFlying = errors.New("sqs: the message is not in flight")
	errGone      = errors.New("sqs: no such message, or it was received again")
	errTooLong   = errors.New("sqs: hidden for too long")
)

// erase deletes the messages of receipts. A receipt that is not the last of
// its message deletes nothing, and that is no error; only a FIFO queue minds
// that its time is over.
func (b *Book) erase(ctx context.Context, q *queue, rs []receipt) ([]error, error) {
	var errs []error
	var deleted []int64
	err := b.db.Update(ctx, func(tx store.Tx) error {
		errs, deleted = make([]error, len(rs)), deleted[:0]
		for i, r := range rs {
			n, err := b.eraseOne(tx, q, r)
			switch {
			case errors.Is(err, errExpired):
				errs[i] = err
			case err != nil:
				return err
			case n > 0:
				deleted = append(deleted, r.seq)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("delete from %s: %w", q.name, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, seq := range deleted {
		q.deleted(seq)
	}
	q.wake()
	return errs, nil
}

func (b *Book) eraseOne(tx store.Tx, q *queue, r receipt) (n int64, err error) {
	if q.fifo {
		n, err = tx.Exec(`DELETE FROM sqs_message WHERE seq = ? AND queue = ? AND received = ? AND visible > ?`, r.seq, q.id, r.count, b.ms())
	} else {
		n, err = tx.Exec(`DELETE FROM sqs_message WHERE seq = ? AND queue = ? AND received = ?`, r.seq, q.id, r.count)
	}
	if err == nil && n > 0 && r.large {
		_, err = tx.Exec(`DELETE FROM sqs_body WHERE seq = ?`, r.seq)
	}
	if err != nil || n > 0 || !q.fifo {
		return n, err
	}
	var received int64
	err = tx.Get([]any{&received}, `SELECT received FROM sqs_message WHERE seq = ? AND queue = ?`, r.seq, q.id)
	switch {
	case missing(err):
		return 0, nil
	case err == nil && received >= r.count:
		return 0, errExpired
	}
	return 0, err
}

// A hiding is a change of a message's visibility.
type hiding struct {
	receipt
	timeout time.Duration
}

// hide changes for how long messages in flight are hidden, from now on.
func (b *Book) hide(ctx context.Context, q *queue, hs []hiding) ([]error, error) {
	var errs []error
	var until []int64
	err := b.db.Update(ctx, func(tx store.Tx) error {
		errs, until = make([]error, len(hs)), make([]int64, len(hs))
		now := b.ms()
		for i, h := range hs {
			until[i] = now + h.timeout.Milliseconds()
			err := b.hideOne(tx, q, h, now, until[i])
			switch {
			case errors.Is(err, errNotFlying), errors.Is(err, errGone), errors.Is(err, errTooLong):
				errs[i] = err
			case err != nil:
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("change visibility in %s: %w", q.name, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := b.ms()
	for i, h := range hs {
		if errs[i] == nil {
			q.reschedule(h.seq, until[i], now)
		}
	}
	q.wake()
	q.arm()
	return errs, nil
}

func (b *Book) hideOne(tx store.Tx, q *queue, h hiding, now, until int64) error {
	n, err := tx.Exec(`UPDATE sqs_message SET visible = ? WHERE seq = ? AND queue = ? AND received = ? AND visible > ? AND claimed >= ?`,
		until, h.seq, q.id, h.count, now, until-maxHidden.Milliseconds())
	if err != nil || n > 0 {
		return err
	}
	var received, visible int64
	err = tx.Get([]any{&received, &visible}, `SELECT received, visible FROM sqs_message WHERE seq = ? AND queue = ?`, h.seq, q.id)
	switch {
	case missing(err), err == nil && received != h.count:
		return errGone
	case err != nil:
		return err
	case visible <= now:
		return errNotFlying
	}
	return errTooLong
}

// receiptOf reads a handle for q.
func receiptOf(q *queue, handle *string) (receipt, error) {
	if handle == nil || *handle == "" {
		return receipt{}, missingParameter("ReceiptHandle")
	}
	r, ok := parseHandle(*handle)
	if !ok || r.queue != q.id {
		return r, invalidHandle(*handle)
	}
	return r, nil
}

// settled says in AWS's words why a receipt is no longer good.
func settled(err error, handle string) error {
	switch {
	case errors.Is(err, errExpired):
		return invalidValue(handle, "ReceiptHandle", "The receipt handle has expired.")
	case errors.Is(err, errGone):
		return invalidValue(handle, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
	case errors.Is(err, errNotFlying):
		return fail(400, "MessageNotInflight", legacy+"MessageNotInflight", "The message is not in flight.")
	case errors.Is(err, errTooLong):
		return invalid("Value for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].")
	}
	return err
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
func (a *api) deleteMessage(ctx context.Context, in *DeleteMessageRequest) (*DeleteMessageResponse, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	r, err := receiptOf(q, in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	errs, err := a.erase(ctx, q, []receipt{r})
	if err == nil {
		err = settled(errs[0], *in.ReceiptHandle)
	}
	if err != nil {
		return nil, err
	}
	return &DeleteMessageResponse{}, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html
func (a *api) deleteMessageBatch(ctx context.Context, in *DeleteMessageBatchRequest) (*DeleteMessageBatchResult, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.Entries), "DeleteMessageBatchRequestEntry", func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	out := &DeleteMessageBatchResult{}
	var rs []receipt
	var entries []*DeleteMessageBatchRequestEntry
	for _, e := range in.Entries {
		r, err := receiptOf(q, e.ReceiptHandle)
		if err != nil {
			out.Failed = append(out.Failed, failure(e.Id, err))
			continue
		}
		rs, entries = append(rs, r), append(entries, e)
	}
	if len(rs) == 0 {
		return out, nil
	}
	errs, err := a.erase(ctx, q, rs)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if errs[i] != nil {
			out.Failed = append(out.Failed, failure(e.Id, settled(errs[i], *e.ReceiptHandle)))
			continue
		}
		out.Successful = append(out.Successful, &DeleteMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

// hidingOf reads what a change of visibility asks for.
func hidingOf(q *queue, handle *string, timeout *int32) (hiding, error) {
	r, err := receiptOf(q, handle)
	if err != nil {
		return hiding{}, err
	}
	t, err := seconds(timeout, "VisibilityTimeout", 43200, -1)
	switch {
	case err != nil:
		return hiding{}, err
	case t < 0:
		return hiding{}, missingParameter("VisibilityTimeout")
	}
	return hiding{r, t}, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
func (a *api) changeMessageVisibility(ctx context.Context, in *ChangeMessageVisibilityRequest) (*ChangeMessageVisibilityResponse, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if in.VisibilityTimeout == nil {
		return nil, missingParameter("VisibilityTimeout")
	}
	h, err := hidingOf(q, in.ReceiptHandle, in.VisibilityTimeout)
	if err != nil {
		return nil, err
	}
	errs, err := a.hide(ctx, q, []hiding{h})
	if err == nil {
		err = settled(errs[0], *in.ReceiptHandle)
	}
	if err != nil {
		return nil, err
	}
	return &ChangeMessageVisibilityResponse{}, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html
func (a *api) changeMessageVisibilityBatch(ctx context.Context, in *ChangeMessageVisibilityBatchRequest) (*ChangeMessageVisibilityBatchResult, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.Entries), "ChangeMessageVisibilityBatchRequestEntry", func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	out := &ChangeMessageVisibilityBatchResult{}
	var hs []hiding
	var entries []*ChangeMessageVisibilityBatchRequestEntry
	for _, e := range in.Entries {
		h, err := hidingOf(q, e.ReceiptHandle, e.VisibilityTimeout)
		if err != nil {
			out.Failed = append(out.Failed, failure(e.Id, err))
			continue
		}
		hs, entries = append(hs, h), append(entries, e)
	}
	if len(hs) == 0 {
		return out, nil
	}
	errs, err := a.hide(ctx, q, hs)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if errs[i] != nil {
			out.Failed = append(out.Failed, failure(e.Id, settled(errs[i], *e.ReceiptHandle)))
			continue
		}
		out.Successful = append(out.Successful, &ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

// seconds reads a time that a request may give, and is otherwise.
func seconds(p *int32, parameter string, most int32, otherwise time.Duration) (time.Duration, error) {
	if p == nil {
		return otherwise, nil
	}
	if *p < 0 || *p > most {
		return 0, invalidValue(*p, parameter, fmt.Sprintf("Must be >= 0 and <= %d, if provided.", most))
	}
	return time.Duration(*p) * time.Second, nil
}
