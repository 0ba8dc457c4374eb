package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/bucket"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/object"
)

// openNotifications opens what tells of changes of objects. All that takes events
// is open before it, and closed after it.
func (a *App) openNotifications(ctx context.Context, changes object.Outbox) error {
	f, err := bucket.Open(ctx, bucket.Config{
		DB: a.events.db, Changes: changes, Router: &a.events.router, Account: Account, Region: a.config.Region,
		Policies: map[string]func(context.Context, arn.ARN) (string, error){
			"lambda": a.functionPolicy, "sqs": a.events.queues.Policy, "sns": a.events.topics.Policy,
		},
	})
	if err == nil {
		a.events.notifier = f
		a.onClose(func(context.Context) error { return f.Close() })
	}
	return err
}

// functionPolicy is the policy of a function, "" when it has none.
func (a *App) functionPolicy(ctx context.Context, to arn.ARN) (string, error) {
	ref, err := a.functions.Ref(to.String(), "")
	if err != nil {
		return "", fmt.Errorf("%w: %w", target.ErrNotFound, err)
	}
	if _, err := a.functions.Handling(ctx, ref); errors.Is(err, function.ErrNotFound) {
		return "", fmt.Errorf("%w: %w", target.ErrNotFound, err)
	} else if err != nil {
		return "", err
	}
	text, _, err := a.functions.Policy(ctx, ref)
	if errors.Is(err, function.ErrNotFound) {
		return "", nil
	}
	return text, err
}

// openBucketWriter opens what makes objects of events, for destinations in S3.
func (a *App) openBucketWriter(ctx context.Context, objects bucket.Objects) error {
	w, err := bucket.OpenWriter(ctx, bucket.WriterConfig{DB: a.events.db, Objects: objects, Account: Account})
	if err == nil {
		a.events.writer = w
		a.onClose(func(context.Context) error { return w.Close() })
		a.events.router.Register("s3", w)
	}
	return err
}
