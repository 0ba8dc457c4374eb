package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeWire keeps what is sent.
type fakeWire struct {
	mu      sync.Mutex // guards what follows
	batches []string
	at      []time.Time
	fail    int // so many more
	closed  bool

	hang chan struct{} // unless nil, a batch is taken when it is closed
}

func (w *fakeWire) Send(ctx context.Context, batch []byte) error {
	if w.hang != nil {
		select {
		case <-w.hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail > 0 {
		w.fail--
		return errors.New("refused")
	}
	w.batches, w.at = append(w.batches, string(batch)), append(w.at, time.Now())
	return nil
}

func (w *fakeWire) Close() { w.closed = true }

// sent is the records of all batches, one line for each batch.
func (w *fakeWire) sent(t *testing.T) (lines []string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.batches {
		var events []struct{ Record any }
		if err := json.Unmarshal([]byte(b), &events); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		var records []string
		for _, e := range events {
			records = append(records, fmt.Sprint(e.Record))
		}
		lines = append(lines, strings.Join(records, " "))
	}
	return lines
}

func newHub(w *fakeWire) *Hub { return New(func(Subscription) Wire { return w }) }

func subscription(change ...func(*Subscription)) Subscription {
	s := Subscription{Schema: first, Types: []string{Platform, Function, Extension}, MaxItems: 1000, MaxBytes: 256 << 10, Wait: time.Second}
	for _, f := range change {
		f(&s)
	}
	return s
}

func line(text string) Event { return Event{Time: time.Now(), Category: Function, Line: text} }

func mustSubscribe(t *testing.T, h *Hub, name string, s Subscription) {
	t.Helper()
	if err := h.Subscribe(name, s, nil); err != nil {
		t.Fatal(err)
	}
}

func wantSent(t *testing.T, w *fakeWire, want ...string) {
	t.Helper()
	if got := w.sent(t); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// TestBatches: a batch goes when it has waited, is long or is large enough, and no
// sooner.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{}
		h := newHub(w)
		defer h.Reset()
		mustSubscribe(t, h, "a", subscription(func(s *Subscription) { s.MaxItems, s.MaxBytes = 3, 300 }))
		h.Publish(line("1"))
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		wantSent(t, w)
		h.Publish(line("2"))
		time.Sleep(time.Millisecond)
		synctest.Wait()
		wantSent(t, w, "1 2")
		for _, s := range []string{"3", "4", "5", "6"} {
			h.Publish(line(s))
		}
		synctest.Wait()
		wantSent(t, w, "1 2", "3 4 5")
		h.Publish(line(strings.Repeat("x", 300)))
		synctest.Wait()
		wantSent(t, w, "1 2", "3 4 5", "6", strings.Repeat("x", 300))
	})
}

// TestRetries: what is refused is sent again, before what came later.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{fail: 5}
		h := newHub(w)
		defer h.Reset()
		mustSubscribe(t, h, "a", subscription())
		h.Publish(line("1"))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		h.Flush(ctx)
		wantSent(t, w)
		h.Publish(line("2"))
		h.Flush(t.Context())
		if got := strings.Join(w.sent(t), " "); got != "1 2" {
			t.Errorf("sent %q", got)
		}
	})
}

// TestPause: nothing is sent to a sandbox that is frozen.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{}
		h := newHub(w)
		mustSubscribe(t, h, "a", subscription())
		h.Pause()
		h.Publish(line("1"))
		time.Sleep(time.Hour)
		synctest.Wait()
		wantSent(t, w)
		h.Resume()
		synctest.Wait()
		wantSent(t, w, "1")
		h.Reset()
		h.Publish(line("2"))
		if !w.closed || h.Wanted() {
			t.Error("the subscription outlives a reset")
		}
	})
}

// TestSlow: of what an extension does not take, so much is kept; it hears of the rest.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{hang: make(chan struct{})}
		h := newHub(w)
		defer h.Reset()
		mustSubscribe(t, h, "a", subscription(func(s *Subscription) { s.MaxItems = mostWaiting }))
		for range mostWaiting + 7 {
			h.Publish(line("x"))
		}
		close(w.hang)
		h.Flush(t.Context())
		time.Sleep(2 * time.Second)
		h.Flush(t.Context())
		all := strings.Join(w.sent(t), " ")
		if n := strings.Count(all, "x"); n != mostWaiting {
			t.Errorf("%d events came, want %d", n, mostWaiting)
		}
		if !strings.Contains(all, "droppedRecords:7 ") {
			t.Errorf("nothing tells of what was dropped: %s", all[max(0, len(all)-300):])
		}
	})
}

