package arn

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]ARN{
		"arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST": {"lambda", "us-east-1", "000000000000", "function:f:$LATEST"},
		"arn:aws:iam::000000000000:role/path/r":                    {"iam", "", "000000000000", "role/path/r"},
		"arn:aws:s3:::bucket/a:b":                                  {"s3", "", "", "bucket/a:b"},
		"arn:aws-us-gov:sqs:us-gov-west-1:1:q":                     {"sqs", "us-gov-west-1", "1", "q"},
	} {
		got, err := Parse(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "arn", "arn:aws:lambda", "arn:aws:lambda:us-east-1:000000000000", "arn:aws:lambda:us-east-1:000000000000:",
		"arn:aws::us-east-1:000000000000:x", "arn::lambda:::x", "arn:gcp:lambda:::x", "ARN:aws:lambda:::x", " arn:aws:lambda:::x",
	} {
		if a, err := Parse(s); err == nil {
			t.Errorf("%q became %+v", s, a)
		} else if a != (ARN{}) {
			t.Errorf("%q: an error, and %+v", s, a)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:lambda:us-east-1:000000000000:function:f")
	f.Add("arn:aws:s3:::b")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(a.String())
		if err != nil || again != a {
			t.Errorf("%q: %+v, then %+v, %v", s, a, again, err)
		}
		if strings.HasPrefix(s, "arn:aws:") && a.String() != s {
			t.Errorf("%q is printed as %q", s, a)
		}
	})
}
