package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/source/sourcetest"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	queue = "arn:aws:sqs:us-east-1:000000000000:q"
	base  = "arn:aws:lambda:us-east-1:000000000000:function:"
)

// line is a source in memory: a queue without receive counts. A record that
// failed comes back when its visibility is over.
type line struct {
	mu       sync.Mutex
	info     source.Info
	gone     bool
	waits    []source.Record
	hidden   map[string]bool
	done     []string
	failed   []string
	untried  []string
	changed  chan struct{}
	received int
}

func newLine() *line {
	return &line{info: source.Info{Visibility: 30 * time.Second}, hidden: map[string]bool{}, changed: make(chan struct{})}
}

func (l *line) with(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *line) send(group string, bodies ...string) {
	l.with(func() {
		for _, b := range bodies {
			event, _ := json.Marshal(map[string]string{"messageId": b, "body": b})
			l.waits = append(l.waits, source.Record{ID: b, Group: group, Event: event})
		}
		l.wake()
	})
}

func (l *line) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *line) Describe(context.Context, string) (source.Info, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return source.Info{}, source.ErrNotFound
	}
	return l.info, nil
}

func (l *line) Receive(ctx context.Context, _ string, most int) ([]source.Record, error) {
	for {
		var got []source.Record
		var changed chan struct{}
		gone := false
		l.with(func() { got, changed, gone = l.take(most), l.changed, l.gone })
		if gone {
			return nil, source.ErrNotFound
		}
		if len(got) > 0 {
			return got, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *line) take(most int) (got []source.Record) {
	l.received++
	busy := map[string]bool{}
	for _, r := range l.waits {
		if l.hidden[r.ID] {
			busy[r.Group] = r.Group != ""
		}
	}
	for _, r := range l.waits {
		if len(got) < most && !l.hidden[r.ID] && !busy[r.Group] {
			l.hidden[r.ID] = true
			got = append(got, r)
		}
	}
	return got
}

func (l *line) Settle(_ context.Context, _ string, done, failed, untried []source.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range done {
		l.done = append(l.done, r.ID)
		delete(l.hidden, r.ID)
		l.waits = slices.DeleteFunc(l.waits, func(w source.Record) bool { return w.ID == r.ID })
	}
	for _, r := range untried {
		l.untried = append(l.untried, r.ID)
		delete(l.hidden, r.ID)
	}
	for _, r := range failed {
		l.failed = append(l.failed, r.ID)
		time.AfterFunc(l.info.Visibility, func() { l.with(func() { delete(l.hidden, r.ID); l.wake() }) })
	}
	l.wake()
	return nil
}

// fakes are functions whose behaviour is a script.
type fakes struct {
	mu      sync.Mutex
	timeout time.Duration
	missing bool
	script  func(n int, in function.Invocation) (function.Result, error)
	batches [][]string
	times   []time.Time
	running int
	most    int
}

func (f *fakes) Invoke(_ context.Context, _ function.Ref, in function.Invocation) (function.Result, error) {
	var event struct {
		Records []struct {
			Body    string
			Kinesis struct{ Data []byte }
		}
	}
	if err := json.Unmarshal(in.Payload, &event); err != nil {
		return function.Result{}, err
	}
	var bodies []string
	for _, r := range event.Records {
		bodies = append(bodies, r.Body+string(r.Kinesis.Data))
	}
	f.mu.Lock()
	n, script := len(f.batches), f.script
	f.batches, f.times = append(f.batches, bodies), append(f.times, time.Now())
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running--
		f.mu.Unlock()
	}()
	if script != nil {
		return script(n, in)
	}
	return function.Result{Version: "$LATEST"}, nil
}

func (f *fakes) Handling(context.Context, function.Ref) (function.Handling, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.missing {
		return function.Handling{}, &function.Refusal{Kind: function.ErrNotFound, Text: "Function not found"}
	}
	return function.Handling{Timeout: max(f.timeout, 3*time.Second)}, nil
}

func (f *fakes) Ref(name, _ string) (function.Ref, error) {
	n, q, _ := strings.Cut(strings.TrimPrefix(name, base), ":")
	return function.Ref{Name: n, Qualifier: q}, nil
}

func (f *fakes) ARN(name, qualifier string) string {
	return strings.TrimSuffix(base+name+":"+qualifier, ":")
}

type rig struct {
	*testing.T
	*Manager
	dir    string
	db     store.DB
	line   *line
	stream *sourcetest.Stream
	fs     *fakes
}

func simulate(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, dir: t.TempDir(), line: newLine(), stream: sourcetest.New(streamARN, 1), fs: &fakes{}}
		r.start()
		test(r)
		r.stop()
	})
}

