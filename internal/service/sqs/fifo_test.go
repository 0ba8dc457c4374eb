package sqs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// virtual runs a test in virtual time: its database lives inside the bubble.
func virtual(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

func fifo(group, dedup, body string) draft {
	return draft{body: body, group: &group, dedup: &dedup}
}

func TestGroupsAreInOrderAndExclusive(t *testing.T) {
	w := newWorld(t)
	q := w.create("q.fifo")
	for i := range 4 {
		for _, g := range []string{"a", "b"} {
			w.push(q, fifo(g, g+strconv.Itoa(i), g+strconv.Itoa(i)))
		}
	}
	first := w.pull(q, 3)
	if got := bodies(first); got != "a0 a1 a2" {
		t.Fatalf("first: %s", got)
	}
	second := w.pull(q, 10)
	if got := bodies(second); got != "b0 b1 b2 b3" {
		t.Fatalf("second: %s", got)
	}
	if got := w.pull(q, 10); len(got) != 0 {
		t.Fatalf("of groups in flight: %s", bodies(got))
	}
	w.drop(q, first[:2]...)
	if got := w.pull(q, 10); len(got) != 0 {
		t.Fatalf("of a group of which one is in flight: %s", bodies(got))
	}
	w.drop(q, first[2])
	if got := bodies(w.pull(q, 10)); got != "a3" {
		t.Fatalf("after the deletes: %s", got)
	}
	w.want(q, 0, 5, 0)
}

func TestGroupComesBackWhole(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q.fifo")
		for i := range 3 {
			w.push(q, fifo("g", strconv.Itoa(i), strconv.Itoa(i)))
		}
		old := w.pull(q, 2)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		w.want(q, 3, 0, 0)
		r, _ := parseHandle(old[0].handle)
		if errs, err := w.erase(t.Context(), q, []receipt{r}); err != nil || errs[0] != errExpired {
			t.Errorf("delete with an expired handle: %v, %v", errs, err)
		}
		if got := bodies(w.pull(q, 10)); got != "0 1 2" {
			t.Errorf("after the timeout: %s", got)
		}
	})
}

// TestWaitingReceiverAfterRestart is a queue at which nothing happens but that
// time passes.
func TestWaitingReceiverAfterRestart(t *testing.T) {
	for _, name := range []string{"q", "q.fifo"} {
		virtual(t, func(t *testing.T, w *world) {
			q := w.create(name)
			d := draft{body: "late"}
			if q.fifo {
				d = fifo("g", "d", "late")
			}
			w.push(q, d)
			w.pull(q, 1)
			w.again()
			q = w.queue(name)
			ms, err := w.receive(t.Context(), q, 1, time.Minute, time.Hour)
			if err != nil || bodies(ms) != "late" {
				t.Errorf("%s: received %q, %v", name, bodies(ms), err)
			}
		})
	}
}

func TestDuplicates(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q.fifo", "ContentBasedDeduplication", "true")
		g, h := "g", "h"
		first := w.push(q, draft{body: "x", group: &g})
		again := w.push(q, draft{body: "x", group: &h})
		if again.id != first.id || again.seq != first.seq || !again.duplicate {
			t.Errorf("the repetition is %v at %d, want %v at %d", again.id, again.seq, first.id, first.seq)
		}
		w.want(q, 1, 0, 0)
		w.drop(q, w.pull(q, 1)...)
		w.again() // in a bubble, too
		q = w.queue("q.fifo")
		if m := w.push(q, draft{body: "x", group: &g}); !m.duplicate {
			t.Error("forgotten over a restart")
		}
		time.Sleep(window)
		if m := w.push(q, draft{body: "x", group: &g}); m.duplicate {
			t.Error("remembered for too long")
		}
		w.want(q, 1, 0, 0)
		time.Sleep(2 * window)
		synctest.Wait()
		w.noRows("sqs_dedup")
	})
}

func TestDuplicatesByGroup(t *testing.T) {
	w := newWorld(t)
	q := w.create("q.fifo", "DeduplicationScope", "messageGroup", "FifoThroughputLimit", "perMessageGroupId")
	w.push(q, fifo("g", "1", "x"))
	if m := w.push(q, fifo("h", "1", "x")); m.duplicate {
		t.Error("another group's")
	}
	if m := w.push(q, fifo("g", "1", "y")); !m.duplicate {
		t.Error("the same group's")
	}
}

