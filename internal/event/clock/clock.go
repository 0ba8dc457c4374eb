// Package clock is AWS's schedule expressions: rate(5 minutes),
// cron(0 10 * * ? *) and at(2026-11-23T09:00:00), and when they are next due.
// It is pure: it knows no time but the one that it is asked about.
//
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
package clock

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ErrSyntax means that a text is no expression.
var ErrSyntax = errors.New("clock: not a schedule expression")

// An Expression says when something is due. Make one with Parse.
type Expression struct {
	cron   *cron
	every  time.Duration // of a rate
	at     wall          // of a one-time expression
	once   bool
	zone   *time.Location
	anchor time.Time
}

// A Dialect is one service's grammar.
type Dialect int

// The services that take expressions.
const (
	Scheduler Dialect = iota // rate, cron and at; a rate's unit may be singular or plural
	Rules                    // EventBridge rules: rate and cron; the unit is singular for 1 alone
)

// Parse reads an expression. It is in UTC, and a rate begins at year 1, until
// In and From say otherwise.
func Parse(d Dialect, s string) (Expression, error) {
	e := Expression{zone: time.UTC}
	kind, body, ok := strings.Cut(s, "(")
	body, closed := strings.CutSuffix(body, ")")
	if !ok || !closed {
		return e, ErrSyntax
	}
	var err error
	switch {
	case kind == "rate":
		e.every, err = parseRate(d, body)
	case kind == "cron":
		e.cron, err = parseCron(body)
	case kind == "at" && d == Scheduler:
		e.once = true
		e.at, err = parseAt(body)
	default:
		err = ErrSyntax
	}
	return e, err
}

// In is e with its times on the clocks of a zone.
func (e Expression) In(zone *time.Location) Expression {
	e.zone = zone
	return e
}

// From is e with a rate that is due at t, and at its distance from there on.
func (e Expression) From(t time.Time) Expression {
	e.anchor = t
	return e
}

// Once tells whether e is due one time only.
func (e Expression) Once() bool { return e.once }

// Rate tells whether e is a rate.
func (e Expression) Rate() bool { return e.every > 0 }

// Next is the first time after after, which is not itself among them, at which
// e is due; false when there is none.
func (e Expression) Next(after time.Time) (time.Time, bool) {
	switch {
	case e.cron != nil:
		return e.cron.next(after, e.zone)
	case e.once:
		t := e.at.moment(e.zone)
		return t, t.After(after)
	}
	if after.Before(e.anchor) {
		return e.anchor, true
	}
	periods := after.Sub(e.anchor)/e.every + 1
	return e.anchor.Add(periods * e.every), true
}

// parseRate reads "5 minutes".
func parseRate(d Dialect, s string) (time.Duration, error) {
	number, unit, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 || number[0] == '+' {
		return 0, ErrSyntax
	}
	name, plural := strings.CutSuffix(unit, "s")
	if d == Rules && plural != (n > 1) {
		return 0, ErrSyntax
	}
	of := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[name]
	const longest = 290 * 365 * 24 * time.Hour // what a Duration holds
	if of == 0 || time.Duration(n) > longest/of {
		return 0, ErrSyntax
	}
	return time.Duration(n) * of, nil
}

// parseAt reads "2026-11-23T09:00:00". A date that no calendar has is refused.
func parseAt(s string) (wall, error) {
	t, err := time.Parse("2006-01-02T15:04:05", s)
	if err != nil || len(s) != len("2006-01-02T15:04:05") {
		return wall{}, ErrSyntax
	}
	return wall{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}, nil
}
