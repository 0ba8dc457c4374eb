package sns

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

// A desk is a target that remembers what it took. What is called gone is not there.
type desk struct {
	mu  sync.Mutex
	got map[string][]target.Delivery
}

func (d *desk) Enqueue(tx store.Tx, to arn.ARN, e target.Delivery) (func(), error) {
	if strings.HasSuffix(to.Resource, "gone") {
		return nil, fmt.Errorf("%w: %s", target.ErrNotFound, to)
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.got == nil {
			d.got = map[string][]target.Delivery{}
		}
		d.got[to.Resource] = append(d.got[to.Resource], e)
	}, nil
}

func (d *desk) take(name string) []target.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	got := d.got[name]
	delete(d.got, name)
	return got
}

// A lab is a Book with a desk for queues and functions, and a client.
type lab struct {
	*wiretest.Client
	t     *testing.T
	desk  *desk
	book  *Book
	posts chan post
}

type post struct {
	url     string
	headers map[string]string
	body    string
	answer  chan int
}

func newLab(t *testing.T) *lab {
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "queue.db"), store.Options{Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, desk: &desk{}, posts: make(chan post)}
	router := &target.Router{}
	router.Register("sqs", l.desk)
	router.Register("lambda", l.desk)
	l.book, err = Open(t.Context(), Config{DB: db, Router: router, Account: "000000000000", Region: "us-east-1",
		Post: func(ctx context.Context, url string, headers map[string]string, body []byte) (int, error) {
			p := post{url, headers, string(body), make(chan int, 1)}
			select {
			case l.posts <- p:
				return <-p.answer, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.book.Close()
		db.Close()
	})
	l.Client = wiretest.New(t, Service(l.book))
	return l
}

// do calls an operation that must succeed.
func (l *lab) do(op string, in map[string]any, out any) {
	l.t.Helper()
	if a := l.Do(op, plain(in), out); a.Code != "" {
		l.t.Fatalf("%s: %s: %s", op, a.Code, a.Message)
	}
}

// refuse calls an operation that must fail so.
func (l *lab) refuse(op string, in map[string]any, status int, code, text string) {
	l.t.Helper()
	a := l.Do(op, plain(in), nil)
	if a.Status != status || a.Code != code || !strings.Contains(a.Message, text) {
		l.t.Errorf("%s %v: %d %s %q, want %d %s %q", op, in, a.Status, a.Code, a.Message, status, code, text)
	}
}

// plain is in as JSON has it, which is what the client takes.
func plain(in map[string]any) (out map[string]any) {
	b, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

const topicA = "arn:aws:sns:us-east-1:000000000000:a"

func (l *lab) topic(name string, attributes map[string]string) string {
	l.t.Helper()
	var out CreateTopicResponse
	l.do("CreateTopic", map[string]any{"Name": name, "Attributes": attributes}, &out)
	return *out.TopicArn
}

func (l *lab) subscribe(topic, protocol, endpoint string, attributes map[string]string) string {
	l.t.Helper()
	var out SubscribeResponse
	l.do("Subscribe", map[string]any{"TopicArn": topic, "Protocol": protocol, "Endpoint": endpoint, "Attributes": attributes, "ReturnSubscriptionArn": true}, &out)
	return *out.SubscriptionArn
}

func queue(name string) string    { return "arn:aws:sqs:us-east-1:000000000000:" + name }
func function(name string) string { return "arn:aws:lambda:us-east-1:000000000000:function:" + name }

func TestTopics(t *testing.T) {
	l := newLab(t)
	if got := l.topic("a", map[string]string{"DisplayName": "A"}); got != topicA {
		t.Fatalf("ARN %s", got)
	}
	if got := l.topic("a", nil); got != topicA {
		t.Fatalf("made again: %s", got)
	}
	l.refuse("CreateTopic", map[string]any{"Name": "a", "Attributes": map[string]string{"DisplayName": "B"}}, 400, "InvalidParameter", "already exists with different attributes")
	l.refuse("CreateTopic", map[string]any{"Name": "a", "Tags": []map[string]string{{"Key": "k", "Value": "v"}}}, 400, "InvalidParameter", "already exists with different tags")
	l.refuse("CreateTopic", map[string]any{"Name": "no space"}, 400, "InvalidParameter", "Topic Name")
	l.refuse("CreateTopic", map[string]any{"Name": "x.fifo"}, 400, "InvalidParameter", "Topic Name")
	l.refuse("CreateTopic", map[string]any{"Name": "x", "Attributes": map[string]string{"FifoTopic": "true"}}, 400, "InvalidParameter", "must end with .fifo")
	l.refuse("CreateTopic", map[string]any{"Name": "x", "Attributes": map[string]string{"Nonsense": "1"}}, 400, "InvalidParameter", "AttributeName")
	l.refuse("CreateTopic", map[string]any{"Name": "x", "Attributes": map[string]string{"Policy": "{"}}, 400, "InvalidParameter", "Policy")

	var got GetTopicAttributesResponse
	l.do("SetTopicAttributes", map[string]any{"TopicArn": topicA, "AttributeName": "DisplayName", "AttributeValue": "C"}, nil)
	l.do("GetTopicAttributes", map[string]any{"TopicArn": topicA}, &got)
	for k, want := range map[string]string{"TopicArn": topicA, "Owner": "000000000000", "DisplayName": "C", "SubscriptionsConfirmed": "0", "SubscriptionsPending": "0"} {
		if got.Attributes[k] != want {
			t.Errorf("%s is %q, want %q", k, got.Attributes[k], want)
		}
	}
	if !json.Valid([]byte(got.Attributes["Policy"])) || !json.Valid([]byte(got.Attributes["EffectiveDeliveryPolicy"])) {
		t.Errorf("attributes %v", got.Attributes)
	}
	l.refuse("GetTopicAttributes", map[string]any{"TopicArn": topicA + "b"}, 404, "NotFound", "Topic does not exist")
	l.refuse("GetTopicAttributes", map[string]any{"TopicArn": "a"}, 400, "InvalidParameter", "TopicArn")
	l.refuse("SetTopicAttributes", map[string]any{"TopicArn": topicA, "AttributeName": "FifoTopic", "AttributeValue": "true"}, 400, "InvalidParameter", "AttributeName")

	l.do("DeleteTopic", map[string]any{"TopicArn": topicA}, nil)
	l.do("DeleteTopic", map[string]any{"TopicArn": topicA}, nil) // as often as one likes
	l.refuse("Publish", map[string]any{"TopicArn": topicA, "Message": "m"}, 404, "NotFound", "Topic does not exist")
}

func TestPages(t *testing.T) {
	l := newLab(t)
	for i := range pageSize + 5 {
		l.subscribe(l.topic(fmt.Sprintf("t%03d", i), nil), "sqs", queue("q"), nil)
	}
	var first, second ListTopicsResponse
	l.do("ListTopics", nil, &first)
	l.do("ListTopics", map[string]any{"NextToken": *first.NextToken}, &second)
	if len(first.Topics) != pageSize || len(second.Topics) != 5 || second.NextToken != nil {
		t.Errorf("pages of %d and %d topics", len(first.Topics), len(second.Topics))
	}
	var subs, rest ListSubscriptionsResponse
	l.do("ListSubscriptions", nil, &subs)
	l.do("ListSubscriptions", map[string]any{"NextToken": *subs.NextToken}, &rest)
	if len(subs.Subscriptions) != pageSize || len(rest.Subscriptions) != 5 {
		t.Errorf("pages of %d and %d subscriptions", len(subs.Subscriptions), len(rest.Subscriptions))
	}
	l.refuse("ListTopics", map[string]any{"NextToken": "?"}, 400, "InvalidParameter", "NextToken")
}

func TestTagsAndPermissions(t *testing.T) {
	l := newLab(t)
	l.topic("a", nil)
	l.do("TagResource", map[string]any{"ResourceArn": topicA, "Tags": []map[string]string{{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}}}, nil)
	l.do("UntagResource", map[string]any{"ResourceArn": topicA, "TagKeys": []string{"b"}}, nil)
	var tags ListTagsForResourceResponse
	l.do("ListTagsForResource", map[string]any{"ResourceArn": topicA}, &tags)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "a" || *tags.Tags[0].Value != "1" {
		t.Errorf("tags %v", tags.Tags)
	}
	l.refuse("TagResource", map[string]any{"ResourceArn": topicA + "x", "Tags": []map[string]string{{"Key": "b", "Value": "2"}}}, 404, "ResourceNotFound", "Resource does not exist")

	grant := map[string]any{"TopicArn": topicA, "Label": "L", "AWSAccountId": []string{"123456789012"}, "ActionName": []string{"Publish"}}
	l.do("AddPermission", grant, nil)
	l.refuse("AddPermission", grant, 400, "InvalidParameter", "Statement already exists")
	policyOf := func() string {
		var got GetTopicAttributesResponse
		l.do("GetTopicAttributes", map[string]any{"TopicArn": topicA}, &got)
		return got.Attributes["Policy"]
	}
	own := arn.ARN{Service: "sns", Region: "us-east-1", Account: "000000000000", Resource: "a"}
	if p, err := l.book.Policy(t.Context(), own); err != nil || p != policyOf() {
		t.Errorf("policy %s, %v", p, err)
	}
	own.Resource = "nope"
	if _, err := l.book.Policy(t.Context(), own); !errors.Is(err, target.ErrNotFound) {
		t.Errorf("no topic: %v", err)
	}
	if p := policyOf(); !strings.Contains(p, `"Sid":"L"`) || !strings.Contains(p, "123456789012") || !strings.Contains(p, "__default_statement_ID") {
		t.Errorf("policy %s", p)
	}
	l.do("RemovePermission", map[string]any{"TopicArn": topicA, "Label": "L"}, nil)
	if p := policyOf(); strings.Contains(p, `"Sid":"L"`) {
		t.Errorf("policy %s", p)
	}
}

func TestSubscriptions(t *testing.T) {
	l := newLab(t)
	l.topic("a", nil)
	own := l.subscribe(topicA, "sqs", queue("q"), nil)
	if again := l.subscribe(topicA, "sqs", queue("q"), nil); again != own {
		t.Errorf("subscribed again: %s, not %s", again, own)
	}
	sub := func(protocol, endpoint string) map[string]any {
		return map[string]any{"TopicArn": topicA, "Protocol": protocol, "Endpoint": endpoint}
	}
	l.refuse("Subscribe", sub("sqs", "q"), 400, "InvalidParameter", "SQS endpoint ARN")
	l.refuse("Subscribe", sub("sqs", queue("q.fifo")), 400, "InvalidParameter", "FIFO SQS Queues can not be subscribed to standard SNS topics")
	l.refuse("Subscribe", sub("lambda", queue("q")), 400, "InvalidParameter", "Lambda endpoint ARN")
	l.refuse("Subscribe", sub("http", "https://x/"), 400, "InvalidParameter", "Endpoint must match the specified protocol")
	l.refuse("Subscribe", sub("email", "a@b"), 400, "InvalidParameter", "Mayfly does not deliver by email")
	l.refuse("Subscribe", sub("pigeon", "x"), 400, "InvalidParameter", "does not support this protocol string")
	l.refuse("Subscribe", map[string]any{"TopicArn": topicA + "x", "Protocol": "sqs", "Endpoint": queue("q")}, 404, "NotFound", "Topic does not exist")

	set := func(name, value string) map[string]any {
		return map[string]any{"SubscriptionArn": own, "AttributeName": name, "AttributeValue": value}
	}
	l.do("SetSubscriptionAttributes", set("RawMessageDelivery", "true"), nil)
	l.do("SetSubscriptionAttributes", set("FilterPolicy", `{"a":["b"]}`), nil)
	for name, value := range map[string]string{"RawMessageDelivery": "maybe", "FilterPolicy": `{"a":"b"}`, "FilterPolicyScope": "x",
		"RedrivePolicy": `{"deadLetterTargetArn":"x"}`, "DeliveryPolicy": `{"healthyRetryPolicy":{"numRetries":101}}`, "Nonsense": "x"} {
		l.refuse("SetSubscriptionAttributes", set(name, value), 400, "InvalidParameter", "")
	}
	var got GetSubscriptionAttributesResponse
	l.do("GetSubscriptionAttributes", map[string]any{"SubscriptionArn": own}, &got)
	for k, want := range map[string]string{"SubscriptionArn": own, "TopicArn": topicA, "Protocol": "sqs", "Endpoint": queue("q"), "RawMessageDelivery": "true",
		"FilterPolicy": `{"a":["b"]}`, "FilterPolicyScope": "MessageAttributes", "PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true"} {
		if got.Attributes[k] != want {
			t.Errorf("%s is %q, want %q", k, got.Attributes[k], want)
		}
	}
	l.do("Unsubscribe", map[string]any{"SubscriptionArn": own}, nil)
	l.refuse("GetSubscriptionAttributes", map[string]any{"SubscriptionArn": own}, 404, "NotFound", "Subscription does not exist")
}

// published decodes what a queue got in an envelope.
func published(t *testing.T, d target.Delivery) (e envelope) {
	t.Helper()
	if err := json.Unmarshal(d.Payload, &e); err != nil {
		t.Fatalf("%v in %s", err, d.Payload)
	}
	return e
}

func TestFanOut(t *testing.T) {
	l := newLab(t)
	l.topic("a", map[string]string{"SignatureVersion": "2"})
	plain := l.subscribe(topicA, "sqs", queue("plain"), nil)
	l.subscribe(topicA, "sqs", queue("raw"), map[string]string{"RawMessageDelivery": "true"})
	l.subscribe(topicA, "sqs", queue("picky"), map[string]string{"FilterPolicy": `{"kind":["order"],"price":[{"numeric":[">",10]}]}`})
	l.subscribe(topicA, "sqs", queue("body"), map[string]string{"FilterPolicy": `{"a":{"b":["c"]}}`, "FilterPolicyScope": "MessageBody"})
	l.subscribe(topicA, "lambda", function("f"), nil)
	attributes := map[string]any{
		"kind":  map[string]string{"DataType": "String", "StringValue": "order"},
		"price": map[string]string{"DataType": "Number", "StringValue": "12.5"},
	}
	var out PublishResponse
	l.do("Publish", map[string]any{"TopicArn": topicA, "Message": `{"a":{"b":"c"}}`, "Subject": "S", "MessageAttributes": attributes}, &out)

	got := l.desk.take("plain")
	if len(got) != 1 || got[0].Principal != "sns.amazonaws.com" || got[0].SourceARN != topicA {
		t.Fatalf("the queue got %v", got)
	}
	e := published(t, got[0])
	if e.Type != "Notification" || e.MessageID != *out.MessageId || e.TopicARN != topicA || e.Subject != "S" || e.Message != `{"a":{"b":"c"}}` ||
		e.Attributes["price"] != (attribute{"Number", "12.5"}) || !strings.Contains(e.UnsubscribeURL, plain[strings.LastIndex(plain, ":")+1:]) {
		t.Errorf("envelope %+v", e)
	}
	l.verify(e)
	raw := l.desk.take("raw")
	if len(raw) != 1 || string(raw[0].Payload) != `{"a":{"b":"c"}}` || raw[0].Attributes["kind"].String != "order" {
		t.Errorf("the raw queue got %v", raw)
	}
	var event struct {
		Records []struct {
			EventSource, EventVersion, EventSubscriptionArn string
			Sns                                             map[string]any
		}
	}
	f := l.desk.take("function:f")
	if err := json.Unmarshal(f[0].Payload, &event); err != nil || len(event.Records) != 1 {
		t.Fatalf("the function got %s: %v", f[0].Payload, err)
	}
	if r := event.Records[0]; r.EventSource != "aws:sns" || r.EventVersion != "1.0" || r.Sns["MessageId"] != *out.MessageId || r.Sns["SigningCertUrl"] == nil {
		t.Errorf("record %+v", r)
	}
	if len(l.desk.take("picky")) != 1 || len(l.desk.take("body")) != 1 {
		t.Error("a filter kept away what it lets through")
	}
	l.do("Publish", map[string]any{"TopicArn": topicA, "Message": `no JSON`}, nil)
	if len(l.desk.take("picky"))+len(l.desk.take("body")) != 0 {
		t.Error("a filter let through what it keeps away")
	}
}

// verify checks an envelope's signature with the certificate that is served.
func (l *lab) verify(e envelope) {
	l.t.Helper()
	text, err := l.book.Certificate()
	if err != nil {
		l.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		l.t.Fatal(err)
	}
	signature, _ := base64.StdEncoding.DecodeString(e.Signature)
	sum := sha256.Sum256(fmt.Appendf(nil, "Message\n%s\nMessageId\n%s\nSubject\n%s\nTimestamp\n%s\nTopicArn\n%s\nType\nNotification\n",
		e.Message, e.MessageID, e.Subject, e.Timestamp, e.TopicARN))
	if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature); err != nil {
		l.t.Errorf("signature: %v", err)
	}
}

func TestPublishRefuses(t *testing.T) {
	l := newLab(t)
	l.topic("a", nil)
	attr := func(kind, value string) map[string]any {
		return map[string]any{"TopicArn": topicA, "Message": "m", "MessageAttributes": map[string]any{"x": map[string]string{"DataType": kind, "StringValue": value}}}
	}
	for _, c := range []struct {
		in         map[string]any
		code, text string
	}{
		{map[string]any{"TopicArn": topicA, "Message": ""}, "InvalidParameter", "Empty message"},
		{map[string]any{"TopicArn": topicA, "Message": strings.Repeat("x", maxMessage+1)}, "InvalidParameter", "Message too long"},
		{map[string]any{"TopicArn": topicA, "Message": "m", "Subject": "two\nlines"}, "InvalidParameter", "Subject"},
		{map[string]any{"TopicArn": topicA, "Message": "m", "MessageStructure": "json"}, "InvalidParameter", "failed to parse"},
		{map[string]any{"TopicArn": topicA, "Message": `{"sqs":"x"}`, "MessageStructure": "json"}, "InvalidParameter", "No default entry"},
		{map[string]any{"TopicArn": topicA, "Message": "m", "MessageDeduplicationId": "x"}, "InvalidParameter", "not valid for this topic type"},
		{map[string]any{"PhoneNumber": "+1", "Message": "m"}, "InvalidParameter", "text messages"},
		{map[string]any{"Message": "m"}, "InvalidParameter", "TopicArn or TargetArn"},
		{attr("Color", "red"), "ParameterValueInvalid", "invalid message attribute type"},
		{attr("Number", "red"), "ParameterValueInvalid", "Could not cast"},
		{attr("String.Array", "["), "ParameterValueInvalid", "JSON array"},
	} {
		l.refuse("Publish", c.in, 400, c.code, c.text)
	}
}

func TestStructure(t *testing.T) {
	l := newLab(t)
	l.topic("a", nil)
	l.subscribe(topicA, "sqs", queue("q"), nil)
	l.subscribe(topicA, "lambda", function("f"), nil)
	l.do("Publish", map[string]any{"TopicArn": topicA, "Message": `{"default":"d","sqs":"for queues"}`, "MessageStructure": "json"}, nil)
	if e := published(t, l.desk.take("q")[0]); e.Message != "for queues" {
		t.Errorf("the queue got %q", e.Message)
	}
	if got := string(l.desk.take("function:f")[0].Payload); !strings.Contains(got, `"Message":"d"`) {
		t.Errorf("the function got %s", got)
	}
}

func TestDeadLetters(t *testing.T) {
	l := newLab(t)
	l.topic("a", nil)
	l.subscribe(topicA, "sqs", queue("gone"), map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q}`, queue("dlq"))})
	l.subscribe(topicA, "lambda", function("gone"), nil) // dropped
	l.do("Publish", map[string]any{"TopicArn": topicA, "Message": "m"}, nil)
	if got := l.desk.take("dlq"); len(got) != 1 || published(t, got[0]).Message != "m" {
		t.Errorf("the dead-letter queue got %v", got)
	}
}

func TestFIFO(t *testing.T) {
	l := newLab(t)
	own := l.topic("t.fifo", map[string]string{"FifoTopic": "true"})
	l.subscribe(own, "sqs", queue("q.fifo"), map[string]string{"RawMessageDelivery": "true"})
	l.refuse("Subscribe", map[string]any{"TopicArn": own, "Protocol": "lambda", "Endpoint": function("f")}, 400, "InvalidParameter", "Invalid protocol type")
	send := func(group, dedup string) PublishResponse {
		var out PublishResponse
		l.do("Publish", map[string]any{"TopicArn": own, "Message": "m", "MessageGroupId": group, "MessageDeduplicationId": dedup}, &out)
		return out
	}
	first, twin, second := send("g", "1"), send("g", "1"), send("g", "2")
	if *first.MessageId != *twin.MessageId || *first.SequenceNumber != *twin.SequenceNumber || *second.SequenceNumber <= *first.SequenceNumber {
		t.Errorf("numbers %s %s %s", *first.SequenceNumber, *twin.SequenceNumber, *second.SequenceNumber)
	}
	got := l.desk.take("q.fifo")
	if len(got) != 2 || got[0].Group != "g" || got[0].Dedup != "1" || got[1].Dedup != "2" {
		t.Errorf("the queue got %+v", got)
	}
	l.refuse("Publish", map[string]any{"TopicArn": own, "Message": "m", "MessageDeduplicationId": "1"}, 400, "InvalidParameter", "MessageGroupId parameter is required")
	l.refuse("Publish", map[string]any{"TopicArn": own, "Message": "m", "MessageGroupId": "g"}, 400, "InvalidParameter", "ContentBasedDeduplication")
	l.do("SetTopicAttributes", map[string]any{"TopicArn": own, "AttributeName": "ContentBasedDeduplication", "AttributeValue": "true"}, nil)
	l.do("Publish", map[string]any{"TopicArn": own, "Message": "m", "MessageGroupId": "g"}, nil)
	l.do("Publish", map[string]any{"TopicArn": own, "Message": "m", "MessageGroupId": "g"}, nil)
	if got := l.desk.take("q.fifo"); len(got) != 1 || len(got[0].Dedup) != 64 {
		t.Errorf("the queue got %+v", got)
	}
}

func TestBatch(t *testing.T) {
	l := newLab(t)
	l.topic("a", nil)
	l.subscribe(topicA, "sqs", queue("q"), nil)
	entry := func(id, text string) map[string]any { return map[string]any{"Id": id, "Message": text} }
	batch := func(entries ...map[string]any) map[string]any {
		return map[string]any{"TopicArn": topicA, "PublishBatchRequestEntries": entries}
	}
	var out PublishBatchResponse
	l.do("PublishBatch", batch(entry("1", "m"), entry("2", ""), entry("3", "n")), &out)
	if len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "2" || *out.Failed[0].Code != "InvalidParameter" || !*out.Failed[0].SenderFault {
		t.Errorf("answer %+v", out)
	}
	if got := l.desk.take("q"); len(got) != 2 {
		t.Errorf("the queue got %d messages", len(got))
	}
	l.refuse("PublishBatch", batch(entry("1", "m"), entry("1", "n")), 400, "BatchEntryIdsNotDistinct", "")
	l.refuse("PublishBatch", batch(), 400, "ValidationError", "")
	big := strings.Repeat("x", maxMessage/2+1)
	l.refuse("PublishBatch", batch(entry("1", big), entry("2", big)), 400, "BatchRequestTooLong", "")
}

func TestWeb(t *testing.T) {
	l := newLab(t)
	l.topic("a", nil)
	var sub SubscribeResponse
	l.do("Subscribe", map[string]any{"TopicArn": topicA, "Protocol": "http", "Endpoint": "http://web/hook", "Attributes": map[string]string{
		"DeliveryPolicy": `{"healthyRetryPolicy":{"numRetries":1,"numNoDelayRetries":1,"minDelayTarget":1,"maxDelayTarget":1}}`,
		"RedrivePolicy":  fmt.Sprintf(`{"deadLetterTargetArn":%q}`, queue("dlq"))}}, &sub)
	if *sub.SubscriptionArn != "pending confirmation" {
		t.Errorf("subscribed as %s", *sub.SubscriptionArn)
	}
	p := <-l.posts
	p.answer <- 200
	var e envelope
	if err := json.Unmarshal([]byte(p.body), &e); err != nil || e.Type != "SubscriptionConfirmation" || p.headers["x-amz-sns-message-type"] != e.Type {
		t.Fatalf("asked to confirm by %s: %v", p.body, err)
	}
	l.do("Publish", map[string]any{"TopicArn": topicA, "Message": "early"}, nil) // for nobody yet
	l.refuse("ConfirmSubscription", map[string]any{"TopicArn": topicA, "Token": "wrong"}, 400, "InvalidParameter", "Token")
	l.do("ConfirmSubscription", map[string]any{"TopicArn": topicA, "Token": e.Token}, nil)
	l.do("Publish", map[string]any{"TopicArn": topicA, "Message": "one"}, nil)
	for range 2 { // once, and one retry
		p := <-l.posts
		if p.url != "http://web/hook" || !strings.Contains(p.body, `"Message":"one"`) {
			t.Errorf("posted %s to %s", p.body, p.url)
		}
		p.answer <- 503
	}
	wait(t, func() bool { return len(l.desk.take("dlq")) == 1 })
	l.do("Publish", map[string]any{"TopicArn": topicA, "Message": "two"}, nil)
	p = <-l.posts
	p.answer <- 200
	wait(t, func() bool {
		var left int
		err := l.book.DB.View(t.Context(), func(tx store.Tx) error { return tx.Get([]any{&left}, `SELECT COUNT(*) FROM sns_mail`) })
		return err == nil && left == 0
	})
}

// wait waits for what another goroutine does.
func wait(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come about")
		}
	}
}

func TestRetryWaits(t *testing.T) {
	r := retrying{MinDelay: 1, MaxDelay: 5, Retries: 8, NoDelays: 1, MinDelays: 1, MaxDelays: 1, Backoff: "linear"}
	var got []time.Duration
	for n := range r.Retries {
		got = append(got, r.wait(n+1))
	}
	want := []time.Duration{0, 1 * time.Second, 1 * time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("waits %v, want %v", got, want)
	}
}

func TestEnqueue(t *testing.T) {
	l := newLab(t)
	l.topic("a", nil)
	l.subscribe(topicA, "sqs", queue("q"), nil)
	send := func(name string, d target.Delivery) error {
		a, err := arn.Parse("arn:aws:sns:us-east-1:000000000000:" + name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := store.Write(t.Context(), l.book.DB, func(tx store.Tx) (func(), error) { return l.book.Enqueue(tx, a, d) })
		if err == nil {
			f()
		}
		return err
	}
	if err := send("a", target.Delivery{Payload: []byte("m"), Trace: "Root=1"}); err != nil {
		t.Fatal(err)
	}
	if got := l.desk.take("q"); len(got) != 1 || got[0].Trace != "Root=1" {
		t.Errorf("the queue got %+v", got)
	}
	if err := send("none", target.Delivery{Payload: []byte("m")}); !errors.Is(err, target.ErrNotFound) {
		t.Errorf("to no topic: %v", err)
	}
	if err := send("a", target.Delivery{}); !errors.Is(err, target.ErrInvalid) {
		t.Errorf("an empty message: %v", err)
	}
}
