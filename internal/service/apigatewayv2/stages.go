package apigatewayv2

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) stageOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateStage", c.createStage),
		wire.Handle("GetStage", c.getStage),
		wire.Handle("GetStages", c.getStages),
		wire.Handle("UpdateStage", c.updateStage),
		wire.Handle("DeleteStage", c.deleteStage),
		wire.Handle("DeleteAccessLogSettings", c.deleteAccessLogSettings),
		wire.Handle("DeleteRouteSettings", c.deleteRouteSettings),
		wire.Handle("CreateDeployment", c.createDeployment),
		wire.Handle("GetDeployment", c.getDeployment),
		wire.Handle("GetDeployments", c.getDeployments),
		wire.Handle("UpdateDeployment", c.updateDeployment),
		wire.Handle("DeleteDeployment", c.deleteDeployment),
	}
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html#CreateStage
func (c *control) createStage(ctx context.Context, in *CreateStageRequest) (*Stage, error) {
	return edited[Stage](ctx, c, in.ApiId, func(d *api.Definition) (*api.Stage, error) {
		return d.AddStage(func(p *api.Stage) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html#GetStage
func (c *control) getStage(ctx context.Context, in *GetStageRequest) (*Stage, error) {
	return viewed[Stage](ctx, c, in.ApiId, func(d *api.Definition) (*api.Stage, error) { return d.Stage(*in.StageName) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html#GetStages
func (c *control) getStages(ctx context.Context, in *GetStagesRequest) (out *GetStagesResponse, err error) {
	out = new(GetStagesResponse)
	out.Items, out.NextToken, err = listed[Stage](ctx, c, in.ApiId, page{in.NextToken, in.MaxResults},
		func(d *api.Definition) (map[string]*api.Stage, error) { return d.Stages, nil })
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html#UpdateStage
func (c *control) updateStage(ctx context.Context, in *UpdateStageRequest) (*Stage, error) {
	return edited[Stage](ctx, c, in.ApiId, func(d *api.Definition) (*api.Stage, error) {
		return d.ChangeStage(*in.StageName, func(p *api.Stage) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename.html#DeleteStage
func (c *control) deleteStage(ctx context.Context, in *DeleteStageRequest) (*none, error) {
	return &none{}, c.DeleteStage(ctx, *in.ApiId, *in.StageName)
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename-accesslogsettings.html#DeleteAccessLogSettings
func (c *control) deleteAccessLogSettings(ctx context.Context, in *DeleteAccessLogSettingsRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error { return d.DeleteAccessLogSettings(*in.StageName) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename-routesettings-routekey.html#DeleteRouteSettings
func (c *control) deleteRouteSettings(ctx context.Context, in *DeleteRouteSettingsRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error { return d.DeleteRouteSettings(*in.StageName, *in.RouteKey) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-deployments.html#CreateDeployment
func (c *control) createDeployment(ctx context.Context, in *CreateDeploymentRequest) (*Deployment, error) {
	return edited[Deployment](ctx, c, in.ApiId, func(d *api.Definition) (*api.Deployment, error) {
		return d.Deploy(val(in.Description), val(in.StageName))
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-deployments.html#GetDeployment
func (c *control) getDeployment(ctx context.Context, in *GetDeploymentRequest) (*Deployment, error) {
	return viewed[Deployment](ctx, c, in.ApiId, func(d *api.Definition) (*api.Deployment, error) { return d.Deployment(*in.DeploymentId) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-deployments.html#GetDeployments
func (c *control) getDeployments(ctx context.Context, in *GetDeploymentsRequest) (out *GetDeploymentsResponse, err error) {
	out = new(GetDeploymentsResponse)
	out.Items, out.NextToken, err = listed[Deployment](ctx, c, in.ApiId, page{in.NextToken, in.MaxResults},
		func(d *api.Definition) (map[string]*api.Deployment, error) { return d.Deployments, nil })
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-deployments.html#UpdateDeployment
func (c *control) updateDeployment(ctx context.Context, in *UpdateDeploymentRequest) (*Deployment, error) {
	return edited[Deployment](ctx, c, in.ApiId, func(d *api.Definition) (*api.Deployment, error) {
		return changeDeployment(d, in)
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-deployments.html#DeleteDeployment
func (c *control) deleteDeployment(ctx context.Context, in *DeleteDeploymentRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error { return d.DeleteDeployment(*in.DeploymentId) })
}

func changeDeployment(d *api.Definition, in *UpdateDeploymentRequest) (*api.Deployment, error) {
	p, err := d.Deployment(*in.DeploymentId)
	if err == nil && in.Description != nil {
		p.Description = *in.Description
	}
	return p, err
}
