package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// migrateLock is the number of the advisory lock that keeps nodes from
// migrating at the same time. It only has to be nobody else's.
const migrateLock = 0x6d6179666c79 // "mayfly"

// A pgDB is a DB on a PostgreSQL server, which many nodes may share.
type pgDB struct {
	config  *pgx.ConnConfig
	writer  *pgWriter
	batches *batcher
	free    chan *pgConn // a nil is a connection that is not open yet

	mu     sync.RWMutex // held for reading while a View runs; guards closed
	closed bool
}

// OpenPostgres opens the database that dsn names, as a URL or as key=value
// words. It refuses a server that is set to lose acknowledged writes.
func OpenPostgres(ctx context.Context, dsn string) (DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("store: open PostgreSQL: %w", err) // pgx leaves the password out
	}
	words := map[string]string{
		"application_name": "mayfly",
		// A node that hangs must not hold the others' locks.
		"idle_in_transaction_session_timeout": "60s",
		"lock_timeout":                        "30s",
	}
	for k, v := range words {
		if _, set := config.RuntimeParams[k]; !set {
			config.RuntimeParams[k] = v
		}
	}
	d := &pgDB{config: config, writer: &pgWriter{config: config}, free: make(chan *pgConn, readers)}
	for range readers {
		d.free <- nil
	}
	c, err := d.reader(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: open PostgreSQL: %w", err)
	}
	err = checkServer(c)
	d.release(c, true)
	if err != nil {
		d.closeReaders()
		return nil, err
	}
	d.batches = newBatcher(d.writer.run)
	return d, nil
}

// checkServer refuses settings under which what was acknowledged can be lost,
// or a text cannot be kept.
func checkServer(c *pgConn) error {
	for _, s := range []struct{ name, bad, why string }{
		{"fsync", "off", "a crash of the machine would lose or spoil data; set fsync = on"},
		{"full_page_writes", "off", "a crash of the machine would spoil data; set full_page_writes = on"},
		{"synchronous_commit", "off", "a crash would lose acknowledged writes; set synchronous_commit = on, or ALTER ROLE ... SET synchronous_commit = on"},
		{"server_encoding", "SQL_ASCII", "texts need the encoding UTF8; create the database with ENCODING 'UTF8'"},
	} {
		var v string
		if err := (&tx{s: c}).Get([]any{&v}, "SELECT current_setting(?)", s.name); err != nil {
			return fmt.Errorf("store: open PostgreSQL: %w", err)
		}
		if v == s.bad {
			return fmt.Errorf("store: open PostgreSQL: %s is %s: %s", s.name, v, s.why)
		}
	}
	return nil
}

func (d *pgDB) Migrate(ctx context.Context, room string, steps ...string) error {
	if err := checkRoom(ctx, room); err != nil {
		return err
	}
	unlock, err := d.lockMigration(ctx)
	if err != nil {
		return fmt.Errorf("store: migrate %s: %w", room, err)
	}
	defer unlock()
	return d.Update(ctx, func(tx Tx) error { return migrate(tx, definition, room, steps) })
}

// lockMigration takes the lock on a connection of its own: a transaction that
// waited for it would not see what the one before it did.
func (d *pgDB) lockMigration(ctx context.Context) (unlock func(), err error) {
	c, err := connect(ctx, d.config)
	if err != nil {
		return nil, err
	}
	if _, err := c.c.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		c.close()
		return nil, err
	}
	return func() { c.close() }, nil // the lock ends with its session
}

func (d *pgDB) Update(ctx context.Context, fn func(Tx) error) error {
	return d.batches.do(ctx, fn)
}

func (d *pgDB) View(ctx context.Context, fn func(Tx) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return ErrClosed
	}
	c, err := d.begin(ctx)
	if err != nil {
		return err
	}
	whole := false
	defer func() { d.release(c, whole) }()
	t := &tx{s: c, until: time.Now().Add(readTime)}
	err = call(fn, t)
	t.over = true
	whole = c.simply("ROLLBACK") == nil
	return err
}

// begin takes a connection out of the pool and begins to read. One that the
// server has closed meanwhile is replaced.
func (d *pgDB) begin(ctx context.Context) (*pgConn, error) {
	for {
		c, err := d.reader(ctx)
		if err != nil {
			return nil, fmt.Errorf("store: view: %w", err)
		}
		used := c.used
		c.used = true
		if err = c.simply("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err == nil {
			return c, nil
		}
		d.release(c, false)
		if !used {
			return nil, c.wrap(err)
		}
	}
}

func (d *pgDB) reader(ctx context.Context) (*pgConn, error) {
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
	c, err := connect(ctx, d.config)
	if err != nil {
		d.free <- nil
		return nil, err
	}
	return c, nil
}

func (d *pgDB) release(c *pgConn, whole bool) {
	if !whole {
		c.close()
		c = nil
	}
	d.free <- c
}

func (d *pgDB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.batches.close()
	return errors.Join(d.closeReaders(), d.writer.close())
}

func (d *pgDB) closeReaders() (err error) {
	for range readers {
		if c := <-d.free; c != nil {
			err = errors.Join(err, c.close())
		}
	}
	return err
}
