package store

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// Sync is how much an acknowledged write is worth.
type Sync int

const (
	// Full writes survive a loss of power.
	Full Sync = iota
	// Normal writes survive the death of the process; a loss of power may
	// take the last of them, and never the order or the rest.
	Normal
)

// Options of a SQLite database. The zero Options are right for most.
type Options struct {
	Sync Sync

	// Ballast is the size in bytes of the reserve file kept beside the
	// database: 0 means 16 MiB, a negative number none. Below 8 MiB it may not
	// do, since moving the WAL into the database takes room. When the disk is full
	// the reserve is given up, INSERTs answer ErrFull without being tried, and
	// UPDATEs and DELETEs have the reserve to work with until there is room
	// for it again.
	Ballast int64
}

const (
	readers  = 8                // connections for View
	readTime = 15 * time.Second // a longer View would let the WAL grow without end
)

// A sqliteDB is a DB in one file.
type sqliteDB struct {
	path    string
	writer  *sqliteWriter
	batches *batcher
	lock    *os.File
	free    chan *sqliteConn // a nil is a connection that is not open yet

	mu     sync.RWMutex // held for reading while a View runs; guards closed
	closed bool
}

// OpenSQLite opens the database in the file path and makes it, and its folder,
// if they are missing. Beside it live path-wal, path-shm, path.lock and
// path.ballast. It answers ErrInUse when another process has it open, and
// ErrRemote on a network file system.
func OpenSQLite(path string, o Options) (DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	if err := prepare(path); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	l, err := lock(path)
	if err != nil {
		return nil, err
	}
	d, err := openLocked(path, o)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	d.lock = l
	return d, nil
}

func openLocked(path string, o Options) (*sqliteDB, error) {
	// fdatasync spares a commit the journal's update of the file's times. It
	// is the same promise; where the system has none, fsync is used.
	_, _ = sqlite.Fdatasync(true)
	w, err := openWriter(path, o)
	if err != nil {
		return nil, err
	}
	d := &sqliteDB{path: path, writer: w, free: make(chan *sqliteConn, readers)}
	for range readers {
		d.free <- nil
	}
	d.batches = newBatcher(w.run)
	return d, nil
}

// address says path as SQLite's URI, whatever characters are in it.
func address(path string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath()
}

func (d *sqliteDB) Migrate(ctx context.Context, room string, steps ...string) error {
	if err := checkRoom(ctx, room); err != nil {
		return err
	}
	same := func(s string) string { return s }
	return d.Update(ctx, func(tx Tx) error { return migrate(tx, same, room, steps) })
}

func (d *sqliteDB) Update(ctx context.Context, fn func(Tx) error) error {
	return d.batches.do(ctx, fn)
}

func (d *sqliteDB) View(ctx context.Context, fn func(Tx) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return ErrClosed
	}
	c, err := d.reader(ctx)
	if err != nil {
		return err
	}
	whole := false
	defer func() { d.release(c, whole) }()
	if err := c.simply("BEGIN"); err != nil {
		return c.wrap(err)
	}
	t := &tx{s: c, until: time.Now().Add(readTime)}
	err = call(fn, t)
	t.over = true
	whole = c.simply("ROLLBACK") == nil // there is nothing to commit
	return err
}

// reader takes a connection out of the pool.
func (d *sqliteDB) reader(ctx context.Context) (*sqliteConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case c := <-d.free:
		if c != nil {
			return c, nil
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := openConn(d.path, "PRAGMA cache_size = -2000", "PRAGMA query_only = ON")
	if err != nil {
		d.free <- nil
		return nil, fmt.Errorf("store: open %s: %w", d.path, err)
	}
	return c, nil
}

// release puts c back. One that is not whole (a panic or a failed ROLLBACK left
// it inside a transaction) makes place for a new one.
func (d *sqliteDB) release(c *sqliteConn, whole bool) {
	if !whole {
		c.close()
		c = nil
	}
	d.free <- c
}

func (d *sqliteDB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.batches.close()
	for range readers {
		if c := <-d.free; c != nil {
			c.close()
		}
	}
	err := d.writer.close()
	if e := d.lock.Close(); err == nil {
		err = e
	}
	return err
}
