package iam

import (
	"context"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// The operations on inline policies are the same for roles, users and groups
// but for the name of one member.

func (s *service) inlineOps() []wire.Op {
	return []wire.Op{
		wire.Handle("PutRolePolicy", s.putRolePolicy),
		wire.Handle("GetRolePolicy", s.getRolePolicy),
		wire.Handle("DeleteRolePolicy", s.deleteRolePolicy),
		wire.Handle("ListRolePolicies", s.listRolePolicies),
		wire.Handle("PutUserPolicy", s.putUserPolicy),
		wire.Handle("GetUserPolicy", s.getUserPolicy),
		wire.Handle("DeleteUserPolicy", s.deleteUserPolicy),
		wire.Handle("ListUserPolicies", s.listUserPolicies),
		wire.Handle("PutGroupPolicy", s.putGroupPolicy),
		wire.Handle("GetGroupPolicy", s.getGroupPolicy),
		wire.Handle("DeleteGroupPolicy", s.deleteGroupPolicy),
		wire.Handle("ListGroupPolicies", s.listGroupPolicies),
	}
}

func (s *service) putInline(ctx context.Context, kind identity.Kind, name, policyName, document string) error {
	if err := checkDocument(policy.Identity, document); err != nil {
		return err
	}
	return s.book.PutInline(ctx, kind, name, policyName, document)
}

func (s *service) inlines(ctx context.Context, kind identity.Kind, name string, marker *string, max *int32) (p page[string], err error) {
	list, err := s.book.Inlines(ctx, kind, name)
	if err != nil {
		return p, err
	}
	return pageOf(list, strings.ToLower, marker, max)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
func (s *service) putRolePolicy(ctx context.Context, in *PutRolePolicyRequest) (*PutRolePolicyResponse, error) {
	return &PutRolePolicyResponse{}, s.putInline(ctx, identity.Role, *in.RoleName, *in.PolicyName, *in.PolicyDocument)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
func (s *service) getRolePolicy(ctx context.Context, in *GetRolePolicyRequest) (*GetRolePolicyResponse, error) {
	name, document, err := s.book.Inline(ctx, identity.Role, *in.RoleName, *in.PolicyName)
	return &GetRolePolicyResponse{RoleName: in.RoleName, PolicyName: &name, PolicyDocument: escape(document)}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRolePolicy.html
func (s *service) deleteRolePolicy(ctx context.Context, in *DeleteRolePolicyRequest) (*DeleteRolePolicyResponse, error) {
	return &DeleteRolePolicyResponse{}, s.book.DeleteInline(ctx, identity.Role, *in.RoleName, *in.PolicyName)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRolePolicies.html
func (s *service) listRolePolicies(ctx context.Context, in *ListRolePoliciesRequest) (*ListRolePoliciesResponse, error) {
	p, err := s.inlines(ctx, identity.Role, *in.RoleName, in.Marker, in.MaxItems)
	return &ListRolePoliciesResponse{PolicyNames: p.items, IsTruncated: p.truncated, Marker: p.marker}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html
func (s *service) putUserPolicy(ctx context.Context, in *PutUserPolicyRequest) (*PutUserPolicyResponse, error) {
	return &PutUserPolicyResponse{}, s.putInline(ctx, identity.User, *in.UserName, *in.PolicyName, *in.PolicyDocument)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetUserPolicy.html
func (s *service) getUserPolicy(ctx context.Context, in *GetUserPolicyRequest) (*GetUserPolicyResponse, error) {
	name, document, err := s.book.Inline(ctx, identity.User, *in.UserName, *in.PolicyName)
	return &GetUserPolicyResponse{UserName: in.UserName, PolicyName: &name, PolicyDocument: escape(document)}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUserPolicy.html
func (s *service) deleteUserPolicy(ctx context.Context, in *DeleteUserPolicyRequest) (*DeleteUserPolicyResponse, error) {
	return &DeleteUserPolicyResponse{}, s.book.DeleteInline(ctx, identity.User, *in.UserName, *in.PolicyName)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUserPolicies.html
func (s *service) listUserPolicies(ctx context.Context, in *ListUserPoliciesRequest) (*ListUserPoliciesResponse, error) {
	p, err := s.inlines(ctx, identity.User, *in.UserName, in.Marker, in.MaxItems)
	return &ListUserPoliciesResponse{PolicyNames: p.items, IsTruncated: p.truncated, Marker: p.marker}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutGroupPolicy.html
func (s *service) putGroupPolicy(ctx context.Context, in *PutGroupPolicyRequest) (*PutGroupPolicyResponse, error) {
	return &PutGroupPolicyResponse{}, s.putInline(ctx, identity.Group, *in.GroupName, *in.PolicyName, *in.PolicyDocument)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetGroupPolicy.html
func (s *service) getGroupPolicy(ctx context.Context, in *GetGroupPolicyRequest) (*GetGroupPolicyResponse, error) {
	name, document, err := s.book.Inline(ctx, identity.Group, *in.GroupName, *in.PolicyName)
	return &GetGroupPolicyResponse{GroupName: in.GroupName, PolicyName: &name, PolicyDocument: escape(document)}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteGroupPolicy.html
func (s *service) deleteGroupPolicy(ctx context.Context, in *DeleteGroupPolicyRequest) (*DeleteGroupPolicyResponse, error) {
	return &DeleteGroupPolicyResponse{}, s.book.DeleteInline(ctx, identity.Group, *in.GroupName, *in.PolicyName)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListGroupPolicies.html
func (s *service) listGroupPolicies(ctx context.Context, in *ListGroupPoliciesRequest) (*ListGroupPoliciesResponse, error) {
	p, err := s.inlines(ctx, identity.Group, *in.GroupName, in.Marker, in.MaxItems)
	return &ListGroupPoliciesResponse{PolicyNames: p.items, IsTruncated: p.truncated, Marker: p.marker}, err
}
