// Package sns serves Amazon SNS: topics, subscriptions and publishing. A
// message goes to queues, functions and web servers.
//
// Queues and functions get a message in the transaction that acknowledges it.
// What is for a web server is kept until that has taken it, or until its
// retries are used up.
package sns

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/query"
)

// A Config is what a Book is made of. DB and Router are needed.
type Config struct {
	DB      store.DB
	Router  *target.Router // leads to queues and functions
	Account string
	Region  string

	// Post sends a message to a web server. Without it no subscription of a
	// web server can be made.
	Post Post

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil is slog.Default()
}

// Post sends body to url with headers, and returns the status that came back.
type Post func(ctx context.Context, url string, headers map[string]string, body []byte) (status int, err error)

// A Book keeps topics and subscriptions.
type Book struct {
	Config
	mail *mail

	keyOnce sync.Once // makes key
	key     *rsa.PrivateKey
	keyErr  error
}

// Open opens the topics in c.DB, and begins to send what is still to be sent to
// web servers.
func Open(ctx context.Context, c Config) (*Book, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if err := c.DB.Migrate(ctx, "sns", steps()...); err != nil {
		return nil, fmt.Errorf("sns: open: %w", err)
	}
	b := &Book{Config: c}
	b.mail = newMail(b)
	return b, nil
}

// Close stops sending. What was not sent is sent after the next Open.
func (b *Book) Close() error {
	b.mail.close()
	return nil
}

func steps() []string {
	return []string{`
CREATE TABLE sns_topics (
	name TEXT PRIMARY KEY,
	attributes TEXT NOT NULL,
	sequence INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE sns_subscriptions (
	id TEXT PRIMARY KEY,
	topic TEXT NOT NULL,
	protocol TEXT NOT NULL,
	endpoint TEXT NOT NULL,
	attributes TEXT NOT NULL,
	token TEXT NOT NULL,
	UNIQUE (topic, protocol, endpoint)
);
CREATE TABLE sns_tags (
	topic TEXT NOT NULL,
	name TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (topic, name)
);
CREATE TABLE sns_seen (
	topic TEXT NOT NULL,
	dedup TEXT NOT NULL,
	message TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (topic, dedup)
);
CREATE INDEX sns_seen_expires ON sns_seen (expires);
CREATE TABLE sns_mail (
	id INTEGER PRIMARY KEY,
	subscription TEXT NOT NULL,
	letter BLOB NOT NULL,
	attempt INTEGER NOT NULL,
	due INTEGER NOT NULL
);
CREATE INDEX sns_mail_due ON sns_mail (due);
CREATE TABLE sns_key (
	id INTEGER PRIMARY KEY,
	private BLOB NOT NULL
);`}
}

// Service is SNS on b.
//
// https://docs.aws.amazon.com/sns/latest/api/API_Operations.html
func Service(b *Book) wire.Service {
	a := &api{b}
	return wire.Service{
		Name: "sns", Title: "Amazon SNS", Version: apiVersion, Namespace: "http://sns.amazonaws.com/doc/" + apiVersion + "/",
		Protocol: query.Protocol{}, Models: models(), ErrorCode: "InternalError",
		Ops: []wire.Op{
			wire.Handle("CreateTopic", a.createTopic),
			wire.Handle("DeleteTopic", a.deleteTopic),
			wire.Handle("ListTopics", a.listTopics),
			wire.Handle("GetTopicAttributes", a.getTopicAttributes),
			wire.Handle("SetTopicAttributes", a.setTopicAttributes),
			wire.Handle("AddPermission", a.addPermission),
			wire.Handle("RemovePermission", a.removePermission),
			wire.Handle("TagResource", a.tagResource),
			wire.Handle("UntagResource", a.untagResource),
			wire.Handle("ListTagsForResource", a.listTagsForResource),

			wire.Handle("Subscribe", a.subscribe),
			wire.Handle("ConfirmSubscription", a.confirmSubscription),
			wire.Handle("Unsubscribe", a.unsubscribe),
			wire.Handle("ListSubscriptions", a.listSubscriptions),
			wire.Handle("ListSubscriptionsByTopic", a.listSubscriptionsByTopic),
			wire.Handle("GetSubscriptionAttributes", a.getSubscriptionAttributes),
			wire.Handle("SetSubscriptionAttributes", a.setSubscriptionAttributes),

			wire.Handle("Publish", a.publish),
			wire.Handle("PublishBatch", a.publishBatch),
		},
	}
}

// An api serves the operations.
type api struct{ *Book }
