package e2e

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// TestKinesisBoto3 is every operation as a user of boto3 meets it.
func TestKinesisBoto3(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/kinesis.py")
}

// TestKinesisJS is the SDK for JavaScript, which speaks HTTP/2.
func TestKinesisJS(t *testing.T) {
	s := start(t)
	s.client(t, node(t), "clients/kinesis.mjs")
}

// TestKinesisLeases is a consumer as the Kinesis Client Library makes them.
func TestKinesisLeases(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/scenario_kinesis_leases.py", "main")
}

// TestKinesisCLI is the user of the AWS CLI.
func TestKinesisCLI(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	s.sh(dir, "aws kinesis create-stream --stream-name cli --shard-count 1 && aws kinesis wait stream-exists --stream-name cli")
	put := object(t, s.sh(dir, "aws kinesis put-record --stream-name cli --partition-key k --data hello"))
	it := object(t, s.sh(dir, "aws kinesis get-shard-iterator --stream-name cli --shard-id shardId-000000000000 --shard-iterator-type TRIM_HORIZON"))
	got := object(t, s.sh(dir, "aws kinesis get-records --shard-iterator "+it["ShardIterator"].(string)))
	r := got["Records"].([]any)[0].(map[string]any)
	if r["Data"] != "aGVsbG8=" || r["PartitionKey"] != "k" || r["SequenceNumber"] != put["SequenceNumber"] {
		t.Errorf("put %v, got %v", put, r)
	}
	s.sh(dir, "aws kinesis split-shard --stream-name cli --shard-to-split shardId-000000000000 --new-starting-hash-key 1000")
	if list := s.sh(dir, "aws kinesis list-shards --stream-name cli --query 'Shards[].ShardId' --output text"); len(strings.Fields(list)) != 3 {
		t.Errorf("shards %s", list)
	}
	s.sh(dir, "aws kinesis delete-stream --stream-name cli")
	if out := s.sh(dir, "aws kinesis describe-stream --stream-name cli 2>&1 || true"); !strings.Contains(out, "(ResourceNotFoundException)") ||
		!strings.Contains(out, "Stream cli under account 000000000000 not found.") {
		t.Errorf("deleted: %s", out)
	}
}

// streams is AWS's own client in Go. It tries once.
func (s *server) streams() *kinesis.Client {
	c := s.config()
	c.RetryMaxAttempts = 1
	return kinesis.NewFromConfig(c)
}

// TestKinesisGo: a subscription by the SDK for Go, over HTTP/1.1, and a server
// that does not wait for it when it ends.
func TestKinesisGo(t *testing.T) {
	s := start(t)
	c, ctx := s.streams(), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("go"), ShardCount: aws.Int32(1)})
	must(err)
	must(kinesis.NewStreamExistsWaiter(c).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("go")}, time.Minute))
	arn := resource("kinesis", "stream/go")
	reg, err := c.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: &arn, ConsumerName: aws.String("c")})
	must(err)
	out, err := c.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: reg.Consumer.ConsumerARN, ShardId: aws.String("shardId-000000000000"),
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}})
	must(err)
	events := out.GetStream()
	defer events.Close()
	_, err = c.PutRecord(ctx, &kinesis.PutRecordInput{StreamARN: &arn, PartitionKey: aws.String("k"), Data: []byte("pushed")})
	must(err)
	got := ""
	for got == "" {
		e, ok := (<-events.Events()).(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
		if !ok {
			t.Fatalf("the subscription ended: %v", events.Err())
		}
		for _, r := range e.Value.Records {
			got += string(r.Data)
		}
	}
	if got != "pushed" {
		t.Errorf("got %s", got)
	}
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 8*time.Second { // it would have gone on for five minutes
		t.Errorf("the server waited %s for a subscription", took)
	}
	s.run()
	must(kinesis.NewStreamExistsWaiter(s.streams()).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("go")}, time.Minute))
}

// TestKinesisKill kills the server while records are put and shards change: what
// was acknowledged is there, in the order of its key.
func TestKinesisKill(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	if _, err := s.streams().CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("kill"), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards acknowledged
	acknowledged := map[string][]string{}
	for round := range 4 {
		stop := make(chan struct{})
		var all sync.WaitGroup
		for k := range 4 {
			key := fmt.Sprintf("key-%d", k)
			all.Go(func() {
				putUntil(t, s, key, round, stop, func(data string) { mu.Lock(); acknowledged[key] = append(acknowledged[key], data); mu.Unlock() })
			})
		}
		all.Go(func() { splitUntil(s, stop) })
		time.Sleep(time.Duration(300+200*round) * time.Millisecond) // any moment will do
		s.kill()
		close(stop)
		all.Wait()
		s.run()
	}
	read := readAll(t, s.streams(), "kill")
	total := 0
	for key, want := range acknowledged {
		total += len(want)
		i := 0
		for _, data := range read[key] {
			if i < len(want) && data == want[i] {
				i++
			}
		}
		if i < len(want) {
			t.Errorf("%s: %s was acknowledged and is not there in its order", key, want[i])
		}
	}
	if total < 100 {
		t.Errorf("only %d records were put", total)
	}
	t.Logf("%d acknowledged records", total)
}

// putUntil puts numbers under a key and notes what was acknowledged.
func putUntil(t *testing.T, s *server, key string, round int, stop chan struct{}, note func(string)) {
	c := s.streams()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		data := fmt.Sprintf("%d/%06d", round, n)
		_, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("kill"), PartitionKey: &key, Data: []byte(data)})
		if err == nil {
			note(data)
		}
	}
}

// splitUntil splits the lowest shard again and again.
func splitUntil(s *server, stop chan struct{}) {
	c := s.streams()
	for {
		select {
		case <-stop:
			return
		case <-time.After(40 * time.Millisecond):
		}
		out, err := c.ListShards(s.t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("kill"), ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}})
		if err != nil || len(out.Shards) == 0 {
			continue
		}
		first := out.Shards[0]
		low, _ := new(big.Int).SetString(*first.HashKeyRange.StartingHashKey, 10)
		high, _ := new(big.Int).SetString(*first.HashKeyRange.EndingHashKey, 10)
		middle := low.Add(low, high)
		_, _ = c.SplitShard(s.t.Context(), &kinesis.SplitShardInput{StreamName: aws.String("kill"), ShardToSplit: first.ShardId,
			NewStartingHashKey: aws.String(middle.Rsh(middle, 1).String())}) // it may be dead
	}
}

// readAll reads a stream's records by key, parents before children.
func readAll(t *testing.T, c *kinesis.Client, stream string) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	var shards []types.Shard
	in := &kinesis.ListShardsInput{StreamName: &stream}
	for {
		out, err := c.ListShards(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		shards = append(shards, out.Shards...)
		if in = (&kinesis.ListShardsInput{NextToken: out.NextToken}); out.NextToken == nil {
			break
		}
	}
	for _, sh := range shards {
		it, err := c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		for next := it.ShardIterator; next != nil; {
			out, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
			if fast := (*types.ProvisionedThroughputExceededException)(nil); errors.As(err, &fast) {
				time.Sleep(250 * time.Millisecond)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range out.Records {
				got[*r.PartitionKey] = append(got[*r.PartitionKey], string(r.Data))
			}
			if next = out.NextShardIterator; *out.MillisBehindLatest == 0 {
				break
			}
		}
	}
	return got
}
