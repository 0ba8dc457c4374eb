package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func sample() *Report {
	m := func(name string, p50, rate float64) Measure {
		return Measure{Name: name, N: 10, P50: Estimate{p50, p50, p50}, P99: Estimate{2 * p50, p50, 3 * p50}, PerSec: Estimate{rate, rate, rate}}
	}
	r := &Report{Machine: "a machine", Skipped: []string{"a rival: not here"}, Rows: []Row{
		{ID: "cold/python", Ours: m("py", 3, 0), Rivals: []Measure{m("bare", 10, 0)}, Facts: []Fact{{"init", 1.5, "ms"}}},
		{ID: "warm/python/1", Ours: m("py x1", 3, 900), Rivals: []Measure{m("plain x1", 1, 4000), m("slower x1", 2, 2000), m("serverless-offline x1", 9, 200)}},
		{ID: "warm/python/32", Ours: m("py x32", 3, 6000), Rivals: []Measure{m("plain x32", 1, 9000), m("serverless-offline x32", 9, 2000)}},
		{ID: "memory/python", Facts: []Fact{{"sandboxes in one GiB", 700, ""}}},
	}}
	r.Verdicts = verdicts(r)
	return r
}

func TestVerdicts(t *testing.T) {
	want := map[string]bool{
		"cold python at most 0.35 of the bare start":                     true,
		"warm python, one caller, p50 at most 2 times that of plain":     false,
		"warm python, one caller, p50 at most 2 times that of slower":    true,
		"warm python, 32 callers, above 5000/s":                          true,
		"warm python, 32 callers, at least 2.5 times serverless-offline": true,
		"at least 600 idle python sandboxes in one GiB":                  true,
	}
	got := sample().Verdicts
	for _, v := range got {
		passed, ok := want[v.Promise]
		if !ok || passed != v.Passed {
			t.Errorf("%s", v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d verdicts, want %d: what was not measured is not judged", len(got), len(want))
	}
}

// TestVerdictsWithoutRivals: what could not be compared is not judged.
func TestVerdictsWithoutRivals(t *testing.T) {
	r := &Report{}
	for _, id := range []string{"cold/python", "warm/python/1", "zipf/python", "events/enqueue"} {
		r.Rows = append(r.Rows, Row{ID: id})
	}
	if v := verdicts(r); len(v) != 0 {
		t.Errorf("judged all the same: %v", v)
	}
}

// TestBurstOfFunctionsIsNotJudged: the bound is for callers of one function.
func TestBurstOfFunctionsIsNotJudged(t *testing.T) {
	r := &Report{Rows: []Row{{ID: "burst/functions/go", Facts: []Fact{{"bound: 100 single cold starts on all processors", 1, "ms"}}}}}
	if v := verdicts(r); len(v) != 0 {
		t.Errorf("judged: %v", v)
	}
}

func TestBurstNeedsEverybodyInTime(t *testing.T) {
	for _, test := range []struct {
		slowest, p99 float64
		passed       bool
	}{{90, 90, true}, {110, 90, false}, {90, 110, false}} {
		r := &Report{Rows: []Row{{ID: "burst/callers/go", Ours: Measure{P99: Estimate{Value: test.p99}},
			Facts: []Fact{{"bound: 100 single cold starts on all processors", 100, "ms"}, {"all answered, slowest burst", test.slowest, "ms"}}}}}
		if v := verdicts(r); len(v) != 1 || v[0].Passed != test.passed {
			t.Errorf("slowest %v, p99 %v: %v", test.slowest, test.p99, v)
		}
	}
}

func TestReportIsReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out", "r.json")
	if err := sample().write(path); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := renderFile(&again, path); err != nil {
		t.Fatal(err)
	}
	var first bytes.Buffer
	if err := sample().render(&first); err != nil {
		t.Fatal(err)
	}
	if first.String() != again.String() {
		t.Error("the page of a report and of its file differ")
	}
	for _, want := range []string{"The run below: a machine.", "- PASS  cold python", "- FAIL  warm python, one caller", "- skipped: a rival: not here",
		"| **py** | 10 | 3 (3-3) | 6 (3-9) |", "| bare | 10 | 10 (10-10) | 20 (10-30) |  |  | p50 x0.30 |", "| py | init | 1.50 ms |", "rate x3.00", notMeasured} {
		if !strings.Contains(first.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(scenarios()) {
		t.Errorf("choose nothing: %d, %v", len(all), err)
	}
	some, err := choose("warm, cold")
	if err != nil || len(some) != 2 || some[0].name != "cold" {
		t.Errorf("choose two: %v, %v", some, err)
	}
	if _, err := choose("cold,tepid"); err == nil || !strings.Contains(err.Error(), "tepid") {
		t.Errorf("choose what is not there: %v", err)
	}
}

func TestReported(t *testing.T) {
	log := "START\nREPORT RequestId: old\tDuration: 1.00 ms\nlog says Duration: 9.00 ms\nREPORT RequestId: r-1\tDuration: 2.35 ms\tBilled Duration: 103 ms\tMemory Size: 256 MB\tMax Memory Used: 36 MB\tInit Duration: 100.50 ms\t\n"
	if d, i := reported(log, "Duration"), reported(log, "Init Duration"); d != 2.35 || i != 100.5 {
		t.Errorf("duration %v, init %v", d, i)
	}
	if d := reported("nothing", "Duration"); d != 0 {
		t.Errorf("of nothing: %v", d)
	}
}

func TestEvent(t *testing.T) {
	for _, size := range []int{15, 40, 1024} {
		a, b := event(nil, 1, 2, size), event(nil, 1, 3, size)
		if len(a) != size || a[0] != '"' || a[size-1] != '"' || bytes.Equal(a, b) {
			t.Errorf("of %d bytes: %s and %s", size, a, b)
		}
	}
}
