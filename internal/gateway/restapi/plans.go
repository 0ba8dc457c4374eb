package restapi

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

func errNoPlan() error { return notFound("Invalid Usage Plan ID specified") }

// isRefusal tells an error that is the caller's fault.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*awserr.Error](err)
	return ok && e.Status < 500
}

// CreatePlan makes a usage plan.
func (b *Book) CreatePlan(ctx context.Context, p Plan) (*Plan, error) {
	p.ID = newID(6)
	if p.Stages == nil {
		p.Stages = []*PlanStage{}
	}
	return write(ctx, b, func(tx store.Tx) (*Plan, error) {
		if err := p.check(tx); err != nil {
			return nil, err
		}
		return &p, save(tx, kindPlan, "", p.ID, &p)
	})
}

// check holds a usage plan to the rules.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateUsagePlan.html
func (p *Plan) check(tx store.Tx) error {
	if strings.TrimSpace(p.Name) == "" {
		return bad("Usage Plan name cannot be empty")
	}
	if err := p.checkQuota(); err != nil {
		return err
	}
	if t := p.Throttle; t != nil && (t.RateLimit < 0 || t.BurstLimit < 0) {
		return bad("Usage Plan throttle limits must not be negative")
	}
	for _, s := range p.Stages {
		ok, err := exists(tx, kindStage, s.API, s.Stage)
		if err != nil {
			return err
		}
		if !ok {
			return notFound("API Stage not found: %s:%s", s.API, s.Stage)
		}
	}
	return nil
}

func (p *Plan) checkQuota() error {
	q := p.Quota
	if q == nil {
		return nil
	}
	last := map[string]int32{"DAY": 0, "WEEK": 6, "MONTH": 27}
	most, ok := last[q.Period]
	switch {
	case !ok:
		return bad("Usage Plan quota period must be one of DAY, WEEK, MONTH")
	case q.Limit < 0:
		return bad("Usage Plan quota limit must not be negative")
	case q.Offset < 0 || q.Offset > most:
		return bad("Usage Plan quota offset must be between 0 and %d in the %s period", most, q.Period)
	}
	return nil
}

// Plan reads a usage plan.
func (b *Book) Plan(ctx context.Context, id string) (*Plan, error) {
	return read(ctx, b, func(tx store.Tx) (*Plan, error) { return load[Plan](tx, kindPlan, "", id, errNoPlan()) })
}

// Plans reads all usage plans, or those of a key.
func (b *Book) Plans(ctx context.Context, key string) ([]*Plan, error) {
	return read(ctx, b, func(tx store.Tx) ([]*Plan, error) {
		plans, err := all[Plan](tx, kindPlan, "")
		if err != nil || key == "" {
			return plans, err
		}
		var of []*Plan
		for _, p := range plans {
			ok, err := exists(tx, kindPlanKey, p.ID, key)
			if err != nil {
				return nil, err
			}
			if ok {
				of = append(of, p)
			}
		}
		return of, nil
	})
}

// UpdatePlan patches a usage plan.
func (b *Book) UpdatePlan(ctx context.Context, id string, patches []Patch) (*Plan, error) {
	return write(ctx, b, func(tx store.Tx) (*Plan, error) {
		p, err := load[Plan](tx, kindPlan, "", id, errNoPlan())
		if err != nil {
			return nil, err
		}
		if p, err = patched(p, planRules(), patches, planPatch); err != nil {
			return nil, err
		}
		if err := p.check(tx); err != nil {
			return nil, err
		}
		return p, save(tx, kindPlan, "", id, p)
	})
}

// planPatch knows the patches of "/apiStages", whose members are named
// "api:stage".
//
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateUsagePlan-Patch
func planPatch(t tree, p Patch, segments []string) (bool, error) {
	if segments[0] != "apiStages" {
		return false, nil
	}
	stages, _ := t["apiStages"].([]any)
	if len(segments) == 1 {
		next, err := patchStages(stages, p)
		t["apiStages"] = next
		return true, err
	}
	i := stageIndex(stages, segments[1])
	if i < 0 {
		return true, notFound("API Stage not found: %s", segments[1])
	}
	if len(segments) == 2 && p.Op == "remove" {
		t["apiStages"] = slices.Delete(stages, i, i+1)
		return true, nil
	}
	if len(segments) < 3 || segments[2] != "throttle" {
		return true, bad("Invalid patch path '%s' specified for op '%s'", p.Path, p.Op)
	}
	return true, patchThrottle(stages[i].(tree), p, segments[3:])
}

func patchStages(stages []any, p Patch) ([]any, error) {
	api, stage, ok := strings.Cut(val(p.Value), ":")
	i := stageIndex(stages, val(p.Value))
	switch {
	case !ok:
		return stages, bad("Invalid API stage specified: %s. It should be in the format {apiId}:{stage}", val(p.Value))
	case p.Op == "add" && i >= 0:
		return stages, conflict("API Stage %s already exists in the usage plan", val(p.Value))
	case p.Op == "add":
		return append(stages, tree{"apiId": api, "stage": stage}), nil
	case p.Op == "remove" && i >= 0:
		return slices.Delete(stages, i, i+1), nil
	case p.Op == "remove":
		return stages, notFound("API Stage not found: %s", val(p.Value))
	}
	return stages, bad("Invalid patch path '%s' specified for op '%s'", p.Path, p.Op)
}

