package apigateway

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) domainOps() []wire.Op {
	return []wire.Op{
		handle("CreateDomainName", c.createDomain),
		handle("GetDomainName", c.getDomain),
		handle("GetDomainNames", c.getDomains),
		handle("UpdateDomainName", c.updateDomain),
		handle("DeleteDomainName", c.deleteDomain),
		handle("CreateBasePathMapping", c.createMapping),
		handle("GetBasePathMapping", c.getMapping),
		handle("GetBasePathMappings", c.getMappings),
		handle("UpdateBasePathMapping", c.updateMapping),
		handle("DeleteBasePathMapping", c.deleteMapping),
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDomainName.html
func (c *control) createDomain(ctx context.Context, in *CreateDomainNameRequest) (*DomainName, error) {
	if in.MutualTlsAuthentication != nil {
		return nil, awserr.New(400, "BadRequestException", "Mayfly does not serve mutual TLS yet.")
	}
	d, err := read[restapi.Domain](in)
	if err != nil {
		return nil, err
	}
	return shown[DomainName](c.CreateDomain(ctx, d))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDomainName.html
func (c *control) getDomain(ctx context.Context, in *GetDomainNameRequest) (*DomainName, error) {
	return shown[DomainName](c.Domain(ctx, *in.DomainName))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDomainNames.html
func (c *control) getDomains(ctx context.Context, in *GetDomainNamesRequest) (*DomainNames, error) {
	ds, err := c.Domains(ctx)
	p, err := paged[DomainName](ds, err, in.Limit, in.Position, func(d *restapi.Domain) string { return d.Name })
	return &DomainNames{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateDomainName.html
func (c *control) updateDomain(ctx context.Context, in *UpdateDomainNameRequest) (*DomainName, error) {
	return shown[DomainName](c.UpdateDomain(ctx, *in.DomainName, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteDomainName.html
func (c *control) deleteDomain(ctx context.Context, in *DeleteDomainNameRequest) (*none, error) {
	return done(c.DeleteDomain(ctx, *in.DomainName))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateBasePathMapping.html
func (c *control) createMapping(ctx context.Context, in *CreateBasePathMappingRequest) (*BasePathMapping, error) {
	return shown[BasePathMapping](c.CreateMapping(ctx, *in.DomainName, restapi.Mapping{BasePath: val(in.BasePath), API: *in.RestApiId, Stage: val(in.Stage)}))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetBasePathMapping.html
func (c *control) getMapping(ctx context.Context, in *GetBasePathMappingRequest) (*BasePathMapping, error) {
	return shown[BasePathMapping](c.Mapping(ctx, *in.DomainName, *in.BasePath))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetBasePathMappings.html
func (c *control) getMappings(ctx context.Context, in *GetBasePathMappingsRequest) (*BasePathMappings, error) {
	ms, err := c.Mappings(ctx, *in.DomainName)
	p, err := paged[BasePathMapping](ms, err, in.Limit, in.Position, func(m *restapi.Mapping) string { return m.BasePath })
	return &BasePathMappings{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateBasePathMapping.html
func (c *control) updateMapping(ctx context.Context, in *UpdateBasePathMappingRequest) (*BasePathMapping, error) {
	return shown[BasePathMapping](c.UpdateMapping(ctx, *in.DomainName, *in.BasePath, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteBasePathMapping.html
func (c *control) deleteMapping(ctx context.Context, in *DeleteBasePathMappingRequest) (*none, error) {
	return done(c.DeleteMapping(ctx, *in.DomainName, *in.BasePath))
}
