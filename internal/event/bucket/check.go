package bucket

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Refusal says why a target will not do. S3 answers InvalidArgument, "Unable to
// validate the following destination configurations", with both of it.
type Refusal struct{ Target, Reason string }

func (r *Refusal) Error() string { return r.Target + ": " + r.Reason }

// A kind is what S3 knows of one service's targets.
type kind struct{ action, missing, forbidden string }

func kinds() map[string]kind {
	return map[string]kind{
		"lambda": {"lambda:InvokeFunction", "The destination Lambda does not exist", "Not authorized to invoke function [%s]"},
		"sqs":    {"sqs:SendMessage", "The destination queue does not exist", "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"},
		"sns":    {"sns:Publish", "The destination topic does not exist", "Permissions on the destination topic do not allow S3 to publish notifications from this bucket"},
	}
}

// Check asks whether the target of a rule is there and lets S3 in on behalf of
// the bucket. What it finds wrong is a *Refusal.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
func (f *Forwarder) Check(ctx context.Context, bucket string, r object.Rule) error {
	to, err := arn.Parse(r.Target)
	k, known := kinds()[to.Service]
	read := f.c.Policies[to.Service]
	switch {
	case err != nil || !known || read == nil:
		return &Refusal{r.Target, "The ARN could not be parsed"}
	case to.Region != f.c.Region:
		return &Refusal{r.Target, "The notification destination service region is not valid for the bucket location constraint"}
	case to.Service != "lambda" && strings.HasSuffix(to.Resource, ".fifo"):
		return &Refusal{r.Target, "FIFO destinations are not supported"}
	}
	text, err := read(ctx, to)
	if errors.Is(err, target.ErrNotFound) {
		return &Refusal{r.Target, k.missing}
	}
	if err != nil {
		return fmt.Errorf("policy of %s: %w", r.Target, err)
	}
	if !f.lets(text, k.action, r.Target, bucket) {
		return &Refusal{r.Target, strings.ReplaceAll(k.forbidden, "%s", r.Target)}
	}
	return nil
}

// lets tells whether a policy lets S3 do its action. One that cannot be read lets
// nobody.
func (f *Forwarder) lets(text, action, resource, bucket string) bool {
	if text == "" {
		return false
	}
	d, err := policy.Parse(policy.Resource, text)
	return err == nil && d.Decide(&policy.Request{
		Principal: policy.Subject{Service: principal}, Action: action, Resource: resource,
		Context: map[string][]string{"aws:SourceArn": {ARN(bucket)}, "aws:SourceAccount": {f.c.Account}},
	}) == policy.Allowed
}

// A greeting is what a queue or a topic gets when it becomes a target.
type greeting struct {
	Service string `json:"Service"`
	Event   string `json:"Event"`
	Time    string `json:"Time"`
	Bucket  string `json:"Bucket"`
	Request string `json:"RequestId"`
	Host    string `json:"HostId"`
}

// Test sends the test event to a rule's target. A function gets none.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-enable-disable-notification-intro.html
func (f *Forwarder) Test(ctx context.Context, bucket string, r object.Rule, by object.Origin) error {
	if to, err := arn.Parse(r.Target); err != nil || to.Service == "lambda" {
		return err
	}
	text := encode(greeting{"Amazon S3", "s3:TestEvent", stamp(f.c.Now()), bucket, by.RequestID, by.HostID})
	d := target.Delivery{Payload: text, Principal: principal, SourceARN: ARN(bucket), Subject: subject}
	wake, err := store.Write(ctx, f.c.DB, func(tx store.Tx) (func(), error) { return f.c.Router.Enqueue(tx, r.Target, d) })
	if err != nil {
		return fmt.Errorf("send the test event: %w", err)
	}
	if wake != nil {
		wake()
	}
	return nil
}
