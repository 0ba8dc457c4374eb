package sqs

import (
	"net/url"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
	"github.com/mayfly-faas/mayfly/internal/wire/query"
)

// Service is SQS on b. SDKs of the last years speak JSON, older ones query.
func Service(b *Book) wire.Service {
	a := &api{b}
	return wire.Service{
		Name: "sqs", Title: "Amazon SQS", Version: "2012-11-05", Target: "AmazonSQS",
		Namespace: "http://queue.amazonaws.com/doc/2012-11-05/", URLMember: "QueueUrl",
		Paths:    []string{"/" + b.account + "/"},
		Protocol: wire.Any{awsjson.Protocol{}, query.Protocol{}}, Models: results(models()),
		ErrorCode: "InternalError", ValidationCode: "InvalidParameterValue",
		Ops: []wire.Op{
			wire.Handle("CreateQueue", a.createQueue),
			wire.Handle("DeleteQueue", a.deleteQueue),
			wire.Handle("ListQueues", a.listQueues),
			wire.Handle("GetQueueUrl", a.getQueueURL),
			wire.Handle("GetQueueAttributes", a.getQueueAttributes),
			wire.Handle("SetQueueAttributes", a.setQueueAttributes),
			wire.Handle("PurgeQueue", a.purgeQueue),
			wire.Handle("ListDeadLetterSourceQueues", a.listDeadLetterSourceQueues),

			wire.Handle("TagQueue", a.tagQueue),
			wire.Handle("UntagQueue", a.untagQueue),
			wire.Handle("ListQueueTags", a.listQueueTags),
			wire.Handle("AddPermission", a.addPermission),
			wire.Handle("RemovePermission", a.removePermission),

			wire.Handle("SendMessage", a.sendMessage),
			wire.Handle("SendMessageBatch", a.sendMessageBatch),
			wire.Handle("ReceiveMessage", a.receiveMessage),
			wire.Handle("DeleteMessage", a.deleteMessage),
			wire.Handle("DeleteMessageBatch", a.deleteMessageBatch),
			wire.Handle("ChangeMessageVisibility", a.changeMessageVisibility),
			wire.Handle("ChangeMessageVisibilityBatch", a.changeMessageVisibilityBatch),

			wire.Handle("StartMessageMoveTask", a.startMessageMoveTask),
			wire.Handle("ListMessageMoveTasks", a.listMessageMoveTasks),
			wire.Handle("CancelMessageMoveTask", a.cancelMessageMoveTask),
		},
	}
}

// results names the result elements, which the model of JSON does not tell:
// operations that answer nothing have none.
func results(models []wire.Model) []wire.Model {
	silent := map[string]bool{
		"AddPermission": true, "ChangeMessageVisibility": true, "DeleteMessage": true, "DeleteQueue": true, "PurgeQueue": true,
		"RemovePermission": true, "SetQueueAttributes": true, "TagQueue": true, "UntagQueue": true,
	}
	for i, m := range models {
		if !silent[m.Name] {
			models[i].Result = m.Name + "Result"
		}
	}
	return models
}

// An api serves the operations.
type api struct{ *Book }

// at finds the queue that a request names by its URL. Whatever host is in it,
// its path ends with the account and the queue's name.
func (a *api) at(queueURL *string) (*queue, error) {
	if queueURL == nil || *queueURL == "" {
		return nil, missingParameter("QueueUrl")
	}
	u, err := url.Parse(*queueURL)
	if err != nil {
		return nil, invalidAddress(*queueURL)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 {
		return nil, invalidAddress(*queueURL)
	}
	q := a.queue(parts[len(parts)-1])
	if q == nil || parts[len(parts)-2] != a.account {
		return nil, noQueue()
	}
	return q, nil
}

func invalidAddress(s string) error {
	return fail(404, "InvalidAddress", "InvalidAddress", "The address %s is not valid for this endpoint.", s)
}

// url is the URL of a queue for a client that reached us by base.
func (b *Book) url(base, name string) string {
	return base + "/" + b.account + "/" + name
}

// plainID tells whether s is 1 to 80 letters, digits, hyphens and underscores,
// as the names of queues are, the ids of a batch and the labels of permissions.
func plainID(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= 80
}

func value0[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// unlessEmpty is s, nil when it is empty.
func unlessEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
