package iam

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

const (
	trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allow = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}`
	basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
)

// in is a request as a map, for what a typed one could not say.
type in = map[string]any

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

// A caller calls IAM and checks how it goes.
type caller struct {
	t *testing.T
	c *wiretest.Client
}

func newCaller(t *testing.T) caller { return caller{t, wiretest.New(t, Service(book(t)))} }

func (c caller) ok(op string, in, out any) {
	c.t.Helper()
	if a := c.c.Do(op, in, out); a.Code != "" || a.Status != 200 {
		c.t.Fatalf("%s: %d %s: %s", op, a.Status, a.Code, a.Message)
	}
}

func (c caller) fails(op string, in any, status int, code, message string) {
	c.t.Helper()
	if a := c.c.Do(op, in, nil); a.Status != status || a.Code != code || a.Message != message {
		c.t.Errorf("%s: got %d %s: %q, want %d %s: %q", op, a.Status, a.Code, a.Message, status, code, message)
	}
}

func TestRoleLife(t *testing.T) {
	c := newCaller(t)
	var made CreateRoleResponse
	c.ok("CreateRole", in{
		"RoleName": "r", "Path": "/x/", "AssumeRolePolicyDocument": trust, "Description": "d", "MaxSessionDuration": 7200,
		"Tags": []any{in{"Key": "k", "Value": "v"}},
	}, &made)
	r := made.Role
	if *r.Arn != "arn:aws:iam::000000000000:role/x/r" || !strings.HasPrefix(*r.RoleId, "AROA") || len(*r.RoleId) != 21 || len(r.Tags) != 1 {
		t.Errorf("made %+v", r)
	}
	if r.Description != nil || r.MaxSessionDuration != nil || r.RoleLastUsed != nil { // CreateRole tells less than GetRole
		t.Errorf("too much: %+v", r)
	}
	var got GetRoleResponse
	c.ok("GetRole", in{"RoleName": "r"}, &got)
	if g := got.Role; *g.Description != "d" || *g.MaxSessionDuration != 7200 || g.RoleLastUsed == nil || *g.RoleId != *r.RoleId || !g.CreateDate.Equal(r.CreateDate.Time) {
		t.Errorf("got %+v", g)
	}
	plain, err := url.PathUnescape(*got.Role.AssumeRolePolicyDocument)
	if err != nil || plain != trust || strings.ContainsAny(*got.Role.AssumeRolePolicyDocument, `{" +`) {
		t.Errorf("document %q, %v", *got.Role.AssumeRolePolicyDocument, err)
	}
	c.ok("UpdateRole", in{"RoleName": "r"}, nil)
	got = GetRoleResponse{}
	c.ok("GetRole", in{"RoleName": "r"}, &got)
	if got.Role.Description != nil || *got.Role.MaxSessionDuration != 3600 {
		t.Errorf("after an update without members: %+v", got.Role)
	}
	c.ok("UpdateAssumeRolePolicy", in{"RoleName": "r", "PolicyDocument": strings.ReplaceAll(trust, "lambda", "events")}, nil)
	c.ok("UpdateRoleDescription", in{"RoleName": "r", "Description": "e"}, nil)
	c.ok("DeleteRole", in{"RoleName": "r"}, nil)
	c.fails("GetRole", in{"RoleName": "r"}, 404, "NoSuchEntity", "The role with name r cannot be found.")
	c.fails("DeleteRole", in{"RoleName": "r"}, 404, "NoSuchEntity", "The role with name r cannot be found.")
}