// TestLateSubscriber: who subscribes late in the Init phase hears what happened in it
// before.
func TestLateSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{}
		h := newHub(w)
		defer h.Reset()
		h.Publish(line("nobody"))
		h.Keep()
		h.Publish(line("1"))
		told := 0
		for range 2 {
			if err := h.Subscribe("a", subscription(), func() { told++ }); err != nil {
				t.Error(err)
			}
		}
		if err := h.Subscribe("b", subscription(func(s *Subscription) { s.API = LogsAPI }), nil); !errors.Is(err, ErrOtherAPI) {
			t.Errorf("the other API: %v", err)
		}
		h.Seal()
		if err := h.Subscribe("b", subscription(), nil); !errors.Is(err, ErrClosed) {
			t.Errorf("late: %v", err)
		}
		h.Publish(line("2"))
		h.Flush(t.Context())
		wantSent(t, w, "1 2")
		if told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

// TestSealed: when nobody has subscribed, events cost nothing any more.
func TestSealed(t *testing.T) {
	h := newHub(&fakeWire{})
	h.Keep()
	if h.Seal(); h.Wanted() {
		t.Error("events are wanted by nobody")
	}
}

func TestCategories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{}
		h := newHub(w)
		defer h.Reset()
		mustSubscribe(t, h, "a", subscription(func(s *Subscription) { s.Types = []string{Extension} }))
		h.Publish(line("1"))
		h.Publish(Event{Category: Extension, Line: "2"})
		h.Publish(Event{Category: Platform, Kind: "platform.start", Record: []byte("3")})
		h.Flush(t.Context())
		wantSent(t, w, "2")
	})
}

func TestEventForms(t *testing.T) {
	at := time.Date(2026, 11, 24, 4, 5, 6, 789e6, time.UTC)
	platform := func(kind string) Event {
		return Event{Time: at, Category: Platform, Kind: kind, Record: []byte(`{"a":1}`)}
	}
	for _, tt := range []struct {
		e            Event
		schema, want string
	}{
		{Event{Time: at, Category: Function, Line: `a "<b>"`}, first, `{"time":"2026-11-24T04:05:06.789Z","type":"function","record":"a \"<b>\""}`},
		{Event{Time: at, Category: Extension, Line: "\xff"}, first, `{"time":"2026-11-24T04:05:06.789Z","type":"extension","record":"\ufffd"}`},
		{Event{Time: at, Category: Function, Line: `{"a":1}`, JSON: true}, first, `{"time":"2026-11-24T04:05:06.789Z","type":"function","record":"{\"a\":1}"}`},
		{Event{Time: at, Category: Function, Line: `{"a":1}`, JSON: true}, structured, `{"time":"2026-11-24T04:05:06.789Z","type":"function","record":{"a":1}}`},
		{Event{Time: at, Category: Function, Line: `{"a":1}`}, latest, `{"time":"2026-11-24T04:05:06.789Z","type":"function","record":"{\"a\":1}"}`},
		{Event{Time: at, Category: Function, Line: `{"a":`, JSON: true}, latest, `{"time":"2026-11-24T04:05:06.789Z","type":"function","record":"{\"a\":"}`},
		{platform("platform.start"), first, `{"time":"2026-11-24T04:05:06.789Z","type":"platform.start","record":{"a":1}}`},
		{platform("platform.end"), first, ""},
		{platform("platform.end"), firstLogs, `{"time":"2026-11-24T04:05:06.789Z","type":"platform.end","record":{"a":1}}`},
		{platform("platform.runtimeDone"), firstLogs, ""},
		{platform("platform.runtimeDone"), secondLogs, `{"time":"2026-11-24T04:05:06.789Z","type":"platform.runtimeDone","record":{"a":1}}`},
		{platform("platform.logsSubscription"), first, ""},
		{platform("platform.telemetrySubscription"), secondLogs, ""},
	} {
		if got := string(tt.e.appendTo(nil, tt.schema)); got != tt.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", tt.schema, tt.e.Kind, got, tt.want)
		}
	}
}

func TestTCPBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{}
		h := newHub(w)
		defer h.Reset()
		mustSubscribe(t, h, "a", subscription(func(s *Subscription) { s.TCP = true }))
		h.Publish(line("1"))
		h.Publish(line("2"))
		h.Flush(t.Context())
		if len(w.batches) != 1 || strings.Count(w.batches[0], "\n") != 2 || !strings.HasSuffix(w.batches[0], "\n") {
			t.Errorf("batches %q", w.batches)
		}
	})
}
