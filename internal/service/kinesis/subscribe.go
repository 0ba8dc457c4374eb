package kinesis

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/eventstream"
)

// How a subscription goes.
//
// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html
const (
	subscribed   = 5 * time.Minute // its life
	subscribedTo = 5 * time.Second // how soon it cannot be taken over
	heartbeat    = 5 * time.Second // an event without records says that nothing comes
	eventRecords = 10000
	eventBytes   = 1 << 20
)

// A subscriber is a consumer at a shard: one connection at a time.
type subscriber struct {
	arn   string
	shard int64
}

// Subscriptions are those that run, or did in the last seconds.
type subscriptions struct {
	mu  sync.Mutex // guards all
	all map[subscriber]*subscription
	off error // not nil once no more are wanted
}

type subscription struct {
	since time.Time
	stop  context.CancelCauseFunc
	over  bool
}

// errTaken ends a subscription that another connection has taken over.
func errTaken(arn, shard string) error {
	return inUse("Another active subscription exists for this consumer: %s on shard %s", arn, shard)
}

// begin makes a subscription, which takes over from an older one.
func (s *subscriptions) begin(ctx context.Context, k subscriber, now time.Time, taken error) (context.Context, *subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off != nil {
		return nil, nil, s.off
	}
	if old := s.all[k]; old != nil {
		if now.Sub(old.since) < subscribedTo {
			return nil, nil, taken
		}
		old.stop(taken)
	}
	maps.DeleteFunc(s.all, func(_ subscriber, old *subscription) bool { return old.over && now.Sub(old.since) >= subscribedTo })
	ctx, stop := context.WithCancelCause(ctx)
	sub := &subscription{since: now, stop: stop}
	if s.all == nil {
		s.all = map[subscriber]*subscription{}
	}
	s.all[k] = sub
	return ctx, sub, nil
}

// over says that sub has ended. It is remembered for its first seconds: a
// client that calls again at once is to hear of it.
func (s *subscriptions) over(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.stop(nil)
	sub.over = true
}

// end breaks those that which says.
func (s *subscriptions) end(which func(subscriber) bool, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, sub := range s.all {
		if which(k) {
			sub.stop(cause)
		}
	}
}

// Hangup ends all subscriptions, and lets nobody begin another: the server is
// about to end, and would wait for them.
func (b *Book) Hangup() {
	b.subs.mu.Lock()
	b.subs.off = awserr.New(500, "InternalFailureException", "The server is shutting down.")
	b.subs.mu.Unlock()
	b.subs.end(func(subscriber) bool { return true }, errHangup)
}

var errHangup = errors.New("kinesis: the server ends")

// A pushed is the answer of SubscribeToShard: the model's event stream, as it is written.
type pushed struct {
	EventStream wire.Stream `wire:"EventStream,payload"`
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html
func (a *api) subscribeToShard(ctx context.Context, in *SubscribeToShardInput) (*pushed, error) {
	st, c, err := a.who(in.ConsumerARN, nil, nil)
	if err != nil {
		return nil, err
	}
	if a.status(c) != active {
		return nil, inUse("Consumer %s is not ACTIVE.", *in.ConsumerARN)
	}
	sh, err := a.readable(st, *in.ShardId)
	if err != nil {
		return nil, err
	}
	at := in.StartingPosition
	seq, err := a.start(ctx, sh, *at.Type, at.SequenceNumber, at.Timestamp, "SubscribeToShard")
	if err != nil {
		return nil, err
	}
	if value0(in.DryRun) {
		return nil, dryRun()
	}
	k := subscriber{*in.ConsumerARN, sh.id}
	ctx, sub, err := a.subs.begin(ctx, k, a.now(), errTaken(k.arn, sh.name()))
	if err != nil {
		return nil, err
	}
	select { // see patience
	case <-time.After(patience):
	case <-ctx.Done():
	}
	return &pushed{EventStream: func(w io.Writer) error {
		defer a.subs.over(sub)
		return a.push(ctx, w, sh, seq)
	}}, nil
}

// patience is how long the answer of SubscribeToShard is held back. AWS's client
// for Go closes a request's body as soon as there is an answer; if its transport
// was still about to look for the body's end, that breaks the connection, and
// the subscription with it. An answer over loopback can be as fast as that.
const patience = 5 * time.Millisecond

// push writes events until the subscription's life is over, the shard has ended,
// or the client is gone.
func (b *Book) push(ctx context.Context, w io.Writer, sh *shard, seq int64) error {
	ctx, cancel := context.WithTimeout(ctx, subscribed)
	defer cancel()
	e := newEncoder()
	for {
		p, err := b.read(ctx, sh, seq, eventRecords, eventBytes)
		if err == nil {
			err = e.write(w, b.pushedEvent(sh, p)) // without records it says that the connection lives
		}
		if err == nil && p.ended {
			return nil
		}
		seq = max(p.next, seq)
		if err == nil && p.tip {
			err = b.pause(ctx, sh, seq)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return e.end(ctx, w, sh, err)
		}
	}
}

// pause waits for a record at seq, but not for longer than a heartbeat.
func (b *Book) pause(ctx context.Context, sh *shard, seq int64) error {
	beat, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	err := sh.wait(beat, seq)
	if err != nil && beat.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

func (b *Book) pushedEvent(sh *shard, p page) *SubscribeToShardEvent {
	e := &SubscribeToShardEvent{Records: make([]*Record, len(p.records)), MillisBehindLatest: new(p.behind(b.ms()))}
	for i, r := range p.records {
		e.Records[i] = sh.record(r)
	}
	if p.ended { // without a number: by that clients know that nothing follows
		e.ChildShards = sh.stream.children(sh)
		return e
	}
	// It names the record before the next one, which is the last of these if there are any.
	at := cmp.Or(p.lastAt, sh.created*1000)
	if n := len(p.records); n > 0 {
		at = p.records[n-1].at
	}
	e.ContinuationSequenceNumber = new(sh.number(max(p.next-1, 0), at))
	return e
}

// An encoder writes events.
type encoder struct {
	shape   *wire.Shape
	headers string
	buf     []byte
}

func newEncoder() *encoder {
	return &encoder{shape: wire.ShapeOf(reflect.TypeFor[SubscribeToShardEvent]()), headers: eventstream.Event("SubscribeToShardEvent", jsonType)}
}

const jsonType = "application/x-amz-json-1.1"

func (e *encoder) write(w io.Writer, event *SubscribeToShardEvent) error {
	body := e.shape.AppendJSON(nil, reflect.ValueOf(event).Elem())
	e.buf = eventstream.Append(e.buf[:0], e.headers, body)
	_, err := w.Write(e.buf)
	return err
}

// end says why a subscription ends, if that is to be said: nothing of it at the
// end of its life.
func (e *encoder) end(ctx context.Context, w io.Writer, sh *shard, err error) error {
	cause := err
	if ctx.Err() != nil {
		cause = context.Cause(ctx)
	}
	if errors.Is(cause, errNoStream) {
		cause = notFound("Stream %s not found.", sh.stream.name)
	}
	said, ok := errors.AsType[*awserr.Error](cause)
	if ok {
		body := wire.AppendString([]byte(`{"message":`), said.Message)
		_, err := w.Write(eventstream.Append(e.buf[:0], eventstream.Exception(said.Code, jsonType), append(body, '}')))
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}
