package clock

import (
	"math/bits"
	"time"
)

// A set is a set of numbers from 0 to 63.
type set uint64

func (s set) has(n int) bool { return s>>n&1 != 0 }

// from is the smallest member that is at least n; false when there is none.
func (s set) from(n int) (int, bool) {
	if n > 63 || s>>n == 0 {
		return 0, false
	}
	return n + bits.TrailingZeros64(uint64(s>>n)), true
}

// The years that AWS takes.
const (
	firstYear = 1970
	lastYear  = 2199
)

// A cron is a parsed cron expression. Either the days of the month decide or
// those of the week.
type cron struct {
	minutes, hours, months set
	years                  [lastYear - firstYear + 1]bool
	month                  monthDays
	week                   weekDays
	byWeek                 bool
}

// monthDays are days of a month by their number.
type monthDays struct {
	days     set // 1 to 31
	weekdays set // the working days that are nearest to these: 15W
	last     set // so many days before the last: L is 0
	lastWork bool
}

// weekDays are days of a month by their place in the week: 0 is Sunday.
type weekDays struct {
	days set
	last set // the last of the month: 6L
	nth  int // 3#2: the second Tuesday; 0 for none
	of   int // the day that nth counts
}

// next is the first moment after after, strictly.
//
// A time that the clocks skip is not due, and one that they show twice is due
// the first time, once.
func (c *cron) next(after time.Time, zone *time.Location) (time.Time, bool) {
	w := wallOf(after.In(zone))
	w.second = 0
	for ok := true; ok; {
		if w, ok = c.following(w); !ok {
			break
		}
		if t := w.moment(zone); t.After(after) && w.exists(zone) {
			return t, true
		}
	}
	return time.Time{}, false
}

// following is the first match on the wall after w.
func (c *cron) following(w wall) (wall, bool) {
	if c.dayMatches(w) {
		if h, m, ok := c.within(w.hour, w.minute+1); ok {
			w.hour, w.minute = h, m
			return w, true
		}
	}
	for w, ok := c.nextDay(w); ok; w, ok = c.nextDay(w) {
		if h, m, ok := c.within(0, 0); ok {
			w.hour, w.minute = h, m
			return w, true
		}
	}
	return w, false
}

// within is the first time of a day that is not before hour:minute.
func (c *cron) within(hour, minute int) (int, int, bool) {
	if c.hours.has(hour) {
		if m, ok := c.minutes.from(minute); ok {
			return hour, m, true
		}
	}
	h, ok := c.hours.from(hour + 1)
	m, _ := c.minutes.from(0)
	return h, m, ok
}

// nextDay is the first matching day after w's.
func (c *cron) nextDay(w wall) (wall, bool) {
	day := w.day + 1
	for year, month := w.year, w.month; year <= lastYear; month, day = month+1, 1 {
		if month > 12 {
			year, month = year+1, 1
		}
		if year < firstYear {
			year, month, day = firstYear, 1, 1
		}
		if year > lastYear || !c.years[year-firstYear] {
			month = 12
			continue
		}
		if !c.months.has(month) {
			continue
		}
		if d, ok := c.daysOf(year, month).from(day); ok {
			return wall{year: year, month: month, day: d}, true
		}
	}
	return wall{}, false
}

func (c *cron) dayMatches(w wall) bool {
	return w.year >= firstYear && w.year <= lastYear && c.years[w.year-firstYear] &&
		c.months.has(w.month) && c.daysOf(w.year, w.month).has(w.day)
}

// daysOf are the days of a month that match.
func (c *cron) daysOf(year, month int) set {
	first := int(time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC).Weekday())
	length := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if c.byWeek {
		return c.week.in(first, length)
	}
	return c.month.in(first, length)
}

// in are the days of a month of length days that begins on the weekday first.
func (m monthDays) in(first, length int) set {
	days := m.days & (1<<(length+1) - 1)
	for before := range length {
		if m.last.has(before) {
			days |= 1 << (length - before)
		}
	}
	for d := 1; d <= length; d++ {
		if m.weekdays.has(d) {
			days |= 1 << nearestWorkday(d, first, length)
		}
	}
	if m.lastWork {
		days |= 1 << nearestWorkday(length, first, length)
	}
	return days
}

// nearestWorkday is the day from Monday to Friday, in the same month, that is
// nearest to d.
func nearestWorkday(d, first, length int) int {
	switch time.Weekday((first + d - 1) % 7) {
	case time.Saturday:
		if d == 1 {
			return 3
		}
		return d - 1
	case time.Sunday:
		if d == length {
			return d - 2
		}
		return d + 1
	}
	return d
}

func (w weekDays) in(first, length int) set {
	var days set
	for d := 1; d <= length; d++ {
		weekday := (first + d - 1) % 7
		nth := w.nth > 0 && weekday == w.of && (d-1)/7 == w.nth-1
		if w.days.has(weekday) || w.last.has(weekday) && d+7 > length || nth {
			days |= 1 << d
		}
	}
	return days
}
