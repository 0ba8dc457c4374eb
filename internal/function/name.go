package function

import (
	"regexp"
	"strings"
)

// Latest is the qualifier of the version that can change.
const Latest = "$LATEST"

// A Ref names a function as a caller does, and perhaps one of its versions or aliases.
type Ref struct {
	Name      string
	Qualifier string // "" when the caller gave none
}

// nameForm is AWS's own pattern for a function's name, with its ARN forms.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html#API_GetFunction_RequestSyntax
var nameForm = regexp.MustCompile(`^(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?(?:((?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9-_.]+)(?::(\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?$`)

var numberForm = regexp.MustCompile(`^[0-9]+$`)

// located is a name taken apart.
type located struct {
	region, account, name, qualifier string
}

// locate takes a name apart: "f", "f:1", "123456789012:function:f",
// "arn:aws:lambda:us-east-1:123456789012:function:f:1" and the forms between.
func locate(s string) (located, bool) {
	if isPlain(s) { // as most are
		return located{name: s}, true
	}
	p := nameForm.FindStringSubmatch(s)
	if p == nil {
		return located{}, false
	}
	return located{p[1], p[2], p[3], p[4]}, true
}

// isPlain tells whether s is a name without any of the rest.
func isPlain(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}

// Ref reads the name and the qualifier of a request.
func (r *Registry) Ref(name, qualifier string) (Ref, error) {
	l, ok := locate(name)
	if !ok {
		return Ref{}, refuse(ErrInvalid, "%s is not a function's name or ARN.", name)
	}
	if l.region != "" && l.region != r.region {
		return Ref{}, refuse(ErrNotFound, "Functions from '%s' are not reachable in this region ('%s')", l.region, r.region)
	}
	if l.account != "" && l.account != r.account {
		return Ref{}, refuse(ErrForbidden, "arn:aws:lambda:%s:%s:function:%s", r.region, l.account, l.name)
	}
	if l.qualifier != "" && qualifier != "" && l.qualifier != qualifier {
		return Ref{}, refuse(ErrInvalid, "The derived qualifier from the function name does not match the specified qualifier.")
	}
	if qualifier == "" {
		qualifier = l.qualifier
	}
	return Ref{l.name, qualifier}, nil
}

// ARN is the ARN of a function, or of its version or alias.
func (r *Registry) ARN(name, qualifier string) string {
	a := "arn:aws:lambda:" + r.region + ":" + r.account + ":function:" + name
	if qualifier != "" {
		a += ":" + qualifier
	}
	return a
}

// isVersion tells whether a qualifier names a version by number.
func isVersion(q string) bool { return numberForm.MatchString(q) }

// isAlias tells whether a qualifier can only be an alias.
func isAlias(q string) bool {
	return q != "" && !isVersion(q) && !strings.HasPrefix(q, "$")
}
