package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// What a PutRecords holds here, and who sends them.
const (
	putRecords = 500 // of 1 KB
	putters    = 8
	wide       = 128 // shards, so that AWS's limits of a shard are out of the way
)

// streams measures streams of records, and functions that handle them.
func streams(ctx context.Context, l *lab) error {
	if err := putMany(ctx, l); err != nil {
		return err
	}
	if l.langs[0].name != "python" {
		l.report.skip(l.out, "streams: the function is in Python, which is not here")
		return nil
	}
	f := function{name: "streamed", lang: l.langs[0], files: map[string]string{"app.py": source("functions/streamed.py")}, memory: wholeCPU, limit: 20}
	if err := l.deploy(ctx, f); err != nil {
		return err
	}
	defer l.remove(context.WithoutCancel(ctx), f.name)
	if err := recordLatency(ctx, l); err != nil {
		return err
	}
	for _, factor := range []int32{1, 10} {
		if err := consume(ctx, l, factor); err != nil {
			return err
		}
	}
	return nil
}

// kinesis is a call of one of the streams' operations.
func (l *lab) kinesis(operation string) *call {
	return newCall(l.server.host, "/", "", map[string]string{"content-type": "application/x-amz-json-1.1", "x-amz-target": "Kinesis_20131202." + operation})
}

func (l *lab) stream(name string, shards int) error {
	return l.ask("kinesis", l.kinesis("CreateStream"), map[string]any{"StreamName": name, "ShardCount": shards}, nil)
}

func (l *lab) dropStream(name string) {
	l.keep(l.ask("kinesis", l.kinesis("DeleteStream"), map[string]string{"StreamName": name}, nil))
}

// A putRecord is a record to put.
type putRecord struct {
	Data         []byte
	PartitionKey string
}

// putMany puts records that are on disk when they are answered, beside a log
// that is synced for all who wait and gets the same bytes.
func putMany(ctx context.Context, l *lab) error {
	if err := l.stream("many", wide); err != nil {
		return err
	}
	defer l.dropStream("many")
	bodies := make([][]byte, putters)
	for i := range bodies {
		records := make([]putRecord, putRecords)
		for j := range records {
			records[j] = putRecord{bytes.Repeat([]byte{byte(i), byte(j)}, 512), fmt.Sprintf("%d-%d", i, j)}
		}
		body, err := json.Marshal(map[string]any{"StreamName": "many", "Records": records})
		if err != nil {
			return err
		}
		bodies[i] = body
	}
	to, whole := l.kinesis("PutRecords"), []byte(`"FailedRecordCount":0`)
	var workers []worker
	for i := range putters {
		c, err := l.server.dial("kinesis")
		if err != nil {
			return err
		}
		defer c.close()
		workers = append(workers, func(uint64) error {
			got, err := c.mustAnswer(to, bodies[i])
			if err == nil && !bytes.Contains(got, whole) {
				err = fmt.Errorf("some records were refused: %.300s", got)
			}
			return err
		})
	}
	floor, err := newCommitLog(l.tmp)
	if err != nil {
		return err
	}
	defer floor.close()
	raw := make([]worker, putters)
	for i := range raw {
		done, data := make(chan error, 1), make([]byte, putRecords*1024)
		raw[i] = func(uint64) error {
			floor.records <- record{data, done}
			return <-done
		}
	}
	measures, err := l.contest(ctx, contender{fmt.Sprintf("PutRecords of %d x 1 KB x%d", putRecords, putters), workers, l.server.pid()},
		contender{fmt.Sprintf("append and fsync of as many bytes, one group for all who wait, x%d", putters), raw, 0})
	if err != nil {
		return err
	}
	l.report.add(l.out, Row{ID: "streams/put", Ours: measures[0], Rivals: measures[1:],
		Facts: []Fact{{"records put", measures[0].PerSec.Value * putRecords, "a second"}}})
	return nil
}

// follow maps a stream to the function streamed.
func (l *lab) follow(ctx context.Context, name string, batch, factor int32, from types.EventSourcePosition) (id string, err error) {
	out, err := l.api.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("streamed"), BatchSize: &batch,
		ParallelizationFactor: &factor, StartingPosition: from, EventSourceArn: aws.String("arn:aws:kinesis:" + l.server.Region + ":000000000000:stream/" + name)})
	if err != nil {
		return "", err
	}
	return *out.UUID, await("a mapping to be enabled", time.Minute, func() bool {
		m, err := l.api.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: out.UUID})
		return err == nil && *m.State == "Enabled"
	})
}

