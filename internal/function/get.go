package function

import (
	"context"
	"errors"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// Get finds the version that a Ref names; an alias stands for the version that
// it points to.
func (r *Registry) Get(ctx context.Context, ref Ref) (*Version, error) {
	var v *Version
	err := r.db.View(ctx, func(tx store.Tx) (err error) {
		v, err = r.find(tx, ref)
		return err
	})
	return v, err
}

// find reads the version that a Ref names.
func (r *Registry) find(tx store.Tx, ref Ref) (*Version, error) {
	missing := errNoFunction(r.ARN(ref.Name, ref.Qualifier))
	number, isNumber := numberOf(ref.Qualifier)
	if !isNumber {
		a, err := readAlias(tx, ref.Name, ref.Qualifier)
		if err != nil {
			return nil, or(err, missing)
		}
		number, _ = numberOf(a.Version)
	}
	v, err := readVersion(tx, ref.Name, number)
	return v, or(err, missing)
}

// A Full is all that GetFunction tells of a function beside where its code is.
type Full struct {
	Version  *Version
	Tags     map[string]string
	Reserved *int32
}

// Describe is Get, with what belongs to the function as a whole.
func (r *Registry) Describe(ctx context.Context, ref Ref) (f Full, err error) {
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		if f.Version, err = r.find(tx, ref); err != nil {
			return err
		}
		rec, err := readRecord(tx, ref.Name)
		f.Tags, f.Reserved = rec.Tags, rec.Reserved
		return err
	})
	return f, err
}

// record reads what a function has beside its versions.
func (r *Registry) record(ctx context.Context, name string) (rec record, err error) {
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		rec, err = readRecord(tx, name)
		return err
	})
	return rec, or(err, errNoFunction(r.ARN(name, "")))
}

// there tells whether a Ref's function, and its version or alias, exist.
func (r *Registry) there(tx store.Tx, ref Ref) (function, qualifier bool, err error) {
	if function, err = exists(tx, ref.Name); err != nil || !function {
		return false, false, err
	}
	_, err = r.find(tx, ref)
	if errors.Is(err, ErrNotFound) {
		return true, false, nil
	}
	return true, err == nil, err
}

// must refuses a function that does not exist.
func (r *Registry) must(tx store.Tx, name string) error {
	function, err := exists(tx, name)
	if err == nil && !function {
		return errNoFunction(r.ARN(name, ""))
	}
	return err
}
