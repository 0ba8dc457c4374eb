package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) tagOps() []wire.Op {
	return []wire.Op{
		op("TagResource", s.tagResource),
		op("UntagResource", s.untagResource),
		op("ListTags", s.listTags),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html
func (s *service) tagResource(ctx context.Context, in *TagResourceRequest) (*TagResourceResponse, error) {
	if id, ok := s.mappingOf(in.Resource); ok {
		return &TagResourceResponse{}, s.mappings.Retag(ctx, id, in.Tags, nil)
	}
	return &TagResourceResponse{}, s.fs.Tag(ctx, text(in.Resource), in.Tags)
}

// https://docs.aws.amazon.com/lambda/latest/api/API_UntagResource.html
func (s *service) untagResource(ctx context.Context, in *UntagResourceRequest) (*UntagResourceResponse, error) {
	if id, ok := s.mappingOf(in.Resource); ok {
		return &UntagResourceResponse{}, s.mappings.Retag(ctx, id, nil, in.TagKeys)
	}
	return &UntagResourceResponse{}, s.fs.Untag(ctx, text(in.Resource), in.TagKeys)
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListTags.html
func (s *service) listTags(ctx context.Context, in *ListTagsRequest) (*ListTagsResponse, error) {
	if id, ok := s.mappingOf(in.Resource); ok {
		tags, err := s.mappings.Tags(ctx, id)
		return &ListTagsResponse{Tags: tags}, err
	}
	tags, err := s.fs.Tags(ctx, text(in.Resource))
	if err != nil {
		return nil, err
	}
	return &ListTagsResponse{Tags: tags}, nil
}

// mappingOf is the event source mapping that an ARN names.
func (s *service) mappingOf(arn *string) (uuid string, ok bool) {
	if s.mappings == nil {
		return "", false
	}
	return s.mappings.UUIDOf(text(arn))
}