// recordLatency puts one record at a time to an idle stream; the function says in
// its log how long after that it began.
func recordLatency(ctx context.Context, l *lab) error {
	if err := l.stream("latency", 1); err != nil {
		return err
	}
	defer l.dropStream("latency")
	id, err := l.follow(ctx, "latency", 1, 1, types.EventSourcePositionTrimHorizon)
	if err != nil {
		return err
	}
	defer l.unsubscribe(ctx, id)
	c, err := l.server.dial("kinesis")
	if err != nil {
		return err
	}
	defer c.close()
	n, put := max(20, l.size.events/100), l.kinesis("PutRecord")
	for range n {
		data := base64.StdEncoding.EncodeToString(fmt.Append(nil, time.Now().UnixNano()))
		if _, err := c.mustAnswer(put, fmt.Appendf(nil, `{"StreamName":"latency","PartitionKey":"k","Data":%q}`, data)); err != nil {
			return err
		}
		rest(ctx, 40*time.Millisecond)
	}
	ms, err := l.startedAfter(ctx, "streamed", n)
	if err != nil {
		return err
	}
	warm := ms[len(ms)/10:] // the first ones are cold
	l.report.add(l.out, Row{ID: "streams/latency", Ours: measureOf("PutRecord to handler started, idle stream", warm)})
	return nil
}

// What is consumed: keys that the last record of each closes.
const (
	consumedKeys   = 40
	consumedShards = 4
	consumedBatch  = 100
)

// consume fills a stream, and lets the function handle it, so many batches of a
// shard at a time. The function waits 10 ms for each, as for a database.
func consume(ctx context.Context, l *lab, factor int32) error {
	name := fmt.Sprintf("consume-%d", factor)
	if err := l.stream(name, consumedShards); err != nil {
		return err
	}
	defer l.dropStream(name)
	n := 10 * l.size.events
	if err := l.fill(ctx, name, n); err != nil {
		return err
	}
	before, seen, began := clockOf(l.server.pid()), l.lasts(ctx), time.Now()
	id, err := l.follow(ctx, name, consumedBatch, factor, types.EventSourcePositionTrimHorizon)
	if err != nil {
		return err
	}
	defer l.unsubscribe(ctx, id)
	if err := await("all records to be handled", 5*time.Minute, func() bool { return l.lasts(ctx) >= seen+consumedKeys }); err != nil {
		return err
	}
	rate := float64(n) / time.Since(began).Seconds()
	l.report.add(l.out, Row{ID: fmt.Sprintf("streams/consume/%d", factor), Ours: Measure{
		Name: fmt.Sprintf("stream of %d, %d shards, to function, batches of %d, factor %d", n, consumedShards, consumedBatch, factor), N: n,
		PerSec: Estimate{rate, rate, rate}, CPU: clockOf(l.server.pid()).since(before).shares(n)}})
	return nil
}

// fill puts n small records under some keys, and behind them the last of each key.
// What a shard has no room for in its second is put again.
func (l *lab) fill(ctx context.Context, name string, n int) error {
	c, err := l.server.dial("kinesis")
	if err != nil {
		return err
	}
	defer c.close()
	to := l.kinesis("PutRecords")
	for done := 0; done < n && ctx.Err() == nil; {
		batch := make([]putRecord, min(putRecords, n-done))
		for i := range batch {
			batch[i] = putRecord{[]byte("a record of some bytes"), fmt.Sprint("key-", (done+i)%consumedKeys)}
		}
		if err := l.putAll(ctx, c, to, name, batch); err != nil {
			return err
		}
		done += len(batch)
	}
	last := make([]putRecord, consumedKeys)
	for i := range last {
		last[i] = putRecord{[]byte("last"), fmt.Sprint("key-", i)}
	}
	return l.putAll(ctx, c, to, name, last)
}

func (l *lab) putAll(ctx context.Context, c *client, to *call, name string, batch []putRecord) error {
	for len(batch) > 0 {
		body, err := json.Marshal(map[string]any{"StreamName": name, "Records": batch})
		if err != nil {
			return err
		}
		got, err := c.mustAnswer(to, body)
		if err != nil {
			return err
		}
		var out struct{ Records []struct{ ErrorCode string } }
		if err := json.Unmarshal(got, &out); err != nil {
			return err
		}
		var again []putRecord
		for i, r := range out.Records {
			if r.ErrorCode != "" {
				again = append(again, batch[i])
			}
		}
		if batch = again; len(batch) > 0 {
			rest(ctx, 100*time.Millisecond)
		}
	}
	return nil
}

// lasts counts the last records that the function has met.
func (l *lab) lasts(ctx context.Context) (n int) {
	api := cloudwatchlogs.NewFromConfig(l.config())
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/streamed"), FilterPattern: aws.String("last")}
	for p := cloudwatchlogs.NewFilterLogEventsPaginator(api, in); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return n // there is no log yet
		}
		for _, e := range page.Events {
			if strings.HasPrefix(*e.Message, "last ") {
				n++
			}
		}
	}
	return n
}
