package sns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Policy answers the policy of a topic, and target.ErrNotFound when there is no
// such topic.
func (b *Book) Policy(ctx context.Context, to arn.ARN) (string, error) {
	name, err := b.nameOf(to.String(), "TopicArn")
	if err != nil {
		return "", fmt.Errorf("%w: %w", target.ErrNotFound, err)
	}
	t, err := store.Read(ctx, b.DB, func(tx store.Tx) (*topic, error) { return findTopic(tx, name) })
	switch e := (*awserr.Error)(nil); {
	case errors.As(err, &e):
		return "", fmt.Errorf("%w: %w", target.ErrNotFound, err)
	case err != nil:
		return "", err
	case t.attributes["Policy"] == "":
		return b.defaultPolicy(to.String()), nil
	}
	return t.attributes["Policy"], nil
}

// actions are what others may be allowed to do with a topic.
//
// https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html
func actions() []string {
	return []string{"Publish", "Subscribe", "GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission",
		"DeleteTopic", "ListSubscriptionsByTopic", "ListTagsForResource", "TagResource", "UntagResource", "GetDataProtectionPolicy", "PutDataProtectionPolicy", "*"}
}

// https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html
func (a *api) addPermission(ctx context.Context, in *AddPermissionInput) (*AddPermissionResponse, error) {
	statement := map[string]any{"Sid": *in.Label, "Effect": "Allow", "Resource": *in.TopicArn}
	var may, who []string
	for _, name := range in.ActionName {
		if !slices.Contains(actions(), name) {
			return nil, invalid("Policy statement action out of service scope!")
		}
		may = append(may, "SNS:"+name)
	}
	for _, account := range in.AWSAccountId {
		who = append(who, "arn:aws:iam::"+account+":root")
	}
	statement["Action"], statement["Principal"] = may, map[string]any{"AWS": who}
	return &AddPermissionResponse{}, a.editPolicy(ctx, *in.TopicArn, func(all []map[string]any) ([]map[string]any, error) {
		if slices.ContainsFunc(all, func(s map[string]any) bool { return s["Sid"] == *in.Label }) {
			return nil, invalid("Statement already exists")
		}
		return append(all, statement), nil
	})
}

// https://docs.aws.amazon.com/sns/latest/api/API_RemovePermission.html
func (a *api) removePermission(ctx context.Context, in *RemovePermissionInput) (*RemovePermissionResponse, error) {
	return &RemovePermissionResponse{}, a.editPolicy(ctx, *in.TopicArn, func(all []map[string]any) ([]map[string]any, error) {
		return slices.DeleteFunc(all, func(s map[string]any) bool { return s["Sid"] == *in.Label }), nil
	})
}

// editPolicy changes the statements of a topic's policy.
func (b *Book) editPolicy(ctx context.Context, topic string, edit func([]map[string]any) ([]map[string]any, error)) error {
	name, err := b.nameOf(topic, "TopicArn")
	if err != nil {
		return err
	}
	return b.DB.Update(ctx, func(tx store.Tx) error {
		t, err := findTopic(tx, name)
		if err != nil {
			return err
		}
		text := t.attributes["Policy"]
		if text == "" {
			text = b.defaultPolicy(topic)
		}
		var document struct {
			Version   string           `json:"Version,omitempty"`
			ID        string           `json:"Id,omitempty"`
			Statement []map[string]any `json:"Statement"`
		}
		if err := json.Unmarshal([]byte(text), &document); err != nil {
			return awserr.New(400, "InvalidParameter", "Invalid parameter: Policy: %s", err)
		}
		if document.Statement, err = edit(document.Statement); err != nil {
			return err
		}
		raw, err := json.Marshal(document)
		if err != nil {
			return err
		}
		t.attributes["Policy"] = string(raw)
		return t.save(tx)
	})
}
