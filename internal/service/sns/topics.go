package sns

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A topic is a topic as it is kept.
type topic struct {
	name       string
	attributes map[string]string // those that were given
}

func (t *topic) fifo() bool { return t.attributes["FifoTopic"] == "true" }

// findTopic reads a topic.
func findTopic(tx store.Tx, name string) (*topic, error) {
	t, raw := &topic{name: name}, ""
	err := tx.Get([]any{&raw}, `SELECT attributes FROM sns_topics WHERE name = ?`, name)
	if errors.Is(err, store.ErrNoRows) {
		return nil, notFound("Topic")
	}
	if err != nil {
		return nil, err
	}
	return t, json.Unmarshal([]byte(raw), &t.attributes)
}

// save writes the attributes of a topic.
func (t *topic) save(tx store.Tx) error {
	raw, err := json.Marshal(t.attributes)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE sns_topics SET attributes = ? WHERE name = ?`, string(raw), t.name)
	return err
}

// settable are the attributes that a topic may be given.
//
// https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
func settable() []string {
	return []string{"DeliveryPolicy", "DisplayName", "FifoTopic", "Policy", "SignatureVersion", "TracingConfig", "KmsMasterKeyId",
		"ArchivePolicy", "ContentBasedDeduplication", "FifoThroughputScope", "DataProtectionPolicy",
		"HTTPSuccessFeedbackRoleArn", "HTTPSuccessFeedbackSampleRate", "HTTPFailureFeedbackRoleArn",
		"LambdaSuccessFeedbackRoleArn", "LambdaSuccessFeedbackSampleRate", "LambdaFailureFeedbackRoleArn",
		"SQSSuccessFeedbackRoleArn", "SQSSuccessFeedbackSampleRate", "SQSFailureFeedbackRoleArn",
		"FirehoseSuccessFeedbackRoleArn", "FirehoseSuccessFeedbackSampleRate", "FirehoseFailureFeedbackRoleArn",
		"ApplicationSuccessFeedbackRoleArn", "ApplicationSuccessFeedbackSampleRate", "ApplicationFailureFeedbackRoleArn"}
}

// checkAttribute refuses what a topic's attribute may not be.
func checkAttribute(name, value string) error {
	if !slices.Contains(settable(), name) {
		return invalid("AttributeName")
	}
	boolean := value == "true" || value == "false"
	var err error
	switch name {
	case "FifoTopic", "ContentBasedDeduplication":
		if !boolean {
			err = invalid("Attributes Reason: %s: Invalid value [%s]: must be either true or false.", name, value)
		}
	case "DisplayName":
		if len(value) > 100 {
			err = invalid("DisplayName")
		}
	case "SignatureVersion":
		if value != "1" && value != "2" {
			err = invalid("SignatureVersion")
		}
	case "TracingConfig":
		if value != "PassThrough" && value != "Active" {
			err = invalid("TracingConfig")
		}
	case "Policy":
		err = checkPolicy(value)
	case "DeliveryPolicy":
		_, err = parseDelivery(value, true)
	}
	return err
}

// checkPolicy refuses a text that is no resource policy.
func checkPolicy(text string) error {
	if text == "" {
		return nil
	}
	if _, err := policy.Parse(policy.Resource, text); err != nil {
		return invalid("Policy Error: %s", err.Error())
	}
	return nil
}

// https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
func (a *api) createTopic(ctx context.Context, in *CreateTopicInput) (*CreateTopicResponse, error) {
	name := *in.Name
	attributes := maps.Clone(in.Attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	if in.DataProtectionPolicy != nil {
		attributes["DataProtectionPolicy"] = *in.DataProtectionPolicy
	}
	if err := checkName(name, attributes["FifoTopic"] == "true"); err != nil {
		return nil, err
	}
	for k, v := range attributes {
		if err := checkAttribute(k, v); err != nil {
			return nil, err
		}
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	// The key is made here, since what signs may be within a transaction.
	if _, err := a.signer(); err != nil {
		return nil, err
	}
	err = a.DB.Update(ctx, func(tx store.Tx) error { return makeTopic(tx, name, attributes, tags) })
	return &CreateTopicResponse{TopicArn: new(a.topicARN(name))}, err
}

// makeTopic makes a topic, or agrees that it is there as it is wanted.
func makeTopic(tx store.Tx, name string, attributes map[string]string, tags map[string]string) error {
	have, err := findTopic(tx, name)
	if err == nil {
		return have.like(tx, attributes, tags)
	}
	if e := (*awserr.Error)(nil); !errors.As(err, &e) {
		return err
	}
	raw, err := json.Marshal(attributes)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO sns_topics (name, attributes) VALUES (?, ?)`, name, string(raw)); err != nil {
		return err
	}
	return putTags(tx, name, tags)
}

