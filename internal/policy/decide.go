package policy

import (
	"strings"
)

// A Verdict is what a policy says of a request. The greater counts: what one
// policy denies no other allows.
type Verdict int

// The verdicts.
const (
	None    Verdict = iota // it says nothing, which is a refusal unless another policy allows
	Allowed                // a statement allows it, and none denies it
	Denied                 // a statement denies it
)

// String is the verdict as logs write it.
func (v Verdict) String() string { return [...]string{"none", "allowed", "denied"}[v] }

// A Subject is who asks. The zero Subject is anybody: an unsigned request.
type Subject struct {
	ARN     string // "arn:aws:iam::000000000000:user/x", "arn:aws:sts::…:assumed-role/r/s", "arn:aws:iam::…:root"
	Account string // "000000000000"
	UserID  string
	Role    string // ARN of the role, when ARN is a session's
	Service string // a service of AWS that asks for itself: "apigateway.amazonaws.com"
	Tags    map[string]string
}

// role is the role's ARN of a session, as far as the session's own tells it:
// that has no path.
func (s *Subject) role() string {
	if s.Role != "" {
		return s.Role
	}
	account, name, ok := strings.Cut(s.ARN, ":assumed-role/")
	if !ok {
		return ""
	}
	account = strings.TrimPrefix(account, "arn:aws:sts::")
	name, _, _ = strings.Cut(name, "/")
	return "arn:aws:iam::" + account + ":role/" + name
}

// A Request is what is asked of policies. What it does not tell of Context is
// told from Principal, as far as that goes: aws:PrincipalArn, aws:username and
// their like.
type Request struct {
	Principal Subject
	Action    string              // "lambda:InvokeFunction"
	Resource  string              // an ARN
	Context   map[string][]string // the request's condition keys; their case does not matter
}

// Decide says what the document says of a request. It is pure, and may be
// called from many goroutines; the first call makes the document ready, which
// must not be changed afterwards.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func (d *Document) Decide(r *Request) Verdict {
	v := None
	rules := d.ready()
	action := strings.ToLower(r.Action)
	for i := range rules {
		if s := &rules[i]; s.effect > v && s.applies(r, action) {
			v = s.effect
		}
	}
	return v
}

// A rule is a statement made ready to decide with.
type rule struct {
	effect         Verdict
	who, notWho    *Principal
	actions        []pattern
	resources      []pattern
	anyResource    bool // a trust policy names none
	notAction      bool // actions are those that it is not about
	notResource    bool
	tests          []test
	accountIsGrant bool // an account's ARN stands for all its identities
}

// ready makes the rules once; two that come first both do, to the same end.
func (d *Document) ready() []rule {
	if p := d.rules.Load(); p != nil {
		return *p
	}
	rules := make([]rule, len(d.Statements))
	for i := range d.Statements {
		rules[i] = d.Statements[i].rule(d.Version != "2008-10-17")
	}
	d.rules.Store(&rules)
	return rules
}

// rule makes a statement ready. Variables are those of the language's newer
// version alone.
func (s *Statement) rule(variables bool) rule {
	r := rule{effect: Allowed, who: s.Principal, notWho: s.NotPrincipal, notAction: s.NotAction != nil, notResource: s.NotResource != nil}
	if s.Effect == "Deny" {
		r.effect, r.accountIsGrant = Denied, true
	}
	for _, a := range append(s.Action[:len(s.Action):len(s.Action)], s.NotAction...) {
		r.actions = append(r.actions, parsePattern(strings.ToLower(a), false))
	}
	for _, a := range append(s.Resource[:len(s.Resource):len(s.Resource)], s.NotResource...) {
		r.resources = append(r.resources, parsePattern(a, variables))
	}
	r.anyResource = s.Resource == nil && s.NotResource == nil
	for _, c := range s.Conditions {
		r.tests = append(r.tests, c.test(variables))
	}
	return r
}

func (s *rule) applies(r *Request, action string) bool {
	if matchesAny(s.actions, action, r) == s.notAction {
		return false
	}
	if !s.anyResource && matchesAny(s.resources, r.Resource, r) == s.notResource {
		return false
	}
	if s.who != nil && !s.who.names(&r.Principal, s.accountIsGrant) {
		return false
	}
	if s.notWho != nil && s.notWho.names(&r.Principal, true) {
		return false
	}
	for i := range s.tests {
		if !s.tests[i].holds(r) {
			return false
		}
	}
	return true
}

func matchesAny(ps []pattern, s string, r *Request) bool {
	for i := range ps {
		if ps[i].matches(s, r) {
			return true
		}
	}
	return false
}

// names tells whether p names who. An account is named to give it a say, which
// it hands on by policies of its identities: an Allow of it is for its root
// alone, a Deny for everybody in it (whole).
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func (p *Principal) names(who *Subject, whole bool) bool {
	if p.Any {
		return true
	}
	if who.Service != "" {
		for _, s := range p.Service {
			if s == who.Service {
				return true
			}
		}
		return false
	}
	for _, a := range p.AWS {
		if a == "*" {
			return true
		}
		if who.ARN == "" {
			continue // only a star names everybody
		}
		if a == who.ARN || a == who.role() || a == who.UserID || whole && a == who.Account || whole && a == rootOf(who.Account) {
			return true
		}
		if a == who.Account && who.ARN == rootOf(who.Account) {
			return true
		}
	}
	return false
}

func rootOf(account string) string { return "arn:aws:iam::" + account + ":root" }

// values are what the request tells of a condition key.
func (r *Request) values(key string) ([]string, bool) {
	if v, ok := r.Context[key]; ok {
		return v, true
	}
	for k, v := range r.Context {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	if name, ok := cutPrefixFold(key, "aws:PrincipalTag/"); ok {
		for k, v := range r.Principal.Tags {
			if strings.EqualFold(k, name) {
				return []string{v}, true
			}
		}
		return nil, false
	}
	v := r.Principal.tells(strings.ToLower(key))
	if v == "" {
		return nil, false
	}
	return []string{v}, true
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// tells is what is known of a subject under a global condition key, "" for
// nothing.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (s *Subject) tells(key string) string {
	switch key {
	case "aws:principalarn":
		if role := s.role(); role != "" {
			return role
		}
		return s.ARN
	case "aws:principalaccount":
		return s.Account
	case "aws:userid":
		return s.UserID
	case "aws:username":
		if _, name, ok := strings.Cut(s.ARN, ":user/"); ok {
			return name[strings.LastIndexByte(name, '/')+1:]
		}
	case "aws:principaltype":
		return s.kind()
	case "aws:principalisawsservice":
		if s.Service != "" {
			return "true"
		}
		return "false"
	case "aws:principalservicename":
		return s.Service
	}
	return ""
}

func (s *Subject) kind() string {
	switch {
	case s.Service != "":
		return "Service"
	case s.ARN == "":
		return "Anonymous"
	case s.role() != "":
		return "AssumedRole"
	case strings.HasSuffix(s.ARN, ":root"):
		return "Account"
	}
	return "User"
}
