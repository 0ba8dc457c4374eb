package sqs

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
	"github.com/mayfly-faas/mayfly/internal/wire/query"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

const testAccount = "000000000000"

// A world is a book on a database that can be opened again.
type world struct {
	t    testing.TB
	path string
	db   store.DB
	*Book
	api *api
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "queue.db")}
	w.open()
	t.Cleanup(w.shut)
	return w
}

func (w *world) open() {
	w.t.Helper()
	db, err := store.OpenSQLite(w.path, store.Options{Ballast: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := Open(context.Background(), Config{DB: db, Account: testAccount, Region: "us-east-1"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.db, w.Book, w.api = db, b, &api{b}
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

func (w *world) create(name string, attributes ...string) *queue {
	w.t.Helper()
	m := map[string]string{}
	for i := 0; i < len(attributes); i += 2 {
		m[attributes[i]] = attributes[i+1]
	}
	if strings.HasSuffix(name, ".fifo") {
		m["FifoQueue"] = "true"
	}
	if _, err := w.api.createQueue(context.Background(), &CreateQueueRequest{QueueName: &name, Attributes: m}); err != nil {
		w.t.Fatal(err)
	}
	return w.queue(name)
}

func (w *world) push(q *queue, d draft) *message {
	w.t.Helper()
	m, err := w.compose(q, &d, "me")
	if err == nil {
		err = w.send(context.Background(), q, m)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) pull(q *queue, n int) []*message {
	w.t.Helper()
	ms, err := w.receive(context.Background(), q, n, q.set.Load().visibility, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return ms
}

func (w *world) drop(q *queue, ms ...*message) {
	w.t.Helper()
	for _, m := range ms {
		r, ok := parseHandle(m.handle)
		if !ok {
			w.t.Fatalf("handle %q", m.handle)
		}
		errs, err := w.erase(context.Background(), q, []receipt{r})
		if err != nil || errs[0] != nil {
			w.t.Fatal(err, errs)
		}
	}
}

func (w *world) want(q *queue, visible, flying, delayed int) {
	w.t.Helper()
	if v, f, d := q.counts(); v != visible || f != flying || d != delayed {
		w.t.Errorf("%s has %d visible, %d in flight, %d delayed; want %d, %d, %d", q.name, v, f, d, visible, flying, delayed)
	}
}

func bodies(ms []*message) string {
	var out []string
	for _, m := range ms {
		out = append(out, m.body)
	}
	return strings.Join(out, " ")
}

// speakers runs a test in both protocols.
func speakers(t *testing.T, b *Book, test func(t *testing.T, c *wiretest.Client)) {
	for name, p := range map[string]wire.Protocol{"json": awsjson.Protocol{}, "query": query.Protocol{}} {
		s := Service(b)
		s.Protocol = p
		t.Run(name, func(t *testing.T) { test(t, wiretest.New(t, s)) })
	}
}

func str(s string) *string { return &s }

func TestSendReceiveDelete(t *testing.T) {
	w := newWorld(t)
	q := w.create("q")
	w.push(q, draft{body: "a"})
	w.push(q, draft{body: strings.Repeat("b", maxInline+1)})
	w.want(q, 2, 0, 0)
	ms := w.pull(q, 10)
	if len(ms) != 2 || ms[0].body != "a" || len(ms[1].body) != maxInline+1 {
		t.Fatalf("received %d: %.20s", len(ms), bodies(ms))
	}
	w.want(q, 0, 2, 0)
	w.again()
	q = w.queue("q")
	w.want(q, 0, 2, 0)
	w.drop(q, ms...)
	w.want(q, 0, 0, 0)
	w.again()
	w.want(w.queue("q"), 0, 0, 0)
	w.noRows("sqs_message", "sqs_body")
}

func (w *world) noRows(tables ...string) {
	w.t.Helper()
	for _, table := range tables {
		n := -1
		err := w.db.View(context.Background(), func(tx store.Tx) error {
			return tx.Get([]any{&n}, `SELECT COUNT(*) FROM `+table)
		})
		if err != nil || n != 0 {
			w.t.Errorf("%s has %d rows, %v", table, n, err)
		}
	}
}

func TestReceiverIsWoken(t *testing.T) {
	w := newWorld(t)
	q := w.create("q")
	got := make(chan []*message)
	for range 2 {
		go func() {
			ms, err := w.receive(t.Context(), q, 1, time.Minute, 20*time.Second)
			if err != nil {
				t.Error(err)
			}
			got <- ms
		}()
	}
	w.push(q, draft{body: "a"})
	w.push(q, draft{body: "b"})
	if a, b := <-got, <-got; len(a) != 1 || len(b) != 1 || a[0].body == b[0].body {
		t.Errorf("got %v and %v", bodies(a), bodies(b))
	}
}

func TestWireRoundTrip(t *testing.T) {
	w := newWorld(t)
	speakers(t, w.Book, func(t *testing.T, c *wiretest.Client) {
		name := strings.ReplaceAll(t.Name(), "/", "-")
		var made CreateQueueResult
		a := c.Do("CreateQueue", map[string]any{"QueueName": name, "Attributes": map[string]any{"VisibilityTimeout": "20"}, "tags": map[string]any{"k": "v"}}, &made)
		if a.Status != 200 || value0(made.QueueUrl) != c.URL()+"/"+testAccount+"/"+name {
			t.Fatalf("%d %s %s", a.Status, a.Body, value0(made.QueueUrl))
		}
		var sent SendMessageResult
		a = c.Do("SendMessage", map[string]any{"QueueUrl": *made.QueueUrl, "MessageBody": "msg", "MessageAttributes": map[string]any{
			"Hello": map[string]any{"DataType": "String", "StringValue": "There"}, "General": map[string]any{"DataType": "String", "StringValue": "Kenobi"},
			"Help.Me": map[string]any{"DataType": "String", "StringValue": "Me"}},
			"MessageSystemAttributes": map[string]any{"AWSTraceHeader": map[string]any{"DataType": "String", "StringValue": "Root=1"}}}, &sent)
		if a.Status != 200 || *sent.MD5OfMessageAttributes != "4c360f3fdafd970e05fae2f149d997f5" || *sent.MD5OfMessageBody != "6e2baaf3b97dbeef01c0043275f9a0e7" || sent.MD5OfMessageSystemAttributes == nil {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		var got ReceiveMessageResult
		a = c.Do("ReceiveMessage", map[string]any{"QueueUrl": *made.QueueUrl, "AttributeNames": []any{"All"}, "MessageAttributeNames": []any{"Hel.*", "Hello"}}, &got)
		if a.Status != 200 || len(got.Messages) != 1 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		m := got.Messages[0]
		if *m.Body != "msg" || m.MD5OfMessageAttributes == nil || len(m.MessageAttributes) != 2 || m.Attributes["AWSTraceHeader"] != "Root=1" || *m.MessageId != *sent.MessageId {
			t.Errorf("%s", a.Body)
		}
		a = c.Do("DeleteMessage", map[string]any{"QueueUrl": *made.QueueUrl, "ReceiptHandle": *m.ReceiptHandle}, nil)
		if a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		a = c.Do("GetQueueUrl", map[string]any{"QueueName": "nope"}, nil)
		if a.Status != 400 || a.Message != "The specified queue does not exist." {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}
