package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// maxStatements bounds the statements that a connection keeps prepared.
const maxStatements = 256

// A sqliteConn is one connection and its prepared statements. It talks to the
// driver itself: database/sql would take a lock and a copy for each value.
type sqliteConn struct {
	c     driver.Conn
	path  string
	stmts map[string]*sqliteStmt
}

type sqliteStmt struct {
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	close func() error
	busy  bool // its rows are being read: another use would move them
}

func openConn(path string, pragmas ...string) (*sqliteConn, error) {
	cr, err := sqlite.NewConnector(address(path))
	if err != nil {
		return nil, err
	}
	c, err := cr.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	s := &sqliteConn{c: c, path: path, stmts: map[string]*sqliteStmt{}}
	for _, p := range append(common(), pragmas...) {
		if err := s.once(p); err != nil {
			s.close()
			return nil, fmt.Errorf("%s: %w", p, err)
		}
	}
	return s, nil
}

// common are the settings of every connection.
func common() []string {
	return []string{
		"PRAGMA busy_timeout = 5000",
		"PRAGMA foreign_keys = ON",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA case_sensitive_like = ON", // as PostgreSQL does
	}
}

// once runs a statement that will not be run again soon.
func (s *sqliteConn) once(query string) error {
	_, err := s.c.(driver.ExecerContext).ExecContext(context.Background(), query, nil)
	return err
}

// simply runs a statement without arguments.
func (s *sqliteConn) simply(query string) error {
	_, err := s.exec(query, nil)
	return err
}

// number reads the first column of a query's first row, as PRAGMAs answer.
func (s *sqliteConn) number(query string) (n int64, err error) {
	err = s.query(query, nil, func(row []driver.Value) error { return assign(&n, row[0]) })
	return n, err
}

// prepared answers the statement for query, kept if there is room. done must be
// called when it is no longer used.
func (s *sqliteConn) prepared(query string) (st *sqliteStmt, done func(), err error) {
	if st = s.stmts[query]; st != nil && !st.busy {
		st.busy = true
		return st, func() { st.busy = false }, nil
	}
	kept := st == nil
	if st, err = s.prepare(query); err != nil {
		return nil, nil, err
	}
	if !kept { // the kept one is in use further up
		return st, func() { st.close() }, nil
	}
	s.evict()
	s.stmts[query] = st
	st.busy = true
	return st, func() { st.busy = false }, nil
}

func (s *sqliteConn) prepare(query string) (*sqliteStmt, error) {
	p, err := s.c.Prepare(query)
	if err != nil {
		return nil, err
	}
	return &sqliteStmt{
		exec:  p.(driver.StmtExecContext),
		query: p.(driver.StmtQueryContext),
		close: p.Close,
	}, nil
}

// evict makes room for one more statement; which one goes does not matter much.
func (s *sqliteConn) evict() {
	for q, st := range s.stmts {
		if len(s.stmts) < maxStatements {
			return
		}
		if !st.busy {
			delete(s.stmts, q)
			st.close()
		}
	}
}

func (s *sqliteConn) exec(query string, args []driver.NamedValue) (int64, error) {
	st, done, err := s.prepared(query)
	if err != nil {
		return 0, err
	}
	defer done()
	r, err := st.exec.ExecContext(context.Background(), args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (s *sqliteConn) query(query string, args []driver.NamedValue, row func([]driver.Value) error) (err error) {
	st, done, err := s.prepared(query)
	if err != nil {
		return err
	}
	defer done()
	rows, err := st.query.QueryContext(context.Background(), args)
	if err != nil {
		return err
	}
	defer func() { // also when row panics: the statement is used again
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
}

// wrap makes this package's errors of SQLite's codes.
func (s *sqliteConn) wrap(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		// The shared index of the WAL says so when it finds no room.
		if n, known := spare(filepath.Dir(s.path)); known && n < 1<<20 {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return fmt.Errorf("store: %w", err)
}

// lost tells whether err may have ended the whole transaction, as SQLite does
// after these.
func lost(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY:
		return true
	}
	return false
}

func (s *sqliteConn) close() error {
	for _, st := range s.stmts {
		st.close()
	}
	return s.c.Close()
}
