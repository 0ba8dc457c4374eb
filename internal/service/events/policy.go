package events

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const maxPolicy = 10240

// A policy is a bus's resource policy, with its statements as they are.
type policy struct {
	Version   string
	Statement []map[string]any
}

func readPolicy(text string) policy {
	p := policy{Version: "2012-10-17"}
	_ = json.Unmarshal([]byte(text), &p) // it was checked when it was put
	return p
}

func (p *policy) remove(sid string) bool {
	n := len(p.Statement)
	p.Statement = slices.DeleteFunc(p.Statement, func(s map[string]any) bool { return s["Sid"] == sid })
	return len(p.Statement) < n
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html
func (a *api) putPermission(ctx context.Context, in *PutPermissionRequest) (*PutPermissionResponse, error) {
	bus := busOf(in.EventBusName)
	if in.Policy != nil {
		var p policy
		if json.Unmarshal([]byte(*in.Policy), &p) != nil || len(p.Statement) == 0 {
			return nil, invalid("Parameter Policy is not valid. Reason: This policy contains invalid Json.")
		}
		return &PutPermissionResponse{}, a.DB.Update(ctx, func(tx store.Tx) error { return a.setPolicy(tx, bus, *in.Policy) })
	}
	s, err := a.statement(bus, in)
	if err != nil {
		return nil, err
	}
	return &PutPermissionResponse{}, a.DB.Update(ctx, func(tx store.Tx) error {
		r, err := busByName(tx, bus)
		if err != nil {
			return err
		}
		p := readPolicy(r.policy)
		p.remove(*in.StatementId)
		p.Statement = append(p.Statement, s)
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		return a.setPolicy(tx, bus, string(text))
	})
}

// statement is what the request's members say.
func (a *api) statement(bus string, in *PutPermissionRequest) (map[string]any, error) {
	if in.Action == nil || in.Principal == nil || in.StatementId == nil {
		return nil, invalid("Parameter(s) Action, Principal, StatementId must be specified.")
	}
	if *in.Action != "events:PutEvents" {
		return nil, invalid("Provided value in parameter 'action' is not supported.")
	}
	s := map[string]any{"Sid": *in.StatementId, "Effect": "Allow", "Action": *in.Action, "Resource": a.busARN(bus), "Principal": "*"}
	if *in.Principal != "*" {
		s["Principal"] = map[string]any{"AWS": "arn:aws:iam::" + *in.Principal + ":root"}
	}
	if c := in.Condition; c != nil {
		s["Condition"] = map[string]any{*c.Type: map[string]any{*c.Key: *c.Value}}
	}
	return s, nil
}

func (a *api) setPolicy(tx store.Tx, bus, text string) error {
	if len(text) > maxPolicy {
		return awserr.New(400, "PolicyLengthExceededException", "The policy is longer than %d characters.", maxPolicy)
	}
	n, err := tx.Exec(`UPDATE events_bus SET policy = ?, modified = ? WHERE name = ?`, text, a.nowMilli(), bus)
	if err == nil && n == 0 {
		err = noBus(bus)
	}
	return err
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemovePermission.html
func (a *api) removePermission(ctx context.Context, in *RemovePermissionRequest) (*RemovePermissionResponse, error) {
	bus := busOf(in.EventBusName)
	if in.StatementId == nil && !val(in.RemoveAllPermissions) {
		return nil, invalid("Parameter StatementId is required.")
	}
	return &RemovePermissionResponse{}, a.DB.Update(ctx, func(tx store.Tx) error {
		r, err := busByName(tx, bus)
		switch {
		case err != nil:
			return err
		case val(in.RemoveAllPermissions):
			return a.setPolicy(tx, bus, "")
		case r.policy == "":
			return notFound("EventBus does not have a policy.")
		}
		p := readPolicy(r.policy)
		if !p.remove(*in.StatementId) {
			return notFound("Statement with the provided id does not exist.")
		}
		if len(p.Statement) == 0 {
			return a.setPolicy(tx, bus, "")
		}
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		return a.setPolicy(tx, bus, string(text))
	})
}
