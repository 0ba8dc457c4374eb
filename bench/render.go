package main

import (
	"embed"
	"fmt"
	"io"
	"strings"
	"text/template"
)

//go:embed page.md.tmpl
var page embed.FS

// renderFile writes the page of docs that a run's figures make.
func renderFile(w io.Writer, path string) error {
	r, err := readReport(path)
	if err != nil {
		return err
	}
	return r.render(w)
}

func (r *Report) render(w io.Writer) error {
	t, err := template.New("page.md.tmpl").Funcs(template.FuncMap{"table": r.table, "facts": r.facts, "judged": r.judged}).ParseFS(page, "page.md.tmpl")
	if err != nil {
		return err
	}
	return t.Execute(w, r)
}

// rows are those whose id begins with one of the prefixes.
func (r *Report) rows(prefixes []string) []Row {
	var found []Row
	for _, row := range r.Rows {
		for _, p := range prefixes {
			if strings.HasPrefix(row.ID, p) {
				found = append(found, row)
			}
		}
	}
	return found
}

const notMeasured = "Not in this run.\n"

// table has a line for each program of each row, ours in bold type.
func (r *Report) table(prefixes ...string) string {
	rows := r.rows(prefixes)
	if len(rows) == 0 {
		return notMeasured
	}
	var b strings.Builder
	b.WriteString("| | n | p50 ms | p99 ms | per second | CPU us a request | ours / this |\n|---|---|---|---|---|---|---|\n")
	for _, row := range rows {
		tableLine(&b, "**"+row.Ours.Name+"**", row.Ours, "")
		for _, m := range row.Rivals {
			tableLine(&b, m.Name, m, relation(row.Ours, m))
		}
	}
	return b.String()
}

func tableLine(b *strings.Builder, name string, m Measure, relation string) {
	rate, cpu := "", []string{}
	if m.PerSec.Value > 0 {
		rate = fmt.Sprintf("%.0f (%.0f-%.0f)", m.PerSec.Value, m.PerSec.Low, m.PerSec.High)
	}
	for _, f := range m.CPU {
		cpu = append(cpu, fmt.Sprintf("%s %.0f", f.Name, f.Value))
	}
	fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s | %s |\n", name, m.N, m.P50, m.P99, rate, strings.Join(cpu, ", "), relation)
}

func (e Estimate) String() string {
	if e == (Estimate{}) {
		return ""
	}
	return fmt.Sprintf("%.3g (%.3g-%.3g)", e.Value, e.Low, e.High)
}

func relation(ours, rival Measure) string {
	s := strings.TrimPrefix(ratios(ours, rival), "  => ")
	return strings.ReplaceAll(s, "  ", ", ")
}

// facts are the further figures of rows, one line each.
func (r *Report) facts(prefixes ...string) string {
	var b strings.Builder
	for _, row := range r.rows(prefixes) {
		for _, f := range row.Facts {
			if b.Len() == 0 {
				b.WriteString("| | | |\n|---|---|---|\n")
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", row.Ours.Name, f.Name, f)
		}
	}
	if b.Len() == 0 {
		return notMeasured
	}
	return b.String()
}

// judged lists the verdicts.
func (r *Report) judged() string {
	var b strings.Builder
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, "- %s\n", v)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "- skipped: %s\n", s)
	}
	return b.String()
}
