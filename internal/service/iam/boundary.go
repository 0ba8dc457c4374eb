package iam

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) boundaryOps() []wire.Op {
	return []wire.Op{
		wire.Handle("PutRolePermissionsBoundary", s.putRolePermissionsBoundary),
		wire.Handle("DeleteRolePermissionsBoundary", s.deleteRolePermissionsBoundary),
		wire.Handle("PutUserPermissionsBoundary", s.putUserPermissionsBoundary),
		wire.Handle("DeleteUserPermissionsBoundary", s.deleteUserPermissionsBoundary),
	}
}

func (s *service) setBoundary(ctx context.Context, kind identity.Kind, name, policyARN string) error {
	_, err := s.book.Change(ctx, kind, name, func(i *identity.Identity) error {
		i.Boundary = policyARN
		return nil
	})
	return err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePermissionsBoundary.html
func (s *service) putRolePermissionsBoundary(ctx context.Context, in *PutRolePermissionsBoundaryRequest) (*PutRolePermissionsBoundaryResponse, error) {
	return &PutRolePermissionsBoundaryResponse{}, s.setBoundary(ctx, identity.Role, *in.RoleName, *in.PermissionsBoundary)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRolePermissionsBoundary.html
func (s *service) deleteRolePermissionsBoundary(ctx context.Context, in *DeleteRolePermissionsBoundaryRequest) (*DeleteRolePermissionsBoundaryResponse, error) {
	return &DeleteRolePermissionsBoundaryResponse{}, s.setBoundary(ctx, identity.Role, *in.RoleName, "")
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPermissionsBoundary.html
func (s *service) putUserPermissionsBoundary(ctx context.Context, in *PutUserPermissionsBoundaryRequest) (*PutUserPermissionsBoundaryResponse, error) {
	return &PutUserPermissionsBoundaryResponse{}, s.setBoundary(ctx, identity.User, *in.UserName, *in.PermissionsBoundary)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUserPermissionsBoundary.html
func (s *service) deleteUserPermissionsBoundary(ctx context.Context, in *DeleteUserPermissionsBoundaryRequest) (*DeleteUserPermissionsBoundaryResponse, error) {
	return &DeleteUserPermissionsBoundaryResponse{}, s.setBoundary(ctx, identity.User, *in.UserName, "")
}
