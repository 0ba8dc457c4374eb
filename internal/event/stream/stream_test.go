package stream

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/source/sourcetest"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	streamARN   = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
	functionARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
	queueARN    = "arn:aws:sqs:us-east-1:000000000000:q"
	roleARN     = "arn:aws:iam::000000000000:role/reader"
)

// An event is what a function gets, as a test reads it.
type event struct {
	Records []struct {
		EventID  string
		Identity string `json:"invokeIdentityArn"`
		Kinesis  struct {
			PartitionKey, SequenceNumber string
			Data                         []byte
		}
	}
	Window  *struct{ Start, End time.Time }
	State   json.RawMessage
	ShardID string
	ARN     string `json:"eventSourceARN"`
	Final   bool   `json:"isFinalInvokeForWindow"`
	Early   bool   `json:"isWindowTerminatedEarly"`
}

func (e event) data() []string {
	all := []string{}
	for _, r := range e.Records {
		all = append(all, string(r.Kinesis.Data))
	}
	return all
}

// A call is an invocation as the function has seen it.
type call struct {
	event
	in function.Invocation
	at time.Time
	ok bool
}

// fakes is a function whose behaviour is a script.
type fakes struct {
	mu      sync.Mutex
	script  func(n int, e event) (answer string, failure bool, err error)
	calls   []call
	running int
	most    int
}

func (f *fakes) Invoke(_ context.Context, _ function.Ref, in function.Invocation) (function.Result, error) {
	var e event
	if err := json.Unmarshal(in.Payload, &e); err != nil {
		return function.Result{}, err
	}
	f.mu.Lock()
	n, script := len(f.calls), f.script
	f.calls = append(f.calls, call{e, in, time.Now(), false})
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	answer, failure, err := "null", false, error(nil)
	if script != nil {
		answer, failure, err = script(n, e)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	f.calls[n].ok = !failure && err == nil
	if err != nil {
		return function.Result{}, err
	}
	in.Answer.Write([]byte(answer))
	res := function.Result{Version: "$LATEST"}
	if failure {
		res.Failure = []byte(`{"errorMessage":"no"}`)
	}
	return res, nil
}

func (f *fakes) Handling(context.Context, function.Ref) (function.Handling, error) {
	return function.Handling{Role: roleARN}, nil
}

func (f *fakes) seen() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// peak is how many invocations there were at a time.
func (f *fakes) peak() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

// batches are the records of each invocation.
func (f *fakes) batches() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := [][]string{}
	for _, c := range f.calls {
		all = append(all, c.data())
	}
	return all
}

// all are the records of the invocations that succeeded.
func (f *fakes) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []string{}
	for _, c := range f.calls {
		if c.ok {
			all = append(all, c.data()...)
		}
	}
	return all
}

// A box is a target that keeps what it gets.
type box struct {
	mu   sync.Mutex
	err  error
	got  [][]byte
	keys []string
}

func (b *box) Enqueue(_ store.Tx, _ arn.ARN, d target.Delivery) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.got, b.keys = append(b.got, d.Payload), append(b.keys, d.Key)
	}
	return nil, b.err
}

func (b *box) all() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

// A rig is a Manager with one Job.
type rig struct {
	*testing.T
	m      *Manager
	dir    string
	db     store.DB
	stream *sourcetest.Stream
	fs     *fakes
	queue  *box
	bucket *box
	job    Job
	notes  []string
	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
}

// simulate tests with a stream of so many shards, in virtual time.
func simulate(t *testing.T, shards int, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, dir: t.TempDir(), stream: sourcetest.New(streamARN, shards), fs: &fakes{}, queue: &box{}, bucket: &box{}}
		r.job = Job{
			UUID: "u", Source: streamARN, Stream: r.stream, Function: function.Ref{Name: "f"}, FunctionARN: functionARN,
			Plan: Plan{BatchSize: 100, Factor: 1, Retries: -1, MaxAge: -1},
			Note: func(s string) { r.mu.Lock(); defer r.mu.Unlock(); r.notes = append(r.notes, s) },
		}
		r.open()
		test(r)
		r.stop()
		r.must(r.db.Close())
	})
}

func (r *rig) open() {
	r.Helper()
	var err error
	r.db, err = store.OpenSQLite(filepath.Join(r.dir, "queue.db"), store.Options{Sync: store.Normal, Ballast: -1})
	r.must(err)
	router := &target.Router{}
	router.Register("sqs", r.queue)
	router.Register("s3", r.bucket)
	r.m, err = Open(r.Context(), Config{DB: r.db, Functions: r.fs, Router: router, Log: slog.New(slog.DiscardHandler)})
	r.must(err)
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// start runs the job, and settled waits for all that can happen now.
func (r *rig) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	go func() { defer close(r.done); r.m.Run(ctx, r.job) }()
	r.settle()
}

func (r *rig) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	<-r.done
	r.cancel = nil
}

// noted are the results of the batches.
func (r *rig) noted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.notes)
}

func (r *rig) settle() { rest(time.Millisecond) }

// rest lets time pass, in steps: the database works outside of virtual time's
// reach only in so far as its files are real.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) put(shard int, key string, data ...string) {
	for _, d := range data {
		r.stream.Put(shard, key, d)
	}
}

func (r *rig) want(what string, got, want any) {
	r.Helper()
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		r.Errorf("%s: %s, want %s", what, a, b)
	}
}

// mark is how far the job has come, on disk.
func (r *rig) mark(shard string) mark {
	r.Helper()
	all, err := store.Read(r.Context(), r.db, func(tx store.Tx) (map[string]mark, error) { return read(tx, r.job.UUID) })
	r.must(err)
	return all[shard]
}

func TestRecordsReachTheFunction(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.put(0, "k", "a", "b")
		r.start()
		r.put(0, "k", "c")
		r.settle()
		r.want("batches", r.fs.batches(), [][]string{{"a", "b"}, {"c"}})
		first := r.fs.seen()[0].Records[0]
		if first.Identity != roleARN || first.Kinesis.PartitionKey != "k" || first.EventID == "" {
			r.Errorf("the record is %+v", first)
		}
		r.want("mark", r.mark("shardId-000000000000").From, "3")
		r.want("notes", r.noted(), []string{"OK", "OK"})
	})
}

func TestARestartGoesOnBehindWhatIsDone(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.put(0, "k", "a", "b")
		r.start()
		r.stop()
		r.put(0, "k", "c")
		r.must(r.db.Close())
		r.open()
		r.start()
		r.want("batches", r.fs.batches(), [][]string{{"a", "b"}, {"c"}})
	})
}

func TestNothingIsReadWhileNothingComes(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.start()
		before := r.stream.Reads()
		rest(time.Hour)
		if n := r.stream.Reads() - before; n != 0 {
			r.Errorf("%d reads in an hour without records", n)
		}
	})
}

func TestStartingPositions(t *testing.T) {
	for name, test := range map[string]struct {
		at   source.Position
		want []string
	}{
		"TRIM_HORIZON": {source.AtHorizon, []string{"a", "b", "c"}},
		"LATEST":       {source.AtLatest, []string{"c"}},
		"AT_TIMESTAMP": {source.AtTime, []string{"b", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 1, func(r *rig) {
				r.put(0, "k", "a")
				rest(time.Minute)
				r.job.Start = source.Start{At: test.at, Time: time.Now()}
				r.put(0, "k", "b")
				r.must(r.m.Begin(r.Context(), r.job))
				r.put(0, "k", "c")
				r.start()
				r.want("records", r.fs.all(), test.want)
			})
		})
	}
}
