package apigateway

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) modelOps() []wire.Op {
	return []wire.Op{
		handle("CreateModel", c.createModel),
		handle("GetModel", c.getModel),
		handle("GetModels", c.getModels),
		handle("UpdateModel", c.updateModel),
		handle("DeleteModel", c.deleteModel),
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateModel.html
func (c *control) createModel(ctx context.Context, in *CreateModelRequest) (*Model, error) {
	m, err := read[restapi.Model](in)
	if err != nil {
		return nil, err
	}
	return shown[Model](c.CreateModel(ctx, *in.RestApiId, m))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetModel.html
func (c *control) getModel(ctx context.Context, in *GetModelRequest) (*Model, error) {
	return shown[Model](c.Model(ctx, *in.RestApiId, *in.ModelName))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetModels.html
func (c *control) getModels(ctx context.Context, in *GetModelsRequest) (*Models, error) {
	ms, err := c.Models(ctx, *in.RestApiId)
	p, err := paged[Model](ms, err, in.Limit, in.Position, func(m *restapi.Model) string { return m.Name })
	return &Models{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateModel.html
func (c *control) updateModel(ctx context.Context, in *UpdateModelRequest) (*Model, error) {
	return shown[Model](c.UpdateModel(ctx, *in.RestApiId, *in.ModelName, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteModel.html
func (c *control) deleteModel(ctx context.Context, in *DeleteModelRequest) (*none, error) {
	return done(c.DeleteModel(ctx, *in.RestApiId, *in.ModelName))
}
