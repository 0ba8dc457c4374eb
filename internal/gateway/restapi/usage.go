package restapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// usageDelay is how long a use of an API key may be in memory alone: what a
// power cut or a kill can cost.
const usageDelay = time.Second

// A usage counts the requests of API keys by plan and day. It counts in memory
// and writes what has changed a moment later, so that a request waits for no
// disk.
type usage struct {
	db  store.DB
	log *slog.Logger

	mu      sync.Mutex // guards all below
	days    map[counted]map[int64]*used
	timer   *time.Timer // set while something waits to be written
	closed  bool
	writing sync.WaitGroup
}

// A counted is a key in a plan.
type counted struct{ plan, key string }

type used struct {
	n, extra int64 // extra was granted by UpdateUsage
	dirty    bool
}

func (u *usage) open(db store.DB, log *slog.Logger) {
	u.db, u.log, u.days = db, log, map[counted]map[int64]*used{}
}

func (u *usage) close() error {
	u.mu.Lock()
	u.closed = true
	if u.timer != nil && u.timer.Stop() {
		u.writing.Done()
	}
	u.mu.Unlock()
	u.writing.Wait()
	return u.flush(context.Background())
}

// take counts a request of a key at now, unless its quota is used up.
func (u *usage) take(ctx context.Context, c counted, q *Quota, now time.Time) (bool, error) {
	days, err := u.of(ctx, c)
	if err != nil {
		return false, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	today := dayOf(now)
	if q != nil && remaining(days, q, today) <= 0 {
		return false, nil
	}
	d := days[today]
	if d == nil {
		d = &used{}
		days[today] = d
	}
	d.n++
	u.mark(d)
	return true, nil
}

// mark sees to it that d is written soon. The caller holds mu.
func (u *usage) mark(d *used) {
	d.dirty = true
	if u.timer != nil || u.closed {
		return
	}
	u.writing.Add(1)
	u.timer = time.AfterFunc(usageDelay, func() {
		defer u.writing.Done()
		u.mu.Lock()
		u.timer = nil
		u.mu.Unlock()
		if err := u.flush(context.Background()); err != nil {
			u.log.Error("the use of API keys could not be written", "cause", err)
		}
	})
}

// of are a key's days, read when they are first asked for.
func (u *usage) of(ctx context.Context, c counted) (map[int64]*used, error) {
	u.mu.Lock()
	days := u.days[c]
	u.mu.Unlock()
	if days != nil {
		return days, nil
	}
	found := map[int64]*used{}
	err := u.db.View(ctx, func(tx store.Tx) error {
		return tx.Each(`SELECT day, used, extra FROM restapi_usage WHERE plan = ? AND key = ?`, []any{c.plan, c.key}, func(scan func(...any) error) error {
			var day int64
			d := &used{}
			if err := scan(&day, &d.n, &d.extra); err != nil {
				return err
			}
			found[day] = d
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the use of an API key: %w", err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if days = u.days[c]; days == nil { // nobody was faster
		days = found
		u.days[c] = days
	}
	return days, nil
}

// forget drops what is known of a plan's keys.
func (u *usage) forget(plan string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.days {
		if c.plan == plan {
			delete(u.days, c)
		}
	}
}

// A usageRow is a row to write.
type usageRow struct {
	counted
	day, n, extra int64
}

// flush writes what has changed.
func (u *usage) flush(ctx context.Context) error {
	rows := u.collect()
	if len(rows) == 0 {
		return nil
	}
	err := u.db.Update(ctx, func(tx store.Tx) error {
		for _, r := range rows {
			if _, err := tx.Exec(`INSERT INTO restapi_usage (plan, key, day, used, extra) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (plan, key, day) DO UPDATE SET used = excluded.used, extra = excluded.extra`, r.plan, r.key, r.day, r.n, r.extra); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		u.again(rows)
	}
	return err
}

func (u *usage) collect() (rows []usageRow) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c, days := range u.days {
		for day, d := range days {
			if d.dirty {
				d.dirty = false
				rows = append(rows, usageRow{c, day, d.n, d.extra})
			}
		}
	}
	return rows
}

// again marks rows that could not be written.
func (u *usage) again(rows []usageRow) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range rows {
		if d := u.days[r.counted][r.day]; d != nil {
			u.mark(d)
		}
	}
}

// dayOf is the day of a time, in UTC as API Gateway counts.
func dayOf(t time.Time) int64 { return t.UTC().Unix() / 86400 }

func dateOf(day int64) time.Time { return time.Unix(day*86400, 0).UTC() }

// since is the first day of the period that today is in. A quota's offset puts
// the period's first day off: 3 days into the week, or into the month.
func (q *Quota) since(today int64) int64 {
	switch q.Period {
	case "WEEK": // from Sunday on
		weekday := int64(dateOf(today).Weekday())
		return today - (weekday-int64(q.Offset)+7)%7
	case "MONTH":
		d := dateOf(today - int64(q.Offset))
		return dayOf(time.Date(d.Year(), d.Month(), 1, 0, 0, 0, 0, time.UTC)) + int64(q.Offset)
	}
	return today
}

// remaining is what is left of a quota on a day. The caller holds mu.
func remaining(days map[int64]*used, q *Quota, today int64) int64 {
	left := int64(q.Limit)
	for day := q.since(today); day <= today; day++ {
		if d := days[day]; d != nil {
			left += d.extra - d.n
		}
	}
	return left
}

// Usage is a plan's use by key, for each day from one to another: requests
// made, and left.
func (b *Book) Usage(ctx context.Context, plan, key, from, to string) (map[string][][]int64, error) {
	first, last, err := span(from, to)
	if err != nil {
		return nil, err
	}
	p, err := b.Plan(ctx, plan)
	if err != nil {
		return nil, err
	}
	keys, err := b.PlanKeys(ctx, plan)
	if err != nil {
		return nil, err
	}
	out := map[string][][]int64{}
	for _, k := range keys {
		if key != "" && k.ID != key {
			continue
		}
		days, err := b.usage.of(ctx, counted{plan, k.ID})
		if err != nil {
			return nil, err
		}
		out[k.ID] = b.usage.table(days, p.Quota, first, last)
	}
	return out, nil
}

func (u *usage) table(days map[int64]*used, q *Quota, first, last int64) [][]int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	rows := [][]int64{}
	for day := first; day <= last; day++ {
		var n, left int64
		if d := days[day]; d != nil {
			n = d.n
		}
		if q != nil {
			left = max(0, remaining(days, q, day))
		}
		rows = append(rows, []int64{n, left})
	}
	return rows
}

func span(from, to string) (first, last int64, err error) {
	a, err1 := time.Parse(time.DateOnly, from)
	z, err2 := time.Parse(time.DateOnly, to)
	if errors.Join(err1, err2) != nil || z.Before(a) {
		return 0, 0, bad("Invalid Usage Date: %s to %s. Dates are written YYYY-MM-DD", from, to)
	}
	first, last = dayOf(a), dayOf(z)
	if last-first > 90 {
		return 0, 0, bad("Usage can be asked for at most 90 days at once")
	}
	return first, last, nil
}

// Grant gives a key as many further requests in the period as its remaining
// ones are to be.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateUsage.html
func (b *Book) Grant(ctx context.Context, plan, key string, left int64) error {
	p, err := b.Plan(ctx, plan)
	if err != nil {
		return err
	}
	if _, err := b.PlanKey(ctx, plan, key); err != nil {
		return err
	}
	if p.Quota == nil {
		return bad("Usage Plan %s does not have a quota", plan)
	}
	days, err := b.usage.of(ctx, counted{plan, key})
	if err != nil {
		return err
	}
	today := dayOf(b.Now())
	b.usage.grant(days, p.Quota, today, left)
	return b.usage.flush(ctx)
}

func (u *usage) grant(days map[int64]*used, q *Quota, today, left int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := days[today]
	if d == nil {
		d = &used{}
		days[today] = d
	}
	d.extra += left - remaining(days, q, today)
	u.mark(d)
}
