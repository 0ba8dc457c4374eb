package sns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	atOnce   = 32               // letters on their way at a time
	patience = 15 * time.Second // with one web server, as SNS has
)

// A letter is what a web server is sent.
type letter struct {
	URL     string
	Headers map[string]string
	Body    []byte
	Retries retrying
	Attrs   map[string]target.Attribute `json:",omitempty"` // for the dead-letter queue
	Final   bool                        // no dead-letter queue, no retries beyond: a request to confirm
}

// A mail sends letters to web servers. They are rows until they have arrived.
type mail struct {
	b      *Book
	stop   context.CancelFunc
	woken  chan struct{} // of capacity 1
	ended  sync.WaitGroup
	mu     sync.Mutex // guards abroad
	abroad map[int64]bool
}

func newMail(b *Book) *mail {
	ctx, stop := context.WithCancel(context.Background())
	m := &mail{b: b, stop: stop, woken: make(chan struct{}, 1), abroad: map[int64]bool{}}
	if b.Post != nil {
		m.ended.Go(func() { m.run(ctx) })
	}
	return m
}

func (m *mail) close() {
	m.stop()
	m.ended.Wait()
}

// wake makes the mail look for letters.
func (m *mail) wake() {
	select {
	case m.woken <- struct{}{}:
	default:
	}
}

// letter is a message as a web server gets it.
//
// https://docs.aws.amazon.com/sns/latest/dg/http-header.html
func (b *Book) letter(t *topic, s *subscription, m *message) (*letter, error) {
	text := s.attributes["DeliveryPolicy"]
	r, err := parseDelivery(text, false)
	if text == "" {
		r, err = parseDelivery(t.attributes["DeliveryPolicy"], true)
	}
	if err != nil {
		return nil, err
	}
	l := &letter{URL: s.endpoint, Retries: r, Headers: b.headers("Notification", m.id, t.name)}
	l.Headers["x-amz-sns-subscription-arn"] = b.subscriptionARN(s)
	if s.raw() {
		l.Headers["x-amz-sns-rawdelivery"] = "true"
	}
	d, err := b.delivery(t, s, m)
	l.Body, l.Attrs = d.Payload, d.Attributes
	return l, err
}

func (b *Book) headers(kind, id, topic string) map[string]string {
	return map[string]string{
		"x-amz-sns-message-type": kind, "x-amz-sns-message-id": id, "x-amz-sns-topic-arn": b.topicARN(topic),
		"Content-Type": "text/plain; charset=UTF-8", "User-Agent": "Amazon Simple Notification Service Agent",
	}
}

// confirm asks a web server, in tx, whether it wants to be subscribed.
//
// https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html
func (m *mail) confirm(tx store.Tx, s *subscription, base string) error {
	own := m.b.topicARN(s.topic)
	e := &envelope{
		Type: "SubscriptionConfirmation", MessageID: uuid.NewString(), Token: s.token, TopicARN: own,
		Message:      fmt.Sprintf("You have chosen to subscribe to the topic %s.\nTo confirm the subscription, visit the SubscribeURL included in this message.", own),
		SubscribeURL: link(base, "ConfirmSubscription", url.Values{"TopicArn": {own}, "Token": {s.token}}),
		Timestamp:    m.b.Now().UTC().Format(timeForm), SignatureVersion: "1", SigningCertURL: base + CertificatePath,
	}
	var err error
	if e.Signature, err = m.b.sign(e); err != nil {
		return err
	}
	body, err := encode(e)
	if err != nil {
		return err
	}
	return m.post(tx, s, &letter{URL: s.endpoint, Headers: m.b.headers(e.Type, e.MessageID, s.topic), Body: body, Retries: usual(), Final: true})
}

// post keeps a letter in tx, to be sent once that is committed.
func (m *mail) post(tx store.Tx, s *subscription, l *letter) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO sns_mail (subscription, letter, attempt, due) VALUES (?, ?, 0, ?)`, s.id, raw, m.b.Now().UnixMilli())
	return err
}

// run sends what is due, and sleeps until something is.
func (m *mail) run(ctx context.Context) {
	for ctx.Err() == nil {
		next, err := m.round(ctx)
		wait := next.Sub(m.b.Now())
		if err != nil {
			m.b.Log.Error("sns: letters cannot be read", "error", err)
			wait = time.Second
		} else if next.IsZero() {
			wait = time.Hour
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-m.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

type piece struct {
	id, due, attempt int64
	subscription     string
	raw              []byte
}

// round sets out with the letters that are due, and tells when the next will be.
func (m *mail) round(ctx context.Context) (next time.Time, err error) {
	pieces, err := store.Read(ctx, m.b.DB, func(tx store.Tx) ([]piece, error) {
		return store.All(tx, func(scan func(...any) error) (p piece, err error) {
			return p, scan(&p.id, &p.due, &p.attempt, &p.subscription, &p.raw)
		}, `SELECT id, due, attempt, subscription, letter FROM sns_mail ORDER BY due, id LIMIT ?`, 2*atOnce)
	})
	for _, p := range pieces {
		if due := time.UnixMilli(p.due); due.After(m.b.Now()) {
			return due, err
		}
		m.mu.Lock()
		free := !m.abroad[p.id] && len(m.abroad) < atOnce
		if free {
			m.abroad[p.id] = true
		}
		m.mu.Unlock()
		if free {
			m.ended.Go(func() { m.carry(ctx, p) })
		}
	}
	return next, err
}

// carry sends a letter once, and says what becomes of it.
func (m *mail) carry(ctx context.Context, p piece) {
	defer m.wake()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.abroad, p.id)
	}()
	var l letter
	if err := json.Unmarshal(p.raw, &l); err != nil {
		m.b.Log.Error("sns: a letter cannot be read", "error", err)
		l.Final = true
	}
	sending, cancel := context.WithTimeout(ctx, patience)
	status, err := m.b.Post(sending, l.URL, l.Headers, l.Body)
	cancel()
	if ctx.Err() != nil {
		return // it is sent again after the next start
	}
	ok := err == nil && status >= 200 && status < 300
	again := !ok && (err != nil || status >= 500 || status == 429 || status < 200) && int(p.attempt) < l.Retries.Retries
	committed, uerr := store.Write(ctx, m.b.DB, func(tx store.Tx) (func(), error) { return m.settle(tx, p, &l, ok, again) })
	if uerr != nil {
		m.b.Log.Error("sns: a letter cannot be settled", "error", uerr)
	} else if committed != nil {
		committed()
	}
}

// settle removes a letter, or puts it off.
func (m *mail) settle(tx store.Tx, p piece, l *letter, ok, again bool) (func(), error) {
	if again {
		n := p.attempt + 1
		_, err := tx.Exec(`UPDATE sns_mail SET attempt = ?, due = ? WHERE id = ?`, n, m.b.Now().Add(l.Retries.wait(int(n))).UnixMilli(), p.id)
		return nil, err
	}
	if _, err := tx.Exec(`DELETE FROM sns_mail WHERE id = ?`, p.id); err != nil || ok || l.Final {
		return nil, err
	}
	s, err := oneSubscription(tx, `id = ?`, p.subscription)
	if err != nil {
		return nil, nil // it is gone, and its dead-letter queue with it
	}
	d := target.Delivery{Payload: l.Body, Attributes: l.Attrs, Principal: "sns.amazonaws.com", SourceARN: m.b.topicARN(s.topic)}
	return m.b.bury(tx, s, d, errors.New("the web server does not take it"))
}
