package clock

import (
	"strconv"
	"strings"
)

// A span is the values that a field takes.
type span struct {
	low, high int
	names     []string // of low and those that follow
}

func minuteSpan() span { return span{0, 59, nil} }
func hourSpan() span   { return span{0, 23, nil} }
func daySpan() span    { return span{1, 31, nil} }
func yearSpan() span   { return span{firstYear, lastYear, nil} }

func monthSpan() span {
	return span{1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}}
}

func weekSpan() span { return span{1, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}} }

// parseCron reads the six fields: minutes, hours, day of month, month, day of
// week, year.
func parseCron(s string) (*cron, error) {
	f := strings.Fields(s)
	// AWS wants a ? in one of the two fields for days, and only in one.
	if len(f) != 6 || (f[2] == "?") == (f[4] == "?") {
		return nil, ErrSyntax
	}
	c := &cron{byWeek: f[2] == "?"}
	for i, one := range []func(string) error{
		c.setOf(&c.minutes, minuteSpan()), c.setOf(&c.hours, hourSpan()), c.month.parse,
		c.setOf(&c.months, monthSpan()), c.week.parse, c.parseYears,
	} {
		if f[i] == "?" && (i == 2 || i == 4) {
			continue
		}
		if err := one(f[i]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// setOf parses a field of plain values into s.
func (c *cron) setOf(s *set, p span) func(string) error {
	return func(field string) error {
		return p.list(field, func(n int) { *s |= 1 << n })
	}
}

func (c *cron) parseYears(field string) error {
	return yearSpan().list(field, func(n int) { c.years[n-firstYear] = true })
}

// parse reads days of the month: beside values L, L-3, LW and 15W.
func (m *monthDays) parse(field string) error {
	for part := range strings.SplitSeq(strings.ToUpper(field), ",") {
		if err := m.part(part); err != nil {
			return err
		}
	}
	return nil
}

func (m *monthDays) part(part string) error {
	if part == "LW" {
		m.lastWork = true
		return nil
	}
	if day, ok := strings.CutSuffix(part, "W"); ok {
		n, err := daySpan().value(day)
		m.weekdays |= 1 << n
		return err
	}
	if rest, ok := strings.CutPrefix(part, "L"); ok {
		return m.lastDays(rest)
	}
	return daySpan().part(part, func(n int) { m.days |= 1 << n })
}

// lastDays reads what follows an L: nothing, or -3.
func (m *monthDays) lastDays(rest string) error {
	if rest == "" {
		m.last |= 1
		return nil
	}
	number, ok := strings.CutPrefix(rest, "-")
	n, err := span{0, 30, nil}.value(number)
	if !ok || err != nil {
		return ErrSyntax
	}
	m.last |= 1 << n
	return nil
}

// parse reads days of the week: beside values L, 6L and 3#2. A # stands alone.
func (w *weekDays) parse(field string) error {
	field = strings.ToUpper(field)
	if day, nth, ok := strings.Cut(field, "#"); ok {
		d, err := weekSpan().value(day)
		n, err2 := span{1, 5, nil}.value(nth)
		if err != nil || err2 != nil {
			return ErrSyntax
		}
		w.of, w.nth = d-1, n
		return nil
	}
	for part := range strings.SplitSeq(field, ",") {
		if err := w.part(part); err != nil {
			return err
		}
	}
	return nil
}

func (w *weekDays) part(part string) error {
	if part == "L" { // the week's last day
		w.days |= 1 << 6
		return nil
	}
	if day, ok := strings.CutSuffix(part, "L"); ok {
		d, err := weekSpan().value(day)
		if err != nil {
			return err
		}
		w.last |= 1 << (d - 1)
		return nil
	}
	return weekSpan().part(part, func(n int) { w.days |= 1 << (n - 1) })
}

// list reads values, ranges and steps, by comma.
func (p span) list(field string, add func(int)) error {
	for part := range strings.SplitSeq(field, ",") {
		if err := p.part(part, add); err != nil {
			return err
		}
	}
	return nil
}

// part reads *, 5, 1-5, and any of them with a step: */10, 5/10, 1-30/10.
func (p span) part(part string, add func(int)) error {
	body, by, stepped := strings.Cut(part, "/")
	step := 1
	if stepped {
		n, err := span{1, p.high, nil}.value(by)
		if err != nil {
			return err
		}
		step = n
	}
	from, to, err := p.bounds(body, stepped)
	if err != nil {
		return err
	}
	if from <= to {
		for n := from; n <= to; n += step {
			add(n)
		}
		return nil
	}
	size := p.high - p.low + 1 // a range over the end, as FRI-MON
	for n := from; n <= to+size; n += step {
		add(p.low + (n-p.low)%size)
	}
	return nil
}

// bounds are the ends of a range; of one value with a step, to the field's end.
func (p span) bounds(body string, stepped bool) (from, to int, err error) {
	if body == "*" {
		return p.low, p.high, nil
	}
	first, last, ranged := strings.Cut(body, "-")
	if from, err = p.value(first); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		to, err = p.value(last)
	case stepped:
		to = p.high
	default:
		to = from
	}
	return from, to, err
}

// value reads a number or a name.
func (p span) value(s string) (int, error) {
	for i, name := range p.names {
		if strings.EqualFold(s, name) {
			return p.low + i, nil
		}
	}
	if len(s) == 0 || len(s) > 4 || strings.Trim(s, "0123456789") != "" {
		return 0, ErrSyntax
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < p.low || n > p.high {
		return 0, ErrSyntax
	}
	return n, nil
}
