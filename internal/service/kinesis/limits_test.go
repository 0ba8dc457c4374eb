package kinesis

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// code is what an error says, "" for none.
func code(err error) string {
	if err == nil {
		return ""
	}
	s, _, _ := strings.Cut(err.Error(), ":")
	return s
}

const tooFast = "ProvisionedThroughputExceededException"

// batch puts n records of a size, and answers how many failed.
func (w *world) batch(st *stream, n, size int) int {
	w.t.Helper()
	in := &PutRecordsInput{StreamARN: &st.arn}
	for i := range n {
		in.Records = append(in.Records, &PutRecordsRequestEntry{PartitionKey: new("k"), Data: bytes.Repeat([]byte{byte(i)}, size)})
	}
	out, err := w.api.putRecords(context.Background(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range out.Records {
		if failed := r.SequenceNumber == nil; failed && (value0(r.ErrorCode) != tooFast || r.ShardId != nil ||
			*r.ErrorMessage != "Rate exceeded for shard shardId-000000000000 in stream "+st.name+" under account 000000000000.") {
			w.t.Errorf("%+v", r)
		}
	}
	return int(*out.FailedRecordCount)
}

func TestWriteLimits(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	for i, tt := range []struct {
		wait            time.Duration
		n, size, failed int
	}{
		{0, 500, 1, 0}, {0, 500, 1, 0}, {0, 3, 1, 3}, // 1,000 records
		{500 * time.Millisecond, 500, 1, 0}, {0, 1, 1, 1},
		{time.Second, 20, 50 << 10, 0}, {0, 1, 50 << 10, 1}, // 1 MiB, keys and all
		{time.Second, 10, 200 << 10, 5},
	} {
		w.pass(tt.wait)
		if got := w.batch(st, tt.n, tt.size); got != tt.failed {
			t.Errorf("%d: %d of %d records of %d bytes failed, want %d", i, got, tt.n, tt.size, tt.failed)
		}
	}
	_, err := w.api.putRecord(t.Context(), &PutRecordInput{StreamName: &st.name, PartitionKey: new("k"), Data: make([]byte, 200<<10)})
	if code(err) != tooFast {
		t.Errorf("one record: %v", err)
	}
	w.pass(time.Minute)
	if got := w.batch(st, 1, 100); got != 0 {
		t.Errorf("after a minute %d failed", got)
	}
}

func TestOnDemandTakesTwice(t *testing.T) {
	w := newWorld(t)
	_, err := w.api.createStream(t.Context(), &CreateStreamInput{StreamName: new("d"), StreamModeDetails: &StreamModeDetails{StreamMode: new(onDemand)}})
	if err != nil {
		t.Fatal(err)
	}
	st := w.stream("d")
	if n := len(st.layout().open); n != 4 {
		t.Errorf("%d shards", n)
	}
	for i, failed := range []int{0, 0, 0, 0} {
		if got := w.batch(st, 500, 1); got != failed {
			t.Errorf("%d: %d failed", i, got)
		}
	}
}

// TestOnDemandGrows: a shard that has to refuse records is split, for the next ones.
func TestOnDemandGrows(t *testing.T) {
	w := newWorld(t)
	_, err := w.api.createStream(t.Context(), &CreateStreamInput{StreamName: new("d"), StreamModeDetails: &StreamModeDetails{StreamMode: new(onDemand)}})
	if err != nil {
		t.Fatal(err)
	}
	st := w.stream("d")
	w.pass(time.Minute)
	refused := 0
	for i := range 2100 {
		p := &put{st: st, drafts: []draft{{hash: hashKey{}, key: "k", data: []byte{byte(i)}}}}
		if err := w.Book.put(p); err != nil {
			t.Fatal(err)
		}
		if p.placed[0].throttled {
			refused++
		}
		if refused == 1 {
			break
		}
	}
	if refused == 0 {
		t.Fatal("nothing was refused")
	}
	// The shard ends when the stream has grown.
	for at := source.Place(""); ; {
		p, err := w.Read(t.Context(), st.arn, shard0, at, 10000)
		if err != nil {
			t.Fatal(err)
		}
		if at = p.Next; p.Ended {
			break
		}
	}
	if l := st.layout(); len(l.shards) != 6 || l.shards[4].parents != [2]int{0, none} {
		t.Errorf("%d shards", len(l.shards))
	}
	if err := w.alone(func(context.Context) error { return nil }); err != nil { // behind the change
		t.Fatal(err)
	}
	checkRing(t, st)
	if n := len(st.layout().open); n != 5 {
		t.Errorf("%d open shards", n)
	}
}

func TestReadLimits(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	w.free(st)
	it := w.iterate(st, "shardId-000000000000", "TRIM_HORIZON")
	get := func() (int, string) {
		out, err := w.api.getRecords(t.Context(), &GetRecordsInput{ShardIterator: &it})
		if err != nil {
			return 0, code(err)
		}
		return len(out.Records), ""
	}
	for range 5 {
		if _, c := get(); c != "" {
			t.Fatal(c)
		}
	}
	if _, c := get(); c != tooFast {
		t.Errorf("a sixth call in a second: %q", c)
	}
	w.pass(200 * time.Millisecond)
	if _, c := get(); c != "" {
		t.Errorf("a fifth of a second later: %q", c)
	}
	w.pass(time.Second)
	for range 12 {
		w.batch(st, 1, 1<<20-1)
	}
	if n, c := get(); n != 10 || c != "" {
		t.Errorf("%d records, %q: 10 MiB are answered", n, c)
	}
	w.pass(3 * time.Second)
	if _, c := get(); c != tooFast {
		t.Errorf("3 s after 10 MiB: %q", c)
	}
	w.pass(1100 * time.Millisecond)
	if _, c := get(); c != "" {
		t.Errorf("4.1 s after 10 MiB: %q", c)
	}
}

func TestRecordSizes(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	w.free(st)
	put := func(key, size int) string {
		_, err := w.api.putRecord(t.Context(), &PutRecordInput{StreamName: &st.name, PartitionKey: new(strings.Repeat("k", key)), Data: make([]byte, size)})
		return code(err)
	}
	for _, tt := range []struct {
		key, size int
		want      string
	}{{1, 1<<20 - 1, ""}, {1, 1 << 20, "InvalidArgumentException"}, {1, 1<<20 + 1, "ValidationException"}, {256, 1<<20 - 256, ""}, {1, 0, ""}} {
		if got := put(tt.key, tt.size); got != tt.want {
			t.Errorf("%d and %d: %q", tt.key, tt.size, got)
		}
	}
	if _, err := w.api.updateMaxRecordSize(t.Context(), &UpdateMaxRecordSizeInput{StreamARN: &st.arn, MaxRecordSizeInKiB: new(int32(10240))}); err != nil {
		t.Fatal(err)
	}
	if got := put(1, 10<<20-1); got != "" {
		t.Errorf("10 MiB: %q", got)
	}
	// Within the limits of a shard it is let through, and paid back.
	large := w.make("large", 1)
	if _, err := w.api.updateMaxRecordSize(t.Context(), &UpdateMaxRecordSizeInput{StreamARN: &large.arn, MaxRecordSizeInKiB: new(int32(10240))}); err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		wait time.Duration
		size int
		want int
	}{{0, 10<<20 - 1, 0}, {0, 1, 1}, {8 * time.Second, 1, 1}, {2 * time.Second, 1, 0}} {
		w.pass(tt.wait)
		if got := w.batch(large, 1, tt.size); got != tt.want {
			t.Errorf("%d: %d of 1 refused, want %d", i, got, tt.want)
		}
	}
	in := &PutRecordsInput{StreamName: &st.name}
	for range 11 {
		in.Records = append(in.Records, &PutRecordsRequestEntry{PartitionKey: new("k"), Data: make([]byte, 1<<20)})
	}
	if _, err := w.api.putRecords(t.Context(), in); code(err) != "InvalidArgumentException" {
		t.Errorf("11 MiB in a request: %v", err)
	}
	it := w.iterate(st, "shardId-000000000000", "TRIM_HORIZON")
	sizes := ""
	for range 3 {
		w.pass(10 * time.Second)
		out := w.get(it)
		for _, r := range out.Records {
			sizes += fmt.Sprint(len(r.Data), " ")
		}
		it = *out.NextShardIterator
	}
	if sizes != fmt.Sprint(1<<20-1, " ", 1<<20-256, " ", 0, " ", 10<<20-1, " ") {
		t.Errorf("read: %s", sizes)
	}
}