func TestDelayedHeadHoldsItsGroup(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q.fifo", "DelaySeconds", "10")
		w.push(q, fifo("g", "1", "1"))
		_, err := w.api.setQueueAttributes(t.Context(), &SetQueueAttributesRequest{QueueUrl: str("http://x/" + testAccount + "/q.fifo"), Attributes: map[string]string{"DelaySeconds": "0"}})
		if err != nil {
			t.Fatal(err)
		}
		w.push(q, fifo("g", "2", "2"))
		w.want(q, 1, 0, 1)
		if got := w.pull(q, 10); len(got) != 0 {
			t.Fatalf("passed the first: %s", bodies(got))
		}
		ms, err := w.receive(t.Context(), q, 10, time.Minute, 20*time.Second)
		if err != nil || bodies(ms) != "1 2" {
			t.Fatalf("%s, %v", bodies(ms), err)
		}
	})
}

// Sixteen senders of a group each, and consumers that lose what they received.
func TestOrderUnderStorm(t *testing.T) {
	w := newWorld(t)
	q := w.create("q.fifo", "VisibilityTimeout", "1")
	const senders, each = 16, 60
	var sending sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for i := range each {
				g, d := strconv.Itoa(s%4), fmt.Sprintf("%d-%d", s, i)
				m, err := w.compose(q, &draft{body: d, group: &g, dedup: &d}, "me")
				if err == nil {
					err = w.send(context.Background(), q, m)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	var mu sync.Mutex
	done := map[string][]*message{}
	total := 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var consuming sync.WaitGroup
	for c := range 8 {
		consuming.Go(func() {
			for n := c; ctx.Err() == nil; n++ {
				ms, err := w.receive(ctx, q, 1+n%10, 200*time.Millisecond, time.Second)
				if err != nil || len(ms) == 0 || n%7 == 0 { // it crashes with what it got
					continue
				}
				keep := ms
				if n%5 == 0 { // it handles the first ones
					keep = ms[:1+len(ms)/2]
				}
				for _, m := range keep {
					r, _ := parseHandle(m.handle)
					errs, err := w.erase(context.Background(), q, []receipt{r})
					if err != nil || errs[0] != nil {
						break
					}
					mu.Lock()
					done[m.group] = append(done[m.group], m)
					total++
					if total == senders*each {
						stop()
					}
					mu.Unlock()
				}
			}
		})
	}
	sending.Wait()
	consuming.Wait()
	for g, ms := range done {
		if !slices.IsSortedFunc(ms, func(a, b *message) int { return int(a.seq - b.seq) }) {
			t.Errorf("group %s out of order", g)
		}
	}
	if total != senders*each {
		t.Errorf("%d of %d", total, senders*each)
	}
	w.want(q, 0, 0, 0)
	w.noRows("sqs_message")
}

func TestAttempts(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q.fifo")
		for i := range 3 {
			w.push(q, fifo("g", strconv.Itoa(i), strconv.Itoa(i)))
		}
		first, err := w.attempt(t.Context(), q, "try", 2, 30*time.Second, 0)
		if err != nil || bodies(first) != "0 1" {
			t.Fatal(bodies(first), err)
		}
		time.Sleep(20 * time.Second)
		second, err := w.attempt(t.Context(), q, "try", 2, 30*time.Second, 0)
		if err != nil || bodies(second) != "0 1" || second[0].handle != first[0].handle {
			t.Fatal(bodies(second), err)
		}
		time.Sleep(20 * time.Second) // the second one began the timeout anew
		w.drop(q, second[0])
		if third, err := w.attempt(t.Context(), q, "try", 2, 30*time.Second, 0); err != nil || len(third) != 0 {
			t.Fatal(bodies(third), err)
		}
	})
}

func TestSource(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q.fifo")
		for i := range 5 {
			w.push(q, fifo("g", strconv.Itoa(i), strconv.Itoa(i)))
		}
		info, err := w.Describe(t.Context(), q.arn)
		if err != nil || !info.FIFO || info.Visibility != 30*time.Second {
			t.Errorf("%+v %v", info, err)
		}
		rs, err := w.Receive(t.Context(), q.arn, 3)
		if err != nil || len(rs) != 3 || rs[0].Group != "g" {
			t.Fatal(rs, err)
		}
		if err := w.Settle(t.Context(), q.arn, rs[:1], rs[1:2], rs[2:]); err != nil {
			t.Fatal(err)
		}
		w.want(q, 3, 1, 0)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		rs, err = w.Receive(t.Context(), q.arn, 10)
		if err != nil || len(rs) != 4 || !strings.Contains(string(rs[0].Event), `"ApproximateReceiveCount":"2"`) ||
			!strings.Contains(string(rs[1].Event), `"ApproximateReceiveCount":"1"`) {
			t.Fatalf("%s %v", rs, err)
		}
		if err := w.Settle(t.Context(), q.arn, rs, nil, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Describe(t.Context(), q.arn+"x"); err == nil {
			t.Error("a queue that is not there")
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if _, err := w.Receive(ctx, q.arn, 1); ctx.Err() == nil || err == nil {
			t.Error("it did not wait")
		}
		_ = source.ErrNotFound
	})
}
