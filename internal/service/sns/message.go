package sns

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// CertificatePath is where the certificate is served that messages are signed
// with.
const CertificatePath = "/_mayfly/sns/certificate.pem"

// apiVersion is the version of SNS's API, the only one.
const apiVersion = "2010-03-31"

// timeForm is how messages tell the time.
const timeForm = "2006-01-02T15:04:05.000Z"

// An envelope is a message as queues and web servers get it.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
type envelope struct {
	Type             string
	MessageID        string `json:"MessageId"`
	Token            string `json:",omitempty"`
	SequenceNumber   string `json:",omitempty"`
	TopicARN         string `json:"TopicArn"`
	Subject          string `json:",omitempty"`
	Message          string
	SubscribeURL     string `json:",omitempty"`
	Timestamp        string
	SignatureVersion string               `json:",omitempty"`
	Signature        string               `json:",omitempty"`
	SigningCertURL   string               `json:",omitempty"`
	UnsubscribeURL   string               `json:",omitempty"`
	Attributes       map[string]attribute `json:"MessageAttributes,omitempty"`
}

type attribute struct{ Type, Value string }

// attributesOf is a message's attributes as envelopes have them.
func attributesOf(m *message) map[string]attribute {
	out := map[string]attribute{}
	for k, v := range m.attributes {
		value := str(v.StringValue)
		if v.BinaryValue != nil {
			value = base64.StdEncoding.EncodeToString(v.BinaryValue)
		}
		out[k] = attribute{*v.DataType, value}
	}
	return out
}

// link is a URL of ours that does action with an ARN.
func link(base, action string, more url.Values) string {
	more.Set("Action", action)
	more.Set("Version", apiVersion) // tells what the link is for
	return base + "/?" + more.Encode()
}

// wrap is the message in its envelope for s.
func (b *Book) wrap(t *topic, s *subscription, m *message) (*envelope, error) {
	e := &envelope{
		Type: "Notification", MessageID: m.id, TopicARN: b.topicARN(t.name), Subject: m.subject, Message: m.textFor(s.protocol),
		Timestamp: m.time.Format(timeForm), SignatureVersion: t.signatureVersion(), SigningCertURL: m.base + CertificatePath,
		UnsubscribeURL: link(m.base, "Unsubscribe", url.Values{"SubscriptionArn": {b.subscriptionARN(s)}}), Attributes: attributesOf(m),
	}
	if n := m.number(); n != nil {
		e.SequenceNumber = *n
	}
	key := e.SignatureVersion + e.Message
	if have, ok := m.signed[key]; ok {
		e.Signature = have
		return e, nil
	}
	var err error
	if e.Signature, err = b.sign(e); err != nil {
		return nil, err
	}
	if m.signed == nil {
		m.signed = map[string]string{}
	}
	m.signed[key] = e.Signature
	return e, nil
}

func (t *topic) signatureVersion() string {
	if v := t.attributes["SignatureVersion"]; v != "" {
		return v
	}
	return "1"
}

// encode writes JSON without the escapes that only HTML needs.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// record is the event of a function, with its one record.
func (b *Book) record(t *topic, s *subscription, m *message) ([]byte, error) {
	e, err := b.wrap(t, s, m)
	if err != nil {
		return nil, err
	}
	return encode(map[string]any{"Records": []any{map[string]any{
		"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": b.subscriptionARN(s),
		"Sns": map[string]any{
			"Type": e.Type, "MessageId": e.MessageID, "TopicArn": e.TopicARN, "Subject": some(e.Subject), "Message": e.Message,
			"Timestamp": e.Timestamp, "SignatureVersion": e.SignatureVersion, "Signature": e.Signature,
			"SigningCertUrl": e.SigningCertURL, "UnsubscribeUrl": e.UnsubscribeURL, "MessageAttributes": e.Attributes,
		},
	}}})
}

// delivery is the message as a queue or a function gets it.
func (b *Book) delivery(t *topic, s *subscription, m *message) (target.Delivery, error) {
	d := target.Delivery{Principal: "sns.amazonaws.com", SourceARN: b.topicARN(t.name), Trace: m.trace, Group: m.group, Dedup: m.dedup}
	var err error
	switch {
	case s.protocol == "lambda":
		d.Payload, err = b.record(t, s, m)
	case s.raw():
		d.Payload = []byte(m.textFor(s.protocol))
		d.Attributes = map[string]target.Attribute{}
		for k, v := range m.attributes {
			d.Attributes[k] = target.Attribute{Type: *v.DataType, String: str(v.StringValue), Binary: v.BinaryValue}
		}
	default:
		var e *envelope
		if e, err = b.wrap(t, s, m); err == nil {
			d.Payload, err = encode(e)
		}
	}
	return d, err
}

// text is what the signature of an envelope signs.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
func (e *envelope) text() []byte {
	var out bytes.Buffer
	for _, f := range []struct{ name, value string }{
		{"Message", e.Message}, {"MessageId", e.MessageID}, {"Subject", e.Subject}, {"SubscribeURL", e.SubscribeURL},
		{"Timestamp", e.Timestamp}, {"Token", e.Token}, {"TopicArn", e.TopicARN}, {"Type", e.Type},
	} {
		if f.value != "" {
			out.WriteString(f.name + "\n" + f.value + "\n")
		}
	}
	return out.Bytes()
}

// sign is the envelope's signature by this server's own key.
func (b *Book) sign(e *envelope) (string, error) {
	key, err := b.signer()
	if err != nil {
		return "", err
	}
	kind, sum := crypto.SHA1, sha1.Sum(e.text())
	digest := sum[:]
	if e.SignatureVersion == "2" {
		sum := sha256.Sum256(e.text())
		kind, digest = crypto.SHA256, sum[:]
	}
	s, err := rsa.SignPKCS1v15(nil, key, kind, digest)
	return base64.StdEncoding.EncodeToString(s), err
}

// signer is the key that messages are signed with. It is made with the first
// topic, and kept.
func (b *Book) signer() (*rsa.PrivateKey, error) {
	b.keyOnce.Do(func() { b.key, b.keyErr = b.loadKey(context.Background()) })
	return b.key, b.keyErr
}

func (b *Book) loadKey(ctx context.Context) (*rsa.PrivateKey, error) {
	der, err := store.Read(ctx, b.DB, readKey)
	if errors.Is(err, store.ErrNoRows) {
		made, gerr := rsa.GenerateKey(rand.Reader, 2048)
		if gerr != nil {
			return nil, gerr
		}
		der, err = store.Write(ctx, b.DB, func(tx store.Tx) ([]byte, error) {
			// Another node may have been first.
			_, err := tx.Exec(`INSERT INTO sns_key (id, private) VALUES (1, ?) ON CONFLICT (id) DO NOTHING`, x509.MarshalPKCS1PrivateKey(made))
			if err != nil {
				return nil, err
			}
			return readKey(tx)
		})
	}
	if err != nil {
		return nil, err
	}
	return x509.ParsePKCS1PrivateKey(der)
}

func readKey(tx store.Tx) (der []byte, err error) {
	return der, tx.Get([]any{&der}, `SELECT private FROM sns_key WHERE id = 1`)
}

// Certificate is the certificate, in PEM, of the key that messages are signed with.
func (b *Book) Certificate() ([]byte, error) {
	key, err := b.signer()
	if err != nil {
		return nil, err
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
