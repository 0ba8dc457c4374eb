// Package kafka is topics of Kafka as streams that functions read: a Topic is a
// source.Stream whose shards are the topic's partitions. How far it was read is
// remembered in Kafka, by a consumer group, whose members share the partitions.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html
package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// A Config says which topic is read, and as whom.
type Config struct {
	Servers []string // "host:port", where the brokers are learned
	Topic   string
	Group   string   // whose offsets say how far the topic was read
	Member  string   // names this reader in the group, over restarts; "" is no name
	ARN     string   // of the cluster; "" of one that AWS does not know
	Access  []Access // how to be let in; none is without TLS and without a name
	Secrets Secrets  // what Access refers to
	Log     *slog.Logger
}

// A Topic is one that is read for one mapping. It connects when it is used first.
// Its methods may be called from any goroutine, Close when no other runs.
type Topic struct {
	c Config

	mu     sync.Mutex // guards what follows
	client *kgo.Client
	member *member
}

// New makes a Topic of a configuration.
func New(c Config) *Topic {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Topic{c: c}
}

// Close commits what is done, leaves the group, and disconnects.
func (t *Topic) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.member != nil {
		t.member.close()
		t.member = nil
	}
	if t.client != nil {
		t.client.Close()
		t.client = nil
	}
}

// How long a request is tried for, and how old what is known of the cluster may
// be: Kafka tells nobody that a topic has got more partitions.
const (
	patience = 15 * time.Second
	metadata = time.Minute
)

// plain is the client that belongs to no group.
func (t *Topic) plain(ctx context.Context) (*kgo.Client, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.client != nil {
		return t.client, nil
	}
	opts, err := t.options(ctx)
	if err != nil {
		return nil, err
	}
	opts = append(opts, kgo.RetryTimeout(patience), kgo.RecordDeliveryTimeout(patience), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	t.client, err = kgo.NewClient(opts...)
	return t.client, err
}

func (t *Topic) admin(ctx context.Context) (*kadm.Client, error) {
	c, err := t.plain(ctx)
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(c), nil
}

// Describe implements source.Stream.
func (t *Topic) Describe(ctx context.Context, _ string) (source.StreamInfo, error) {
	if _, err := t.partitions(ctx); err != nil {
		return source.StreamInfo{}, err
	}
	return source.StreamInfo{ARN: t.c.ARN, Kind: source.Kafka, Head: t.head()}, nil
}

// head holds the members of the event beside its records.
func (t *Topic) head() json.RawMessage {
	head := struct {
		Source  string `json:"eventSource"`
		ARN     string `json:"eventSourceArn,omitempty"`
		Servers string `json:"bootstrapServers"`
	}{"SelfManagedKafka", t.c.ARN, strings.Join(t.c.Servers, ",")}
	if t.c.ARN != "" {
		head.Source = "aws:kafka"
	}
	b, _ := json.Marshal(head) // texts always encode
	return b
}

// partitions asks which the topic has.
func (t *Topic) partitions(ctx context.Context) ([]int32, error) {
	a, err := t.admin(ctx)
	if err != nil {
		return nil, err
	}
	all, err := a.ListTopics(ctx, t.c.Topic)
	if err != nil {
		return nil, t.failed("list partitions", err)
	}
	one, ok := all[t.c.Topic]
	if !ok {
		return nil, t.failed("list partitions", kerr.UnknownTopicOrPartition)
	}
	if one.Err != nil {
		return nil, t.failed("list partitions", one.Err)
	}
	return one.Partitions.Numbers(), nil
}

// Shards implements source.Stream.
func (t *Topic) Shards(ctx context.Context, _ string) ([]source.Shard, error) {
	numbers, err := t.partitions(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]source.Shard, len(numbers))
	for i, n := range numbers {
		all[i].ID = t.shard(n)
	}
	return all, nil
}

func (t *Topic) shard(partition int32) string {
	return t.c.Topic + "-" + strconv.Itoa(int(partition))
}

func (t *Topic) partition(shard string) (int32, error) {
	number, ok := strings.CutPrefix(shard, t.c.Topic+"-")
	n, err := strconv.ParseInt(number, 10, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("partition %q: %w", shard, source.ErrNotFound)
	}
	return int32(n), nil
}