// like refuses to make a topic anew with other attributes or tags.
func (t *topic) like(tx store.Tx, attributes, tags map[string]string) error {
	for k, v := range attributes {
		if t.attributes[k] != v {
			return invalid("Attributes Reason: Topic already exists with different attributes")
		}
	}
	if len(tags) == 0 {
		return nil
	}
	have, err := readTags(tx, t.name)
	if err == nil && !maps.Equal(have, tags) {
		err = invalid("Tags Reason: Topic already exists with different tags")
	}
	return err
}

// https://docs.aws.amazon.com/sns/latest/api/API_DeleteTopic.html
func (a *api) deleteTopic(ctx context.Context, in *DeleteTopicInput) (*DeleteTopicResponse, error) {
	name, err := a.nameOf(*in.TopicArn, "TopicArn")
	if err != nil {
		return nil, err
	}
	return &DeleteTopicResponse{}, a.DB.Update(ctx, func(tx store.Tx) error {
		for _, q := range []string{
			`DELETE FROM sns_topics WHERE name = ?`, `DELETE FROM sns_subscriptions WHERE topic = ?`,
			`DELETE FROM sns_tags WHERE topic = ?`, `DELETE FROM sns_seen WHERE topic = ?`,
		} {
			if _, err := tx.Exec(q, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// https://docs.aws.amazon.com/sns/latest/api/API_ListTopics.html
func (a *api) listTopics(ctx context.Context, in *ListTopicsInput) (*ListTopicsResponse, error) {
	from, err := after(in.NextToken)
	if err != nil {
		return nil, err
	}
	names, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]string, error) {
		return store.All(tx, func(scan func(...any) error) (n string, err error) { return n, scan(&n) },
			`SELECT name FROM sns_topics WHERE name > ? ORDER BY name LIMIT ?`, from, pageSize+1)
	})
	if err != nil {
		return nil, err
	}
	names, token := more(names, func(n string) string { return n })
	out := &ListTopicsResponse{Topics: []*Topic{}, NextToken: token}
	for _, n := range names {
		out.Topics = append(out.Topics, &Topic{TopicArn: new(a.topicARN(n))})
	}
	return out, nil
}

// https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
func (a *api) getTopicAttributes(ctx context.Context, in *GetTopicAttributesInput) (*GetTopicAttributesResponse, error) {
	name, err := a.nameOf(*in.TopicArn, "TopicArn")
	if err != nil {
		return nil, err
	}
	out, err := store.Read(ctx, a.DB, func(tx store.Tx) (map[string]string, error) {
		t, err := findTopic(tx, name)
		if err != nil {
			return nil, err
		}
		return a.describe(tx, t)
	})
	return &GetTopicAttributesResponse{Attributes: out}, err
}

// describe is all that there is to say of a topic.
func (b *Book) describe(tx store.Tx, t *topic) (map[string]string, error) {
	var confirmed, pending int
	err := tx.Get([]any{&confirmed, &pending}, `SELECT COUNT(CASE WHEN token = '' THEN 1 END), COUNT(CASE WHEN token <> '' THEN 1 END)
		FROM sns_subscriptions WHERE topic = ?`, t.name)
	if err != nil {
		return nil, err
	}
	own := b.topicARN(t.name)
	out := map[string]string{
		"TopicArn": own, "Owner": b.Account, "DisplayName": "", "Policy": b.defaultPolicy(own),
		"SubscriptionsConfirmed": strconv.Itoa(confirmed), "SubscriptionsPending": strconv.Itoa(pending), "SubscriptionsDeleted": "0",
	}
	if t.fifo() {
		out["ContentBasedDeduplication"] = "false"
	}
	for k, v := range t.attributes {
		if v != "" || k == "DisplayName" {
			out[k] = v
		}
	}
	delete(out, "DataProtectionPolicy")
	out["EffectiveDeliveryPolicy"] = effective(t.attributes["DeliveryPolicy"])
	return out, nil
}

// defaultPolicy lets the account do everything, as a new topic of AWS does.
func (b *Book) defaultPolicy(own string) string {
	return `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},` +
		`"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic","SNS:Publish"],` +
		`"Resource":"` + own + `","Condition":{"StringEquals":{"AWS:SourceOwner":"` + b.Account + `"}}}]}`
}

// https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
func (a *api) setTopicAttributes(ctx context.Context, in *SetTopicAttributesInput) (*SetTopicAttributesResponse, error) {
	key, value := *in.AttributeName, str(in.AttributeValue)
	name, err := a.nameOf(*in.TopicArn, "TopicArn")
	if err != nil {
		return nil, err
	}
	if key == "FifoTopic" {
		return nil, invalid("AttributeName")
	}
	if err := checkAttribute(key, value); err != nil {
		return nil, err
	}
	return &SetTopicAttributesResponse{}, a.DB.Update(ctx, func(tx store.Tx) error {
		t, err := findTopic(tx, name)
		if err != nil {
			return err
		}
		if !t.fifo() && slices.Contains([]string{"ContentBasedDeduplication", "FifoThroughputScope", "ArchivePolicy"}, key) {
			return invalid("%s Reason: only FIFO topics have it", key)
		}
		t.attributes[key] = value
		return t.save(tx)
	})
}

// tags

// tagsIn reads a request's tags.
func tagsIn(in []*Tag) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range in {
		if _, twice := out[str(t.Key)]; twice {
			return nil, invalid("Reason: Duplicated keys are not allowed.")
		}
		if strings.HasPrefix(strings.ToLower(str(t.Key)), "aws:") {
			return nil, invalid("Tags Reason: keys that begin with aws: are reserved")
		}
		out[str(t.Key)] = str(t.Value)
	}
	return out, nil
}

func readTags(tx store.Tx, topic string) (map[string]string, error) {
	tags := map[string]string{}
	err := tx.Each(`SELECT name, value FROM sns_tags WHERE topic = ?`, []any{topic}, func(scan func(...any) error) error {
		var k, v string
		if err := scan(&k, &v); err != nil {
			return err
		}
		tags[k] = v
		return nil
	})
	return tags, err
}

func putTags(tx store.Tx, topic string, tags map[string]string) error {
	for k, v := range tags {
		if _, err := tx.Exec(`INSERT INTO sns_tags (topic, name, value) VALUES (?, ?, ?)
			ON CONFLICT (topic, name) DO UPDATE SET value = excluded.value`, topic, k, v); err != nil {
			return err
		}
	}
	return nil
}

// noResource is what the operations on tags say of a topic that is not there.
func noResource(err error) error {
	if e := (*awserr.Error)(nil); errors.As(err, &e) && e.Code == "NotFound" {
		return awserr.New(404, "ResourceNotFound", "Resource does not exist")
	}
	return err
}

// https://docs.aws.amazon.com/sns/latest/api/API_TagResource.html
func (a *api) tagResource(ctx context.Context, in *TagResourceRequest) (*TagResourceResponse, error) {
	name, err := a.nameOf(*in.ResourceArn, "ResourceArn")
	if err != nil {
		return nil, noResource(err)
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	return &TagResourceResponse{}, noResource(a.DB.Update(ctx, func(tx store.Tx) error {
		if _, err := findTopic(tx, name); err != nil {
			return err
		}
		if err := putTags(tx, name, tags); err != nil {
			return err
		}
		have, err := readTags(tx, name)
		if err == nil && len(have) > 50 {
			err = awserr.New(400, "TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded")
		}
		return err
	}))
}

// https://docs.aws.amazon.com/sns/latest/api/API_UntagResource.html
func (a *api) untagResource(ctx context.Context, in *UntagResourceRequest) (*UntagResourceResponse, error) {
	name, err := a.nameOf(*in.ResourceArn, "ResourceArn")
	if err != nil {
		return nil, noResource(err)
	}
	return &UntagResourceResponse{}, noResource(a.DB.Update(ctx, func(tx store.Tx) error {
		if _, err := findTopic(tx, name); err != nil {
			return err
		}
		for _, k := range in.TagKeys {
			if _, err := tx.Exec(`DELETE FROM sns_tags WHERE topic = ? AND name = ?`, name, k); err != nil {
				return err
			}
		}
		return nil
	}))
}

// https://docs.aws.amazon.com/sns/latest/api/API_ListTagsForResource.html
func (a *api) listTagsForResource(ctx context.Context, in *ListTagsForResourceRequest) (*ListTagsForResourceResponse, error) {
	name, err := a.nameOf(*in.ResourceArn, "ResourceArn")
	if err != nil {
		return nil, noResource(err)
	}
	tags, err := store.Read(ctx, a.DB, func(tx store.Tx) (map[string]string, error) {
		if _, err := findTopic(tx, name); err != nil {
			return nil, err
		}
		return readTags(tx, name)
	})
	out := &ListTagsForResourceResponse{Tags: []*Tag{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out.Tags = append(out.Tags, &Tag{Key: new(k), Value: new(tags[k])})
	}
	return out, noResource(err)
}
