package policy

import (
	"slices"
	"strings"
)

// check says what a well-formed document of a kind must not say, in the order
// in which AWS finds it.
func check(kind Kind, d *Document) error {
	if kind == Identity && d.Version != "2012-10-17" {
		return malformed("Policy document must be version 2012-10-17 or greater.")
	}
	for _, s := range d.Statements {
		if s.Effect != "Allow" && s.Effect != "Deny" { // AWS's first parser takes any case, its second does not
			return malformed("The policy failed legacy parsing")
		}
	}
	if err := uniqueSIDs(d); err != nil {
		return err
	}
	for _, s := range d.Statements {
		if err := s.check(kind); err != nil {
			return err
		}
	}
	return nil
}

func uniqueSIDs(d *Document) error {
	seen := map[string]bool{}
	for _, s := range d.Statements {
		if s.SID != "" && seen[s.SID] {
			return malformed("Statement IDs (SID) in a single policy must be unique.")
		}
		seen[s.SID] = true
	}
	return nil
}

func (s Statement) check(kind Kind) error {
	switch kind {
	case Trust:
		return s.checkTrust()
	case Identity:
		if s.Principal != nil || s.NotPrincipal != nil {
			return malformed("Policy document should not specify a principal.")
		}
	case Resource:
		if s.Principal == nil && s.NotPrincipal == nil {
			return malformed("Missing required field Principal")
		}
	}
	if len(s.Action)+len(s.NotAction) == 0 {
		return malformed("Policy statement must contain actions.")
	}
	if len(s.Resource)+len(s.NotResource) == 0 {
		return malformed("Policy statement must contain resources.")
	}
	for _, r := range slices.Concat(s.Resource, s.NotResource) {
		if err := checkResource(r); err != nil {
			return err
		}
	}
	return s.checkActions()
}

// checkTrust checks a statement of a role's trust policy.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func (s Statement) checkTrust() error {
	switch {
	case s.Resource != nil:
		return malformed("Has prohibited field Resource")
	case s.NotResource != nil:
		return malformed("Has prohibited field NotResource")
	case s.Principal == nil && s.NotPrincipal == nil:
		return malformed("Missing required field Principal")
	case len(s.Action)+len(s.NotAction) == 0:
		return malformed("Missing required field Action")
	}
	if err := s.checkActions(); err != nil {
		return err
	}
	for _, a := range slices.Concat(s.Action, s.NotAction) {
		if vendor, _, ok := strings.Cut(a, ":"); ok && !strings.EqualFold(vendor, "sts") {
			return malformed("AssumeRole policy may only specify STS AssumeRole actions.")
		}
	}
	return s.Principal.check()
}

// check checks that principals have a form that could name somebody.
func (p *Principal) check() error {
	if p == nil || p.Any {
		return nil
	}
	if len(p.AWS)+len(p.Service)+len(p.Federated)+len(p.CanonicalUser) == 0 {
		return malformed("Missing required field Principal cannot be empty!")
	}
	for _, a := range p.AWS {
		if !awsPrincipal(a) {
			return malformed(`Invalid principal in policy: "AWS":"%s"`, a)
		}
	}
	for _, s := range p.Service {
		if !strings.Contains(s, ".") || strings.ContainsAny(s, " :/*") {
			return malformed(`Invalid principal in policy: "SERVICE":"%s"`, s)
		}
	}
	return nil
}

// awsPrincipal tells whether a names an account or an identity: "*", an account
// id, an ARN of IAM or STS, or the unique id of an identity that is gone.
func awsPrincipal(a string) bool {
	if a == "*" || digits(a, 12) {
		return true
	}
	if p := strings.SplitN(a, ":", 6); len(p) == 6 {
		return p[0] == "arn" && (p[2] == "iam" || p[2] == "sts") && digits(p[4], 12) && p[5] != ""
	}
	return (strings.HasPrefix(a, "AIDA") || strings.HasPrefix(a, "AROA")) && len(a) >= 16
}

func digits(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789") == ""
}

func (s Statement) checkActions() error {
	for _, a := range slices.Concat(s.Action, s.NotAction) {
		vendor, name, ok := strings.Cut(a, ":")
		switch {
		case a == "*":
		case !ok:
			return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		case strings.Contains(name, ":"):
			return malformed("Actions/Condition can contain only one colon.")
		case vendor != "*" && strings.IndexFunc(vendor, notVendor) >= 0:
			return malformed("Vendor %s is not valid", vendor)
		}
	}
	return nil
}

func notVendor(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
}

// checkResource checks the form of one resource.
func checkResource(r string) error {
	if r == "*" {
		return nil
	}
	p := strings.SplitN(r, ":", 6)
	switch {
	case len(p) == 1:
		return malformed(`Resource %s must be in ARN format or "*".`, r)
	case p[1] != "aws":
		return wrongPartition(p)
	case len(p) == 2:
		return malformed("Resource vendor must be fully qualified and cannot contain regexes.")
	case p[0] != "arn" || len(p) < 6 && !strings.HasSuffix(r, "*"):
		return malformed("The policy failed legacy parsing")
	case p[2] == "" || strings.ContainsAny(p[2], "*?"):
		return malformed("Resource vendor must be fully qualified and cannot contain regexes.")
	case p[2] == "s3" && len(p) == 6 && p[3] != "":
		return malformed("Resource %s can not contain region information.", r)
	case p[2] == "iam" && len(p) == 6 && p[3] != "":
		return malformed("IAM resource %s cannot contain region information.", r)
	}
	return nil
}

func wrongPartition(p []string) error {
	rest := []string{"*", "*", "*", "*"}
	copy(rest, p[2:])
	return malformed(`Partition "%s" is not valid for resource "arn:%s:%s".`, p[1], p[1], strings.Join(rest, ":"))
}
