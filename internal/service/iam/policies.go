package iam

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// maxPolicy is the quota for a managed policy's size.
const maxPolicy = 6144

func (s *service) policyOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreatePolicy", s.createPolicy),
		wire.Handle("GetPolicy", s.getPolicy),
		wire.Handle("ListPolicies", s.listPolicies),
		wire.Handle("DeletePolicy", s.deletePolicy),
		wire.Handle("ListEntitiesForPolicy", s.listEntitiesForPolicy),
	}
}

func managed(p identity.ManagedPolicy) *Policy {
	return &Policy{
		PolicyName: &p.Name, PolicyId: &p.ID, Arn: &p.ARN, Path: &p.Path,
		DefaultVersionId: new(identity.Version{Number: p.DefaultVersion}.ID()), IsAttachable: new(true),
		AttachmentCount: new(int32(p.Attachments)), PermissionsBoundaryUsageCount: new(int32(p.Boundaries)),
		CreateDate: stamp(p.Created), UpdateDate: stamp(p.Updated),
	}
}

func checkManaged(document string) error {
	if err := checkDocument(policy.Identity, document); err != nil {
		return err
	}
	return quota("PolicySize", identity.Weight(document), maxPolicy)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
func (s *service) createPolicy(ctx context.Context, in *CreatePolicyRequest) (*CreatePolicyResponse, error) {
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	p, err := s.book.CreatePolicy(ctx, identity.ManagedPolicy{
		Name: *in.PolicyName, Path: or(in.Path, "/"), Description: str(in.Description), Tags: tags,
	}, *in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	out := managed(p)
	out.Tags = tagsOut(p.Tags)
	return &CreatePolicyResponse{Policy: out}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicy.html
func (s *service) getPolicy(ctx context.Context, in *GetPolicyRequest) (*GetPolicyResponse, error) {
	p, err := s.book.Policy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := managed(p)
	out.Description = some(p.Description)
	out.Tags = append([]*Tag{}, tagsOut(p.Tags)...) // sent even when empty
	return &GetPolicyResponse{Policy: out}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
func (s *service) listPolicies(ctx context.Context, in *ListPoliciesRequest) (*ListPoliciesResponse, error) {
	list, err := s.book.Policies(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(p identity.ManagedPolicy) bool { return !in.wants(p) })
	slices.SortFunc(list, func(a, b identity.ManagedPolicy) int { return cmp.Compare(policyOrder(a), policyOrder(b)) })
	p, err := pageOf(list, policyOrder, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListPoliciesResponse{Policies: collect(p.items, managed), IsTruncated: p.truncated, Marker: p.marker}, nil
}

// policyOrder puts the account's policies before AWS's.
func policyOrder(p identity.ManagedPolicy) string {
	if ofAWS(p.ARN) {
		return "2" + p.ARN
	}
	return "1" + strings.ToLower(p.Name)
}

func ofAWS(policyARN string) bool { return strings.HasPrefix(policyARN, "arn:aws:iam::aws:") }

// wants tells whether a list that in asks for has p.
func (in *ListPoliciesRequest) wants(p identity.ManagedPolicy) bool {
	switch scope := or(in.Scope, "All"); {
	case scope == "AWS" && !ofAWS(p.ARN), scope == "Local" && ofAWS(p.ARN):
		return false
	case !strings.HasPrefix(p.Path, or(in.PathPrefix, "/")):
		return false
	case str(in.PolicyUsageFilter) == "PermissionsPolicy" && p.Attachments == 0 && or(in.OnlyAttached, false):
		return false
	case str(in.PolicyUsageFilter) == "PermissionsBoundary" && p.Boundaries == 0:
		return false
	}
	return !or(in.OnlyAttached, false) || p.Attachments+p.Boundaries > 0
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html
func (s *service) deletePolicy(ctx context.Context, in *DeletePolicyRequest) (*DeletePolicyResponse, error) {
	return &DeletePolicyResponse{}, s.book.DeletePolicy(ctx, *in.PolicyArn)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html
func (s *service) listEntitiesForPolicy(ctx context.Context, in *ListEntitiesForPolicyRequest) (*ListEntitiesForPolicyResponse, error) {
	uses, err := s.book.Uses(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	uses = slices.DeleteFunc(uses, func(u identity.Use) bool { return !in.wants(u) })
	uses = slices.CompactFunc(uses, func(a, b identity.Use) bool { return a.Identity.ID == b.Identity.ID })
	p, err := pageOf(uses, useOrder, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &ListEntitiesForPolicyResponse{
		PolicyRoles: []*PolicyRole{}, PolicyUsers: []*PolicyUser{}, PolicyGroups: []*PolicyGroup{}, IsTruncated: p.truncated, Marker: p.marker,
	}
	for _, u := range p.items {
		name, id := u.Identity.Name, u.Identity.ID
		switch u.Identity.Kind {
		case identity.Role:
			out.PolicyRoles = append(out.PolicyRoles, &PolicyRole{RoleName: &name, RoleId: &id})
		case identity.User:
			out.PolicyUsers = append(out.PolicyUsers, &PolicyUser{UserName: &name, UserId: &id})
		case identity.Group:
			out.PolicyGroups = append(out.PolicyGroups, &PolicyGroup{GroupName: &name, GroupId: &id})
		}
	}
	return out, nil
}

func useOrder(u identity.Use) string {
	return string(u.Identity.Kind) + "/" + strings.ToLower(u.Identity.Name)
}

func (in *ListEntitiesForPolicyRequest) wants(u identity.Use) bool {
	if f := str(in.EntityFilter); f != "" && !strings.EqualFold(f, string(u.Identity.Kind)) {
		return false
	}
	if f := str(in.PolicyUsageFilter); f != "" && (f == "PermissionsBoundary") != u.Boundary {
		return false
	}
	return strings.HasPrefix(u.Identity.Path, or(in.PathPrefix, "/"))
}
