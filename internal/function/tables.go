package function

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// migrate makes the tables. Documents are JSON; what is looked up by is a column.
//
// function_archives tells which versions need an archive, be it as their code,
// as the code that runs until an update has settled, or as a layer. settling
// says that a worker still has to finish the version.
//
// stamp counts a function's changes. Each change begins by raising it, which
// serialises the changes of one function on any database.
func (r *Registry) migrate(ctx context.Context) error {
	return r.db.Migrate(ctx, "function",
		`CREATE TABLE functions (
			name TEXT NOT NULL PRIMARY KEY,
			stamp INTEGER NOT NULL,
			doc TEXT NOT NULL
		)`,
		`CREATE TABLE function_versions (
			name TEXT NOT NULL,
			number INTEGER NOT NULL,
			size INTEGER NOT NULL,
			settling INTEGER NOT NULL,
			doc TEXT NOT NULL,
			PRIMARY KEY (name, number)
		)`,
		`CREATE TABLE function_archives (
			sha TEXT NOT NULL,
			name TEXT NOT NULL,
			number INTEGER NOT NULL,
			PRIMARY KEY (sha, name, number)
		)`,
		`CREATE INDEX function_archives_version ON function_archives (name, number)`,
		`CREATE INDEX function_versions_settling ON function_versions (settling)`,
		`CREATE TABLE function_aliases (
			name TEXT NOT NULL,
			alias TEXT NOT NULL,
			doc TEXT NOT NULL,
			PRIMARY KEY (name, alias)
		)`,
		`CREATE TABLE function_settings (
			name TEXT NOT NULL,
			kind TEXT NOT NULL,
			qualifier TEXT NOT NULL,
			doc TEXT NOT NULL,
			PRIMARY KEY (name, kind, qualifier)
		)`,
		`CREATE TABLE function_secret (
			id INTEGER NOT NULL PRIMARY KEY,
			secret BLOB NOT NULL
		)`,
	)
}

// loadSecret reads the key that signs code locations; the first start makes it.
func (r *Registry) loadSecret(ctx context.Context) error {
	return r.db.Update(ctx, func(tx store.Tx) error {
		fresh := make([]byte, 32)
		rand.Read(fresh)
		if _, err := tx.Exec(`INSERT INTO function_secret (id, secret) VALUES (1, ?) ON CONFLICT (id) DO NOTHING`, fresh); err != nil {
			return err
		}
		return tx.Get([]any{&r.secret}, `SELECT secret FROM function_secret WHERE id = 1`)
	})
}

// A record is what a function has beside its versions.
type record struct {
	Next        int64 // number of the next version; never goes back
	Tags        map[string]string
	Reserved    *int32
	Recursive   string // "Terminate" when empty
	CodeSigning string
}

// A change is a transaction on one function.
type change struct {
	store.Tx
	r    *Registry
	name string
	rec  record
}

// change runs fn on the function called name, in a transaction that no other
// change of it shares. Meanwhile nothing is remembered of how to run it. missing is
// answered when there is no such function.
func (r *Registry) change(ctx context.Context, name string, missing error, fn func(*change) error) error {
	r.routes.forget(name)
	defer r.routes.remember(name)
	return r.db.Update(ctx, func(tx store.Tx) error {
		n, err := tx.Exec(`UPDATE functions SET stamp = stamp + 1 WHERE name = ?`, name)
		if err != nil {
			return err
		}
		if n == 0 {
			return missing
		}
		c := &change{Tx: tx, r: r, name: name}
		if c.rec, err = readRecord(tx, name); err != nil {
			return err
		}
		return fn(c)
	})
}

// save writes the function's record.
func (c *change) save() error {
	_, err := c.Exec(`UPDATE functions SET doc = ? WHERE name = ?`, encode(c.rec), c.name)
	return err
}

// latest reads $LATEST.
func (c *change) latest() (*Version, error) { return readVersion(c.Tx, c.name, 0) }

// put writes a version; settling says that a worker still has to finish it.
func (c *change) put(v *Version, settling bool) error { return putVersion(c.Tx, v, settling) }

func putVersion(tx store.Tx, v *Version, settling bool) error {
	flag := 0
	if settling {
		flag = 1
	}
	if _, err := tx.Exec(`INSERT INTO function_versions (name, number, size, settling, doc) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (name, number) DO UPDATE SET size = excluded.size, settling = excluded.settling, doc = excluded.doc`,
		v.Function, v.Number, v.Code.Size, flag, encode(v)); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM function_archives WHERE name = ? AND number = ?`, v.Function, v.Number); err != nil {
		return err
	}
	for _, sha := range v.archives() {
		if _, err := tx.Exec(`INSERT INTO function_archives (sha, name, number) VALUES (?, ?, ?)`, sha, v.Function, v.Number); err != nil {
			return err
		}
	}
	return nil
}

// touch gives a version a new revision and writes it; whether it is settling stays.
func (c *change) touch(v *Version) error {
	v.Revision = uuid.NewString()
	_, err := c.Exec(`UPDATE function_versions SET doc = ? WHERE name = ? AND number = ?`, encode(v), v.Function, v.Number)
	return err
}

func readRecord(tx store.Tx, name string) (rec record, err error) {
	var doc string
	if err = tx.Get([]any{&doc}, `SELECT doc FROM functions WHERE name = ?`, name); err != nil {
		return rec, err
	}
	return rec, decode(doc, &rec)
}

// readVersion answers store.ErrNoRows when there is no such version.
func readVersion(tx store.Tx, name string, number int64) (*Version, error) {
	var doc string
	if err := tx.Get([]any{&doc}, `SELECT doc FROM function_versions WHERE name = ? AND number = ?`, name, number); err != nil {
		return nil, err
	}
	v := new(Version)
	return v, decode(doc, v)
}

// exists tells whether there is a function called name.
func exists(tx store.Tx, name string) (bool, error) {
	var n int64
	err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM functions WHERE name = ?`, name)
	return n > 0, err
}

// documents reads the one column of a query as JSON documents.
func documents[T any](tx store.Tx, query string, args ...any) ([]T, error) {
	var all []T
	err := tx.Each(query, args, func(scan func(...any) error) error {
		var doc string
		if err := scan(&doc); err != nil {
			return err
		}
		var v T
		if err := decode(doc, &v); err != nil {
			return err
		}
		all = append(all, v)
		return nil
	})
	return all, err
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("function: document does not encode: " + err.Error()) // only our own plain structs come here
	}
	return string(b)
}

func decode(doc string, v any) error {
	if err := json.Unmarshal([]byte(doc), v); err != nil {
		return fmt.Errorf("stored document: %w", err)
	}
	return nil
}

// or replaces store.ErrNoRows by what the caller says about it.
func or(err, missing error) error {
	if errors.Is(err, store.ErrNoRows) {
		return missing
	}
	return err
}
