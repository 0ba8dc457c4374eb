package meter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDefaultPrices(t *testing.T) {
	p := DefaultPrices()
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	equal(t, "x86_64 tier 1", p.X86.Duration[0].Price, "0.0000166667")
	equal(t, "arm64 tier 3", p.ARM.Duration[2].Price, "0.0000106667")
	equal(t, "a million requests", p.RequestsPerMillion, "0.2")
	if p.FreeTier.Requests != 1_000_000 || p.Region != "us-east-1" {
		t.Errorf("the table is %+v", p)
	}
}

func TestLoadPrices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prices.json")
	edited := strings.Replace(string(published), `"requests_per_million": "0.20"`, `"requests_per_million": 0.4`, 1)
	if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPrices(path)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the edited price", p.RequestsPerMillion, "0.4")
	if _, err := LoadPrices(path + "x"); err == nil {
		t.Error("a missing file is loaded")
	}
}

func TestPricesWithMistakes(t *testing.T) {
	for _, c := range []struct{ old, new, says string }{
		{`"currency": "USD"`, `"currency": ""`, "currency is missing"},
		{`"currency": "USD"`, `"curency": "USD"`, `unknown field "curency"`},
		{`"date": "2026-11-23"`, `"date": "yesterday"`, "not a date"},
		{`"0.20"`, `"-0.20"`, "must not be below 0"},
		{`"0.20"`, `"2e-1"`, "not a plain decimal"},
		{`"0.20"`, `"1e999999999"`, "not a plain decimal"},
		{`"0.20"`, `"free"`, "not a plain decimal"},
		{`"0.20",`, `"0.20"`, "near line 7"},
		{`"15000000000"`, `"6000000000"`, "x86_64: duration tier 2 ends at 6000000000"},
		{`{"per_gb_second": "0.0000106667"}`, `{"up_to_gb_seconds": "99999999999", "per_gb_second": "0.1"}`, "arm64: the last duration tier"},
		{`"up_to_gb_seconds": "7500000000", `, ``, "arm64: duration tier 1 has no up_to_gb_seconds"},
		{`"gb_seconds": "400000"}`, `"gb_seconds": "400000"}} {`, "text after the table"},
	} {
		text := strings.Replace(string(published), c.old, c.new, 1)
		if text == string(published) {
			t.Fatalf("%s is not in the table", c.old)
		}
		_, err := parsePrices([]byte(text))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s in place of %s: %v, want %q", c.new, c.old, err, c.says)
		}
	}
}

func FuzzPrices(f *testing.F) {
	f.Add(published)
	f.Add([]byte(`{"x86_64":{"duration":[{"up_to_gb_seconds":null}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePrices(b)
		if err != nil {
			return
		}
		n := whole(20_000_000_000)
		if c := p.X86.cost(Amount{}, n); c.Sign() < 0 {
			t.Errorf("a table that was taken makes a cost of %s", c)
		}
	})
}

func FuzzAmount(f *testing.F) {
	for _, s := range []string{"0", "-1.50", "0.0000166667", "1e5", ".", "1.", "+1", "1/3", "NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAmount(s)
		if err != nil {
			return
		}
		back, err := ParseAmount(a.String())
		if err != nil || !back.Equal(a) {
			t.Errorf("%q is printed as %q, which reads as %s, %v", s, a, back, err)
		}
	})
}

func TestAmountPrints(t *testing.T) {
	for in, want := range map[string]string{"1234567.5": "1,234,567.50", "-999": "-999.00", "-1000": "-1,000.00", "0.005": "0.01", "0": "0.00"} {
		a, err := ParseAmount(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := grouped(a.Round(2)); got != want {
			t.Errorf("%s prints as %s, want %s", in, got, want)
		}
	}
	if got := whole(1).Over(3).Round(4); got != "0.3333" {
		t.Errorf("a third rounds to %s", got)
	}
}
