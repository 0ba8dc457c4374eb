package identity

import (
	"context"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
)

func says(effect, action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

// who is the principal of credentials.
func who(t *testing.T, b *Book, c Credentials) Principal {
	t.Helper()
	_, p, err := b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func asks(t *testing.T, b *Book, p Principal, action string, want policy.Verdict) {
	t.Helper()
	got, err := b.Decide(t.Context(), p, &policy.Request{Action: action, Resource: "arn:aws:lambda:us-east-1:000000000000:function:" + "f"})
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%s: %v, want %v", action, got, want)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDecideOfAUser(t *testing.T) {
	b := open(t)
	ctx := t.Context()
	_, err := b.Create(ctx, Identity{Kind: User, Name: "ann", Path: "/", Tags: []Tag{{"team", "f"}}})
	ok(t, err)
	k, err := b.AddKey(ctx, "ann")
	ok(t, err)
	ann := who(t, b, Credentials{AccessKeyID: k.ID})
	asks(t, b, ann, "lambda:InvokeFunction", policy.None)

	ok(t, b.PutInline(ctx, User, "ann", "p", says("Allow", "lambda:Invoke*", "arn:aws:lambda:*:*:function:${aws:PrincipalTag/team}")))
	asks(t, b, ann, "lambda:InvokeFunction", policy.Allowed)
	asks(t, b, ann, "lambda:DeleteFunction", policy.None)

	_, err = b.Create(ctx, Identity{Kind: Group, Name: "ops", Path: "/"})
	ok(t, err)
	ok(t, b.Join(ctx, "ops", "ann"))
	p, err := b.CreatePolicy(ctx, ManagedPolicy{Name: "m", Path: "/"}, says("Allow", "lambda:Delete*", "*"))
	ok(t, err)
	ok(t, b.Attach(ctx, Group, "ops", p.ARN))
	asks(t, b, ann, "lambda:DeleteFunction", policy.Allowed)

	_, err = b.AddVersion(ctx, p.ARN, says("Deny", "lambda:Delete*", "*"), true)
	ok(t, err)
	asks(t, b, ann, "lambda:DeleteFunction", policy.Denied)
	ok(t, b.Leave(ctx, "ops", "ann"))
	asks(t, b, ann, "lambda:DeleteFunction", policy.None)

	ok(t, b.Attach(ctx, User, "ann", "arn:aws:iam::aws:policy/AdministratorAccess"))
	asks(t, b, ann, "lambda:DeleteFunction", policy.Allowed)
	bound, err := b.CreatePolicy(ctx, ManagedPolicy{Name: "bound", Path: "/"}, says("Allow", "lambda:Get*", "*"))
	ok(t, err)
	_, err = b.Change(ctx, User, "ann", func(i *Identity) error { i.Boundary = bound.ARN; return nil })
	ok(t, err)
	asks(t, b, ann, "lambda:GetFunction", policy.Allowed)
	asks(t, b, ann, "lambda:DeleteFunction", policy.None)

	session, err := b.Temporary(ann, time.Hour)
	ok(t, err)
	asks(t, b, who(t, b, session), "lambda:GetFunction", policy.Allowed)

	gone := ann
	gone.UserID = "AIDAGONE"
	asks(t, b, gone, "lambda:GetFunction", policy.None)
}

func TestDecideOfARole(t *testing.T) {
	b := open(t)
	ctx := t.Context()
	role, err := b.Create(ctx, Identity{Kind: Role, Name: "r", Path: "/x/", MaxSession: time.Hour, Trust: "{}"})
	ok(t, err)
	ok(t, b.PutInline(ctx, Role, "r", "p", says("Allow", "lambda:*", "*")))
	assume := func(g Grant) Principal {
		t.Helper()
		c, _, _, err := b.Assume(ctx, g, time.Hour)
		ok(t, err)
		return who(t, b, c)
	}
	asks(t, b, assume(Grant{Role: role.ARN, Session: "s"}), "lambda:InvokeFunction", policy.Allowed)
	narrow := assume(Grant{Role: role.ARN, Session: "s", Policy: says("Allow", "lambda:Invoke*", "*")})
	asks(t, b, narrow, "lambda:InvokeFunction", policy.Allowed)
	asks(t, b, narrow, "lambda:DeleteFunction", policy.None)
	asks(t, b, narrow, "s3:GetObject", policy.None)
	denied := assume(Grant{Role: role.ARN, Session: "s", Policy: says("Deny", "lambda:*", "*")})
	asks(t, b, denied, "lambda:InvokeFunction", policy.Denied)
	managed := assume(Grant{Role: role.ARN, Session: "s", PolicyARNs: []string{"arn:aws:iam::aws:policy/AmazonS3FullAccess"}})
	asks(t, b, managed, "lambda:InvokeFunction", policy.None)
	missing := assume(Grant{Role: role.ARN, Session: "s", PolicyARNs: []string{"arn:aws:iam::000000000000:policy/gone"}})
	asks(t, b, missing, "lambda:InvokeFunction", policy.None)

	asks(t, b, assume(Grant{Role: "arn:aws:iam::000000000000:role/r", Session: "s"}), "lambda:InvokeFunction", policy.None) // another path
	asks(t, b, assume(Grant{Role: "arn:aws:iam::000000000000:role/nobody", Session: "s"}), "lambda:InvokeFunction", policy.None)
	asks(t, b, who(t, b, b.Root()), "s3:GetObject", policy.Allowed)
}

// queries counts the reads of a database.
type queries struct {
	store.DB
	views int
}

func (q *queries) View(ctx context.Context, fn func(store.Tx) error) error {
	q.views++
	return q.DB.View(ctx, fn)
}

func TestAWarmDecisionMakesNoQuery(t *testing.T) {
	b := open(t)
	ctx := t.Context()
	role, err := b.Create(ctx, Identity{Kind: Role, Name: "r", Path: "/", MaxSession: time.Hour, Trust: "{}"})
	ok(t, err)
	ok(t, b.Attach(ctx, Role, "r", "arn:aws:iam::aws:policy/AdministratorAccess"))
	c, _, _, err := b.Assume(ctx, Grant{Role: role.ARN, Session: "s", Policy: says("Allow", "*", "*"),
		PolicyARNs: []string{"arn:aws:iam::aws:policy/AmazonS3FullAccess"}}, time.Hour)
	ok(t, err)
	p := who(t, b, c)
	asks(t, b, p, "s3:GetObject", policy.Allowed)
	q := &queries{DB: b.db}
	b.db = q
	asks(t, b, p, "s3:GetObject", policy.Allowed)
	if q.views != 0 {
		t.Errorf("%d queries", q.views)
	}
	ok(t, b.Detach(ctx, Role, "r", "arn:aws:iam::aws:policy/AdministratorAccess"))
	asks(t, b, p, "s3:GetObject", policy.None)
}
