package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// recently is for how many milliseconds the name of a deleted queue is not free.
const recently = 60_000

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func (a *api) createQueue(ctx context.Context, in *CreateQueueRequest) (*CreateQueueResult, error) {
	q := a.newQueue()
	q.name = value0(in.QueueName)
	if err := checkQueueName(q.name, in.Attributes["FifoQueue"] == "true"); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	a.admin.Lock()
	defer a.admin.Unlock()
	q.describe(&settings{})
	if err := a.check(in.Attributes, q, false); err != nil {
		return nil, err
	}
	if old := a.queue(q.name); old != nil {
		if err := old.same(in.Attributes); err != nil {
			return nil, err
		}
		return &CreateQueueResult{QueueUrl: new(a.url(base(ctx), q.name))}, nil
	}
	now := a.now().Unix()
	s := (&settings{created: now, tags: in.Tags}).with(in.Attributes, now)
	q.describe(s)
	if err := a.keep(ctx, q, s); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.queues[q.name], a.byID[q.id] = q, q
	a.mu.Unlock()
	return &CreateQueueResult{QueueUrl: new(a.url(base(ctx), q.name))}, nil
}

// keep makes the row of a new queue.
func (b *Book) keep(ctx context.Context, q *queue, s *settings) error {
	attributes, tags := s.texts()
	return b.db.Update(ctx, func(tx store.Tx) error {
		var at int64
		err := tx.Get([]any{&at}, `SELECT at FROM sqs_deleted WHERE name = ?`, q.name)
		switch {
		case err == nil && b.ms()-at < recently:
			return fail(400, "QueueDeletedRecently", legacy+"QueueDeletedRecently",
				"You must wait 60 seconds after deleting a queue before you can create another with the same name.")
		case err != nil && !missing(err):
			return err
		}
		if _, err := tx.Exec(`DELETE FROM sqs_deleted WHERE name = ? OR at < ?`, q.name, b.ms()-recently); err != nil {
			return err
		}
		q.id = b.clock.next()
		_, err = tx.Exec(`INSERT INTO sqs_queue (`+queueColumns+`) VALUES (?, ?, ?, ?, ?, ?, 0, 0)`,
			q.id, q.name, s.created, s.modified, attributes, tags)
		return err
	})
}

func (s *settings) texts() (attributes, tags string) {
	text := func(m map[string]string) string {
		if m == nil {
			m = map[string]string{}
		}
		b, _ := json.Marshal(m) // strings always go
		return string(b)
	}
	return text(s.attributes), text(s.tags)
}

