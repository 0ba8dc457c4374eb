package meter

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Bill is what the use of some days costs. Bills of adjoining days add up:
// what a day costs depends on its month alone, not on the bill's limits.
type Bill struct {
	From     string   `json:"from"` // first day, as 2026-11-01, UTC
	To       string   `json:"to"`   // the day after the last
	Currency string   `json:"currency"`
	Region   string   `json:"region"`      // whose prices
	Prices   string   `json:"prices_date"` // when they were published
	Source   string   `json:"prices_source"`
	FreeTier bool     `json:"free_tier"`
	Lines    []Line   `json:"lines"`             // by function, then day
	Credits  []Credit `json:"credits,omitempty"` // the free tier's, by day
	Total    Amount   `json:"total"`             // all lines, less the credits
}

// A Line is what one function used on one day.
type Line struct {
	Function             string `json:"function"` // ARN, unqualified
	Day                  string `json:"day"`
	Requests             int64  `json:"requests"`
	BilledMS             int64  `json:"billed_ms"`
	GBSeconds            Amount `json:"gb_seconds"`             // of running
	StorageGBSeconds     Amount `json:"storage_gb_seconds"`     // of /tmp above what is free
	ProvisionedGBSeconds Amount `json:"provisioned_gb_seconds"` // allocated, running or not
	Cost                 Cost   `json:"cost"`
}

// A Cost is a line's, by what it is for.
type Cost struct {
	Requests    Amount `json:"requests"`
	Duration    Amount `json:"duration"` // also that in provisioned concurrency
	Storage     Amount `json:"storage"`
	Provisioned Amount `json:"provisioned"` // for having it allocated
	Total       Amount `json:"total"`
}

// A Credit is what the free tier takes off the bill for one day.
type Credit struct {
	Day       string `json:"day"`
	Requests  int64  `json:"requests"`
	GBSeconds Amount `json:"gb_seconds"`
	Amount    Amount `json:"amount"` // not below 0
}

// Bill answers what the days from from to before to cost; a day that has begun
// before to is in it. Tiers and free tier are a month's: use of the month that
// lies before from counts towards them, in the order of the days. freeTier
// takes off what AWS gives to every account. Use in provisioned concurrency has
// no part in it, nor in the tiers.
func (m *Meter) Bill(ctx context.Context, from, to time.Time, freeTier bool) (*Bill, error) {
	first, end := dayOf(from), dayOf(to.Add(daySeconds*time.Second-1))
	if end <= first {
		return nil, fmt.Errorf("meter: bill: the end %s is not after the beginning %s", to.Format(time.DateOnly), from.Format(time.DateOnly))
	}
	if err := m.Fold(ctx); err != nil {
		return nil, err
	}
	rows, provisioned, err := m.read(ctx, first, end)
	if err != nil {
		return nil, fmt.Errorf("meter: bill: %w", err)
	}
	c := &clerk{prices: m.prices, first: first, free: freeTier, lines: map[lineKey]*Line{}, credits: map[int64]*Credit{}}
	for _, r := range rows {
		c.use(r.row, r.sum)
	}
	for _, s := range provisioned {
		c.allocated(s)
	}
	return c.bill(first, end), nil
}

type used struct {
	row
	sum
}

// read answers the use from the beginning of first's month to before end, in
// the order of days, and the shares of allocations from first on.
func (m *Meter) read(ctx context.Context, first, end int64) (rows []used, provisioned []share, err error) {
	err = m.db.View(ctx, func(tx store.Tx) (err error) {
		if rows, err = readUsage(tx, dayOf(monthOf(first)), end); err != nil {
			return err
		}
		provisioned, err = readProvisioned(tx, first, end)
		return err
	})
	return rows, provisioned, err
}

func readUsage(tx store.Tx, from, end int64) ([]used, error) {
	return store.All(tx, func(scan func(...any) error) (u used, err error) {
		err = scan(&u.day, &u.function, &u.arch, &u.memory, &u.tmp, &u.provisioned, &u.requests, &u.billedMS)
		return u, err
	}, `SELECT day, function, arch, memory, tmp, provisioned, CAST(sum(requests) AS BIGINT), CAST(sum(billed_ms) AS BIGINT)
		FROM meter_usage WHERE day >= ? AND day < ?
		GROUP BY day, function, arch, memory, tmp, provisioned
		ORDER BY day, function, arch, memory, tmp, provisioned`, from, end)
}

func readProvisioned(tx store.Tx, first, end int64) ([]share, error) {
	var all []share
	slack := provisionedUnit.Milliseconds() // an allocation reaches beyond its end by less than this
	err := tx.Each(`SELECT function, arch, sandboxes, memory, since_ms, until_ms FROM meter_provisioned
		WHERE since_ms < ? AND until_ms >= ?`,
		[]any{end * daySeconds * 1000, first*daySeconds*1000 - slack},
		func(scan func(...any) error) error {
			var function, arch string
			var sandboxes, memory, since, until int64
			if err := scan(&function, &arch, &sandboxes, &memory, &since, &until); err != nil {
				return err
			}
			for _, s := range shares(function, arch, sandboxes, memory, since, until) {
				if s.day >= first && s.day < end {
					all = append(all, s)
				}
			}
			return nil
		})
	return all, err
}

// monthOf answers when day's month begins.
func monthOf(day int64) time.Time {
	y, mo, _ := dayTime(day).Date()
	return time.Date(y, mo, 1, 0, 0, 0, 0, time.UTC)
}

