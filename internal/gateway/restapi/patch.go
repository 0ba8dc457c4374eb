package restapi

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Patch is one change of a document.
//
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
type Patch struct {
	Op    string
	Path  string
	Value *string
	From  string
}

// A rule is a path that may be patched. "*" in it is one segment, unescaped.
type rule struct {
	path string
	ops  string // "add,replace,remove"
	kind kind
}

// A kind is what stands at a path, and so what a patch's value means.
type kind int

const (
	aText    kind = iota
	aBool         // "true"
	anInt         // "1"
	aNumber       // "1.5"
	aMember       // of a list: the path's last segment names it
	aList         // a list: the value is a member to add, or to remove
	aBoolIn       // in a map: the path's last segment is the key
	aTextIn       // in a map
	aThing        // an object or a map: it can only be removed
	aTextMap      // a map: it can be removed, or replaced by JSON
)

// A tree is a document between JSON and its type.
type tree = map[string]any

// patched is item after patches, all of them or none. special, unless nil, is
// asked first and says whether it knew the patch.
func patched[T any](item *T, rules []rule, patches []Patch, special func(tree, Patch, []string) (bool, error)) (*T, error) {
	doc, err := json.Marshal(item)
	if err != nil {
		return nil, err
	}
	t := tree{}
	if err := json.Unmarshal(doc, &t); err != nil {
		return nil, err
	}
	for _, p := range patches {
		if err := patchTree(t, rules, p, special); err != nil {
			return nil, err
		}
	}
	if doc, err = json.Marshal(t); err != nil {
		return nil, err
	}
	next := new(T)
	if err := json.Unmarshal(doc, next); err != nil {
		return nil, bad("Invalid patch: the value does not fit what is patched")
	}
	return next, nil
}

func patchTree(t tree, rules []rule, p Patch, special func(tree, Patch, []string) (bool, error)) error {
	segments, ok := pathOf(p.Path)
	if !ok {
		return invalidPath(rules, p)
	}
	if special != nil {
		if known, err := special(t, p, segments); known || err != nil {
			return err
		}
	}
	for _, r := range rules {
		if !r.fits(segments) {
			continue
		}
		if !slices.Contains(strings.Split(r.ops, ","), p.Op) {
			return invalidPath(rules, p)
		}
		return r.apply(t, p, segments)
	}
	return invalidPath(rules, p)
}

// pathOf takes a JSON pointer apart: "~1" is a slash in a segment, "~0" a tilde.
func pathOf(path string) ([]string, bool) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || rest == "" {
		return nil, false
	}
	segments := strings.Split(rest, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
	}
	return segments, true
}

func (r rule) fits(segments []string) bool {
	want := strings.Split(r.path[1:], "/")
	if len(want) != len(segments) {
		return false
	}
	for i, w := range want {
		if w != "*" && w != segments[i] {
			return false
		}
	}
	return true
}

func invalidPath(rules []rule, p Patch) error {
	var may []string
	for _, r := range rules {
		if slices.Contains(strings.Split(r.ops, ","), p.Op) {
			may = append(may, strings.ReplaceAll(r.path, "*", "{name}"))
		}
	}
	if len(may) == 0 {
		return bad("Invalid patch operation specified. Operation '%s' is not supported at path '%s'", p.Op, p.Path)
	}
	return bad("Invalid patch path '%s' specified for op '%s'. Must be one of: [%s]", p.Path, p.Op, strings.Join(may, ", "))
}

// apply changes t at the place that segments name.
func (r rule) apply(t tree, p Patch, segments []string) error {
	at, last, err := descend(t, segments, p.Op != "remove")
	if err != nil || at == nil {
		return err
	}
	switch r.kind {
	case aMember:
		return member(at, segments[len(segments)-2], last, p)
	case aList:
		return member(at, last, val(p.Value), p)
	}
	if p.Op == "remove" {
		delete(at, last)
		return nil
	}
	v, err := r.value(p)
	if err != nil {
		return err
	}
	at[last] = v
	return nil
}

// descend goes to the object that has the last of segments, making the way
// where build says so. For a member of a list it stops at the list's object.
func descend(t tree, segments []string, build bool) (tree, string, error) {
	for i, s := range segments[:len(segments)-1] {
		switch next := t[s].(type) {
		case tree:
			t = next
		case []any:
			return t, segments[len(segments)-1], nil
		case nil:
			if i == len(segments)-2 && isList(s) {
				return t, segments[len(segments)-1], nil
			}
			if !build {
				return nil, "", nil
			}
			made := tree{}
			t[s] = made
			t = made
		default:
			return nil, "", bad("Invalid patch path /%s", strings.Join(segments, "/"))
		}
	}
	return t, segments[len(segments)-1], nil
}

// isList tells whether a member is a list, for when it is not there yet.
func isList(name string) bool {
	return slices.Contains([]string{"binaryMediaTypes", "types", "vpcEndpointIds", "providerARNs", "authorizationScopes", "cacheKeyParameters"}, name)
}

// member adds a value to a list, or takes it away. Replacing a member by its
// place means replacing the list: AWS's own answer for a list of one.
func member(at tree, list, value string, p Patch) error {
	members, _ := at[list].([]any)
	switch p.Op {
	case "add":
		if !slices.Contains(members, any(value)) {
			members = append(members, value)
		}
	case "remove":
		members = slices.DeleteFunc(members, func(m any) bool { return m == any(value) })
	case "replace":
		with := val(p.Value)
		if i := slices.Index(members, any(value)); i >= 0 {
			members[i] = with
		} else if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < len(members) {
			members[n] = with
		} else {
			members = append(members, with)
		}
	}
	at[list] = members
	return nil
}

// value is what a patch's text means at the rule's path.
func (r rule) value(p Patch) (any, error) {
	s := val(p.Value)
	switch r.kind {
	case aBool, aBoolIn:
		v, err := strconv.ParseBool(strings.ToLower(s))
		if err != nil {
			return nil, bad("Invalid boolean value '%s' specified for '%s'", s, p.Path)
		}
		return v, nil
	case anInt:
		v, err := strconv.ParseInt(s, 10, 32)
		if err != nil {
			return nil, bad("Invalid integer value '%s' specified for '%s'", s, p.Path)
		}
		return v, nil
	case aNumber:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, bad("Invalid number value '%s' specified for '%s'", s, p.Path)
		}
		return v, nil
	case aTextMap:
		m := map[string]string{}
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			return nil, bad("Invalid map value specified for '%s'", p.Path)
		}
		t := tree{}
		for k, v := range m {
			t[k] = v
		}
		return t, nil
	case aThing:
		return nil, bad("Invalid patch path '%s' specified for op '%s'", p.Path, p.Op)
	}
	return s, nil
}

// val is *p, or the zero value where there is none.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
