package iam

import (
	"context"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) groupOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateGroup", s.createGroup),
		wire.Handle("GetGroup", s.getGroup),
		wire.Handle("ListGroups", s.listGroups),
		wire.Handle("UpdateGroup", s.updateGroup),
		wire.Handle("DeleteGroup", s.deleteGroup),
		wire.Handle("AddUserToGroup", s.addUserToGroup),
		wire.Handle("RemoveUserFromGroup", s.removeUserFromGroup),
		wire.Handle("ListGroupsForUser", s.listGroupsForUser),
	}
}

func group(i identity.Identity) *Group {
	return &Group{GroupName: &i.Name, GroupId: &i.ID, Arn: &i.ARN, Path: &i.Path, CreateDate: stamp(i.Created)}
}

// byName is the order of lists of identities.
func byName(i identity.Identity) string { return strings.ToLower(i.Name) }

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html
func (s *service) createGroup(ctx context.Context, in *CreateGroupRequest) (*CreateGroupResponse, error) {
	i, err := s.book.Create(ctx, identity.Identity{Kind: identity.Group, Name: *in.GroupName, Path: or(in.Path, "/")})
	if err != nil {
		return nil, err
	}
	return &CreateGroupResponse{Group: group(i)}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetGroup.html
func (s *service) getGroup(ctx context.Context, in *GetGroupRequest) (*GetGroupResponse, error) {
	i, err := s.book.Find(ctx, identity.Group, *in.GroupName)
	if err != nil {
		return nil, err
	}
	members, err := s.book.Members(ctx, i.Name)
	if err != nil {
		return nil, err
	}
	p, err := pageOf(members, byName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &GetGroupResponse{Group: group(i), Users: collect(p.items, user), IsTruncated: p.truncated, Marker: p.marker}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListGroups.html
func (s *service) listGroups(ctx context.Context, in *ListGroupsRequest) (*ListGroupsResponse, error) {
	p, err := s.identities(ctx, identity.Group, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListGroupsResponse{Groups: collect(p.items, group), IsTruncated: p.truncated, Marker: p.marker}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateGroup.html
func (s *service) updateGroup(ctx context.Context, in *UpdateGroupRequest) (*UpdateGroupResponse, error) {
	return &UpdateGroupResponse{}, s.rename(ctx, identity.Group, in.GroupName, in.NewGroupName, in.NewPath)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteGroup.html
func (s *service) deleteGroup(ctx context.Context, in *DeleteGroupRequest) (*DeleteGroupResponse, error) {
	return &DeleteGroupResponse{}, s.book.Remove(ctx, identity.Group, *in.GroupName)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddUserToGroup.html
func (s *service) addUserToGroup(ctx context.Context, in *AddUserToGroupRequest) (*AddUserToGroupResponse, error) {
	return &AddUserToGroupResponse{}, s.book.Join(ctx, *in.GroupName, *in.UserName)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveUserFromGroup.html
func (s *service) removeUserFromGroup(ctx context.Context, in *RemoveUserFromGroupRequest) (*RemoveUserFromGroupResponse, error) {
	return &RemoveUserFromGroupResponse{}, s.book.Leave(ctx, *in.GroupName, *in.UserName)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListGroupsForUser.html
func (s *service) listGroupsForUser(ctx context.Context, in *ListGroupsForUserRequest) (*ListGroupsForUserResponse, error) {
	list, err := s.book.GroupsOf(ctx, *in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := pageOf(list, byName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListGroupsForUserResponse{Groups: collect(p.items, group), IsTruncated: p.truncated, Marker: p.marker}, nil
}
