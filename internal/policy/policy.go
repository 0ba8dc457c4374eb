// Package policy is the IAM policy language: it parses documents, says what is
// wrong with them, and decides with them. It does no I/O.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
)

// A Kind is where a document stands: that decides what it must and may say.
type Kind int

// The kinds of documents.
const (
	Identity Kind = iota // what an identity may do
	Resource             // who may do what with a resource
	Trust                // who may assume a role
)

// A Document is a policy in its normal form: what may be one string or a list
// of them is a list.
type Document struct {
	Version    string // "2012-10-17", "2008-10-17" when it says nothing
	ID         string
	Statements []Statement

	rules atomic.Pointer[[]rule] // the statements made ready, once they were asked
}

// A Statement is one rule of a document.
type Statement struct {
	SID          string
	Effect       string // Allow, Deny
	Principal    *Principal
	NotPrincipal *Principal
	Action       []string
	NotAction    []string
	Resource     []string
	NotResource  []string
	Conditions   []Condition // sorted by operator and key
}

// A Principal is whom a statement is about.
type Principal struct {
	Any           bool // the string "*"
	AWS           []string
	Service       []string
	Federated     []string
	CanonicalUser []string
}

// A Condition is one test: operator(key, any of values).
type Condition struct {
	Operator string // "StringEquals", "ForAnyValue:StringLike", "BoolIfExists"
	Key      string // "aws:SourceArn"
	Values   []string
}

// An Error says what is wrong with a document, in AWS's words.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func malformed(format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...)}
}

// errSyntax stands for every mistake in a document's form: AWS tells no more.
var errSyntax = errors.New("syntax")

// Parse reads a document of a kind. Its error is an *Error.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
func Parse(kind Kind, text string) (*Document, error) {
	d, err := parse(text)
	if err != nil {
		if kind == Trust && !json.Valid([]byte(text)) {
			return nil, malformed("This policy contains invalid Json")
		}
		return nil, malformed("Syntax errors in policy.")
	}
	if err := check(kind, d); err != nil {
		return nil, err
	}
	return d, nil
}

// An object is a JSON object whose names are told apart by case, as IAM does
// and a Go struct would not.
type object map[string]json.RawMessage

// object reads raw as an object that has no members but those named.
func asObject(raw []byte, names ...string) (object, error) {
	o, err := uniqueObject(raw)
	if err != nil {
		return nil, err
	}
	for n := range o {
		if len(names) > 0 && !slices.Contains(names, n) {
			return nil, errSyntax
		}
	}
	return o, nil
}

// uniqueObject reads an object and refuses a name that stands there twice:
// which of the two counts must not be a matter of the reader.
func uniqueObject(raw []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errSyntax
	}
	o := object{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errSyntax
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errSyntax
		}
		if _, twice := o[name.(string)]; twice {
			return nil, errSyntax
		}
		o[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errSyntax
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errSyntax
	}
	return o, nil
}

func parse(text string) (*Document, error) {
	o, err := asObject([]byte(text), "Version", "Id", "Statement")
	if err != nil {
		return nil, err
	}
	d := &Document{Version: "2008-10-17"}
	if err := o.text("Version", &d.Version); err != nil {
		return nil, err
	}
	if d.Version != "2008-10-17" && d.Version != "2012-10-17" {
		return nil, errSyntax
	}
	if err := o.text("Id", &d.ID); err != nil {
		return nil, err
	}
	list, err := items(o["Statement"])
	if err != nil || len(list) == 0 {
		return nil, errSyntax
	}
	for _, raw := range list {
		s, err := statement(raw)
		if err != nil {
			return nil, err
		}
		d.Statements = append(d.Statements, s)
	}
	return d, nil
}

// items is a list as it stands, or a list of the one thing that stands there.
func items(raw json.RawMessage) ([]json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if raw[0] != '[' {
		return []json.RawMessage{raw}, nil
	}
	list := []json.RawMessage{}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, errSyntax
	}
	return list, nil
}

