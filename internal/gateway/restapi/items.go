package restapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// The kinds of items. A kind's documents are of one type.
const (
	kindAPI        = "api"        // API, of nobody
	kindResource   = "resource"   // Resource, of an API
	kindAuthorizer = "authorizer" // Authorizer, of an API
	kindModel      = "model"      // Model by name, of an API
	kindValidator  = "validator"  // Validator, of an API
	kindResponse   = "response"   // GatewayResponse by type, of an API
	kindDeployment = "deployment" // Deployment, of an API
	kindStage      = "stage"      // Stage by name, of an API
	kindKey        = "key"        // Key, of nobody
	kindPlan       = "plan"       // Plan, of nobody
	kindPlanKey    = "plankey"    // the keys of a Plan
	kindDomain     = "domain"     // Domain by name, of nobody
	kindMapping    = "mapping"    // Mapping by base path, of a Domain
	kindAccount    = "account"    // Account, one
)

// load reads an item; missing is the error when there is none.
func load[T any](tx store.Tx, kind, owner, id string, missing error) (*T, error) {
	var doc []byte
	err := tx.Get([]any{&doc}, `SELECT doc FROM restapi_item WHERE kind = ? AND owner = ? AND id = ?`, kind, owner, id)
	if errors.Is(err, store.ErrNoRows) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	return decode[T](doc)
}

func decode[T any](doc []byte) (*T, error) {
	t := new(T)
	if err := json.Unmarshal(doc, t); err != nil {
		return nil, fmt.Errorf("read an item: %w", err)
	}
	return t, nil
}

// save writes an item, over the one that is there.
func save(tx store.Tx, kind, owner, id string, item any) error {
	doc, err := json.Marshal(item)
	if err != nil {
		return fmt.Errorf("write an item: %w", err)
	}
	_, err = tx.Exec(`INSERT INTO restapi_item (kind, owner, id, doc) VALUES (?, ?, ?, ?)
		ON CONFLICT (kind, owner, id) DO UPDATE SET doc = excluded.doc`, kind, owner, id, doc)
	return err
}

// exists tells whether there is such an item.
func exists(tx store.Tx, kind, owner, id string) (bool, error) {
	var one int64
	err := tx.Get([]any{&one}, `SELECT 1 FROM restapi_item WHERE kind = ? AND owner = ? AND id = ?`, kind, owner, id)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// remove deletes an item; missing is the error when there is none.
func remove(tx store.Tx, kind, owner, id string, missing error) error {
	n, err := tx.Exec(`DELETE FROM restapi_item WHERE kind = ? AND owner = ? AND id = ?`, kind, owner, id)
	if err == nil && n == 0 {
		err = missing
	}
	return err
}

// all reads an owner's items of a kind in the order of their ids.
func all[T any](tx store.Tx, kind, owner string) ([]*T, error) {
	return store.All(tx, func(scan func(...any) error) (*T, error) {
		var doc []byte
		if err := scan(&doc); err != nil {
			return nil, err
		}
		return decode[T](doc)
	}, `SELECT doc FROM restapi_item WHERE kind = ? AND owner = ? ORDER BY id`, kind, owner)
}

// read answers what fn reads in one View.
func read[T any](ctx context.Context, b *Book, fn func(store.Tx) (T, error)) (T, error) {
	return store.Read(ctx, b.DB, fn)
}

// write answers what fn writes in one Update. What is served from memory is
// read again afterwards.
func write[T any](ctx context.Context, b *Book, fn func(store.Tx) (T, error)) (T, error) {
	defer b.cache.drop()
	return store.Write(ctx, b.DB, fn)
}

// change is write for what answers nothing.
func (b *Book) change(ctx context.Context, fn func(store.Tx) error) error {
	defer b.cache.drop()
	return b.DB.Update(ctx, fn)
}
