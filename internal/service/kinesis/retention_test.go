package kinesis

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// rows counts a table's.
func (w *world) rows(table string) (n int) {
	w.t.Helper()
	err := w.db.View(context.Background(), func(tx store.Tx) error { return tx.Get([]any{&n}, `SELECT COUNT(*) FROM `+table) })
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// sweepNow does what the sweeper does when it is time.
func (w *world) sweepNow() time.Duration {
	w.t.Helper()
	d, err := w.sweepOnce(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// drain reads a shard from its horizon.
func (w *world) drain(st *stream, shard string) string {
	w.t.Helper()
	return strings.Join(texts(w.get(w.iterate(st, shard, "TRIM_HORIZON")).Records), "")
}

func TestRetention(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	for i := range 5 {
		w.add(st, "k", fmt.Sprint(i))
		w.pass(10 * time.Hour) // 0, 10, .. 40 h; it is 50 h
	}
	if got := w.drain(st, shard0); got != "34" { // expired for readers, before the sweeper has come
		t.Errorf("kept for 24 h: %s", got)
	}
	if d := w.sweepNow(); w.rows("kinesis_chunk") != 2 || d < 3*time.Hour || d > 4*time.Hour {
		t.Errorf("%d rows are left, the next is to go after %s", w.rows("kinesis_chunk"), d)
	}
	if _, err := w.api.increaseRetention(t.Context(), &IncreaseStreamRetentionPeriodInput{StreamName: &st.name, RetentionPeriodHours: new(int32(100))}); err != nil {
		t.Fatal(err)
	}
	w.pass(48 * time.Hour)
	if got := w.drain(st, shard0); got != "34" {
		t.Errorf("kept for 100 h: %s", got)
	}
	if _, err := w.api.decreaseRetention(t.Context(), &DecreaseStreamRetentionPeriodInput{StreamName: &st.name, RetentionPeriodHours: new(int32(24))}); err != nil {
		t.Fatal(err)
	}
	if got := w.drain(st, shard0); got != "" {
		t.Errorf("kept for 24 h again: %s", got)
	}
	w.sweepNow()
	if n := w.rows("kinesis_chunk"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	// Counters go on, also after a restart with nothing to count from.
	before := st.layout().open[0].view().next
	w.again()
	st = w.stream("s")
	out := w.add(st, "k", "5")
	if n, _ := parseNumber(*out.SequenceNumber); n.seq != before {
		t.Errorf("the counter is %d, and was %d", n.seq, before)
	}
}

func TestAtTimestamp(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	start := w.clock()
	for i := range 10 {
		for j := range 3 {
			w.add(st, "k", fmt.Sprintf("%d%c ", i, 'a'+j))
		}
		w.pass(time.Minute)
	}
	for range 2 {
		for i, tt := range []struct {
			at   time.Duration
			want string
		}{{-time.Hour, "0a 0b 0c 1a"}, {0, "0a 0b 0c 1a"}, {time.Millisecond, "1a 1b 1c 2a"}, {4 * time.Minute, "4a 4b 4c 5a"}, {9*time.Minute + 1e6, ""}} {
			it := w.iterate(st, shard0, "AT_TIMESTAMP", func(in *GetShardIteratorInput) { in.Timestamp = &wire.Time{Time: start.Add(tt.at)} })
			if got := strings.Join(texts(w.get(it).Records), ""); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("%d: %s", i, got)
			}
			p, err := w.Seek(t.Context(), st.arn, shard0, source.Start{At: source.AtTime, Time: start.Add(tt.at)})
			if err != nil {
				t.Fatal(err)
			}
			if tt.want != "" {
				page, err := w.Read(t.Context(), st.arn, shard0, p, 1)
				if err != nil || !strings.Contains(string(page.Records[0].Event), fmt.Sprintf(`"data":"%s`, base(tt.want[:3]))) {
					t.Errorf("%d: %v %v", i, page, err)
				}
			}
		}
		w.again()
		st = w.stream("s")
	}
}

// TestIteratorKinds: where each of them begins.
func TestIteratorKinds(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	var numbers []string
	for i := range 4 {
		numbers = append(numbers, *w.add(st, "k", fmt.Sprint(i)).SequenceNumber)
	}
	at := func(n string) func(*GetShardIteratorInput) {
		return func(in *GetShardIteratorInput) { in.StartingSequenceNumber = &n }
	}
	for _, tt := range []struct{ got, want string }{
		{w.iterate(st, shard0, "TRIM_HORIZON"), "0123"}, {w.iterate(st, shard0, "LATEST"), ""},
		{w.iterate(st, shard0, "AT_SEQUENCE_NUMBER", at(numbers[1])), "123"}, {w.iterate(st, shard0, "AFTER_SEQUENCE_NUMBER", at(numbers[1])), "23"},
		{w.iterate(st, shard0, "AFTER_SEQUENCE_NUMBER", at(numbers[3])), ""},
		{w.iterate(st, shard0, "AT_SEQUENCE_NUMBER", at(*st.layout().open[0].describe().SequenceNumberRange.StartingSequenceNumber)), "0123"},
	} {
		if got := strings.Join(texts(w.get(tt.got).Records), ""); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	out, err := w.api.getRecords(t.Context(), &GetRecordsInput{ShardIterator: new(w.iterate(st, shard0, "TRIM_HORIZON")), Limit: new(int32(3))})
	if err != nil || len(out.Records) != 3 || *out.MillisBehindLatest == 0 {
		t.Errorf("3 of 4: %+v, %v", out, err)
	}
}

// TestClosedShard: at its end there are its children, and no iterator; when its
// records have expired it is gone.
func TestClosedShard(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	w.add(st, "k", "v")
	w.pass(time.Hour)
	if _, err := w.api.splitShard(t.Context(), &SplitShardInput{StreamName: &st.name, ShardToSplit: new(shard0), NewStartingHashKey: new("1000")}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out := w.get(w.iterate(st, shard0, "TRIM_HORIZON"))
		if len(out.Records) != 1 || out.NextShardIterator != nil || len(out.ChildShards) != 2 || *out.ChildShards[1].HashKeyRange.StartingHashKey != "1000" ||
			fmt.Sprint(out.ChildShards[0].ParentShards) != "[shardId-000000000000]" {
			t.Errorf("%+v", out)
		}
		if out := w.get(w.iterate(st, shard0, "LATEST")); len(out.Records) != 0 || out.NextShardIterator != nil {
			t.Errorf("the end of a closed shard: %+v", out)
		}
		w.again()
		st = w.stream("s")
	}
	filter := func(kind string, at time.Time) string {
		f := &ShardFilter{Type: &kind}
		if !at.IsZero() {
			f.Timestamp = &wire.Time{Time: at}
		}
		list, err := w.api.filtered(st, f)
		if err != nil {
			t.Fatal(err)
		}
		s := ""
		for _, sh := range list {
			s += fmt.Sprint(sh.ix)
		}
		return s
	}
	none, split := time.Time{}, time.UnixMilli(1_700_000_000_500).Add(time.Hour)
	for _, tt := range []struct{ got, want string }{
		{filter("AT_LATEST", none), "12"}, {filter("AT_TRIM_HORIZON", none), "0"}, {filter("FROM_TRIM_HORIZON", none), "012"},
		{filter("AT_TIMESTAMP", split.Add(-time.Minute)), "0"}, {filter("AT_TIMESTAMP", split.Add(time.Minute)), "12"},
		{filter("FROM_TIMESTAMP", split.Add(-time.Minute)), "012"}, {filter("FROM_TIMESTAMP", split.Add(time.Minute)), "12"},
	} {
		if tt.got != tt.want {
			t.Errorf("shards %q, want %q", tt.got, tt.want)
		}
	}
	p, err := w.Read(t.Context(), st.arn, shard0, "", 10)
	if err != nil || len(p.Records) != 1 || !p.Ended {
		t.Errorf("%+v, %v", p, err)
	}
	w.pass(23*time.Hour + time.Minute)
	w.sweepNow()
	if n := len(st.layout().shards); n != 3 {
		t.Errorf("%d shards: the closed one may still be asked for", n)
	}
	w.pass(2 * time.Hour)
	w.sweepNow()
	if got := filter("FROM_TRIM_HORIZON", none); got != "12" || st.shard(shard0) != nil || w.rows("kinesis_shard") != 2 {
		t.Errorf("a day after: shards %s", got)
	}
	if list, err := w.Shards(t.Context(), st.arn); err != nil || len(list) != 2 || fmt.Sprint(list[0].Parents) != "[shardId-000000000000]" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestDelete: what a deleted stream held is cleared away, also when the server
// stopped between; readers are told; a new one of that name has nothing of it.
func TestDelete(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 2)
	w.free(st)
	for range 70 {
		w.batch(st, 1, 10)
	}
	it := w.iterate(st, shard0, "TRIM_HORIZON")
	ended := make(chan error)
	go func() {
		_, err := w.Read(t.Context(), st.arn, shard0, place(1000), 1)
		ended <- err
	}()
	if _, err := w.api.deleteStream(t.Context(), &DeleteStreamInput{StreamName: &st.name}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), source.ErrNotFound.Error()) {
		t.Errorf("a reader: %v", err)
	}
	if err := w.Book.put(&put{st: st, drafts: []draft{{}}}); err != errNoStream {
		t.Errorf("a writer: %v", err)
	}
	w.make("s", 1)
	if _, err := w.api.getRecords(t.Context(), &GetRecordsInput{ShardIterator: &it}); code(err) != "ResourceNotFoundException" {
		t.Errorf("an iterator of the old one: %v", err)
	}
	w.again()
	w.sweepNow()
	if c, s, r := w.rows("kinesis_chunk"), w.rows("kinesis_shard"), w.rows("kinesis_stream"); c != 0 || s != 1 || r != 1 {
		t.Errorf("%d chunks, %d shards, %d streams are left", c, s, r)
	}
	if got := w.drain(w.stream("s"), shard0); got != "" {
		t.Errorf("the new one has %s", got)
	}
}

// TestClockPutBack: times of a shard never fall, or AT_TIMESTAMP would not find.
func TestClockPutBack(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	w.add(st, "k", "0")
	w.pass(-time.Hour)
	w.add(st, "k", "1")
	w.again()
	st = w.stream("s")
	w.add(st, "k", "2")
	last := time.Time{}
	for _, r := range w.get(w.iterate(st, shard0, "TRIM_HORIZON")).Records {
		if r.ApproximateArrivalTimestamp.Before(last) {
			t.Errorf("%s came at %s, after %s", r.Data, r.ApproximateArrivalTimestamp, last)
		}
		last = r.ApproximateArrivalTimestamp.Time
	}
}

// TestSmallCache: who is behind what memory holds reads rows, and does not miss
// where one meets the other.
func TestSmallCache(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	w.free(st)
	want := ""
	at := source.Place("")
	got := ""
	for i := range 200 {
		w.add(st, "k", fmt.Sprint(i, " "))
		want += fmt.Sprint(i, " ")
		if i%7 == 0 { // as if memory were full
			w.cache.mu.Lock()
			w.cache.drop(func(kept) bool { return len(w.cache.kept) > 3 })
			w.cache.mu.Unlock()
		}
		if i%5 != 0 {
			continue
		}
		p, err := w.Read(t.Context(), st.arn, shard0, at, 4)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Records {
			got += fmt.Sprint(decoded(t, dataOf(r)), " ")
		}
		at = p.Next
	}
	if !strings.HasPrefix(want, got) || len(got) < 400 {
		t.Errorf("read %s", got)
	}
}
