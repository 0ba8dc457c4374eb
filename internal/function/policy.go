package function

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const maxPolicy = 20480

// A Permission is a statement that a caller wants in a resource policy.
type Permission struct {
	ID, Action, Principal                                              string
	SourceARN, SourceAccount, OrgID, EventSourceToken, FunctionURLAuth string // "" for none
	ViaFunctionURL                                                     *bool
	Revision                                                           *string
}

// statement has its members in the order in which AWS writes them.
type statement struct {
	Sid       string         `json:"Sid"`
	Effect    string         `json:"Effect"`
	Principal any            `json:"Principal"`
	Action    string         `json:"Action"`
	Resource  string         `json:"Resource"`
	Condition map[string]any `json:"Condition,omitempty"`
}

// policyDoc is a resource policy; statements stay as they were written.
type policyDoc struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

var (
	accountPrincipal = regexp.MustCompile(`^\d{12}$`)
	servicePrincipal = regexp.MustCompile(`^[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com)$`)
	arnPrincipal     = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*):(iam|sts):`)
)

// principal is who a statement is about, as a policy writes it.
func principal(s string) (any, error) {
	switch {
	case s == "*":
		return "*", nil
	case servicePrincipal.MatchString(s):
		return map[string]string{"Service": s}, nil
	case accountPrincipal.MatchString(s):
		return map[string]string{"AWS": "arn:aws:iam::" + s + ":root"}, nil
	case arnPrincipal.MatchString(s):
		return map[string]string{"AWS": s}, nil
	}
	return nil, refuse(ErrInvalid, "The provided principal was invalid. Please check the principal and try again.")
}

// statement writes p for a resource.
func (p Permission) statement(resource string) (json.RawMessage, error) {
	who, err := principal(p.Principal)
	if err != nil {
		return nil, err
	}
	equals := map[string]string{}
	for _, c := range []struct{ key, value string }{
		{"lambda:FunctionUrlAuthType", p.FunctionURLAuth}, {"aws:PrincipalOrgID", p.OrgID},
		{"AWS:SourceAccount", p.SourceAccount}, {"lambda:EventSourceToken", p.EventSourceToken},
	} {
		if c.value != "" {
			equals[c.key] = c.value
		}
	}
	conditions := map[string]any{}
	if len(equals) > 0 {
		conditions["StringEquals"] = equals
	}
	if p.SourceARN != "" {
		conditions["ArnLike"] = map[string]string{"AWS:SourceArn": p.SourceARN}
	}
	if p.ViaFunctionURL != nil {
		text := "false"
		if *p.ViaFunctionURL {
			text = "true"
		}
		conditions["Bool"] = map[string]string{"lambda:InvokedViaFunctionUrl": text}
	}
	return plain(statement{p.ID, "Allow", who, p.Action, resource, conditions})
}

// plain encodes as it is read: < and & as themselves, not escaped for HTML.
func plain(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// sid is a statement's id.
func sid(s json.RawMessage) string {
	var id struct{ Sid string }
	_ = json.Unmarshal(s, &id) // what has none has none
	return id.Sid
}

// add appends a statement whose id is new.
func (d *policyDoc) add(s json.RawMessage) error {
	if slices.ContainsFunc(d.Statement, func(old json.RawMessage) bool { return sid(old) == sid(s) }) {
		return refuse(ErrConflict, "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", sid(s))
	}
	d.Statement = append(d.Statement, s)
	if len(d.text()) > maxPolicy {
		return refuse(ErrPolicyLength, "The final policy size (%d) is bigger than the limit (%d).", len(d.text()), maxPolicy)
	}
	return nil
}

// remove drops the statement called id.
func (d *policyDoc) remove(id string) error {
	n := len(d.Statement)
	d.Statement = slices.DeleteFunc(d.Statement, func(s json.RawMessage) bool { return sid(s) == id })
	if len(d.Statement) == n {
		return refuse(ErrNotFound, "Statement %s is not found in resource policy.", id)
	}
	return nil
}

func (d *policyDoc) text() string {
	b, err := plain(d)
	if err != nil {
		return "" // it was JSON when it came
	}
	return string(b)
}

// AddPermission adds a statement to a function's policy and answers it.
func (r *Registry) AddPermission(ctx context.Context, ref Ref, p Permission) (string, error) {
	if ref.Qualifier == Latest {
		return "", refuse(ErrInvalid, "We currently do not support adding policies for $LATEST.")
	}
	s, err := p.statement(r.ARN(ref.Name, ref.Qualifier))
	if err != nil {
		return "", err
	}
	err = r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, "")), func(c *change) error {
		if err := c.checkPolicyRevision(ref, p.Revision); err != nil {
			return err
		}
		d, err := attached[policyDoc](c.Tx, kindPolicy, ref)
		if or(err, nil) != nil {
			return err
		}
		if err != nil {
			d = policyDoc{Version: "2012-10-17", ID: "default"}
		}
		if err := d.add(s); err != nil {
			return err
		}
		return c.setPolicy(ref, &d)
	})
	return string(s), err
}

// RemovePermission removes a statement from a function's policy.
func (r *Registry) RemovePermission(ctx context.Context, ref Ref, id string, revision *string) error {
	missing := refuse(ErrNotFound, "No policy found for: %s", r.ARN(ref.Name, ""))
	return r.change(ctx, ref.Name, missing, func(c *change) error {
		if _, err := c.subject(ref); err != nil {
			return err
		}
		d, err := attached[policyDoc](c.Tx, kindPolicy, ref)
		if err != nil {
			return or(err, refuse(ErrNotFound, "No policy is associated with the given resource."))
		}
		if err := d.remove(id); err != nil {
			return err
		}
		if err := c.checkPolicyRevision(ref, revision); err != nil {
			return err
		}
		return c.setPolicy(ref, &d)
	})
}

// Policy answers a function's policy and the revision of what it is set for.
func (r *Registry) Policy(ctx context.Context, ref Ref) (text, revision string, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		if err := r.must(tx, ref.Name); err != nil {
			return err
		}
		d, err := attached[policyDoc](tx, kindPolicy, ref)
		if err != nil {
			return or(err, refuse(ErrNotFound, "The resource you requested does not exist."))
		}
		text = d.text()
		s, err := (&change{Tx: tx, r: r, name: ref.Name}).subject(ref)
		if err != nil {
			return err
		}
		revision = s.revision()
		return nil
	})
	return text, revision, err
}

// PutPolicy replaces a function's whole policy.
func (r *Registry) PutPolicy(ctx context.Context, ref Ref, text string, revision *string) (policy, newRevision string, err error) {
	if len(text) > maxPolicy {
		return "", "", refuse(ErrPolicyLength, "The final policy size (%d) is bigger than the limit (%d).", len(text), maxPolicy)
	}
	d, err := parsePolicy(text)
	if err != nil {
		return "", "", err
	}
	err = r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, "")), func(c *change) error {
		if err := c.checkPolicyRevision(ref, revision); err != nil {
			return err
		}
		return c.setPolicy(ref, &d)
	})
	if err != nil {
		return "", "", err
	}
	return r.Policy(ctx, ref)
}

// DeletePolicy removes a function's whole policy.
func (r *Registry) DeletePolicy(ctx context.Context, ref Ref, revision *string) error {
	return r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, "")), func(c *change) error {
		if err := c.checkPolicyRevision(ref, revision); err != nil {
			return err
		}
		if _, err := attached[policyDoc](c.Tx, kindPolicy, ref); err != nil {
			return or(err, refuse(ErrNotFound, "The resource you requested does not exist."))
		}
		return c.setPolicy(ref, &policyDoc{})
	})
}

// parsePolicy reads a policy that a caller wrote.
func parsePolicy(text string) (policyDoc, error) {
	var d policyDoc
	bad := refuse(ErrInvalid, "The provided policy document is not valid.")
	dec := json.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&d); err != nil || dec.More() || len(d.Statement) == 0 {
		return d, bad
	}
	if d.Version != "2012-10-17" && d.Version != "2008-10-17" {
		return d, bad
	}
	for _, s := range d.Statement {
		var st struct{ Effect string }
		if err := json.Unmarshal(s, &st); err != nil || st.Effect != "Allow" && st.Effect != "Deny" {
			return d, bad
		}
	}
	if _, err := policy.Parse(policy.Resource, text); err != nil { // it could not be decided with
		return d, bad
	}
	return d, nil
}

// A subject is what a policy hangs on: a version or an alias.
type subject struct {
	version *Version
	alias   *Alias
}

func (s subject) revision() string {
	if s.alias != nil {
		return s.alias.Revision
	}
	return s.version.Revision
}

// subject reads what ref's policy hangs on.
func (c *change) subject(ref Ref) (s subject, err error) {
	if isAlias(ref.Qualifier) {
		s.alias, err = readAlias(c.Tx, ref.Name, ref.Qualifier)
		return s, or(err, c.r.errNoAlias(ref.Name, ref.Qualifier))
	}
	s.version, err = c.r.find(c.Tx, ref)
	return s, err
}

func (c *change) checkPolicyRevision(ref Ref, revision *string) error {
	s, err := c.subject(ref)
	if err == nil && revision != nil && *revision != "" && *revision != s.revision() {
		return errRevision()
	}
	return err
}

// setPolicy writes a policy, or removes it with its last statement, and gives
// what it hangs on a new revision.
func (c *change) setPolicy(ref Ref, d *policyDoc) error {
	var err error
	if len(d.Statement) > 0 {
		err = attach(c.Tx, kindPolicy, ref, d)
	} else {
		_, err = detach(c.Tx, kindPolicy, ref)
	}
	if err != nil {
		return err
	}
	s, err := c.subject(ref)
	if err != nil {
		return err
	}
	if s.alias != nil {
		s.alias.Revision = uuid.NewString()
		return c.putAlias(s.alias)
	}
	return c.touch(s.version)
}
