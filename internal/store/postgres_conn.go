package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// SQLSTATEs. https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	diskFull             = "53100"
)

// A pgConn is one connection. pgx keeps its prepared statements.
type pgConn struct {
	c        *pgx.Conn
	numbered map[string]string // queries as PostgreSQL wants them
	used     bool              // it has served before, so the server may have closed it since
}

// connectTime bounds what a server that does not answer costs.
const connectTime = 10 * time.Second

func connect(ctx context.Context, config *pgx.ConnConfig) (*pgConn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return nil, err
	}
	return &pgConn{c: c, numbered: map[string]string{}}, nil
}

func (p *pgConn) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), connectTime)
	defer cancel()
	return p.c.Close(ctx)
}

func (p *pgConn) simply(query string) error {
	_, err := p.c.Exec(context.Background(), query)
	return err
}

// say answers query as PostgreSQL wants it.
func (p *pgConn) say(query string) string {
	n, ok := p.numbered[query]
	if !ok {
		if len(p.numbered) >= maxStatements {
			clear(p.numbered)
		}
		n = numbered(query)
		p.numbered[query] = n
	}
	return n
}

func (p *pgConn) exec(query string, args []driver.NamedValue) (int64, error) {
	tag, err := p.c.Exec(context.Background(), p.say(query), plain(args)...)
	return tag.RowsAffected(), err
}

// query reads all rows before it tells of the first: PostgreSQL takes no other
// statement on the connection while rows are on their way, and row may have one.
func (p *pgConn) query(query string, args []driver.NamedValue, row func([]driver.Value) error) error {
	rows, err := p.c.Query(context.Background(), p.say(query), plain(args)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all [][]driver.Value
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		r := make([]driver.Value, len(values))
		for i, v := range values {
			if r[i], err = value(v); err != nil {
				return fmt.Errorf("store: column %d: %w", i+1, err)
			}
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, r := range all {
		if err := row(r); err != nil {
			return err
		}
	}
	return nil
}

func plain(args []driver.NamedValue) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = a.Value
	}
	return out
}

// value turns what pgx reads into what SQLite would answer.
func value(v any) (driver.Value, error) {
	switch v := v.(type) {
	case nil, int64, float64, string, []byte:
		return v, nil
	case int32:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case pgtype.Numeric: // the sum of BIGINTs is one
		if n, err := v.Int64Value(); err == nil && n.Valid {
			return n.Int64, nil
		}
		f, err := v.Float64Value()
		return f.Float64, err
	}
	return nil, fmt.Errorf("%T is not a type of this store", v)
}

func (p *pgConn) wrap(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch e.Code {
	case uniqueViolation:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case diskFull:
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("store: %w", err)
}
