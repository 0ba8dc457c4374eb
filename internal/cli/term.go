package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A color is an ANSI colour's number.
type color string

const (
	red    color = "31"
	green  color = "32"
	yellow color = "33"
	cyan   color = "36"
	bold   color = "1"
	dim    color = "2"
)

// colors tells whether a stream that is a terminal may be coloured.
//
// https://no-color.org
func (p *program) colors(terminal bool) bool {
	return terminal && p.env("NO_COLOR") == "" && p.env("TERM") != "dumb"
}

func (p *program) paint(c color, s string) string    { return paint(p.colors(p.outTerm), c, s) }
func (p *program) paintErr(c color, s string) string { return paint(p.colors(p.errTerm), c, s) }

func paint(on bool, c color, s string) string {
	if !on {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// printJSON prints v for programs: one value, indented for who looks at it.
func (p *program) printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table prints rows under a heading, in columns.
func (p *program) table(heading string, rows [][]string) error {
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(strings.Fields(heading), "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// figures prints rows, the heading first: two columns of words, then numbers,
// which stand below each other.
func (p *program) figures(rows [][]string) error {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], len(cell))
		}
	}
	for _, r := range rows {
		line := fmt.Sprintf("%-*s  %-*s", width[0], r[0], width[1], r[1])
		for i := 2; i < len(r); i++ {
			line += fmt.Sprintf("  %*s", width[i], r[i])
		}
		if _, err := fmt.Fprintln(p.out, line); err != nil {
			return err
		}
	}
	return nil
}

// size is n bytes for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
}

// plural is n things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
