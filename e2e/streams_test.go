package e2e

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestStreams is every parameter of a mapping of a stream as a user of boto3
// meets it.
func TestStreams(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/scenario_streams.py", s.pythonRuntime())
}

// TestDynamoDBStreams has changes of a table run functions. It needs a DynamoDB,
// such as DynamoDB Local: MAYFLY_DYNAMODB is its URL.
func TestDynamoDBStreams(t *testing.T) {
	url := os.Getenv("MAYFLY_DYNAMODB")
	if url == "" {
		t.Skip("MAYFLY_DYNAMODB names no DynamoDB")
	}
	s := start(t, "--dynamodb-endpoint", url)
	s.client(t, python(t), "clients/scenario_streams_dynamodb.py", s.pythonRuntime(), url)
}

// pyReader writes down each record that it handles, in a file that outlives the
// server.
const pyReader = `import base64, os, time
book = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def handler(event, context):
    now = time.time_ns()
    os.write(book, "".join("%d %s\n" % (now, base64.b64decode(r["kinesis"]["data"]).decode()) for r in event["Records"]).encode())
`

// streamKeys is how many keys are put, each by a producer of its own.
const streamKeys = 8

// TestKill9Streams kills the server at random moments while records are put into
// a stream, its shards are split and merged, and a function handles them. Every
// record that was acknowledged is handled, those of a key in order; a record
// comes twice only when it was under way at a kill.
//
// MAYFLY_KILLS and MAYFLY_KILL_RECORDS make it longer.
func TestKill9Streams(t *testing.T) {
	kills, records := setting(t, "MAYFLY_KILLS", 5), setting(t, "MAYFLY_KILL_RECORDS", 4000)
	if testing.Short() {
		kills, records = 2, 800
	}
	s := start(t, "--tier", "process") // so that the code can write the book
	f := &flood{witnessed: witnessed{book: filepath.Join(t.TempDir(), "book"), acked: map[string]bool{}}}
	f.prepare(t, s)
	for round := range kills {
		f.underLoad(t, s, int64(records*(round+1)/kills))
		s.run()
	}
	f.await(t, s)
	f.judge(t)
}

// A flood is what the producers were told, and when the server died.
type flood struct {
	witnessed
	put    [streamKeys]atomic.Int64 // of each key, the last number that was tried
	shapes atomic.Int64             // splits and merges
}

func (f *flood) prepare(t *testing.T, s *server) {
	c, k := s.clients(t), kinesis.NewFromConfig(s.config())
	if _, err := k.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("flood"), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	await(t, "the stream", func() bool { return len(open(t.Context(), k)) == 2 })
	create(t, c.lambda, "reader", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": pyReader}), func(in *lambda.CreateFunctionInput) {
		in.Timeout, in.Environment = aws.Int32(10), &types.Environment{Variables: map[string]string{"BOOK": f.book}}
	})
	_, err := c.lambda.CreateEventSourceMapping(t.Context(), &lambda.CreateEventSourceMappingInput{
		EventSourceArn: aws.String(resource("kinesis", "stream/flood")), FunctionName: aws.String("reader"), StartingPosition: types.EventSourcePositionTrimHorizon,
		BatchSize: aws.Int32(20), ParallelizationFactor: aws.Int32(3),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// open are the stream's shards that take records, by their hash keys; none while
// the stream changes.
func open(ctx context.Context, k *kinesis.Client) (all []kinesistypes.Shard) {
	d, err := k.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("flood")})
	if err != nil || d.StreamDescriptionSummary.StreamStatus != kinesistypes.StreamStatusActive {
		return nil
	}
	out, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String("flood")})
	if err != nil {
		return nil
	}
	for _, one := range out.Shards {
		if one.SequenceNumberRange.EndingSequenceNumber == nil {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b kinesistypes.Shard) int {
		return number(a.HashKeyRange.StartingHashKey).Cmp(number(b.HashKeyRange.StartingHashKey))
	})
	return all
}

func number(s *string) *big.Int {
	n, _ := new(big.Int).SetString(*s, 10)
	return n
}

