package store

import (
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"
)

// A rowsOf session answers n rows and takes its time for each.
type rowsOf struct {
	n    int
	each func()
}

func (s rowsOf) exec(string, []driver.NamedValue) (int64, error) { return 0, nil }

func (s rowsOf) query(_ string, _ []driver.NamedValue, row func([]driver.Value) error) error {
	for i := range s.n {
		if s.each != nil {
			s.each()
		}
		if err := row([]driver.Value{int64(i)}); err != nil {
			return err
		}
	}
	return nil
}

func (s rowsOf) wrap(err error) error { return err }

func TestReadsEnd(t *testing.T) {
	tx := &tx{s: rowsOf{n: 1}, until: time.Now().Add(-time.Second)}
	if _, err := tx.Exec(`SELECT 1`); !errors.Is(err, ErrSlow) {
		t.Errorf("a statement after the time answers %v, want ErrSlow", err)
	}
	tx.until = time.Now().Add(time.Hour)
	tx.s = rowsOf{n: 3, each: func() { tx.until = time.Now().Add(-time.Second) }}
	err := tx.Each(`SELECT 1`, nil, func(func(...any) error) error { t.Error("a row after the time"); return nil })
	if !errors.Is(err, ErrSlow) {
		t.Errorf("rows after the time answer %v, want ErrSlow", err)
	}
}

func TestErrorsAreBrief(t *testing.T) {
	got := brief("SELECT\n\t" + strings.Repeat("x ", 500))
	if len(got) > 110 || strings.ContainsAny(got, "\n\t") {
		t.Errorf("the statement is shown as %q", got)
	}
}
