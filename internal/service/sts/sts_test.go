package sts

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

func book(t testing.TB) *identity.Book {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "x.db"), store.Options{Sync: store.Normal})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b, err := identity.Open(t.Context(), db, "000000000000")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// as is a context of a caller who holds c.
func as(t *testing.T, b *identity.Book, c identity.Credentials) context.Context {
	t.Helper()
	_, p, err := b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	return wire.WithCaller(t.Context(), wire.Caller{AccessKeyID: p.AccessKeyID, Account: p.Account, ARN: p.ARN, UserID: p.UserID, Root: p.Root})
}

func given(c *Credentials) identity.Credentials {
	return identity.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken, Expires: c.Expiration.Time}
}

func role(t *testing.T, b *identity.Book) identity.Identity {
	t.Helper()
	r, err := b.Create(t.Context(), identity.Identity{Kind: identity.Role, Name: "r", Path: "/x/", Trust: "{}", MaxSession: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOverTheWire(t *testing.T) {
	b := book(t)
	r := role(t, b)
	c := wiretest.New(t, Service(b))
	var me GetCallerIdentityResponse
	if a := c.Do("GetCallerIdentity", nil, &me); a.Code != "" || *me.Arn != "arn:aws:iam::000000000000:root" || *me.Account != "000000000000" {
		t.Errorf("%+v: %+v", a, me)
	}
	var out AssumeRoleResponse
	a := c.Do("AssumeRole", map[string]any{"RoleArn": r.ARN, "RoleSessionName": "s", "DurationSeconds": 900}, &out)
	if a.Code != "ValidationError" { // one character is too short a name
		t.Errorf("%+v", a)
	}
	a = c.Do("AssumeRole", map[string]any{"RoleArn": r.ARN, "RoleSessionName": "sess", "DurationSeconds": 900}, &out)
	if a.Code != "" || *out.AssumedRoleUser.Arn != "arn:aws:sts::000000000000:assumed-role/r/sess" || *out.AssumedRoleUser.AssumedRoleId != r.ID+":sess" || out.PackedPolicySize != nil {
		t.Fatalf("%+v: %+v", a, out)
	}
	if left := time.Until(out.Credentials.Expiration.Time); left > 15*time.Minute || left < 10*time.Minute {
		t.Errorf("valid for %v", left)
	}
	if secret, p, err := b.Lookup(t.Context(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken); err != nil || secret != *out.Credentials.SecretAccessKey || p.Grant.Role != r.ARN {
		t.Errorf("%+v, %v", p, err)
	}
}

func code(err error) string {
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestAssumeRoleRefuses(t *testing.T) {
	b := book(t)
	r := role(t, b)
	s := &service{b}
	ctx := as(t, b, b.Root())
	chained, _, _, err := b.Session(t.Context(), r.ARN, "first", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		ctx  context.Context
		in   AssumeRoleRequest
		want string
	}{
		{"no role of that name", ctx, AssumeRoleRequest{RoleArn: new("arn:aws:iam::000000000000:role/none")}, "AccessDenied"},
		{"another path", ctx, AssumeRoleRequest{RoleArn: new("arn:aws:iam::000000000000:role/r")}, "AccessDenied"},
		{"another account", ctx, AssumeRoleRequest{RoleArn: new("arn:aws:iam::123456789012:role/x/r")}, "AccessDenied"},
		{"no ARN", ctx, AssumeRoleRequest{RoleArn: new("a-role-of-twenty-letters")}, "ValidationError"},
		{"a user", ctx, AssumeRoleRequest{RoleArn: new("arn:aws:iam::000000000000:user/r")}, "ValidationError"},
		{"too long for the role", ctx, AssumeRoleRequest{RoleArn: &r.ARN, DurationSeconds: new(int32(7201))}, "ValidationError"},
		{"as long as the role allows", ctx, AssumeRoleRequest{RoleArn: &r.ARN, DurationSeconds: new(int32(7200))}, ""},
		{"too long for a chain", as(t, b, chained), AssumeRoleRequest{RoleArn: &r.ARN, DurationSeconds: new(int32(3601))}, "ValidationError"},
		{"a chain", as(t, b, chained), AssumeRoleRequest{RoleArn: &r.ARN}, ""},
		{"a broken policy", ctx, AssumeRoleRequest{RoleArn: &r.ARN, Policy: new("{")}, "MalformedPolicyDocument"},
		{"a policy too large", ctx, AssumeRoleRequest{RoleArn: &r.ARN, Tags: []*Tag{{Key: new("k"), Value: new(strings.Repeat("v", 2048))}}}, "PackedPolicyTooLarge"},
	} {
		c.in.RoleSessionName = new("sess")
		_, err := s.assumeRole(c.ctx, &c.in)
		if got := code(err); got != c.want || c.want == "" && err != nil {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestWhatNarrowsASessionIsInItsToken(t *testing.T) {
	b := book(t)
	r := role(t, b)
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	out, err := (&service{b}).assumeRole(as(t, b, b.Root()), &AssumeRoleRequest{
		RoleArn: &r.ARN, RoleSessionName: new("sess"), Policy: &policy, SourceIdentity: new("ann"),
		PolicyArns: []*PolicyDescriptorType{{Arn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")}},
		Tags:       []*Tag{{Key: new("team"), Value: new("a")}}, TransitiveTagKeys: []string{"team"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, p, err := b.Lookup(t.Context(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	g := p.Grant
	if g.Policy != policy || g.SourceIdentity != "ann" || len(g.PolicyARNs) != 1 || g.Tags["team"] != "a" || g.TransitiveTags[0] != "team" {
		t.Errorf("grant %+v", g)
	}
	if *out.SourceIdentity != "ann" || *out.PackedPolicySize < 1 || *out.PackedPolicySize > 100 {
		t.Errorf("answer %+v", out)
	}
}

func TestGetSessionToken(t *testing.T) {
	b := book(t)
	s := &service{b}
	out, err := s.getSessionToken(as(t, b, b.Root()), &GetSessionTokenRequest{DurationSeconds: new(int32(36000))})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(out.Credentials.Expiration.Time); left > time.Hour {
		t.Errorf("root's session is valid for %v", left)
	}
	_, err = s.getSessionToken(as(t, b, given(out.Credentials)), &GetSessionTokenRequest{})
	if code(err) != "AccessDenied" {
		t.Errorf("a session of a session: %v", err)
	}
	u, err := b.Create(t.Context(), identity.Identity{Kind: identity.User, Name: "u", Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	k, err := b.AddKey(t.Context(), u.Name)
	if err != nil {
		t.Fatal(err)
	}
	out, err = s.getSessionToken(as(t, b, identity.Credentials{AccessKeyID: k.ID}), &GetSessionTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(out.Credentials.Expiration.Time); left < 11*time.Hour {
		t.Errorf("a user's session is valid for %v", left)
	}
	me, err := s.getCallerIdentity(as(t, b, given(out.Credentials)), &GetCallerIdentityRequest{})
	if err != nil || *me.Arn != u.ARN || *me.UserId != u.ID {
		t.Errorf("%+v, %v", me, err)
	}
}
