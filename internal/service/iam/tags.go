package iam

import (
	"context"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) tagOps() []wire.Op {
	return []wire.Op{
		wire.Handle("TagRole", s.tagRole),
		wire.Handle("UntagRole", s.untagRole),
		wire.Handle("ListRoleTags", s.listRoleTags),
		wire.Handle("TagUser", s.tagUser),
		wire.Handle("UntagUser", s.untagUser),
		wire.Handle("ListUserTags", s.listUserTags),
		wire.Handle("TagPolicy", s.tagPolicy),
		wire.Handle("UntagPolicy", s.untagPolicy),
		wire.Handle("ListPolicyTags", s.listPolicyTags),
	}
}

func (s *service) tag(ctx context.Context, kind identity.Kind, name string, in []*Tag) error {
	tags, err := tagsIn(in)
	if err != nil {
		return err
	}
	return s.book.Retag(ctx, kind, name, tags, nil)
}

func (s *service) tags(ctx context.Context, kind identity.Kind, name string, marker *string, max *int32) (page[*Tag], error) {
	i, err := s.book.Find(ctx, kind, name)
	if err != nil {
		return page[*Tag]{}, err
	}
	return tagPage(i.Tags, marker, max)
}

func tagPage(list []identity.Tag, marker *string, max *int32) (page[*Tag], error) {
	return pageOf(tagsOut(list), func(t *Tag) string { return strings.ToLower(*t.Key) }, marker, max)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagRole.html
func (s *service) tagRole(ctx context.Context, in *TagRoleRequest) (*TagRoleResponse, error) {
	return &TagRoleResponse{}, s.tag(ctx, identity.Role, *in.RoleName, in.Tags)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagRole.html
func (s *service) untagRole(ctx context.Context, in *UntagRoleRequest) (*UntagRoleResponse, error) {
	return &UntagRoleResponse{}, s.book.Retag(ctx, identity.Role, *in.RoleName, nil, in.TagKeys)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoleTags.html
func (s *service) listRoleTags(ctx context.Context, in *ListRoleTagsRequest) (*ListRoleTagsResponse, error) {
	p, err := s.tags(ctx, identity.Role, *in.RoleName, in.Marker, in.MaxItems)
	return &ListRoleTagsResponse{Tags: p.items, IsTruncated: p.truncated, Marker: p.marker}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagUser.html
func (s *service) tagUser(ctx context.Context, in *TagUserRequest) (*TagUserResponse, error) {
	return &TagUserResponse{}, s.tag(ctx, identity.User, *in.UserName, in.Tags)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagUser.html
func (s *service) untagUser(ctx context.Context, in *UntagUserRequest) (*UntagUserResponse, error) {
	return &UntagUserResponse{}, s.book.Retag(ctx, identity.User, *in.UserName, nil, in.TagKeys)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUserTags.html
func (s *service) listUserTags(ctx context.Context, in *ListUserTagsRequest) (*ListUserTagsResponse, error) {
	p, err := s.tags(ctx, identity.User, *in.UserName, in.Marker, in.MaxItems)
	return &ListUserTagsResponse{Tags: p.items, IsTruncated: p.truncated, Marker: p.marker}, err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagPolicy.html
func (s *service) tagPolicy(ctx context.Context, in *TagPolicyRequest) (*TagPolicyResponse, error) {
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	return &TagPolicyResponse{}, s.book.RetagPolicy(ctx, *in.PolicyArn, tags, nil)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagPolicy.html
func (s *service) untagPolicy(ctx context.Context, in *UntagPolicyRequest) (*UntagPolicyResponse, error) {
	return &UntagPolicyResponse{}, s.book.RetagPolicy(ctx, *in.PolicyArn, nil, in.TagKeys)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicyTags.html
func (s *service) listPolicyTags(ctx context.Context, in *ListPolicyTagsRequest) (*ListPolicyTagsResponse, error) {
	policy, err := s.book.Policy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	p, err := tagPage(policy.Tags, in.Marker, in.MaxItems)
	return &ListPolicyTagsResponse{Tags: p.items, IsTruncated: p.truncated, Marker: p.marker}, err
}
