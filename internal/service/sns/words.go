package sns

import (
	"encoding/base64"
	"regexp"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// str is an optional string, "" when absent.
func str(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// some is s, absent when empty.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func invalid(format string, args ...any) error {
	return awserr.New(400, "InvalidParameter", "Invalid parameter: "+format, args...)
}

func invalidValue(format string, args ...any) error {
	return awserr.New(400, "ParameterValueInvalid", "Invalid parameter: "+format, args...)
}

func notFound(what string) error { return awserr.New(404, "NotFound", "%s does not exist", what) }

// topicName is what names a topic: letters, digits, hyphens and underscores, and
// .fifo at the end of a FIFO topic's.
//
// https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

func checkName(name string, fifo bool) error {
	base, suffixed := strings.CutSuffix(name, ".fifo")
	switch {
	case fifo && !suffixed:
		return invalid("Topic Name Reason: FIFO topic names must end with .fifo")
	case suffixed && !fifo, len(name) > 256, !topicName.MatchString(base):
		return invalid("Topic Name")
	}
	return nil
}

// topicARN is the ARN of the topic called name.
func (b *Book) topicARN(name string) string {
	return arn.ARN{Service: "sns", Region: b.Region, Account: b.Account, Resource: name}.String()
}

// nameOf is the name in a topic's ARN. member names the parameter that it came in.
func (b *Book) nameOf(topic, member string) (string, error) {
	a, err := arn.Parse(topic)
	if err != nil || a.Service != "sns" {
		return "", invalid("%s", member)
	}
	if strings.Contains(a.Resource, ":") || a.Region == "" || a.Account == "" {
		return "", invalid("%s Reason: An ARN must have at least 6 elements, not %d", member, len(strings.Split(topic, ":")))
	}
	if a.Region != b.Region || a.Account != b.Account {
		return "", notFound("Topic")
	}
	return a.Resource, nil
}

// subscriptionOf is the topic and the id in a subscription's ARN.
func (b *Book) subscriptionOf(subscription string) (topic, id string, err error) {
	a, perr := arn.Parse(subscription)
	if perr != nil || a.Service != "sns" {
		return "", "", invalid("SubscriptionArn Reason: An ARN must have at least 6 elements, not %d", len(strings.Split(subscription, ":")))
	}
	topic, id, found := strings.Cut(a.Resource, ":")
	if !found || id == "" {
		return "", "", invalid("SubscriptionId")
	}
	return topic, id, nil
}

// pageSize is how much a page of a list holds.
const pageSize = 100

// after is where a page begins: after what the token of the page before names.
func after(token *string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(str(token))
	if err != nil {
		return "", invalid("NextToken")
	}
	return string(b), nil
}

// more is the token of the page behind one that was read with one item too
// many, and the page without that.
func more[T any](items []T, key func(T) string) ([]T, *string) {
	if len(items) <= pageSize {
		return items, nil
	}
	items = items[:pageSize]
	return items, new(base64.RawURLEncoding.EncodeToString([]byte(key(items[pageSize-1]))))
}

// endpoint is where clients reach us, for the links in messages.
func endpoint(base string) string {
	if base == "" {
		return "http://localhost:4566"
	}
	return strings.TrimSuffix(base, "/")
}