// underLoad puts records, and kills the server at a random moment on the way to
// so many acknowledged ones.
func (f *flood) underLoad(t *testing.T, s *server, until int64) {
	ctx, cancel := context.WithCancel(t.Context())
	c := s.config()
	c.RetryMaxAttempts = 1
	k := kinesis.NewFromConfig(c)
	moment := f.count.Load() + rand.Int64N(max(1, until-f.count.Load()))
	reached := make(chan struct{})
	tell := sync.OnceFunc(func() { close(reached) })
	var wg sync.WaitGroup
	for key := range streamKeys {
		wg.Go(func() {
			for ctx.Err() == nil && f.count.Load() < until && f.produce(ctx, k, key) {
				if f.count.Load() > moment {
					tell()
				}
			}
			tell() // refused or done
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			f.reshape(ctx, k)
		}
	})
	<-reached
	time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
	f.mu.Lock()
	f.kills = append(f.kills, time.Now().UnixNano())
	f.mu.Unlock()
	s.kill()
	cancel()
	wg.Wait()
}

// produce puts the next number of a key. One that was not acknowledged may be
// there or not.
func (f *flood) produce(ctx context.Context, k *kinesis.Client, key int) bool {
	id := fmt.Sprintf("%d-%d", key, f.put[key].Add(1))
	_, err := k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("flood"), PartitionKey: aws.String(fmt.Sprint("key ", key)), Data: []byte(id)})
	if err != nil {
		return false
	}
	f.ack([]string{id}, "")
	return true
}

// reshape splits a shard or merges two.
func (f *flood) reshape(ctx context.Context, k *kinesis.Client) {
	all := open(ctx, k)
	if len(all) == 0 {
		return
	}
	var err error
	i := rand.IntN(len(all))
	if len(all) > 3 {
		i = min(i, len(all)-2)
		_, err = k.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: aws.String("flood"), ShardToMerge: all[i].ShardId, AdjacentShardToMerge: all[i+1].ShardId})
	} else {
		lo, hi := number(all[i].HashKeyRange.StartingHashKey), number(all[i].HashKeyRange.EndingHashKey)
		middle := lo.Add(lo, hi).Rsh(lo, 1)
		_, err = k.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: aws.String("flood"), ShardToSplit: all[i].ShardId, NewStartingHashKey: aws.String(middle.String())})
	}
	if err == nil {
		f.shapes.Add(1)
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(rand.IntN(400)) * time.Millisecond):
	}
}

// await waits until all that was acknowledged is handled, as long as there is
// progress.
func (f *flood) await(t *testing.T, s *server) {
	missing, progress := len(f.acked)+1, time.Now()
	for time.Since(progress) < 40*time.Second {
		seen := map[string]bool{}
		for _, one := range f.read(t) {
			seen[one.id] = true
		}
		n := 0
		for id := range f.acked {
			if !seen[id] {
				n++
			}
		}
		if n == 0 {
			return
		}
		if n < missing {
			missing, progress = n, time.Now()
		}
		time.Sleep(200 * time.Millisecond)
	}
	ms, _ := s.clients(t).lambda.ListEventSourceMappings(t.Context(), &lambda.ListEventSourceMappingsInput{})
	for _, m := range ms.EventSourceMappings {
		t.Logf("%s: %s, %s", *m.EventSourceArn, *m.State, aws.ToString(m.LastProcessingResult))
	}
	t.Errorf("%d of %d acknowledged records are not handled", missing, len(f.acked))
}

// judge holds the book to what was promised.
func (f *flood) judge(t *testing.T) {
	first, most, twice := map[string]int64{}, [streamKeys]int{}, 0
	all := f.read(t)
	slices.SortStableFunc(all, func(a, b sight) int { return int(a.at - b.at) })
	for _, one := range all {
		var key, n int
		if _, err := fmt.Sscanf(one.id, "%d-%d", &key, &n); err != nil {
			t.Fatalf("the book says %q", one.id)
		}
		before, again := first[one.id]
		switch {
		case again:
			twice++
			if !f.killedBetween(before, one.at) {
				t.Errorf("%s was handled twice, %v apart, and no kill between", one.id, time.Duration(one.at-before))
			}
		case n < most[key]:
			t.Errorf("%s was first handled after %d-%d", one.id, key, most[key])
		}
		if !again {
			first[one.id] = one.at
		}
		most[key] = max(most[key], n)
	}
	t.Logf("%d records acknowledged, %d kills, %d splits and merges; %d handled, %d of them again after a kill",
		len(f.acked), len(f.kills), f.shapes.Load(), len(all), twice)
}
