package kinesis

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const testAccount = "000000000000"

// A world is a book on a database that can be opened again, and a clock.
type world struct {
	t    testing.TB
	path string
	db   store.DB
	*Book
	api *api

	mu   sync.Mutex // guards time
	time time.Time  // zero for the real one

	Settle time.Duration
	wrap   func(store.DB) store.DB // what the book gets for its database, unless nil
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "streams.db"), time: time.UnixMilli(1_700_000_000_500)}
	w.open()
	t.Cleanup(w.shut)
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.time.IsZero() {
		return time.Now()
	}
	return w.time
}

// pass moves the clock.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func (w *world) open() {
	w.t.Helper()
	db, err := store.OpenSQLite(w.path, store.Options{Ballast: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
	if w.wrap != nil {
		db = w.wrap(db)
	}
	b, err := Open(context.Background(), Config{DB: db, Account: testAccount, Region: "us-east-1", Clock: w.clock, Settle: w.Settle})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Book, w.api = b, &api{b}
}

func (w *world) shut() {
	w.Book.Close()
	w.db.Close()
}

// again is a restart.
func (w *world) again() {
	w.shut()
	w.open()
}

// make makes a provisioned stream.
func (w *world) make(name string, shards int) *stream {
	w.t.Helper()
	if _, err := w.api.createStream(context.Background(), &CreateStreamInput{StreamName: &name, ShardCount: new(int32(shards))}); err != nil {
		w.t.Fatal(err)
	}
	return w.stream(name)
}

// add puts one record and answers where it went.
func (w *world) add(st *stream, key, data string) *PutRecordOutput {
	w.t.Helper()
	out, err := w.api.putRecord(context.Background(), &PutRecordInput{StreamName: &st.name, PartitionKey: &key, Data: []byte(data)})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// iterate makes an iterator.
func (w *world) iterate(st *stream, shard, kind string, more ...func(*GetShardIteratorInput)) string {
	w.t.Helper()
	in := &GetShardIteratorInput{StreamName: &st.name, ShardId: &shard, ShardIteratorType: &kind}
	for _, f := range more {
		f(in)
	}
	out, err := w.api.getShardIterator(context.Background(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.ShardIterator
}

// get calls GetRecords after a time in which it may be called.
func (w *world) get(it string) *GetRecordsOutput {
	w.t.Helper()
	w.pass(time.Second)
	out, err := w.api.getRecords(context.Background(), &GetRecordsInput{ShardIterator: &it})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// texts are the data of records.
func texts(records []*Record) (list []string) {
	for _, r := range records {
		list = append(list, string(r.Data))
	}
	return list
}

func TestPutAndGet(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	latest := w.iterate(st, "shardId-000000000000", "LATEST")
	for i := range 5 {
		w.add(st, "k", fmt.Sprint(i))
	}
	for range 2 {
		it := w.iterate(st, "shardId-000000000000", "TRIM_HORIZON")
		if got := fmt.Sprint(texts(w.get(it).Records)); got != "[0 1 2 3 4]" {
			t.Errorf("from the horizon: %s", got)
		}
		if got := fmt.Sprint(texts(w.get(latest).Records)); got != "[0 1 2 3 4]" {
			t.Errorf("from the end as it was: %s", got)
		}
		w.again()
		st = w.stream("s")
	}
	w.add(st, "k", "5")
	out := w.get(w.iterate(st, "shardId-000000000000", "TRIM_HORIZON"))
	if got := fmt.Sprint(texts(out.Records)); got != "[0 1 2 3 4 5]" || *out.MillisBehindLatest != 0 {
		t.Errorf("after a restart: %s, %d behind", got, *out.MillisBehindLatest)
	}
}

func TestSource(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	ctx := t.Context()
	latest, err := w.Seek(ctx, st.arn, "shardId-000000000000", source.Start{At: source.AtLatest})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan source.Page)
	go func() {
		p, err := w.Read(ctx, st.arn, "shardId-000000000000", latest, 10)
		if err != nil {
			t.Error(err)
		}
		got <- p
	}()
	out := w.add(st, "key", "data")
	p := <-got
	if len(p.Records) != 1 || p.Records[0].ID != *out.SequenceNumber || p.Records[0].Group != "key" || p.Ended || p.Behind != 0 {
		t.Errorf("%+v", p)
	}
	want := `{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"key","sequenceNumber":"` + *out.SequenceNumber +
		`","data":"ZGF0YQ==","approximateArrivalTimestamp":1700000000.500},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000000:` +
		*out.SequenceNumber + `","eventName":"aws:kinesis:record","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}`
	if string(p.Records[0].Event) != want {
		t.Errorf("event\n%s, want\n%s", p.Records[0].Event, want)
	}
}

// decoded is the number in a record's data.
func decoded(t *testing.T, data string) int {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Error(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Error(err)
	}
	return n
}

// base is text in base64.
func base(text string) string { return base64.RawStdEncoding.EncodeToString([]byte(text)) }

// dataOf is a record's data in base64.
func dataOf(r source.StreamRecord) string {
	_, rest, _ := strings.Cut(string(r.Event), `"data":"`)
	data, _, _ := strings.Cut(rest, `"`)
	return data
}

// A brittle database fails when it is told to.
type brittle struct {
	store.DB
	fail atomic.Bool
}

func (d *brittle) Update(ctx context.Context, fn func(store.Tx) error) error {
	if d.fail.Load() {
		return store.ErrFull
	}
	return d.DB.Update(ctx, fn)
}

// TestFailedCommit: what was not written was not put. The others are read, from
// memory and from rows, across the gap that it left.
func TestFailedCommit(t *testing.T) {
	w := newWorld(t)
	db := new(brittle)
	w.wrap = func(real store.DB) store.DB {
		db.DB = real
		return db
	}
	w.again()
	st := w.make("s", 1)
	put := func(data string) error {
		_, err := w.api.putRecord(t.Context(), &PutRecordInput{StreamName: &st.name, PartitionKey: new("k"), Data: []byte(data)})
		return err
	}
	if err := put("0"); err != nil {
		t.Fatal(err)
	}
	before := w.iterate(st, shard0, "LATEST")
	for range 3 {
		db.fail.Store(true)
		if err := put("lost"); !errors.Is(err, store.ErrFull) {
			t.Errorf("with a full disk: %v", err)
		}
		db.fail.Store(false)
		if err := put("1"); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if got := strings.Join(texts(w.get(before).Records), ""); got != "111" {
			t.Errorf("behind the first: %s", got)
		}
		if got := strings.Join(texts(w.get(w.iterate(st, shard0, "TRIM_HORIZON")).Records), ""); got != "0111" {
			t.Errorf("all: %s", got)
		}
		w.again()
		st = w.stream("s")
	}
}
