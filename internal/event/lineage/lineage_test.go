package lineage

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

var now = time.Unix(1700000000, 0)

func TestAChainIsCountedByFunction(t *testing.T) {
	a, b := ID("arn:aws:lambda:us-east-1:000000000000:function:a"), ID("arn:aws:lambda:us-east-1:000000000000:function:b")
	if a == b || len(a) != 8 {
		t.Fatalf("IDs are %q and %q", a, b)
	}
	header, turns := "", 0
	for i := 1; i <= Limit+1; i++ {
		if header, turns = Enter(header, a, now); turns != i {
			t.Fatalf("turn %d of a is counted %d", i, turns)
		}
		if header, turns = Enter(header, b, now); turns != i {
			t.Fatalf("turn %d of b is counted %d", i, turns)
		}
	}
	if !regexp.MustCompile(`^Root=1-6553f100-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=` + b + `:17\|` + a + `:17$`).MatchString(header) {
		t.Errorf("the header is %q", header)
	}
}

func TestWhatACallerSentStays(t *testing.T) {
	got, turns := Enter("Root=1-a-b; Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:aaaa:3|bbbb:7;Self=x", "aaaa", now)
	if want := "Root=1-a-b;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=aaaa:4|bbbb:7"; got != want || turns != 4 {
		t.Errorf("%q, turn %d, want %q", got, turns, want)
	}
	for _, bad := range []string{"Root=1;Lineage=x", "Root=1;Lineage=:5", "Root=1;Lineage=y:-1", "Root=1;Lineage=y:99999999999999999999", "Root=1;Lineage=||:::"} {
		if got, turns := Enter(bad, "y", now); turns != 1 || got != "Root=1;Lineage=y:1" {
			t.Errorf("%q becomes %q, turn %d", bad, got, turns)
		}
	}
}

func TestDeepestOfABatch(t *testing.T) {
	if got := Deepest([]string{"", "Root=1;Lineage=a:3", "Root=2;Lineage=b:1|a:12", "Root=3"}); got != "Root=2;Lineage=b:1|a:12" {
		t.Errorf("the deepest is %q", got)
	}
	if got := Deepest([]string{"", ""}); got != "" {
		t.Errorf("of none it is %q", got)
	}
}

func FuzzEnter(f *testing.F) {
	f.Add("Root=1-a-b;Parent=x;Sampled=1;Lineage=1:aaaa:3|bbbb:7")
	f.Add(";;==Lineage=|:\r\nX: y")
	f.Fuzz(func(t *testing.T, header string) {
		first, n := Enter(header, "abcdabcd", now)
		if n < 1 || strings.ContainsAny(first, "\r\n") || len(first) > 2*maxHeader {
			t.Fatalf("%q becomes %q, turn %d", header, first, n)
		}
		if _, m := Enter(first, "abcdabcd", now); m != n+1 && len(first) <= maxHeader {
			t.Fatalf("%q is turn %d, then %d", first, n, m)
		}
	})
}

// TestBegin: a new chain reads the same whether its header was empty or had
// nothing to go on with.
func TestBegin(t *testing.T) {
	now := time.Unix(0x1234, 0)
	form := regexp.MustCompile(`^Root=1-00001234-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=0badcafe:1$`)
	seen := map[string]bool{}
	for _, header := range []string{"", "", "Self=1", ";"} {
		got, turns := Enter(header, "0badcafe", now)
		if !form.MatchString(got) || turns != 1 {
			t.Errorf("Enter(%q) = %q, %d", header, got, turns)
		}
		if seen[got] {
			t.Errorf("%q twice", got)
		}
		seen[got] = true
		if again, turns := Enter(got, "0badcafe", now); turns != 2 || again != strings.TrimSuffix(got, "1")+"2" {
			t.Errorf("Enter(%q) = %q, %d", got, again, turns)
		}
	}
}

func BenchmarkEnter(b *testing.B) {
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		Enter("", "0badcafe", now)
	}
}
