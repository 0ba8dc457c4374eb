package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) attachOps() []wire.Op {
	return []wire.Op{
		wire.Handle("AttachRolePolicy", s.attachRolePolicy),
		wire.Handle("DetachRolePolicy", s.detachRolePolicy),
		wire.Handle("ListAttachedRolePolicies", s.listAttachedRolePolicies),
		wire.Handle("AttachUserPolicy", s.attachUserPolicy),
		wire.Handle("DetachUserPolicy", s.detachUserPolicy),
		wire.Handle("ListAttachedUserPolicies", s.listAttachedUserPolicies),
		wire.Handle("AttachGroupPolicy", s.attachGroupPolicy),
		wire.Handle("DetachGroupPolicy", s.detachGroupPolicy),
		wire.Handle("ListAttachedGroupPolicies", s.listAttachedGroupPolicies),
	}
}

func (s *service) attached(ctx context.Context, kind identity.Kind, name string, under, marker *string, max *int32) (p page[identity.ManagedPolicy], err error) {
	list, err := s.book.Attached(ctx, kind, name)
	if err != nil {
		return p, err
	}
	list = slices.DeleteFunc(list, func(p identity.ManagedPolicy) bool { return !strings.HasPrefix(p.Path, or(under, "/")) })
	return pageOf(list, func(p identity.ManagedPolicy) string { return p.ARN }, marker, max)
}

func attachedPolicy(p identity.ManagedPolicy) *AttachedPolicy {
	return &AttachedPolicy{PolicyName: &p.Name, PolicyArn: &p.ARN}
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html
func (s *service) attachRolePolicy(ctx context.Context, in *AttachRolePolicyRequest) (*AttachRolePolicyResponse, error) {
	return &AttachRolePolicyResponse{}, s.book.Attach(ctx, identity.Role, *in.RoleName, *in.PolicyArn)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DetachRolePolicy.html
func (s *service) detachRolePolicy(ctx context.Context, in *DetachRolePolicyRequest) (*DetachRolePolicyResponse, error) {
	return &DetachRolePolicyResponse{}, s.book.Detach(ctx, identity.Role, *in.RoleName, *in.PolicyArn)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAttachedRolePolicies.html
func (s *service) listAttachedRolePolicies(ctx context.Context, in *ListAttachedRolePoliciesRequest) (*ListAttachedRolePoliciesResponse, error) {
	p, err := s.attached(ctx, identity.Role, *in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
	return &ListAttachedRolePoliciesResponse{AttachedPolicies: collect(p.items, attachedPolicy), IsTruncated: p.truncated, Marker: p.marker}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachUserPolicy.html
func (s *service) attachUserPolicy(ctx context.Context, in *AttachUserPolicyRequest) (*AttachUserPolicyResponse, error) {
	return &AttachUserPolicyResponse{}, s.book.Attach(ctx, identity.User, *in.UserName, *in.PolicyArn)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DetachUserPolicy.html
func (s *service) detachUserPolicy(ctx context.Context, in *DetachUserPolicyRequest) (*DetachUserPolicyResponse, error) {
	return &DetachUserPolicyResponse{}, s.book.Detach(ctx, identity.User, *in.UserName, *in.PolicyArn)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAttachedUserPolicies.html
func (s *service) listAttachedUserPolicies(ctx context.Context, in *ListAttachedUserPoliciesRequest) (*ListAttachedUserPoliciesResponse, error) {
	p, err := s.attached(ctx, identity.User, *in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
	return &ListAttachedUserPoliciesResponse{AttachedPolicies: collect(p.items, attachedPolicy), IsTruncated: p.truncated, Marker: p.marker}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachGroupPolicy.html
func (s *service) attachGroupPolicy(ctx context.Context, in *AttachGroupPolicyRequest) (*AttachGroupPolicyResponse, error) {
	return &AttachGroupPolicyResponse{}, s.book.Attach(ctx, identity.Group, *in.GroupName, *in.PolicyArn)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DetachGroupPolicy.html
func (s *service) detachGroupPolicy(ctx context.Context, in *DetachGroupPolicyRequest) (*DetachGroupPolicyResponse, error) {
	return &DetachGroupPolicyResponse{}, s.book.Detach(ctx, identity.Group, *in.GroupName, *in.PolicyArn)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAttachedGroupPolicies.html
func (s *service) listAttachedGroupPolicies(ctx context.Context, in *ListAttachedGroupPoliciesRequest) (*ListAttachedGroupPoliciesResponse, error) {
	p, err := s.attached(ctx, identity.Group, *in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
	return &ListAttachedGroupPoliciesResponse{AttachedPolicies: collect(p.items, attachedPolicy), IsTruncated: p.truncated, Marker: p.marker}, err
}
