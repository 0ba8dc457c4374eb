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
	"fmt"
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
type Meter struct {
	db     store.DB
	prices PriceTable
	turn   chan struct{} // capacity 1: who puts into it writes the open group

	mu   sync.Mutex // guards what follows
	open *group
}

// A group is the uses that wait for one write.
type group struct {
	sums map[row]sum
	err  error         // set before done is closed
	done chan struct{} // closed when the sums are stored, or not
}

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

func newGroup() *group {
	return &group{sums: map[row]sum{}, done: make(chan struct{})}
}

// Open opens the usage in db. Each acknowledged use is as safe as db makes its
// writes. The error is the database's, or that of a table with senseless prices.
func Open(ctx context.Context, db store.DB, prices PriceTable) (*Meter, error) {
	if err := prices.Check(); err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "meter", steps()...); err != nil {
		return nil, fmt.Errorf("meter: open: %w", err)
	}
	return &Meter{db: db, prices: prices, turn: make(chan struct{}, 1), open: newGroup()}, nil
}

// Prices answers the price table that bills are made with.
func (m *Meter) Prices() PriceTable { return m.prices }

// Add counts one use, once, and returns when it is stored. Uses that arrive
// while an earlier write is under way are written together, and those of the
// same row as one. The end of ctx does not stop it: what ran has to be counted,
// even if nobody waits for the answer. After an error the use is not counted.
func (m *Meter) Add(ctx context.Context, u Use) error {
	r, err := rowOf(u)
	if err != nil {
		return err
	}
	g := m.join(r, sum{1, u.BilledMS})
	select {
	case <-g.done: // another wrote it
		return g.err
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
		m.write(context.WithoutCancel(ctx), g)
		return g.err
	}
}

// join adds to the group that is open.
func (m *Meter) join(r row, s sum) *group {
	m.mu.Lock()
	defer m.mu.Unlock()
	have := m.open.sums[r]
	m.open.sums[r] = sum{have.requests + s.requests, have.billedMS + s.billedMS}
	return m.open
}

// write stores g, unless that was done already, and opens another group. Its
// caller has the turn.
func (m *Meter) write(ctx context.Context, g *group) {
	m.mu.Lock()
	if m.open != g { // groups are written whole and in order
		m.mu.Unlock()
		return
	}
	m.open = newGroup()
	m.mu.Unlock()
	if err := m.db.Update(ctx, g.store); err != nil {
		g.err = fmt.Errorf("meter: add: %w", err)
	}
	close(g.done)
}

// store writes the sums. It may run more than once.
func (g *group) store(tx store.Tx) error {
	for r, s := range g.sums {
		_, err := tx.Exec(`INSERT INTO meter_usage (day, function, version, arch, memory, tmp, provisioned, requests, billed_ms)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (day, function, version, arch, memory, tmp, provisioned) DO UPDATE SET
			requests = meter_usage.requests + excluded.requests, billed_ms = meter_usage.billed_ms + excluded.billed_ms`,
			r.day, r.function, r.version, r.arch, r.memory, r.tmp, r.provisioned, s.requests, s.billedMS)
		if err != nil {
			return err
		}
	}
	return nil
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
	case u.BilledMS < 0 || u.MemoryMB <= 0 || u.TmpMB < 0:
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
	}
}
