package apigatewayv2

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) integrationOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateIntegration", c.createIntegration),
		wire.Handle("GetIntegration", c.getIntegration),
		wire.Handle("GetIntegrations", c.getIntegrations),
		wire.Handle("UpdateIntegration", c.updateIntegration),
		wire.Handle("DeleteIntegration", c.deleteIntegration),
		wire.Handle("CreateIntegrationResponse", c.createIntegrationResponse),
		wire.Handle("GetIntegrationResponse", c.getIntegrationResponse),
		wire.Handle("GetIntegrationResponses", c.getIntegrationResponses),
		wire.Handle("UpdateIntegrationResponse", c.updateIntegrationResponse),
		wire.Handle("DeleteIntegrationResponse", c.deleteIntegrationResponse),
	}
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html#CreateIntegration
func (c *control) createIntegration(ctx context.Context, in *CreateIntegrationRequest) (*Integration, error) {
	return edited[Integration](ctx, c, in.ApiId, func(d *api.Definition) (*api.Integration, error) {
		return d.AddIntegration(func(p *api.Integration) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html#GetIntegration
func (c *control) getIntegration(ctx context.Context, in *GetIntegrationRequest) (*Integration, error) {
	return viewed[Integration](ctx, c, in.ApiId, func(d *api.Definition) (*api.Integration, error) { return d.Integration(*in.IntegrationId) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html#GetIntegrations
func (c *control) getIntegrations(ctx context.Context, in *GetIntegrationsRequest) (out *GetIntegrationsResponse, err error) {
	out = new(GetIntegrationsResponse)
	out.Items, out.NextToken, err = listed[Integration](ctx, c, in.ApiId, page{in.NextToken, in.MaxResults},
		func(d *api.Definition) (map[string]*api.Integration, error) { return d.Integrations, nil })
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html#UpdateIntegration
func (c *control) updateIntegration(ctx context.Context, in *UpdateIntegrationRequest) (*Integration, error) {
	return edited[Integration](ctx, c, in.ApiId, func(d *api.Definition) (*api.Integration, error) {
		return d.ChangeIntegration(*in.IntegrationId, func(p *api.Integration) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html#DeleteIntegration
func (c *control) deleteIntegration(ctx context.Context, in *DeleteIntegrationRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error { return d.DeleteIntegration(*in.IntegrationId) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid-integrationresponses.html#CreateIntegrationResponse
func (c *control) createIntegrationResponse(ctx context.Context, in *CreateIntegrationResponseRequest) (*IntegrationResponse, error) {
	return edited[IntegrationResponse](ctx, c, in.ApiId, func(d *api.Definition) (*api.IntegrationResponse, error) {
		return d.AddIntegrationResponse(*in.IntegrationId, func(p *api.IntegrationResponse) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid-integrationresponses.html#GetIntegrationResponse
func (c *control) getIntegrationResponse(ctx context.Context, in *GetIntegrationResponseRequest) (*IntegrationResponse, error) {
	return viewed[IntegrationResponse](ctx, c, in.ApiId, func(d *api.Definition) (*api.IntegrationResponse, error) {
		parent, err := d.Integration(*in.IntegrationId)
		if err != nil {
			return nil, err
		}
		return parent.Response(*in.IntegrationResponseId)
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid-integrationresponses.html#GetIntegrationResponses
func (c *control) getIntegrationResponses(ctx context.Context, in *GetIntegrationResponsesRequest) (out *GetIntegrationResponsesResponse, err error) {
	out = new(GetIntegrationResponsesResponse)
	out.Items, out.NextToken, err = listed[IntegrationResponse](ctx, c, in.ApiId, page{in.NextToken, in.MaxResults},
		func(d *api.Definition) (map[string]*api.IntegrationResponse, error) {
			parent, err := d.Integration(*in.IntegrationId)
			if err != nil {
				return nil, err
			}
			return parent.Responses, nil
		})
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid-integrationresponses.html#UpdateIntegrationResponse
func (c *control) updateIntegrationResponse(ctx context.Context, in *UpdateIntegrationResponseRequest) (*IntegrationResponse, error) {
	return edited[IntegrationResponse](ctx, c, in.ApiId, func(d *api.Definition) (*api.IntegrationResponse, error) {
		return d.ChangeIntegrationResponse(*in.IntegrationId, *in.IntegrationResponseId, func(p *api.IntegrationResponse) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid-integrationresponses.html#DeleteIntegrationResponse
func (c *control) deleteIntegrationResponse(ctx context.Context, in *DeleteIntegrationResponseRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error {
		return d.DeleteIntegrationResponse(*in.IntegrationId, *in.IntegrationResponseId)
	})
}
