package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

const (
	maxMessage = 256 << 10 // bytes of a message with its attributes
	maxBatch   = 10
	dedupTime  = 5 * time.Minute
)

// A message is one on its way to the endpoints of a topic.
type message struct {
	id         string
	text       string
	subject    string
	structured map[string]string // the text by protocol, with MessageStructure json
	attributes map[string]*MessageAttributeValue
	group      string
	dedup      string
	sequence   int64 // of a FIFO topic
	trace      string
	time       time.Time
	base       string // where clients reach us

	signed map[string]string // signatures, by what they sign
}

// size counts as SNS does.
func (m *message) size() int {
	n := len(m.text)
	for k, v := range m.attributes {
		n += len(k) + len(str(v.DataType)) + len(str(v.StringValue)) + len(v.BinaryValue)
	}
	return n
}

// textFor is what an endpoint of a protocol gets.
func (m *message) textFor(protocol string) string {
	if t, ok := m.structured[protocol]; ok {
		return t
	}
	if m.structured != nil {
		return m.structured["default"]
	}
	return m.text
}

// check refuses what no topic takes.
func (m *message) check(structure string) error {
	switch {
	case m.text == "":
		return invalid("Empty message")
	case !utf8.ValidString(m.text):
		return invalid("Message Reason: not UTF-8")
	case m.size() > maxMessage:
		return invalid("Message too long")
	case len(m.subject) > 100 || strings.ContainsFunc(m.subject, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid("Subject")
	}
	if err := checkAttributes(m.attributes); err != nil {
		return err
	}
	switch structure {
	case "":
		return nil
	case "json":
		return m.parseStructure()
	}
	return invalid("MessageStructure")
}

func (m *message) parseStructure() error {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal([]byte(m.text), &parts); err != nil {
		return invalid("Message Structure - JSON message body failed to parse")
	}
	m.structured = map[string]string{}
	for k, v := range parts {
		var s string
		if err := json.Unmarshal(v, &s); err == nil {
			m.structured[k] = s
		}
	}
	if _, ok := m.structured["default"]; !ok {
		return invalid("Message Structure - No default entry in JSON message body")
	}
	return nil
}

// checkAttributes refuses attributes of a message that SNS does not take.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
func checkAttributes(all map[string]*MessageAttributeValue) error {
	for name, v := range all {
		kind, _, _ := strings.Cut(str(v.DataType), ".")
		switch {
		case name == "" || len(name) > 256:
			return invalidValue("The message attribute name can be up to 256 characters long")
		case str(v.DataType) == "":
			return invalidValue("The message attribute '%s' must contain non-empty message attribute type.", name)
		case kind != "String" && kind != "Number" && kind != "Binary":
			return invalidValue("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
		case kind == "Binary" && len(v.BinaryValue) == 0, kind != "Binary" && str(v.StringValue) == "":
			return invalidValue("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, str(v.DataType))
		case kind == "Number" && !json.Valid([]byte(*v.StringValue)):
			return invalidValue("Could not cast message attribute '%s' value to number.", name)
		case *v.DataType == "String.Array" && !json.Valid([]byte(*v.StringValue)):
			return invalidValue("The message attribute '%s' must contain a valid JSON array.", name)
		}
	}
	return nil
}

// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func (a *api) publish(ctx context.Context, in *PublishInput) (*PublishResponse, error) {
	to := in.TopicArn
	if to == nil {
		to = in.TargetArn
	}
	if to == nil {
		if in.PhoneNumber != nil {
			return nil, invalid("PhoneNumber Reason: Mayfly does not send text messages")
		}
		return nil, invalid("TopicArn or TargetArn Reason: no value for required parameter")
	}
	name, err := a.nameOf(*to, "TopicArn")
	if err != nil {
		return nil, err
	}
	m := &message{text: *in.Message, subject: str(in.Subject), attributes: in.MessageAttributes, group: str(in.MessageGroupId), dedup: str(in.MessageDeduplicationId)}
	if err := a.send(ctx, name, str(in.MessageStructure), m); err != nil {
		return nil, err
	}
	return &PublishResponse{MessageId: &m.id, SequenceNumber: m.number()}, nil
}

// number is the sequence number as it is shown; nil without a FIFO topic.
func (m *message) number() *string {
	if m.sequence == 0 {
		return nil
	}
	return new(fmt.Sprintf("1%019d", m.sequence))
}

// send checks and publishes a message.
func (b *Book) send(ctx context.Context, topic, structure string, m *message) error {
	if err := m.check(structure); err != nil {
		return err
	}
	m.trace, m.base = wire.Trace(ctx), endpoint(wire.BaseURL(ctx))
	return b.deliver(ctx, topic, m)
}

// https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
func (a *api) publishBatch(ctx context.Context, in *PublishBatchInput) (*PublishBatchResponse, error) {
	name, err := a.nameOf(*in.TopicArn, "TopicArn")
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.PublishBatchRequestEntries); err != nil {
		return nil, err
	}
	if err := a.DB.View(ctx, func(tx store.Tx) error { _, err := findTopic(tx, name); return err }); err != nil {
		return nil, err
	}
	out := &PublishBatchResponse{Successful: []*PublishBatchResultEntry{}, Failed: []*BatchResultErrorEntry{}}
	for _, e := range in.PublishBatchRequestEntries {
		m := &message{text: *e.Message, subject: str(e.Subject), attributes: e.MessageAttributes, group: str(e.MessageGroupId), dedup: str(e.MessageDeduplicationId)}
		err := a.send(ctx, name, str(e.MessageStructure), m)
		if f := (*awserr.Error)(nil); errors.As(err, &f) {
			out.Failed = append(out.Failed, &BatchResultErrorEntry{Id: e.Id, Code: &f.Code, Message: &f.Message, SenderFault: new(f.Status < 500)})
			continue
		}
		if err != nil {
			a.Log.Error("publish", "topic", name, "error", err)
			out.Failed = append(out.Failed, &BatchResultErrorEntry{Id: e.Id, Code: new("InternalError"), SenderFault: new(false)})
			continue
		}
		out.Successful = append(out.Successful, &PublishBatchResultEntry{Id: e.Id, MessageId: &m.id, SequenceNumber: m.number()})
	}
	return out, nil
}

func checkBatch(entries []*PublishBatchRequestEntry) error {
	refuse := func(code, text string) error { return awserr.New(400, code, "%s", text) }
	switch n := len(entries); {
	case n == 0:
		return refuse("EmptyBatchRequest", "The batch request doesn't contain any entries.")
	case n > maxBatch:
		return refuse("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
	}
	seen, size := map[string]bool{}, 0
	for _, e := range entries {
		if seen[*e.Id] {
			return refuse("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
		}
		seen[*e.Id] = true
		size += (&message{text: *e.Message, attributes: e.MessageAttributes}).size()
	}
	if size > maxMessage {
		return refuse("BatchRequestTooLong", "The length of all the batch messages put together is more than the limit.")
	}
	return nil
}

// Enqueue publishes to a topic in the sender's transaction. It implements
// target.Target.
func (b *Book) Enqueue(tx store.Tx, to arn.ARN, d target.Delivery) (func(), error) {
	m := &message{text: string(d.Payload), subject: d.Subject, group: d.Group, dedup: d.Dedup, trace: d.Trace, base: endpoint("")}
	if len(d.Attributes) > 0 {
		m.attributes = map[string]*MessageAttributeValue{}
	}
	for k, v := range d.Attributes {
		m.attributes[k] = &MessageAttributeValue{DataType: new(v.Type), StringValue: some(v.String), BinaryValue: v.Binary}
	}
	err := m.check("")
	if err == nil && to.Region != b.Region {
		err = notFound("Topic")
	}
	var committed func()
	if err == nil {
		committed, err = b.route(tx, to.Resource, m)
	}
	if e := (*awserr.Error)(nil); errors.As(err, &e) && e.Status == 404 {
		return nil, fmt.Errorf("%w: %s", target.ErrNotFound, e.Message)
	} else if e != nil {
		return nil, fmt.Errorf("%w: %s", target.ErrInvalid, e.Message)
	}
	return committed, err
}

// deliver publishes in a transaction of its own.
func (b *Book) deliver(ctx context.Context, topic string, m *message) error {
	m.id, m.time = uuid.NewString(), b.Now().UTC()
	if err := b.presign(ctx, topic, m); err != nil {
		return err
	}
	committed, err := store.Write(ctx, b.DB, func(tx store.Tx) (func(), error) { return b.route(tx, topic, m) })
	if err == nil {
		committed()
	}
	return err
}

// route hands m to all endpoints of a topic that want it.
func (b *Book) route(tx store.Tx, topic string, m *message) (func(), error) {
	t, err := findTopic(tx, topic)
	if err != nil {
		return nil, err
	}
	if m.id == "" {
		m.id, m.time = uuid.NewString(), b.Now().UTC()
	}
	if known, err := b.order(tx, t, m); known || err != nil {
		return func() {}, err
	}
	subs, err := endpoints(tx, topic)
	if err != nil {
		return nil, err
	}
	var after []func()
	for _, s := range subs {
		if !s.wants(m) {
			continue
		}
		f, err := b.hand(tx, t, s, m)
		if err != nil {
			return nil, err
		}
		if f != nil {
			after = append(after, f)
		}
	}
	return func() {
		for _, f := range after {
			f()
		}
	}, nil
}

// presign makes the signatures that m will need. A signature takes a
// millisecond, which nobody's transaction should.
func (b *Book) presign(ctx context.Context, name string, m *message) error {
	var t *topic
	subs, err := store.Read(ctx, b.DB, func(tx store.Tx) (subs []*subscription, err error) {
		if t, err = findTopic(tx, name); err != nil {
			return nil, err
		}
		return endpoints(tx, name)
	})
	for _, s := range subs {
		if s.wants(m) {
			if _, err := b.delivery(t, s, m); err != nil {
				return err
			}
		}
	}
	return err
}

// endpoints are the topic's confirmed subscriptions.
func endpoints(tx store.Tx, topic string) ([]*subscription, error) {
	return store.All(tx, scanSubscription, `SELECT `+subscriptionColumns+` FROM sns_subscriptions WHERE topic = ? AND token = ''`, topic)
}

// order gives a message to a FIFO topic its place. known says that the topic
// has had it within the last five minutes.
//
// https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
func (b *Book) order(tx store.Tx, t *topic, m *message) (known bool, err error) {
	if !t.fifo() {
		if m.dedup != "" {
			return false, invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
		}
		return false, nil
	}
	if m.group == "" {
		return false, invalid("The MessageGroupId parameter is required for FIFO topics")
	}
	if m.dedup == "" && t.attributes["ContentBasedDeduplication"] != "true" {
		return false, invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	if m.dedup == "" {
		sum := sha256.Sum256([]byte(m.text))
		m.dedup = hex.EncodeToString(sum[:])
	}
	key, now := m.dedup, m.time.UnixMilli()
	if t.attributes["FifoThroughputScope"] == "MessageGroup" {
		key = m.group + "\n" + key
	}
	err = tx.Get([]any{&m.id, &m.sequence}, `SELECT message, sequence FROM sns_seen WHERE topic = ? AND dedup = ? AND expires > ?`, t.name, key, now)
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, store.ErrNoRows) {
		return false, err
	}
	if err := tx.Get([]any{&m.sequence}, `UPDATE sns_topics SET sequence = sequence + 1 WHERE name = ? RETURNING sequence`, t.name); err != nil {
		return false, err
	}
	if _, err := tx.Exec(`DELETE FROM sns_seen WHERE expires <= ?`, now); err != nil {
		return false, err
	}
	_, err = tx.Exec(`INSERT INTO sns_seen (topic, dedup, message, sequence, expires) VALUES (?, ?, ?, ?, ?)`,
		t.name, key, m.id, m.sequence, now+dedupTime.Milliseconds())
	return false, err
}

// hand hands m to one endpoint. What cannot take it for good leads to the
// subscription's dead-letter queue, or nowhere.
func (b *Book) hand(tx store.Tx, t *topic, s *subscription, m *message) (func(), error) {
	if s.web() {
		l, err := b.letter(t, s, m)
		if err != nil {
			return nil, err
		}
		return b.mail.wake, b.mail.post(tx, s, l)
	}
	d, err := b.delivery(t, s, m)
	if err != nil {
		return nil, err
	}
	f, err := b.Router.Enqueue(tx, s.endpoint, d)
	if errors.Is(err, target.ErrNotFound) || errors.Is(err, target.ErrDenied) || errors.Is(err, target.ErrInvalid) {
		return b.bury(tx, s, d, err)
	}
	return f, err
}

// bury puts what could not be delivered into the subscription's dead-letter queue.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
func (b *Book) bury(tx store.Tx, s *subscription, d target.Delivery, why error) (func(), error) {
	queue, _ := parseRedrive(s.attributes["RedrivePolicy"])
	if queue == "" {
		b.Log.Warn("sns: a message was dropped", "subscription", b.subscriptionARN(s), "error", why)
		return nil, nil
	}
	f, err := b.Router.Enqueue(tx, queue, d)
	if errors.Is(err, target.ErrNotFound) || errors.Is(err, target.ErrDenied) || errors.Is(err, target.ErrInvalid) {
		b.Log.Warn("sns: a message was dropped", "subscription", b.subscriptionARN(s), "queue", queue, "error", errors.Join(why, err))
		return nil, nil
	}
	return f, err
}
