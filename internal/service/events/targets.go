package events

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const maxTargets = 5 // of a rule

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html
func (a *api) putTargets(ctx context.Context, in *PutTargetsRequest) (*PutTargetsResponse, error) {
	for _, t := range in.Targets {
		if err := t.check(); err != nil {
			return nil, err
		}
	}
	bus := busOf(in.EventBusName)
	err := a.change(ctx, func(tx store.Tx) error {
		if _, err := ruleByName(tx, bus, *in.Rule); err != nil {
			return err
		}
		for _, t := range in.Targets {
			if err := putTarget(tx, bus, *in.Rule, t); err != nil {
				return err
			}
		}
		var n int
		err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM events_target WHERE bus = ? AND rule = ?`, bus, *in.Rule)
		if err == nil && n > maxTargets {
			err = tooMany()
		}
		return err
	})
	return &PutTargetsResponse{FailedEntries: []*PutTargetsResultEntry{}, FailedEntryCount: new(int32)}, err
}

func putTarget(tx store.Tx, bus, rule string, t *Target) error {
	doc, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO events_target (bus, rule, id, arn, doc) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (bus, rule, id) DO UPDATE SET arn = excluded.arn, doc = excluded.doc`, bus, rule, *t.Id, *t.Arn, doc)
	return err
}

// check holds a target to what the model cannot say.
func (t *Target) check() error {
	to, err := arn.Parse(*t.Arn)
	if err != nil {
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", *t.Arn)
	}
	if !slices.Contains([]string{"lambda", "sqs", "sns", "events"}, to.Service) ||
		to.Service == "events" && !strings.HasPrefix(to.Resource, "event-bus/") {
		return invalid("Mayfly does not serve %s as a target yet (target %s).", *t.Arn, *t.Id)
	}
	fifo := to.Service == "sqs" && strings.HasSuffix(to.Resource, ".fifo")
	if fifo && (t.SqsParameters == nil || val(t.SqsParameters.MessageGroupId) == "") {
		return invalid("Parameter(s) SqsParameters must be specified for target: %s.", *t.Id)
	}
	if d := t.DeadLetterConfig; d != nil && d.Arn != nil {
		if q, err := arn.Parse(*d.Arn); err != nil || q.Service != "sqs" || strings.HasSuffix(q.Resource, ".fifo") {
			return invalid("Parameter DeadLetterConfig.Arn is not valid. Reason: Must be the ARN of a standard SQS queue.")
		}
	}
	return t.checkInput()
}

func (t *Target) checkInput() error {
	ways := 0
	for _, set := range []bool{t.Input != nil, t.InputPath != nil, t.InputTransformer != nil} {
		if set {
			ways++
		}
	}
	switch {
	case ways > 1:
		return invalid("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", *t.Id)
	case t.Input != nil && !json.Valid([]byte(*t.Input)):
		return invalid("Invalid Input for target %s : JSON syntax error in Input for target %s.", *t.Id, *t.Id)
	}
	_, err := newInput(t)
	return err
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemoveTargets.html
func (a *api) removeTargets(ctx context.Context, in *RemoveTargetsRequest) (*RemoveTargetsResponse, error) {
	bus := busOf(in.EventBusName)
	failed := []*RemoveTargetsResultEntry{}
	err := a.change(ctx, func(tx store.Tx) error {
		failed = failed[:0]
		if _, err := ruleByName(tx, bus, *in.Rule); err != nil {
			return err
		}
		for _, id := range in.Ids {
			n, err := tx.Exec(`DELETE FROM events_target WHERE bus = ? AND rule = ? AND id = ?`, bus, *in.Rule, id)
			if err != nil {
				return err
			}
			if n == 0 {
				failed = append(failed, &RemoveTargetsResultEntry{
					TargetId: &id, ErrorCode: new("ResourceNotFoundException"),
					ErrorMessage: new("Rule " + *in.Rule + " does not have a target with the Id " + id + "."),
				})
			}
		}
		return nil
	})
	return &RemoveTargetsResponse{FailedEntries: failed, FailedEntryCount: new(int32(len(failed)))}, err
}

func scanTarget(scan func(...any) error) (*Target, error) {
	var doc []byte
	if err := scan(&doc); err != nil {
		return nil, err
	}
	t := new(Target)
	return t, json.Unmarshal(doc, t)
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTargetsByRule.html
func (a *api) listTargetsByRule(ctx context.Context, in *ListTargetsByRuleRequest) (*ListTargetsByRuleResponse, error) {
	p, err := pageOf(in.NextToken, nil, in.Limit)
	if err != nil {
		return nil, err
	}
	bus := busOf(in.EventBusName)
	rows, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]*Target, error) {
		if _, err := ruleByName(tx, bus, *in.Rule); err != nil {
			return nil, err
		}
		return store.All(tx, scanTarget, `SELECT doc FROM events_target WHERE bus = ? AND rule = ? AND id > ? ORDER BY id LIMIT ?`,
			bus, *in.Rule, p.after, p.size+1)
	})
	if err != nil {
		return nil, err
	}
	rows, next := cut(rows, p, func(t *Target) string { return *t.Id })
	if rows == nil {
		rows = []*Target{}
	}
	return &ListTargetsByRuleResponse{Targets: rows, NextToken: next}, nil
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRuleNamesByTarget.html
func (a *api) listRuleNamesByTarget(ctx context.Context, in *ListRuleNamesByTargetRequest) (*ListRuleNamesByTargetResponse, error) {
	p, err := pageOf(in.NextToken, nil, in.Limit)
	if err != nil {
		return nil, err
	}
	bus := busOf(in.EventBusName)
	names, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]string, error) {
		if _, err := busByName(tx, bus); err != nil {
			return nil, err
		}
		return store.All(tx, text, `SELECT DISTINCT rule FROM events_target WHERE arn = ? AND bus = ? AND rule > ? ORDER BY rule LIMIT ?`,
			*in.TargetArn, bus, p.after, p.size+1)
	})
	if err != nil {
		return nil, err
	}
	names, next := cut(names, p, func(s string) string { return s })
	if names == nil {
		names = []string{}
	}
	return &ListRuleNamesByTargetResponse{RuleNames: names, NextToken: next}, nil
}
