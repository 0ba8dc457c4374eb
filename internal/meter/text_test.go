package meter

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	m := open(t)
	u := use(t, "2026-11-03 12:00")
	u.MemoryMB, u.BilledMS = 1536, 120
	many(t, m, u, 3_000_000)
	u.At = at(t, "2026-11-04 12:00")
	many(t, m, u, 1234)
	u.Function = "arn:aws:lambda:us-east-1:000000000000:function:thumbnails"
	u.Arch, u.BilledMS, u.TmpMB = ARM, 2345, 2048
	many(t, m, u, 42)
	a := Allocation{Function: u.Function, Version: "live", Arch: ARM, MemoryMB: 512, Sandboxes: 3,
		Since: at(t, "2026-11-04 12:00"), Until: at(t, "2026-11-04 13:03")}
	if err := m.AddProvisioned(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if err := bill(t, m, "2026-11-01", "2026-12-01", true).Text(&got); err != nil {
		t.Fatal(err)
	}
	const want = `Usage from 2026-11-01 to 2026-11-30 (UTC)
Prices of us-east-1 in USD, published 2026-11-23

FUNCTION    DAY          REQUESTS         BILLED   GB-SECONDS       COST
hello       2026-11-03  3,000,000  360,000.000 s  540,000.000  $9.600018
            2026-11-04      1,234      148.080 s      222.120  $0.003949
            all days    3,001,234  360,148.080 s  540,222.120  $9.603967
thumbnails  2026-11-04         42       98.490 s      147.735  $0.021483

Requests                                   3,001,276 requests   $0.600255
Duration                                     540,369.855 GB-s   $9.005690
Ephemeral storage                                147.735 GB-s   $0.000005
Provisioned concurrency                        5,850.000 GB-s   $0.019500
Free tier, 2026-11       1,000,000 requests, 400,000.000 GB-s  -$6.866680
Total                                                           $2.758770

To pay: $2.76
`
	if got.String() != want {
		t.Errorf("the bill reads\n%s\nwant\n%s", &got, want)
	}
}

func TestTextOfNothing(t *testing.T) {
	var got strings.Builder
	if err := bill(t, open(t), "2026-11-01", "2026-11-02", false).Text(&got); err != nil {
		t.Fatal(err)
	}
	want := "Usage from 2026-11-01 to 2026-11-01 (UTC)\nPrices of us-east-1 in USD, published 2026-11-23\n\nNo function ran in these days.\n"
	if got.String() != want {
		t.Errorf("the bill reads\n%s\nwant\n%s", &got, want)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestTextTellsOfABrokenWriter(t *testing.T) {
	if err := (&Bill{}).Text(brokenWriter{}); !errors.Is(err, errBroken) {
		t.Errorf("Text answers %v", err)
	}
}
