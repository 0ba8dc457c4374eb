package async

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	base  = "arn:aws:lambda:us-east-1:000000000000:function:"
	queue = "arn:aws:sqs:us-east-1:000000000000:q"
	dead  = "arn:aws:sqs:us-east-1:000000000000:dead"
)

// fakes are functions whose behaviour is a script.
type fakes struct {
	mu       sync.Mutex
	handling map[string]function.Handling
	script   func(n int, ref function.Ref, in function.Invocation) (function.Result, error)
	calls    []call
	running  map[string]int
	most     map[string]int
}

type call struct {
	ref   function.Ref
	id    string
	at    time.Time
	event string
	trace string
}

func (f *fakes) Invoke(_ context.Context, ref function.Ref, in function.Invocation) (function.Result, error) {
	f.mu.Lock()
	n := len(f.calls)
	f.calls = append(f.calls, call{ref, in.RequestID, time.Now(), string(in.Payload), in.TraceHeader})
	f.running[ref.Name]++
	f.most[ref.Name] = max(f.most[ref.Name], f.running[ref.Name])
	script := f.script
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running[ref.Name]--
		f.mu.Unlock()
	}()
	if script != nil {
		return script(n, ref, in)
	}
	in.Answer.Write([]byte(`"ok"`))
	return function.Result{Version: "$LATEST"}, nil
}

func (f *fakes) Handling(_ context.Context, ref function.Ref) (function.Handling, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, ok := f.handling[ref.Name]
	if !ok {
		return h, &function.Refusal{Kind: function.ErrNotFound, Text: "Function not found"}
	}
	return h, nil
}

func (f *fakes) Ref(name, qualifier string) (function.Ref, error) {
	rest, ok := strings.CutPrefix(name, base)
	if !ok {
		return function.Ref{}, errors.New("no ARN")
	}
	n, q, _ := strings.Cut(rest, ":")
	return function.Ref{Name: n, Qualifier: q}, nil
}

func (f *fakes) ARN(name, qualifier string) string {
	return strings.TrimSuffix(base+name+":"+qualifier, ":")
}

func (f *fakes) times() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		all = append(all, c.at.Sub(f.calls[0].at).String())
	}
	return all
}

// A sink takes what is sent to queues and keeps it in SQL.
type sink struct{}

func (sink) Enqueue(tx store.Tx, to arn.ARN, d target.Delivery) (func(), error) {
	if to.Resource == "gone" {
		return nil, target.ErrNotFound
	}
	doc, _ := json.Marshal(d)
	_, err := tx.Exec(`INSERT INTO sink (arn, doc) VALUES (?, ?)`, to.String(), string(doc))
	return func() {}, err
}

type rig struct {
	*testing.T
	*Queue
	dir string
	db  store.DB
	fs  *fakes
}

func newRig(t *testing.T, h function.Handling) *rig {
	t.Helper()
	if h.MaxAge == 0 {
		h.MaxAge = 6 * time.Hour
	}
	r := &rig{T: t, dir: t.TempDir(), fs: &fakes{handling: map[string]function.Handling{"f": h}, running: map[string]int{}, most: map[string]int{}}}
	r.start()
	return r
}

func (r *rig) start() {
	r.Helper()
	var err error
	r.db, err = store.OpenSQLite(filepath.Join(r.dir, "queue.db"), store.Options{Sync: store.Normal, Ballast: -1})
	r.must(err)
	r.must(r.db.Migrate(r.Context(), "sink", `CREATE TABLE sink (arn TEXT NOT NULL, doc TEXT NOT NULL)`))
	var router target.Router
	router.Register("sqs", sink{})
	router.Register("events", sink{})
	router.Register("s3", sink{})
	r.Queue, err = Open(r.Context(), Config{DB: r.db, Functions: r.fs, Router: &router, Region: "us-east-1"})
	r.must(err)
}

func (r *rig) stop() {
	r.must(r.Queue.Close())
	r.must(r.db.Close())
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) accept(name, payload string) {
	r.Helper()
	r.must(r.Accept(r.Context(), Event{Ref: function.Ref{Name: name}, RequestID: "the-id", Payload: []byte(payload), Trace: "Root=1-a-b"}))
}

// sent is what arrived at an ARN.
func (r *rig) sent(to string) (all []target.Delivery) {
	r.Helper()
	docs, err := store.Read(context.Background(), r.db, func(tx store.Tx) ([]string, error) {
		return store.All(tx, func(scan func(...any) error) (s string, err error) { return s, scan(&s) }, `SELECT doc FROM sink WHERE arn = ?`, to)
	})
	r.must(err)
	for _, d := range docs {
		var one target.Delivery
		r.must(json.Unmarshal([]byte(d), &one))
		all = append(all, one)
	}
	return all
}

