package function

import (
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