// text reads an optional string.
func (o object) text(name string, to *string) error {
	raw, ok := o[name]
	if !ok {
		return nil
	}
	if raw[0] != '"' || json.Unmarshal(raw, to) != nil {
		return errSyntax
	}
	return nil
}

// texts reads an optional string or list of strings. What is there but empty
// is a list that is not nil.
func (o object) texts(name string, to *[]string) error {
	raw, ok := o[name]
	if !ok {
		return nil
	}
	list, err := items(raw)
	if err != nil {
		return err
	}
	*to = []string{}
	for _, r := range list {
		var s string
		if r[0] != '"' || json.Unmarshal(r, &s) != nil {
			return errSyntax
		}
		*to = append(*to, s)
	}
	return nil
}

func statement(raw json.RawMessage) (s Statement, err error) {
	o, err := asObject(raw, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
	if err != nil {
		return s, err
	}
	for _, pair := range [][2]string{{"Principal", "NotPrincipal"}, {"Action", "NotAction"}, {"Resource", "NotResource"}} {
		if o[pair[0]] != nil && o[pair[1]] != nil {
			return s, errSyntax
		}
	}
	err = errors.Join(
		o.text("Sid", &s.SID), o.text("Effect", &s.Effect),
		o.principal("Principal", &s.Principal), o.principal("NotPrincipal", &s.NotPrincipal),
		o.texts("Action", &s.Action), o.texts("NotAction", &s.NotAction),
		o.texts("Resource", &s.Resource), o.texts("NotResource", &s.NotResource),
		o.conditions(&s.Conditions),
	)
	if !strings.EqualFold(s.Effect, "Allow") && !strings.EqualFold(s.Effect, "Deny") {
		return s, errSyntax
	}
	return s, err
}

// principal reads "*" or {"AWS": …, "Service": …}.
func (o object) principal(name string, to **Principal) error {
	raw, ok := o[name]
	if !ok {
		return nil
	}
	if string(raw) == `"*"` {
		*to = &Principal{Any: true}
		return nil
	}
	m, err := asObject(raw, "AWS", "Service", "Federated", "CanonicalUser")
	if err != nil {
		return err
	}
	p := new(Principal)
	*to = p
	return errors.Join(m.texts("AWS", &p.AWS), m.texts("Service", &p.Service),
		m.texts("Federated", &p.Federated), m.texts("CanonicalUser", &p.CanonicalUser))
}

func (o object) conditions(to *[]Condition) error {
	raw, ok := o["Condition"]
	if !ok {
		return nil
	}
	operators, err := asObject(raw)
	if err != nil {
		return err
	}
	for op, raw := range operators {
		keys, err := asObject(raw)
		if err != nil {
			return err
		}
		if len(keys) > 0 && !operator(op) {
			return errSyntax
		}
		for key, raw := range keys {
			values, err := scalars(raw)
			if err != nil {
				return err
			}
			*to = append(*to, Condition{Operator: op, Key: key, Values: values})
		}
	}
	slices.SortFunc(*to, func(a, b Condition) int {
		return strings.Compare(a.Operator+"\n"+a.Key, b.Operator+"\n"+b.Key)
	})
	return nil
}

// scalars reads a condition's values: strings, and numbers and booleans that
// are meant as strings.
func scalars(raw json.RawMessage) ([]string, error) {
	list, err := items(raw)
	if err != nil {
		return nil, err
	}
	values := []string{}
	for _, r := range list {
		var s string
		switch {
		case r[0] == '"':
			if json.Unmarshal(r, &s) != nil {
				return nil, errSyntax
			}
		case r[0] == '{' || r[0] == '[' || r[0] == 'n':
			return nil, errSyntax
		default:
			s = string(r)
		}
		values = append(values, s)
	}
	return values, nil
}

// operator tells whether op is a condition operator.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func operator(op string) bool {
	for _, p := range []string{"ForAnyValue:", "ForAllValues:"} {
		if rest, ok := strings.CutPrefix(op, p); ok {
			op = rest
			break
		}
	}
	if op != "Null" {
		op = strings.TrimSuffix(op, "IfExists")
	}
	switch op {
	case "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
		"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
		"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
		"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null":
		return true
	}
	return false
}
