package iam

import (
	"context"
	"time"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// maxTrust is the quota for a trust policy's size.
const maxTrust = 2048

func (s *service) roleOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateRole", s.createRole),
		wire.Handle("GetRole", s.getRole),
		wire.Handle("ListRoles", s.listRoles),
		wire.Handle("UpdateRole", s.updateRole),
		wire.Handle("UpdateRoleDescription", s.updateRoleDescription),
		wire.Handle("UpdateAssumeRolePolicy", s.updateAssumeRolePolicy),
		wire.Handle("DeleteRole", s.deleteRole),
	}
}

// role is what every answer tells of a role.
func role(i identity.Identity) *Role {
	return &Role{
		RoleName: &i.Name, RoleId: &i.ID, Arn: &i.ARN, Path: &i.Path, CreateDate: stamp(i.Created),
		AssumeRolePolicyDocument: escape(i.Trust),
	}
}

func boundary(i identity.Identity) *AttachedPermissionsBoundary {
	if i.Boundary == "" {
		return nil
	}
	return &AttachedPermissionsBoundary{PermissionsBoundaryArn: &i.Boundary, PermissionsBoundaryType: new("PermissionsBoundaryPolicy")}
}

func checkTrust(document string) error {
	if err := checkDocument(policy.Trust, document); err != nil {
		return err
	}
	return quota("ACLSizePerRole", identity.Weight(document), maxTrust)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
func (s *service) createRole(ctx context.Context, in *CreateRoleRequest) (*CreateRoleResponse, error) {
	if err := checkTrust(*in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	i, err := s.book.Create(ctx, identity.Identity{
		Kind: identity.Role, Name: *in.RoleName, Path: or(in.Path, "/"), Description: str(in.Description),
		Trust: *in.AssumeRolePolicyDocument, Boundary: str(in.PermissionsBoundary), Tags: tags,
		MaxSession: time.Duration(or(in.MaxSessionDuration, 3600)) * time.Second,
	})
	if err != nil {
		return nil, err
	}
	r := role(i)
	r.Tags, r.PermissionsBoundary = tagsOut(i.Tags), boundary(i)
	return &CreateRoleResponse{Role: r}, nil
}

// fullRole adds what a list or a new role's answer goes without.
func fullRole(i identity.Identity) *Role {
	r := listedRole(i)
	r.Tags, r.PermissionsBoundary = tagsOut(i.Tags), boundary(i)
	r.RoleLastUsed = &RoleLastUsed{} // AWS sends it empty for a role that was never used
	return r
}

func listedRole(i identity.Identity) *Role {
	r := role(i)
	r.Description = some(i.Description)
	r.MaxSessionDuration = new(int32(i.MaxSession / time.Second))
	return r
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
func (s *service) getRole(ctx context.Context, in *GetRoleRequest) (*GetRoleResponse, error) {
	i, err := s.book.Find(ctx, identity.Role, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &GetRoleResponse{Role: fullRole(i)}, nil
}

// identities reads one page of a kind.
func (s *service) identities(ctx context.Context, kind identity.Kind, under, marker *string, max *int32) (p page[identity.Identity], err error) {
	from, err := after(marker)
	if err != nil {
		return p, err
	}
	list, err := s.book.Identities(ctx, kind, or(under, "/"), from, int(or(max, defaultItems))+1)
	if err != nil {
		return p, err
	}
	return pageOf(list, byName, marker, max)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
func (s *service) listRoles(ctx context.Context, in *ListRolesRequest) (*ListRolesResponse, error) {
	p, err := s.identities(ctx, identity.Role, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListRolesResponse{Roles: collect(p.items, listedRole), IsTruncated: p.truncated, Marker: p.marker}, nil
}

func (s *service) changeRole(ctx context.Context, name *string, fn func(*identity.Identity)) (identity.Identity, error) {
	return s.book.Change(ctx, identity.Role, *name, func(i *identity.Identity) error {
		fn(i)
		return nil
	})
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html
func (s *service) updateRole(ctx context.Context, in *UpdateRoleRequest) (*UpdateRoleResponse, error) {
	_, err := s.changeRole(ctx, in.RoleName, func(i *identity.Identity) {
		i.Description = str(in.Description) // one that is not named is taken away
		i.MaxSession = time.Duration(or(in.MaxSessionDuration, 3600)) * time.Second
	})
	return &UpdateRoleResponse{}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRoleDescription.html
func (s *service) updateRoleDescription(ctx context.Context, in *UpdateRoleDescriptionRequest) (*UpdateRoleDescriptionResponse, error) {
	i, err := s.changeRole(ctx, in.RoleName, func(i *identity.Identity) { i.Description = str(in.Description) })
	if err != nil {
		return nil, err
	}
	return &UpdateRoleDescriptionResponse{Role: listedRole(i)}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html
func (s *service) updateAssumeRolePolicy(ctx context.Context, in *UpdateAssumeRolePolicyRequest) (*UpdateAssumeRolePolicyResponse, error) {
	if err := checkTrust(*in.PolicyDocument); err != nil {
		return nil, err
	}
	_, err := s.changeRole(ctx, in.RoleName, func(i *identity.Identity) { i.Trust = *in.PolicyDocument })
	return &UpdateAssumeRolePolicyResponse{}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
func (s *service) deleteRole(ctx context.Context, in *DeleteRoleRequest) (*DeleteRoleResponse, error) {
	return &DeleteRoleResponse{}, s.book.Remove(ctx, identity.Role, *in.RoleName)
}
