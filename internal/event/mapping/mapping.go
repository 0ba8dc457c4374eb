// Package mapping is event source mappings: it receives records from a source,
// lets filters pass some, has a function handle them in batches, and settles
// them. The mappings themselves are durable.
//
// A mapping that is enabled has a poller, which waits in its source for
// records: nothing is polled by the clock.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
package mapping

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/kafka"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/stream"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// ErrInUse is the kind of a Refusal: the mapping is being changed already.
var ErrInUse = errors.New("mapping: in use")

// The states of a mapping.
// https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html#API_GetEventSourceMapping_ResponseElements
const (
	Creating  = "Creating"
	Enabling  = "Enabling"
	Enabled   = "Enabled"
	Disabling = "Disabling"
	Disabled  = "Disabled"
	Updating  = "Updating"
	Deleting  = "Deleting"
)

// A Mapping is one as it is stored and shown.
type Mapping struct {
	UUID        string
	Function    function.Ref
	FunctionARN string
	Source      string // ARN; a name of ours for a cluster that has none
	State       string
	Modified    time.Time
	Tags        map[string]string
	Plan
	Kafka *Kafka `json:",omitempty"` // nil when the source is something else

	// Result is how the last batch ended: "OK", "PROBLEM: ..."; "" when there was none.
	Result string `json:"-"`
}

// ARN names the mapping.
func (m *Manager) ARN(uuid string) string {
	return "arn:aws:lambda:" + m.c.Region + ":" + m.c.Account + ":event-source-mapping:" + uuid
}

// A Plan is how a mapping works.
type Plan struct {
	Enabled     bool
	BatchSize   int32
	Window      int32 // seconds
	Filters     []string
	Reports     bool  // the function tells which records have failed
	Concurrency int32 // at most; 0 is as much as there is
	Pollers     *Pollers
	Metrics     []string
	LogLevel    string
	KMSKey      string
	Streaming
}

// Streaming is the part of a Plan that mappings of streams alone have.
type Streaming struct {
	Position   string    `json:",omitempty"` // where it began to read
	PositionAt time.Time `json:",omitzero"`
	Factor     int32     `json:",omitempty"` // batches of a shard at a time
	Bisect     bool      `json:",omitempty"` // halves a batch that failed
	Retries    int32     `json:",omitempty"` // -1 is no limit
	MaxAge     int32     `json:",omitempty"` // of a record, in seconds; -1 is no limit
	Tumbling   int32     `json:",omitempty"` // how long windows are, in seconds
	OnFailure  string    `json:",omitempty"` // ARN; "" is none
}

// The positions where a mapping of a stream begins to read.
const (
	Horizon     = "TRIM_HORIZON"
	Latest      = "LATEST"
	AtTimestamp = "AT_TIMESTAMP"
)

// Pollers is provisioned mode, which is remembered and makes no difference:
// pollers here cost nothing while they wait.
type Pollers struct {
	Min, Max *int32
	Group    string
}

// Functions is what a Manager needs of *function.Registry.
type Functions interface {
	Invoke(context.Context, function.Ref, function.Invocation) (function.Result, error)
	Handling(context.Context, function.Ref) (function.Handling, error)
	Ref(name, qualifier string) (function.Ref, error)
	ARN(name, qualifier string) string
}

// A Config is what a Manager is made of.
type Config struct {
	DB        store.DB
	Functions Functions
	Sources   map[string]source.Source // by service: "sqs"
	Streams   map[string]source.Stream // by service: "kinesis"
	Router    *target.Router           // leads to where failures of streams are told
	Secrets   kafka.Secrets            // lets mappings into clusters of Kafka; nil is none
	Clusters  kafka.Clusters           // says where clusters of Kafka are that have an ARN
	Account   string
	Region    string
	Now       func() time.Time // nil is time.Now
	Log       *slog.Logger     // nil is slog.Default()
}

