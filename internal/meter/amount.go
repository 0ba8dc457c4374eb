package meter

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
)

// An Amount is an exact decimal number: money, or GB-seconds. The zero Amount
// is 0. In JSON it is a string of decimal digits; a number is read, too.
type Amount struct{ r *big.Rat } // never changed once it is in an Amount; nil is 0

// maxDigits bounds what an Amount is read from.
const maxDigits = 60

// ParseAmount reads a plain decimal number, such as "0.0000166667".
func ParseAmount(s string) (Amount, error) {
	if len(s) > maxDigits || !decimal(s) {
		return Amount{}, fmt.Errorf("%.80q is not a plain decimal number such as 0.0000166667", s)
	}
	r, _ := new(big.Rat).SetString(s) // nothing that it cannot read comes here
	return Amount{r}, nil
}

// decimal tells whether s is digits, with a sign before and a fraction after
// them or not. Exponents are left out: a short text must not make a huge number.
func decimal(s string) bool {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	return digits(whole) && (digits(fraction) || !point)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func whole(n int64) Amount { return Amount{new(big.Rat).SetInt64(n)} }

// gbSeconds makes GB-seconds of megabytes times milliseconds.
func gbSeconds(mbms *big.Int) Amount {
	return Amount{new(big.Rat).SetFrac(mbms, big.NewInt(mbmsPerGBs))}
}

// mbmsPerGBs is a GB-second in MB-milliseconds. It has no factors but 2 and 5,
// so GB-seconds have an end as decimal numbers.
const mbmsPerGBs = 1024 * 1000

func (a Amount) rat() *big.Rat {
	if a.r == nil {
		return new(big.Rat)
	}
	return a.r
}

// Plus answers a + b.
func (a Amount) Plus(b Amount) Amount { return Amount{new(big.Rat).Add(a.rat(), b.rat())} }

// Minus answers a - b.
func (a Amount) Minus(b Amount) Amount { return Amount{new(big.Rat).Sub(a.rat(), b.rat())} }

// Times answers a times b.
func (a Amount) Times(b Amount) Amount { return Amount{new(big.Rat).Mul(a.rat(), b.rat())} }

// Over answers a / n; n is not 0.
func (a Amount) Over(n int64) Amount {
	return Amount{new(big.Rat).Quo(a.rat(), new(big.Rat).SetInt64(n))}
}

// Sign answers -1, 0 or 1.
func (a Amount) Sign() int { return a.rat().Sign() }

// Equal tells whether a and b are the same number.
func (a Amount) Equal(b Amount) bool { return a.rat().Cmp(b.rat()) == 0 }

// Round prints a with n digits after the point, halves away from zero.
func (a Amount) Round(n int) string { return a.rat().FloatString(n) }

// String prints all digits of a.
func (a Amount) String() string {
	n, exact := a.rat().FloatPrec()
	if !exact { // only after Over by a number with other factors than 2 and 5
		n = maxDigits
	}
	return a.rat().FloatString(n)
}

// MarshalJSON writes all digits of a.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(`"` + a.String() + `"`), nil }

// UnmarshalJSON reads a decimal number, in quotes or not.
func (a *Amount) UnmarshalJSON(b []byte) error {
	var err error
	*a, err = ParseAmount(string(bytes.Trim(b, `"`)))
	return err
}

// grouped puts a comma between the thousands of a printed number.
func grouped(s string) string {
	sign, s := cut(s, "-")
	digits, fraction, _ := strings.Cut(s, ".")
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return sign + b.String()
}

func cut(s, prefix string) (had, rest string) {
	if rest, ok := strings.CutPrefix(s, prefix); ok {
		return prefix, rest
	}
	return "", s
}