type lineKey struct {
	function string
	day      int64
}

// A clerk goes through the use in the order of days and writes the bill.
type clerk struct {
	prices  PriceTable
	first   int64 // day; what comes before it counts and is not billed
	free    bool
	lines   map[lineKey]*Line
	credits map[int64]*Credit

	month        time.Time         // of what follows
	duration     map[string]Amount // GB-seconds so far, by architecture
	freeRequests int64             // left of the free tier
	freeSeconds  Amount            // GB-seconds, likewise
}

// turnTo begins a new month if day is in one.
func (c *clerk) turnTo(day int64) {
	if m := monthOf(day); !m.Equal(c.month) {
		c.month, c.duration = m, map[string]Amount{}
		c.freeRequests, c.freeSeconds = 0, Amount{}
		if c.free {
			c.freeRequests, c.freeSeconds = c.prices.FreeTier.Requests, c.prices.FreeTier.GBSeconds
		}
	}
}

// use bills a row of usage.
func (c *clerk) use(r row, s sum) {
	c.turnTo(r.day)
	p := c.prices.arch(r.arch)
	gbs := gbSeconds(product(int64(r.memory), s.billedMS))
	storage := gbSeconds(product(int64(max(0, r.tmp-c.prices.StorageFreeMB)), s.billedMS))
	cost := Cost{
		Requests: c.prices.requests(s.requests),
		Duration: gbs.Times(p.ProvisionedDuration),
		Storage:  storage.Times(p.Storage),
	}
	if !r.provisioned {
		before := c.duration[r.arch]
		c.duration[r.arch] = before.Plus(gbs)
		cost.Duration = p.cost(before, gbs)
		c.credit(r.day, s.requests, gbs, func(n Amount) Amount { return p.cost(before, n) })
	}
	if r.day < c.first {
		return
	}
	l := c.line(r.function, r.day)
	l.Requests += s.requests
	l.BilledMS += s.billedMS
	l.GBSeconds = l.GBSeconds.Plus(gbs)
	l.StorageGBSeconds = l.StorageGBSeconds.Plus(storage)
	l.Cost.add(cost)
}

// credit gives what is left of the free tier to requests and gbs; cost prices
// the first n of gbs.
func (c *clerk) credit(day, requests int64, gbs Amount, cost func(n Amount) Amount) {
	n, s := min(requests, c.freeRequests), least(gbs, c.freeSeconds)
	if n == 0 && s.Sign() == 0 {
		return
	}
	c.freeRequests -= n
	c.freeSeconds = c.freeSeconds.Minus(s)
	if day < c.first {
		return
	}
	if c.credits[day] == nil {
		c.credits[day] = &Credit{Day: dayTime(day).Format(time.DateOnly)}
	}
	k := c.credits[day]
	k.Requests += n
	k.GBSeconds = k.GBSeconds.Plus(s)
	k.Amount = k.Amount.Plus(c.prices.requests(n)).Plus(cost(s))
}

// allocated bills a day of provisioned concurrency.
func (c *clerk) allocated(s share) {
	gbs := gbSeconds(big.NewInt(s.mbms))
	l := c.line(s.function, s.day)
	l.ProvisionedGBSeconds = l.ProvisionedGBSeconds.Plus(gbs)
	l.Cost.add(Cost{Provisioned: gbs.Times(c.prices.arch(s.arch).ProvisionedAllocated)})
}

func (c *clerk) line(function string, day int64) *Line {
	k := lineKey{function, day}
	if c.lines[k] == nil {
		c.lines[k] = &Line{Function: function, Day: dayTime(day).Format(time.DateOnly)}
	}
	return c.lines[k]
}

// bill sorts what was written and adds it up.
func (c *clerk) bill(first, end int64) *Bill {
	b := &Bill{
		From: dayTime(first).Format(time.DateOnly), To: dayTime(end).Format(time.DateOnly),
		Currency: c.prices.Currency, Region: c.prices.Region, Prices: c.prices.Date, Source: c.prices.Source,
		FreeTier: c.free, Lines: []Line{},
	}
	for _, l := range c.lines {
		b.Lines = append(b.Lines, *l)
		b.Total = b.Total.Plus(l.Cost.Total)
	}
	for _, k := range c.credits {
		b.Credits = append(b.Credits, *k)
		b.Total = b.Total.Minus(k.Amount)
	}
	slices.SortFunc(b.Lines, func(x, y Line) int {
		return cmp.Or(cmp.Compare(x.Function, y.Function), cmp.Compare(x.Day, y.Day))
	})
	slices.SortFunc(b.Credits, func(x, y Credit) int { return cmp.Compare(x.Day, y.Day) })
	return b
}

func (c *Cost) add(d Cost) {
	c.Requests = c.Requests.Plus(d.Requests)
	c.Duration = c.Duration.Plus(d.Duration)
	c.Storage = c.Storage.Plus(d.Storage)
	c.Provisioned = c.Provisioned.Plus(d.Provisioned)
	c.Total = c.Requests.Plus(c.Duration).Plus(c.Storage).Plus(c.Provisioned)
}

// requests answers what n requests cost.
func (p PriceTable) requests(n int64) Amount {
	return p.RequestsPerMillion.Times(whole(n)).Over(1_000_000)
}

func product(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }
