package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A mandate is what an identity may do: its policies, ready to decide with. It
// is never changed once made.
type mandate struct {
	grants   []*policy.Document // its own, attached and of its groups
	boundary *policy.Document   // nil for none
	tags     map[string]string
}

// Subject is the principal as policies know it.
func (p Principal) Subject() policy.Subject {
	return policy.Subject{ARN: p.ARN, Account: p.Account, UserID: p.UserID, Role: p.Grant.Role, Tags: p.Grant.Tags}
}

// Decide says what the policies of a principal say of a request, whose
// Principal it fills in: what its identity was granted, held to the identity's
// boundary and to the policies of its session. It allows the root user all. A
// role that IAM does not know, and a user who is gone, may do nothing. What was
// asked before costs no query.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func (b *Book) Decide(ctx context.Context, p Principal, in *policy.Request) (policy.Verdict, error) {
	if p.Root {
		return policy.Allowed, nil
	}
	m, err := b.mandate(ctx, p)
	if errors.Is(err, store.ErrNoRows) {
		return policy.None, nil
	}
	if err != nil {
		return policy.Denied, fmt.Errorf("policies of %s: %w", p.ARN, err)
	}
	asked := *in
	asked.Principal = p.Subject()
	asked.Principal.Tags = merged(m.tags, p.Grant.Tags)
	v := decideAny(m.grants, &asked)
	if m.boundary != nil {
		v = within(v, m.boundary.Decide(&asked))
	}
	session, err := b.sessionPolicies(ctx, p.Grant)
	if err != nil {
		return policy.Denied, fmt.Errorf("session policies of %s: %w", p.ARN, err)
	}
	if session != nil {
		v = within(v, decideAny(session, &asked))
	}
	return v, nil
}

func decideAny(ds []*policy.Document, in *policy.Request) policy.Verdict {
	v := policy.None
	for _, d := range ds {
		v = max(v, d.Decide(in))
	}
	return v
}

// within is a verdict held to what a limit says: who grants nothing else can
// only take away.
func within(v, limit policy.Verdict) policy.Verdict {
	if v == policy.Denied || limit == policy.Denied {
		return policy.Denied
	}
	return min(v, limit)
}