func (r *rig) start() {
	r.Helper()
	var err error
	r.db, err = store.OpenSQLite(filepath.Join(r.dir, "queue.db"), store.Options{Sync: store.Normal, Ballast: -1})
	r.must(err)
	r.Manager, err = Open(r.Context(), Config{
		DB: r.db, Functions: r.fs, Sources: map[string]source.Source{"sqs": r.line}, Account: "000000000000", Region: "us-east-1",
		Streams: map[string]source.Stream{"kinesis": r.stream}, Router: &target.Router{},
	})
	r.must(err)
}

func (r *rig) stop() {
	r.must(r.Manager.Close())
	r.must(r.db.Close())
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) create(e Edit) Mapping {
	r.Helper()
	if e.Function == nil {
		e.Function = new("f")
	}
	one, err := r.Create(r.Context(), queue, e, nil)
	r.must(err)
	return one
}

// state is a mapping's after all that can happen now has happened.
func (r *rig) state(uuid string) string {
	r.Helper()
	rest(time.Millisecond)
	one, err := r.Get(r.Context(), uuid)
	r.must(err)
	return one.State
}

func (r *rig) result(uuid string) string {
	one, err := r.Get(r.Context(), uuid)
	r.must(err)
	return one.Result
}

func TestRecordsAreHandledAsTheyArrive(t *testing.T) {
	simulate(t, func(r *rig) {
		one := r.create(Edit{})
		if one.State != Creating || r.state(one.UUID) != Enabled {
			r.Errorf("created %s, then %s", one.State, r.state(one.UUID))
		}
		r.line.send("", "a", "b", "c")
		at := time.Now()
		rest(time.Second)
		if fmt.Sprint(r.fs.batches) != "[[a b c]]" || !r.fs.times[0].Equal(at) || r.line.finished() != "[a b c]" || r.result(one.UUID) != "OK" {
			r.Errorf("batches %v, done %v, result %q", r.fs.batches, r.line.done, r.result(one.UUID))
		}
		asked := r.line.asked()
		rest(24 * time.Hour)
		if r.line.asked() != asked {
			r.Errorf("an idle mapping asked its source %d times", r.line.asked()-asked)
		}
	})
}

func TestAFailedBatchComesBack(t *testing.T) {
	simulate(t, func(r *rig) {
		r.fs.script = func(n int, _ function.Invocation) (function.Result, error) {
			if n < 2 {
				return function.Result{Failure: []byte(`{}`)}, nil
			}
			return function.Result{}, nil
		}
		one := r.create(Edit{})
		r.line.send("", "a")
		rest(time.Second)
		if got := r.result(one.UUID); got != "PROBLEM: Function call failed" {
			r.Errorf("result is %q", got)
		}
		rest(2 * time.Minute)
		if len(r.fs.times) != 3 || r.fs.times[2].Sub(r.fs.times[0]) != time.Minute || r.line.finished() != "[a]" {
			r.Errorf("tried at %v, done %v", r.fs.times, r.line.done)
		}
	})
}