func checkQueueName(name string, fifo bool) error {
	if name == "" {
		return missingParameter("QueueName")
	}
	stem, suffixed := strings.CutSuffix(name, ".fifo")
	switch {
	case fifo && !suffixed:
		return invalid("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	case !fifo && suffixed, !plainID(stem), len(name) > 80:
		return invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

// same refuses attributes that the queue does not have.
func (q *queue) same(attributes map[string]string) error {
	now := q.set.Load().all(q)
	wanted := (&settings{}).with(attributes, 0).attributes
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if now[name] != wanted[name] {
			return fail(400, "QueueNameExists", "QueueAlreadyExists",
				"A queue already exists with the same name and a different value for attribute %s", name)
		}
	}
	return nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
func (a *api) deleteQueue(ctx context.Context, in *DeleteQueueRequest) (*DeleteQueueResponse, error) {
	a.admin.Lock()
	defer a.admin.Unlock()
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	err = a.db.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.Exec(`DELETE FROM sqs_queue WHERE id = ?`, q.id); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO sqs_deleted (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at`, q.name, a.ms())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("delete queue %s: %w", q.name, err)
	}
	a.mu.Lock()
	delete(a.queues, q.name)
	delete(a.byID, q.id)
	a.mu.Unlock()
	q.bury()
	return &DeleteQueueResponse{}, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html
func (a *api) getQueueURL(ctx context.Context, in *GetQueueUrlRequest) (*GetQueueUrlResult, error) {
	name := value0(in.QueueName)
	if name == "" {
		return nil, missingParameter("QueueName")
	}
	owner := value0(in.QueueOwnerAWSAccountId)
	if a.queue(name) == nil || owner != "" && owner != a.account {
		return nil, noQueue()
	}
	return &GetQueueUrlResult{QueueUrl: new(a.url(base(ctx), name))}, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html
func (a *api) listQueues(ctx context.Context, in *ListQueuesRequest) (*ListQueuesResult, error) {
	page, token, err := a.page(func(q *queue) bool { return strings.HasPrefix(q.name, value0(in.QueueNamePrefix)) }, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &ListQueuesResult{NextToken: token}
	for _, name := range page {
		out.QueueUrls = append(out.QueueUrls, a.url(base(ctx), name))
	}
	return out, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html
func (a *api) listDeadLetterSourceQueues(ctx context.Context, in *ListDeadLetterSourceQueuesRequest) (*ListDeadLetterSourceQueuesResult, error) {
	dlq, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	page, token, err := a.page(func(q *queue) bool { return q.set.Load().deadLetter == dlq.arn }, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &ListDeadLetterSourceQueuesResult{NextToken: token, QueueUrls: []string{}}
	for _, name := range page {
		out.QueueUrls = append(out.QueueUrls, a.url(base(ctx), name))
	}
	return out, nil
}

// maxPage is how many queues are listed at once, and without MaxResults at all.
const maxPage = 1000

// page lists the names of queues, those after token. Without most there is one
// page only, as on AWS.
func (b *Book) page(want func(*queue) bool, token *string, most *int32) ([]string, *string, error) {
	n := int32(maxPage)
	if most != nil {
		n = *most
	}
	if n < 1 || n > maxPage {
		return nil, nil, invalidValue(n, "MaxResults", "MaxResults must be an integer between 1 and 1000.")
	}
	after, err := base64.StdEncoding.DecodeString(value0(token))
	if err != nil || token != nil && most == nil {
		return nil, nil, invalid("Invalid or expired next token.")
	}
	var names []string
	b.mu.RLock()
	for name, q := range b.queues {
		if name > string(after) && want(q) {
			names = append(names, name)
		}
	}
	b.mu.RUnlock()
	slices.Sort(names)
	if len(names) <= int(n) {
		return names, nil, nil
	}
	names = names[:n]
	if most == nil {
		return names, nil, nil
	}
	return names, new(base64.StdEncoding.EncodeToString([]byte(names[n-1]))), nil
}

// attributeNames are those of a queue.
func attributeNames() []string {
	return []string{"All", "Policy", "VisibilityTimeout", "MaximumMessageSize", "MessageRetentionPeriod", "ApproximateNumberOfMessages",
		"ApproximateNumberOfMessagesNotVisible", "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn", "ApproximateNumberOfMessagesDelayed",
		"DelaySeconds", "ReceiveMessageWaitTimeSeconds", "RedrivePolicy", "FifoQueue", "ContentBasedDeduplication", "KmsMasterKeyId",
		"KmsDataKeyReusePeriodSeconds", "DeduplicationScope", "FifoThroughputLimit", "RedriveAllowPolicy", "SqsManagedSseEnabled"}
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
func (a *api) getQueueAttributes(ctx context.Context, in *GetQueueAttributesRequest) (*GetQueueAttributesResult, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	for _, n := range in.AttributeNames {
		if !slices.Contains(attributeNames(), n) {
			return nil, unknownAttribute(n)
		}
	}
	all := q.set.Load().all(q)
	visible, flying, delayed := q.counts()
	all["ApproximateNumberOfMessages"] = strconv.Itoa(visible)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(flying)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(delayed)
	out := &GetQueueAttributesResult{}
	for k, v := range all {
		if slices.Contains(in.AttributeNames, "All") || slices.Contains(in.AttributeNames, k) {
			if out.Attributes == nil {
				out.Attributes = map[string]string{}
			}
			out.Attributes[k] = v
		}
	}
	return out, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
func (a *api) setQueueAttributes(ctx context.Context, in *SetQueueAttributesRequest) (*SetQueueAttributesResponse, error) {
	if len(in.Attributes) == 0 {
		return nil, missingParameter("Attribute.Name")
	}
	err := a.change(ctx, in.QueueUrl, func(q *queue, s *settings) (*settings, error) {
		if err := a.check(in.Attributes, q, true); err != nil {
			return nil, err
		}
		return s.with(in.Attributes, a.now().Unix()), nil
	})
	if err != nil {
		return nil, err
	}
	return &SetQueueAttributesResponse{}, nil
}

// change gives a queue other settings.
func (a *api) change(ctx context.Context, queueURL *string, to func(*queue, *settings) (*settings, error)) error {
	a.admin.Lock()
	defer a.admin.Unlock()
	q, err := a.at(queueURL)
	if err != nil {
		return err
	}
	s, err := to(q, q.set.Load())
	if err != nil {
		return err
	}
	attributes, tags := s.texts()
	err = a.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`UPDATE sqs_queue SET modified = ?, attributes = ?, tags = ? WHERE id = ?`, s.modified, attributes, tags, q.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("change queue %s: %w", q.name, err)
	}
	q.set.Store(s)
	return nil
}

// tagged is a copy of s with other tags.
func (s *settings) tagged(change func(map[string]string)) *settings {
	n := *s
	n.tags = maps.Clone(s.tags)
	if n.tags == nil {
		n.tags = map[string]string{}
	}
	change(n.tags)
	return &n
}

// checkTags holds tags to AWS's rules.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html
func checkTags(tags map[string]string) error {
	for k, v := range tags {
		switch {
		case k == "" || len([]rune(k)) > 128:
			return invalid("Tag keys must be between 1 and 128 characters in length.")
		case len([]rune(v)) > 256:
			return invalid("Tag values must be between 0 and 256 characters in length.")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalid("Tag keys must not start with aws:, which is reserved.")
		}
	}
	return tooManyTags(tags)
}

func tooManyTags(tags map[string]string) error {
	if len(tags) > 50 {
		return invalid("Too many tags added for queue. Maximum number of tags is 50.")
	}
	return nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html
func (a *api) tagQueue(ctx context.Context, in *TagQueueRequest) (*TagQueueResponse, error) {
	if len(in.Tags) == 0 {
		return nil, missingParameter("Tags")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	err := a.change(ctx, in.QueueUrl, func(_ *queue, s *settings) (*settings, error) {
		n := s.tagged(func(t map[string]string) { maps.Copy(t, in.Tags) })
		return n, tooManyTags(n.tags)
	})
	if err != nil {
		return nil, err
	}
	return &TagQueueResponse{}, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_UntagQueue.html
func (a *api) untagQueue(ctx context.Context, in *UntagQueueRequest) (*UntagQueueResponse, error) {
	if len(in.TagKeys) == 0 {
		return nil, missingParameter("TagKeys")
	}
	err := a.change(ctx, in.QueueUrl, func(_ *queue, s *settings) (*settings, error) {
		return s.tagged(func(t map[string]string) {
			for _, k := range in.TagKeys {
				delete(t, k)
			}
		}), nil
	})
	if err != nil {
		return nil, err
	}
	return &UntagQueueResponse{}, nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueueTags.html
func (a *api) listQueueTags(_ context.Context, in *ListQueueTagsRequest) (*ListQueueTagsResult, error) {
	q, err := a.at(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out := &ListQueueTagsResult{}
	if t := q.set.Load().tags; len(t) > 0 {
		out.Tags = t
	}
	return out, nil
}
