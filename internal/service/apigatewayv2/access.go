package apigatewayv2

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) accessOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateAuthorizer", c.createAuthorizer),
		wire.Handle("GetAuthorizer", c.getAuthorizer),
		wire.Handle("GetAuthorizers", c.getAuthorizers),
		wire.Handle("UpdateAuthorizer", c.updateAuthorizer),
		wire.Handle("DeleteAuthorizer", c.deleteAuthorizer),
		wire.Handle("CreateModel", c.createModel),
		wire.Handle("GetModel", c.getModel),
		wire.Handle("GetModels", c.getModels),
		wire.Handle("UpdateModel", c.updateModel),
		wire.Handle("DeleteModel", c.deleteModel),
		wire.Handle("GetModelTemplate", c.getModelTemplate),
		wire.Handle("ResetAuthorizersCache", c.resetAuthorizersCache),
	}
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html#CreateAuthorizer
func (c *control) createAuthorizer(ctx context.Context, in *CreateAuthorizerRequest) (*Authorizer, error) {
	return edited[Authorizer](ctx, c, in.ApiId, func(d *api.Definition) (*api.Authorizer, error) {
		return d.AddAuthorizer(func(p *api.Authorizer) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html#GetAuthorizer
func (c *control) getAuthorizer(ctx context.Context, in *GetAuthorizerRequest) (*Authorizer, error) {
	return viewed[Authorizer](ctx, c, in.ApiId, func(d *api.Definition) (*api.Authorizer, error) { return d.Authorizer(*in.AuthorizerId) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html#GetAuthorizers
func (c *control) getAuthorizers(ctx context.Context, in *GetAuthorizersRequest) (out *GetAuthorizersResponse, err error) {
	out = new(GetAuthorizersResponse)
	out.Items, out.NextToken, err = listed[Authorizer](ctx, c, in.ApiId, page{in.NextToken, in.MaxResults},
		func(d *api.Definition) (map[string]*api.Authorizer, error) { return d.Authorizers, nil })
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html#UpdateAuthorizer
func (c *control) updateAuthorizer(ctx context.Context, in *UpdateAuthorizerRequest) (*Authorizer, error) {
	return edited[Authorizer](ctx, c, in.ApiId, func(d *api.Definition) (*api.Authorizer, error) {
		return d.ChangeAuthorizer(*in.AuthorizerId, func(p *api.Authorizer) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html#DeleteAuthorizer
func (c *control) deleteAuthorizer(ctx context.Context, in *DeleteAuthorizerRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error { return d.DeleteAuthorizer(*in.AuthorizerId) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-models.html#CreateModel
func (c *control) createModel(ctx context.Context, in *CreateModelRequest) (*Model, error) {
	return edited[Model](ctx, c, in.ApiId, func(d *api.Definition) (*api.Model, error) {
		return d.AddModel(func(p *api.Model) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-models.html#GetModel
func (c *control) getModel(ctx context.Context, in *GetModelRequest) (*Model, error) {
	return viewed[Model](ctx, c, in.ApiId, func(d *api.Definition) (*api.Model, error) { return d.Model(*in.ModelId) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-models.html#GetModels
func (c *control) getModels(ctx context.Context, in *GetModelsRequest) (out *GetModelsResponse, err error) {
	out = new(GetModelsResponse)
	out.Items, out.NextToken, err = listed[Model](ctx, c, in.ApiId, page{in.NextToken, in.MaxResults},
		func(d *api.Definition) (map[string]*api.Model, error) { return d.Models, nil })
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-models.html#UpdateModel
func (c *control) updateModel(ctx context.Context, in *UpdateModelRequest) (*Model, error) {
	return edited[Model](ctx, c, in.ApiId, func(d *api.Definition) (*api.Model, error) {
		return d.ChangeModel(*in.ModelId, func(p *api.Model) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-models.html#DeleteModel
func (c *control) deleteModel(ctx context.Context, in *DeleteModelRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error { return d.DeleteModel(*in.ModelId) })
}

// The template of a model is what an integration would answer: its schema's
// shape, which we do not make yet.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-models-modelid-template.html#GetModelTemplate
func (c *control) getModelTemplate(ctx context.Context, in *GetModelTemplateRequest) (*GetModelTemplateResponse, error) {
	return nil, api.BadRequest("Mayfly does not make templates of models yet")
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename-cache-authorizers.html#ResetAuthorizersCache
func (c *control) resetAuthorizersCache(ctx context.Context, in *ResetAuthorizersCacheRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error { return d.ResetAuthorizers(*in.StageName) })
}