func TestPartOfABatchMayFail(t *testing.T) {
	simulate(t, func(r *rig) {
		answers := []string{`{"batchItemFailures":[{"itemIdentifier":"b"}]}`, `{"batchItemFailures":[{"itemIdentifier":"z"}]}`, ``}
		r.fs.script = func(n int, in function.Invocation) (function.Result, error) {
			in.Answer.Write([]byte(answers[n]))
			return function.Result{}, nil
		}
		r.create(Edit{Reports: new(true)})
		r.line.send("", "a", "b", "c")
		rest(5 * time.Minute)
		if fmt.Sprint(r.fs.batches) != "[[a b c] [b] [b]]" || r.line.finished() != "[a c b]" || fmt.Sprint(r.line.failed) != "[b b]" {
			r.Errorf("batches %v, done %v, failed %v", r.fs.batches, r.line.done, r.line.failed)
		}
	})
}

func TestFilteredRecordsAreRemoved(t *testing.T) {
	simulate(t, func(r *rig) {
		r.create(Edit{Filters: &[]string{`{"body":{"go":["yes"]}}`}})
		r.line.send("", `{"go":"no"}`, `{"go":"yes"}`, `text`)
		rest(time.Second)
		if fmt.Sprint(r.fs.batches) != `[[{"go":"yes"}]]` || r.line.count() != 3 {
			r.Errorf("batches %v, done %v", r.fs.batches, r.line.done)
		}
	})
}

