package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

func TestVisibility(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q")
		w.push(q, draft{body: "a"})
		first := w.pull(q, 1)
		time.Sleep(29 * time.Second)
		if got := w.pull(q, 1); len(got) != 0 {
			t.Fatal("it is still hidden")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		w.want(q, 1, 0, 0)
		second := w.pull(q, 1)
		if len(second) != 1 || second[0].received != 2 || second[0].first != first[0].first || second[0].handle == first[0].handle {
			t.Fatalf("%+v", second)
		}
		w.drop(q, first...) // says that it did, and does not
		w.want(q, 0, 1, 0)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		w.drop(q, second...) // too late, but nobody has received it since
		w.want(q, 0, 0, 0)
		w.noRows("sqs_message")
		if got := w.pull(q, 1); len(got) != 0 {
			t.Fatal("it was deleted")
		}
	})
}

// hideFor changes the visibility of m.
func (w *world) hideFor(q *queue, m *message, d time.Duration) error {
	w.t.Helper()
	r, _ := parseHandle(m.handle)
	errs, err := w.hide(context.Background(), q, []hiding{{r, d}})
	if err != nil {
		w.t.Fatal(err)
	}
	return errs[0]
}

func TestChangeVisibility(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q")
		w.push(q, draft{body: "a"})
		m := w.pull(q, 1)[0]
		if err := w.hideFor(q, m, time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		w.want(q, 0, 1, 0)
		if err := w.hideFor(q, m, 12*time.Hour); !errors.Is(err, errTooLong) {
			t.Errorf("twelve hours and a minute: %v", err)
		}
		if err := w.hideFor(q, m, 0); err != nil {
			t.Fatal(err)
		}
		w.want(q, 1, 0, 0)
		if err := w.hideFor(q, m, time.Minute); !errors.Is(err, errNotFlying) {
			t.Errorf("of a visible one: %v", err)
		}
		n := w.pull(q, 1)[0]
		if err := w.hideFor(q, m, time.Minute); !errors.Is(err, errGone) {
			t.Errorf("with an old handle: %v", err)
		}
		w.drop(q, n)
		if err := w.hideFor(q, n, time.Minute); !errors.Is(err, errGone) {
			t.Errorf("of a deleted one: %v", err)
		}
	})
}

func TestDelay(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q", "DelaySeconds", "5")
		w.push(q, draft{body: "queue's"})
		w.push(q, draft{body: "own", delay: new(int32(60))})
		w.push(q, draft{body: "none", delay: new(int32(0))})
		w.want(q, 1, 0, 2)
		w.again()
		q = w.queue("q")
		w.want(q, 1, 0, 2)
		start := time.Now()
		for _, body := range []string{"none", "queue's"} {
			ms, err := w.receive(t.Context(), q, 1, time.Hour, 20*time.Second)
			if err != nil || bodies(ms) != body {
				t.Fatalf("%s, %v", bodies(ms), err)
			}
		}
		if took := time.Since(start); took < 5*time.Second || took > 5*time.Second+time.Millisecond*10 {
			t.Errorf("the queue's delay took %v", took)
		}
		w.want(q, 0, 2, 1)
	})
}

func TestLongPollEnds(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q")
		start := time.Now()
		if ms, err := w.receive(t.Context(), q, 1, 0, 20*time.Second); len(ms) != 0 || err != nil || time.Since(start) != 20*time.Second {
			t.Errorf("%v %v after %v", ms, err, time.Since(start))
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := w.receive(ctx, q, 1, 0, 20*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the client went: %v", err)
		}
		if q.waiters.Len() != 0 {
			t.Error("somebody waits still")
		}
		ended := make(chan error)
		go func() {
			_, err := w.receive(context.Background(), q, 1, 0, 20*time.Second)
			ended <- err
		}()
		synctest.Wait()
		if _, err := w.api.deleteQueue(t.Context(), &DeleteQueueRequest{QueueUrl: benchURL(w, q)}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, errNoQueue) {
			t.Errorf("the queue was deleted: %v", err)
		}
	})
}

// A message that one receiver could not take any more wakes the next.
func TestWakeIsPassedOn(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q")
		ctx, stop := context.WithCancel(t.Context())
		got := make(chan int, 2)
		for _, c := range []context.Context{ctx, t.Context()} {
			go func() {
				ms, _ := w.receive(c, q, 1, time.Minute, time.Hour)
				got <- len(ms)
			}()
			synctest.Wait()
		}
		w.push(q, draft{body: "x"})
		stop()
		if a, b := <-got, <-got; a+b != 1 {
			// The first one had it before it went, and the other still waits, or the other has it.
			t.Errorf("%d and %d", a, b)
		}
	})
}

