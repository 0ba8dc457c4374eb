package lambda

import (
	"context"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) urlOps() []wire.Op {
	return []wire.Op{
		op("CreateFunctionUrlConfig", s.createFunctionURLConfig),
		op("GetFunctionUrlConfig", s.getFunctionURLConfig),
		op("UpdateFunctionUrlConfig", s.updateFunctionURLConfig),
		op("ListFunctionUrlConfigs", s.listFunctionURLConfigs),
		op("DeleteFunctionUrlConfig", s.deleteFunctionURLConfig),
	}
}

// urlStamp is how URL configurations write a time: with nanoseconds and a Z.
func urlStamp(t time.Time) *string { return new(t.UTC().Format("2006-01-02T15:04:05.000000000Z")) }

func cors(c *Cors) *function.CORS {
	if c == nil {
		return nil
	}
	return &function.CORS{
		Credentials: c.AllowCredentials, AllowHeaders: c.AllowHeaders, Methods: c.AllowMethods,
		Origins: c.AllowOrigins, ExposeHeaders: c.ExposeHeaders, MaxAge: c.MaxAge,
	}
}

func corsOut(c *function.CORS) *Cors {
	if c == nil {
		return nil
	}
	return &Cors{
		AllowCredentials: c.Credentials, AllowHeaders: c.AllowHeaders, AllowMethods: c.Methods,
		AllowOrigins: c.Origins, ExposeHeaders: c.ExposeHeaders, MaxAge: c.MaxAge,
	}
}

// url shows a configuration. Where none was given the mode is the default,
// but the answers to a creation and an update leave it out, as AWS does.
func (s *service) url(ctx context.Context, u function.URL) *FunctionUrlConfig {
	mode := u.Mode
	if mode == "" {
		mode = "BUFFERED"
	}
	return &FunctionUrlConfig{
		AuthType: new(u.Auth), Cors: corsOut(u.CORS), InvokeMode: &mode, FunctionArn: new(s.fs.URLARN(u)), FunctionUrl: new(s.fs.FunctionURL(u, wire.BaseURL(ctx))),
		CreationTime: urlStamp(u.Created), LastModifiedTime: urlStamp(u.Modified),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunctionUrlConfig.html
func (s *service) createFunctionURLConfig(ctx context.Context, in *CreateFunctionUrlConfigRequest) (*CreateFunctionUrlConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	u, err := s.fs.CreateURL(ctx, ref, function.URLEdit{Auth: in.AuthType, CORS: cors(in.Cors), Mode: in.InvokeMode})
	if err != nil {
		return nil, err
	}
	c := s.url(ctx, u)
	return &CreateFunctionUrlConfigResponse{
		AuthType: c.AuthType, Cors: c.Cors, CreationTime: c.CreationTime, FunctionArn: c.FunctionArn, FunctionUrl: c.FunctionUrl, InvokeMode: in.InvokeMode,
	}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionUrlConfig.html
func (s *service) getFunctionURLConfig(ctx context.Context, in *GetFunctionUrlConfigRequest) (*GetFunctionUrlConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	u, err := s.fs.URL(ctx, ref)
	if err != nil {
		return nil, err
	}
	return (*GetFunctionUrlConfigResponse)(s.url(ctx, u)), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionUrlConfig.html
func (s *service) updateFunctionURLConfig(ctx context.Context, in *UpdateFunctionUrlConfigRequest) (*UpdateFunctionUrlConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	u, err := s.fs.UpdateURL(ctx, ref, function.URLEdit{Auth: in.AuthType, CORS: cors(in.Cors), Mode: in.InvokeMode})
	if err != nil {
		return nil, err
	}
	out := (*UpdateFunctionUrlConfigResponse)(s.url(ctx, u))
	out.InvokeMode = some(u.Mode)
	return out, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctionUrlConfigs.html
func (s *service) listFunctionURLConfigs(ctx context.Context, in *ListFunctionUrlConfigsRequest) (*ListFunctionUrlConfigsResponse, error) {
	all, next, err := s.fs.URLs(ctx, text(in.FunctionName), page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &ListFunctionUrlConfigsResponse{FunctionUrlConfigs: make([]*FunctionUrlConfig, len(all)), NextMarker: some(next)}
	for i, u := range all {
		out.FunctionUrlConfigs[i] = s.url(ctx, u)
	}
	return out, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionUrlConfig.html
func (s *service) deleteFunctionURLConfig(ctx context.Context, in *DeleteFunctionUrlConfigRequest) (*DeleteFunctionUrlConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &DeleteFunctionUrlConfigResponse{}, s.fs.DeleteURL(ctx, ref)
}