// merged are the identity's tags and its session's, which count more.
func merged(own, session map[string]string) map[string]string {
	if len(session) == 0 {
		return own
	}
	all := make(map[string]string, len(own)+len(session))
	for _, m := range []map[string]string{own, session} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// mandate answers what is remembered of a principal's identity, or reads it;
// store.ErrNoRows when there is no such identity.
func (b *Book) mandate(ctx context.Context, p Principal) (*mandate, error) {
	key := p.Grant.Role
	if key == "" {
		key = p.UserID
	}
	m, age := b.seen.mandate(key)
	if m != nil {
		return m, nil
	}
	m, err := b.readMandate(ctx, p)
	if err == nil {
		b.seen.keepMandate(key, m, age)
	}
	return m, err
}

func (b *Book) readMandate(ctx context.Context, p Principal) (m *mandate, err error) {
	i, err := b.identityOf(ctx, p)
	if err != nil {
		return nil, err
	}
	err = b.db.View(ctx, func(tx store.Tx) error {
		m = &mandate{tags: map[string]string{}}
		for _, t := range i.Tags {
			m.tags[t.Key] = t.Value
		}
		if i.Boundary != "" {
			if m.boundary, err = b.managed(tx, i.Boundary); err != nil {
				return err
			}
		}
		owners, err := column(tx, `SELECT group_id FROM identity_members WHERE user_id = ?`, i.ID)
		if err != nil {
			return err
		}
		for _, owner := range append(owners, i.ID) {
			grants, err := b.grants(tx, owner)
			if err != nil {
				return err
			}
			m.grants = append(m.grants, grants...)
		}
		return nil
	})
	return m, err
}

// identityOf is the role of a session, or the user.
func (b *Book) identityOf(ctx context.Context, p Principal) (Identity, error) {
	if p.Grant.Role == "" {
		return b.FindID(ctx, User, p.UserID)
	}
	name, err := roleName(p.Grant.Role)
	if err != nil {
		return Identity{}, err
	}
	i, err := b.Find(ctx, Role, name)
	if err == nil && i.ARN != p.Grant.Role {
		return i, store.ErrNoRows // a role of that name, below another path
	}
	return i, err
}

// grants are the inline and the attached policies of one owner.
func (b *Book) grants(tx store.Tx, owner string) ([]*policy.Document, error) {
	texts, err := column(tx, `SELECT document FROM identity_inline WHERE owner = ?`, owner)
	if err != nil {
		return nil, err
	}
	var list []*policy.Document
	for _, text := range texts {
		d, err := policy.Parse(policy.Identity, text)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	arns, err := column(tx, `SELECT policy FROM identity_attached WHERE owner = ?`, owner)
	if err != nil {
		return nil, err
	}
	for _, arn := range arns {
		d, err := b.managed(tx, arn)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// managed reads the version of a managed policy that counts.
func (b *Book) managed(tx store.Tx, arn string) (*policy.Document, error) {
	if a, ok := awsManaged(arn); ok {
		return policy.Parse(policy.Identity, a.version().Document)
	}
	var text string
	err := tx.Get([]any{&text}, `SELECT v.document FROM identity_policies p
		JOIN identity_versions v ON v.policy = p.arn AND v.version = p.default_version WHERE p.arn = ?`, arn)
	if err != nil {
		return nil, fmt.Errorf("managed policy %s: %w", arn, err)
	}
	return policy.Parse(policy.Identity, text)
}

// sessionPolicies are those that a session was narrowed by; nil for none. A
// managed one that is gone grants nothing.
func (b *Book) sessionPolicies(ctx context.Context, g Grant) ([]*policy.Document, error) {
	if g.Policy == "" && len(g.PolicyARNs) == 0 {
		return nil, nil
	}
	list := []*policy.Document{}
	if g.Policy != "" {
		d, err := b.sessionPolicy(g.Policy)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	for _, arn := range g.PolicyARNs {
		d, err := b.sessionManaged(ctx, arn)
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// sessionPolicy is a session's own document, by its text.
func (b *Book) sessionPolicy(text string) (*policy.Document, error) {
	d, age := b.seen.document(text)
	if d != nil {
		return d, nil
	}
	d, err := policy.Parse(policy.Identity, text)
	if err == nil {
		b.seen.keepDocument(text, d, age)
	}
	return d, err
}

// sessionManaged is a managed policy that narrows a session.
func (b *Book) sessionManaged(ctx context.Context, arn string) (d *policy.Document, err error) {
	d, age := b.seen.document(arn)
	if d != nil {
		return d, nil
	}
	err = b.db.View(ctx, func(tx store.Tx) error {
		d, err = b.managed(tx, arn)
		return err
	})
	if err == nil {
		b.seen.keepDocument(arn, d, age)
	}
	return d, err
}

// mandate answers what is remembered, and an age for keepMandate.
func (s *seen) mandate(key string) (*mandate, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mandates[key], s.age
}

// keepMandate remembers m, unless there was a change since age.
func (s *seen) keepMandate(key string, m *mandate, age uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.age != age || s.changing > 0 {
		return
	}
	if s.mandates == nil || len(s.mandates) >= maxSeen {
		s.mandates = map[string]*mandate{}
	}
	s.mandates[key] = m
}

// document answers what is remembered of a text or an ARN, and an age for
// keepDocument.
func (s *seen) document(key string) (*policy.Document, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.documents[key], s.age
}

// keepDocument remembers d, unless there was a change since age.
func (s *seen) keepDocument(key string, d *policy.Document, age uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.age != age || s.changing > 0 {
		return
	}
	if s.documents == nil || len(s.documents) >= maxSeen/4 { // they are large
		s.documents = map[string]*policy.Document{}
	}
	s.documents[key] = d
}
