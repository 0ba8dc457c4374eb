package clock

import (
	"errors"
	"testing"
	"time"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	got, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// due are expressions and the times that they are due after a time. Those with
// a remark are of AWS's documentation.
var due = []struct {
	expression, zone, after string
	want                    []string
}{
	// eb-scheduled-rule-pattern.html
	{"cron(0 10 * * ? *)", "", "2026-11-23T09:59:59Z", []string{"2026-11-23T10:00:00Z", "2026-11-24T10:00:00Z"}},
	{"cron(15 12 * * ? *)", "", "2026-11-23T12:15:00Z", []string{"2026-11-24T12:15:00Z"}},
	{"cron(0 18 ? * MON-FRI *)", "", "2026-11-27T18:00:00Z", []string{"2026-11-30T18:00:00Z", "2026-12-01T18:00:00Z"}},
	{"cron(0 8 1 * ? *)", "", "2026-11-23T00:00:00Z", []string{"2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z"}},
	{"cron(0/15 * * * ? *)", "", "2026-11-23T10:50:00Z", []string{"2026-11-23T11:00:00Z", "2026-11-23T11:15:00Z"}},
	{"cron(0/10 * ? * MON-FRI *)", "", "2026-11-27T23:50:00Z", []string{"2026-11-30T00:00:00Z"}},
	{"cron(0/5 8-17 ? * MON-FRI *)", "", "2026-11-27T17:55:00Z", []string{"2026-11-30T08:00:00Z", "2026-11-30T08:05:00Z"}},
	{"cron(0/30 20-2 ? * MON-FRI *)", "", "2026-11-23T02:30:00Z", []string{"2026-11-23T20:00:00Z"}},
	{"cron(0 10 ? * 6L 2022-2023)", "", "2022-12-01T00:00:00Z", []string{"2022-12-30T10:00:00Z", "2023-01-27T10:00:00Z"}}, // Scheduler: last Friday
	{"cron(0 10 ? * 6L 2022-2023)", "", "2023-12-29T10:00:00Z", nil},
	{"cron(15 10 ? * 6L 2019-2022)", "", "2022-12-01T00:00:00Z", []string{"2022-12-30T10:15:00Z"}},
	{"rate(5 minutes)", "", "2026-11-23T00:00:00Z", []string{"2026-11-23T00:05:00Z", "2026-11-23T00:10:00Z"}},
	{"rate(1 hour)", "", "2026-11-23T00:30:00Z", []string{"2026-11-23T01:00:00Z"}},
	{"rate(1 day)", "", "2026-11-23T00:00:00Z", []string{"2026-11-24T00:00:00Z"}},

	{"cron(* * * * ? *)", "", "2026-11-23T00:00:30Z", []string{"2026-11-23T00:01:00Z", "2026-11-23T00:02:00Z"}},
	{"cron(1/10 * * * ? *)", "", "2026-11-23T00:51:00Z", []string{"2026-11-23T01:01:00Z", "2026-11-23T01:11:00Z"}},
	{"cron(5,35 14 * * ? *)", "", "2026-11-23T14:05:00Z", []string{"2026-11-23T14:35:00Z", "2026-11-24T14:05:00Z"}},
	{"cron(0 0 ? JAN,FEB,MAR MON *)", "", "2026-03-30T00:00:00Z", []string{"2027-01-04T00:00:00Z"}},
	{"cron(0 0 1-15/5 * ? *)", "", "2026-11-06T00:00:00Z", []string{"2026-11-11T00:00:00Z", "2026-12-01T00:00:00Z"}},
	{"cron(0 0 ? * 1 *)", "", "2026-11-23T00:00:00Z", []string{"2026-11-29T00:00:00Z"}},                                                  // 1 is Sunday
	{"cron(0 0 ? * 7 *)", "", "2026-11-23T00:00:00Z", []string{"2026-11-28T00:00:00Z"}},                                                  // 7 is Saturday
	{"cron(0 0 ? * L *)", "", "2026-11-23T00:00:00Z", []string{"2026-11-28T00:00:00Z"}},                                                  // the week's last
	{"cron(0 0 ? * FRI-MON *)", "", "2026-11-23T00:00:00Z", []string{"2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"}},                    // over the week's end
	{"cron(0 0 ? * fri *)", "", "2026-11-23T00:00:00Z", []string{"2026-11-27T00:00:00Z"}},                                                // small letters
	{"cron(0 0 ? * 3#2 *)", "", "2026-11-23T00:00:00Z", []string{"2026-12-08T00:00:00Z", "2027-01-12T00:00:00Z"}},                        // second Tuesday
	{"cron(0 0 ? * MON#5 *)", "", "2026-11-30T00:00:00Z", []string{"2027-03-29T00:00:00Z"}},                                              // few months have five
	{"cron(0 0 L * ? *)", "", "2026-11-23T00:00:00Z", []string{"2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z"}},                          // last day
	{"cron(0 0 L 2 ? *)", "", "2027-01-01T00:00:00Z", []string{"2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z"}},                          // in a leap year
	{"cron(0 0 L-2 * ? *)", "", "2026-11-23T00:00:00Z", []string{"2026-11-28T00:00:00Z"}},                                                // third-last
	{"cron(0 0 LW * ? *)", "", "2026-10-01T00:00:00Z", []string{"2026-10-30T00:00:00Z", "2026-11-30T00:00:00Z"}},                         // October ends on a Saturday
	{"cron(0 0 3W * ? *)", "", "2026-10-01T00:00:00Z", []string{"2026-10-02T00:00:00Z", "2026-11-03T00:00:00Z"}},                         // the 3rd is a Saturday
	{"cron(0 0 1W * ? *)", "", "2026-07-31T00:00:00Z", []string{"2026-08-03T00:00:00Z", "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"}}, // not into July
	{"cron(0 0 31W * ? *)", "", "2027-01-01T00:00:00Z", []string{"2027-01-29T00:00:00Z", "2027-03-31T00:00:00Z"}},                        // not into February
	{"cron(0 0 29 2 ? *)", "", "2026-11-23T00:00:00Z", []string{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
	{"cron(0 0 29 2 ? *)", "", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}}, // 2100 is no leap year
	{"cron(0 0 30 2 ? *)", "", "2026-11-23T00:00:00Z", nil},
	{"cron(0 0 31 * ? *)", "", "2026-11-23T00:00:00Z", []string{"2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z", "2027-03-31T00:00:00Z"}},
	{"cron(0 0 1 1 ? 2030)", "", "2026-11-23T00:00:00Z", []string{"2030-01-01T00:00:00Z"}},
	{"cron(0 0 1 1 ? 2026/2)", "", "2026-11-23T00:00:00Z", []string{"2028-01-01T00:00:00Z", "2030-01-01T00:00:00Z"}},
	{"cron(0 0 1 1 ? 1970)", "", "2026-11-23T00:00:00Z", nil},
	{"cron(59 23 31 12 ? 2199)", "", "2026-11-23T00:00:00Z", []string{"2199-12-31T23:59:00Z"}},

	// Time zones and daylight saving: schedule-types.html
	{"cron(0 9 * * ? *)", "Europe/Berlin", "2026-07-01T00:00:00Z", []string{"2026-07-01T07:00:00Z"}},
	{"cron(0 9 * * ? *)", "Europe/Berlin", "2026-12-01T00:00:00Z", []string{"2026-12-01T08:00:00Z"}},
	{"cron(0 9 * * ? *)", "Asia/Kolkata", "2026-12-01T00:00:00Z", []string{"2026-12-01T03:30:00Z"}},
	// Spring forward: 02:30 does not exist on March 8th, and is skipped.
	{"cron(30 2 * * ? *)", "America/New_York", "2026-03-07T00:00:00Z", []string{"2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"}},
	{"cron(0/30 * * * ? *)", "America/New_York", "2026-03-08T06:00:00Z", []string{"2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z"}},
	// Fall back: 01:30 comes twice on November 1st, and is due once.
	{"cron(30 1 * * ? *)", "America/New_York", "2026-10-31T12:00:00Z", []string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
	{"cron(0/30 1 * * ? *)", "America/New_York", "2026-11-01T05:10:00Z", []string{"2026-11-01T05:30:00Z", "2026-11-02T06:00:00Z"}},
	{"cron(0 0/1 * * ? *)", "America/New_York", "2026-11-01T04:30:00Z", []string{"2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z"}},
	{"cron(45 1 * * ? *)", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}}, // half an hour
	{"cron(0 0 * * ? *)", "America/Sao_Paulo", "2018-11-03T00:00:00Z", []string{"2018-11-03T03:00:00Z", "2018-11-05T02:00:00Z"}},    // midnight is skipped
	// A day of a rate is 24 hours whatever the clocks do.
	{"rate(1 day)", "America/New_York", "2026-03-07T12:00:00Z", []string{"2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z"}},

	{"at(2022-11-20T13:00:00)", "", "2022-01-01T00:00:00Z", []string{"2022-11-20T13:00:00Z"}},
	{"at(2022-11-20T13:00:00)", "America/New_York", "2022-01-01T00:00:00Z", []string{"2022-11-20T18:00:00Z"}},
	{"at(2022-11-20T13:00:00)", "", "2022-11-20T13:00:00Z", nil},
	{"at(2026-11-01T01:30:00)", "America/New_York", "2026-01-01T00:00:00Z", []string{"2026-11-01T05:30:00Z"}}, // the first of two
	{"at(2026-03-08T02:30:00)", "America/New_York", "2026-01-01T00:00:00Z", []string{"2026-03-08T07:30:00Z"}}, // does not exist: not lost
	{"at(2028-02-29T23:59:59)", "", "2026-01-01T00:00:00Z", []string{"2028-02-29T23:59:59Z"}},
}

func TestNext(t *testing.T) {
	for _, d := range due {
		e, err := Parse(Scheduler, d.expression)
		if err != nil {
			t.Errorf("%s: %v", d.expression, err)
			continue
		}
		zone, err := time.LoadLocation(d.zone)
		if err != nil {
			t.Fatal(err)
		}
		e = e.In(zone).From(at(t, "2026-01-01T00:00:00Z"))
		after := at(t, d.after)
		for _, want := range d.want {
			got, ok := e.Next(after)
			if !ok || !got.Equal(at(t, want)) {
				t.Errorf("%s in %q after %s: %v %v, want %s", d.expression, d.zone, after.Format(time.RFC3339), got.UTC(), ok, want)
				break
			}
			after = got
		}
		if got, ok := e.Next(after); d.want == nil && ok {
			t.Errorf("%s after %s: %v, want never", d.expression, d.after, got)
		}
	}
}

func TestRateBegins(t *testing.T) {
	e, err := Parse(Scheduler, "rate(10 minutes)")
	if err != nil {
		t.Fatal(err)
	}
	start := at(t, "2026-11-23T10:03:07Z")
	e = e.From(start)
	if got, _ := e.Next(start.Add(-time.Hour)); !got.Equal(start) {
		t.Errorf("before its begin: %v", got)
	}
	if got, _ := e.Next(start); !got.Equal(start.Add(10 * time.Minute)) {
		t.Errorf("at its begin: %v", got)
	}
	if got, _ := e.Next(start.Add(25 * time.Minute)); !got.Equal(start.Add(30 * time.Minute)) {
		t.Errorf("later: %v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "cron", "cron()", "cron(", "rate()", "at()", "every(5 minutes)", " rate(10 minutes)", "rate(10 minutes) ", "RATE(1 minute)",
		"rate(10)", "rate(10 seconds)", "rate(10 years)", "rate(10 minutess)", "rate(foo minutes)", "rate(-10 minutes)", "rate(+10 minutes)",
		"rate( 10 minutes )", "rate(0 minutes)", "rate(1.5 hours)", "rate(10  minutes)", "rate(999999999999999999999 days)", "rate(2147483647 days)",
		"cron(0 1 * * * *)", "cron(0 1 ? * ? *)", "cron(7 20 * * NOT *)", "cron(INVALID)", "cron(0 dummy ? * MON-FRI *)", "cron(71 8 1 * ? *)",
		"cron(0 1 * * ?)", "cron(0 1 * * ? * *)", "cron(0 24 * * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 1 13 ? *)",
		"cron(0 0 1 0 ? *)", "cron(0 0 ? * 0 *)", "cron(0 0 ? * 8 *)", "cron(0 0 1 1 ? 1969)", "cron(0 0 1 1 ? 2200)", "cron(? 0 1 1 ? *)",
		"cron(0 0 1 ? * *)", "cron(*/0 * * * ? *)", "cron(0/60 * * * ? *)", "cron(1- * * * ? *)", "cron(-1 * * * ? *)", "cron(1,,2 * * * ? *)",
		"cron(L * * * ? *)", "cron(0 0 W * ? *)", "cron(0 0 32W * ? *)", "cron(0 0 L-31 * ? *)", "cron(0 0 LX * ? *)", "cron(0 0 ? * 3#6 *)",
		"cron(0 0 ? * 3#0 *)", "cron(0 0 ? * 3#1,6#3 *)", "cron(0 0 ? * #1 *)", "cron(0 0 ? * 9L *)", "cron(0 0 ? * 3W *)", "cron(0 0 1 FOO ? *)",
		"at(2021-12-31T23:59:59Z)", "at(2021-12-31)", "at(2021-02-29T00:00:00)", "at(2021-12-31T24:00:00)", "at(2021-12-31T23:59:60)",
		"at(2021-12-31 23:59:59)", "at(2021-12-31T23:59:59.5)", "at(2021-12-31T3:59:59)",
	} {
		if _, err := Parse(Scheduler, s); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q is taken: %v", s, err)
		}
	}
}

// TestRules: EventBridge's rules hold a rate to grammar, and know no at.
func TestRules(t *testing.T) {
	for s, ok := range map[string]bool{
		"rate(1 minute)": true, "rate(2 minutes)": true, "rate(1 minutes)": false, "rate(2 minute)": false, "rate(5 hour)": false,
		"rate(1 day)": true, "cron(0 10 * * ? *)": true, "at(2021-12-31T23:59:59)": false,
	} {
		if _, err := Parse(Rules, s); (err == nil) != ok {
			t.Errorf("%s: %v", s, err)
		}
	}
	if _, err := Parse(Scheduler, "rate(1 minutes)"); err != nil {
		t.Errorf("the scheduler takes either: %v", err)
	}
}

// FuzzNext: whatever is taken is due in order, strictly later, and at most once
// a minute.
func FuzzNext(f *testing.F) {
	for _, d := range due {
		f.Add(d.expression, at(f, d.after).Unix(), len(d.zone) > 0)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string, unix int64, away bool) {
		e, err := Parse(Scheduler, s)
		if err != nil {
			return
		}
		if away {
			e = e.In(berlin)
		}
		after := time.Unix(unix%(1<<33), 0)
		e = e.From(time.Unix(0, 0))
		for range 5 {
			next, ok := e.Next(after)
			if !ok {
				return
			}
			if !next.After(after) {
				t.Fatalf("%s after %v: %v", s, after, next)
			}
			if e.cron != nil && (next.Second() != 0 || next.Nanosecond() != 0) {
				t.Fatalf("%s: %v is no whole minute", s, next)
			}
			after = next
		}
	})
}
