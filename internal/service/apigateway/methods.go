package apigateway

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) methodOps() []wire.Op {
	return []wire.Op{
		handle("PutMethod", c.putMethod),
		handle("GetMethod", c.getMethod),
		handle("UpdateMethod", c.updateMethod),
		handle("DeleteMethod", c.deleteMethod),
		handle("PutMethodResponse", c.putMethodResponse),
		handle("GetMethodResponse", c.getMethodResponse),
		handle("UpdateMethodResponse", c.updateMethodResponse),
		handle("DeleteMethodResponse", c.deleteMethodResponse),
	}
}

// place is where a request's method is.
func place(api, resource, method *string) restapi.Place {
	return restapi.Place{API: *api, Resource: *resource, Method: *method}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_PutMethod.html
func (c *control) putMethod(ctx context.Context, in *PutMethodRequest) (*Method, error) {
	m, err := read[restapi.Method](in)
	if err != nil {
		return nil, err
	}
	return shown[Method](c.PutMethod(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), m))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetMethod.html
func (c *control) getMethod(ctx context.Context, in *GetMethodRequest) (*Method, error) {
	return shown[Method](c.Method(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateMethod.html
func (c *control) updateMethod(ctx context.Context, in *UpdateMethodRequest) (*Method, error) {
	return shown[Method](c.UpdateMethod(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteMethod.html
func (c *control) deleteMethod(ctx context.Context, in *DeleteMethodRequest) (*none, error) {
	return done(c.DeleteMethod(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_PutMethodResponse.html
func (c *control) putMethodResponse(ctx context.Context, in *PutMethodResponseRequest) (*MethodResponse, error) {
	r, err := read[restapi.MethodResponse](in)
	if err != nil {
		return nil, err
	}
	r.StatusCode = *in.StatusCode
	return shown[MethodResponse](c.PutMethodResponse(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), r))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetMethodResponse.html
func (c *control) getMethodResponse(ctx context.Context, in *GetMethodResponseRequest) (*MethodResponse, error) {
	return shown[MethodResponse](c.MethodResponse(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), *in.StatusCode))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateMethodResponse.html
func (c *control) updateMethodResponse(ctx context.Context, in *UpdateMethodResponseRequest) (*MethodResponse, error) {
	return shown[MethodResponse](c.UpdateMethodResponse(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), *in.StatusCode, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteMethodResponse.html
func (c *control) deleteMethodResponse(ctx context.Context, in *DeleteMethodResponseRequest) (*none, error) {
	return done(c.DeleteMethodResponse(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), *in.StatusCode))
}
