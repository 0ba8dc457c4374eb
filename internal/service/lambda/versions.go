package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) versionOps() []wire.Op {
	return []wire.Op{
		op("PublishVersion", s.publishVersion),
		op("ListVersionsByFunction", s.listVersionsByFunction),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
func (s *service) publishVersion(ctx context.Context, in *PublishVersionRequest) (*FunctionConfiguration, error) {
	if in.PublishTo != nil {
		return nil, unsupported("capacity providers")
	}
	v, err := s.fs.Publish(ctx, text(in.FunctionName), function.Publication{Description: in.Description, CodeSHA256: in.CodeSha256, Revision: in.RevisionId})
	if err != nil {
		return nil, err
	}
	return s.configuration(v, v.Qualifier()), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html
func (s *service) listVersionsByFunction(ctx context.Context, in *ListVersionsByFunctionRequest) (*ListVersionsByFunctionResponse, error) {
	vs, next, err := s.fs.Versions(ctx, text(in.FunctionName), page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &ListVersionsByFunctionResponse{Versions: make([]*FunctionConfiguration, len(vs)), NextMarker: some(next)}
	for i, v := range vs {
		out.Versions[i] = s.listed(v, v.Qualifier())
	}
	return out, nil
}
