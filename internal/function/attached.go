package function

import (
	"context"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Kinds of what is set for one qualifier of a function, beside its versions:
// it can be changed at any time, and goes when what it is set for goes.
const (
	kindPolicy      = "policy"
	kindEvents      = "events"
	kindURL         = "url"
	kindProvisioned = "provisioned"
	kindRuntime     = "runtime"
)

// attached reads what of a kind is set for a qualifier; store.ErrNoRows when nothing is.
func attached[T any](tx store.Tx, kind string, ref Ref) (v T, err error) {
	var doc string
	if err = tx.Get([]any{&doc}, `SELECT doc FROM function_settings WHERE name = ? AND kind = ? AND qualifier = ?`, ref.Name, kind, own(ref)); err != nil {
		return v, err
	}
	return v, decode(doc, &v)
}

// attach sets it.
func attach(tx store.Tx, kind string, ref Ref, v any) error {
	_, err := tx.Exec(`INSERT INTO function_settings (name, kind, qualifier, doc) VALUES (?, ?, ?, ?)
		ON CONFLICT (name, kind, qualifier) DO UPDATE SET doc = excluded.doc`, ref.Name, kind, own(ref), encode(v))
	return err
}

// detach removes it and tells whether it was there.
func detach(tx store.Tx, kind string, ref Ref) (bool, error) {
	n, err := tx.Exec(`DELETE FROM function_settings WHERE name = ? AND kind = ? AND qualifier = ?`, ref.Name, kind, own(ref))
	return n > 0, err
}

// allAttached lists what of a kind is set for the qualifiers behind after, in their order.
func allAttached[T any](tx store.Tx, kind, name, after string, limit int) ([]T, error) {
	return documents[T](tx, `SELECT doc FROM function_settings WHERE name = ? AND kind = ? AND qualifier > ? ORDER BY qualifier LIMIT ?`, name, kind, after, limit)
}

// own is the qualifier that a setting is kept under.
func own(ref Ref) string {
	if ref.Qualifier == "" {
		return Latest
	}
	return ref.Qualifier
}

// listAttached is a page of what is attached to a function, in the order of
// qualifiers; missing is the error when there is no function.
func listAttached[T any](ctx context.Context, r *Registry, kind, name string, p Page, missing error, qualifier func(T) string) (all []T, next string, err error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, "", err
	}
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	err = r.db.View(ctx, func(tx store.Tx) error {
		there, err := exists(tx, ref.Name)
		if err != nil {
			return err
		}
		if !there {
			return missing
		}
		all, err = allAttached[T](tx, kind, ref.Name, after, p.limit()+1)
		return err
	})
	all, next = paginate(all, p, qualifier)
	return all, next, err
}
