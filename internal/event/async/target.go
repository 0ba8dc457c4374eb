package async

import (
	"context"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Enqueue invokes the function that to names, asynchronously. A Queue is the
// target of ARNs of Lambda.
func (q *Queue) Enqueue(tx store.Tx, to arn.ARN, d target.Delivery) (committed func(), err error) {
	ref, err := q.c.Functions.Ref(to.String(), "")
	if err != nil {
		return nil, fmt.Errorf("%w: %v", target.ErrNotFound, err)
	}
	if _, err := q.c.Functions.Handling(q.ctx, ref); errors.Is(err, function.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s", target.ErrNotFound, to)
	} else if err != nil {
		return nil, err
	}
	if err := q.permit(ref, d); err != nil {
		return nil, err
	}
	e := Event{Ref: ref, Payload: d.Payload, Trace: d.Trace}
	switch err := q.check(&e); {
	case errors.Is(err, ErrClosed):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %v", target.ErrInvalid, err)
	}
	return q.insert(tx, e)
}

// permit asks the function's own policy.
func (q *Queue) permit(ref function.Ref, d target.Delivery) error {
	if q.c.Allow == nil || d.Principal == "" {
		return nil
	}
	ok, err := q.c.Allow(context.WithoutCancel(q.ctx), ref, d.Principal, d.SourceARN)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s may not invoke %s", target.ErrDenied, d.Principal, ref.Name)
	}
	return err
}
