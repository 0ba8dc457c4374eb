package sqs

import (
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire/query"
)

func FuzzHandle(f *testing.F) {
	f.Add(makeHandle(1, &message{seq: 2, received: 3}))
	f.Add("AQEB")
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseHandle(s)
		if !ok {
			return
		}
		m := &message{seq: r.seq, received: r.count}
		if r.large {
			m.body = strings.Repeat("x", maxInline+1)
		}
		if again := makeHandle(r.queue, m); again != s {
			t.Errorf("%q is read as %+v, which is %q", s, r, again)
		}
	})
}

func TestHandlesOfOthersAreRefused(t *testing.T) {
	good := makeHandle(1, &message{seq: 2, received: 3})
	if _, ok := parseHandle(good); !ok {
		t.Fatal(good)
	}
	for i := range good {
		b := []byte(good)
		b[i] ^= 1
		if _, ok := parseHandle(string(b)); ok {
			t.Errorf("%q is taken for %q", b, good)
		}
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add(encode(map[string]attribute{"a": {Type: "String", String: "v"}, "b": {Type: "Binary", Binary: []byte{0}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil || len(m) == 0 {
			return
		}
		for name, a := range m {
			if a.binary() != (a.Binary != nil) {
				return // what encode does not write
			}
			_ = name
		}
		again, err := decode(encode(m))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%v became %v, %v", m, again, err)
		}
	})
}

func FuzzRedrivePolicy(f *testing.F) {
	f.Add(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:q","maxReceiveCount":"3"}`)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseRedrive(s)
		if err != nil {
			return
		}
		again, err := parseRedrive(compact(s))
		if err != nil || again.maxReceive != r.maxReceive || again.DeadLetterTargetARN != r.DeadLetterTargetARN {
			t.Errorf("%q became %q", s, compact(s))
		}
	})
}

func FuzzTaskHandle(f *testing.F) {
	f.Add(task{id: "1", source: "arn"}.handle())
	f.Fuzz(func(t *testing.T, s string) {
		if h, ok := parseTask(s); ok && (h.ID == "" || h.Source == "") {
			t.Errorf("%q is %+v", s, h)
		}
	})
}

// plan is how SQLite runs a query.
func (w *world) plan(query string, args ...any) string {
	var out []string
	err := w.db.View(w.t.Context(), func(tx store.Tx) error {
		return tx.Each("EXPLAIN QUERY PLAN "+query, args, func(scan func(...any) error) error {
			var id, parent, unused int64
			var detail string
			err := scan(&id, &parent, &unused, &detail)
			out = append(out, detail)
			return err
		})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(out, "; ")
}

// No statement of the hot path may look at rows that it is not about.
func TestQueryPlans(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string]string{
		`SELECT seq FROM sqs_message WHERE queue = 1 AND grp = 'g' AND dedup IS NOT NULL AND seq > 0 ORDER BY seq LIMIT 10`:                    "SEARCH sqs_message USING INDEX sqs_message_group (queue=? AND grp=? AND seq>?)",
		`SELECT ` + messageColumns + ` FROM sqs_message WHERE queue = 1 AND grp = 'g' AND dedup IS NOT NULL AND seq > 0 ORDER BY seq LIMIT 10`: "SEARCH sqs_message USING INDEX sqs_message_group (queue=? AND grp=? AND seq>?)",
		`UPDATE sqs_message SET visible = 1 WHERE seq = 1 AND queue = 1 AND visible <= 1 RETURNING seq`:                                        "SEARCH sqs_message USING INTEGER PRIMARY KEY (rowid=?)",
		`DELETE FROM sqs_message WHERE seq = 1 AND queue = 1 AND received = 1`:                                                                 "SEARCH sqs_message USING INTEGER PRIMARY KEY (rowid=?)",
		`DELETE FROM sqs_dedup WHERE (queue, scope, id) IN (SELECT queue, scope, id FROM sqs_dedup WHERE at <= 1 LIMIT 5)`:                     "SEARCH sqs_dedup USING INDEX sqs_dedup_at (at<?)",
		`SELECT message, seq FROM sqs_dedup WHERE queue = 1 AND scope = '' AND id = ''`:                                                        "(queue=? AND scope=? AND id=?)",
		`SELECT seq FROM sqs_message WHERE seq > 1 ORDER BY seq LIMIT 10`:                                                                      "SEARCH sqs_message USING INTEGER PRIMARY KEY (rowid>?)",
	} {
		if got := w.plan(query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s:\n%s", query, got)
		}
	}
}

// Whatever a form says, the answer is no fault of ours.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"Action=SendMessage&QueueUrl=http://h/000000000000/q&MessageBody=x&MessageAttribute.1.Name=a&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=v",
		"Action=SendMessageBatch&QueueUrl=http://h/000000000000/q&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x",
		"Action=CreateQueue&QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=1&Tag.1.Key=k&Tag.1.Value=v",
		"Action=ReceiveMessage&QueueUrl=http://h/000000000000/q&AttributeName.1=All&MaxNumberOfMessages=10",
		"Action=DeleteMessageBatch&QueueUrl=http://h/000000000000/q&DeleteMessageBatchRequestEntry.1.Id=a&DeleteMessageBatchRequestEntry.1.ReceiptHandle=x",
		"Action=AddPermission&QueueUrl=http://h/000000000000/q&Label=l&AWSAccountId.1=111111111111&ActionName.1=SendMessage",
	} {
		f.Add(seed)
	}
	w := newWorld(f)
	w.create("q")
	s := Service(w.Book)
	h := query.Protocol{}.Handler(s, nil)
	f.Fuzz(func(t *testing.T, form string) {
		if strings.Contains(form, "WaitTime") { // it would
			return
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		a := httptest.NewRecorder()
		h.ServeHTTP(a, r)
		if a.Code >= 500 {
			t.Errorf("%q: %d %s", form, a.Code, a.Body)
		}
	})
}
