package iam

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) keyOps() []wire.Op {
	return []wire.Op{
		wire.Handle("CreateAccessKey", s.createAccessKey),
		wire.Handle("ListAccessKeys", s.listAccessKeys),
		wire.Handle("UpdateAccessKey", s.updateAccessKey),
		wire.Handle("DeleteAccessKey", s.deleteAccessKey),
		wire.Handle("GetAccessKeyLastUsed", s.getAccessKeyLastUsed),
	}
}

func status(k identity.Key) *string {
	if k.Active {
		return new("Active")
	}
	return new("Inactive")
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html
func (s *service) createAccessKey(ctx context.Context, in *CreateAccessKeyRequest) (*CreateAccessKeyResponse, error) {
	name, err := userName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := s.book.AddKey(ctx, name)
	if err != nil {
		return nil, err
	}
	return &CreateAccessKeyResponse{AccessKey: &AccessKey{
		UserName: &k.User, AccessKeyId: &k.ID, SecretAccessKey: &k.Secret, Status: status(k), CreateDate: stamp(k.Created),
	}}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html
func (s *service) listAccessKeys(ctx context.Context, in *ListAccessKeysRequest) (*ListAccessKeysResponse, error) {
	name, err := userName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	list, err := s.book.Keys(ctx, name)
	if err != nil {
		return nil, err
	}
	p, err := pageOf(list, func(k identity.Key) string { return k.Created.Format("20060102150405") + k.ID }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	keys := collect(p.items, func(k identity.Key) *AccessKeyMetadata {
		return &AccessKeyMetadata{UserName: &k.User, AccessKeyId: &k.ID, Status: status(k), CreateDate: stamp(k.Created)}
	})
	return &ListAccessKeysResponse{AccessKeyMetadata: keys, IsTruncated: p.truncated, Marker: p.marker}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html
func (s *service) updateAccessKey(ctx context.Context, in *UpdateAccessKeyRequest) (*UpdateAccessKeyResponse, error) {
	name, err := userName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	if *in.Status == "Expired" { // in the model for answers alone
		return nil, invalid("Status Expired is not valid for an access key.")
	}
	return &UpdateAccessKeyResponse{}, s.book.SetKeyActive(ctx, name, *in.AccessKeyId, *in.Status == "Active")
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccessKey.html
func (s *service) deleteAccessKey(ctx context.Context, in *DeleteAccessKeyRequest) (*DeleteAccessKeyResponse, error) {
	name, err := userName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return &DeleteAccessKeyResponse{}, s.book.DeleteKey(ctx, name, *in.AccessKeyId)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
func (s *service) getAccessKeyLastUsed(ctx context.Context, in *GetAccessKeyLastUsedRequest) (*GetAccessKeyLastUsedResponse, error) {
	k, err := s.book.Key(ctx, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	used := &AccessKeyLastUsed{LastUsedDate: stamp(k.Used), Region: &k.UsedRegion, ServiceName: &k.UsedService}
	if k.Used.IsZero() {
		used.Region, used.ServiceName = new("N/A"), new("N/A")
	}
	return &GetAccessKeyLastUsedResponse{UserName: &k.User, AccessKeyLastUsed: used}, nil
}
