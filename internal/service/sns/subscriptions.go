package sns

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A subscription is one endpoint of a topic.
type subscription struct {
	id, topic, protocol, endpoint string
	attributes                    map[string]string
	token                         string // confirms it; "" once it is confirmed
}

const subscriptionColumns = `id, topic, protocol, endpoint, attributes, token`

func scanSubscription(scan func(...any) error) (*subscription, error) {
	s, raw := &subscription{}, ""
	if err := scan(&s.id, &s.topic, &s.protocol, &s.endpoint, &raw, &s.token); err != nil {
		return nil, err
	}
	return s, json.Unmarshal([]byte(raw), &s.attributes)
}

func oneSubscription(tx store.Tx, where string, args ...any) (*subscription, error) {
	all, err := store.All(tx, scanSubscription, `SELECT `+subscriptionColumns+` FROM sns_subscriptions WHERE `+where, args...)
	if err == nil && len(all) == 0 {
		err = notFound("Subscription")
	}
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func (s *subscription) save(tx store.Tx) error {
	raw, err := json.Marshal(s.attributes)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO sns_subscriptions (`+subscriptionColumns+`) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET attributes = excluded.attributes, token = excluded.token`,
		s.id, s.topic, s.protocol, s.endpoint, string(raw), s.token)
	return err
}

func (b *Book) subscriptionARN(s *subscription) string { return b.topicARN(s.topic) + ":" + s.id }

// raw says whether the endpoint gets the message alone.
func (s *subscription) raw() bool { return s.attributes["RawMessageDelivery"] == "true" }

// web says whether the endpoint is a web server.
func (s *subscription) web() bool { return s.protocol == "http" || s.protocol == "https" }

// checkSubscription refuses what a subscription's attribute may not be.
//
// https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
func checkSubscription(name, value string) error {
	switch name {
	case "RawMessageDelivery":
		if value != "true" && value != "false" {
			return invalid("Attributes Reason: RawMessageDelivery: Invalid value [%s]. Must be true or false.", value)
		}
	case "FilterPolicyScope":
		if value != "MessageAttributes" && value != "MessageBody" {
			return invalid("FilterPolicyScope: Invalid value [%s]. Please use either MessageBody or MessageAttributes", value)
		}
	case "FilterPolicy":
		return checkFilter(value)
	case "DeliveryPolicy":
		_, err := parseDelivery(value, false)
		return err
	case "RedrivePolicy":
		_, err := parseRedrive(value)
		return err
	case "SubscriptionRoleArn", "ReplayPolicy":
	default:
		return invalid("AttributeName")
	}
	return nil
}

// parseRedrive is the ARN of the queue in a redrive policy; "" for none.
func parseRedrive(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var p struct {
		ARN string `json:"deadLetterTargetArn"`
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return "", invalid("RedrivePolicy: failed to parse JSON. %s", err)
	}
	a, err := arn.Parse(p.ARN)
	if err != nil || a.Service != "sqs" {
		return "", invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")
	}
	return p.ARN, nil
}

// checkEndpoint refuses an endpoint that its protocol does not have.
func (b *Book) checkEndpoint(t *topic, protocol, endpoint string) error {
	a, aerr := arn.Parse(endpoint)
	switch protocol {
	case "sqs":
		if aerr != nil || a.Service != "sqs" {
			return invalid("SQS endpoint ARN")
		}
		if strings.HasSuffix(endpoint, ".fifo") && !t.fifo() {
			return invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
		}
		return nil
	case "lambda":
		if aerr != nil || a.Service != "lambda" {
			return invalid("Lambda endpoint ARN")
		}
	case "http", "https":
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != protocol || u.Host == "" {
			return invalid("Endpoint must match the specified protocol")
		}
		if b.Post == nil {
			return invalid("Protocol Reason: this server reaches no web servers")
		}
	case "email", "email-json", "sms", "application", "firehose":
		return invalid("Protocol Reason: Mayfly does not deliver by %s; it does by sqs, lambda, http and https", protocol)
	default:
		return invalid("Amazon SNS does not support this protocol string: %s", protocol)
	}
	if t.fifo() {
		return invalid("Invalid protocol type: %s", protocol)
	}
	return nil
}

// https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
func (a *api) subscribe(ctx context.Context, in *SubscribeInput) (*SubscribeResponse, error) {
	name, err := a.nameOf(*in.TopicArn, "TopicArn")
	if err != nil {
		return nil, err
	}
	for k, v := range in.Attributes {
		if err := checkSubscription(k, v); err != nil {
			return nil, err
		}
	}
	want := &subscription{id: uuid.NewString(), topic: name, protocol: *in.Protocol, endpoint: str(in.Endpoint), attributes: maps.Clone(in.Attributes)}
	if want.attributes == nil {
		want.attributes = map[string]string{}
	}
	base := endpoint(wire.BaseURL(ctx))
	s, err := store.Write(ctx, a.DB, func(tx store.Tx) (*subscription, error) { return a.makeSubscription(tx, want, base) })
	if err != nil {
		return nil, err
	}
	a.mail.wake()
	if s.token != "" && (in.ReturnSubscriptionArn == nil || !*in.ReturnSubscriptionArn) {
		return &SubscribeResponse{SubscriptionArn: new("pending confirmation")}, nil
	}
	return &SubscribeResponse{SubscriptionArn: new(a.subscriptionARN(s))}, nil
}

// makeSubscription makes a subscription, or agrees that it is there. A web
// server is asked to confirm.
func (b *Book) makeSubscription(tx store.Tx, want *subscription, base string) (*subscription, error) {
	t, err := findTopic(tx, want.topic)
	if err != nil {
		return nil, err
	}
	if err := b.checkEndpoint(t, want.protocol, want.endpoint); err != nil {
		return nil, err
	}
	s, err := oneSubscription(tx, `topic = ? AND protocol = ? AND endpoint = ?`, want.topic, want.protocol, want.endpoint)
	if e := (*awserr.Error)(nil); errors.As(err, &e) {
		if want.web() {
			want.token = newToken()
		}
		s, err = want, want.save(tx)
	} else if err == nil && len(want.attributes) > 0 && !maps.Equal(s.attributes, want.attributes) {
		return nil, invalid("Attributes Reason: Subscription already exists with different attributes")
	}
	if err != nil || s.token == "" {
		return s, err
	}
	return s, b.mail.confirm(tx, s, base)
}

func newToken() string {
	b := make([]byte, 64)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
func (a *api) confirmSubscription(ctx context.Context, in *ConfirmSubscriptionInput) (*ConfirmSubscriptionResponse, error) {
	name, err := a.nameOf(*in.TopicArn, "TopicArn")
	if err != nil {
		return nil, err
	}
	s, err := store.Write(ctx, a.DB, func(tx store.Tx) (*subscription, error) {
		if _, err := findTopic(tx, name); err != nil {
			return nil, err
		}
		s, err := oneSubscription(tx, `topic = ? AND token = ? AND token <> ''`, name, *in.Token)
		if err != nil {
			return nil, invalid("Token")
		}
		s.token = ""
		if in.AuthenticateOnUnsubscribe != nil && strings.EqualFold(*in.AuthenticateOnUnsubscribe, "true") {
			s.attributes[authenticated] = "true"
		}
		return s, s.save(tx)
	})
	if err != nil {
		return nil, err
	}
	return &ConfirmSubscriptionResponse{SubscriptionArn: new(a.subscriptionARN(s))}, nil
}

// authenticated is the attribute, not settable, of a subscription that only a
// signed request may end.
const authenticated = "ConfirmationWasAuthenticated"

// https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html
func (a *api) unsubscribe(ctx context.Context, in *UnsubscribeInput) (*UnsubscribeResponse, error) {
	_, id, err := a.subscriptionOf(*in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	return &UnsubscribeResponse{}, a.DB.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`DELETE FROM sns_subscriptions WHERE id = ?`, id)
		return err
	})
}

// https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptions.html
func (a *api) listSubscriptions(ctx context.Context, in *ListSubscriptionsInput) (*ListSubscriptionsResponse, error) {
	list, token, err := a.listWhere(ctx, in.NextToken, `id > ?`)
	return &ListSubscriptionsResponse{Subscriptions: list, NextToken: token}, err
}

// https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html
func (a *api) listSubscriptionsByTopic(ctx context.Context, in *ListSubscriptionsByTopicInput) (*ListSubscriptionsByTopicResponse, error) {
	name, err := a.nameOf(*in.TopicArn, "TopicArn")
	if err != nil {
		return nil, err
	}
	if err := a.DB.View(ctx, func(tx store.Tx) error { _, err := findTopic(tx, name); return err }); err != nil {
		return nil, err
	}
	list, token, err := a.listWhere(ctx, in.NextToken, `id > ? AND topic = ?`, name)
	return &ListSubscriptionsByTopicResponse{Subscriptions: list, NextToken: token}, err
}

func (b *Book) listWhere(ctx context.Context, token *string, where string, args ...any) ([]*Subscription, *string, error) {
	from, err := after(token)
	if err != nil {
		return nil, nil, err
	}
	all, err := store.Read(ctx, b.DB, func(tx store.Tx) ([]*subscription, error) {
		return store.All(tx, scanSubscription, `SELECT `+subscriptionColumns+` FROM sns_subscriptions WHERE `+where+` ORDER BY id LIMIT ?`,
			append(append([]any{from}, args...), pageSize+1)...)
	})
	if err != nil {
		return nil, nil, err
	}
	all, next := more(all, func(s *subscription) string { return s.id })
	out := []*Subscription{}
	for _, s := range all {
		own := b.subscriptionARN(s)
		if s.token != "" {
			own = "PendingConfirmation"
		}
		out = append(out, &Subscription{SubscriptionArn: &own, TopicArn: new(b.topicARN(s.topic)), Owner: &b.Account, Protocol: &s.protocol, Endpoint: &s.endpoint})
	}
	return out, next, nil
}

// https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html
func (a *api) getSubscriptionAttributes(ctx context.Context, in *GetSubscriptionAttributesInput) (*GetSubscriptionAttributesResponse, error) {
	_, id, err := a.subscriptionOf(*in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	s, err := store.Read(ctx, a.DB, func(tx store.Tx) (*subscription, error) { return oneSubscription(tx, `id = ?`, id) })
	if err != nil {
		return nil, err
	}
	out := map[string]string{
		"SubscriptionArn": a.subscriptionARN(s), "TopicArn": a.topicARN(s.topic), "Owner": a.Account, "Protocol": s.protocol, "Endpoint": s.endpoint,
		"PendingConfirmation": "false", "RawMessageDelivery": "false", authenticated: "true",
		"SubscriptionPrincipal": "arn:aws:iam::" + a.Account + ":root",
	}
	if s.token != "" {
		out["PendingConfirmation"] = "true"
	}
	if s.web() {
		out[authenticated] = "false"
	}
	if s.attributes["FilterPolicy"] != "" {
		out["FilterPolicyScope"] = "MessageAttributes"
	}
	if s.web() {
		out["EffectiveDeliveryPolicy"] = effective(s.attributes["DeliveryPolicy"])
	}
	for k, v := range s.attributes {
		if v != "" {
			out[k] = v
		}
	}
	return &GetSubscriptionAttributesResponse{Attributes: out}, nil
}

// https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
func (a *api) setSubscriptionAttributes(ctx context.Context, in *SetSubscriptionAttributesInput) (*SetSubscriptionAttributesResponse, error) {
	key, value := *in.AttributeName, str(in.AttributeValue)
	_, id, err := a.subscriptionOf(*in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	if err := checkSubscription(key, value); err != nil {
		return nil, err
	}
	return &SetSubscriptionAttributesResponse{}, a.DB.Update(ctx, func(tx store.Tx) error {
		s, err := oneSubscription(tx, `id = ?`, id)
		if err != nil {
			return err
		}
		s.attributes[key] = value
		return s.save(tx)
	})
}

// OpenToAll reports whether the subscription may be ended by who holds no
// credentials, by the link that each message has. A link to one that does not
// exist is as good as any.
func (b *Book) OpenToAll(ctx context.Context, named string) bool {
	_, id, err := b.subscriptionOf(named)
	if err != nil {
		return true
	}
	s, err := store.Read(ctx, b.DB, func(tx store.Tx) (*subscription, error) { return oneSubscription(tx, `id = ?`, id) })
	return err != nil || s.web() && s.attributes[authenticated] != "true"
}
