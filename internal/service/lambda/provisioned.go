package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) provisionedOps() []wire.Op {
	return []wire.Op{
		op("PutProvisionedConcurrencyConfig", s.putProvisionedConcurrencyConfig),
		op("GetProvisionedConcurrencyConfig", s.getProvisionedConcurrencyConfig),
		op("ListProvisionedConcurrencyConfigs", s.listProvisionedConcurrencyConfigs),
		op("DeleteProvisionedConcurrencyConfig", s.deleteProvisionedConcurrencyConfig),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html
func (s *service) putProvisionedConcurrencyConfig(ctx context.Context, in *PutProvisionedConcurrencyConfigRequest) (*PutProvisionedConcurrencyConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	p, err := s.fs.Provision(ctx, ref, *in.ProvisionedConcurrentExecutions)
	if err != nil {
		return nil, err
	}
	return &PutProvisionedConcurrencyConfigResponse{
		RequestedProvisionedConcurrentExecutions: new(p.Requested),
		AvailableProvisionedConcurrentExecutions: new(p.Ready), AllocatedProvisionedConcurrentExecutions: new(p.Ready),
		Status: new(p.Status), LastModified: stamp(p.Modified),
	}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetProvisionedConcurrencyConfig.html
func (s *service) getProvisionedConcurrencyConfig(ctx context.Context, in *GetProvisionedConcurrencyConfigRequest) (*GetProvisionedConcurrencyConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	p, err := s.fs.Provisioning(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &GetProvisionedConcurrencyConfigResponse{
		RequestedProvisionedConcurrentExecutions: new(p.Requested),
		AvailableProvisionedConcurrentExecutions: new(p.Ready), AllocatedProvisionedConcurrentExecutions: new(p.Ready),
		Status: new(p.Status), StatusReason: some(p.Reason), LastModified: stamp(p.Modified),
	}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListProvisionedConcurrencyConfigs.html
func (s *service) listProvisionedConcurrencyConfigs(ctx context.Context, in *ListProvisionedConcurrencyConfigsRequest) (*ListProvisionedConcurrencyConfigsResponse, error) {
	all, next, err := s.fs.Provisionings(ctx, text(in.FunctionName), page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &ListProvisionedConcurrencyConfigsResponse{ProvisionedConcurrencyConfigs: make([]*ProvisionedConcurrencyConfigListItem, len(all)), NextMarker: some(next)}
	for i, p := range all {
		out.ProvisionedConcurrencyConfigs[i] = s.provisioned(p)
	}
	return out, nil
}

func (s *service) provisioned(p function.Standing) *ProvisionedConcurrencyConfigListItem {
	return &ProvisionedConcurrencyConfigListItem{
		FunctionArn:                              new(s.fs.ARN(p.Function, p.Qualifier)),
		RequestedProvisionedConcurrentExecutions: new(p.Requested),
		AvailableProvisionedConcurrentExecutions: new(p.Ready), AllocatedProvisionedConcurrentExecutions: new(p.Ready),
		Status: new(p.Status), StatusReason: some(p.Reason), LastModified: stamp(p.Modified),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteProvisionedConcurrencyConfig.html
func (s *service) deleteProvisionedConcurrencyConfig(ctx context.Context, in *DeleteProvisionedConcurrencyConfigRequest) (*DeleteProvisionedConcurrencyConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &DeleteProvisionedConcurrencyConfigResponse{}, s.fs.Unprovision(ctx, ref)
}