func TestRedriveToDeadLetterQueue(t *testing.T) {
	for _, suffix := range []string{"", ".fifo"} {
		virtual(t, func(t *testing.T, w *world) {
			dlq := w.create("dlq" + suffix)
			q := w.create("q"+suffix, "RedrivePolicy", `{"deadLetterTargetArn":"`+dlq.arn+`","maxReceiveCount":"2"}`)
			d := draft{body: strings.Repeat("x", maxInline+1), attributes: map[string]attribute{"a": {Type: "String", String: "v"}}}
			if suffix != "" {
				d.group, d.dedup = str("g"), str("1")
			}
			sent := w.push(q, d)
			for range 2 {
				if got := w.pull(q, 1); len(got) != 1 {
					t.Fatal("not received")
				}
				time.Sleep(30 * time.Second)
				synctest.Wait()
			}
			if got := w.pull(q, 1); len(got) != 0 {
				t.Fatal("received too often")
			}
			w.want(q, 0, 0, 0)
			w.want(dlq, 1, 0, 0)
			w.again()
			dlq = w.queue("dlq" + suffix)
			w.want(dlq, 1, 0, 0)
			m := w.pull(dlq, 1)[0]
			s := m.system(dlq)
			if m.id != sent.id || m.body != sent.body || s["DeadLetterQueueSourceArn"] != q.arn || s["ApproximateReceiveCount"] != "3" || string(m.attributes) != string(sent.attributes) {
				t.Errorf("%v %v", m.id, s)
			}
			if suffix == "" && m.sent != sent.sent {
				t.Error("its age is not that of its first queue")
			}
			w.drop(dlq, m)
			w.noRows("sqs_message", "sqs_body")
		})
	}
}

func TestMoveTask(t *testing.T) {
	for _, suffix := range []string{"", ".fifo"} {
		virtual(t, func(t *testing.T, w *world) {
			dlq := w.create("dlq" + suffix)
			q := w.create("q"+suffix, "VisibilityTimeout", "0", "RedrivePolicy", `{"deadLetterTargetArn":"`+dlq.arn+`","maxReceiveCount":1}`)
			for i := range 5 {
				d := draft{body: strconv.Itoa(i)}
				if suffix != "" {
					d.group, d.dedup = str("g"), str(d.body)
				}
				w.push(q, d)
			}
			for range 20 {
				w.pull(q, 10)
			}
			w.want(dlq, 5, 0, 0)
			out, err := w.api.startMessageMoveTask(t.Context(), &StartMessageMoveTaskRequest{SourceArn: &dlq.arn, MaxNumberOfMessagesPerSecond: new(int32(1))})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.api.startMessageMoveTask(t.Context(), &StartMessageMoveTaskRequest{SourceArn: &dlq.arn}); err == nil || !strings.Contains(err.Error(), "already a task running") {
				t.Errorf("a second one: %v", err)
			}
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			w.again() // and it goes on
			q, dlq = w.queue("q"+suffix), w.queue("dlq"+suffix)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			list, err := w.api.listMessageMoveTasks(t.Context(), &ListMessageMoveTasksRequest{SourceArn: &dlq.arn})
			if err != nil || len(list.Results) != 1 || *list.Results[0].Status != completed || *list.Results[0].ApproximateNumberOfMessagesMoved != 5 || list.Results[0].TaskHandle != nil {
				t.Fatalf("%+v %v", list.Results[0], err)
			}
			w.want(dlq, 0, 0, 0)
			w.want(q, 5, 0, 0)
			if got := bodies(w.pull(q, 10)); got != "0 1 2 3 4" {
				t.Errorf("moved: %s", got)
			}
			if _, err := w.api.cancelMessageMoveTask(t.Context(), &CancelMessageMoveTaskRequest{TaskHandle: out.TaskHandle}); err == nil {
				t.Error("cancelled what is over")
			}
		})
	}
}

