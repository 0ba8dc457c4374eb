package apigateway

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) integrationOps() []wire.Op {
	return []wire.Op{
		handle("PutIntegration", c.putIntegration),
		handle("GetIntegration", c.getIntegration),
		handle("UpdateIntegration", c.updateIntegration),
		handle("DeleteIntegration", c.deleteIntegration),
		handle("PutIntegrationResponse", c.putIntegrationResponse),
		handle("GetIntegrationResponse", c.getIntegrationResponse),
		handle("UpdateIntegrationResponse", c.updateIntegrationResponse),
		handle("DeleteIntegrationResponse", c.deleteIntegrationResponse),
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegration.html
func (c *control) putIntegration(ctx context.Context, in *PutIntegrationRequest) (*Integration, error) {
	i, err := read[restapi.Integration](in)
	if err != nil {
		return nil, err
	}
	return shown[Integration](c.PutIntegration(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), i))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetIntegration.html
func (c *control) getIntegration(ctx context.Context, in *GetIntegrationRequest) (*Integration, error) {
	return shown[Integration](c.Integration(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateIntegration.html
func (c *control) updateIntegration(ctx context.Context, in *UpdateIntegrationRequest) (*Integration, error) {
	return shown[Integration](c.UpdateIntegration(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteIntegration.html
func (c *control) deleteIntegration(ctx context.Context, in *DeleteIntegrationRequest) (*none, error) {
	return done(c.DeleteIntegration(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegrationResponse.html
func (c *control) putIntegrationResponse(ctx context.Context, in *PutIntegrationResponseRequest) (*IntegrationResponse, error) {
	r, err := read[restapi.IntegrationResponse](in)
	if err != nil {
		return nil, err
	}
	r.StatusCode = *in.StatusCode
	return shown[IntegrationResponse](c.PutIntegrationResponse(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), r))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetIntegrationResponse.html
func (c *control) getIntegrationResponse(ctx context.Context, in *GetIntegrationResponseRequest) (*IntegrationResponse, error) {
	return shown[IntegrationResponse](c.IntegrationResponse(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), *in.StatusCode))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateIntegrationResponse.html
func (c *control) updateIntegrationResponse(ctx context.Context, in *UpdateIntegrationResponseRequest) (*IntegrationResponse, error) {
	return shown[IntegrationResponse](c.UpdateIntegrationResponse(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), *in.StatusCode, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteIntegrationResponse.html
func (c *control) deleteIntegrationResponse(ctx context.Context, in *DeleteIntegrationResponseRequest) (*none, error) {
	return done(c.DeleteIntegrationResponse(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), *in.StatusCode))
}