func (r *rig) left() (n int) {
	r.Helper()
	r.must(r.db.View(context.Background(), func(tx store.Tx) error { return tx.Get([]any{&n}, `SELECT COUNT(*) FROM async_events`) }))
	return n
}

func failed(string) (function.Result, error) {
	return function.Result{Version: "7", Failure: []byte(`{"errorMessage":"no <luck>","errorType":"E"}`), Type: "E"}, nil
}

// simulate runs a test in virtual time.
func simulate(t *testing.T, h function.Handling, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, h)
		test(r)
		r.stop()
	})
}

func TestSuccessGoesToItsDestinationOnce(t *testing.T) {
	simulate(t, function.Handling{MaxRetries: 2, OnSuccess: queue, OnFailure: dead, DeadLetter: dead}, func(r *rig) {
		r.accept("f", `{"a":"<1>"}`)
		synctest.Wait()
		rest(time.Second)
		got := r.sent(queue)
		if len(got) != 1 || len(r.sent(dead)) != 0 || r.left() != 0 {
			r.Fatalf("sent %v and %v, %d left", got, r.sent(dead), r.left())
		}
		want := `{"version":"1.0","timestamp":"2000-01-01T00:00:00.000Z","requestContext":{"requestId":"the-id","functionArn":"` + base +
			`f:$LATEST","condition":"Success","approximateInvokeCount":1},"requestPayload":{"a":"<1>"},"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":"ok"}`
		if string(got[0].Payload) != want {
			r.Errorf("the record is\n%s, want\n%s", got[0].Payload, want)
		}
		if c := r.fs.calls[0]; c.id != "the-id" || c.trace != "Root=1-a-b" || c.event != `{"a":"<1>"}` {
			r.Errorf("the call was %+v", c)
		}
	})
}

func TestFailuresAreRetriedAfterOneAndTwoMinutes(t *testing.T) {
	simulate(t, function.Handling{MaxRetries: 2, OnFailure: queue, DeadLetter: dead}, func(r *rig) {
		r.fs.script = func(int, function.Ref, function.Invocation) (function.Result, error) { return failed("") }
		r.accept("f", `{}`)
		rest(10 * time.Minute)
		if got := fmt.Sprint(r.fs.times()); got != "[0s 1m0s 3m0s]" {
			r.Errorf("it was tried at %s", got)
		}
		got, letters := r.sent(queue), r.sent(dead)
		if len(got) != 1 || len(letters) != 1 || r.left() != 0 {
			r.Fatalf("sent %d and %d, %d left", len(got), len(letters), r.left())
		}
		for _, part := range []string{`"condition":"RetriesExhausted","approximateInvokeCount":3`, `"responseContext":{"statusCode":200,"executedVersion":"7","functionError":"Unhandled"}`, `"responsePayload":{"errorMessage":"no <luck>","errorType":"E"}`} {
			if !strings.Contains(string(got[0].Payload), part) {
				r.Errorf("the record %s lacks %s", got[0].Payload, part)
			}
		}
		a := letters[0].Attributes
		if string(letters[0].Payload) != "{}" || a["RequestID"].String != "the-id" || a["ErrorCode"].Type+a["ErrorCode"].String != "Number200" || a["ErrorMessage"].String != "no <luck>" {
			r.Errorf("the dead letter is %s with %v", letters[0].Payload, a)
		}
	})
}

// A bucket gets the whole record, however large, under a key that tells when.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func TestFailuresGoToABucket(t *testing.T) {
	const bucket = "arn:aws:s3:::failures"
	simulate(t, function.Handling{OnFailure: bucket}, func(r *rig) {
		text := strings.Repeat("x", maxRecord)
		r.fs.script = func(int, function.Ref, function.Invocation) (function.Result, error) {
			return function.Result{Version: "7", Failure: []byte(`{"errorMessage":"` + text + `"}`), Type: "E"}, nil
		}
		r.accept("f", `{}`)
		rest(time.Minute)
		got := r.sent(bucket)
		if len(got) != 1 {
			r.Fatalf("sent %d", len(got))
		}
		if ok, err := regexp.MatchString(`^aws/lambda/async/f/2000/01/01/2000-01-01T00\.00\.00-[0-9a-f-]{36}$`, got[0].Key); err != nil || !ok {
			r.Errorf("the key is %s", got[0].Key)
		}
		if !strings.Contains(string(got[0].Payload), text) {
			r.Errorf("the record of %d bytes lacks the answer", len(got[0].Payload))
		}
	})
}

