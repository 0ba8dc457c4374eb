package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"math/big"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// noAPI is ErrNoAPI for a client.
func (b *Book) noAPI(err error, id string) error {
	if errors.Is(err, ErrNoAPI) {
		return NotFound("Invalid API identifier specified %s:%s", b.Account, id)
	}
	return err
}

// View is an API as it is now. It is shared: whoever wants to change it calls Edit.
func (b *Book) View(ctx context.Context, id string) (*Definition, error) {
	s, err := b.served(ctx, id)
	if err != nil {
		return nil, b.noAPI(err, id)
	}
	return s.definition, nil
}

// APIs are all APIs, without their parts, by id.
func (b *Book) APIs(ctx context.Context) (map[string]*API, error) {
	return store.Read(ctx, b.DB, func(tx store.Tx) (map[string]*API, error) {
		all := map[string]*API{}
		return all, tx.Each(`SELECT head FROM apigateway_api`, nil, func(scan func(...any) error) error {
			var doc []byte
			a := new(API)
			if err := scan(&doc); err != nil {
				return err
			}
			if err := json.Unmarshal(doc, a); err != nil {
				return err
			}
			all[a.ApiId] = a
			return nil
		})
	})
}

// Create makes an API of a, which has what a client may say of one, and of
// what fn adds. fn may run more than once.
func (b *Book) Create(ctx context.Context, a API, fn func(*Definition) error) error {
	id := newID(10)
	defer b.changed(id, true)
	return b.DB.Update(ctx, func(tx store.Tx) error {
		a := a
		a.ApiId, a.CreatedDate = id, b.Now().UnixMilli()
		d := New(a)
		d.now = a.CreatedDate
		if err := d.API.check(); err != nil {
			return err
		}
		if err := fn(d); err != nil {
			return err
		}
		d.settle()
		return d.write(tx)
	})
}

// Edit changes an API by fn, which may run more than once. When it returns an
// error nothing is changed. Stages that deploy by themselves have the change
// when Edit returns.
func (b *Book) Edit(ctx context.Context, id string, fn func(*Definition) error) error {
	return b.edit(ctx, id, func(_ store.Tx, d *Definition) error { return fn(d) })
}

func (b *Book) edit(ctx context.Context, id string, fn func(store.Tx, *Definition) error) error {
	defer b.changed(id, false)
	return b.DB.Update(ctx, func(tx store.Tx) error {
		d, err := readDefinition(tx, id)
		if err != nil {
			return b.noAPI(err, id)
		}
		d.now = b.Now().UnixMilli()
		if err := fn(tx, d); err != nil {
			return err
		}
		d.settle()
		return d.write(tx)
	})
}

// Delete removes an API and all that it is made of.
func (b *Book) Delete(ctx context.Context, id string) error {
	defer b.changed(id, true)
	return b.DB.Update(ctx, func(tx store.Tx) error {
		if err := free(tx, id, ""); err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM apigateway_api WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return b.noAPI(ErrNoAPI, id)
		}
		_, err = tx.Exec(`DELETE FROM apigateway_snapshot WHERE api = ?`, id)
		return err
	})
}

// DeleteStage removes a stage of an API.
func (b *Book) DeleteStage(ctx context.Context, id, name string) error {
	return b.edit(ctx, id, func(tx store.Tx, d *Definition) error {
		if _, err := d.Stage(name); err != nil {
			return err
		}
		delete(d.Stages, name)
		return free(tx, id, name)
	})
}

// newID is an id of n letters and digits that nobody has yet.
func newID(n int) string {
	const digits = "abcdefghijklmnopqrstuvwxyz0123456789"
	id := make([]byte, n)
	for i := range id {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(digits))))
		if err != nil {
			panic(err) // crypto/rand never fails
		}
		id[i] = digits[k.Int64()]
	}
	return string(id)
}

// freshID is an id that none of parts has.
func freshID[T any](parts map[string]*T, n int) string {
	for {
		if id := newID(n); parts[id] == nil {
			return id
		}
	}
}
