// Package apigatewayv2 is the control plane of API Gateway's HTTP and WebSocket
// APIs: AWS's operations on a Book of package api, which knows what an API is
// and serves its requests to nobody.
package apigatewayv2

import (
	"context"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/restjson"
)

// Service is API Gateway version 2 on b. It shares its signing name with
// version 1, and has all that is under /v2/.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/operations.html
func Service(b *api.Book) wire.Service {
	c := &control{b}
	return wire.Service{
		Name: "apigateway", Title: "Amazon API Gateway V2", Version: "2018-11-29",
		Paths: []string{"/v2/"}, Protocol: restjson.Protocol{}, Models: models(),
		ErrorCode: "InternalServerErrorException", ValidationCode: "BadRequestException",
		MaxBody: func(string) int64 { return maxDocument },
		Ops:     slices.Concat(c.apiOps(), c.routeOps(), c.integrationOps(), c.accessOps(), c.stageOps(), c.domainOps(), c.documentOps()),
	}
}

// maxDocument bounds a request: an OpenAPI document is the largest.
const maxDocument = 6 << 20

// A control serves the operations.
type control struct{ *api.Book }

// none is the answer without members.
type none struct{}

// edited changes an API by fn and shows the part that fn answers.
func edited[Out, Part any](ctx context.Context, c *control, id *string, fn func(*api.Definition) (*Part, error)) (*Out, error) {
	var out *Out
	err := c.Edit(ctx, *id, func(d *api.Definition) error {
		part, err := fn(d)
		if err != nil {
			return err
		}
		out = show[Out](part)
		return nil
	})
	return out, err
}

// removed changes an API by fn, of which there is nothing to show.
func removed(ctx context.Context, c *control, id *string, fn func(*api.Definition) error) (*none, error) {
	return &none{}, c.Edit(ctx, *id, fn)
}

// viewed shows the part of an API that fn finds.
func viewed[Out, Part any](ctx context.Context, c *control, id *string, fn func(*api.Definition) (*Part, error)) (*Out, error) {
	d, err := c.View(ctx, *id)
	if err != nil {
		return nil, err
	}
	part, err := fn(d)
	if err != nil {
		return nil, err
	}
	return show[Out](part), nil
}

// A page is the part of a list that a request wants.
type page struct{ token, size *string }

// list shows a page of parts, in the order of their keys, and the token of the next.
func list[Out, Part any](parts map[string]*Part, p page) ([]*Out, *string, error) {
	size, after := 100, ""
	if p.size != nil {
		n, err := strconv.Atoi(*p.size)
		if err != nil || n < 1 {
			return nil, nil, api.BadRequest("Invalid value for MaxResults: %s", *p.size)
		}
		size = min(n, 500)
	}
	if p.token != nil {
		b, err := base64.RawURLEncoding.DecodeString(*p.token)
		if err != nil {
			return nil, nil, api.BadRequest("Invalid NextToken")
		}
		after = string(b)
	}
	out := []*Out{}
	var last string
	for _, k := range slices.Sorted(maps.Keys(parts)) {
		if k <= after && p.token != nil {
			continue
		}
		if len(out) == size {
			return out, new(base64.RawURLEncoding.EncodeToString([]byte(last))), nil
		}
		out, last = append(out, show[Out](parts[k])), k
	}
	return out, nil, nil
}

// listed shows a page of an API's parts.
func listed[Out, Part any](ctx context.Context, c *control, id *string, p page, parts func(*api.Definition) (map[string]*Part, error)) ([]*Out, *string, error) {
	d, err := c.View(ctx, *id)
	if err != nil {
		return nil, nil, err
	}
	all, err := parts(d)
	if err != nil {
		return nil, nil, err
	}
	return list[Out](all, p)
}

// val is *p, or the zero value where there is none.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// endpoint is an address at which an API's requests reach us: beside the one
// that the client of the control plane uses.
func (c *control) endpoint(ctx context.Context, a *api.API) string {
	u, err := url.Parse(wire.BaseURL(ctx))
	if err != nil || u.Host == "" {
		u = &url.URL{Scheme: "http", Host: "localhost"}
	}
	if a.ProtocolType == api.WebSocket {
		u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	}
	host := webHost(u.Hostname())
	if u.Port() != "" {
		host += ":" + u.Port()
	}
	return u.Scheme + "://" + a.ApiId + ".execute-api." + c.Region + "." + host
}
