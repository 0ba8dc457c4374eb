package logs

import (
	"strings"
	"testing"
)

func TestID(t *testing.T) {
	keys := []key{{0, 0}, {0, 5}, {1, 0}, {999, 1 << 62}, {1000, 3}, {1795435200000, 1795435200000000000}}
	last := ""
	for _, k := range keys {
		id := k.id()
		if len(id) != idDigits || strings.Trim(id, "0123456789") != "" {
			t.Errorf("%v: id %q", k, id)
		}
		if id <= last {
			t.Errorf("%v: id %s does not sort behind %s", k, id, last)
		}
		if got, ok := parseID(id); !ok || got != k {
			t.Errorf("%v comes back as %v", k, got)
		}
		last = id
	}
}

func TestTokensAreText(t *testing.T) {
	for _, name := range []string{"", "a", "größer"} {
		if got, err := unseal(*seal(name)); err != nil || got != name {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for _, token := range []string{"!", *seal("\xff"), *seal("a\x00b")} {
		if got, err := unseal(token); err == nil {
			t.Errorf("%q is read as %q", token, got)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add(position{key: key{5, 7}}.token())
	f.Add(position{key: key{5, 7}, backward: true}.token())
	f.Add("f/3")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseToken(s)
		if err != nil {
			return
		}
		if p.at < 0 || p.seq < 0 {
			t.Errorf("%q is before all time: %v", s, p)
		}
		if again, err := parseToken(p.token()); err != nil || again != p {
			t.Errorf("%q: %v, then %v, %v", s, p, again, err)
		}
	})
}
