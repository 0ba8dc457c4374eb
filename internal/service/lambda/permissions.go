package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) permissionOps() []wire.Op {
	return []wire.Op{
		op("AddPermission", s.addPermission),
		op("RemovePermission", s.removePermission),
		op("GetPolicy", s.getPolicy),
		op("GetResourcePolicy", s.getResourcePolicy),
		op("PutResourcePolicy", s.putResourcePolicy),
		op("DeleteResourcePolicy", s.deleteResourcePolicy),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
func (s *service) addPermission(ctx context.Context, in *AddPermissionRequest) (*AddPermissionResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	statement, err := s.fs.AddPermission(ctx, ref, function.Permission{
		ID: text(in.StatementId), Action: text(in.Action), Principal: text(in.Principal),
		SourceARN: text(in.SourceArn), SourceAccount: text(in.SourceAccount), OrgID: text(in.PrincipalOrgID),
		EventSourceToken: text(in.EventSourceToken), FunctionURLAuth: text(in.FunctionUrlAuthType),
		ViaFunctionURL: in.InvokedViaFunctionUrl, Revision: in.RevisionId,
	})
	if err != nil {
		return nil, err
	}
	return &AddPermissionResponse{Statement: &statement}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_RemovePermission.html
func (s *service) removePermission(ctx context.Context, in *RemovePermissionRequest) (*RemovePermissionResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &RemovePermissionResponse{}, s.fs.RemovePermission(ctx, ref, text(in.StatementId), in.RevisionId)
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetPolicy.html
func (s *service) getPolicy(ctx context.Context, in *GetPolicyRequest) (*GetPolicyResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	policy, revision, err := s.fs.Policy(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &GetPolicyResponse{Policy: &policy, RevisionId: &revision}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetResourcePolicy.html
func (s *service) getResourcePolicy(ctx context.Context, in *GetResourcePolicyRequest) (*GetResourcePolicyResponse, error) {
	ref, err := s.fs.Ref(text(in.ResourceArn), "")
	if err != nil {
		return nil, err
	}
	policy, revision, err := s.fs.Policy(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &GetResourcePolicyResponse{Policy: &policy, RevisionId: &revision}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_PutResourcePolicy.html
func (s *service) putResourcePolicy(ctx context.Context, in *PutResourcePolicyRequest) (*PutResourcePolicyResponse, error) {
	ref, err := s.fs.Ref(text(in.ResourceArn), "")
	if err != nil {
		return nil, err
	}
	policy, revision, err := s.fs.PutPolicy(ctx, ref, text(in.Policy), in.RevisionId)
	if err != nil {
		return nil, err
	}
	return &PutResourcePolicyResponse{Policy: &policy, RevisionId: &revision}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteResourcePolicy.html
func (s *service) deleteResourcePolicy(ctx context.Context, in *DeleteResourcePolicyRequest) (*DeleteResourcePolicyResponse, error) {
	ref, err := s.fs.Ref(text(in.ResourceArn), "")
	if err != nil {
		return nil, err
	}
	return &DeleteResourcePolicyResponse{}, s.fs.DeletePolicy(ctx, ref, in.RevisionId)
}
