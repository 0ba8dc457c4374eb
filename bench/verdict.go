package main

import (
	"fmt"
	"strings"
)

// A Verdict says whether a promise holds in this run.
type Verdict struct {
	Promise string
	Passed  bool
	Figures string
}

func (v Verdict) String() string {
	word := "FAIL"
	if v.Passed {
		word = "PASS"
	}
	return fmt.Sprintf("%s  %s: %s", word, v.Promise, v.Figures)
}

// A judge reads rows; a promise of which the rows are missing is not judged.
type judge struct {
	report   *Report
	verdicts []Verdict
}

// verdicts are of all promises that the report has rows for.
func verdicts(r *Report) []Verdict {
	j := &judge{report: r}
	for _, c := range []struct {
		lang  string
		bound float64
	}{{"python", .35}, {"node", .2}, {"go", 8}} {
		j.cold(c.lang, c.bound)
	}
	for _, lang := range []string{"python", "node", "go"} {
		j.warm(lang)
	}
	for _, lang := range []string{"python", "node", "go"} {
		j.burst("burst/callers/" + lang) // for 100 functions, each cold, there is no bound: see the row's facts
	}
	j.zipf()
	j.memory("python", 600)
	j.memory("node", 120)
	j.events()
	return j.verdicts
}

func (j *judge) say(passed bool, promise, figures string, args ...any) {
	j.verdicts = append(j.verdicts, Verdict{promise, passed, fmt.Sprintf(figures, args...)})
}

// cold: p50 of the whole request beside the bare start to exit.
func (j *judge) cold(lang string, bound float64) {
	row, ok := j.report.row("cold/" + lang)
	if !ok || len(row.Rivals) == 0 {
		return
	}
	ours, bare := row.Ours.P50.Value, row.Rivals[0].P50.Value
	j.say(ours <= bound*bare, fmt.Sprintf("cold %s at most %.2f of the bare start", lang, bound), "%.2f (%.2f ms, bare %.2f ms)", ours/bare, ours, bare)
}

// warm: latency of one caller beside each plain server, throughput at 32 callers,
// and beside serverless-offline.
func (j *judge) warm(lang string) {
	if row, ok := j.report.row("warm/" + lang + "/1"); ok {
		for _, r := range row.Rivals {
			if !isOffline(r) {
				j.latency(lang, row.Ours, r)
			}
		}
	}
	row, ok := j.report.row("warm/" + lang + "/32")
	if !ok {
		return
	}
	rate := row.Ours.PerSec.Value
	j.say(rate > 5000, "warm "+lang+", 32 callers, above 5000/s", "%.0f/s", rate)
	for _, r := range row.Rivals {
		if isOffline(r) {
			j.say(rate >= 2.5*r.PerSec.Value, "warm "+lang+", 32 callers, at least 2.5 times serverless-offline", "%.2f (%.0f/s, %.0f/s)", rate/r.PerSec.Value, rate, r.PerSec.Value)
		}
	}
}

func (j *judge) latency(lang string, ours, plain Measure) {
	p50, floor := ours.P50.Value, plain.P50.Value
	name := plain.Name
	if i := strings.LastIndex(name, " x"); i > 0 { // and how many callers
		name = name[:i]
	}
	j.say(p50 <= 2*floor, "warm "+lang+", one caller, p50 at most 2 times that of "+name, "%.2f (%.3f ms, %.3f ms)", p50/floor, p50, floor)
}

func isOffline(m Measure) bool { return strings.HasPrefix(m.Name, "serverless-offline") }

// burst: everybody is answered within the time that as many single cold starts
// take on all processors.
func (j *judge) burst(id string) {
	row, ok := j.report.row(id)
	if !ok {
		return
	}
	bound, ok := row.fact("bound: 100 single cold starts on all processors")
	if !ok {
		return
	}
	slowest, _ := row.fact("all answered, slowest burst")
	j.say(slowest <= bound && row.Ours.P99.Value <= bound, id+", all answered within 100 single cold starts / processors", "%.0f ms, p99 %.0f ms, bound %.0f ms", slowest, row.Ours.P99.Value, bound)
}

// zipf: many functions keep four fifths of one function's throughput, in four
// fifths of the memory.
func (j *judge) zipf() {
	row, ok := j.report.row("zipf/python")
	if !ok || len(row.Rivals) == 0 {
		return
	}
	ours, one := row.Ours.PerSec.Value, row.Rivals[0].PerSec.Value
	j.say(ours >= .8*one, "Zipf traffic within 20 % of one function's throughput", "%.2f (%.0f/s, %.0f/s)", ours/one, ours, one)
	charge, _ := row.fact("charge of all sandboxes")
	all, _ := row.fact("memory of the machine")
	j.say(charge <= .8*all, "memory under Zipf traffic within the budget", "%.0f of %.0f MiB", charge, .8*all)
}

func (j *judge) memory(lang string, least float64) {
	row, ok := j.report.row("memory/" + lang)
	if !ok {
		return
	}
	n, _ := row.fact("sandboxes in one GiB")
	j.say(n >= least, fmt.Sprintf("at least %.0f idle %s sandboxes in one GiB", least, lang), "%.0f", n)
}

// events: the bounds of what is event driven.
func (j *judge) events() {
	if row, ok := j.report.row("events/latency"); ok {
		j.say(row.Ours.P50.Value < 5, "SendMessage to handler started, p50 under 5 ms", "%.2f ms", row.Ours.P50.Value)
	}
	if row, ok := j.report.row("events/enqueue"); ok && len(row.Rivals) > 0 {
		ours, floor := row.Ours.PerSec.Value, row.Rivals[0].PerSec.Value
		j.say(ours > 20000, "durable enqueue at 64 senders above 20000/s", "%.0f/s, %.2f of a bare log's %.0f/s", ours, ours/floor, floor)
	}
	if row, ok := j.report.row("streams/put"); ok && len(row.Rivals) > 0 {
		records, _ := row.fact("records put")
		j.say(records > 20000, "durable PutRecords of 1 KB records above 20000 records/s", "%.0f/s, %.2f of a bare log's bytes", records, row.Ours.PerSec.Value/row.Rivals[0].PerSec.Value)
	}
	if row, ok := j.report.row("streams/latency"); ok {
		j.say(row.Ours.P50.Value < 10, "PutRecord to handler started, p50 under 10 ms", "%.2f ms", row.Ours.P50.Value)
	}
	if row, ok := j.report.row("events/idle"); ok {
		cpu, _ := row.fact("CPU of the server")
		j.say(cpu < 1, "idle queues with a mapping each at under 1 % CPU", "%.1f %% (%s)", cpu, row.Ours.Name)
	}
}
