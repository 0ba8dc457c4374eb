package iam

import (
	"context"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) versionOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreatePolicyVersion", s.createPolicyVersion),
		wire.Handle("GetPolicyVersion", s.getPolicyVersion),
		wire.Handle("ListPolicyVersions", s.listPolicyVersions),
		wire.Handle("SetDefaultPolicyVersion", s.setDefaultPolicyVersion),
		wire.Handle("DeletePolicyVersion", s.deletePolicyVersion),
	}
}

// version is what every answer tells of a version; one tells the document, too.
func version(v identity.Version) *PolicyVersion {
	return &PolicyVersion{VersionId: new(v.ID()), IsDefaultVersion: &v.Default, CreateDate: stamp(v.Created)}
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicyVersion.html
func (s *service) createPolicyVersion(ctx context.Context, in *CreatePolicyVersionRequest) (*CreatePolicyVersionResponse, error) {
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	v, err := s.book.AddVersion(ctx, *in.PolicyArn, *in.PolicyDocument, or(in.SetAsDefault, false))
	if err != nil {
		return nil, err
	}
	return &CreatePolicyVersionResponse{PolicyVersion: version(v)}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicyVersion.html
func (s *service) getPolicyVersion(ctx context.Context, in *GetPolicyVersionRequest) (*GetPolicyVersionResponse, error) {
	v, err := s.book.PolicyVersion(ctx, *in.PolicyArn, *in.VersionId)
	if err != nil {
		return nil, err
	}
	out := version(v)
	out.Document = escape(v.Document)
	return &GetPolicyVersionResponse{PolicyVersion: out}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicyVersions.html
func (s *service) listPolicyVersions(ctx context.Context, in *ListPolicyVersionsRequest) (*ListPolicyVersionsResponse, error) {
	list, err := s.book.Versions(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	newest := func(v identity.Version) string { return fmt.Sprintf("%010d", 1_000_000_000-v.Number) }
	p, err := pageOf(list, newest, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListPolicyVersionsResponse{Versions: collect(p.items, version), IsTruncated: p.truncated, Marker: p.marker}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SetDefaultPolicyVersion.html
func (s *service) setDefaultPolicyVersion(ctx context.Context, in *SetDefaultPolicyVersionRequest) (*SetDefaultPolicyVersionResponse, error) {
	return &SetDefaultPolicyVersionResponse{}, s.book.SetDefaultVersion(ctx, *in.PolicyArn, *in.VersionId)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicyVersion.html
func (s *service) deletePolicyVersion(ctx context.Context, in *DeletePolicyVersionRequest) (*DeletePolicyVersionResponse, error) {
	return &DeletePolicyVersionResponse{}, s.book.DeleteVersion(ctx, *in.PolicyArn, *in.VersionId)
}
