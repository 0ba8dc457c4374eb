package clock

import "time"

// A wall is what a clock on a wall shows. In a zone with daylight saving it may
// be no moment, or two.
type wall struct{ year, month, day, hour, minute, second int }

// wallOf is what a clock in t's zone shows at t.
func wallOf(t time.Time) wall {
	return wall{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}
}

// moment is when a clock in zone shows w for the first time. When it never
// does, as it is put forward, it is as long after that as w says.
func (w wall) moment(zone *time.Location) time.Time {
	t := time.Date(w.year, time.Month(w.month), w.day, w.hour, w.minute, w.second, 0, zone)
	// Which of two moments Date chooses is not promised. The change back is of
	// an hour nearly everywhere, and of half an hour on Lord Howe Island.
	for _, back := range []time.Duration{2 * time.Hour, time.Hour, 30 * time.Minute} {
		if early := t.Add(-back); wallOf(early) == w {
			return early
		}
	}
	if short := w.sub(wallOf(t)); short > 0 { // never shown, and Date chose to be early
		return t.Add(short)
	}
	return t
}

// sub is how much later w is than v, on the wall.
func (w wall) sub(v wall) time.Duration { return w.utc().Sub(v.utc()) }

func (w wall) utc() time.Time {
	return time.Date(w.year, time.Month(w.month), w.day, w.hour, w.minute, w.second, 0, time.UTC)
}

// exists tells whether a clock in zone ever shows w.
func (w wall) exists(zone *time.Location) bool { return wallOf(w.moment(zone)) == w }