func TestCancelMoveTask(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		dlq, other := w.create("dlq"), w.create("other")
		w.create("q", "RedrivePolicy", `{"deadLetterTargetArn":"`+dlq.arn+`","maxReceiveCount":1}`)
		w.fill(dlq, 10, "x")
		out, err := w.api.startMessageMoveTask(t.Context(), &StartMessageMoveTaskRequest{SourceArn: &dlq.arn, DestinationArn: &other.arn, MaxNumberOfMessagesPerSecond: new(int32(1))})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if _, err := w.api.cancelMessageMoveTask(t.Context(), &CancelMessageMoveTaskRequest{TaskHandle: out.TaskHandle}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		list, err := w.api.listMessageMoveTasks(t.Context(), &ListMessageMoveTasksRequest{SourceArn: &dlq.arn})
		if err != nil || *list.Results[0].Status != cancelled || *list.Results[0].ApproximateNumberOfMessagesMoved != 3 {
			t.Errorf("%+v %v", list.Results[0], err)
		}
		w.want(dlq, 7, 0, 0)
		w.want(other, 3, 0, 0)

		// Without a destination there must be an origin.
		if _, err := w.api.startMessageMoveTask(t.Context(), &StartMessageMoveTaskRequest{SourceArn: &dlq.arn}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		list, err = w.api.listMessageMoveTasks(t.Context(), &ListMessageMoveTasksRequest{SourceArn: &dlq.arn})
		if err != nil || *list.Results[0].Status != failed || *list.Results[0].FailureReason != "CouldNotDetermineMessageSource" {
			t.Errorf("%+v %v", list.Results[0], err)
		}
		w.want(dlq, 7, 0, 0)
	})
}

func TestPurge(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		for _, name := range []string{"q", "q.fifo"} {
			q := w.create(name)
			put := func(body string) {
				d := draft{body: body}
				if q.fifo {
					d.group, d.dedup = str("g"+body), str(body)
				}
				w.push(q, d)
			}
			for i := range 5 {
				put(strconv.Itoa(i))
			}
			ms := w.pull(q, 2)
			if _, err := w.api.purgeQueue(t.Context(), &PurgeQueueRequest{QueueUrl: benchURL(w, q)}); err != nil {
				t.Fatal(err)
			}
			w.want(q, 0, 0, 0)
			if _, err := w.api.purgeQueue(t.Context(), &PurgeQueueRequest{QueueUrl: benchURL(w, q)}); err == nil || !strings.Contains(err.Error(), "every 60 seconds") {
				t.Errorf("a second purge: %v", err)
			}
			put("after")
			synctest.Wait()
			w.drop(q, ms...)
			if got := bodies(w.pull(q, 10)); got != "after" {
				t.Errorf("%s: received %s", name, got)
			}
			w.want(q, 0, 1, 0)
		}
		w.again()
		w.want(w.queue("q"), 0, 1, 0)
		time.Sleep(time.Minute)
		if _, err := w.api.purgeQueue(t.Context(), &PurgeQueueRequest{QueueUrl: benchURL(w, w.queue("q"))}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRetention(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q", "MessageRetentionPeriod", "60")
		f := w.create("q.fifo", "MessageRetentionPeriod", "60")
		w.push(q, draft{body: "old"})
		w.push(q, draft{body: "late", delay: new(int32(900))})
		w.push(f, fifo("g", "1", "old"))
		time.Sleep(59 * time.Second)
		w.push(q, draft{body: "young"})
		time.Sleep(time.Second)
		if got := bodies(w.pull(f, 10)); got != "" { // before it is swept
			t.Errorf("received %s", got)
		}
		time.Sleep(2 * cleanEvery)
		synctest.Wait()
		w.want(q, 0, 0, 0)
		w.want(f, 0, 0, 0)
		w.noRows("sqs_message")
	})
}

func TestDeletedQueue(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		q := w.create("q")
		w.fill(q, 3, "x")
		u := benchURL(w, q)
		if _, err := w.api.deleteQueue(t.Context(), &DeleteQueueRequest{QueueUrl: u}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.noRows("sqs_message", "sqs_queue")
		if _, err := w.api.createQueue(t.Context(), &CreateQueueRequest{QueueName: str("q")}); err == nil || !strings.Contains(err.Error(), "You must wait 60 seconds") {
			t.Errorf("made again at once: %v", err)
		}
		w.committedTo(q)
		time.Sleep(time.Minute)
		w.want(w.create("q"), 0, 0, 0)
	})
}

