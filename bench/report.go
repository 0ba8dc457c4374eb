package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A Fact is one more figure about a row.
type Fact struct {
	Name  string
	Value float64
	Unit  string
}

// A Row is one thing measured beside its rivals, in turn with them.
type Row struct {
	ID     string // "warm/python/32"; how the verdicts find it
	Ours   Measure
	Rivals []Measure `json:",omitempty"`
	Facts  []Fact    `json:",omitempty"`
}

// fact is a fact of the row by its name.
func (r Row) fact(name string) (float64, bool) {
	for _, f := range r.Facts {
		if f.Name == name {
			return f.Value, true
		}
	}
	return 0, false
}

// A Report is one run. Its JSON is what -render reads.
type Report struct {
	Machine  string
	Rows     []Row
	Skipped  []string  // what could not be measured, and why
	Verdicts []Verdict // filled in when the run is over
}

// add keeps a row, and shows it.
func (r *Report) add(w io.Writer, row Row) {
	r.Rows = append(r.Rows, row)
	row.print(w)
}

func (r *Report) skip(w io.Writer, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	r.Skipped = append(r.Skipped, line)
	fmt.Fprintln(w, "skipped:", line)
}

func (r *Report) row(id string) (Row, bool) {
	for _, row := range r.Rows {
		if row.ID == id {
			return row, true
		}
	}
	return Row{}, false
}

// write keeps the report as JSON in path.
func (r *Report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func readReport(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

// print writes the row: a line for each program, ratios to the first, facts below.
func (r Row) print(w io.Writer) {
	fmt.Fprintf(w, "%-28s %s\n", r.ID, r.Ours)
	for _, m := range r.Rivals {
		fmt.Fprintf(w, "%-28s %s%s\n", "", m, ratios(r.Ours, m))
	}
	for _, f := range r.Facts {
		fmt.Fprintf(w, "%-28s   %s: %s\n", "", f.Name, f)
	}
}

func (f Fact) String() string {
	switch v := f.Value; {
	case v == float64(int(v)), v >= 1000:
		return strings.TrimSpace(fmt.Sprintf("%.0f %s", v, f.Unit))
	default:
		return strings.TrimSpace(fmt.Sprintf("%.2f %s", v, f.Unit))
	}
}

func (m Measure) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-36s n=%-6d", m.Name, m.N)
	if m.P50.Value > 0 {
		fmt.Fprintf(&b, " p50 %8.3f ms [%.3f-%.3f]  p99 %8.3f [%.3f-%.3f]", m.P50.Value, m.P50.Low, m.P50.High, m.P99.Value, m.P99.Low, m.P99.High)
	}
	if m.PerSec.Value > 0 {
		fmt.Fprintf(&b, "  %7.0f/s [%.0f-%.0f]", m.PerSec.Value, m.PerSec.Low, m.PerSec.High)
	}
	for i, f := range m.CPU {
		if i == 0 {
			b.WriteString("  cpu us/request:")
		}
		fmt.Fprintf(&b, " %s %.0f", f.Name, f.Value)
	}
	return b.String()
}

// ratios says how many times the rival's median time, and rate, ours is.
func ratios(ours, rival Measure) string {
	var s string
	if rival.P50.Value > 0 {
		s = fmt.Sprintf("  => p50 x%.2f", ours.P50.Value/rival.P50.Value)
	}
	if rival.PerSec.Value > 0 {
		s += fmt.Sprintf("  rate x%.2f", ours.PerSec.Value/rival.PerSec.Value)
	}
	return s
}
