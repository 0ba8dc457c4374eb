package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) layerOps() []wire.Op {
	return []wire.Op{
		op("PublishLayerVersion", s.publishLayerVersion),
		op("GetLayerVersion", s.getLayerVersion),
		op("GetLayerVersionByArn", s.getLayerVersionByArn),
		op("ListLayerVersions", s.listLayerVersions),
		op("ListLayers", s.listLayers),
		op("DeleteLayerVersion", s.deleteLayerVersion),
		op("AddLayerVersionPermission", s.addLayerVersionPermission),
		op("GetLayerVersionPolicy", s.getLayerVersionPolicy),
		op("RemoveLayerVersionPermission", s.removeLayerVersionPermission),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html
func (s *service) publishLayerVersion(ctx context.Context, in *PublishLayerVersionRequest) (*PublishLayerVersionResponse, error) {
	v, err := s.fs.PublishLayer(ctx, function.NewLayer{
		Name: text(in.LayerName), Description: text(in.Description), License: in.LicenseInfo,
		Runtimes: in.CompatibleRuntimes, Archs: in.CompatibleArchitectures, Zip: in.Content.ZipFile,
		Object: object(in.Content.S3Bucket, in.Content.S3Key, in.Content.S3ObjectVersion),
	})
	if err != nil {
		return nil, err
	}
	return new(PublishLayerVersionResponse(*s.layerVersion(ctx, v))), nil
}

// layerVersion shows a layer version with the way to its archive.
func (s *service) layerVersion(ctx context.Context, v *function.LayerVersion) *GetLayerVersionResponse {
	item := s.layerItem(v)
	return &GetLayerVersionResponse{
		CompatibleArchitectures: item.CompatibleArchitectures, CompatibleRuntimes: item.CompatibleRuntimes,
		Content: &LayerVersionContentOutput{
			CodeSha256: new(v.Code.Digest()), CodeSize: new(v.Code.Size),
			Location: new(wire.BaseURL(ctx) + s.fs.Location(v.Code.SHA256)),
		},
		CreatedDate: item.CreatedDate, Description: item.Description, LayerArn: new(s.fs.LayerARN(v.Name, 0)),
		LayerVersionArn: item.LayerVersionArn, LicenseInfo: item.LicenseInfo, Version: item.Version,
	}
}

// layerItem shows a layer version as lists do.
func (s *service) layerItem(v *function.LayerVersion) *LayerVersionsListItem {
	return &LayerVersionsListItem{
		CompatibleArchitectures: v.Archs, CompatibleRuntimes: v.Runtimes, CreatedDate: stamp(v.Created),
		Description: new(v.Description), LayerVersionArn: new(s.fs.LayerARN(v.Name, v.Number)), LicenseInfo: v.License, Version: new(v.Number),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersion.html
func (s *service) getLayerVersion(ctx context.Context, in *GetLayerVersionRequest) (*GetLayerVersionResponse, error) {
	v, err := s.fs.Layer(ctx, text(in.LayerName), *in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return s.layerVersion(ctx, v), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersionByArn.html
func (s *service) getLayerVersionByArn(ctx context.Context, in *GetLayerVersionByArnRequest) (*GetLayerVersionResponse, error) {
	v, err := s.fs.LayerByARN(ctx, text(in.Arn))
	if err != nil {
		return nil, err
	}
	return s.layerVersion(ctx, v), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListLayerVersions.html
func (s *service) listLayerVersions(ctx context.Context, in *ListLayerVersionsRequest) (*ListLayerVersionsResponse, error) {
	f := function.LayerFilter{Runtime: text(in.CompatibleRuntime), Arch: text(in.CompatibleArchitecture)}
	vs, next, err := s.fs.LayerVersions(ctx, text(in.LayerName), f, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &ListLayerVersionsResponse{LayerVersions: []*LayerVersionsListItem{}, NextMarker: some(next)}
	for _, v := range vs {
		out.LayerVersions = append(out.LayerVersions, s.layerItem(v))
	}
	return out, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListLayers.html
func (s *service) listLayers(ctx context.Context, in *ListLayersRequest) (*ListLayersResponse, error) {
	f := function.LayerFilter{Runtime: text(in.CompatibleRuntime), Arch: text(in.CompatibleArchitecture)}
	vs, next, err := s.fs.Layers(ctx, f, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &ListLayersResponse{Layers: []*LayersListItem{}, NextMarker: some(next)}
	for _, v := range vs {
		out.Layers = append(out.Layers, &LayersListItem{
			LayerArn: new(s.fs.LayerARN(v.Name, 0)), LayerName: new(v.Name), LatestMatchingVersion: s.layerItem(v),
		})
	}
	return out, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteLayerVersion.html
func (s *service) deleteLayerVersion(ctx context.Context, in *DeleteLayerVersionRequest) (*DeleteLayerVersionResponse, error) {
	return &DeleteLayerVersionResponse{}, s.fs.DeleteLayer(ctx, text(in.LayerName), *in.VersionNumber)
}

// https://docs.aws.amazon.com/lambda/latest/api/API_AddLayerVersionPermission.html
func (s *service) addLayerVersionPermission(ctx context.Context, in *AddLayerVersionPermissionRequest) (*AddLayerVersionPermissionResponse, error) {
	statement, revision, err := s.fs.AddLayerPermission(ctx, text(in.LayerName), *in.VersionNumber, function.Permission{
		ID: text(in.StatementId), Action: text(in.Action), Principal: text(in.Principal), OrgID: text(in.OrganizationId), Revision: in.RevisionId,
	})
	if err != nil {
		return nil, err
	}
	return &AddLayerVersionPermissionResponse{Statement: &statement, RevisionId: &revision}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersionPolicy.html
func (s *service) getLayerVersionPolicy(ctx context.Context, in *GetLayerVersionPolicyRequest) (*GetLayerVersionPolicyResponse, error) {
	policy, revision, err := s.fs.LayerPolicy(ctx, text(in.LayerName), *in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return &GetLayerVersionPolicyResponse{Policy: &policy, RevisionId: &revision}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_RemoveLayerVersionPermission.html
func (s *service) removeLayerVersionPermission(ctx context.Context, in *RemoveLayerVersionPermissionRequest) (*RemoveLayerVersionPermissionResponse, error) {
	return &RemoveLayerVersionPermissionResponse{}, s.fs.RemoveLayerPermission(ctx, text(in.LayerName), *in.VersionNumber, text(in.StatementId), in.RevisionId)
}
