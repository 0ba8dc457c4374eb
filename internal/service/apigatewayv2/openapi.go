package apigatewayv2

import (
	"context"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/openapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) documentOps() []wire.Op {
	return []wire.Op{
		wire.Handle("ImportApi", c.importApi),
		wire.Handle("ReimportApi", c.reimportApi),
		wire.Handle("ExportApi", c.exportApi),
	}
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html#ImportApi
func (c *control) importApi(ctx context.Context, in *ImportApiRequest) (*Api, error) {
	doc, err := openapi.Parse(*in.Body, openapi.Basepath(val(in.Basepath)))
	if err != nil {
		return nil, err
	}
	var out *Api
	err = c.Create(ctx, doc.API(), func(d *api.Definition) error {
		if err := apply(doc, d, val(in.FailOnWarnings)); err != nil {
			return err
		}
		out = c.showAPI(ctx, &d.API)
		return nil
	})
	return out, err
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid.html#ReimportApi
func (c *control) reimportApi(ctx context.Context, in *ReimportApiRequest) (*Api, error) {
	doc, err := openapi.Parse(*in.Body, openapi.Basepath(val(in.Basepath)))
	if err != nil {
		return nil, err
	}
	var out *Api
	err = c.Edit(ctx, *in.ApiId, func(d *api.Definition) error {
		if d.API.ProtocolType != api.HTTP {
			return api.BadRequest("Import is supported only for HTTP APIs")
		}
		if err := apply(doc, d, val(in.FailOnWarnings)); err != nil {
			return err
		}
		out = c.showAPI(ctx, &d.API)
		return nil
	})
	return out, err
}

func apply(doc *openapi.Document, d *api.Definition, strict bool) error {
	warnings, err := doc.Apply(d)
	if err != nil {
		return err
	}
	if strict && len(warnings) > 0 {
		return api.BadRequest("Warnings found during import: %s", strings.Join(warnings, "; "))
	}
	return checkTags(d.API.Tags)
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-exports-specification.html#ExportApi
func (c *control) exportApi(ctx context.Context, in *ExportApiRequest) (*ExportApiResponse, error) {
	switch {
	case *in.Specification != "OAS30":
		return nil, api.BadRequest("Invalid specification specified: %s. Only OAS30 is supported", *in.Specification)
	case *in.OutputType != "JSON" && *in.OutputType != "YAML":
		return nil, api.BadRequest("Invalid output type specified: %s. It is JSON or YAML", *in.OutputType)
	}
	d, err := c.View(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	if d.API.ProtocolType != api.HTTP {
		return nil, api.BadRequest("Export is supported only for HTTP APIs")
	}
	s := d.Snapshot()
	if in.StageName != nil {
		served, err := c.Deployed(ctx, *in.ApiId, *in.StageName)
		if err != nil {
			return nil, api.NotFound("Invalid stage identifier specified %s", *in.StageName)
		}
		s = served.Snapshot
	}
	e := openapi.Export{
		Endpoint: c.endpoint(ctx, &d.API), Version: time.UnixMilli(d.API.CreatedDate).UTC().Format("2006-01-02 15:04:05UTC"),
		Extensions: in.IncludeExtensions == nil || *in.IncludeExtensions, YAML: *in.OutputType == "YAML",
	}
	body, err := e.Write(&d.API, &s)
	return &ExportApiResponse{Body: body}, err
}
