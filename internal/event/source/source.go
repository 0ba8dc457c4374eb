// Package source is the contract of what an event source mapping reads from: a
// queue, later a stream. A mapping receives records, has a function handle
// them, and settles them.
package source

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// ErrNotFound means that what the ARN names does not exist, or does no more.
var ErrNotFound = errors.New("source: does not exist")

// A Record is one record as its source holds it.
type Record struct {
	ID     string          // what a partial answer names it by: a message's id, a sequence number
	Group  string          // records of one group are handled in order, in one invocation at a time; "" is none
	Event  json.RawMessage // as it stands in the event's Records, filter criteria are matched against it
	Trace  string          // X-Amzn-Trace-Id that it came under; "" is none
	Handle any             // the source's own
}

// An Info is what a mapping has to know of its source.
type Info struct {
	FIFO       bool
	Visibility time.Duration // how long a received record is hidden; a mapping wants it no shorter than the function's timeout
}

// A Source holds records until they are settled. Its methods may be called from
// any goroutine.
type Source interface {
	// Describe tells about the source that arn names.
	Describe(ctx context.Context, arn string) (Info, error)

	// Receive waits until there is a record, or ctx ends, and returns what
	// there is at once, at most max. What it returns is hidden from others. Of
	// a group it returns records only when none of that group is received and
	// unsettled.
	Receive(ctx context.Context, arn string, max int) ([]Record, error)

	// Settle removes the records in done. Those in failed come back: after
	// their visibility timeout, or at once if they were not tried.
	Settle(ctx context.Context, arn string, done, failed, untried []Record) error
}
