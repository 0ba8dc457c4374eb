package events

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

const (
	account, region = "000000000000", "us-east-1"

	q1 = "arn:aws:sqs:us-east-1:000000000000:q1"
	q2 = "arn:aws:sqs:us-east-1:000000000000:q2"
)

// A desk takes events into a table, as all targets do, or fails as it is told.
type desk struct {
	mu   sync.Mutex // guards what follows
	fail map[string]error
	last []target.Delivery
}

func (d *desk) Enqueue(tx store.Tx, to arn.ARN, e target.Delivery) (func(), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail[to.Resource]; err != nil {
		return nil, err
	}
	_, err := tx.Exec(`INSERT INTO desk (queue, payload) VALUES (?, ?)`, to.Resource, e.Payload)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.last = append(d.last, e)
	}, err
}

func (d *desk) set(resource string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail[resource] = err
}

func (d *desk) taken() []target.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// A world is a book and its target.
type world struct {
	*api
	t    testing.TB
	desk *desk
}

func openDB(t testing.TB, path string) store.DB {
	t.Helper()
	db, err := store.OpenSQLite(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func openWorld(t testing.TB, db store.DB) *world {
	t.Helper()
	if err := db.Migrate(context.Background(), "desk", `CREATE TABLE desk (id INTEGER PRIMARY KEY, queue TEXT NOT NULL, payload BLOB NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	d := &desk{fail: map[string]error{}}
	r := new(target.Router)
	for _, s := range []string{"sqs", "lambda", "sns"} {
		r.Register(s, d)
	}
	b, err := Open(context.Background(), Config{DB: db, Account: account, Region: region, Router: r, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r.Register("events", b)
	return &world{&api{b}, t, d}
}

// bubble runs a test in virtual time, which begins with the year 2000.
func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	path := filepath.Join(t.TempDir(), "x.db")
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, path)
		defer db.Close()
		w := openWorld(t, db)
		defer w.Close()
		test(t, w)
	})
}

// got are the payloads of a queue, in order.
func (w *world) got(queue string) []string {
	w.t.Helper()
	rows, err := store.Read(context.Background(), w.DB, func(tx store.Tx) ([]string, error) {
		return store.All(tx, func(scan func(...any) error) (string, error) {
			var b []byte
			err := scan(&b)
			return string(b), err
		}, `SELECT payload FROM desk WHERE queue = ? ORDER BY id`, queue)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

func (w *world) rule(name, pattern string, targets ...*Target) {
	w.t.Helper()
	w.put(&PutRuleRequest{Name: &name, EventPattern: &pattern}, targets...)
}

func (w *world) schedule(name, expression string, targets ...*Target) {
	w.t.Helper()
	w.put(&PutRuleRequest{Name: &name, ScheduleExpression: &expression}, targets...)
}

func (w *world) put(in *PutRuleRequest, targets ...*Target) {
	w.t.Helper()
	if _, err := w.putRule(context.Background(), in); err != nil {
		w.t.Fatal(err)
	}
	if len(targets) == 0 {
		return
	}
	_, err := w.putTargets(context.Background(), &PutTargetsRequest{Rule: in.Name, EventBusName: in.EventBusName, Targets: targets})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) send(source, detail string) {
	w.t.Helper()
	out, err := w.putEvents(context.Background(), &PutEventsRequest{Entries: []*PutEventsRequestEntry{
		{Source: &source, DetailType: new("kind"), Detail: &detail},
	}})
	if err != nil || *out.FailedEntryCount != 0 {
		w.t.Fatal(err, out)
	}
}

func at(id, arn string) *Target { return &Target{Id: &id, Arn: &arn} }

func parsed(t *testing.T, text string) (e envelope) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func TestEnvelope(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rule("r", `{"source":["shop"]}`, at("1", q1))
		out, err := w.putEvents(t.Context(), &PutEventsRequest{Entries: []*PutEventsRequestEntry{{
			Source: new("shop"), DetailType: new("order <made>"), Detail: new("{ \"n\" : 1.50, \"t\":\"<&>\" }"), Resources: []string{"a", "b"},
			TraceHeader: new("Root=1-2-3"),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		got := w.got("q1")
		want := `{"version":"0","id":"` + *out.Entries[0].EventId + `","detail-type":"order <made>","source":"shop","account":"000000000000",` +
			`"time":"2000-01-01T00:00:00Z","region":"us-east-1","resources":["a","b"],"detail":{"n":1.50,"t":"<&>"}}`
		if len(got) != 1 || got[0] != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		d := w.desk.taken()[0]
		if d.Trace != "Root=1-2-3" || d.Principal != "events.amazonaws.com" || d.SourceARN != "arn:aws:events:us-east-1:000000000000:rule/r" {
			t.Errorf("%+v", d)
		}
	})
}

// TestFanOut: an event goes to every target of every rule that matches.
func TestFanOut(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rule("all", `{"source":[{"prefix":""}]}`, at("1", q1), at("2", q2))
		w.rule("some", `{"detail":{"n":[{"numeric":[">",5]}]}}`, at("1", q2))
		w.rule("off", `{"source":["a"]}`, at("1", q1))
		if _, err := w.disableRule(t.Context(), &DisableRuleRequest{Name: new("off")}); err != nil {
			t.Fatal(err)
		}
		w.send("a", `{"n":1}`)
		w.send("a", `{"n":7}`)
		if len(w.got("q1")) != 2 || len(w.got("q2")) != 3 {
			t.Errorf("%v %v", w.got("q1"), w.got("q2"))
		}
		if _, err := w.removeTargets(t.Context(), &RemoveTargetsRequest{Rule: new("all"), Ids: []string{"1"}}); err != nil {
			t.Fatal(err)
		}
		w.send("a", `{"n":1}`)
		if len(w.got("q1")) != 2 || len(w.got("q2")) != 4 {
			t.Error("a removed target is still sent to")
		}
	})
}

// TestBusToBus: an event goes over to another bus, and no further.
func TestBusToBus(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for _, name := range []string{"b", "c"} {
			if _, err := w.createEventBus(t.Context(), &CreateEventBusRequest{Name: &name}); err != nil {
				t.Fatal(err)
			}
		}
		all := `{"source":[{"prefix":""}]}`
		w.rule("r", all, at("1", w.busARN("b")), at("2", q1))
		w.put(&PutRuleRequest{Name: new("r"), EventBusName: new("b"), EventPattern: &all}, at("1", w.busARN("c")), at("2", w.busARN("default")), at("3", q2))
		w.put(&PutRuleRequest{Name: new("r"), EventBusName: new("c"), EventPattern: &all}, at("1", q2))
		w.send("a", `{}`)
		one, two := w.got("q1"), w.got("q2")
		if len(one) != 1 || !slices.Equal(one, two) {
			t.Errorf("%v %v", one, two)
		}
	})
}

// TestEnqueue: other rooms send to a bus by its ARN.
func TestEnqueue(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rule("r", `{"source":["lambda"]}`, at("1", q1))
		enqueue := func(to, payload string) error {
			return w.DB.Update(t.Context(), func(tx store.Tx) error {
				wake, err := w.Router.Enqueue(tx, to, target.Delivery{Payload: []byte(payload), Trace: "Root=1"})
				if err == nil {
					wake()
				}
				return err
			})
		}
		if err := enqueue(w.busARN("default"), `{"source":"lambda","detail-type":"Result","detail":{"a":1},"resources":["x"]}`); err != nil {
			t.Fatal(err)
		}
		e := parsed(t, w.got("q1")[0])
		if e.Version != "0" || len(e.ID) != 36 || e.Account != account || e.Region != region || e.Time != "2000-01-01T00:00:00Z" || e.Resources[0] != "x" {
			t.Errorf("%+v", e)
		}
		if w.desk.taken()[0].Trace != "Root=1" {
			t.Errorf("trace %q", w.desk.taken()[0].Trace)
		}
		for _, c := range []struct{ to, payload, want string }{
			{w.busARN("nope"), `{"source":"s","detail-type":"d","detail":{}}`, "does not exist"},
			{w.arn("rule/r"), `{}`, "does not exist"},
			{w.busARN("default"), `nope`, "not one that it takes"},
			{w.busARN("default"), `{"source":"s","detail-type":"d","detail":[]}`, "not one that it takes"},
			{w.busARN("default"), `{"detail-type":"d","detail":{}}`, "not one that it takes"},
		} {
			if err := enqueue(c.to, c.payload); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s %s: %v", c.to, c.payload, err)
			}
		}
	})
}

func TestFailingTarget(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		gone, busy := at("1", q1), at("2", q2)
		gone.DeadLetterConfig = &DeadLetterConfig{Arn: new("arn:aws:sqs:us-east-1:000000000000:dead")}
		busy.RetryPolicy = &RetryPolicy{MaximumRetryAttempts: new(int32(3)), MaximumEventAgeInSeconds: new(int32(60))}
		gone.InputPath = new("$.detail")
		w.rule("r", `{"source":["a"]}`, gone, busy)
		w.desk.set("q1", fmt.Errorf("%w: q1", target.ErrNotFound))
		w.desk.set("q2", fmt.Errorf("busy"))
		w.send("a", `{"n":1}`)
		a := w.desk.taken()[0].Attributes
		for k, want := range map[string]string{
			"ERROR_CODE": "NO_RESOURCE", "ERROR_MESSAGE": "does not exist: q1", "RULE_ARN": w.ruleARN("default", "r"),
			"TARGET_ARN": q1, "RETRY_ATTEMPTS": "0", "EXHAUSTED_RETRY_CONDITION": "",
		} {
			if a[k].String != want {
				t.Errorf("%s is %q, want %q", k, a[k].String, want)
			}
		}
		if e := parsed(t, w.got("dead")[0]); string(e.Detail) != `{"n":1}` {
			t.Errorf("the dead letter is no event: %+v", e)
		}
		time.Sleep(2 * time.Second)
		w.desk.set("q2", nil)
		time.Sleep(time.Minute)
		if len(w.got("q2")) != 1 || w.Dropped() != 0 {
			t.Errorf("%v, %d dropped", w.got("q2"), w.Dropped())
		}
		w.desk.set("q2", fmt.Errorf("busy"))
		w.send("a", `{}`)
		time.Sleep(time.Hour)
		if w.Dropped() != 1 {
			t.Errorf("%d dropped, want 1", w.Dropped())
		}
	})
}

func TestSchedules(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.schedule("minute", "rate(1 minute)", at("1", q1))
		w.schedule("nine", "cron(0 9 * * ? *)", at("1", q2), at("2", w.busARN("default")))
		time.Sleep(150 * time.Second)
		got := w.got("q1")
		if len(got) != 2 {
			t.Fatalf("%d ticks", len(got))
		}
		e := parsed(t, got[1])
		e.ID = ""
		text, _ := json.Marshal(e)
		if want := `{"version":"0","id":"","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":"2000-01-01T00:02:00Z",` +
			`"region":"us-east-1","resources":["arn:aws:events:us-east-1:000000000000:rule/minute"],"detail":{}}`; string(text) != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
		if _, err := w.disableRule(t.Context(), &DisableRuleRequest{Name: new("minute")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Hour)
		if n := len(w.got("q1")); n != 2 {
			t.Errorf("a disabled rule fired: %d", n)
		}
		if n := len(w.got("q2")); n != 1 {
			t.Errorf("%d ticks at nine", n)
		}
		if _, err := w.enableRule(t.Context(), &EnableRuleRequest{Name: new("minute")}); err != nil {
			t.Fatal(err)
		}
		w.Close()
		time.Sleep(time.Hour)
		again := openWorld(t, w.DB)
		defer again.Close()
		time.Sleep(time.Second) // of those that were missed one is sent
		if n := len(again.got("q1")); n != 3 {
			t.Errorf("%d ticks after the restart, want 3", n)
		}
		time.Sleep(time.Minute)
		if n := len(again.got("q1")); n != 4 {
			t.Errorf("%d ticks a minute later, want 4", n)
		}
	})
}

func TestArchiveAndReplay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rule("one", `{"source":["a"]}`, at("1", q1))
		w.rule("two", `{"source":["a"]}`, at("1", q2))
		_, err := w.createArchive(t.Context(), &CreateArchiveRequest{
			ArchiveName: new("arc"), EventSourceArn: new(w.busARN("default")), EventPattern: new(`{"source":["a"]}`), RetentionDays: new(int32(10)),
		})
		if err != nil {
			t.Fatal(err)
		}
		const n = 2*replayBatch + 5
		for i := range n {
			w.send("a", fmt.Sprintf(`{"n":%d}`, i))
			time.Sleep(time.Second)
		}
		w.send("b", `{}`)
		d, err := w.describeArchive(t.Context(), &DescribeArchiveRequest{ArchiveName: new("arc")})
		if err != nil || *d.EventCount != n || *d.SizeBytes < n*100 {
			t.Fatalf("%+v %v", d, err)
		}
		begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		_, err = w.startReplay(t.Context(), &StartReplayRequest{
			ReplayName: new("rep"), EventSourceArn: new(w.archiveARN("arc")), EventStartTime: &wire.Time{Time: begin.Add(time.Second)}, EventEndTime: &wire.Time{Time: time.Now()},
			Destination: &ReplayDestination{Arn: new(w.busARN("default")), FilterArns: []string{w.ruleARN("default", "two")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		one, two := w.got("q1"), w.got("q2")
		if len(one) != n || len(two) != 2*n-1 {
			t.Fatalf("%d and %d events, want %d and %d", len(one), len(two), n, 2*n-1)
		}
		first, again := parsed(t, two[1]), parsed(t, two[n])
		if again.ReplayName != "rep" || again.ID != first.ID || again.Time != first.Time || string(again.Detail) != `{"n":1}` {
			t.Errorf("%+v\nand again %+v", first, again)
		}
		r, err := w.describeReplay(t.Context(), &DescribeReplayRequest{ReplayName: new("rep")})
		if err != nil || *r.State != "COMPLETED" || r.EventLastReplayedTime.Unix() != begin.Add((n-1)*time.Second).Unix() || r.ReplayEndTime == nil {
			t.Errorf("%+v %v", r, err)
		}
		d, _ = w.describeArchive(t.Context(), &DescribeArchiveRequest{ArchiveName: new("arc")})
		if *d.EventCount != n {
			t.Errorf("replayed events are archived again: %d", *d.EventCount)
		}
		time.Sleep(11 * 24 * time.Hour)
		d, _ = w.describeArchive(t.Context(), &DescribeArchiveRequest{ArchiveName: new("arc")})
		if *d.EventCount != 0 || *d.SizeBytes != 0 {
			t.Errorf("%d events of %d bytes are kept too long", *d.EventCount, *d.SizeBytes)
		}
	})
}

// TestReplayGoesOn: a replay that a restart interrupts goes on where it was.
func TestReplayGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rule("one", `{"replay-name":[{"exists":true}]}`, at("1", q1))
		if _, err := w.createArchive(t.Context(), &CreateArchiveRequest{ArchiveName: new("arc"), EventSourceArn: new(w.busARN("default"))}); err != nil {
			t.Fatal(err)
		}
		const n = 3*replayBatch + 5
		for i := range n {
			w.send("a", fmt.Sprintf(`{"n":%d}`, i)) // all at the same time
		}
		w.Close()
		row := replayRow{name: "rep", archive: "arc", bus: "default", filters: "null", state: starting, begins: 1, ends: time.Now().Add(time.Hour).UnixMilli(), started: 1}
		err := w.DB.Update(t.Context(), func(tx store.Tx) error {
			if err := w.insertReplay(tx, row); err != nil {
				return err
			}
			row, err := replayByName(tx, "rep")
			if err != nil {
				return err
			}
			_, err = w.advance(tx, row) // one batch, and then the server is gone
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		again := openWorld(t, w.DB)
		defer again.Close()
		time.Sleep(time.Second)
		got := again.got("q1")
		for i := range got {
			if e := parsed(t, got[i]); string(e.Detail) != fmt.Sprintf(`{"n":%d}`, i) {
				t.Fatalf("event %d is %s", i, e.Detail)
			}
		}
		if len(got) != n {
			t.Errorf("%d events, want %d", len(got), n)
		}
	})
}

// TestAtomic: when one target breaks the transaction, nothing of it is kept.
func TestAtomic(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rule("r", `{"source":["a"]}`, at("1", q1))
		err := w.DB.Update(t.Context(), func(tx store.Tx) error {
			if _, err := w.Router.Enqueue(tx, w.busARN("default"), target.Delivery{Payload: []byte(`{"source":"a","detail-type":"d","detail":{}}`)}); err != nil {
				return err
			}
			return fmt.Errorf("the sender fails")
		})
		if err == nil || len(w.got("q1")) != 0 {
			t.Errorf("%v: %v", err, w.got("q1"))
		}
	})
}

// TestStaleRoutes: a change that was rolled back leaves nothing behind in memory.
func TestStaleRoutes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rule("r", `{"source":["a"]}`, at("1", q1))
		_ = w.change(t.Context(), func(tx store.Tx) error {
			if _, err := tx.Exec(`UPDATE events_rule SET pattern = ?`, `{"source":["b"]}`); err != nil {
				return err
			}
			if _, err := tx.Exec(`UPDATE events_epoch SET value = 7`); err != nil {
				return err
			}
			if _, err := w.routing(tx); err != nil {
				return err
			}
			return fmt.Errorf("rolled back")
		})
		w.send("a", `{}`)
		if len(w.got("q1")) != 1 {
			t.Error("the rule that was never committed decides")
		}
	})
}

func BenchmarkPutEvents(b *testing.B) {
	w := openWorld(b, openDB(b, filepath.Join(b.TempDir(), "x.db")))
	defer w.DB.Close()
	defer w.Close()
	for i := range 100 {
		w.rule(fmt.Sprint("r", i), fmt.Sprintf(`{"source":["s%d"]}`, i), at("1", q1))
	}
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			w.send("s7", `{"n":1}`)
		}
	})
}
