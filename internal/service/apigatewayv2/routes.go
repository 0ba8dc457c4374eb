package apigatewayv2

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) routeOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateRoute", c.createRoute),
		wire.Handle("GetRoute", c.getRoute),
		wire.Handle("GetRoutes", c.getRoutes),
		wire.Handle("UpdateRoute", c.updateRoute),
		wire.Handle("DeleteRoute", c.deleteRoute),
		wire.Handle("DeleteRouteRequestParameter", c.deleteRouteRequestParameter),
		wire.Handle("CreateRouteResponse", c.createRouteResponse),
		wire.Handle("GetRouteResponse", c.getRouteResponse),
		wire.Handle("GetRouteResponses", c.getRouteResponses),
		wire.Handle("UpdateRouteResponse", c.updateRouteResponse),
		wire.Handle("DeleteRouteResponse", c.deleteRouteResponse),
	}
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes.html#CreateRoute
func (c *control) createRoute(ctx context.Context, in *CreateRouteRequest) (*Route, error) {
	return edited[Route](ctx, c, in.ApiId, func(d *api.Definition) (*api.Route, error) {
		return d.AddRoute(func(p *api.Route) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes.html#GetRoute
func (c *control) getRoute(ctx context.Context, in *GetRouteRequest) (*Route, error) {
	return viewed[Route](ctx, c, in.ApiId, func(d *api.Definition) (*api.Route, error) { return d.Route(*in.RouteId) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes.html#GetRoutes
func (c *control) getRoutes(ctx context.Context, in *GetRoutesRequest) (out *GetRoutesResponse, err error) {
	out = new(GetRoutesResponse)
	out.Items, out.NextToken, err = listed[Route](ctx, c, in.ApiId, page{in.NextToken, in.MaxResults},
		func(d *api.Definition) (map[string]*api.Route, error) { return d.Routes, nil })
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes.html#UpdateRoute
func (c *control) updateRoute(ctx context.Context, in *UpdateRouteRequest) (*Route, error) {
	return edited[Route](ctx, c, in.ApiId, func(d *api.Definition) (*api.Route, error) {
		return d.ChangeRoute(*in.RouteId, func(p *api.Route) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes.html#DeleteRoute
func (c *control) deleteRoute(ctx context.Context, in *DeleteRouteRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error { return d.DeleteRoute(*in.RouteId) })
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes-routeid-requestparameters-requestparameterkey.html#DeleteRouteRequestParameter
func (c *control) deleteRouteRequestParameter(ctx context.Context, in *DeleteRouteRequestParameterRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error {
		_, err := d.ChangeRoute(*in.RouteId, func(r *api.Route) error {
			if _, ok := r.RequestParameters[*in.RequestParameterKey]; !ok {
				return api.NotFound("Invalid request parameter key specified %s", *in.RequestParameterKey)
			}
			delete(r.RequestParameters, *in.RequestParameterKey)
			return nil
		})
		return err
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes-routeid-routeresponses.html#CreateRouteResponse
func (c *control) createRouteResponse(ctx context.Context, in *CreateRouteResponseRequest) (*RouteResponse, error) {
	return edited[RouteResponse](ctx, c, in.ApiId, func(d *api.Definition) (*api.RouteResponse, error) {
		return d.AddRouteResponse(*in.RouteId, func(p *api.RouteResponse) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes-routeid-routeresponses.html#GetRouteResponse
func (c *control) getRouteResponse(ctx context.Context, in *GetRouteResponseRequest) (*RouteResponse, error) {
	return viewed[RouteResponse](ctx, c, in.ApiId, func(d *api.Definition) (*api.RouteResponse, error) {
		parent, err := d.Route(*in.RouteId)
		if err != nil {
			return nil, err
		}
		return parent.Response(*in.RouteResponseId)
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes-routeid-routeresponses.html#GetRouteResponses
func (c *control) getRouteResponses(ctx context.Context, in *GetRouteResponsesRequest) (out *GetRouteResponsesResponse, err error) {
	out = new(GetRouteResponsesResponse)
	out.Items, out.NextToken, err = listed[RouteResponse](ctx, c, in.ApiId, page{in.NextToken, in.MaxResults},
		func(d *api.Definition) (map[string]*api.RouteResponse, error) {
			parent, err := d.Route(*in.RouteId)
			if err != nil {
				return nil, err
			}
			return parent.Responses, nil
		})
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes-routeid-routeresponses.html#UpdateRouteResponse
func (c *control) updateRouteResponse(ctx context.Context, in *UpdateRouteResponseRequest) (*RouteResponse, error) {
	return edited[RouteResponse](ctx, c, in.ApiId, func(d *api.Definition) (*api.RouteResponse, error) {
		return d.ChangeRouteResponse(*in.RouteId, *in.RouteResponseId, func(p *api.RouteResponse) error { fill(p, in); return nil })
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes-routeid-routeresponses.html#DeleteRouteResponse
func (c *control) deleteRouteResponse(ctx context.Context, in *DeleteRouteResponseRequest) (*none, error) {
	return removed(ctx, c, in.ApiId, func(d *api.Definition) error { return d.DeleteRouteResponse(*in.RouteId, *in.RouteResponseId) })
}