// A Manager holds all mappings. Its methods may be called from any goroutine.
type Manager struct {
	c    Config
	ctx  context.Context
	stop context.CancelFunc

	streams *stream.Manager

	mu      sync.Mutex // guards what follows
	closed  bool
	workers map[string]worker // by UUID
	results map[string]string
	work    sync.WaitGroup // workers and transitions; grows under mu, while not closed
}

// Open reads the mappings and goes on with them.
func Open(ctx context.Context, c Config) (*Manager, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	m := &Manager{c: c, workers: map[string]worker{}, results: map[string]string{}}
	m.ctx, m.stop = context.WithCancel(context.Background())
	if err := migrate(ctx, c.DB); err != nil {
		return nil, fmt.Errorf("open event source mappings: %w", err)
	}
	var err error
	m.streams, err = stream.Open(ctx, stream.Config{DB: c.DB, Functions: c.Functions, Router: c.Router, Now: c.Now, Log: c.Log})
	if err != nil {
		return nil, err
	}
	all, err := store.Read(ctx, c.DB, func(tx store.Tx) ([]Mapping, error) { return list(tx, "", "", "", maxMappings) })
	if err != nil {
		return nil, fmt.Errorf("open event source mappings: %w", err)
	}
	for _, one := range all {
		switch one.State {
		case Enabled:
			m.start(one)
		case Disabled:
		default:
			m.transit(one)
		}
	}
	return m, nil
}

// Stop begins no more invocations.
func (m *Manager) Stop() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop()
}

// Close is Stop, and waits for the batches under way; to bound that, close the
// engine between the two.
func (m *Manager) Close() error {
	m.Stop()
	m.work.Wait()
	return nil
}

// start begins to read for a mapping.
func (m *Manager) start(one Mapping) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.workers[one.UUID] != nil {
		return
	}
	var w worker
	if from := m.streamOf(one); from != nil {
		w = newFollower(m, one, from)
	} else {
		w = newPoller(m, one)
	}
	m.workers[one.UUID] = w
	m.work.Go(w.loop)
}

// end stops reading for a mapping, and waits for its batches.
func (m *Manager) end(uuid string) {
	m.mu.Lock()
	w := m.workers[uuid]
	delete(m.workers, uuid)
	m.mu.Unlock()
	if w != nil {
		w.end()
	}
}

// transit takes a mapping from the state that it is passing through to the one
// where it stays, in a goroutine of its own. Only a mapping that stays may be
// changed, so there is one at a time.
func (m *Manager) transit(one Mapping) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return // the next Open does it
	}
	m.work.Go(func() {
		m.end(one.UUID)
		m.begin(one)
		state := Disabled
		if one.Enabled {
			state = Enabled
		}
		err := m.retry(func() error {
			return m.c.DB.Update(m.ctx, func(tx store.Tx) error {
				if one.State == Deleting {
					return errors.Join(m.streams.Forget(tx, one.UUID), remove(tx, one.UUID))
				}
				return setState(tx, one.UUID, state)
			})
		})
		switch {
		case err != nil:
		case one.State == Deleting:
			m.forget(one.UUID)
		case one.Enabled:
			m.start(one)
		}
	})
}

// retry does what the database must take, until it does or the Manager closes.
func (m *Manager) retry(do func() error) error {
	for wait := againFirst; ; wait = min(2*wait, againLast) {
		err := do()
		if err == nil || m.ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
			return err
		}
		m.c.Log.Error("event source mappings", "error", err, "again in", wait)
		select {
		case <-time.After(wait):
		case <-m.ctx.Done():
		}
	}
}

// How long a write waits that the database refused, and a poller whose source
// fails.
const (
	againFirst = 50 * time.Millisecond
	againLast  = 10 * time.Second
)

// note remembers how a mapping's last batch ended.
func (m *Manager) note(uuid, result string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.results[uuid] = result
}

func (m *Manager) forget(uuid string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.results, uuid)
}

func (m *Manager) result(uuid string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.results[uuid]
}
