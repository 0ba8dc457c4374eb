package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	maxTries = 10 // of one batch, when other nodes are in its way or the server restarts
	maxPause = 500 * time.Millisecond
)

// A pgWriter is the connection that writes. It is used by the batcher's
// goroutine alone.
type pgWriter struct {
	config *pgx.ConnConfig
	c      *pgConn // nil until it is needed
}

// errCareful says that a batch has to be run again with savepoints.
var errCareful = errors.New("store: run again with savepoints")

// run commits a batch and sets each job's error. It begins without savepoints,
// which would cost as much as the statements; only when a job fails, and the
// others' work must be kept from it, is all run again with them.
func (w *pgWriter) run(batch []*job) {
	careful := false
	for try := 1; ; {
		err := w.group(batch, careful)
		switch {
		case errors.Is(err, errCareful):
			careful = true
			continue
		case err != nil && try < maxTries && passing(err):
			try++
			pause(try)
			continue
		case err != nil:
			for _, j := range batch {
				j.err = err
			}
		}
		return
	}
}

// errUnknown marks an end of the connection during COMMIT: the server may have
// kept the batch or not, so it must not be run again.
var errUnknown = errors.New("store: the connection ended in a commit, which may have been kept or not")

// passing tells whether the same batch may well succeed when run again, and
// whether that is safe.
func passing(err error) bool {
	if errors.Is(err, errUnknown) {
		return false
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		// Not the server's words, so the connection's end, before COMMIT.
		return errors.Is(err, errConnection)
	}
	switch e.Code {
	case serializationFailure, deadlockDetected:
		return true
	}
	return strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08") // shutting down, starting up; connection
}

var errConnection = errors.New("store: the connection to PostgreSQL ended")

// pause keeps nodes that are in each other's way from meeting again at once.
func pause(try int) {
	limit := min(maxPause, time.Millisecond<<try)
	time.Sleep(rand.N(limit))
}

// group runs batch in one transaction. The error is that of all of them.
func (w *pgWriter) group(batch []*job, careful bool) (err error) {
	if err := w.begin(); err != nil {
		return err
	}
	committed := false
	defer func() { // also when a job's fn ends the goroutine
		if !committed && (w.c.c.IsClosed() || w.c.simply("ROLLBACK") != nil) {
			w.c.close()
			w.c = nil
		}
	}()
	for _, j := range batch {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		one := w.quick
		if careful {
			one = w.careful
		}
		if err := one(j, len(batch) == 1); err != nil {
			return err
		}
	}
	if len(batch) == 1 && batch[0].err != nil {
		return nil
	}
	committed, err = w.commit()
	return err
}

// begin begins a transaction that sees and does what it would if it were alone,
// as SQLite's one writer is. A connection that has ended since its last use is
// replaced.
func (w *pgWriter) begin() error {
	if w.c == nil || w.c.c.IsClosed() {
		c, err := connect(context.Background(), w.config)
		if err != nil {
			return fmt.Errorf("%w: %w", errConnection, err)
		}
		w.c = c
	}
	if err := w.c.simply("BEGIN ISOLATION LEVEL SERIALIZABLE"); err != nil {
		w.c.close()
		w.c = nil
		return fmt.Errorf("%w: %w", errConnection, err)
	}
	return nil
}

func (w *pgWriter) commit() (bool, error) {
	tag, err := w.c.c.Exec(context.Background(), "COMMIT")
	switch {
	case err != nil && w.c.c.IsClosed():
		return false, fmt.Errorf("%w: %w", errUnknown, err)
	case err != nil:
		return false, fmt.Errorf("commit: %w", w.c.wrap(err))
	case tag.String() != "COMMIT": // a failed transaction answers ROLLBACK
		return true, errors.New("store: commit: the transaction had failed")
	}
	return true, nil
}

// quick runs a job without savepoints. An error is one that ends the
// transaction.
func (w *pgWriter) quick(j *job, alone bool) error {
	var failed error // the first statement's; after it the server takes no other
	wrote, went := false, false
	t := &tx{s: w.c}
	t.before = func(write bool) error {
		wrote = wrote || write
		went = went || failed != nil
		return nil
	}
	t.after = func(err error) error {
		if failed == nil {
			failed = err
		}
		return err
	}
	j.err = call(j.fn, t)
	t.over = true
	switch {
	case failed != nil && w.ends(failed):
		return w.ended(failed)
	case failed != nil && (!alone || went || j.err == nil):
		return errCareful
	case j.err != nil && wrote && !alone:
		return errCareful
	}
	return nil
}

// careful runs a job in a savepoint, and each of its statements in another, so
// that it may go on after one that failed, as it may with SQLite.
func (w *pgWriter) careful(j *job, _ bool) error {
	if err := w.c.simply("SAVEPOINT job"); err != nil {
		return w.ended(err)
	}
	var ended error
	t := &tx{s: w.c}
	t.before = func(bool) error {
		if ended != nil {
			return ended
		}
		return w.c.simply("SAVEPOINT statement")
	}
	t.after = func(err error) error {
		end := "RELEASE statement"
		if err != nil {
			end = "ROLLBACK TO statement; RELEASE statement"
		}
		if w.ends(err) {
			ended = w.ended(err)
		} else if e := w.c.simply(end); e != nil {
			ended = w.ended(e)
		}
		return err
	}
	j.err = call(j.fn, t)
	t.over = true
	if ended != nil {
		return ended
	}
	end := "RELEASE job"
	if j.err != nil {
		end = "ROLLBACK TO job; RELEASE job"
	}
	if err := w.c.simply(end); err != nil {
		return w.ended(err)
	}
	return nil
}

// ends tells whether err ends the whole transaction and not just a statement.
func (w *pgWriter) ends(err error) bool {
	return err != nil && (w.c.c.IsClosed() || passing(err))
}

func (w *pgWriter) ended(err error) error {
	if w.c.c.IsClosed() {
		return fmt.Errorf("%w: %w", errConnection, err)
	}
	return err
}

func (w *pgWriter) close() error {
	if w.c == nil {
		return nil
	}
	return w.c.close()
}
