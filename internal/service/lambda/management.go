package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) managementOps() []wire.Op {
	return []wire.Op{
		op("PutRuntimeManagementConfig", s.putRuntimeManagementConfig),
		op("GetRuntimeManagementConfig", s.getRuntimeManagementConfig),
		op("PutFunctionRecursionConfig", s.putFunctionRecursionConfig),
		op("GetFunctionRecursionConfig", s.getFunctionRecursionConfig),
		op("GetFunctionCodeSigningConfig", s.getFunctionCodeSigningConfig),
		op("GetCodeSigningConfig", s.getCodeSigningConfig),
		op("ListCodeSigningConfigs", s.listCodeSigningConfigs),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_PutRuntimeManagementConfig.html
func (s *service) putRuntimeManagementConfig(ctx context.Context, in *PutRuntimeManagementConfigRequest) (*PutRuntimeManagementConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	m := function.Management{UpdateOn: text(in.UpdateRuntimeOn), VersionARN: text(in.RuntimeVersionArn)}
	if err := s.fs.Manage(ctx, ref, m); err != nil {
		return nil, err
	}
	return &PutRuntimeManagementConfigResponse{FunctionArn: new(s.managedARN(ref)), UpdateRuntimeOn: new(m.UpdateOn), RuntimeVersionArn: some(m.VersionARN)}, nil
}

// managedARN is qualified even for $LATEST.
func (s *service) managedARN(ref function.Ref) string {
	if ref.Qualifier == "" {
		return s.fs.ARN(ref.Name, function.Latest)
	}
	return s.fs.ARN(ref.Name, ref.Qualifier)
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetRuntimeManagementConfig.html
func (s *service) getRuntimeManagementConfig(ctx context.Context, in *GetRuntimeManagementConfigRequest) (*GetRuntimeManagementConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	m, err := s.fs.Management(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &GetRuntimeManagementConfigResponse{FunctionArn: new(s.managedARN(ref)), UpdateRuntimeOn: new(m.UpdateOn), RuntimeVersionArn: some(m.VersionARN)}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionRecursionConfig.html
func (s *service) putFunctionRecursionConfig(ctx context.Context, in *PutFunctionRecursionConfigRequest) (*PutFunctionRecursionConfigResponse, error) {
	if err := s.fs.SetRecursion(ctx, text(in.FunctionName), text(in.RecursiveLoop)); err != nil {
		return nil, err
	}
	return &PutFunctionRecursionConfigResponse{RecursiveLoop: in.RecursiveLoop}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionRecursionConfig.html
func (s *service) getFunctionRecursionConfig(ctx context.Context, in *GetFunctionRecursionConfigRequest) (*GetFunctionRecursionConfigResponse, error) {
	loop, err := s.fs.Recursion(ctx, text(in.FunctionName))
	if err != nil {
		return nil, err
	}
	return &GetFunctionRecursionConfigResponse{RecursiveLoop: &loop}, nil
}

// getFunctionCodeSigningConfig answers 200 for a function without one, since
// Terraform takes any error for the end of its run.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionCodeSigningConfig.html
func (s *service) getFunctionCodeSigningConfig(ctx context.Context, in *GetFunctionCodeSigningConfigRequest) (*GetFunctionCodeSigningConfigResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), "")
	if err != nil {
		return nil, err
	}
	arn, err := s.fs.CodeSigning(ctx, ref.Name)
	if err != nil {
		return nil, err
	}
	return &GetFunctionCodeSigningConfigResponse{CodeSigningConfigArn: &arn, FunctionName: new(ref.Name)}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetCodeSigningConfig.html
func (s *service) getCodeSigningConfig(_ context.Context, in *GetCodeSigningConfigRequest) (*GetCodeSigningConfigResponse, error) {
	return nil, awserr.New(404, "ResourceNotFoundException", "The Lambda code signing configuration %s can not be found.", text(in.CodeSigningConfigArn))
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListCodeSigningConfigs.html
func (s *service) listCodeSigningConfigs(context.Context, *ListCodeSigningConfigsRequest) (*ListCodeSigningConfigsResponse, error) {
	return &ListCodeSigningConfigsResponse{CodeSigningConfigs: []*CodeSigningConfig{}}, nil
}
