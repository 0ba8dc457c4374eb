package meter

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mayfly-faas/mayfly/internal/arn"
)

// Text prints the bill for a person: for each function its days and their sum,
// then what the total is made of. Costs are rounded to a millionth, GB-seconds
// to a thousandth, the total to a cent. The error is w's.
func (b *Bill) Text(w io.Writer) error {
	p := &page{symbol: symbol(b.Currency)}
	fmt.Fprintf(&p.out, "Usage from %s to %s (UTC)\n", b.From, lastDay(b.To))
	fmt.Fprintf(&p.out, "Prices of %s in %s, published %s\n\n", b.Region, b.Currency, b.Prices)
	if len(b.Lines) == 0 {
		p.out.WriteString("No function ran in these days.\n")
	} else {
		p.functions(b.Lines)
		p.summary(b)
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

// lastDay answers the day before day.
func lastDay(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.AddDate(0, 0, -1).Format(time.DateOnly)
}

// A page collects the text of a bill.
type page struct {
	out    strings.Builder
	symbol string
}

func symbol(currency string) string {
	if currency == "USD" {
		return "$"
	}
	return currency + " "
}

func (p *page) money(a Amount) string {
	s := grouped(a.Round(6))
	sign, s := cut(s, "-")
	return sign + p.symbol + s
}

// functions prints the lines: a function's days under each other, then their
// sum if there is more than one.
func (p *page) functions(lines []Line) {
	t := [][]string{{"FUNCTION", "DAY", "REQUESTS", "BILLED", "GB-SECONDS", "COST"}}
	for len(lines) > 0 {
		n := 1
		for n < len(lines) && lines[n].Function == lines[0].Function {
			n++
		}
		name := functionName(lines[0].Function)
		for i, l := range lines[:n] {
			if i > 0 {
				name = ""
			}
			t = append(t, p.cells(name, l.Day, l))
		}
		if n > 1 {
			t = append(t, p.cells("", "all days", added(lines[:n])))
		}
		lines = lines[n:]
	}
	p.table(t, 2)
	p.out.WriteByte('\n')
}

func (p *page) cells(name, day string, l Line) []string {
	return []string{name, day, number(l.Requests), seconds(l.BilledMS), grouped(l.GBSeconds.Round(3)), p.money(l.Cost.Total)}
}

// summary prints what the total is made of, without what costs nothing.
func (p *page) summary(b *Bill) {
	all := added(b.Lines)
	t := [][]string{
		{"Requests", number(all.Requests) + " requests", p.money(all.Cost.Requests)},
		{"Duration", grouped(all.GBSeconds.Round(3)) + " GB-s", p.money(all.Cost.Duration)},
	}
	if all.StorageGBSeconds.Sign() > 0 {
		t = append(t, []string{"Ephemeral storage", grouped(all.StorageGBSeconds.Round(3)) + " GB-s", p.money(all.Cost.Storage)})
	}
	if all.ProvisionedGBSeconds.Sign() > 0 {
		t = append(t, []string{"Provisioned concurrency", grouped(all.ProvisionedGBSeconds.Round(3)) + " GB-s", p.money(all.Cost.Provisioned)})
	}
	t = append(t, p.credits(b.Credits)...)
	t = append(t, []string{"Total", "", p.money(b.Total)})
	p.table(t, 1)
	fmt.Fprintf(&p.out, "\nTo pay: %s%s\n", p.symbol, grouped(b.Total.Round(2)))
}

// credits answers the free tier's rows, one for each month.
func (p *page) credits(all []Credit) [][]string {
	var t [][]string
	for len(all) > 0 {
		month := all[0].Day[:len("2026-11")]
		var sum Credit
		for len(all) > 0 && strings.HasPrefix(all[0].Day, month) {
			sum.Requests += all[0].Requests
			sum.GBSeconds = sum.GBSeconds.Plus(all[0].GBSeconds)
			sum.Amount = sum.Amount.Plus(all[0].Amount)
			all = all[1:]
		}
		what := number(sum.Requests) + " requests, " + grouped(sum.GBSeconds.Round(3)) + " GB-s"
		t = append(t, []string{"Free tier, " + month, what, p.money(Amount{}.Minus(sum.Amount))})
	}
	return t
}

// added sums lines up.
func added(lines []Line) (all Line) {
	for _, l := range lines {
		all.Requests += l.Requests
		all.BilledMS += l.BilledMS
		all.GBSeconds = all.GBSeconds.Plus(l.GBSeconds)
		all.StorageGBSeconds = all.StorageGBSeconds.Plus(l.StorageGBSeconds)
		all.ProvisionedGBSeconds = all.ProvisionedGBSeconds.Plus(l.ProvisionedGBSeconds)
		all.Cost.add(l.Cost)
	}
	return all
}

// table prints rows of cells, the first left columns flush left and the others
// flush right, as numbers are.
func (p *page) table(rows [][]string, left int) {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < left {
				line.WriteString(c + pad)
			} else {
				line.WriteString(pad + c)
			}
		}
		p.out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// functionName answers the name in a function's ARN.
func functionName(s string) string {
	a, err := arn.Parse(s)
	if err != nil {
		return s
	}
	return strings.TrimPrefix(a.Resource, "function:")
}

func number(n int64) string { return grouped(strconv.FormatInt(n, 10)) }

func seconds(ms int64) string {
	return grouped(fmt.Sprintf("%d.%03d", ms/1000, ms%1000)) + " s"
}
