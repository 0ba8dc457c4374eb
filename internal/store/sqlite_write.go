package store

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"modernc.org/sqlite"
)

const (
	// checkpointPages is the size of the WAL, in pages of 4 KiB, from which
	// on a commit moves it into the database.
	checkpointPages = 2000

	// walLimit is the size from which on the writer waits for readers to let
	// go, so that the WAL can begin anew: with readers that overlap it never
	// would on its own.
	walLimit = 64 << 20

	housekeeping = 100 * time.Millisecond // the least time between two looks at the WAL
)

// A sqliteWriter is the one connection that writes. It is used by the
// batcher's goroutine alone.
type sqliteWriter struct {
	c       *sqliteConn
	ballast ballast
	full    bool // the ballast is given up: only what makes room is done
	looked  time.Time
}

func openWriter(path string, o Options) (*sqliteWriter, error) {
	size := o.Ballast
	switch {
	case size == 0:
		size = defaultBallast
	case size < 0:
		size = 0
	}
	w := &sqliteWriter{ballast: ballast{path: path + ".ballast", size: size}, looked: time.Now()}
	c, err := openConn(path, writing(o.Sync)...)
	if e, ok := errors.AsType[*sqlite.Error](err); ok && lost(e) && !w.ballast.fits() {
		// It may be for want of room, which even an opening takes a little of.
		w.lighten()
		c, err = openConn(path, writing(o.Sync)...)
	}
	if err != nil {
		return nil, err
	}
	w.c = c
	w.full = !w.ballast.there()
	if w.full {
		w.refit()
	}
	return w, nil
}

// writing are the settings of the connection that writes.
func writing(sync Sync) []string {
	level := "FULL"
	if sync == Normal {
		level = "NORMAL"
	}
	return []string{
		"PRAGMA auto_vacuum = INCREMENTAL", // before the file's first page is written
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = " + level,
		"PRAGMA fullfsync = ON", // macOS: there fsync alone stops at the drive
		"PRAGMA checkpoint_fullfsync = ON",
		fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", checkpointPages),
		fmt.Sprintf("PRAGMA journal_size_limit = %d", walLimit),
		"PRAGMA cache_size = -16000",
	}
}

// run commits a batch and sets each job's error.
func (w *sqliteWriter) run(batch []*job) {
	err := w.group(batch)
	switch {
	case err == nil:
	case errors.Is(err, ErrFull) && !w.full:
		// The WAL may hold enough room. If not, the ballast is given up, and
		// each caller finds out for itself: what makes room goes on.
		w.lighten()
		w.shrink()
		w.each(batch)
	case errors.Is(err, errLost) && len(batch) > 1:
		w.each(batch)
	default:
		for _, j := range batch {
			j.err = err
		}
	}
	if w.full {
		w.shrink()
	}
	w.tidy()
}

// each commits the jobs one by one.
func (w *sqliteWriter) each(batch []*job) {
	for i, j := range batch {
		j.err = nil
		err := w.group(batch[i : i+1])
		if errors.Is(cmp.Or(err, j.err), ErrFull) && !w.full {
			w.lighten()
			err = w.group(batch[i : i+1])
		}
		if err != nil {
			j.err = err
		}
	}
}

// lighten gives up the ballast.
func (w *sqliteWriter) lighten() {
	w.full = true
	_ = w.ballast.drop() // nothing better can be done about a failure
}

// errLost marks the end of a transaction by one statement's failure.
var errLost = errors.New("the transaction was lost")

// group runs batch in one transaction. The error is that of all of them; a
// job's own error is in the job.
func (w *sqliteWriter) group(batch []*job) (err error) {
	if err := w.c.simply("BEGIN IMMEDIATE"); err != nil {
		return w.c.wrap(err)
	}
	committed := false
	defer func() { // also when a job's fn ends the goroutine
		if !committed {
			_ = w.c.simply("ROLLBACK") // fails if SQLite has done so itself
		}
	}()
	for _, j := range batch {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		if err := w.one(j, len(batch) == 1); err != nil {
			return err
		}
	}
	if len(batch) == 1 && batch[0].err != nil {
		return nil
	}
	if err := w.c.simply("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", w.c.wrap(err))
	}
	committed = true
	return nil
}

// one runs a job inside the transaction, in a savepoint from its first write on
// unless it is alone. An error is one that ends the transaction.
func (w *sqliteWriter) one(j *job, alone bool) error {
	saved := false
	var ended error
	t := &tx{s: w.c}
	t.before = func(write bool) error {
		if ended != nil {
			return ended
		}
		if !write || saved || alone {
			return nil
		}
		saved = true
		return w.c.simply("SAVEPOINT job")
	}
	t.after = func(err error) error {
		if lost(err) {
			ended = fmt.Errorf("%w: %w", errLost, err)
		}
		return err
	}
	if w.full {
		t.s = frugal{w.c}
	}
	j.err = call(j.fn, t)
	t.over = true
	switch {
	case ended != nil:
		return ended
	case !saved:
		return nil
	case j.err != nil:
		if err := w.c.simply("ROLLBACK TO job"); err != nil {
			return fmt.Errorf("%w: %w", errLost, w.c.wrap(err))
		}
	}
	if err := w.c.simply("RELEASE job"); err != nil {
		return fmt.Errorf("%w: %w", errLost, w.c.wrap(err))
	}
	return nil
}

// tidy keeps the WAL in bounds.
func (w *sqliteWriter) tidy() {
	if time.Since(w.looked) < housekeeping {
		return
	}
	w.looked = time.Now()
	if s, err := os.Stat(w.c.path + "-wal"); err != nil || s.Size() < walLimit {
		return
	}
	// A reader that stays longer than this is met again the next time.
	_ = w.c.simply("PRAGMA busy_timeout = 200")
	_, _ = w.c.number("PRAGMA wal_checkpoint(TRUNCATE)")
	_ = w.c.simply("PRAGMA busy_timeout = 5000")
}

// shrink gives what was deleted back to the disk, and takes the ballast again
// when there is room. Its failures are met again after the next write.
func (w *sqliteWriter) shrink() {
	if n, err := w.c.number("PRAGMA freelist_count"); err == nil && n > 0 {
		_ = w.c.simply("PRAGMA incremental_vacuum(1000)")
	}
	_, _ = w.c.number("PRAGMA wal_checkpoint(TRUNCATE)")
	w.refit()
}

// refit leaves the full state if the ballast fits again.
func (w *sqliteWriter) refit() {
	if w.ballast.fits() && w.ballast.restore() == nil {
		w.full = false
	}
}

// close moves the WAL into the database, as SQLite does with its last
// connection.
func (w *sqliteWriter) close() error {
	return w.c.close()
}
