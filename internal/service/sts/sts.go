// Package sts serves the AWS Security Token Service: who signed a request, and
// temporary credentials. It stores nothing: a session is all in its token.
package sts

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/query"
)

type service struct{ book *identity.Book }

// Service is STS over a book of identities.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
func Service(book *identity.Book) wire.Service {
	s := &service{book: book}
	return wire.Service{
		Name:      "sts",
		Title:     "AWS STS",
		Version:   "2011-06-15",
		Namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		Protocol:  query.Protocol{},
		Models:    models(),
		Ops: []wire.Op{
			wire.Handle("GetCallerIdentity", s.getCallerIdentity),
			wire.Handle("AssumeRole", s.assumeRole),
			wire.Handle("GetSessionToken", s.getSessionToken),
			wire.Handle("GetAccessKeyInfo", s.getAccessKeyInfo),
		},
		ErrorCode: "InternalFailure",
	}
}

func credentials(c identity.Credentials) *Credentials {
	return &Credentials{
		AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken,
		Expiration: &wire.Time{Time: c.Expires},
	}
}

// temporary tells whether the caller's key is a session's.
func temporary(c wire.Caller) bool { return strings.HasPrefix(c.AccessKeyID, "ASIA") }

// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func (s *service) getCallerIdentity(ctx context.Context, _ *GetCallerIdentityRequest) (*GetCallerIdentityResponse, error) {
	c := wire.CallerOf(ctx)
	return &GetCallerIdentityResponse{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}

// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html
func (s *service) getAccessKeyInfo(context.Context, *GetAccessKeyInfoRequest) (*GetAccessKeyInfoResponse, error) {
	return &GetAccessKeyInfoResponse{Account: new(s.book.Account())}, nil // there is one account
}

// The root user's sessions are short, whatever it asks for.
const (
	rootSession    = time.Hour
	defaultSession = 12 * time.Hour
)

// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
func (s *service) getSessionToken(ctx context.Context, in *GetSessionTokenRequest) (*GetSessionTokenResponse, error) {
	c := wire.CallerOf(ctx)
	if temporary(c) {
		return nil, awserr.New(403, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	ttl := defaultSession
	if in.DurationSeconds != nil {
		ttl = time.Duration(*in.DurationSeconds) * time.Second
	}
	if c.Root {
		ttl = min(ttl, rootSession)
	}
	creds, err := s.book.Temporary(identity.Principal{ARN: c.ARN, UserID: c.UserID, Root: c.Root}, ttl)
	if err != nil {
		return nil, err
	}
	return &GetSessionTokenResponse{Credentials: credentials(creds)}, nil
}

// AssumeRole gives out a session of a role that exists. Unlike a function's
// role, which may be any ARN, a role that nobody made is refused as on AWS: a
// misspelt name should fail here before it fails there.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (s *service) assumeRole(ctx context.Context, in *AssumeRoleRequest) (*AssumeRoleResponse, error) {
	r, err := s.role(ctx, *in.RoleArn)
	if err != nil {
		return nil, err
	}
	ttl := time.Duration(or(in.DurationSeconds, 3600)) * time.Second
	if err := allowed(ttl, r, wire.CallerOf(ctx)); err != nil {
		return nil, err
	}
	g, err := grant(in)
	if err != nil {
		return nil, err
	}
	size := packedSize(g)
	if or(size, 0) > 100 {
		return nil, awserr.New(400, "PackedPolicyTooLarge", "Packed size of session tags consumes %d%% of allotted space.", *size)
	}
	creds, assumed, id, err := s.book.Assume(ctx, g, ttl)
	if err != nil {
		return nil, err
	}
	return &AssumeRoleResponse{
		Credentials:      credentials(creds),
		AssumedRoleUser:  &AssumedRoleUser{Arn: &assumed, AssumedRoleId: new(id + ":" + g.Session)},
		PackedPolicySize: size,
		SourceIdentity:   in.SourceIdentity,
	}, nil
}

// role finds the role of an ARN.
func (s *service) role(ctx context.Context, roleARN string) (identity.Identity, error) {
	a, err := arn.Parse(roleARN)
	path, ok := strings.CutPrefix(a.Resource, "role/")
	if err != nil || !ok || a.Service != "iam" {
		return identity.Identity{}, awserr.New(400, "ValidationError", "%s is invalid", roleARN)
	}
	r, err := s.book.Find(ctx, identity.Role, path[strings.LastIndexByte(path, '/')+1:])
	if errors.Is(err, store.ErrNoRows) || err == nil && r.ARN != roleARN {
		return r, awserr.New(403, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s",
			wire.CallerOf(ctx).ARN, roleARN)
	}
	return r, err
}

// allowed checks a session's length against the role's, and against an hour
// for who is a role already.
func allowed(ttl time.Duration, r identity.Identity, c wire.Caller) error {
	if ttl > r.MaxSession {
		return awserr.New(400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if strings.Contains(c.ARN, ":assumed-role/") && ttl > time.Hour {
		return awserr.New(400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return nil
}

// grant is what the session is narrowed to.
func grant(in *AssumeRoleRequest) (identity.Grant, error) {
	g := identity.Grant{
		Role: *in.RoleArn, Session: *in.RoleSessionName, Policy: or(in.Policy, ""),
		TransitiveTags: in.TransitiveTagKeys, SourceIdentity: or(in.SourceIdentity, ""),
	}
	if g.Policy != "" {
		_, err := policy.Parse(policy.Identity, g.Policy)
		if e, ok := errors.AsType[*policy.Error](err); ok {
			return g, awserr.New(400, "MalformedPolicyDocument", "%s", e.Message)
		}
	}
	for _, p := range in.PolicyArns {
		g.PolicyARNs = append(g.PolicyARNs, or(p.Arn, ""))
	}
	for _, t := range in.Tags {
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		g.Tags[*t.Key] = *t.Value
	}
	return g, nil
}

// packedSize is how much of what AWS allots the session's policies and tags
// take, in per cent; nil when there are none. AWS packs them in a way of its
// own, so that ours is of the same order, not the same.
func packedSize(g identity.Grant) *int32 {
	n := len(g.Policy) + len(strings.Join(g.PolicyARNs, ""))
	for k, v := range g.Tags {
		n += len(k) + len(v)
	}
	if n == 0 {
		return nil
	}
	return new(int32((n*100 + 2047) / 2048))
}

// or is what p points to, or instead when there is nothing.
func or[T any](p *T, instead T) T {
	if p == nil {
		return instead
	}
	return *p
}
