package function

import (
	"errors"
	"regexp"
	"testing"
)

func TestLocate(t *testing.T) {
	for s, want := range map[string]located{
		"f":                                     {name: "f"},
		"f:1":                                   {name: "f", qualifier: "1"},
		"f:$LATEST":                             {name: "f", qualifier: "$LATEST"},
		"f:$LATEST.PUBLISHED":                   {name: "f", qualifier: "$LATEST.PUBLISHED"},
		"function:f":                            {name: "f"},
		"function":                              {name: "function"},
		"123456789012:f:live":                   {account: "123456789012", name: "f", qualifier: "live"},
		"123456789012":                          {name: "123456789012"},
		"us-east-1:$LATEST":                     {name: "us-east-1", qualifier: "$LATEST"},
		"us-gov-west-1:123456789012:function:f": {region: "us-gov-west-1", account: "123456789012", name: "f"},
		"arn:aws:lambda:us-east-1:1:f":          {region: "us-east-1", name: "1", qualifier: "f"},
		"arn:aws:lambda:us-east-1:function:f":   {region: "us-east-1", name: "f"},
		"arn:aws:lambda:eusc-de-east-1:123456789012:function:f:1": {region: "eusc-de-east-1", account: "123456789012", name: "f", qualifier: "1"},
		"":         {},
		"a b":      {},
		"f:":       {},
		"f:1:2":    {},
		"f:$OTHER": {},
		"f\n":      {},
		"arn:aws:s3:us-east-1:123456789012:function:f": {},
	} {
		got, ok := locate(s)
		if got != want || ok != (want != located{}) {
			t.Errorf("%q: %+v, %v, want %+v", s, got, ok, want)
		}
	}
}

func TestRef(t *testing.T) {
	r := &Registry{account: testAccount, region: "us-east-1"}
	for _, c := range []struct {
		name, qualifier string
		want            Ref
		kind            error
	}{
		{"f", "", Ref{"f", ""}, nil},
		{"f", "1", Ref{"f", "1"}, nil},
		{"f:1", "", Ref{"f", "1"}, nil},
		{"f:1", "1", Ref{"f", "1"}, nil},
		{"f:1", "2", Ref{}, ErrInvalid},
		{"arn:aws:lambda:us-east-1:000000000000:function:f", "live", Ref{"f", "live"}, nil},
		{"arn:aws:lambda:us-west-2:000000000000:function:f", "", Ref{}, ErrNotFound},
		{"111111111111:function:f", "", Ref{}, ErrForbidden},
		{"a b", "", Ref{}, ErrInvalid},
	} {
		got, err := r.Ref(c.name, c.qualifier)
		if got != c.want || !errors.Is(err, c.kind) || (err != nil) != (c.kind != nil) {
			t.Errorf("%s, %s: %+v, %v", c.name, c.qualifier, got, err)
		}
	}
}

// qualified is what a qualifier may look like.
var qualified = regexp.MustCompile(`^(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+)?$`)

func TestNumberOf(t *testing.T) {
	for q, want := range map[string]int64{"": 0, "$LATEST": 0, "1": 1, "42": 42, "0": -1, "01": -1, "live": -1, "-1": -1, "99999999999999999999": -1} {
		n, ok := numberOf(q)
		if ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d, %v", q, n, ok)
		}
	}
}

// FuzzRef: whatever is read from a name can be written as an ARN and read again.
func FuzzRef(f *testing.F) {
	for _, s := range []string{"f", "f:1", "123456789012:function:f", "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST", "us-east-1:x", ":::", "arn:aws:lambda:"} {
		f.Add(s, "")
		f.Add(s, "live")
	}
	r := &Registry{account: testAccount, region: "us-east-1"}
	f.Fuzz(func(t *testing.T, name, qualifier string) {
		ref, err := r.Ref(name, qualifier)
		if err != nil {
			return
		}
		if ref.Name == "" {
			t.Fatalf("%q has no name", name)
		}
		if !qualified.MatchString(ref.Qualifier) {
			return // a qualifier of its own is the wire's to check
		}
		again, err := r.Ref(r.ARN(ref.Name, ref.Qualifier), "")
		if err != nil || again != ref {
			t.Fatalf("%q: %+v became %+v, %v", name, ref, again, err)
		}
	})
}
