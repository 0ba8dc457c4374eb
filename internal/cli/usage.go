package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// A bill is what the server answers to usage. Amounts are decimal numbers that
// a float would round.
type bill struct {
	From     string       `json:"from"`
	To       string       `json:"to"`
	Currency string       `json:"currency"`
	Region   string       `json:"region"`
	Prices   string       `json:"prices_date"`
	FreeTier bool         `json:"free_tier"`
	Lines    []billLine   `json:"lines"`
	Credits  []billCredit `json:"credits"`
	Total    json.Number  `json:"total"`
}

type billLine struct {
	Function  string      `json:"function"`
	Day       string      `json:"day"`
	Requests  int64       `json:"requests"`
	BilledMS  int64       `json:"billed_ms"`
	GBSeconds json.Number `json:"gb_seconds"`
	Cost      struct {
		Total json.Number `json:"total"`
	} `json:"cost"`
}

type billCredit struct {
	Day    string      `json:"day"`
	Amount json.Number `json:"amount"`
}

func (p *program) usageCommand() *cobra.Command {
	var from, to string
	var free bool
	c := &cobra.Command{
		Use: "usage", Short: "Show what functions used, and what it would cost on AWS", Args: args(0, 0, "no arguments"),
		Long: `Show requests and GB-seconds by function and day, with AWS's published prices (or
those in prices.json in the data folder). Without dates it is this month.`,
		Example: `  mayfly usage
  mayfly usage --from 2026-11-01 --to 2026-12-01 --free-tier
  mayfly usage --json | jq .total`,
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := period(from, to, time.Now().UTC())
			if err != nil {
				return err
			}
			q.Set("free-tier", strconv.FormatBool(free))
			api, err := p.client()
			if err != nil {
				return err
			}
			a, err := api.do(c.Context(), request{service: "mayfly", method: "GET", path: "/_mayfly/usage?" + q.Encode()})
			if err != nil {
				return err
			}
			if p.json {
				return p.printJSON(p.out, json.RawMessage(a.body))
			}
			var b bill
			if err := json.Unmarshal(a.body, &b); err != nil {
				return fail("the answer is not a bill: %v", err).next("is the server of this version? see `mayfly version`")
			}
			return p.printBill(b)
		},
	}
	f := c.Flags()
	f.StringVar(&from, "from", "", "first day (default the first of the month)")
	f.StringVar(&to, "to", "", "the day after the last (default tomorrow)")
	f.BoolVar(&free, "free-tier", false, "take off what AWS gives to every account")
	return c
}

// period reads --from and --to.
func period(from, to string, now time.Time) (url.Values, error) {
	if from == "" {
		from = now.Format("2006-01") + "-01"
	}
	if to == "" {
		to = now.AddDate(0, 0, 1).Format(time.DateOnly)
	}
	first, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return nil, usage("--from %s is not a day", from).next("write it as 2026-11-01")
	}
	end, err := time.Parse(time.DateOnly, to)
	if err != nil {
		return nil, usage("--to %s is not a day", to).next("write it as 2026-12-01")
	}
	if !first.Before(end) {
		return nil, usage("there is no day from %s to before %s", from, to).next("--to is the day after the last")
	}
	return url.Values{"from": {from}, "to": {to}}, nil
}

func (p *program) printBill(b bill) error {
	fmt.Fprintf(p.out, "%s from %s to before %s, %s prices of %s in %s\n\n", p.paint(bold, "Usage"), b.From, b.To, b.Region, b.Prices, b.Currency)
	if len(b.Lines) == 0 {
		fmt.Fprintln(p.out, "Nothing ran in that time.")
		return nil
	}
	return p.figures(billRows(b))
}

// billRows is a bill as a table: its heading, a row for each function and day,
// then the free tier and the sum.
func billRows(b bill) [][]string {
	rows := [][]string{{"FUNCTION", "DAY", "REQUESTS", "BILLED MS", "GB-SECONDS", strings.ToUpper(first(b.Currency, "cost"))}}
	var requests, ms int64
	var seconds float64
	for _, l := range b.Lines {
		name := l.Function[strings.LastIndexByte(l.Function, ':')+1:]
		rows = append(rows, []string{name, l.Day, strconv.FormatInt(l.Requests, 10), strconv.FormatInt(l.BilledMS, 10), fixed(l.GBSeconds, 3), fixed(l.Cost.Total, 8)})
		requests, ms = requests+l.Requests, ms+l.BilledMS
		if n, err := l.GBSeconds.Float64(); err == nil {
			seconds += n
		}
	}
	for _, c := range b.Credits {
		rows = append(rows, []string{"free tier", c.Day, "", "", "", "-" + fixed(c.Amount, 8)})
	}
	return append(rows, []string{"total", "", strconv.FormatInt(requests, 10), strconv.FormatInt(ms, 10), strconv.FormatFloat(seconds, 'f', 3, 64), fixed(b.Total, 8)})
}

// fixed shows an amount with so many decimals.
func fixed(n json.Number, places int) string {
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return strconv.FormatFloat(f, 'f', places, 64)
}
