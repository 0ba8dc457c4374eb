package object

import "testing"

func TestOverlap(t *testing.T) {
	rule := func(prefix, suffix string, events ...string) Rule {
		return Rule{Events: events, Prefix: prefix, Suffix: suffix}
	}
	const created, put, removed = "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*"
	tests := map[string]struct {
		rules []Rule
		want  bool
	}{
		"none":                        {nil, false},
		"one":                         {[]Rule{rule("", "", created)}, false},
		"the same":                    {[]Rule{rule("", "", created), rule("", "", created)}, true},
		"other events":                {[]Rule{rule("", "", created), rule("", "", removed)}, false},
		"a family and its member":     {[]Rule{rule("", "", created), rule("", "", put)}, true},
		"two members":                 {[]Rule{rule("", "", put), rule("", "", "s3:ObjectCreated:Post")}, false},
		"a member within a list":      {[]Rule{rule("", "", removed, put), rule("", "", created)}, true},
		"other prefixes":              {[]Rule{rule("a/", "", put), rule("b/", "", put)}, false},
		"a prefix within another":     {[]Rule{rule("a/", "", put), rule("a/b/", "", put)}, true},
		"a prefix and all":            {[]Rule{rule("", "", put), rule("a/", "", put)}, true},
		"other suffixes":              {[]Rule{rule("a/", ".jpg", put), rule("a/", ".png", put)}, false},
		"a suffix within another":     {[]Rule{rule("a/", ".gz", put), rule("a/b", ".tar.gz", put)}, true},
		"a prefix against a suffix":   {[]Rule{rule("a/", "", put), rule("", ".jpg", put)}, true},
		"other prefixes, same suffix": {[]Rule{rule("a/", ".jpg", put), rule("b/", ".jpg", put)}, false},
		"the first and the third":     {[]Rule{rule("a/", "", put), rule("b/", "", put), rule("a/", ".x", put)}, true},
	}
	for name, tt := range tests {
		if _, _, got := Overlap(tt.rules); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Whatever two rules both want must be called an overlap.
func FuzzOverlap(f *testing.F) {
	f.Add("a/", ".jpg", "s3:ObjectCreated:*", "a/b", "g", "s3:ObjectCreated:Put", "a/b/c.jpg", "ObjectCreated:Put")
	f.Add("", "", "s3:ObjectRemoved:Delete", "x", "", "s3:ObjectCreated:Put", "x", "ObjectRemoved:Delete")
	f.Fuzz(func(t *testing.T, prefix1, suffix1, events1, prefix2, suffix2, events2, key, event string) {
		a, b := Rule{Events: []string{events1}, Prefix: prefix1, Suffix: suffix1}, Rule{Events: []string{events2}, Prefix: prefix2, Suffix: suffix2}
		if !a.Wants(event, key) || !b.Wants(event, key) {
			return
		}
		if _, _, found := Overlap([]Rule{a, b}); !found {
			t.Errorf("both want %q of %q and do not overlap: %+v, %+v", event, key, a, b)
		}
	})
}
