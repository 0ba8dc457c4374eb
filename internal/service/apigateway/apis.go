package apigateway

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) apiOps() []wire.Op {
	return []wire.Op{
		handle("CreateRestApi", c.createRestAPI),
		handle("ImportRestApi", c.importRestAPI),
		handle("PutRestApi", c.putRestAPI),
		handle("GetRestApi", c.getRestAPI),
		handle("GetRestApis", c.getRestAPIs),
		handle("UpdateRestApi", c.updateRestAPI),
		handle("DeleteRestApi", c.deleteRestAPI),
		handle("GetExport", c.getExport),
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateRestApi.html
func (c *control) createRestAPI(ctx context.Context, in *CreateRestApiRequest) (*RestApi, error) {
	a, err := read[restapi.API](in)
	if err != nil {
		return nil, err
	}
	return shown[RestApi](c.CreateAPI(ctx, a, val(in.CloneFrom)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_ImportRestApi.html
func (c *control) importRestAPI(ctx context.Context, in *ImportRestApiRequest) (*RestApi, error) {
	o, err := importOptions(in.Parameters, val(in.FailOnWarnings))
	if err != nil {
		return nil, err
	}
	return shown[RestApi](c.ImportAPI(ctx, in.Body, o))
}

func importOptions(parameters map[string]string, fail bool) (restapi.ImportOptions, error) {
	o := restapi.ImportOptions{FailOnWarnings: fail, EndpointType: parameters["endpointConfigurationTypes"], BasePath: parameters["basepath"]}
	if o.BasePath == "" {
		o.BasePath = parameters["basePath"]
	}
	switch o.BasePath {
	case "", "ignore", "prepend", "split":
		return o, nil
	}
	return o, awserr.New(400, "BadRequestException", "Invalid basepath mode specified: %s. Must be one of: ignore, prepend, split", o.BasePath)
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html
func (c *control) putRestAPI(ctx context.Context, in *PutRestApiRequest) (*RestApi, error) {
	o, err := importOptions(in.Parameters, val(in.FailOnWarnings))
	if err != nil {
		return nil, err
	}
	o.Merge = val(in.Mode) != "overwrite"
	return shown[RestApi](c.PutAPI(ctx, *in.RestApiId, in.Body, o))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetRestApi.html
func (c *control) getRestAPI(ctx context.Context, in *GetRestApiRequest) (*RestApi, error) {
	return shown[RestApi](c.API(ctx, *in.RestApiId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetRestApis.html
func (c *control) getRestAPIs(ctx context.Context, in *GetRestApisRequest) (*RestApis, error) {
	apis, err := c.APIs(ctx)
	p, err := paged[RestApi](apis, err, in.Limit, in.Position, func(a *restapi.API) string { return a.ID })
	return &RestApis{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateRestApi.html
func (c *control) updateRestAPI(ctx context.Context, in *UpdateRestApiRequest) (*RestApi, error) {
	return shown[RestApi](c.UpdateAPI(ctx, *in.RestApiId, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteRestApi.html
func (c *control) deleteRestAPI(ctx context.Context, in *DeleteRestApiRequest) (*none, error) {
	return done(c.DeleteAPI(ctx, *in.RestApiId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetExport.html
func (c *control) getExport(ctx context.Context, in *GetExportRequest) (*ExportResponse, error) {
	o := restapi.ExportOptions{OAS30: *in.ExportType == "oas30", YAML: val(in.Accepts) == "application/yaml"}
	if *in.ExportType != "oas30" && *in.ExportType != "swagger" {
		return nil, awserr.New(400, "BadRequestException", "No API exporter for type '%s'", *in.ExportType)
	}
	switch in.Parameters["extensions"] {
	case "apigateway", "integrations,authorizers":
		o.Integrations, o.Authorizers = true, true
	case "integrations":
		o.Integrations = true
	case "authorizers":
		o.Authorizers = true
	}
	body, err := c.Export(ctx, *in.RestApiId, *in.StageName, o)
	kind, name := "application/json", *in.ExportType+".json"
	if o.YAML {
		kind, name = "application/yaml", *in.ExportType+".yaml"
	}
	return &ExportResponse{Body: body, ContentType: &kind, ContentDisposition: new(`attachment; filename="` + name + `"`)}, err
}
