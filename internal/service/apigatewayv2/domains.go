package apigatewayv2

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/url"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) domainOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateDomainName", c.createDomainName),
		wire.Handle("GetDomainName", c.getDomainName),
		wire.Handle("GetDomainNames", c.getDomainNames),
		wire.Handle("UpdateDomainName", c.updateDomainName),
		wire.Handle("DeleteDomainName", c.deleteDomainName),
		wire.Handle("CreateApiMapping", c.createApiMapping),
		wire.Handle("GetApiMapping", c.getApiMapping),
		wire.Handle("GetApiMappings", c.getApiMappings),
		wire.Handle("UpdateApiMapping", c.updateApiMapping),
		wire.Handle("DeleteApiMapping", c.deleteApiMapping),
	}
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames.html#CreateDomainName
func (c *control) createDomainName(ctx context.Context, in *CreateDomainNameRequest) (*DomainName, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if len(in.DomainNameConfigurations) == 0 {
		return nil, api.BadRequest("DomainNameConfigurations must have one configuration")
	}
	name := strings.ToLower(*in.DomainName)
	target := c.domainTarget(ctx, "d-"+strings.ToLower(rand.Text()[:10]))
	var out *DomainName
	err := c.CreateDomain(ctx, name, func(d *api.Domain) error {
		fill(d, in)
		d.DomainName = name
		settleDomain(d, target)
		out = show[DomainName](d)
		return nil
	})
	return out, err
}

// domainTarget is the name that a domain name's DNS record points to.
func (c *control) domainTarget(ctx context.Context, id string) string {
	host := "localhost"
	if u, err := url.Parse(wire.BaseURL(ctx)); err == nil && u.Host != "" {
		host = webHost(u.Hostname())
	}
	return id + ".execute-api." + c.Region + "." + host
}

// settleDomain fills what AWS makes: the certificate is whatever the server is
// given, and there is no DNS of ours to have a zone in.
func settleDomain(d *api.Domain, target string) {
	for _, n := range d.DomainNameConfigurations {
		n.ApiGatewayDomainName = cmp.Or(n.ApiGatewayDomainName, target)
		n.DomainNameStatus = "AVAILABLE"
		n.EndpointType = cmp.Or(n.EndpointType, "REGIONAL")
		n.HostedZoneId = cmp.Or(n.HostedZoneId, "Z0000000000000")
		n.IpAddressType = cmp.Or(n.IpAddressType, "ipv4")
		n.SecurityPolicy = cmp.Or(n.SecurityPolicy, "TLS_1_2")
	}
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname.html#GetDomainName
func (c *control) getDomainName(ctx context.Context, in *GetDomainNameRequest) (*DomainName, error) {
	d, err := c.ViewDomain(ctx, strings.ToLower(*in.DomainName))
	if err != nil {
		return nil, err
	}
	return show[DomainName](d), nil
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames.html#GetDomainNames
func (c *control) getDomainNames(ctx context.Context, in *GetDomainNamesRequest) (out *GetDomainNamesResponse, err error) {
	all, err := c.Domains(ctx)
	if err != nil {
		return nil, err
	}
	out = new(GetDomainNamesResponse)
	out.Items, out.NextToken, err = list[DomainName](all, page{in.NextToken, in.MaxResults})
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname.html#UpdateDomainName
func (c *control) updateDomainName(ctx context.Context, in *UpdateDomainNameRequest) (*DomainName, error) {
	name := strings.ToLower(*in.DomainName)
	var out *DomainName
	err := c.EditDomain(ctx, name, func(d *api.Domain) error {
		target := ""
		if len(d.DomainNameConfigurations) > 0 {
			target = d.DomainNameConfigurations[0].ApiGatewayDomainName
		}
		fill(d, in)
		d.DomainName = name
		settleDomain(d, target)
		out = show[DomainName](d)
		return nil
	})
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname.html#DeleteDomainName
func (c *control) deleteDomainName(ctx context.Context, in *DeleteDomainNameRequest) (*none, error) {
	return &none{}, c.DeleteDomain(ctx, strings.ToLower(*in.DomainName))
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname-apimappings.html#CreateApiMapping
func (c *control) createApiMapping(ctx context.Context, in *CreateApiMappingRequest) (*ApiMapping, error) {
	return c.putMapping(ctx, *in.DomainName, "", in)
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname-apimappings-apimappingid.html#UpdateApiMapping
func (c *control) updateApiMapping(ctx context.Context, in *UpdateApiMappingRequest) (*ApiMapping, error) {
	return c.putMapping(ctx, *in.DomainName, *in.ApiMappingId, in)
}

func (c *control) putMapping(ctx context.Context, domain, id string, in any) (*ApiMapping, error) {
	m, err := c.PutMapping(ctx, strings.ToLower(domain), id, func(m *api.Mapping) error { fill(m, in); return nil })
	if err != nil {
		return nil, err
	}
	return show[ApiMapping](m), nil
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname-apimappings-apimappingid.html#GetApiMapping
func (c *control) getApiMapping(ctx context.Context, in *GetApiMappingRequest) (*ApiMapping, error) {
	d, err := c.ViewDomain(ctx, strings.ToLower(*in.DomainName))
	if err != nil {
		return nil, err
	}
	m, err := d.Mapping(*in.ApiMappingId)
	if err != nil {
		return nil, err
	}
	return show[ApiMapping](m), nil
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname-apimappings.html#GetApiMappings
func (c *control) getApiMappings(ctx context.Context, in *GetApiMappingsRequest) (out *GetApiMappingsResponse, err error) {
	d, err := c.ViewDomain(ctx, strings.ToLower(*in.DomainName))
	if err != nil {
		return nil, err
	}
	all := map[string]*api.Mapping{}
	for _, m := range d.Mappings {
		all[m.ApiMappingId] = m
	}
	out = new(GetApiMappingsResponse)
	out.Items, out.NextToken, err = list[ApiMapping](all, page{in.NextToken, in.MaxResults})
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname-apimappings-apimappingid.html#DeleteApiMapping
func (c *control) deleteApiMapping(ctx context.Context, in *DeleteApiMappingRequest) (*none, error) {
	return &none{}, c.DeleteMapping(ctx, strings.ToLower(*in.DomainName), *in.ApiMappingId)
}