func TestARestartKeepsWhatWaits(t *testing.T) {
	simulate(t, function.Handling{MaxRetries: 2, DeadLetter: dead}, func(r *rig) {
		r.fs.script = func(int, function.Ref, function.Invocation) (function.Result, error) { return failed("") }
		r.accept("f", `{}`)
		for range 3 {
			time.Sleep(30 * time.Second)
			r.stop()
			r.start()
		}
		rest(time.Hour)
		if got := fmt.Sprint(r.fs.times()); got != "[0s 1m0s 3m0s]" || len(r.sent(dead)) != 1 {
			r.Errorf("it was tried at %s, %d dead letters", got, len(r.sent(dead)))
		}
	})
}

func TestThrottledEventsWaitForRoom(t *testing.T) {
	simulate(t, function.Handling{OnFailure: queue}, func(r *rig) {
		r.fs.script = func(n int, _ function.Ref, in function.Invocation) (function.Result, error) {
			if n < 4 {
				return function.Result{}, &function.Throttled{Reason: "ReservedFunctionConcurrentInvocationLimitExceeded"}
			}
			in.Answer.Write([]byte("1"))
			return function.Result{Version: "$LATEST"}, nil
		}
		r.accept("f", `{}`)
		rest(time.Minute)
		if got := fmt.Sprint(r.fs.times()); got != "[0s 1s 3s 7s 15s]" || r.left() != 0 || len(r.sent(queue)) != 0 {
			r.Errorf("it was tried at %s, %d left", got, r.left())
		}
	})
}

func TestAnEventGrowsTooOld(t *testing.T) {
	simulate(t, function.Handling{MaxAge: time.Minute, OnFailure: queue}, func(r *rig) {
		r.fs.script = func(int, function.Ref, function.Invocation) (function.Result, error) {
			return function.Result{}, &function.Throttled{}
		}
		r.accept("f", `{}`)
		rest(61 * time.Second)
		if got := r.sent(queue); len(got) != 1 || !strings.Contains(string(got[0].Payload), `"condition":"EventAgeExceeded","approximateInvokeCount":0`) {
			r.Fatalf("sent %v", got)
		}
	})
}

func TestSystemErrorsBackOff(t *testing.T) {
	simulate(t, function.Handling{MaxAge: 10 * time.Second, DeadLetter: dead}, func(r *rig) {
		r.fs.script = func(int, function.Ref, function.Invocation) (function.Result, error) {
			return function.Result{}, errors.New("broken")
		}
		r.accept("f", `{}`)
		rest(time.Minute)
		if got := fmt.Sprint(r.fs.times()); got != "[0s 1s 3s 7s]" || len(r.sent(dead)) != 1 {
			r.Errorf("it was tried at %s, %d dead letters", got, len(r.sent(dead)))
		}
	})
}

func TestNothingRunsWithoutConcurrency(t *testing.T) {
	simulate(t, function.Handling{Stopped: true, OnFailure: queue, DeadLetter: dead}, func(r *rig) {
		r.accept("f", `{}`)
		rest(time.Second)
		if len(r.fs.calls) != 0 || len(r.sent(dead)) != 1 || !strings.Contains(string(r.sent(queue)[0].Payload), `"ZeroReservedConcurrency","approximateInvokeCount":0}`) {
			r.Errorf("calls %v, sent %v and %v", r.fs.calls, r.sent(queue), r.sent(dead))
		}
	})
}

func TestADeletedFunctionsEventsAreDropped(t *testing.T) {
	simulate(t, function.Handling{MaxRetries: 2}, func(r *rig) {
		r.fs.script = func(int, function.Ref, function.Invocation) (function.Result, error) { return failed("") }
		r.accept("f", `{}`)
		rest(time.Second)
		r.fs.mu.Lock()
		delete(r.fs.handling, "f")
		r.fs.mu.Unlock()
		rest(time.Minute)
		if s := r.Stats()[0]; r.left() != 0 || s.Dropped != 1 || s.Depth != 0 || s.Received != 1 {
			r.Errorf("%d left, stats %+v", r.left(), s)
		}
		if err := r.Accept(r.Context(), Event{Ref: function.Ref{Name: "f"}}); !errors.Is(err, function.ErrNotFound) {
			r.Errorf("Accept answers %v", err)
		}
	})
}

