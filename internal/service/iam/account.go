package iam

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// accountOps are what tools read of an account and of a user before they
// delete it. What is not kept here is truthfully empty.
func (s *service) accountOps() []wire.Op {
	return []wire.Op{
		wire.Handle("GetAccountSummary", s.getAccountSummary),
		wire.Handle("ListAccountAliases", s.listAccountAliases),
		wire.Handle("ListInstanceProfiles", s.listInstanceProfiles),
		wire.Handle("ListInstanceProfilesForRole", s.listInstanceProfilesForRole),
		wire.Handle("GetLoginProfile", s.getLoginProfile),
		wire.Handle("ListMFADevices", s.listMFADevices),
		wire.Handle("ListSSHPublicKeys", s.listSSHPublicKeys),
		wire.Handle("ListSigningCertificates", s.listSigningCertificates),
		wire.Handle("ListServiceSpecificCredentials", s.listServiceSpecificCredentials),
	}
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
func (s *service) getAccountSummary(ctx context.Context, _ *GetAccountSummaryRequest) (*GetAccountSummaryResponse, error) {
	have, err := s.book.Counts(ctx)
	if err != nil {
		return nil, err
	}
	m := map[string]int32{
		"AccessKeysPerUserQuota": 2, "AccountAccessKeysPresent": 1, "AccountMFAEnabled": 0, "AccountPasswordPresent": 0,
		"AccountSigningCertificatesPresent": 0, "AssumeRolePolicySizeQuota": maxTrust, "AttachedPoliciesPerGroupQuota": 10,
		"AttachedPoliciesPerRoleQuota": 10, "AttachedPoliciesPerUserQuota": 10, "GlobalEndpointTokenVersion": 1,
		"GroupPolicySizeQuota": 5120, "GroupsPerUserQuota": 10, "GroupsQuota": 300, "InstanceProfiles": 0, "InstanceProfilesQuota": 1000,
		"MFADevices": 0, "MFADevicesInUse": 0, "PoliciesQuota": 1500, "PolicySizeQuota": maxPolicy, "PolicyVersionsInUseQuota": 10000,
		"Providers": 0, "RolePolicySizeQuota": 10240, "RolesQuota": 1000, "ServerCertificates": 0, "ServerCertificatesQuota": 20,
		"SigningCertificatesPerUserQuota": 2, "UserPolicySizeQuota": 2048, "UsersQuota": 5000, "VersionsPerPolicyQuota": 5,
	}
	for name, n := range have {
		m[name] = int32(n)
	}
	return &GetAccountSummaryResponse{SummaryMap: m}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccountAliases.html
func (s *service) listAccountAliases(context.Context, *ListAccountAliasesRequest) (*ListAccountAliasesResponse, error) {
	return &ListAccountAliasesResponse{AccountAliases: []string{}, IsTruncated: new(false)}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfiles.html
func (s *service) listInstanceProfiles(context.Context, *ListInstanceProfilesRequest) (*ListInstanceProfilesResponse, error) {
	return &ListInstanceProfilesResponse{InstanceProfiles: []*InstanceProfile{}, IsTruncated: new(false)}, nil
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfilesForRole.html
func (s *service) listInstanceProfilesForRole(ctx context.Context, in *ListInstanceProfilesForRoleRequest) (*ListInstanceProfilesForRoleResponse, error) {
	_, err := s.book.Find(ctx, identity.Role, *in.RoleName)
	return &ListInstanceProfilesForRoleResponse{InstanceProfiles: []*InstanceProfile{}, IsTruncated: new(false)}, err
}

// known says whether the user that a request means is there. Root always is.
func (s *service) known(ctx context.Context, name *string) error {
	if name == nil && wire.CallerOf(ctx).Root {
		return nil
	}
	n, err := userName(ctx, name)
	if err != nil {
		return err
	}
	_, err = s.book.Find(ctx, identity.User, n)
	return err
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetLoginProfile.html
func (s *service) getLoginProfile(ctx context.Context, in *GetLoginProfileRequest) (*GetLoginProfileResponse, error) {
	name, err := userName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	if err := s.known(ctx, &name); err != nil {
		return nil, err
	}
	return nil, awserr.New(404, "NoSuchEntity", "Login Profile for User %s cannot be found.", name)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListMFADevices.html
func (s *service) listMFADevices(ctx context.Context, in *ListMFADevicesRequest) (*ListMFADevicesResponse, error) {
	return &ListMFADevicesResponse{MFADevices: []*MFADevice{}, IsTruncated: new(false)}, s.known(ctx, in.UserName)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListSSHPublicKeys.html
func (s *service) listSSHPublicKeys(ctx context.Context, in *ListSSHPublicKeysRequest) (*ListSSHPublicKeysResponse, error) {
	return &ListSSHPublicKeysResponse{SSHPublicKeys: []*SSHPublicKeyMetadata{}, IsTruncated: new(false)}, s.known(ctx, in.UserName)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListSigningCertificates.html
func (s *service) listSigningCertificates(ctx context.Context, in *ListSigningCertificatesRequest) (*ListSigningCertificatesResponse, error) {
	return &ListSigningCertificatesResponse{Certificates: []*SigningCertificate{}, IsTruncated: new(false)}, s.known(ctx, in.UserName)
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListServiceSpecificCredentials.html
func (s *service) listServiceSpecificCredentials(ctx context.Context, in *ListServiceSpecificCredentialsRequest) (*ListServiceSpecificCredentialsResponse, error) {
	return &ListServiceSpecificCredentialsResponse{ServiceSpecificCredentials: []*ServiceSpecificCredentialMetadata{}}, s.known(ctx, in.UserName)
}
