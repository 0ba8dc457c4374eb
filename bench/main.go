// Command bench measures Mayfly beside the bare floor of the same machine, in
// the same run: a cold start beside the interpreter starting, a warm invocation
// beside a plain HTTP server in the same language, called by the same client.
//
//	go run ./bench -mayfly bin/mayfly [-cold 20] [-seconds 3] [-json results.json]
//
// It starts its own server on a folder of its own. Figures are of this machine
// and this run; the ratios are what to compare.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"time"
)

// A Row is one measured thing beside its rival.
type Row struct {
	Name               string  // "cold python3.11 128 MB"
	N                  int     // how many were measured
	P50, P99           float64 // milliseconds
	Low, High          float64 // lowest and highest median of five parts of the run: how steady P50 is
	PerSec             float64 `json:",omitempty"` // throughput, where that is measured
	Rival              string  // "start of python3.11"
	RivalP50, RivalP99 float64
	RivalLow           float64
	RivalHigh          float64
	RivalPerSec        float64 `json:",omitempty"`
}

// newRow makes a row of milliseconds in the order in which they were measured.
func newRow(name string, ours []float64, rival string, theirs []float64) Row {
	r := Row{Name: name, N: len(ours), Rival: rival}
	r.Low, r.High = spread(ours)
	r.RivalLow, r.RivalHigh = spread(theirs)
	r.P50, r.P99 = quantile(ours, .5), quantile(ours, .99)
	r.RivalP50, r.RivalP99 = quantile(theirs, .5), quantile(theirs, .99)
	return r
}

// Ratio is how many times the rival's median, or of its throughput for rows
// that have one, Mayfly takes or reaches.
func (r Row) Ratio() float64 {
	if r.PerSec > 0 {
		return r.PerSec / r.RivalPerSec
	}
	return r.P50 / r.RivalP50
}

func main() {
	bin := flag.String("mayfly", "bin/mayfly", "the program to measure")
	cold := flag.Int("cold", 20, "cold starts for each runtime")
	seconds := flag.Float64("seconds", 3, "length of each throughput measurement")
	tier := flag.String("tier", "auto", "isolation tier")
	out := flag.String("json", "", "also write the rows to this file")
	flag.Parse()
	if err := run(*bin, *tier, *cold, time.Duration(*seconds*float64(time.Second)), *out); err != nil {
		log.Fatal(err)
	}
}

func run(bin, tier string, cold int, length time.Duration, out string) error {
	b, err := newBench(bin, tier)
	if err != nil {
		return err
	}
	defer b.close()
	m := machine(b)
	fmt.Printf("%s\n\n", m)
	var rows []Row
	for _, l := range b.languages() {
		more, err := b.measure(l, cold, length)
		if err != nil {
			return fmt.Errorf("%s: %w", l.runtime, err)
		}
		rows = append(rows, more...)
	}
	if out == "" {
		return nil
	}
	text, err := json.MarshalIndent(map[string]any{"machine": m, "rows": rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o644)
}

// machine says where and on what a run was made.
func machine(b *bench) string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // not on every system
	var health struct{ Tier, Version string }
	if res, err := b.http.Get(b.url + "/_mayfly/health"); err == nil {
		_ = json.NewDecoder(res.Body).Decode(&health) // what it does not say stays empty
		res.Body.Close()
	}
	return fmt.Sprintf("%s, %s/%s %s, %d processors, Mayfly %s, tier %s, %s", time.Now().Format("2006-01-02"), runtime.GOOS, runtime.GOARCH,
		strings.TrimSpace(string(kernel)), runtime.NumCPU(), health.Version, health.Tier, runtime.Version())
}

// print writes one row of the table.
func (r Row) print() {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%-32s n=%-6d p50 %8.2f ms (%.2f-%.2f)  p99 %8.2f ms", r.Name, r.N, r.P50, r.Low, r.High, r.P99)
	if r.PerSec > 0 {
		fmt.Fprintf(&b, "  %8.0f/s", r.PerSec)
	}
	fmt.Fprintf(&b, "   | %-28s p50 %8.2f ms (%.2f-%.2f)  p99 %8.2f ms", r.Rival, r.RivalP50, r.RivalLow, r.RivalHigh, r.RivalP99)
	if r.PerSec > 0 {
		fmt.Fprintf(&b, "  %8.0f/s", r.RivalPerSec)
	}
	fmt.Printf("%s   ratio %.2f\n", b.String(), r.Ratio())
}
