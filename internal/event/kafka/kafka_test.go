package kafka_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mayfly-faas/mayfly/internal/event/kafka"
	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// A cluster is brokers in this process, and a client of them.
type cluster struct {
	*testing.T
	servers []string
	client  *kgo.Client
	admin   *kadm.Client
}

func newCluster(t *testing.T, partitions int32, opts ...kfake.Opt) *cluster {
	t.Helper()
	f, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"), kfake.SeedTopics(1, "failed")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	c := &cluster{T: t, servers: f.ListenAddrs()}
	return c
}

func (c *cluster) dial(opts ...kgo.Opt) {
	c.Helper()
	var err error
	c.client, err = kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.servers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(c.client.Close)
	c.admin = kadm.NewClient(c.client)
}

func plainCluster(t *testing.T, partitions int32) *cluster {
	t.Helper()
	c := newCluster(t, partitions)
	c.dial()
	return c
}

// put appends records to a partition of orders.
func (c *cluster) put(partition int32, values ...string) {
	c.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: "orders", Partition: partition, Key: []byte("k"), Value: []byte(v)}
		if err := c.client.ProduceSync(c.Context(), r).FirstErr(); err != nil {
			c.Fatal(err)
		}
	}
}

// topic makes a Topic that reads orders.
func (c *cluster) topic(member string) *kafka.Topic {
	t := kafka.New(kafka.Config{Servers: c.servers, Topic: "orders", Group: "readers", Member: member})
	c.Cleanup(t.Close)
	return t
}

// committed is what the group knows of a partition; -1 for nothing.
func (c *cluster) committed(partition int32) int64 {
	c.Helper()
	all, err := c.admin.FetchOffsets(c.Context(), "readers")
	if err != nil {
		c.Fatal(err)
	}
	one, ok := all.Lookup("orders", partition)
	if !ok {
		return -1
	}
	return one.At
}

func read(t *testing.T, from source.Stream, shard string, at source.Place, want ...string) source.Place {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(want) > 0 {
		page, err := from.Read(ctx, "", shard, at, len(want))
		if err != nil {
			t.Fatalf("read %s at %q: %v", shard, at, err)
		}
		for _, r := range page.Records {
			if got := value(t, r.Event); got != want[0] {
				t.Fatalf("%s has %q, want %q", shard, got, want[0])
			}
			want = want[1:]
		}
		at = page.Next
	}
	return at
}

func value(t *testing.T, event json.RawMessage) string {
	t.Helper()
	var v struct{ Value []byte }
	if err := json.Unmarshal(event, &v); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	return string(v.Value)
}