func stageIndex(stages []any, name string) int {
	return slices.IndexFunc(stages, func(s any) bool {
		m, ok := s.(tree)
		return ok && name == text(m["apiId"])+":"+text(m["stage"])
	})
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// patchThrottle changes what a plan's stage says of a method's rate: the path
// is "", "{path}/{METHOD}" or "{path}/{METHOD}/rateLimit", escaped or not.
func patchThrottle(stage tree, p Patch, segments []string) error {
	all, _ := stage["throttle"].(tree)
	if all == nil {
		all = tree{}
	}
	last := ""
	if n := len(segments); n > 0 && (segments[n-1] == "rateLimit" || segments[n-1] == "burstLimit") {
		last, segments = segments[n-1], segments[:n-1]
	}
	key := strings.Join(segments, "/")
	switch {
	case key == "" && p.Op == "remove":
		delete(stage, "throttle")
		return nil
	case last == "" && p.Op == "remove":
		delete(all, key)
	case last == "" || key == "":
		return bad("Invalid patch path '%s' specified for op '%s'", p.Path, p.Op)
	default:
		one, _ := all[key].(tree)
		if one == nil {
			one = tree{}
		}
		v, err := strconv.ParseFloat(val(p.Value), 64)
		if p.Op != "remove" && (err != nil || v < 0 || v > 1e9 || v != v) {
			return bad("Invalid number value '%s' specified for '%s'", val(p.Value), p.Path)
		}
		if last == "burstLimit" {
			v = float64(int32(v))
		}
		one[last] = v
		all[key] = one
	}
	stage["throttle"] = all
	return nil
}

// DeletePlan deletes a usage plan and its use.
func (b *Book) DeletePlan(ctx context.Context, id string) error {
	defer b.usage.forget(id)
	return b.change(ctx, func(tx store.Tx) error {
		p, err := load[Plan](tx, kindPlan, "", id, errNoPlan())
		if err != nil {
			return err
		}
		if len(p.Stages) > 0 {
			return bad("Cannot delete Usage Plan %s while it has stages associated with it. Remove the API stages first.", id)
		}
		if err := dropParts(tx, id, []string{kindPlanKey}); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM restapi_usage WHERE plan = ?`, id); err != nil {
			return err
		}
		return remove(tx, kindPlan, "", id, errNoPlan())
	})
}

// leavePlans takes an API, or one stage of it, out of all plans.
func (b *Book) leavePlans(tx store.Tx, api, stage string) error {
	plans, err := all[Plan](tx, kindPlan, "")
	if err != nil {
		return err
	}
	for _, p := range plans {
		n := len(p.Stages)
		p.Stages = slices.DeleteFunc(p.Stages, func(s *PlanStage) bool { return s.API == api && (stage == "" || s.Stage == stage) })
		if len(p.Stages) == n {
			continue
		}
		if err := save(tx, kindPlan, "", p.ID, p); err != nil {
			return err
		}
	}
	return nil
}

// JoinPlan makes an API key one of a plan's.
func (b *Book) JoinPlan(ctx context.Context, plan, key string) (*PlanKey, error) {
	return write(ctx, b, func(tx store.Tx) (*PlanKey, error) { return b.joinPlan(tx, plan, key) })
}

func (b *Book) joinPlan(tx store.Tx, plan, key string) (*PlanKey, error) {
	if _, err := load[Plan](tx, kindPlan, "", plan, errNoPlan()); err != nil {
		return nil, err
	}
	k, err := load[Key](tx, kindKey, "", key, errNoKey())
	if err != nil {
		return nil, err
	}
	there, err := exists(tx, kindPlanKey, plan, key)
	if err != nil {
		return nil, err
	}
	if there {
		return nil, conflict("Usage Plan Key for API Key ID %s already exists in the Usage Plan", key)
	}
	pk := &PlanKey{ID: k.ID, Type: "API_KEY", Value: k.Value, Name: k.Name}
	return pk, save(tx, kindPlanKey, plan, k.ID, PlanKey{ID: k.ID, Type: "API_KEY"})
}

// PlanKeys reads a plan's keys.
func (b *Book) PlanKeys(ctx context.Context, plan string) ([]*PlanKey, error) {
	return read(ctx, b, func(tx store.Tx) ([]*PlanKey, error) {
		if _, err := load[Plan](tx, kindPlan, "", plan, errNoPlan()); err != nil {
			return nil, err
		}
		pks, err := all[PlanKey](tx, kindPlanKey, plan)
		if err != nil {
			return nil, err
		}
		for _, pk := range pks {
			k, err := load[Key](tx, kindKey, "", pk.ID, errNoKey())
			if err != nil {
				return nil, err
			}
			pk.Name, pk.Value = k.Name, k.Value
		}
		return pks, nil
	})
}

// PlanKey reads one of a plan's keys.
func (b *Book) PlanKey(ctx context.Context, plan, key string) (*PlanKey, error) {
	pks, err := b.PlanKeys(ctx, plan)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(pks, func(k *PlanKey) bool { return k.ID == key })
	if i < 0 {
		return nil, notFound("Invalid Usage Plan Key identifier specified")
	}
	return pks[i], nil
}

// LeavePlan takes an API key out of a plan.
func (b *Book) LeavePlan(ctx context.Context, plan, key string) error {
	return b.change(ctx, func(tx store.Tx) error {
		if _, err := load[Plan](tx, kindPlan, "", plan, errNoPlan()); err != nil {
			return err
		}
		return remove(tx, kindPlanKey, plan, key, notFound("Invalid Usage Plan Key identifier specified"))
	})
}
