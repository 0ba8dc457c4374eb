package outbox

import (
	"context"
	"errors"
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
)

// A desk takes events, or fails as it is told.
type desk struct {
	mu    sync.Mutex // guards what follows
	fail  map[string]error
	got   []target.Delivery
	at    []time.Time
	to    []string
	tries int
}

func (d *desk) Enqueue(_ store.Tx, to arn.ARN, e target.Delivery) (func(), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries++
	if err := d.fail[to.Resource]; err != nil {
		return nil, err
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.got, d.at, d.to = append(d.got, e), append(d.at, time.Now()), append(d.to, to.Resource)
	}, nil
}

func (d *desk) set(resource string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail[resource] = err
}

// pass lets time go by, and all that is due then be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var errBusy = errors.New("busy")

// bubble runs a test in virtual time with a box whose target is a desk.
func bubble(t *testing.T, test func(t *testing.T, b *Box, d *desk)) {
	path := filepath.Join(t.TempDir(), "x.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := store.OpenSQLite(path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		d := &desk{fail: map[string]error{}}
		b := open(t, db, d)
		defer b.Close()
		test(t, b, d)
	})
}

func open(t *testing.T, db store.DB, d *desk) *Box {
	r := new(target.Router)
	r.Register("sqs", d)
	b, err := Open(t.Context(), Config{DB: db, Room: "test", Router: r, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Code: func(err error) string { return "CODE " + err.Error() }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func send(t *testing.T, b *Box, m Message) {
	t.Helper()
	m.First = time.Now()
	if m.MaxAge == 0 {
		m.MaxAge = 24 * time.Hour
	}
	var wake func()
	err := b.DB.Update(t.Context(), func(tx store.Tx) (err error) {
		wake, err = b.Send(tx, m)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wake()
}

const queue, dead = "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sqs:us-east-1:000000000000:dead"

func TestSendAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, b *Box, d *desk) {
		send(t, b, Message{To: queue, Delivery: target.Delivery{Payload: []byte("x")}})
		if len(d.got) != 1 || string(d.got[0].Payload) != "x" {
			t.Errorf("got %v", d.got)
		}
	})
}

func TestRetries(t *testing.T) {
	bubble(t, func(t *testing.T, b *Box, d *desk) {
		start := time.Now()
		d.set("q", errBusy)
		send(t, b, Message{To: queue, MaxAttempts: 185, Mark: "<n>", Delivery: target.Delivery{Payload: []byte("try <n>")}})
		pass(4 * time.Second) // it is tried at 1 s and at 3 s
		d.set("q", nil)
		pass(time.Minute)
		if len(d.got) != 1 || string(d.got[0].Payload) != "try 4" || d.at[0].Sub(start) != 7*time.Second {
			t.Errorf("got %s at %v", d.got, d.at)
		}
	})
}

// TestRestart: what waits is in the table alone.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T, b *Box, d *desk) {
		d.set("q", errBusy)
		for i := range 3*batch + 1 {
			send(t, b, Message{To: queue, MaxAttempts: 9, Delivery: target.Delivery{Payload: []byte(fmt.Sprint(i))}})
		}
		b.Close()
		pass(time.Hour)
		d.set("q", nil)
		again := open(t, b.DB, d)
		defer again.Close()
		pass(time.Second)
		if len(d.got) != 3*batch+1 {
			t.Errorf("%d arrived after the restart", len(d.got))
		}
	})
}

func TestGiveUp(t *testing.T) {
	for _, c := range []struct {
		name     string
		cause    error
		attempts int
		age      time.Duration
		want     string
	}{
		{"final", target.ErrNotFound, 5, time.Hour, "CODE target: does not exist|does not exist||0"},
		{"denied", target.ErrDenied, 5, time.Hour, "CODE target: permission denied|permission denied||0"},
		{"no retries", errBusy, 0, time.Hour, "CODE busy|busy|MaximumRetryAttempts|0"},
		{"attempts", errBusy, 2, time.Hour, "CODE busy|busy|MaximumRetryAttempts|2"},
		{"age", errBusy, 185, time.Minute, "CODE busy|busy|MaximumEventAgeInSeconds|5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *Box, d *desk) {
				d.set("q", fmt.Errorf("%w", c.cause))
				send(t, b, Message{
					To: queue, Dead: dead, MaxAttempts: c.attempts, MaxAge: c.age, DeadLetter: []byte("the event"),
					Labels: map[string]string{"RULE_ARN": "rule"}, Delivery: target.Delivery{Payload: []byte("x"), Trace: "Root=1"},
				})
				pass(2 * time.Hour)
				if !slices.Equal(d.to, []string{"dead"}) || string(d.got[0].Payload) != "the event" || d.got[0].Trace != "Root=1" {
					t.Fatalf("got %v %s", d.to, d.got)
				}
				a := d.got[0].Attributes
				if a["RULE_ARN"].String != "rule" || a["TARGET_ARN"].String != queue {
					t.Errorf("attributes %v", a)
				}
				var got []string
				for _, k := range []string{"ERROR_CODE", "ERROR_MESSAGE", "EXHAUSTED_RETRY_CONDITION", "RETRY_ATTEMPTS"} {
					got = append(got, a[k].String)
				}
				if s := strings.Join(got, "|"); s != c.want {
					t.Errorf("%s, want %s", s, c.want)
				}
			})
		})
	}
}

// TestDeadQueueBusy: the queue for what failed may fail itself for a while.
func TestDeadQueueBusy(t *testing.T) {
	bubble(t, func(t *testing.T, b *Box, d *desk) {
		d.set("q", target.ErrNotFound)
		d.set("dead", errBusy)
		send(t, b, Message{To: queue, Dead: dead, Delivery: target.Delivery{Payload: []byte("x")}})
		pass(time.Hour)
		d.set("dead", nil)
		pass(time.Hour)
		if len(d.got) != 1 || d.got[0].Attributes["ERROR_CODE"].String != "CODE target: does not exist" {
			t.Errorf("got %v", d.got)
		}
	})
}

func TestDropped(t *testing.T) {
	bubble(t, func(t *testing.T, b *Box, d *desk) {
		d.set("q", target.ErrDenied)
		send(t, b, Message{To: queue})
		send(t, b, Message{To: "arn:aws:nowhere:::x"})
		if b.Dropped() != 2 || d.tries != 1 {
			t.Errorf("%d dropped, %d tries", b.Dropped(), d.tries)
		}
		d.set("dead", target.ErrNotFound) // and so is the queue
		send(t, b, Message{To: queue, Dead: dead})
		if b.Dropped() != 3 {
			t.Errorf("%d dropped", b.Dropped())
		}
	})
}

// TestRollback: of a transaction that fails nothing is sent, kept or counted.
func TestRollback(t *testing.T) {
	bubble(t, func(t *testing.T, b *Box, d *desk) {
		d.set("q", errBusy)
		err := b.DB.Update(context.Background(), func(tx store.Tx) error {
			if _, err := b.Send(tx, Message{To: queue, First: time.Now(), MaxAge: time.Hour, MaxAttempts: 9}); err != nil {
				return err
			}
			return errBusy
		})
		if !errors.Is(err, errBusy) {
			t.Fatal(err)
		}
		d.set("q", nil)
		pass(time.Hour)
		if len(d.got) != 0 {
			t.Errorf("got %v", d.got)
		}
	})
}