func TestALoopGoesToTheDeadLetterQueue(t *testing.T) {
	simulate(t, function.Handling{MaxRetries: 2, DeadLetter: dead}, func(r *rig) {
		r.fs.script = func(int, function.Ref, function.Invocation) (function.Result, error) {
			return function.Result{}, &function.Refusal{Kind: function.ErrRecursive, Text: "a loop"}
		}
		r.accept("f", `{}`)
		rest(time.Second)
		if s := r.Stats()[0]; len(r.sent(dead)) != 1 || s.Looped != 1 || len(r.fs.calls) != 1 {
			r.Errorf("sent %v, stats %+v", r.sent(dead), s)
		}
	})
}

func TestAMissingDestinationIsCounted(t *testing.T) {
	simulate(t, function.Handling{OnSuccess: strings.TrimSuffix(queue, "q") + "gone"}, func(r *rig) {
		r.accept("f", `{}`)
		rest(time.Second)
		if s := r.Stats()[0]; s.Unsent != 1 || r.left() != 0 {
			r.Errorf("stats %+v", s)
		}
	})
}

func TestABacklogDelaysNobodyElse(t *testing.T) {
	simulate(t, function.Handling{}, func(r *rig) {
		r.fs.handling["g"] = r.fs.handling["f"]
		r.c.Concurrency = 50
		r.fs.script = func(int, function.Ref, function.Invocation) (function.Result, error) {
			time.Sleep(100 * time.Millisecond)
			return function.Result{Version: "$LATEST"}, nil
		}
		r.must(r.db.Update(r.Context(), func(tx store.Tx) error {
			for range 3000 {
				if err := insert(tx, &waiting{Event: Event{Ref: function.Ref{Name: "f"}, RequestID: "x", Payload: []byte("{}")}, received: time.Now()}); err != nil {
					return err
				}
			}
			return nil
		}))
		r.mu.Lock()
		l := r.lane("f")
		l.depth, l.more = 3000, true
		r.ready(l)
		r.pump()
		r.mu.Unlock()
		rest(time.Second)
		r.mu.Lock()
		if n := len(l.known); n > window+50 {
			r.Errorf("%d events of 3000 are in memory", n)
		}
		r.mu.Unlock()
		at := time.Now()
		r.accept("g", `{}`)
		rest(300 * time.Millisecond)
		r.fs.mu.Lock()
		last := time.Duration(-1)
		for _, c := range r.fs.calls {
			if c.ref.Name == "g" {
				last = c.at.Sub(at)
			}
		}
		r.fs.mu.Unlock()
		if last < 0 || last > 100*time.Millisecond {
			r.Errorf("g began after %v", last)
		}
		rest(time.Minute)
		if n := len(r.fs.calls); n != 3001 || r.left() != 0 {
			r.Errorf("%d calls, %d left", n, r.left())
		}
		if m := r.fs.most["f"]; m < 40 || m > 50 {
			r.Errorf("at most %d ran", m)
		}
	})
}

func TestATargetOfARNs(t *testing.T) {
	simulate(t, function.Handling{}, func(r *rig) {
		r.c.Allow = func(_ context.Context, _ function.Ref, principal, _ string) (bool, error) {
			return principal != "evil", nil
		}
		enqueue := func(to string, d target.Delivery) error {
			a, err := arn.Parse(to)
			r.must(err)
			var committed func()
			err = r.db.Update(r.Context(), func(tx store.Tx) (err error) {
				committed, err = r.Enqueue(tx, a, d)
				return err
			})
			if err == nil {
				committed()
			}
			return err
		}
		r.must(enqueue(base+"f:live", target.Delivery{Payload: []byte(`1`), Principal: "sns.amazonaws.com"}))
		for _, c := range []struct {
			to   string
			d    target.Delivery
			want error
		}{
			{base + "none", target.Delivery{Payload: []byte(`1`)}, target.ErrNotFound},
			{base + "f", target.Delivery{Payload: []byte(`no`)}, target.ErrInvalid},
			{base + "f", target.Delivery{Payload: []byte(`"` + strings.Repeat("x", MaxPayload) + `"`)}, target.ErrInvalid},
			{base + "f", target.Delivery{Payload: []byte(`1`), Principal: "evil"}, target.ErrDenied},
		} {
			if err := enqueue(c.to, c.d); !errors.Is(err, c.want) {
				r.Errorf("%s: %v, want %v", c.to, err, c.want)
			}
		}
		rest(time.Second)
		if len(r.fs.calls) != 1 || r.fs.calls[0].ref != (function.Ref{Name: "f", Qualifier: "live"}) || r.fs.calls[0].id == "" {
			r.Errorf("calls %+v", r.fs.calls)
		}
	})
}

// rest lets time pass, and all that happens then happen.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
