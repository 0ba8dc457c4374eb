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
	"time"
)

// A Row is one measured thing beside its rival.
type Row struct {
	Name               string  // "cold python3.11"
	N                  int     // how many were measured
	P50, P99           float64 // milliseconds
	PerSec             float64 `json:",omitempty"` // throughput, where that is measured
	Rival              string  // "python3 -c pass"
	RivalP50, RivalP99 float64
	RivalPerSec        float64 `json:",omitempty"`
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
	fmt.Printf("%s %s/%s, %d processors, tier %s\n\n", time.Now().Format("2006-01-02"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), tier)
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
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o644)
}

// print writes one row of the table.
func (r Row) print() {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%-32s n=%-6d p50 %8.2f ms  p99 %8.2f ms", r.Name, r.N, r.P50, r.P99)
	if r.PerSec > 0 {
		fmt.Fprintf(&b, "  %8.0f/s", r.PerSec)
	}
	fmt.Fprintf(&b, "   | %-28s p50 %8.2f ms  p99 %8.2f ms", r.Rival, r.RivalP50, r.RivalP99)
	if r.PerSec > 0 {
		fmt.Fprintf(&b, "  %8.0f/s", r.RivalPerSec)
	}
	fmt.Printf("%s   ratio %.2f\n", b.String(), r.Ratio())
}
