package meter

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// many stores n invocations of u at once.
func many(t testing.TB, m *Meter, u Use, n int64) {
	t.Helper()
	r, err := rowOf(u)
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{id: crand.Text(), sums: map[row]sum{r: {n, n * u.BilledMS}}}
	if err := m.db.Update(context.Background(), j.store); err != nil {
		t.Fatal(err)
	}
}

func bill(t testing.TB, m *Meter, from, to string, free bool) *Bill {
	t.Helper()
	b, err := m.Bill(context.Background(), at(t, from+" 00:00"), at(t, to+" 00:00"), free)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func equal(t testing.TB, what string, got Amount, want string) {
	t.Helper()
	w, err := ParseAmount(want)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(w) {
		t.Errorf("%s is %s, want %s", what, got, want)
	}
}

// AWS's own example: 3 million requests of 120 ms with 1,536 MB are 540,000
// GB-s, less 400,000, and 2 million requests to pay: 2.33 and 0.40 dollars.
// https://aws.amazon.com/lambda/pricing/
func TestPublishedExample(t *testing.T) {
	m := open(t)
	u := use(t, "2026-11-10 12:00")
	u.MemoryMB, u.BilledMS = 1536, 120
	many(t, m, u, 3_000_000)
	b := bill(t, m, "2026-11-01", "2026-12-01", true)
	equal(t, "the GB-seconds", b.Lines[0].GBSeconds, "540000")
	equal(t, "the duration's cost", b.Lines[0].Cost.Duration, "9.000018")
	equal(t, "the requests' cost", b.Lines[0].Cost.Requests, "0.6")
	equal(t, "the credit", b.Credits[0].Amount, "6.86668") // 400,000 x 0.0000166667 + 0.20
	equal(t, "the total", b.Total, "2.733338")
	equal(t, "the total without free tier", bill(t, m, "2026-11-01", "2026-12-01", false).Total, "9.600018")
}

func TestOneInvocation(t *testing.T) {
	m := open(t)
	add(t, m, use(t, "2026-11-10 12:00")) // 128 MB for 100 ms: 0.0125 GB-s
	b := bill(t, m, "2026-11-10", "2026-11-11", false)
	want := Line{Function: hello, Day: "2026-11-10", Requests: 1, BilledMS: 100}
	got := b.Lines[0]
	equal(t, "the GB-seconds", got.GBSeconds, "0.0125")
	equal(t, "the duration's cost", got.Cost.Duration, "0.00000020833375")
	equal(t, "the request's cost", got.Cost.Requests, "0.0000002")
	equal(t, "the total", b.Total, "0.00000040833375")
	if got.Function != want.Function || got.Day != want.Day || got.Requests != 1 || got.BilledMS != 100 || len(b.Lines) != 1 {
		t.Errorf("the lines are %v", b.Lines)
	}
}

func TestKinds(t *testing.T) {
	m := open(t)
	arm := use(t, "2026-11-10 12:00")
	arm.Arch, arm.MemoryMB, arm.BilledMS = ARM, 1024, 1000
	many(t, m, arm, 1_000_000)
	b := bill(t, m, "2026-11-10", "2026-11-11", false)
	equal(t, "arm64", b.Total, "13.5334") // 1,000,000 x 0.0000133334 + 0.20

	pc := use(t, "2026-11-11 12:00")
	pc.MemoryMB, pc.BilledMS, pc.Provisioned = 1024, 1000, true
	many(t, m, pc, 1_000_000)
	b = bill(t, m, "2026-11-11", "2026-11-12", true) // no free tier for it
	equal(t, "provisioned concurrency", b.Total, "9.9222")

	tmp := use(t, "2026-11-12 12:00")
	tmp.MemoryMB, tmp.BilledMS, tmp.TmpMB = 1024, 1000, 1536 // 1,024 MB above what is free
	many(t, m, tmp, 1_000_000)
	b = bill(t, m, "2026-11-12", "2026-11-13", false)
	equal(t, "the storage", b.Lines[0].Cost.Storage, "0.0309")
	equal(t, "the storage's GB-seconds", b.Lines[0].StorageGBSeconds, "1000000")
	equal(t, "all with storage", b.Total, "16.8976") // 16.6667 + 0.20 + 0.0309
}

func TestTiers(t *testing.T) {
	m := open(t)
	u := use(t, "2026-11-01 12:00")
	u.MemoryMB, u.BilledMS = 1024, 1000 // 1 GB-s
	many(t, m, u, 5_000_000_000)
	u.At = at(t, "2026-11-02 12:00")
	many(t, m, u, 5_000_000_000) // the first 1,000,000,000 are still in tier 1
	u.At = at(t, "2026-11-03 12:00")
	many(t, m, u, 10_000_000_000) // 5 in tier 2, 5 in tier 3
	u.At = at(t, "2026-12-01 00:00")
	many(t, m, u, 1_000_000_000) // a new month
	cost := map[string]string{
		"2026-11-01": "83333.5", // 5e9 x 0.0000166667
		"2026-11-02": "76666.7", // 1e9 x 0.0000166667 + 4e9 x 0.000015
		"2026-11-03": "141667",  // 5e9 x 0.000015 + 5e9 x 0.0000133334
		"2026-12-01": "16666.7", // 1e9 x 0.0000166667
	}
	b := bill(t, m, "2026-11-01", "2027-01-01", false)
	for _, l := range b.Lines {
		equal(t, l.Day, l.Cost.Duration, cost[l.Day])
		one := bill(t, m, l.Day, nextDay(t, l.Day), false)
		equal(t, l.Day+" alone", one.Lines[0].Cost.Duration, cost[l.Day])
	}
	if len(b.Lines) != len(cost) {
		t.Errorf("%d lines, want %d", len(b.Lines), len(cost))
	}
}

func nextDay(t testing.TB, day string) string {
	return at(t, day+" 00:00").AddDate(0, 0, 1).Format(time.DateOnly)
}

func TestArchitecturesHaveTheirOwnTiers(t *testing.T) {
	m := open(t)
	for _, arch := range []string{X86, ARM} {
		u := use(t, "2026-11-01 12:00")
		u.Arch, u.MemoryMB, u.BilledMS = arch, 1024, 1000
		many(t, m, u, 6_000_000_000)
	}
	b := bill(t, m, "2026-11-01", "2026-12-01", false)
	equal(t, "both in tier 1", b.Lines[0].Cost.Duration, "180000.6") // 100,000.2 + 80,000.4
}

func TestFreeTierIsAMonthsOverAllFunctions(t *testing.T) {
	m := open(t)
	u := use(t, "2026-11-01 12:00")
	u.MemoryMB, u.BilledMS = 1024, 500 // half a GB-s
	many(t, m, u, 600_000)
	u.Function, u.At = hello+"-2", at(t, "2026-11-02 12:00")
	many(t, m, u, 600_000)
	u.At = at(t, "2026-12-02 12:00")
	many(t, m, u, 100)
	b := bill(t, m, "2026-11-01", "2027-01-01", true)
	type credit struct {
		day      string
		requests int64
		gbs      string
	}
	var got []credit
	for _, k := range b.Credits {
		got = append(got, credit{k.Day, k.Requests, k.GBSeconds.String()})
	}
	want := []credit{{"2026-11-01", 600_000, "300000"}, {"2026-11-02", 400_000, "100000"}, {"2026-12-02", 100, "50"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("credits %v, want %v", got, want)
	}
	equal(t, "the total", b.Total, "3.37334") // 200,000 x 0.0000166667 + 200,000 requests
	equal(t, "December", bill(t, m, "2026-12-01", "2027-01-01", true).Total, "0")
	equal(t, "2 November", bill(t, m, "2026-11-02", "2026-11-03", true).Total, "3.37334")
}

func TestProvisioned(t *testing.T) {
	m := open(t)
	ctx := context.Background()
	a := Allocation{Function: hello, Version: "live", Arch: X86, MemoryMB: 1024, Sandboxes: 2,
		Since: at(t, "2026-11-10 23:50"), Until: at(t, "2026-11-10 23:51")}
	for range 2 { // telling again counts nothing twice
		if err := m.AddProvisioned(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	b := bill(t, m, "2026-11-01", "2026-12-01", true)
	equal(t, "one minute is five", b.Lines[0].ProvisionedGBSeconds, "600")

	a.Until = at(t, "2026-11-11 00:11") // 21 minutes are 25: 10 on the first day
	if err := m.AddProvisioned(ctx, a); err != nil {
		t.Fatal(err)
	}
	earlier := a
	earlier.Until = at(t, "2026-11-10 23:52")
	if err := m.AddProvisioned(ctx, earlier); err != nil {
		t.Fatal(err)
	}
	b = bill(t, m, "2026-11-01", "2026-12-01", true)
	equal(t, "the first day", b.Lines[0].ProvisionedGBSeconds, "1200")
	equal(t, "the second day", b.Lines[1].ProvisionedGBSeconds, "1800")
	equal(t, "the total", b.Total, "0.0125001") // 3,000 x 0.0000041667
	equal(t, "the second day alone", bill(t, m, "2026-11-11", "2026-11-12", true).Total, "0.00750006")
}

func TestProvisionedRoundingReachesTheNextDay(t *testing.T) {
	m := open(t)
	a := Allocation{Function: hello, Version: "1", Arch: ARM, MemoryMB: 1024, Sandboxes: 1,
		Since: at(t, "2026-11-10 23:57"), Until: at(t, "2026-11-10 23:58")}
	if err := m.AddProvisioned(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	b := bill(t, m, "2026-11-11", "2026-11-12", false)
	if len(b.Lines) != 1 {
		t.Fatalf("lines %v, want the two minutes after midnight", b.Lines)
	}
	equal(t, "after midnight", b.Lines[0].ProvisionedGBSeconds, "120")
}

func TestAddProvisionedRefusesNonsense(t *testing.T) {
	m := open(t)
	good := Allocation{Function: hello, Version: "1", Arch: ARM, MemoryMB: 128, Sandboxes: 1,
		Since: at(t, "2026-11-10 12:00"), Until: at(t, "2026-11-10 12:00")}
	for name, spoil := range map[string]func(*Allocation){
		"function":  func(a *Allocation) { a.Function = "" },
		"until":     func(a *Allocation) { a.Until = a.Since.Add(-1) },
		"arch":      func(a *Allocation) { a.Arch = "" },
		"sandboxes": func(a *Allocation) { a.Sandboxes = 0 },
	} {
		a := good
		spoil(&a)
		if err := m.AddProvisioned(context.Background(), a); err == nil {
			t.Errorf("an allocation without sense in its %s is taken", name)
		}
	}
	if err := m.AddProvisioned(context.Background(), good); err != nil {
		t.Error(err)
	}
}

// The days of any use add up to the whole, whatever the tiers and the free tier
// do, and so do the lines to the total.
func TestDaysAddUp(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := open(t)
		randomUse(t, m, r)
		free := seed%2 == 0
		all := bill(t, m, "2026-10-25", "2026-12-05", free)
		var days, lines Amount
		for d := "2026-10-25"; d < "2026-12-05"; d = nextDay(t, d) {
			days = days.Plus(bill(t, m, d, nextDay(t, d), free).Total)
		}
		for _, l := range all.Lines {
			lines = lines.Plus(l.Cost.Total)
		}
		for _, k := range all.Credits {
			lines = lines.Minus(k.Amount)
		}
		if !days.Equal(all.Total) || !lines.Equal(all.Total) {
			t.Errorf("seed %d: the days make %s, the lines %s, the total is %s", seed, days, lines, all.Total)
		}
		if all.Total.Sign() <= 0 {
			t.Errorf("seed %d: the total is %s", seed, all.Total)
		}
	}
}

func randomUse(t *testing.T, m *Meter, r *rand.Rand) {
	for range 60 {
		u := use(t, "2026-10-20 00:00")
		u.At = u.At.Add(time.Duration(r.Int64N(int64(50 * 24 * time.Hour))))
		u.Function += string(rune('a' + r.IntN(3)))
		u.Arch = []string{X86, ARM}[r.IntN(2)]
		u.MemoryMB, u.TmpMB, u.BilledMS = 128+r.IntN(10_000), r.IntN(10_000), r.Int64N(900_000)
		u.Provisioned = r.IntN(4) == 0
		many(t, m, u, 1+r.Int64N(10_000_000))
	}
	for range 10 {
		since := at(t, "2026-10-20 00:00").Add(time.Duration(r.Int64N(int64(50 * 24 * time.Hour))))
		a := Allocation{Function: hello, Version: "1", Arch: X86, MemoryMB: 128 + r.IntN(999), Sandboxes: 1 + r.IntN(5),
			Since: since, Until: since.Add(time.Duration(r.Int64N(int64(100 * time.Hour))))}
		if err := m.AddProvisioned(context.Background(), a); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBillInJSON(t *testing.T) {
	m := open(t)
	u := use(t, "2026-11-10 12:00")
	many(t, m, u, 123)
	b := bill(t, m, "2026-11-01", "2026-12-01", true)
	j, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(j, []byte(`"gb_seconds":"1.5375"`)) {
		t.Errorf("the GB-seconds are not exact in %s", j)
	}
	var back Bill
	if err := json.Unmarshal(j, &back); err != nil {
		t.Fatal(err)
	}
	var one, two strings.Builder
	if err := b.Text(&one); err != nil {
		t.Fatal(err)
	}
	if err := back.Text(&two); err != nil {
		t.Fatal(err)
	}
	if one.String() != two.String() {
		t.Errorf("the bill reads\n%s\nand after JSON\n%s", &one, &two)
	}
	empty, err := json.Marshal(bill(t, m, "2026-01-01", "2026-02-01", true))
	if err != nil || !bytes.Contains(empty, []byte(`"lines":[]`)) {
		t.Errorf("an empty bill is %s, %v", empty, err)
	}
}

func TestBillRefusesAnEmptyTime(t *testing.T) {
	m := open(t)
	from := at(t, "2026-11-02 00:00")
	for _, to := range []time.Time{from, from.AddDate(0, 0, -1)} {
		if _, err := m.Bill(context.Background(), from, to, false); err == nil {
			t.Errorf("a bill from %v to %v is made", from, to)
		}
	}
	b, err := m.Bill(context.Background(), from.Add(time.Hour), from.Add(2*time.Hour), false)
	if err != nil || b.From != "2026-11-02" || b.To != "2026-11-03" {
		t.Errorf("a bill of an hour is %v, %v; want its day", b, err)
	}
}

// The queries mean the same on the database that has been reopened.
func TestUsageOutlivesTheMeter(t *testing.T) {
	m := open(t)
	add(t, m, use(t, "2026-11-10 12:00"))
	again := reopen(t, m.db, m.dir)
	if b := bill(t, again, "2026-11-10", "2026-11-11", false); len(b.Lines) != 1 {
		t.Errorf("the lines are %v", b.Lines)
	}
}
