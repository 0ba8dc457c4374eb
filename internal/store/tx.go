package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A session is one connection as a transaction uses it. It is used by one
// goroutine at a time.
type session interface {
	// exec runs a statement and tells how many rows it changed.
	exec(query string, args []driver.NamedValue) (int64, error)

	// query calls row with each row; row's slice is good until it returns.
	query(query string, args []driver.NamedValue, row func([]driver.Value) error) error

	// wrap turns an error of the driver into one of this package's.
	wrap(err error) error
}

var errOver = errors.New("store: the transaction is over")

// errStop ends a query after the rows that were wanted.
var errStop = errors.New("stop")

// A tx is the Tx of both databases.
type tx struct {
	s      session
	before func(write bool) error // called before each statement; may be nil
	after  func(error) error      // sees each statement's error; may be nil
	until  time.Time              // reads are refused after it, unless zero
	over   bool
}

func (t *tx) Exec(query string, args ...any) (n int64, err error) {
	err = t.statement(query, args, func(bound []driver.NamedValue) error {
		n, err = t.s.exec(query, bound)
		return err
	})
	return n, err
}

func (t *tx) Get(dest []any, query string, args ...any) error {
	found := false
	var bad error
	err := t.statement(query, args, func(bound []driver.NamedValue) error {
		return t.s.query(query, bound, func(row []driver.Value) error {
			if !found {
				found = true
				bad = assignAll(dest, row)
			}
			if reads(query) {
				return errStop
			}
			return nil // a RETURNING statement is done only after its last row
		})
	})
	switch {
	case err != nil:
		return err
	case !found:
		return ErrNoRows
	}
	return bad
}

func (t *tx) Each(query string, args []any, row func(scan func(dest ...any) error) error) error {
	var theirs error // row's error goes back as it is
	err := t.statement(query, args, func(bound []driver.NamedValue) error {
		return t.s.query(query, bound, func(values []driver.Value) error {
			if theirs = t.late(); theirs == nil {
				theirs = row(func(dest ...any) error { return assignAll(dest, values) })
			}
			if theirs != nil {
				return errStop
			}
			return nil
		})
	})
	if theirs != nil {
		return theirs
	}
	return err
}

// statement runs one statement between the hooks.
func (t *tx) statement(query string, args []any, run func([]driver.NamedValue) error) error {
	if t.over {
		return errOver
	}
	if err := t.late(); err != nil {
		return err
	}
	bound, err := bind(args)
	if err != nil {
		return err
	}
	if t.before != nil {
		if err := t.before(!reads(query)); err != nil {
			return err
		}
	}
	err = run(bound)
	if errors.Is(err, errStop) {
		err = nil
	}
	err = t.s.wrap(err)
	if t.after != nil {
		err = t.after(err)
	}
	if err != nil {
		return fmt.Errorf("%w (in %s)", err, brief(query))
	}
	return nil
}

func (t *tx) late() error {
	if t.until.IsZero() || time.Now().Before(t.until) {
		return nil
	}
	return ErrSlow
}

// reads tells whether a statement only reads. A statement that begins with
// WITH counts as one that writes: some do.
func reads(query string) bool { return verb(query) == "SELECT" }

// verb answers the first word of a statement in capitals.
func verb(query string) string {
	q := strings.TrimLeft(query, " \t\r\n(")
	n := strings.IndexFunc(q, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') })
	if n < 0 {
		n = len(q)
	}
	switch w := q[:n]; w {
	case "SELECT", "INSERT", "UPDATE", "DELETE": // no allocation for the usual ones
		return w
	default:
		return strings.ToUpper(w)
	}
}

// brief shortens a statement for an error's text.
func brief(query string) string {
	q := strings.Join(strings.Fields(query), " ")
	if len(q) > 100 {
		q = q[:100] + "..."
	}
	return q
}
