package object

import (
	"context"
	"strings"
	"time"
)

// A Notification says whom a bucket tells about its objects.
type Notification struct {
	EventBridge bool // every event goes to the default bus
	Rules       []Rule
}

// A Rule sends events of some objects to one target.
type Rule struct {
	ID             string
	Target         string   // ARN of a function, queue or topic
	Events         []string // "s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"
	Prefix, Suffix string
}

// Wants reports whether event ("ObjectCreated:Put") of key is for r's target.
func (r Rule) Wants(event, key string) bool {
	if !strings.HasPrefix(key, r.Prefix) || !strings.HasSuffix(key, r.Suffix) {
		return false
	}
	for _, e := range r.Events {
		e = strings.TrimPrefix(e, "s3:")
		if family, all := strings.CutSuffix(e, "*"); e == event || all && strings.HasPrefix(event, family) {
			return true
		}
	}
	return false
}

// An Outbox holds what happened to objects until their buckets' targets know it. A
// change is written with the object's own commit: neither is there alone.
type Outbox interface {
	// Changes returns the oldest changes behind seq, waiting until there is one.
	Changes(ctx context.Context, after int64, limit int) ([]Change, error)

	// Told forgets changes: whoever wants to know them does.
	Told(ctx context.Context, seqs ...int64) error
}

// A Change is what happened to an object, and whom to tell.
type Change struct {
	Seq         int64
	Event       string // "ObjectCreated:Put"
	Time        time.Time
	Object      Info // Size, ETag, Version and Sequencer as far as the event tells them
	By          Origin
	Owner       string // of the bucket
	Region      string
	Rules       []Rule // those that wanted it when it happened
	EventBridge bool
	Reason      string // of a deletion: "DeleteObject", "Lifecycle Expiration"
}
