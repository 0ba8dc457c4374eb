package store

import "context"

// All reads every row of a query into a slice: one makes a T of a row. The
// slice is nil when there are no rows.
func All[T any](tx Tx, one func(scan func(dest ...any) error) (T, error), query string, args ...any) ([]T, error) {
	var all []T
	err := tx.Each(query, args, func(scan func(dest ...any) error) error {
		t, err := one(scan)
		if err != nil {
			return err
		}
		all = append(all, t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Read answers what fn reads in one View.
func Read[T any](ctx context.Context, db DB, fn func(Tx) (T, error)) (T, error) {
	var t T
	err := db.View(ctx, func(tx Tx) (err error) {
		t, err = fn(tx)
		return err
	})
	return t, err
}

// Write answers what fn returns in one Update, after its commit.
func Write[T any](ctx context.Context, db DB, fn func(Tx) (T, error)) (T, error) {
	var t T
	err := db.Update(ctx, func(tx Tx) (err error) {
		t, err = fn(tx)
		return err
	})
	return t, err
}
