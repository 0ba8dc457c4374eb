package source

import (
	"context"
	"time"
)

// A Stream holds records in shards, in order, for a time. Reading takes nothing
// away: how far a reader has come is the reader's to remember. Its methods may be
// called from any goroutine.
type Stream interface {
	// Describe tells about the stream, or the consumer of one, that arn names.
	Describe(ctx context.Context, arn string) (StreamInfo, error)

	// Shards lists all shards that still hold records or may get some, parents
	// before their children.
	Shards(ctx context.Context, arn string) ([]Shard, error)

	// Seek makes the place from which a shard is read. A place lasts: it is as
	// good after a restart as now. AtLatest is the end as it is now.
	Seek(ctx context.Context, arn, shard string, at Start) (Place, error)

	// Read returns records of a shard from a place on, at most max, in order. It
	// waits until there is one, the shard has ended, or ctx has.
	Read(ctx context.Context, arn, shard string, from Place, max int) (Page, error)
}

// A StreamInfo is what a reader has to know of its stream.
type StreamInfo struct {
	ARN string // of the stream itself, as it stands in events
}

// A Shard is a sequence of records. A reader reads the parents to their end
// before it begins with their children: so records of one key stay in order.
type Shard struct {
	ID      string   // "shardId-000000000000", a topic's partition "orders-0"
	Parents []string // one after a split, two after a merge; some may be gone
}

// A Place is a point between records of a shard, in the stream's own words. The
// zero Place is the oldest record that is still there.
type Place string

// A Start says where a reader begins.
type Start struct {
	At   Position
	Time time.Time // with AtTime
}

// A Position is one of the places where readers begin.
type Position int

// The positions, called TRIM_HORIZON, LATEST and AT_TIMESTAMP by AWS.
const (
	AtHorizon Position = iota
	AtLatest
	AtTime
)

// A Page is what one Read found.
type Page struct {
	Records []StreamRecord
	Next    Place         // behind the last of them
	Ended   bool          // the shard is closed and Next is its end: go on with its children
	Behind  time.Duration // the age of the newest record of the shard less that of the last of these; 0 at the tip
}

// A StreamRecord is a record with what orders it. Its Group is its partition key.
type StreamRecord struct {
	Record
	Place   Place // behind it
	Arrived time.Time
	Size    int // of its data, in bytes
}
