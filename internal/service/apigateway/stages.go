package apigateway

import (
	"context"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) stageOps() []wire.Op {
	return []wire.Op{
		handle("CreateDeployment", c.createDeployment),
		handle("GetDeployment", c.getDeployment),
		handle("GetDeployments", c.getDeployments),
		handle("UpdateDeployment", c.updateDeployment),
		handle("DeleteDeployment", c.deleteDeployment),
		handle("CreateStage", c.createStage),
		handle("GetStage", c.getStage),
		handle("GetStages", c.getStages),
		handle("UpdateStage", c.updateStage),
		handle("DeleteStage", c.deleteStage),
		handle("FlushStageCache", c.flushCache),
		handle("FlushStageAuthorizersCache", c.flushAuthorizers),
	}
}

// noCanary is the answer to canary releases.
func noCanary() error {
	return awserr.New(400, "BadRequestException", "Mayfly does not serve canary releases yet.")
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDeployment.html
func (c *control) createDeployment(ctx context.Context, in *CreateDeploymentRequest) (*Deployment, error) {
	if in.CanarySettings != nil {
		return nil, noCanary()
	}
	var stage *restapi.Stage
	if val(in.StageName) != "" {
		stage = &restapi.Stage{
			Name: *in.StageName, Description: val(in.StageDescription), Variables: in.Variables, TracingEnabled: val(in.TracingEnabled),
			CacheClusterEnabled: val(in.CacheClusterEnabled), CacheClusterSize: val(in.CacheClusterSize),
		}
	}
	d, err := c.CreateDeployment(ctx, *in.RestApiId, val(in.Description), stage)
	return summed(d, nil, err)
}

// summed shows a deployment, with its summary when that is asked for.
func summed(d *restapi.Deployment, embed []string, err error) (*Deployment, error) {
	out, err := shown[Deployment](d, err)
	if err == nil && !slices.Contains(embed, "apisummary") {
		out.ApiSummary = nil
	}
	return out, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDeployment.html
func (c *control) getDeployment(ctx context.Context, in *GetDeploymentRequest) (*Deployment, error) {
	d, err := c.Deployment(ctx, *in.RestApiId, *in.DeploymentId)
	return summed(d, in.Embed, err)
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDeployments.html
func (c *control) getDeployments(ctx context.Context, in *GetDeploymentsRequest) (*Deployments, error) {
	ds, err := c.Deployments(ctx, *in.RestApiId)
	p, err := paged[Deployment](ds, err, in.Limit, in.Position, func(d *restapi.Deployment) string { return d.ID })
	for _, d := range p.items {
		d.ApiSummary = nil
	}
	return &Deployments{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateDeployment.html
func (c *control) updateDeployment(ctx context.Context, in *UpdateDeploymentRequest) (*Deployment, error) {
	d, err := c.UpdateDeployment(ctx, *in.RestApiId, *in.DeploymentId, patches(in.PatchOperations))
	return summed(d, nil, err)
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteDeployment.html
func (c *control) deleteDeployment(ctx context.Context, in *DeleteDeploymentRequest) (*none, error) {
	return done(c.DeleteDeployment(ctx, *in.RestApiId, *in.DeploymentId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateStage.html
func (c *control) createStage(ctx context.Context, in *CreateStageRequest) (*Stage, error) {
	if in.CanarySettings != nil {
		return nil, noCanary()
	}
	s, err := read[restapi.Stage](in)
	if err != nil {
		return nil, err
	}
	return shown[Stage](c.CreateStage(ctx, *in.RestApiId, s))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetStage.html
func (c *control) getStage(ctx context.Context, in *GetStageRequest) (*Stage, error) {
	return shown[Stage](c.Stage(ctx, *in.RestApiId, *in.StageName))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetStages.html
func (c *control) getStages(ctx context.Context, in *GetStagesRequest) (*Stages, error) {
	stages, err := c.Stages(ctx, *in.RestApiId, val(in.DeploymentId))
	if err != nil {
		return nil, err
	}
	out := &Stages{Item: []*Stage{}}
	for _, s := range stages {
		one, err := show[Stage](s)
		if err != nil {
			return nil, err
		}
		out.Item = append(out.Item, one)
	}
	return out, nil
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateStage.html
func (c *control) updateStage(ctx context.Context, in *UpdateStageRequest) (*Stage, error) {
	return shown[Stage](c.UpdateStage(ctx, *in.RestApiId, *in.StageName, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteStage.html
func (c *control) deleteStage(ctx context.Context, in *DeleteStageRequest) (*none, error) {
	return done(c.DeleteStage(ctx, *in.RestApiId, *in.StageName))
}

// There is no cache, so it is always empty.
// https://docs.aws.amazon.com/apigateway/latest/api/API_FlushStageCache.html
func (c *control) flushCache(ctx context.Context, in *FlushStageCacheRequest) (*none, error) {
	_, err := c.Stage(ctx, *in.RestApiId, *in.StageName)
	return done(err)
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_FlushStageAuthorizersCache.html
func (c *control) flushAuthorizers(ctx context.Context, in *FlushStageAuthorizersCacheRequest) (*none, error) {
	return done(c.FlushAuthorizers(ctx, *in.RestApiId, *in.StageName))
}
