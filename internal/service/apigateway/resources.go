package apigateway

import (
	"context"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) resourceOps() []wire.Op {
	return []wire.Op{
		handle("CreateResource", c.createResource),
		handle("GetResource", c.getResource),
		handle("GetResources", c.getResources),
		handle("UpdateResource", c.updateResource),
		handle("DeleteResource", c.deleteResource),
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateResource.html
func (c *control) createResource(ctx context.Context, in *CreateResourceRequest) (*Resource, error) {
	return shown[Resource](c.CreateResource(ctx, *in.RestApiId, *in.ParentId, *in.PathPart))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetResource.html
func (c *control) getResource(ctx context.Context, in *GetResourceRequest) (*Resource, error) {
	r, err := c.Resource(ctx, *in.RestApiId, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	out, err := show[Resource](r)
	if err == nil {
		embed(out, in.Embed)
	}
	return out, err
}

// embed leaves of a resource's methods what the request asks for: their names
// unless it says embed=methods.
func embed(r *Resource, what []string) {
	if slices.Contains(what, "methods") {
		return
	}
	for name := range r.ResourceMethods {
		r.ResourceMethods[name] = &Method{}
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetResources.html
func (c *control) getResources(ctx context.Context, in *GetResourcesRequest) (*Resources, error) {
	rs, err := c.Resources(ctx, *in.RestApiId)
	p, err := paged[Resource](rs, err, in.Limit, in.Position, func(r *restapi.Resource) string { return r.ID })
	for _, r := range p.items {
		embed(r, in.Embed)
	}
	return &Resources{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateResource.html
func (c *control) updateResource(ctx context.Context, in *UpdateResourceRequest) (*Resource, error) {
	r, err := shown[Resource](c.UpdateResource(ctx, *in.RestApiId, *in.ResourceId, patches(in.PatchOperations)))
	if err == nil {
		embed(r, nil)
	}
	return r, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteResource.html
func (c *control) deleteResource(ctx context.Context, in *DeleteResourceRequest) (*none, error) {
	return done(c.DeleteResource(ctx, *in.RestApiId, *in.ResourceId))
}
