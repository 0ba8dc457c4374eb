package iam

import (
	"context"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) userOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateUser", s.createUser),
		wire.Handle("GetUser", s.getUser),
		wire.Handle("ListUsers", s.listUsers),
		wire.Handle("UpdateUser", s.updateUser),
		wire.Handle("DeleteUser", s.deleteUser),
	}
}

func user(i identity.Identity) *User {
	return &User{UserName: &i.Name, UserId: &i.ID, Arn: &i.ARN, Path: &i.Path, CreateDate: stamp(i.Created)}
}

func fullUser(i identity.Identity) *User {
	u := user(i)
	u.Tags, u.PermissionsBoundary = tagsOut(i.Tags), boundary(i)
	return u
}

// userName is the user that a request means: the one it names, or the caller.
func userName(ctx context.Context, name *string) (string, error) {
	if name != nil {
		return *name, nil
	}
	a, _ := arn.Parse(wire.CallerOf(ctx).ARN)
	if path, ok := strings.CutPrefix(a.Resource, "user/"); ok && a.Service == "iam" {
		return path[strings.LastIndexByte(path, '/')+1:], nil
	}
	return "", invalid("Must specify userName when calling with non-User credentials")
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html
func (s *service) createUser(ctx context.Context, in *CreateUserRequest) (*CreateUserResponse, error) {
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	i, err := s.book.Create(ctx, identity.Identity{
		Kind: identity.User, Name: *in.UserName, Path: or(in.Path, "/"), Boundary: str(in.PermissionsBoundary), Tags: tags,
	})
	if err != nil {
		return nil, err
	}
	return &CreateUserResponse{User: fullUser(i)}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetUser.html
func (s *service) getUser(ctx context.Context, in *GetUserRequest) (*GetUserResponse, error) {
	if c := wire.CallerOf(ctx); in.UserName == nil && c.Root {
		// As on AWS, the root user has neither a name nor a path.
		return &GetUserResponse{User: &User{Arn: &c.ARN, UserId: &c.Account, CreateDate: stamp(s.book.Created())}}, nil
	}
	name, err := userName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	i, err := s.book.Find(ctx, identity.User, name)
	if err != nil {
		return nil, err
	}
	return &GetUserResponse{User: fullUser(i)}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html
func (s *service) listUsers(ctx context.Context, in *ListUsersRequest) (*ListUsersResponse, error) {
	p, err := s.identities(ctx, identity.User, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListUsersResponse{Users: collect(p.items, user), IsTruncated: p.truncated, Marker: p.marker}, nil
}

// rename gives an identity another name or path.
func (s *service) rename(ctx context.Context, kind identity.Kind, name, newName, newPath *string) error {
	_, err := s.book.Change(ctx, kind, *name, func(i *identity.Identity) error {
		i.Name, i.Path = or(newName, i.Name), or(newPath, i.Path)
		return nil
	})
	return err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html
func (s *service) updateUser(ctx context.Context, in *UpdateUserRequest) (*UpdateUserResponse, error) {
	return &UpdateUserResponse{}, s.rename(ctx, identity.User, in.UserName, in.NewUserName, in.NewPath)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html
func (s *service) deleteUser(ctx context.Context, in *DeleteUserRequest) (*DeleteUserResponse, error) {
	return &DeleteUserResponse{}, s.book.Remove(ctx, identity.User, *in.UserName)
}
