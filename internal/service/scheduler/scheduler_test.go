package scheduler

import (
	"context"
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

const account, region = "000000000000", "us-east-1"

// A desk takes events into a table, as all targets do, or fails as it is told.
type desk struct {
	mu   sync.Mutex // guards what follows
	fail error
	last []target.Delivery
}

func (d *desk) Enqueue(tx store.Tx, to arn.ARN, e target.Delivery) (func(), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil && !strings.Contains(to.Resource, "dead") {
		return nil, d.fail
	}
	_, err := tx.Exec(`INSERT INTO desk (arn, payload) VALUES (?, ?)`, to.String(), e.Payload)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.last = append(d.last, e)
	}, err
}

func (d *desk) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
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

func openWorld(t testing.TB, db store.DB) *world {
	t.Helper()
	if err := db.Migrate(context.Background(), "desk", `CREATE TABLE desk (id INTEGER PRIMARY KEY, arn TEXT NOT NULL, payload BLOB NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	d := new(desk)
	r := new(target.Router)
	for _, s := range []string{"sqs", "lambda", "sns", "events"} {
		r.Register(s, d)
	}
	b, err := Open(context.Background(), Config{DB: db, Account: account, Region: region, Router: r, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return &world{&api{b}, t, d}
}

func openDB(t testing.TB, path string) store.DB {
	t.Helper()
	db, err := store.OpenSQLite(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
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

// payloads are all that the desk took, in order.
func (w *world) payloads() []string {
	w.t.Helper()
	rows, err := store.Read(context.Background(), w.DB, func(tx store.Tx) ([]string, error) {
		return store.All(tx, func(scan func(...any) error) (string, error) {
			var arn string
			var b []byte
			err := scan(&arn, &b)
			return string(b), err
		}, `SELECT arn, payload FROM desk ORDER BY id`)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

const (
	queue = "arn:aws:sqs:us-east-1:000000000000:q"
	role  = "arn:aws:iam::000000000000:role/r"
)

// create makes a schedule whose payload is the time of its tick.
func (w *world) create(name, expression string, change func(*CreateScheduleInput)) {
	w.t.Helper()
	in := &CreateScheduleInput{
		Name: &name, ScheduleExpression: &expression, FlexibleTimeWindow: &FlexibleTimeWindow{Mode: new("OFF")},
		Target: &Target{Arn: new(queue), RoleArn: new(role), Input: new(markTime)},
	}
	if change != nil {
		change(in)
	}
	if _, err := w.createSchedule(context.Background(), in); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.payloads(); !slices.Equal(got, want) {
		w.t.Errorf("at %v got\n %v, want\n %v", time.Now().UTC(), got, want)
	}
}

func TestFires(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.create("once", "at(2000-01-01T00:00:07)", nil)
		w.create("hourly", "cron(30 * * * ? *)", nil)
		w.create("off", "rate(1 minute)", func(in *CreateScheduleInput) { in.State = new("DISABLED") })
		time.Sleep(6 * time.Second)
		w.expect()
		time.Sleep(2 * time.Second)
		w.expect("2000-01-01T00:00:07Z")
		time.Sleep(2 * time.Hour)
		w.expect("2000-01-01T00:00:07Z", "2000-01-01T00:30:00Z", "2000-01-01T01:30:00Z")
		time.Sleep(7 * 24 * time.Hour)
		if n := len(w.payloads()); n != 1+7*24+2 {
			t.Errorf("%d ticks in a week", n)
		}
	})
}

func TestZone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.create("new-york", "at(2000-04-01T09:00:00)", func(in *CreateScheduleInput) { in.ScheduleExpressionTimezone = new("America/New_York") })
		w.create("gap", "cron(30 2 * * ? *)", func(in *CreateScheduleInput) {
			in.ScheduleExpressionTimezone = new("America/New_York") // the clocks are put forward on April 2nd
			in.StartDate = &wire.Time{Time: time.Date(2000, 4, 1, 0, 0, 0, 0, time.UTC)}
			in.EndDate = &wire.Time{Time: time.Date(2000, 4, 4, 0, 0, 0, 0, time.UTC)}
		})
		time.Sleep(120 * 24 * time.Hour)
		w.expect("2000-04-01T07:30:00Z", "2000-04-01T14:00:00Z", "2000-04-03T06:30:00Z")
	})
}

func TestRate(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.create("now", "rate(1 hour)", func(in *CreateScheduleInput) { in.EndDate = &wire.Time{Time: time.Now().Add(150 * time.Minute)} })
		time.Sleep(24 * time.Hour)
		w.expect("2000-01-01T00:00:00Z", "2000-01-01T01:00:00Z", "2000-01-01T02:00:00Z")
		w.create("later", "rate(2 days)", func(in *CreateScheduleInput) {
			in.StartDate = &wire.Time{Time: time.Date(2000, 1, 3, 4, 5, 6, 0, time.UTC)}
			in.EndDate = &wire.Time{Time: time.Date(2000, 1, 5, 4, 5, 6, 0, time.UTC)}
		})
		time.Sleep(30 * 24 * time.Hour)
		if got := w.payloads()[3:]; !slices.Equal(got, []string{"2000-01-03T04:05:06Z", "2000-01-05T04:05:06Z"}) {
			t.Error(got)
		}
	})
}

// TestPast: a one-time schedule that is made after its time is sent at once.
func TestPast(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.create("past", "at(1999-12-31T23:00:00)", func(in *CreateScheduleInput) { in.ActionAfterCompletion = new("DELETE") })
		time.Sleep(time.Second)
		w.expect("1999-12-31T23:00:00Z")
		if _, err := w.getSchedule(t.Context(), &GetScheduleInput{Name: new("past")}); err == nil {
			t.Error("it is still there")
		}
	})
}

func TestActionAfterCompletion(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.create("keep", "at(2000-01-01T00:00:01)", nil)
		w.create("delete", "at(2000-01-01T00:00:01)", func(in *CreateScheduleInput) { in.ActionAfterCompletion = new("DELETE") })
		w.create("ends", "rate(1 minute)", func(in *CreateScheduleInput) {
			in.ActionAfterCompletion = new("DELETE")
			in.EndDate = &wire.Time{Time: time.Now().Add(90 * time.Second)}
		})
		time.Sleep(61 * time.Second)
		out, err := w.listSchedules(t.Context(), &ListSchedulesInput{})
		if err != nil || len(out.Schedules) != 1 || *out.Schedules[0].Name != "keep" {
			t.Errorf("%v %v", out, err)
		}
		if n := len(w.payloads()); n != 4 {
			t.Errorf("%d ticks, want 4", n)
		}
	})
}

// TestWindow: each tick is sent once in its window, and later than its time.
func TestWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.create("w", "cron(0 * * * ? *)", func(in *CreateScheduleInput) {
			in.FlexibleTimeWindow = &FlexibleTimeWindow{Mode: new("FLEXIBLE"), MaximumWindowInMinutes: new(int32(30))}
			in.StartDate = &wire.Time{Time: time.Now()}
		})
		spread := map[time.Duration]bool{}
		for h := range 24 {
			for n := len(w.payloads()); n == h; n = len(w.payloads()) {
				time.Sleep(20 * time.Second)
			}
			spread[time.Since(time.Date(2000, 1, 1, h, 0, 0, 0, time.UTC)).Truncate(time.Second)] = true
		}
		for d := range spread {
			if d < 0 || d > 30*time.Minute+20*time.Second {
				t.Errorf("sent after %v", d)
			}
		}
		if len(spread) < 10 {
			t.Errorf("24 ticks at %d different times", len(spread))
		}
		if got := w.payloads()[23]; got != "2000-01-01T23:00:00Z" {
			t.Errorf("the scheduled time is %s", got)
		}
	})
}

// TestMissed: while the server is down ticks are missed: a one-time schedule is
// sent late, of a recurring one the first is, and then it goes on as before.
func TestMissed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.create("hourly", "cron(0 * * * ? *)", func(in *CreateScheduleInput) { in.StartDate = &wire.Time{Time: time.Now().Add(time.Minute)} })
		w.create("once", "at(2000-01-01T01:30:00)", nil)
		w.Close()
		time.Sleep(5*time.Hour + 10*time.Minute)
		again := openWorld(t, w.DB)
		defer again.Close()
		time.Sleep(time.Second)
		again.expect("2000-01-01T01:00:00Z", "2000-01-01T01:30:00Z")
		time.Sleep(time.Hour)
		again.expect("2000-01-01T01:00:00Z", "2000-01-01T01:30:00Z", "2000-01-01T06:00:00Z")
	})
}

func TestManyAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const n = 3*batch + 7
		w.fill(n, time.Now().Add(time.Hour))
		w.alarm.Set(time.Now().Add(time.Hour))
		time.Sleep(time.Hour + time.Second)
		seen := map[string]bool{}
		for _, p := range w.payloads() {
			seen[p] = true
		}
		if len(seen) != n || len(w.payloads()) != n {
			t.Errorf("%d ticks of %d schedules, want %d", len(w.payloads()), len(seen), n)
		}
	})
}

// fill makes one-time schedules quickly; each sends its name.
func (w *world) fill(n int, at time.Time) {
	w.t.Helper()
	err := w.DB.Update(context.Background(), func(tx store.Tx) error {
		for i := range n {
			s := schedule{group: defaultGroup, name: fmt.Sprint("s", i), state: enabled, doc: doc{
				Expression: "at(" + at.UTC().Format("2006-01-02T15:04:05") + ")",
				Target:     &Target{Arn: new(queue), RoleArn: new(role), Input: new(fmt.Sprint("s", i))},
			}}
			w.plan(&s, time.Time{}, true)
			if err := s.insert(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestUpdate(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		set := func(expression, state, input string) {
			t.Helper()
			_, err := w.updateSchedule(t.Context(), &UpdateScheduleInput{
				Name: new("s"), ScheduleExpression: &expression, State: &state, FlexibleTimeWindow: &FlexibleTimeWindow{Mode: new("OFF")},
				Target: &Target{Arn: new(queue), RoleArn: new(role), Input: &input},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.create("s", "at(2000-01-01T01:00:00)", nil)
		set("at(2000-01-01T02:00:00)", "ENABLED", "two")
		time.Sleep(90 * time.Minute)
		w.expect()
		time.Sleep(time.Hour)
		w.expect("two")
		set("at(2000-01-01T02:00:00)", "ENABLED", "again") // sent already
		set("at(2000-01-01T02:00:00)", "DISABLED", "again")
		set("at(2000-01-01T02:00:00)", "ENABLED", "again")
		time.Sleep(time.Hour)
		w.expect("two")
		set("at(2000-01-01T05:00:00)", "DISABLED", "five")
		time.Sleep(3 * time.Hour)
		w.expect("two")
		set("rate(10 minutes)", "ENABLED", "rate")
		time.Sleep(15 * time.Minute)
		w.expect("two", "rate", "rate")
		set("rate(10 minutes)", "ENABLED", "other") // keeps its rhythm
		time.Sleep(6 * time.Minute)
		w.expect("two", "rate", "rate", "other")
	})
}

func TestDeleteStops(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.create("a", "at(2000-01-01T01:00:00)", nil)
		if _, err := w.deleteSchedule(t.Context(), &DeleteScheduleInput{Name: new("a")}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.createScheduleGroup(t.Context(), &CreateScheduleGroupInput{Name: new("g")}); err != nil {
			t.Fatal(err)
		}
		w.create("b", "at(2000-01-01T01:00:00)", func(in *CreateScheduleInput) { in.GroupName = new("g") })
		if _, err := w.deleteScheduleGroup(t.Context(), &DeleteScheduleGroupInput{Name: new("g")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		w.expect()
	})
}

func TestDeadLetter(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.desk.set(fmt.Errorf("%w: q", target.ErrNotFound))
		w.create("s", "at(2000-01-01T01:00:00)", func(in *CreateScheduleInput) {
			in.Target.Input = new("n=<aws.scheduler.attempt-number> <aws.scheduler.schedule-arn>")
			in.Target.DeadLetterConfig = &DeadLetterConfig{Arn: new("arn:aws:sqs:us-east-1:000000000000:dead")}
		})
		time.Sleep(2 * time.Hour)
		last := w.desk.taken()
		if len(last) != 1 {
			t.Fatalf("%d events", len(last))
		}
		a := last[0].Attributes
		for k, want := range map[string]string{
			"ERROR_CODE": "ResourceNotFoundException", "ERROR_MESSAGE": "does not exist: q", "RETRY_ATTEMPTS": "0",
			"IS_PAYLOAD_TRUNCATED": "false", "SCHEDULED_TIME": "2000-01-01T01:00:00Z", "TARGET_ARN": queue,
			"SCHEDULE_ARN": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s", "EXHAUSTED_RETRY_CONDITION": "",
		} {
			if a[k].String != want {
				t.Errorf("%s is %q, want %q", k, a[k].String, want)
			}
		}
		if len(a["EXECUTION_ID"].String) != 36 {
			t.Errorf("execution %q", a["EXECUTION_ID"].String)
		}
	})
}

func TestRetry(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.desk.set(fmt.Errorf("busy"))
		w.create("s", "at(2000-01-01T00:00:10)", func(in *CreateScheduleInput) {
			in.Target.Input = new("n=<aws.scheduler.attempt-number> <aws.scheduler.schedule-arn>")
			in.ActionAfterCompletion = new("DELETE")
		})
		time.Sleep(12 * time.Second)
		w.desk.set(nil)
		time.Sleep(time.Minute)
		w.expect("n=3 arn:aws:scheduler:us-east-1:000000000000:schedule/default/s")
	})
}

func BenchmarkFire(b *testing.B) {
	w := openWorld(b, openDB(b, filepath.Join(b.TempDir(), "x.db")))
	defer w.DB.Close()
	defer w.Close()
	w.fill(b.N, time.Now().Add(-time.Second))
	b.ResetTimer()
	for n := batch; n == batch; {
		var err error
		if n, _, err = w.fire(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