// Seek implements source.Stream.
func (t *Topic) Seek(ctx context.Context, _, shard string, at source.Start) (source.Place, error) {
	n, err := t.partition(shard)
	if err != nil || at.At == source.AtHorizon {
		return "", err
	}
	a, err := t.admin(ctx)
	if err != nil {
		return "", err
	}
	var all kadm.ListedOffsets
	if at.At == source.AtTime {
		all, err = a.ListOffsetsAfterMilli(ctx, at.Time.UnixMilli(), t.c.Topic)
	} else {
		all, err = a.ListEndOffsets(ctx, t.c.Topic)
	}
	if err != nil {
		return "", t.failed("list offsets", err)
	}
	one, ok := all.Lookup(t.c.Topic, n)
	if !ok {
		return "", t.failed("list offsets", kerr.UnknownTopicOrPartition)
	}
	if one.Err != nil {
		return "", t.failed("list offsets", one.Err)
	}
	return place(one.Offset), nil
}

// place is the Place before the record of an offset.
func place(offset int64) source.Place { return source.Place(strconv.FormatInt(offset, 10)) }

// offset is that of the record behind a Place.
func offset(p source.Place) (int64, error) {
	if p == "" {
		return 0, nil
	}
	return strconv.ParseInt(string(p), 10, 64)
}

// Resume implements source.Keeper. What the group has committed comes first, so
// that whoever resets its offsets gets what they want.
func (t *Topic) Resume(ctx context.Context, _ string, from map[string]source.Place) (map[string]source.Place, error) {
	a, err := t.admin(ctx)
	if err != nil {
		return nil, err
	}
	committed, err := a.FetchOffsets(ctx, t.c.Group)
	if err == nil {
		err = committed.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, t.failed("fetch the group's offsets", err)
	}
	there := make(map[string]source.Place, len(from))
	first := kadm.Offsets{}
	for shard, p := range from {
		n, err := t.partition(shard)
		if err != nil {
			continue // of a topic that was there before
		}
		if c, ok := committed.Lookup(t.c.Topic, n); ok && c.At >= 0 {
			there[shard] = place(c.At)
			continue
		}
		there[shard] = p
		if at, err := offset(p); err == nil && p != "" {
			first.AddOffset(t.c.Topic, n, at, -1)
		}
	}
	if len(first) == 0 {
		return there, nil
	}
	return there, t.commitFirst(ctx, a, first)
}

// commitFirst has the group begin where it is told to.
func (t *Topic) commitFirst(ctx context.Context, a *kadm.Client, first kadm.Offsets) error {
	done, err := a.CommitOffsets(ctx, t.c.Group, first)
	if err == nil {
		err = done.Error()
	}
	if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) {
		t.c.Log.Warn("a group of Kafka has members already, its offsets are theirs", "group", t.c.Group, "topic", t.c.Topic)
		return nil
	}
	return t.failed("commit the group's offsets", err)
}

// Send implements source.Sender.
func (t *Topic) Send(ctx context.Context, to string, key, value []byte) error {
	topic, ok := strings.CutPrefix(to, Scheme)
	if !ok {
		return fmt.Errorf("send to %q: not a topic", to)
	}
	c, err := t.plain(ctx)
	if err != nil {
		return err
	}
	err = c.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: key, Value: value}).FirstErr()
	return t.failed("send to "+to, err)
}

// Scheme begins the name of a topic as a destination.
const Scheme = "kafka://"

// failed says what a mapping tells of an error, if it is one.
func (t *Topic) failed(do string, err error) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s of topic %s: %w", do, t.c.Topic, err)
	switch {
	case errors.Is(err, context.Canceled):
		return wrapped
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("%w: %w", source.ErrNotFound, wrapped)
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return &source.Problem{Text: "Authentication failed. Please check the secret of your SourceAccessConfigurations.", Err: wrapped}
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return &source.Problem{Text: "The principal that reads is not authorized to access the topic or the consumer group.", Err: wrapped}
	}
	return &source.Problem{Text: "Connection error. Please check your event source connection configuration.", Err: wrapped}
}
