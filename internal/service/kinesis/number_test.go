package kinesis

import (
	"math"
	"math/big"
	"testing"
)

func TestSequenceNumbers(t *testing.T) {
	// As AWS's documentation shows them.
	n, ok := parseNumber("49590338271490256608559692538361571095921575989136588898")
	if !ok || n != (number{created: 1542776258, seq: 0x67648a17, at: 1545084650, shard: 6}) {
		t.Fatalf("%+v, %v", n, ok)
	}
	if s := n.String(); s != "49590338271490256608559692538361571095921575989136588898" {
		t.Errorf("read and written again: %s", s)
	}
	for _, n := range []number{
		{1_700_000_000, 1, 1_700_000_001, 0}, {1_700_000_000, lastSeq, 1_900_000_000, 15}, {1<<36 - 1, 77, 1<<36 - 1, math.MaxInt32}, {0, 0, 0, 16},
	} {
		s := n.String()
		if got, ok := parseNumber(s); !ok || got != n || len(s) != 56 {
			t.Errorf("%+v: %s, read as %+v", n, s, got)
		}
	}
	for _, s := range []string{"", "0", "1", "-49590338271490256608559692538361571095921575989136588898", "x", "4959033827149025660855969253836157109592157598913658889",
		"49590338271490256608559692538361571095921575989136588899", "98079714615416886934934209737619787751599303819750539262", "1e55"} {
		if n, ok := parseNumber(s); ok {
			t.Errorf("%q is a sequence number: %+v", s, n)
		}
	}
}

// TestOrder: numbers of one shard rise with the counter, whatever the times are.
func TestOrder(t *testing.T) {
	last := new(big.Int)
	for i, n := range []number{{100, 0, 100, 3}, {100, 1, 200, 3}, {100, 2, 150, 3}, {100, lastSeq, 150, 3}, {101, 0, 101, 4}} {
		v, ok := new(big.Int).SetString(n.String(), 10)
		if !ok || v.Cmp(last) <= 0 {
			t.Errorf("number %d is %s, after %s", i, v, last)
		}
		last = v
	}
}

func FuzzNumber(f *testing.F) {
	f.Add("49590338271490256608559692538361571095921575989136588898")
	f.Add("0")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseNumber(s)
		if !ok {
			return
		}
		again, ok := parseNumber(n.String())
		if !ok || again != n {
			t.Errorf("%q is %+v, then %+v", s, n, again)
		}
	})
}

func TestHashKeys(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		ok       bool
	}{
		{"0", "0", true}, {"1", "1", true}, {"340282366920938463463374607431768211455", "340282366920938463463374607431768211455", true},
		{"340282366920938463463374607431768211456", "", false}, {"999999999999999999999999999999999999999", "", false},
		{"18446744073709551616", "18446744073709551616", true}, {"", "", false}, {"-1", "", false}, {"1x", "", false},
	} {
		k, ok := parseHash(tt.in)
		if ok != tt.ok || ok && k.String() != tt.want {
			t.Errorf("%q: %s, %v", tt.in, k, ok)
		}
	}
	if k := hashOf("a"); k.String() != "16955237001963240173058271559858726497" { // 0x0cc175b9c0f1b6a831c399e269772661
		t.Errorf("hash of a: %s", k)
	}
	if got := maxHash.plus(1); got != (hashKey{}) {
		t.Errorf("behind the last: %s", got)
	}
	if got := (hashKey{}).minus(1); got != maxHash {
		t.Errorf("before the first: %s", got)
	}
	if got := (hashKey{1, 0}).minus(1); got.String() != "18446744073709551615" {
		t.Errorf("2^64-1: %s", got)
	}
}

func TestMiddle(t *testing.T) {
	for _, tt := range []struct{ low, high, want string }{
		{"0", "340282366920938463463374607431768211455", "170141183460469231731687303715884105728"},
		{"10", "13", "12"}, {"18446744073709551615", "18446744073709551618", "18446744073709551617"}, {"5", "6", "6"},
	} {
		low, _ := parseHash(tt.low)
		high, _ := parseHash(tt.high)
		if got := middle(low, high); got.String() != tt.want {
			t.Errorf("%s to %s: %s", tt.low, tt.high, got)
		}
	}
}

func FuzzHash(f *testing.F) {
	f.Add("340282366920938463463374607431768211455")
	f.Fuzz(func(t *testing.T, s string) {
		k, ok := parseHash(s)
		v, valid := new(big.Int).SetString(s, 10)
		for _, c := range s {
			valid = valid && c >= '0' && c <= '9'
		}
		valid = valid && v.BitLen() <= 128
		if ok != valid || ok && k.big().Cmp(v) != 0 {
			t.Errorf("%q: %s, %v; want %v, %v", s, k, ok, v, valid)
		}
	})
}

// TestSlices: the ranges of a new stream are as AWS makes them.
func TestSlices(t *testing.T) {
	for _, tt := range []struct {
		i, n int
		want string
	}{
		{1, 2, "170141183460469231731687303715884105728"}, {1, 3, "113427455640312821154458202477256070485"},
		{2, 3, "226854911280625642308916404954512140970"}, {3, 4, "255211775190703847597530955573826158592"}, {0, 7, "0"},
	} {
		if got := sliceStart(tt.i, tt.n).String(); got != tt.want {
			t.Errorf("%d of %d: %s, want %s", tt.i, tt.n, got, tt.want)
		}
	}
}
