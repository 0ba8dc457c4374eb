package apigatewayv2

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) apiOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateApi", c.createApi),
		wire.Handle("GetApi", c.getApi),
		wire.Handle("GetApis", c.getApis),
		wire.Handle("UpdateApi", c.updateApi),
		wire.Handle("DeleteApi", c.deleteApi),
		wire.Handle("DeleteCorsConfiguration", c.deleteCorsConfiguration),
		wire.Handle("GetTags", c.getTags),
		wire.Handle("TagResource", c.tagResource),
		wire.Handle("UntagResource", c.untagResource),
	}
}

// showAPI is an API with its address.
func (c *control) showAPI(ctx context.Context, a *api.API) *Api {
	out := show[Api](a)
	out.ApiEndpoint = new(c.endpoint(ctx, a))
	return out
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html#CreateApi
func (c *control) createApi(ctx context.Context, in *CreateApiRequest) (*Api, error) {
	var a api.API
	fill(&a, in)
	if err := checkTags(a.Tags); err != nil {
		return nil, err
	}
	var out *Api
	err := c.Create(ctx, a, func(d *api.Definition) error {
		out = c.showAPI(ctx, &d.API)
		if in.Target == nil && in.RouteKey == nil && in.CredentialsArn == nil {
			return nil
		}
		return d.QuickCreate(quickOf(in.Target, in.RouteKey, in.CredentialsArn))
	})
	return out, err
}

func quickOf(target, key, credentials *string) api.Quick {
	return api.Quick{Target: val(target), RouteKey: val(key), CredentialsArn: val(credentials)}
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid.html#GetApi
func (c *control) getApi(ctx context.Context, in *GetApiRequest) (*Api, error) {
	d, err := c.View(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	return c.showAPI(ctx, &d.API), nil
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html#GetApis
func (c *control) getApis(ctx context.Context, in *GetApisRequest) (*GetApisResponse, error) {
	all, err := c.APIs(ctx)
	if err != nil {
		return nil, err
	}
	out := new(GetApisResponse)
	if out.Items, out.NextToken, err = list[Api](all, page{in.NextToken, in.MaxResults}); err != nil {
		return nil, err
	}
	for _, a := range out.Items {
		a.ApiEndpoint = new(c.endpoint(ctx, all[*a.ApiId]))
	}
	return out, nil
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid.html#UpdateApi
func (c *control) updateApi(ctx context.Context, in *UpdateApiRequest) (*Api, error) {
	var out *Api
	err := c.Edit(ctx, *in.ApiId, func(d *api.Definition) error {
		if err := d.Change(func(a *api.API) error { fill(a, in); return nil }); err != nil {
			return err
		}
		out = c.showAPI(ctx, &d.API)
		if in.Target == nil && in.RouteKey == nil && in.CredentialsArn == nil {
			return nil
		}
		return d.QuickUpdate(quickOf(in.Target, in.RouteKey, in.CredentialsArn))
	})
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid.html#DeleteApi
func (c *control) deleteApi(ctx context.Context, in *DeleteApiRequest) (*none, error) {
	return &none{}, c.Delete(ctx, *in.ApiId)
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-cors.html#DeleteCorsConfiguration
func (c *control) deleteCorsConfiguration(ctx context.Context, in *DeleteCorsConfigurationRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error {
		return d.Change(func(a *api.API) error { a.CorsConfiguration = nil; return nil })
	})
}