func TestDescribe(t *testing.T) {
	c := plainCluster(t, 2)
	one := c.topic("")
	info, err := one.Describe(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"eventSource":"SelfManagedKafka","bootstrapServers":%q}`, c.servers[0])
	if info.Kind != source.Kafka || string(info.Head) != want {
		t.Errorf("got kind %d and %s, want Kafka and %s", info.Kind, info.Head, want)
	}
	shards, err := one.Shards(t.Context(), "")
	if err != nil || len(shards) != 2 || shards[1].ID != "orders-1" {
		t.Errorf("got shards %v, %v", shards, err)
	}
}

func TestClusterWithARN(t *testing.T) {
	c := plainCluster(t, 1)
	one := kafka.New(kafka.Config{Servers: []string{c.servers[0], c.servers[0]}, Topic: "orders", Group: "g", ARN: "arn:aws:kafka:x"})
	defer one.Close()
	info, err := one.Describe(t.Context(), "")
	want := fmt.Sprintf(`{"eventSource":"aws:kafka","eventSourceArn":"arn:aws:kafka:x","bootstrapServers":"%[1]s,%[1]s"}`, c.servers[0])
	if err != nil || string(info.Head) != want || info.ARN != "arn:aws:kafka:x" {
		t.Errorf("got %s, %v", info.Head, err)
	}
}

func TestNoTopic(t *testing.T) {
	c := plainCluster(t, 1)
	one := kafka.New(kafka.Config{Servers: c.servers, Topic: "nothing", Group: "g"})
	defer one.Close()
	if _, err := one.Describe(t.Context(), ""); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("Describe: %v", err)
	}
	if _, err := one.Shards(t.Context(), ""); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("Shards: %v", err)
	}
}

func TestRead(t *testing.T) {
	c := plainCluster(t, 2)
	c.put(0, "a", "b", "c")
	c.put(1, "x")
	one := c.topic("m")
	at := read(t, one, "orders-0", "", "a", "b")
	read(t, one, "orders-1", "", "x")
	if at != "2" {
		t.Errorf("the place behind b is %q", at)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		at = read(t, one, "orders-0", at, "c", "d") // waits for d
	}()
	c.put(0, "d")
	<-done
	if at != "4" {
		t.Errorf("the place behind d is %q", at)
	}
}

func TestSeek(t *testing.T) {
	c := plainCluster(t, 1)
	c.put(0, "a", "b")
	one := c.topic("")
	for _, test := range []struct {
		at   source.Start
		want source.Place
	}{
		{source.Start{At: source.AtHorizon}, ""},
		{source.Start{At: source.AtLatest}, "2"},
		{source.Start{At: source.AtTime, Time: time.Now().Add(-time.Hour)}, "0"},
		{source.Start{At: source.AtTime, Time: time.Now().Add(time.Hour)}, "2"},
	} {
		if got, err := one.Seek(t.Context(), "", "orders-0", test.at); err != nil || got != test.want {
			t.Errorf("%v: got %q, %v, want %q", test.at, got, err, test.want)
		}
	}
	for _, bad := range []string{"orders-7", "others-0", "orders-x"} {
		if _, err := one.Seek(t.Context(), "", bad, source.Start{At: source.AtLatest}); !errors.Is(err, source.ErrNotFound) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// What is done is committed, and nothing else is.
func TestKeep(t *testing.T) {
	c := plainCluster(t, 1)
	c.put(0, "a", "b", "c")
	one := c.topic("m")
	read(t, one, "orders-0", "", "a", "b", "c")
	one.Keep("", "orders-0", "2")
	one.Keep("", "orders-0", "1") // late, and no step back
	one.Keep("", "orders-0", "9") // never read
	one.Close()
	if got := c.committed(0); got != 2 {
		t.Fatalf("the group is at %d, want 2", got)
	}
	read(t, c.topic("m"), "orders-0", "", "c")
}

func TestNothingIsKeptThatIsNotDone(t *testing.T) {
	c := plainCluster(t, 1)
	c.put(0, "a", "b")
	one := c.topic("m")
	read(t, one, "orders-0", "", "a", "b")
	one.Close()
	if got := c.committed(0); got != -1 && got != 0 {
		t.Fatalf("the group is at %d", got)
	}
	read(t, c.topic("m"), "orders-0", "", "a", "b")
}

func TestResume(t *testing.T) {
	c := plainCluster(t, 3)
	c.put(0, "a", "b", "c")
	c.put(1, "x", "y")
	c.put(2, "p")
	one := c.topic("m")
	got, err := one.Resume(t.Context(), "", map[string]source.Place{"orders-0": "1", "orders-1": "", "orders-2": "1"})
	if err != nil || got["orders-0"] != "1" || got["orders-1"] != "" || got["orders-2"] != "1" {
		t.Fatalf("at first: %v, %v", got, err)
	}
	read(t, one, "orders-0", got["orders-0"], "b", "c")
	read(t, one, "orders-1", got["orders-1"], "x", "y")
	one.Keep("", "orders-0", "3")
	one.Close()
	// Somebody resets the group while it has no members.
	back := kadm.Offsets{}
	back.AddOffset("orders", 0, 0, -1)
	if _, err := c.admin.CommitOffsets(t.Context(), "readers", back); err != nil {
		t.Fatal(err)
	}
	again := c.topic("m")
	got, err = again.Resume(t.Context(), "", map[string]source.Place{"orders-0": "3", "orders-1": ""})
	if err != nil || got["orders-0"] != "0" {
		t.Fatalf("after a reset: %v, %v", got, err)
	}
	read(t, again, "orders-0", got["orders-0"], "a", "b", "c")
}

// A second member takes a part of the partitions, and goes on where the first
// one was.
func TestRebalance(t *testing.T) {
	c := plainCluster(t, 2)
	one, two := c.topic("one"), c.topic("two")
	at := map[string]source.Place{}
	for n := range int32(2) {
		c.put(n, "a", "b")
		shard := "orders-" + strconv.Itoa(int(n))
		at[shard] = read(t, one, shard, "", "a", "b")
		one.Keep("", shard, at[shard])
	}
	// The second one reads both, and gets what it is given.
	moved := make(chan string)
	for shard := range at {
		go func() {
			page, err := two.Read(t.Context(), "", shard, "", 10)
			if err == nil && page.Records[0].Place == "3" {
				moved <- shard
			}
		}()
	}
	grown, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := two.Grown(grown, "", nil); err != nil {
		t.Fatal(err)
	}
	c.put(0, "c")
	c.put(1, "c")
	shard := <-moved
	other := "orders-1"
	if shard == other {
		other = "orders-0"
	}
	read(t, one, other, at[other], "c")
	// The second one leaves, and what it did not say is done comes again.
	two.Close()
	read(t, one, shard, at[shard], "c")
}

// A partition is held back until what was read of it is done.
func TestRebalanceWaits(t *testing.T) {
	c := plainCluster(t, 1)
	c.put(0, "a", "b")
	one := c.topic("")
	read(t, one, "orders-0", "", "a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		one.Keep("", "orders-0", "1")
		one.Close()
	}()
	two := c.topic("")
	read(t, two, "orders-0", "", "b")
	<-done
}

func TestGrown(t *testing.T) {
	c := plainCluster(t, 1)
	one := c.topic("m")
	if err := one.Grown(t.Context(), "", nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- one.Grown(ctx, "", []string{"orders-0"}) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("without growth: %v", err)
	}
}

func TestSend(t *testing.T) {
	c := newCluster(t, 1)
	c.dial(kgo.ConsumeTopics("failed"))
	one := c.topic("")
	if err := one.Send(t.Context(), "kafka://failed", []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	got := c.client.PollRecords(t.Context(), 1).Records()
	if len(got) != 1 || string(got[0].Key) != "k" || string(got[0].Value) != "v" {
		t.Errorf("got %v", got)
	}
	if err := one.Send(t.Context(), "arn:aws:sqs:x", nil, nil); err == nil {
		t.Error("sent to a queue")
	}
}

func TestUnreachable(t *testing.T) {
	one := kafka.New(kafka.Config{Servers: []string{"127.0.0.1:1"}, Topic: "orders", Group: "g"})
	defer one.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := one.Describe(ctx, "")
	if p, ok := errors.AsType[*source.Problem](err); !ok || p.Text != "Connection error. Please check your event source connection configuration." {
		t.Errorf("got %v", err)
	}
}
