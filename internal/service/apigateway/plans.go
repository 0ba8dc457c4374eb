package apigateway

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) planOps() []wire.Op {
	return []wire.Op{
		handle("CreateUsagePlan", c.createPlan),
		handle("GetUsagePlan", c.getPlan),
		handle("GetUsagePlans", c.getPlans),
		handle("UpdateUsagePlan", c.updatePlan),
		handle("DeleteUsagePlan", c.deletePlan),
		handle("CreateUsagePlanKey", c.createPlanKey),
		handle("GetUsagePlanKey", c.getPlanKey),
		handle("GetUsagePlanKeys", c.getPlanKeys),
		handle("DeleteUsagePlanKey", c.deletePlanKey),
		handle("GetUsage", c.getUsage),
		handle("UpdateUsage", c.updateUsage),
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateUsagePlan.html
func (c *control) createPlan(ctx context.Context, in *CreateUsagePlanRequest) (*UsagePlan, error) {
	p, err := read[restapi.Plan](in)
	if err != nil {
		return nil, err
	}
	return shown[UsagePlan](c.CreatePlan(ctx, p))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsagePlan.html
func (c *control) getPlan(ctx context.Context, in *GetUsagePlanRequest) (*UsagePlan, error) {
	return shown[UsagePlan](c.Plan(ctx, *in.UsagePlanId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsagePlans.html
func (c *control) getPlans(ctx context.Context, in *GetUsagePlansRequest) (*UsagePlans, error) {
	ps, err := c.Plans(ctx, val(in.KeyId))
	p, err := paged[UsagePlan](ps, err, in.Limit, in.Position, func(p *restapi.Plan) string { return p.ID })
	return &UsagePlans{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateUsagePlan.html
func (c *control) updatePlan(ctx context.Context, in *UpdateUsagePlanRequest) (*UsagePlan, error) {
	return shown[UsagePlan](c.UpdatePlan(ctx, *in.UsagePlanId, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteUsagePlan.html
func (c *control) deletePlan(ctx context.Context, in *DeleteUsagePlanRequest) (*none, error) {
	return done(c.DeletePlan(ctx, *in.UsagePlanId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateUsagePlanKey.html
func (c *control) createPlanKey(ctx context.Context, in *CreateUsagePlanKeyRequest) (*UsagePlanKey, error) {
	if *in.KeyType != "API_KEY" {
		return nil, awserr.New(400, "BadRequestException", "Invalid key type specified: %s. Must be API_KEY", *in.KeyType)
	}
	return shown[UsagePlanKey](c.JoinPlan(ctx, *in.UsagePlanId, *in.KeyId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsagePlanKey.html
func (c *control) getPlanKey(ctx context.Context, in *GetUsagePlanKeyRequest) (*UsagePlanKey, error) {
	return shown[UsagePlanKey](c.PlanKey(ctx, *in.UsagePlanId, *in.KeyId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsagePlanKeys.html
func (c *control) getPlanKeys(ctx context.Context, in *GetUsagePlanKeysRequest) (*UsagePlanKeys, error) {
	ks, err := c.PlanKeys(ctx, *in.UsagePlanId)
	ks = slices.DeleteFunc(ks, func(k *restapi.PlanKey) bool { return !strings.HasPrefix(k.Name, val(in.NameQuery)) })
	p, err := paged[UsagePlanKey](ks, err, in.Limit, in.Position, func(k *restapi.PlanKey) string { return k.ID })
	return &UsagePlanKeys{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteUsagePlanKey.html
func (c *control) deletePlanKey(ctx context.Context, in *DeleteUsagePlanKeyRequest) (*none, error) {
	return done(c.LeavePlan(ctx, *in.UsagePlanId, *in.KeyId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsage.html
func (c *control) getUsage(ctx context.Context, in *GetUsageRequest) (*Usage, error) {
	items, err := c.Usage(ctx, *in.UsagePlanId, val(in.KeyId), *in.StartDate, *in.EndDate)
	return &Usage{UsagePlanId: in.UsagePlanId, StartDate: in.StartDate, EndDate: in.EndDate, Items: items}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateUsage.html
func (c *control) updateUsage(ctx context.Context, in *UpdateUsageRequest) (*Usage, error) {
	for _, p := range in.PatchOperations {
		n, err := strconv.ParseInt(val(p.Value), 10, 32)
		if val(p.Path) != "/remaining" || val(p.Op) != "replace" || err != nil || n < 0 {
			return nil, awserr.New(400, "BadRequestException", "Invalid patch path '%s' specified for op '%s'. Must be one of: [/remaining]", val(p.Path), val(p.Op))
		}
		if err := c.Grant(ctx, *in.UsagePlanId, *in.KeyId, n); err != nil {
			return nil, err
		}
	}
	today := c.Now().UTC().Format("2006-01-02")
	items, err := c.Usage(ctx, *in.UsagePlanId, *in.KeyId, today, today)
	return &Usage{UsagePlanId: in.UsagePlanId, StartDate: &today, EndDate: &today, Items: items}, err
}
