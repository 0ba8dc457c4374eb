// Package store is the one truth: SQL, with every write durable before it is
// acknowledged. SQLite is embedded by default; PostgreSQL takes its place when
// one machine is outgrown. The schema and the queries are the same.
//
// All writes of a database pass one batcher: it runs whatever is waiting in one
// transaction, each caller's part in a savepoint of its own, and acknowledges
// all of them after one commit that reached the disk.
package store

import (
	"context"
	"errors"
)

// What a statement may answer beside success.
var (
	ErrNoRows   = errors.New("store: no such row")
	ErrConflict = errors.New("store: a unique value exists already")
	ErrFull     = errors.New("store: the disk is full")
	ErrNewer    = errors.New("store: the data was written by a newer version")
)

// What else an operation on a database may answer.
var (
	ErrClosed = errors.New("store: the database is closed")
	ErrInUse  = errors.New("store: the database is open in another process")
	ErrRemote = errors.New("store: a network file system cannot keep a database safe")
	ErrSlow   = errors.New("store: a read held its state for too long")
)

// A DB is one database. Its methods may be called from any goroutine.
//
// Queries use ? for arguments, and the SQL that SQLite and PostgreSQL share:
// TEXT, INTEGER (64 bits), REAL, BLOB, ON CONFLICT, RETURNING. Texts compare by
// their bytes and LIKE minds the case. A TEXT argument is a string, a BLOB
// argument a []byte, an INTEGER any Go integer or a bool (0 or 1); there is no
// type for times: keep them as integers. A TEXT is UTF-8 without NUL; bytes of
// unknown origin belong into a BLOB. A column that is INTEGER PRIMARY KEY
// numbers its rows itself when no value is given.
type DB interface {
	// Migrate brings room's tables up to date: it runs those of steps that
	// have not run on this data, in order, each once. Steps are only ever
	// appended. It answers ErrNewer when the data has had more steps.
	Migrate(ctx context.Context, room string, steps ...string) error

	// Update runs fn in a write transaction and returns once what it wrote is
	// on disk. When fn returns an error nothing of it is kept and Update
	// returns that error. fn may run more than once and must not wait for
	// anything but the database.
	Update(ctx context.Context, fn func(Tx) error) error

	// View runs fn over one consistent state. fn must be short.
	View(ctx context.Context, fn func(Tx) error) error

	// Close waits for the writes under way and closes the database.
	Close() error
}

// A Tx is a transaction. It is good until the function that got it returns. A
// statement that failed in an Update changed nothing, and the function may go
// on; in a View it should return. Errors tell the statement, not its arguments.
type Tx interface {
	// Exec runs a statement and tells how many rows it changed.
	Exec(query string, args ...any) (int64, error)

	// Get reads one row into dest; ErrNoRows when there is none.
	Get(dest []any, query string, args ...any) error

	// Each reads every row: scan fills dest from the row that it is called for.
	Each(query string, args []any, row func(scan func(dest ...any) error) error) error
}