func TestAWindowGathers(t *testing.T) {
	simulate(t, func(r *rig) {
		r.create(Edit{Window: new(int32(10)), BatchSize: new(int32(100))})
		start := time.Now()
		for i := range 30 {
			r.line.send("", fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		rest(time.Minute)
		if r.fs.tries() != 3 || r.fs.times[0].Sub(start) != 10*time.Second || r.line.count() != 30 {
			r.Errorf("%d batches, the first after %v, %d done", r.fs.tries(), r.fs.times[0].Sub(start), r.line.count())
		}
	})
}

func TestAFullBatchDoesNotWaitForItsWindow(t *testing.T) {
	simulate(t, func(r *rig) {
		r.create(Edit{Window: new(int32(300)), BatchSize: new(int32(3))})
		at := time.Now()
		r.line.send("", "a", "b", "c", "d")
		rest(time.Second)
		if fmt.Sprint(r.fs.batches) != "[[a b c]]" || !r.fs.times[0].Equal(at) {
			r.Errorf("batches %v", r.fs.batches)
		}
	})
}

func TestConcurrencyIsLimitedAndGrows(t *testing.T) {
	for _, c := range []struct {
		most int32
		want func(int) bool
	}{
		{2, func(n int) bool { return n == 2 }},
		{0, func(n int) bool { return n > 50 }},
	} {
		simulate(t, func(r *rig) {
			r.fs.script = func(int, function.Invocation) (function.Result, error) {
				time.Sleep(time.Second)
				return function.Result{}, nil
			}
			r.create(Edit{BatchSize: new(int32(1)), Concurrency: new(c.most)})
			for i := range 400 {
				r.line.send("", fmt.Sprint(i))
			}
			rest(time.Hour)
			if !c.want(r.fs.most) || r.line.count() != 400 {
				r.Errorf("limit %d: %d ran at a time, %d are done", c.most, r.fs.most, r.line.count())
			}
		})
	}
}

func TestThrottlesCountNothingAndLoseNothing(t *testing.T) {
	simulate(t, func(r *rig) {
		free := time.Now().Add(2 * time.Minute)
		r.fs.script = func(int, function.Invocation) (function.Result, error) {
			if time.Now().Before(free) {
				return function.Result{}, &function.Throttled{}
			}
			return function.Result{}, nil
		}
		r.create(Edit{BatchSize: new(int32(1))})
		r.line.send("", "a", "b", "c", "d", "e", "f")
		rest(time.Minute)
		if n := r.fs.tries(); n > 60 {
			r.Errorf("%d tries in a minute without room", n)
		}
		rest(5 * time.Minute)
		if r.line.count() != 6 || len(r.line.failed) != 0 {
			r.Errorf("done %v, failed %v", r.line.done, r.line.failed)
		}
	})
}

func TestGroupsKeepTheirOrder(t *testing.T) {
	simulate(t, func(r *rig) {
		r.line.info.FIFO = true
		var order sync.Mutex
		seen := map[string][]string{}
		r.fs.script = func(n int, in function.Invocation) (function.Result, error) {
			time.Sleep(time.Duration(n%7) * time.Millisecond)
			if n%5 == 3 {
				return function.Result{Failure: []byte("{}")}, nil
			}
			var e struct{ Records []struct{ Body string } }
			json.Unmarshal(in.Payload, &e)
			order.Lock()
			defer order.Unlock()
			for _, x := range e.Records {
				seen[x.Body[:1]] = append(seen[x.Body[:1]], x.Body[1:])
			}
			return function.Result{}, nil
		}
		r.create(Edit{BatchSize: new(int32(3))})
		for i := range 40 {
			for _, g := range []string{"a", "b", "c", "d"} {
				r.line.send(g, fmt.Sprintf("%s%03d", g, i))
			}
		}
		rest(10 * time.Hour)
		if len(seen) != 4 {
			r.Errorf("%d groups came", len(seen))
		}
		for g, all := range seen {
			if len(all) != 40 || !slices.IsSorted(all) {
				r.Errorf("group %s came as %v", g, all)
			}
		}
	})
}

func TestStatesUnderLoad(t *testing.T) {
	simulate(t, func(r *rig) {
		r.fs.script = func(int, function.Invocation) (function.Result, error) {
			time.Sleep(10 * time.Second)
			return function.Result{}, nil
		}
		one := r.create(Edit{})
		r.state(one.UUID)
		r.line.send("", "a")
		rest(time.Second)
		got, err := r.Update(r.Context(), one.UUID, Edit{Enabled: new(false)})
		r.must(err)
		if got.State != Disabling || r.state(one.UUID) != Disabling {
			r.Errorf("disabled with a batch under way it is %s", r.state(one.UUID))
		}
		var refusal *function.Refusal
		if _, err := r.Update(r.Context(), one.UUID, Edit{Enabled: new(true)}); !errors.As(err, &refusal) || refusal.Kind != ErrInUse {
			r.Errorf("a change meanwhile answers %v", err)
		}
		rest(10 * time.Second)
		r.line.send("", "b")
		rest(time.Minute)
		if r.state(one.UUID) != Disabled || r.line.finished() != "[a]" {
			r.Errorf("then it is %s, done %v", r.state(one.UUID), r.line.done)
		}
		r.stop()
		r.start()
		if r.state(one.UUID) != Disabled {
			r.Errorf("after a restart it is %s", r.state(one.UUID))
		}
		got, err = r.Update(r.Context(), one.UUID, Edit{Enabled: new(true)})
		r.must(err)
		if got.State != Enabling || r.state(one.UUID) != Enabled {
			r.Errorf("enabled it is %s, then %s", got.State, r.state(one.UUID))
		}
		got, err = r.Delete(r.Context(), one.UUID)
		r.must(err)
		if got.State != Deleting || r.state(one.UUID) != Deleting {
			r.Errorf("deleted with a batch under way it is %s", r.state(one.UUID))
		}
		rest(10 * time.Second)
		if _, err := r.Get(r.Context(), one.UUID); !errors.Is(err, function.ErrNotFound) || r.line.finished() != "[a b]" {
			r.Errorf("then Get answers %v, done %v", err, r.line.done)
		}
	})
}

func TestARestartGoesOn(t *testing.T) {
	simulate(t, func(r *rig) {
		one := r.create(Edit{})
		r.state(one.UUID)
		r.stop()
		r.line.send("", "a")
		r.start()
		rest(time.Second)
		if r.line.finished() != "[a]" {
			r.Errorf("done %v", r.line.done)
		}
	})
}

func TestAQueueThatIsGone(t *testing.T) {
	simulate(t, func(r *rig) {
		one := r.create(Edit{})
		r.state(one.UUID)
		r.line.with(func() { r.line.gone = true; r.line.wake() })
		rest(time.Minute)
		if got := r.result(one.UUID); !strings.Contains(got, "NonExistentQueue") {
			r.Errorf("result is %q", got)
		}
		if _, err := r.Create(r.Context(), queue, Edit{Function: new("g")}, nil); err == nil || err.Error() != noQueue {
			r.Errorf("Create answers %v", err)
		}
		r.line.with(func() { r.line.gone = false })
		r.line.send("", "a")
		rest(time.Minute)
		if r.line.finished() != "[a]" {
			r.Errorf("once it is back, done %v", r.line.done)
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	simulate(t, func(r *rig) {
		one := r.create(Edit{})
		fail := func(want, from string, e Edit) {
			r.Helper()
			if e.Function == nil {
				e.Function = new("g")
			}
			if _, err := r.Create(r.Context(), from, e, nil); err == nil || err.Error() != want {
				r.Errorf("error is %v, want %s", err, want)
			}
		}
		fail(`An event source mapping with SQS arn (" `+queue+` ") and function (" f ") already exists. Please update or delete the existing mapping with UUID `+one.UUID, queue, Edit{Function: new("f")})
		fail("Invalid filter pattern definition.", queue, Edit{Filters: &[]string{`{"body":5}`}})
		fail("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10", queue, Edit{BatchSize: new(int32(11))})
		fail("Unrecognized event source.", "arn:aws:s3:::bucket", Edit{})
		fail("Mayfly does not support event source mappings of mq yet.", "arn:aws:mq:us-east-1:000000000000:broker:b:1", Edit{})
		fail("Mayfly has no tables. To read the streams of a DynamoDB elsewhere, start it with --dynamodb-endpoint.", "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026", Edit{})
		r.fs.with(func() { r.fs.timeout = time.Minute })
		fail("Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds", queue, Edit{})
		r.fs.with(func() { r.fs.timeout = 0 })
		r.line.with(func() { r.line.info.FIFO = true })
		fail("Maximum batch size for FIFO queues is 10.", queue, Edit{BatchSize: new(int32(11)), Window: new(int32(0))})
		fail("Batching window is not supported for FIFO queues.", queue, Edit{Window: new(int32(1))})
		r.fs.with(func() { r.fs.missing = true })
		fail("Function does not exist", queue, Edit{})
	})
}

func TestListsAndTags(t *testing.T) {
	simulate(t, func(r *rig) {
		var ids []string
		for i := range 5 {
			ids = append(ids, r.create(Edit{Function: new(fmt.Sprint("f", i))}).UUID)
		}
		slices.Sort(ids)
		var got []string
		for marker := ""; ; {
			page, next, err := r.List(r.Context(), queue, "", marker, 2)
			r.must(err)
			for _, one := range page {
				got = append(got, one.UUID)
			}
			if marker = next; marker == "" {
				break
			}
		}
		if !slices.Equal(got, ids) {
			r.Errorf("listed %v, want %v", got, ids)
		}
		if page, _, err := r.List(r.Context(), "", "f3", "", 0); err != nil || len(page) != 1 || page[0].Function.Name != "f3" {
			r.Errorf("of f3: %v, %v", page, err)
		}
		r.must(r.Retag(r.Context(), ids[0], map[string]string{"a": "1", "b": "2"}, nil))
		r.must(r.Retag(r.Context(), ids[0], nil, []string{"a"}))
		if tags, err := r.Tags(r.Context(), ids[0]); err != nil || fmt.Sprint(tags) != "map[b:2]" {
			r.Errorf("tags are %v, %v", tags, err)
		}
		if id, ok := r.UUIDOf(r.ARN(ids[0])); !ok || id != ids[0] {
			r.Errorf("UUIDOf answers %s, %v", id, ok)
		}
	})
}

// rest lets time pass, and all that happens then happen.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (l *line) finished() (s string) {
	l.with(func() { s = fmt.Sprint(l.done) })
	return s
}

func (l *line) count() (n int) {
	l.with(func() { n = len(l.done) })
	return n
}

func (l *line) asked() (n int) {
	l.with(func() { n = l.received })
	return n
}

func (f *fakes) tries() (n int) {
	f.with(func() { n = len(f.batches) })
	return n
}

func (f *fakes) with(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}
