package source

import (
	"context"
	"encoding/json"
	"time"
)

// A Stream holds records in shards, in order, for a time. Reading takes nothing
// away: how far a reader has come is the reader's to remember. Its methods may be
// called from any goroutine.
type Stream interface {
	// Describe tells about the stream, or the consumer of one, that arn names.
	Describe(ctx context.Context, arn string) (StreamInfo, error)

	// Shards lists all shards that still hold records or may get some, parents
	// before their children. Once a shard has ended its children are listed.
	Shards(ctx context.Context, arn string) ([]Shard, error)

	// Seek makes the place from which a shard is read. A place lasts: it is as
	// good after a restart as now. AtLatest is the end as it is now.
	Seek(ctx context.Context, arn, shard string, at Start) (Place, error)

	// Read returns records of a shard from a place on, at most max, in order. It
	// waits until there is one, the shard has ended, or ctx has.
	Read(ctx context.Context, arn, shard string, from Place, max int) (Page, error)
}

// A Grower is a Stream that may get shards which have no parents there, as a
// topic gets partitions.
type Grower interface {
	// Grown waits until there may be shards beside those that are known.
	Grown(ctx context.Context, arn string, known []string) error
}

// A Kind is what a stream is, which decides on the form of its events.
type Kind int

// The kinds of streams.
const (
	Kinesis Kind = iota
	DynamoDB
	Kafka
)

// A StreamInfo is what a reader has to know of its stream.
type StreamInfo struct {
	ARN  string // of the stream itself, as it stands in events
	Kind Kind

	// Head holds the members of a Kafka event beside its records, as an object:
	// {"eventSource":"SelfManagedKafka","bootstrapServers":"a:9092"}
	Head json.RawMessage
}

// A Shard is a sequence of records. A reader reads the parents to their end
// before it begins with their children: so records of one key stay in order.
type Shard struct {
	ID      string   // "shardId-000000000000", a topic's partition "orders-0"
	Parents []string // one after a split, two after a merge; some may be gone
}

// A Place is a point between records of a shard, in the stream's own words. The
// zero Place is the oldest record that is still there. Places of one shard are
// in order, as decimal numbers are: the shorter comes first, and of the same
// length the one whose bytes do.
type Place string

// Before tells whether p comes before q, of the same shard.
func (p Place) Before(q Place) bool {
	if len(p) != len(q) {
		return len(p) < len(q)
	}
	return p < q
}

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

// A Keeper is a Stream that remembers itself how far it was read, as a consumer
// group of Kafka does. What it remembers counts more than what the reader does.
type Keeper interface {
	// Resume answers where the reader goes on. Shards that were never read
	// begin where from says, which is remembered.
	Resume(ctx context.Context, arn string, from map[string]Place) (map[string]Place, error)

	// Keep remembers that all of a shard before a place is done. It does not wait
	// until that is durable.
	Keep(arn, shard string, at Place)
}

// A Sender is a Stream beside which failures can be told: "kafka://failed" is a
// topic of the same cluster.
type Sender interface {
	// Send returns once the message is durable.
	Send(ctx context.Context, to string, key, value []byte) error
}

// A Problem is an error that says what a mapping tells its owner.
type Problem struct {
	Text string
	Err  error
}

// Error implements error.
func (p *Problem) Error() string { return p.Text + " " + p.Err.Error() }

// Unwrap is the reason.
func (p *Problem) Unwrap() error { return p.Err }