// committedTo sends to a queue that was deleted meanwhile.
func (w *world) committedTo(q *queue) {
	m, err := w.compose(q, &draft{body: "late"}, "me")
	if err == nil {
		err = w.send(context.Background(), q, m)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	w.noRows("sqs_message")
}

func TestInFlightLimit(t *testing.T) {
	w := newWorld(t)
	q := w.create("q")
	w.fill(q, 2, "x")
	m := w.pull(q, 1)
	q.mu.Lock()
	q.flying += maxFlying - 1
	q.mu.Unlock()
	if _, err := w.receive(t.Context(), q, 1, time.Minute, 0); !errors.Is(err, errOverLimit) {
		t.Errorf("over the limit: %v", err)
	}
	w.drop(q, m...)
	if got := w.pull(q, 10); len(got) != 1 {
		t.Errorf("below the limit: %d", len(got))
	}
}

func TestEnqueue(t *testing.T) {
	w := newWorld(t)
	q, f := w.create("q"), w.create("q.fifo", "ContentBasedDeduplication", "true")
	var router target.Router
	router.Register("sqs", w.Book)
	send := func(to string, d target.Delivery) error {
		var committed func()
		err := w.db.Update(t.Context(), func(tx store.Tx) (err error) {
			committed, err = router.Enqueue(tx, to, d)
			return err
		})
		if err == nil {
			committed()
		}
		return err
	}
	d := target.Delivery{Payload: []byte("p"), Trace: "Root=1", Attributes: map[string]target.Attribute{"n": {Type: "Number", String: "1"}}, Group: "g"}
	for range 2 {
		if err := errors.Join(send(q.arn, d), send(f.arn, d)); err != nil {
			t.Fatal(err)
		}
	}
	w.want(q, 2, 0, 0)
	w.want(f, 1, 0, 0)
	rs, err := w.Receive(t.Context(), q.arn, 1)
	if err != nil || rs[0].Trace != "Root=1" {
		t.Fatal(rs, err)
	}
	var event struct {
		Body, EventSource, EventSourceARN, AWSRegion, MD5OfBody string
		Attributes                                              map[string]string
		MessageAttributes                                       map[string]struct {
			StringValue, DataType string
			StringListValues      []string
		}
	}
	if err := json.Unmarshal(rs[0].Event, &event); err != nil || event.Body != "p" || event.EventSource != "aws:sqs" || event.EventSourceARN != q.arn ||
		event.MessageAttributes["n"].StringValue != "1" || event.MessageAttributes["n"].StringListValues == nil || event.Attributes["AWSTraceHeader"] != "Root=1" {
		t.Errorf("%s %v", rs[0].Event, err)
	}
	for _, bad := range []error{
		send(q.arn+"x", d), send("arn:aws:sqs:us-east-1:111111111111:q", d),
	} {
		if !errors.Is(bad, target.ErrNotFound) {
			t.Errorf("of no queue: %v", bad)
		}
	}
	for _, bad := range []error{
		send(q.arn, target.Delivery{}), send(q.arn, target.Delivery{Payload: []byte{0}}), send(f.arn, target.Delivery{Payload: []byte("x")}),
		send(q.arn, target.Delivery{Payload: []byte(strings.Repeat("x", maxMessage+1))}),
	} {
		if !errors.Is(bad, target.ErrInvalid) {
			t.Errorf("refused as %v", bad)
		}
	}
	if _, err := w.Enqueue(nil, arn.ARN{Service: "sqs", Resource: "q"}, d); !errors.Is(err, target.ErrNotFound) {
		t.Error(err)
	}
}

// Many senders, receivers that crash, and others that change what they got.
func TestStorm(t *testing.T) {
	w := newWorld(t)
	q := w.create("q")
	const senders, each = 8, 200
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				m, err := w.compose(q, &draft{body: fmt.Sprintf("%d-%d", s, i)}, "me")
				if err == nil {
					err = w.send(context.Background(), q, m)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	var done sync.Map
	var total atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for c := range 8 {
		wg.Go(func() {
			for n := c; ctx.Err() == nil; n++ {
				ms, err := w.receive(ctx, q, 1+n%10, 100*time.Millisecond, time.Second)
				if err != nil || n%9 == 0 {
					continue
				}
				for i, m := range ms {
					if i%5 == 4 {
						w.hideFor(q, m, 0)
						continue
					}
					r, _ := parseHandle(m.handle)
					if _, err := w.erase(context.Background(), q, []receipt{r}); err != nil {
						t.Error(err)
					}
					done.Store(m.body, true)
				}
				if v, f, d := q.counts(); v+f+d == 0 && total.Load() == 0 {
					n := 0
					done.Range(func(any, any) bool { n++; return true })
					if n == senders*each {
						stop()
					}
				}
			}
		})
	}
	wg.Wait()
	w.want(q, 0, 0, 0)
	w.noRows("sqs_message")
}

func TestPolicyForOthers(t *testing.T) {
	w := newWorld(t)
	const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}`
	w.create("plain")
	w.create("open", "Policy", policy)
	for name, want := range map[string]string{"plain": "", "open": policy} {
		got, err := w.Policy(t.Context(), arn.ARN{Service: "sqs", Region: "us-east-1", Account: testAccount, Resource: name})
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, to := range []arn.ARN{
		{Service: "sqs", Region: "us-east-1", Account: testAccount, Resource: "nope"},
		{Service: "sqs", Region: "eu-west-1", Account: testAccount, Resource: "plain"},
	} {
		if _, err := w.Policy(t.Context(), to); !errors.Is(err, target.ErrNotFound) {
			t.Errorf("%s: %v", to, err)
		}
	}
}