func TestRoleRefusals(t *testing.T) {
	c := newCaller(t)
	c.ok("CreateRole", in{"RoleName": "r", "AssumeRolePolicyDocument": trust}, nil)
	c.fails("CreateRole", in{"RoleName": "r", "AssumeRolePolicyDocument": trust}, 409, "EntityAlreadyExists", "Role with name r already exists.")
	c.fails("CreateRole", in{"RoleName": "s", "AssumeRolePolicyDocument": "{"}, 400, "MalformedPolicyDocument", "This policy contains invalid Json")
	c.fails("CreateRole", in{"RoleName": "s", "AssumeRolePolicyDocument": allow}, 400, "MalformedPolicyDocument", "Has prohibited field Resource")
	long := strings.Replace(trust, `"Effect"`, `"Sid":"`+strings.Repeat("x", maxTrust)+`","Effect"`, 1)
	c.fails("CreateRole", in{"RoleName": "s", "AssumeRolePolicyDocument": long}, 409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
	c.fails("CreateRole", in{"RoleName": "s", "AssumeRolePolicyDocument": trust, "Tags": []any{in{"Key": "k", "Value": "1"}, in{"Key": "K", "Value": "2"}}},
		400, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	c.fails("CreateRole", in{"RoleName": "s", "AssumeRolePolicyDocument": trust, "MaxSessionDuration": 60}, 400, "ValidationError",
		"1 validation error detected: Value '60' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600")
	c.ok("AttachRolePolicy", in{"RoleName": "r", "PolicyArn": basic}, nil)
	c.fails("DeleteRole", in{"RoleName": "r"}, 409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	c.fails("AttachRolePolicy", in{"RoleName": "r", "PolicyArn": "arn:aws:iam::000000000000:policy/none"}, 404, "NoSuchEntity",
		"Policy arn:aws:iam::000000000000:policy/none does not exist or is not attachable.")
	c.ok("ListInstanceProfilesForRole", in{"RoleName": "r"}, nil)
	c.fails("ListInstanceProfilesForRole", in{"RoleName": "s"}, 404, "NoSuchEntity", "The role with name s cannot be found.")
}

func TestListsGoPageByPage(t *testing.T) {
	c := newCaller(t)
	for n := range 5 {
		c.ok("CreateUser", in{"UserName": fmt.Sprint("u", n), "Path": fmt.Sprintf("/p%d/", n%2)}, nil)
	}
	var names []string
	pages := 0
	for marker := any(nil); ; pages++ {
		var out ListUsersResponse
		q := in{"MaxItems": 2}
		if marker != nil {
			q["Marker"] = marker
		}
		c.ok("ListUsers", q, &out)
		for _, u := range out.Users {
			names = append(names, *u.UserName)
		}
		if *out.IsTruncated != (out.Marker != nil) {
			t.Errorf("truncated %v, marker %v", *out.IsTruncated, out.Marker)
		}
		if out.Marker == nil {
			break
		}
		marker = *out.Marker
	}
	if !slices.Equal(names, []string{"u0", "u1", "u2", "u3", "u4"}) || pages != 2 {
		t.Errorf("%q after %d pages", names, pages)
	}
	var out ListUsersResponse
	c.ok("ListUsers", in{"PathPrefix": "/p1/"}, &out)
	if len(out.Users) != 2 || out.Users[0].Tags != nil {
		t.Errorf("under /p1/: %+v", out.Users)
	}
	for _, marker := range []string{"!", base64.RawURLEncoding.EncodeToString([]byte("\xff")), base64.RawURLEncoding.EncodeToString([]byte("a\x00"))} {
		c.fails("ListUsers", in{"Marker": marker}, 400, "ValidationError", "Invalid Marker.")
	}
}

func TestInlinePolicies(t *testing.T) {
	c := newCaller(t)
	c.ok("CreateRole", in{"RoleName": "x", "AssumeRolePolicyDocument": trust}, nil)
	c.ok("CreateUser", in{"UserName": "x"}, nil)
	c.ok("CreateGroup", in{"GroupName": "x"}, nil)
	for _, kind := range []string{"Role", "User", "Group"} {
		q := in{kind + "Name": "x", "PolicyName": "p", "PolicyDocument": allow}
		c.ok("Put"+kind+"Policy", q, nil)
		var got struct{ GetRolePolicyResponse }
		switch kind {
		case "Role":
			c.ok("GetRolePolicy", in{"RoleName": "x", "PolicyName": "p"}, &got.GetRolePolicyResponse)
			if plain, _ := url.PathUnescape(*got.PolicyDocument); plain != allow || *got.RoleName != "x" || *got.PolicyName != "p" {
				t.Errorf("got %+v", got)
			}
		default:
			c.ok("Get"+kind+"Policy", in{kind + "Name": "x", "PolicyName": "p"}, nil)
		}
		c.fails("Delete"+kind, in{kind + "Name": "x"}, 409, "DeleteConflict", "Cannot delete entity, must delete policies first.")
		c.ok("Delete"+kind+"Policy", in{kind + "Name": "x", "PolicyName": "p"}, nil)
		c.fails("Get"+kind+"Policy", in{kind + "Name": "x", "PolicyName": "p"}, 404, "NoSuchEntity",
			"The "+strings.ToLower(kind)+" policy with name p cannot be found.")
		c.ok("List"+kind+"Policies", in{kind + "Name": "x"}, nil)
		q["PolicyDocument"] = trust
		c.fails("Put"+kind+"Policy", q, 400, "MalformedPolicyDocument", "Policy document should not specify a principal.")
		c.ok("Delete"+kind, in{kind + "Name": "x"}, nil)
	}
}

func TestManagedPolicies(t *testing.T) {
	c := newCaller(t)
	var made CreatePolicyResponse
	c.ok("CreatePolicy", in{"PolicyName": "p", "PolicyDocument": allow, "Description": "d", "Tags": []any{in{"Key": "k", "Value": ""}}}, &made)
	arn := *made.Policy.Arn
	if arn != "arn:aws:iam::000000000000:policy/p" || *made.Policy.DefaultVersionId != "v1" || !*made.Policy.IsAttachable || made.Policy.Description != nil {
		t.Errorf("made %+v", made.Policy)
	}
	c.fails("CreatePolicy", in{"PolicyName": "p", "PolicyDocument": allow}, 409, "EntityAlreadyExists", "A policy called p already exists. Duplicate names are not allowed.")
	c.fails("GetPolicy", in{"PolicyArn": arn + "x"}, 404, "NoSuchEntity", "Policy "+arn+"x was not found.")
	var v CreatePolicyVersionResponse
	c.ok("CreatePolicyVersion", in{"PolicyArn": arn, "PolicyDocument": allow, "SetAsDefault": true}, &v)
	if *v.PolicyVersion.VersionId != "v2" || !*v.PolicyVersion.IsDefaultVersion || v.PolicyVersion.Document != nil {
		t.Errorf("version %+v", v.PolicyVersion)
	}
	var versions ListPolicyVersionsResponse
	c.ok("ListPolicyVersions", in{"PolicyArn": arn}, &versions)
	if len(versions.Versions) != 2 || *versions.Versions[0].VersionId != "v2" {
		t.Errorf("versions %+v", versions.Versions)
	}
	var one GetPolicyVersionResponse
	c.ok("GetPolicyVersion", in{"PolicyArn": arn, "VersionId": "v1"}, &one)
	if plain, _ := url.PathUnescape(*one.PolicyVersion.Document); plain != allow || *one.PolicyVersion.IsDefaultVersion {
		t.Errorf("v1: %+v", one.PolicyVersion)
	}
	c.ok("CreateUser", in{"UserName": "u", "PermissionsBoundary": arn}, nil)
	c.ok("AttachUserPolicy", in{"UserName": "u", "PolicyArn": arn}, nil)
	var got GetPolicyResponse
	c.ok("GetPolicy", in{"PolicyArn": arn}, &got)
	if p := got.Policy; *p.AttachmentCount != 1 || *p.PermissionsBoundaryUsageCount != 1 || *p.Description != "d" || len(p.Tags) != 1 {
		t.Errorf("got %+v", p)
	}
	var who ListEntitiesForPolicyResponse
	c.ok("ListEntitiesForPolicy", in{"PolicyArn": arn}, &who)
	if len(who.PolicyUsers) != 1 || *who.PolicyUsers[0].UserName != "u" || len(who.PolicyRoles)+len(who.PolicyGroups) != 0 {
		t.Errorf("entities %+v", who)
	}
	c.fails("DeletePolicy", in{"PolicyArn": arn}, 409, "DeleteConflict", "Cannot delete a policy attached to entities.")
	c.ok("DetachUserPolicy", in{"UserName": "u", "PolicyArn": arn}, nil)
	c.ok("DeleteUserPermissionsBoundary", in{"UserName": "u"}, nil)
	c.fails("DeletePolicyVersion", in{"PolicyArn": arn, "VersionId": "v2"}, 409, "DeleteConflict", "Cannot delete the default version of a policy.")
	c.ok("SetDefaultPolicyVersion", in{"PolicyArn": arn, "VersionId": "v1"}, nil)
	c.ok("DeletePolicyVersion", in{"PolicyArn": arn, "VersionId": "v2"}, nil)
	c.ok("DeletePolicy", in{"PolicyArn": arn}, nil)
	c.fails("CreatePolicy", in{"PolicyName": "p", "PolicyDocument": "nope"}, 400, "MalformedPolicyDocument", "Syntax errors in policy.")
}

func TestListPolicies(t *testing.T) {
	c := newCaller(t)
	c.ok("CreatePolicy", in{"PolicyName": "zz", "PolicyDocument": allow, "Path": "/a/"}, nil)
	c.ok("CreateRole", in{"RoleName": "r", "AssumeRolePolicyDocument": trust}, nil)
	c.ok("AttachRolePolicy", in{"RoleName": "r", "PolicyArn": basic}, nil)
	for _, x := range []struct {
		q     in
		first string
		n     int // 0 for any
	}{
		{in{"Scope": "Local"}, "zz", 1},
		{in{"Scope": "AWS", "OnlyAttached": true}, "AWSLambdaBasicExecutionRole", 1},
		{in{"PathPrefix": "/a/"}, "zz", 1},
		{in{"MaxItems": 2}, "zz", 2},
		{in{}, "zz", 0},
	} {
		var out ListPoliciesResponse
		c.ok("ListPolicies", x.q, &out)
		if len(out.Policies) == 0 || *out.Policies[0].PolicyName != x.first || x.n > 0 && len(out.Policies) != x.n {
			t.Errorf("%v: %d policies", x.q, len(out.Policies))
		}
	}
}

func TestAccessKeys(t *testing.T) {
	c := newCaller(t)
	c.ok("CreateUser", in{"UserName": "u"}, nil)
	var k CreateAccessKeyResponse
	c.ok("CreateAccessKey", in{"UserName": "u"}, &k)
	id := *k.AccessKey.AccessKeyId
	if *k.AccessKey.Status != "Active" || len(id) != 20 || len(*k.AccessKey.SecretAccessKey) != 40 {
		t.Errorf("made %+v", k.AccessKey)
	}
	c.ok("CreateAccessKey", in{"UserName": "u"}, nil)
	c.fails("CreateAccessKey", in{"UserName": "u"}, 409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	c.fails("CreateAccessKey", in{}, 400, "ValidationError", "Must specify userName when calling with non-User credentials") // root
	c.ok("UpdateAccessKey", in{"UserName": "u", "AccessKeyId": id, "Status": "Inactive"}, nil)
	var list ListAccessKeysResponse
	c.ok("ListAccessKeys", in{"UserName": "u"}, &list)
	inactive := slices.IndexFunc(list.AccessKeyMetadata, func(m *AccessKeyMetadata) bool { return *m.Status == "Inactive" && *m.AccessKeyId == id })
	if len(list.AccessKeyMetadata) != 2 || inactive < 0 {
		t.Errorf("listed %+v", list.AccessKeyMetadata)
	}
	var used GetAccessKeyLastUsedResponse
	c.ok("GetAccessKeyLastUsed", in{"AccessKeyId": id}, &used)
	if *used.UserName != "u" || *used.AccessKeyLastUsed.Region != "N/A" || used.AccessKeyLastUsed.LastUsedDate != nil {
		t.Errorf("used %+v", used.AccessKeyLastUsed)
	}
	c.ok("DeleteAccessKey", in{"UserName": "u", "AccessKeyId": id}, nil)
	c.fails("DeleteAccessKey", in{"UserName": "u", "AccessKeyId": id}, 404, "NoSuchEntity", "The Access Key with id "+id+" cannot be found.")
	c.fails("DeleteUser", in{"UserName": "u"}, 409, "DeleteConflict", "Cannot delete entity, must delete access keys first.")
}

func TestWhoIsTheUser(t *testing.T) {
	s := &service{book: book(t)}
	if _, err := s.createUser(t.Context(), &CreateUserRequest{UserName: new("ann"), Path: new("/a/")}); err != nil {
		t.Fatal(err)
	}
	as := func(arn string, root bool) (*GetUserResponse, error) {
		ctx := wire.WithCaller(t.Context(), wire.Caller{ARN: arn, Account: "000000000000", Root: root})
		return s.getUser(ctx, &GetUserRequest{})
	}
	if out, err := as("arn:aws:iam::000000000000:root", true); err != nil || out.User.UserName != nil || *out.User.UserId != "000000000000" {
		t.Errorf("root: %+v, %v", out, err)
	}
	if out, err := as("arn:aws:iam::000000000000:user/a/ann", false); err != nil || *out.User.UserName != "ann" {
		t.Errorf("a user: %+v, %v", out, err)
	}
	if out, err := as("arn:aws:sts::000000000000:assumed-role/r/s", false); err == nil {
		t.Errorf("a session: %+v", out)
	}
}

func TestGroupsAndTags(t *testing.T) {
	c := newCaller(t)
	c.ok("CreateUser", in{"UserName": "u"}, nil)
	c.ok("CreateGroup", in{"GroupName": "g"}, nil)
	c.ok("AddUserToGroup", in{"UserName": "u", "GroupName": "g"}, nil)
	var g GetGroupResponse
	c.ok("GetGroup", in{"GroupName": "g"}, &g)
	var of ListGroupsForUserResponse
	c.ok("ListGroupsForUser", in{"UserName": "u"}, &of)
	if len(g.Users) != 1 || len(of.Groups) != 1 || !strings.HasPrefix(*of.Groups[0].GroupId, "AGPA") {
		t.Errorf("%+v, %+v", g, of)
	}
	c.fails("DeleteUser", in{"UserName": "u"}, 409, "DeleteConflict", "Cannot delete entity, must remove users from group first.")
	c.ok("RemoveUserFromGroup", in{"UserName": "u", "GroupName": "g"}, nil)
	c.ok("UpdateGroup", in{"GroupName": "g", "NewGroupName": "h"}, nil)
	c.ok("DeleteGroup", in{"GroupName": "h"}, nil)

	c.ok("TagUser", in{"UserName": "u", "Tags": []any{in{"Key": "a", "Value": "1"}, in{"Key": "b", "Value": "2"}}}, nil)
	c.ok("UntagUser", in{"UserName": "u", "TagKeys": []any{"A"}}, nil)
	var tags ListUserTagsResponse
	c.ok("ListUserTags", in{"UserName": "u"}, &tags)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "b" {
		t.Errorf("tags %+v", tags.Tags)
	}
}

func TestAccount(t *testing.T) {
	c := newCaller(t)
	c.ok("CreateUser", in{"UserName": "u"}, nil)
	var sum GetAccountSummaryResponse
	c.ok("GetAccountSummary", in{}, &sum)
	if sum.SummaryMap["Users"] != 1 || sum.SummaryMap["RolesQuota"] != 1000 {
		t.Errorf("summary %v", sum.SummaryMap)
	}
	c.ok("ListAccountAliases", in{}, nil)
	c.ok("ListInstanceProfiles", in{}, nil)
	for _, op := range []string{"ListMFADevices", "ListSSHPublicKeys", "ListSigningCertificates", "ListServiceSpecificCredentials"} {
		c.ok(op, in{"UserName": "u"}, nil)
		c.fails(op, in{"UserName": "x"}, 404, "NoSuchEntity", "The user with name x cannot be found.")
	}
	c.fails("GetLoginProfile", in{"UserName": "u"}, 404, "NoSuchEntity", "Login Profile for User u cannot be found.")
}

func FuzzMarker(f *testing.F) {
	f.Add("YQ", int32(1))
	f.Add("", int32(0))
	f.Add("!", int32(5))
	list := []string{"a", "b", "c", "d"}
	f.Fuzz(func(t *testing.T, marker string, n int32) {
		if n < 1 || n > 1000 {
			return // the model's range
		}
		p, err := pageOf(list, strings.Clone, &marker, &n)
		if err == nil && (len(p.items) > int(n) || *p.truncated != (p.marker != nil)) {
			t.Fatalf("%q %d: %+v", marker, n, p)
		}
	})
}
