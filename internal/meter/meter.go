// Package meter turns what invocations cost into usage, and usage into a bill
// that a person can read.
//
// Usage is kept as sums: one row for each day (UTC), function version and
// configuration, however many invocations there are. All of it is integers;
// what they are worth is worked out when a bill is asked for, by the price
// table of that moment, in exact fractions that are rounded only in print.
package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// The architectures that have prices.
const (
	X86 = "x86_64"
	ARM = "arm64"
)

// A Use is what one invocation used.
type Use struct {
	At          time.Time
	Function    string // ARN, unqualified
	Version     string
	Arch        string // "x86_64", "arm64"
	BilledMS    int64  // init included
	MemoryMB    int
	TmpMB       int
	Provisioned bool
}

// A Meter keeps usage. Its methods may be called from any goroutine.
//
// A use is appended to a file, the journal, by one system call: that makes it
// outlive this process, and costs microseconds where a transaction costs tens.
// Every few seconds, and before a bill, what the journal holds is folded into
// the database as sums.
type Meter struct {
	db     store.DB
	dir    string // of the journals
	prices PriceTable

	folding sync.Mutex // held while journals are folded; before mu
	full    []*journal // take no more uses, and wait to be folded; guarded by folding

	mu     sync.Mutex  // guards what follows; held while a use is written
	open   *journal    // takes the uses; nil when there was none since the last fold
	broken []*journal  // failed, and wait for folding's owner
	timer  *time.Timer // folds; it runs while there is an open journal
	closed bool
}

// foldEvery is how long a use is in the journal alone.
const foldEvery = 5 * time.Second

// A row is what a row of usage is about.
type row struct {
	day         int64 // since 1970-01-01
	function    string
	version     string
	arch        string
	memory      int // MB
	tmp         int // MB
	provisioned bool
}

type sum struct {
	requests int64
	billedMS int64
}

// ErrClosed means that the meter is closed.
var ErrClosed = errors.New("meter: closed")

// Open opens the usage in db, with its journals in the folder dir, and counts
// what an earlier process left there. The error is the database's, the folder's,
// or that of a table with senseless prices.
func Open(ctx context.Context, db store.DB, dir string, prices PriceTable) (*Meter, error) {
	if err := prices.Check(); err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "meter", steps()...); err != nil {
		return nil, fmt.Errorf("meter: open: %w", err)
	}
	left, err := leftovers(dir)
	if err != nil {
		return nil, fmt.Errorf("meter: open: %w", err)
	}
	m := &Meter{db: db, dir: dir, prices: prices, full: left}
	if err := m.Fold(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// Prices answers the price table that bills are made with.
func (m *Meter) Prices() PriceTable { return m.prices }

// Add counts one use, once, and returns when the use outlives this process. It
// does so whatever became of the caller: what ran has to be counted. After an
// error the use is not counted.
func (m *Meter) Add(u Use) error {
	r, err := rowOf(u)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(); err != nil {
		return err
	}
	broken, err := m.open.add(r, u.BilledMS)
	if broken {
		m.broken, m.open = append(m.broken, m.open), nil
	}
	return wrap("meter: add", err)
}

// begin opens a journal if there is none. Its caller has mu.
func (m *Meter) begin() (err error) {
	switch {
	case m.closed:
		return ErrClosed
	case m.open != nil:
		return nil
	}
	if m.open, err = newJournal(m.dir); err != nil {
		return fmt.Errorf("meter: open a journal: %w", err)
	}
	if m.timer == nil {
		m.timer = time.AfterFunc(foldEvery, m.foldLater)
	} else {
		m.timer.Reset(foldEvery)
	}
	return nil
}

// foldLater folds, and when that fails tries again: uses are safe meanwhile.
func (m *Meter) foldLater() {
	err := m.Fold(context.Background())
	if err == nil {
		return
	}
	slog.Error("usage stays in its journal", "error", err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.timer.Reset(foldEvery)
	}
}

// Fold brings all acknowledged uses into the database.
func (m *Meter) Fold(ctx context.Context) error {
	m.folding.Lock()
	defer m.folding.Unlock()
	m.full = append(m.full, m.release()...)
	for len(m.full) > 0 {
		j := m.full[0]
		if j.file != nil {
			if err := j.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
				return fmt.Errorf("meter: fold: %w", err)
			}
		}
		if err := m.fold(ctx, j); err != nil {
			return fmt.Errorf("meter: fold: %w", err)
		}
		m.full = m.full[1:]
	}
	return nil
}

