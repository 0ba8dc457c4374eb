package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// Policy answers the policy of a queue, "" when it has none, and
// target.ErrNotFound when there is no such queue.
func (b *Book) Policy(_ context.Context, to arn.ARN) (string, error) {
	q := b.byARN(to.String())
	if q == nil {
		return "", fmt.Errorf("%w: %s", target.ErrNotFound, to)
	}
	return q.set.Load().attributes["Policy"], nil
}

// A document is a queue's policy, of which the statements that AddPermission
// did not make stay as they are.
type document struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// A grant is a statement as AddPermission makes it.
type grant struct {
	SID       string         `json:"Sid"`
	Effect    string         `json:"Effect"`
	Principal map[string]any `json:"Principal"`
	Action    any            `json:"Action"`
	Resource  string         `json:"Resource"`
}

// documentOf reads the policy of a queue.
func documentOf(q *queue, text string) (d document, err error) {
	if text == "" {
		return document{Version: "2008-10-17", ID: q.arn + "/SQSDefaultPolicy"}, nil
	}
	var loose struct {
		Version, ID string
		Statement   json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &loose); err != nil {
		return d, err
	}
	d = document{Version: loose.Version, ID: loose.ID}
	if json.Unmarshal(loose.Statement, &d.Statement) != nil { // one statement may stand alone
		d.Statement = []json.RawMessage{loose.Statement}
	}
	return d, nil
}

func sidOf(statement json.RawMessage) string {
	var s struct{ Sid string }
	_ = json.Unmarshal(statement, &s) // none is a statement without
	return s.Sid
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
func (a *api) addPermission(ctx context.Context, in *AddPermissionRequest) (*AddPermissionResponse, error) {
	if err := checkGrant(in); err != nil {
		return nil, err
	}
	err := a.change(ctx, in.QueueUrl, func(q *queue, s *settings) (*settings, error) {
		d, err := documentOf(q, s.attributes["Policy"])
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(d.Statement, func(st json.RawMessage) bool { return sidOf(st) == *in.Label }) {
			return nil, invalidValue(*in.Label, "Label", "Already exists.")
		}
		if len(d.Statement) >= 20 {
			return nil, fail(403, "OverLimit", "OverLimit", "%d statements were found, maximum allowed is 20", len(d.Statement)+1)
		}
		statement, err := json.Marshal(grantOf(q, in))
		if err != nil {
			return nil, err
		}
		d.Statement = append(d.Statement, statement)
		text, err := json.Marshal(d)
		return s.with(map[string]string{"Policy": string(text)}, a.now().Unix()), err
	})
	if err != nil {
		return nil, err
	}
	return &AddPermissionResponse{}, nil
}

func checkGrant(in *AddPermissionRequest) error {
	switch {
	case value0(in.Label) == "":
		return missingParameter("Label")
	case len(in.AWSAccountIds) == 0:
		return missingParameter("AWSAccountId")
	case len(in.Actions) == 0:
		return missingParameter("ActionName")
	case !plainID(*in.Label):
		return invalidValue(*in.Label, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
	case len(in.Actions) > 7:
		return fail(403, "OverLimit", "OverLimit", "%d Actions were found, maximum allowed is 7.", len(in.Actions))
	}
	for _, id := range in.AWSAccountIds {
		if len(id) != 12 || strings.Trim(id, "0123456789") != "" {
			return invalidValue(id, "PrincipalId", "Unable to verify.")
		}
	}
	for _, action := range in.Actions {
		known := slices.ContainsFunc(models(), func(m wire.Model) bool { return m.Name == action })
		if !known && action != "*" || action == "CreateQueue" || action == "ListQueues" {
			return invalidValue("SQS:"+action, "ActionName", "Please refer to the appropriate WSDL for a list of valid actions. ")
		}
	}
	return nil
}

func grantOf(q *queue, in *AddPermissionRequest) grant {
	var principals, actions []string
	for _, id := range in.AWSAccountIds {
		principals = append(principals, "arn:aws:iam::"+id+":root")
	}
	for _, action := range in.Actions {
		actions = append(actions, "SQS:"+action)
	}
	return grant{*in.Label, "Allow", map[string]any{"AWS": one(principals)}, one(actions), q.arn}
}

// one is a list of one without its list, as AWS writes policies.
func one(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_RemovePermission.html
func (a *api) removePermission(ctx context.Context, in *RemovePermissionRequest) (*RemovePermissionResponse, error) {
	label := value0(in.Label)
	if label == "" {
		return nil, missingParameter("Label")
	}
	err := a.change(ctx, in.QueueUrl, func(q *queue, s *settings) (*settings, error) {
		d, err := documentOf(q, s.attributes["Policy"])
		if err != nil {
			return nil, err
		}
		n := len(d.Statement)
		d.Statement = slices.DeleteFunc(d.Statement, func(st json.RawMessage) bool { return sidOf(st) == label })
		if len(d.Statement) == n {
			return nil, invalidValue(label, "Label", "can't find label.")
		}
		var text []byte
		if len(d.Statement) > 0 {
			if text, err = json.Marshal(d); err != nil {
				return nil, err
			}
		}
		return s.with(map[string]string{"Policy": string(text)}, a.now().Unix()), nil
	})
	if err != nil {
		return nil, err
	}
	return &RemovePermissionResponse{}, nil
}
