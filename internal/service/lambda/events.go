package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) eventOps() []wire.Op {
	return []wire.Op{
		op("PutFunctionEventInvokeConfig", s.putFunctionEventInvokeConfig),
		op("UpdateFunctionEventInvokeConfig", s.updateFunctionEventInvokeConfig),
		op("GetFunctionEventInvokeConfig", s.getFunctionEventInvokeConfig),
		op("ListFunctionEventInvokeConfigs", s.listFunctionEventInvokeConfigs),
		op("DeleteFunctionEventInvokeConfig", s.deleteFunctionEventInvokeConfig),
	}
}

// events shows both destinations, set or not, and always a qualified ARN.
func (s *service) events(e function.Events) *FunctionEventInvokeConfig {
	return &FunctionEventInvokeConfig{
		FunctionArn: new(s.fs.ARN(e.Function, e.Qualifier)), LastModified: &wire.Time{Time: e.Modified},
		MaximumEventAgeInSeconds: e.MaxAge, MaximumRetryAttempts: e.MaxRetries,
		DestinationConfig: &DestinationConfig{OnSuccess: &OnSuccess{Destination: e.OnSuccess}, OnFailure: &OnFailure{Destination: e.OnFailure}},
	}
}

func eventsEdit(age, retries *int32, d *DestinationConfig) function.EventsEdit {
	e := function.EventsEdit{MaxAge: age, MaxRetries: retries, Destinations: d != nil}
	if d != nil && d.OnSuccess != nil {
		e.OnSuccess = some(text(d.OnSuccess.Destination))
	}
	if d != nil && d.OnFailure != nil {
		e.OnFailure = some(text(d.OnFailure.Destination))
	}
	return e
}

func (s *service) putEvents(ctx context.Context, name, qualifier *string, e function.EventsEdit, merge bool) (*FunctionEventInvokeConfig, error) {
	ref, err := s.fs.Ref(text(name), text(qualifier))
	if err != nil {
		return nil, err
	}
	ev, err := s.fs.PutEvents(ctx, ref, e, merge)
	if err != nil {
		return nil, err
	}
	return s.events(ev), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
func (s *service) putFunctionEventInvokeConfig(ctx context.Context, in *PutFunctionEventInvokeConfigRequest) (*FunctionEventInvokeConfig, error) {
	return s.putEvents(ctx, in.FunctionName, in.Qualifier, eventsEdit(in.MaximumEventAgeInSeconds, in.MaximumRetryAttempts, in.DestinationConfig), false)
}

// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionEventInvokeConfig.html
func (s *service) updateFunctionEventInvokeConfig(ctx context.Context, in *UpdateFunctionEventInvokeConfigRequest) (*FunctionEventInvokeConfig, error) {
	return s.putEvents(ctx, in.FunctionName, in.Qualifier, eventsEdit(in.MaximumEventAgeInSeconds, in.MaximumRetryAttempts, in.DestinationConfig), true)
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionEventInvokeConfig.html
func (s *service) getFunctionEventInvokeConfig(ctx context.Context, in *GetFunctionEventInvokeConfigRequest) (*FunctionEventInvokeConfig, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	e, err := s.fs.Events(ctx, ref)
	if err != nil {
		return nil, err
	}
	return s.events(e), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctionEventInvokeConfigs.html
func (s *service) listFunctionEventInvokeConfigs(ctx context.Context, in *ListFunctionEventInvokeConfigsRequest) (*ListFunctionEventInvokeConfigsResponse, error) {
	all, next, err := s.fs.ListEvents(ctx, text(in.FunctionName), page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &ListFunctionEventInvokeConfigsResponse{FunctionEventInvokeConfigs: make([]*FunctionEventInvokeConfig, len(all)), NextMarker: some(next)}
	for i, e := range all {
		out.FunctionEventInvokeConfigs[i] = s.events(e)
	}
	return out, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionEventInvokeConfig.html
func (s *service) deleteFunctionEventInvokeConfig(ctx context.Context, in *DeleteFunctionEventInvokeConfigRequest) (*DeleteFunctionEventInvokeConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &DeleteFunctionEventInvokeConfigResponse{}, s.fs.DeleteEvents(ctx, ref)
}