// release answers the journals that took uses, so that the next use begins another.
func (m *Meter) release() []*journal {
	m.mu.Lock()
	defer m.mu.Unlock()
	js := m.broken
	if m.open != nil {
		js = append(js, m.open)
	}
	m.open, m.broken = nil, nil
	return js
}

// Close folds what is left and refuses further uses. It does not close the database.
func (m *Meter) Close() error {
	m.mu.Lock()
	m.closed = true
	if m.timer != nil {
		m.timer.Stop()
	}
	m.mu.Unlock()
	return m.Fold(context.Background()) // waits for the one under way
}

// rowOf answers the row that counts u, or what is wrong with u.
func rowOf(u Use) (row, error) {
	switch {
	case u.At.IsZero():
		return row{}, fmt.Errorf("meter: a use of %q has no time", u.Function)
	case u.Function == "":
		return row{}, fmt.Errorf("meter: a use has no function")
	case u.Arch != X86 && u.Arch != ARM:
		return row{}, fmt.Errorf("meter: a use of %s has the architecture %q", u.Function, u.Arch)
	case len(u.Function)+len(u.Version) > maxBody/2:
		return row{}, fmt.Errorf("meter: a use of %.80q... has too long a name", u.Function)
	case u.BilledMS < 0 || u.MemoryMB <= 0 || u.TmpMB < 0, max(u.BilledMS, int64(u.MemoryMB), int64(u.TmpMB)) > maxNumber:
		return row{}, fmt.Errorf("meter: a use of %s has %d ms, %d MB, /tmp %d MB", u.Function, u.BilledMS, u.MemoryMB, u.TmpMB)
	}
	return row{dayOf(u.At), u.Function, u.Version, u.Arch, u.MemoryMB, u.TmpMB, u.Provisioned}, nil
}

// dayOf answers the days from 1970-01-01 to t's day, in UTC.
func dayOf(t time.Time) int64 {
	s := t.Unix()
	d := s / daySeconds
	if s%daySeconds < 0 {
		d--
	}
	return d
}

// dayTime answers when a day begins.
func dayTime(day int64) time.Time { return time.Unix(day*daySeconds, 0).UTC() }

const daySeconds = 24 * 60 * 60

// steps are the tables. Days count from 1970-01-01; memory is in MB; times are
// in milliseconds.
func steps() []string {
	return []string{`
		CREATE TABLE meter_usage (
			day INTEGER NOT NULL,
			function TEXT NOT NULL,
			version TEXT NOT NULL,
			arch TEXT NOT NULL,
			memory INTEGER NOT NULL,
			tmp INTEGER NOT NULL,
			provisioned INTEGER NOT NULL,
			requests INTEGER NOT NULL,
			billed_ms INTEGER NOT NULL,
			PRIMARY KEY (day, function, version, arch, memory, tmp, provisioned)
		);
		CREATE TABLE meter_provisioned (
			function TEXT NOT NULL,
			version TEXT NOT NULL,
			since_ms INTEGER NOT NULL,
			arch TEXT NOT NULL,
			memory INTEGER NOT NULL,
			sandboxes INTEGER NOT NULL,
			until_ms INTEGER NOT NULL,
			PRIMARY KEY (function, version, since_ms)
		)`,
		`CREATE TABLE meter_folded (journal TEXT NOT NULL PRIMARY KEY)`, // journals whose file may still be there
	}
}
