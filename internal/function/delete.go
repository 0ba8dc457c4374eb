package function

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// Delete removes a function with all that belongs to it, or the one version
// that ref's qualifier names.
func (r *Registry) Delete(ctx context.Context, ref Ref) error {
	if ref.Qualifier == Latest {
		return refuse(ErrInvalid, "$LATEST version cannot be deleted without deleting the function.")
	}
	var gone []*Version
	err := r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, "")), func(c *change) (err error) {
		if ref.Qualifier == "" {
			gone, err = c.deleteAll()
			return err
		}
		gone, err = c.deleteVersion(ref.Qualifier)
		return err
	})
	if err != nil {
		return err
	}
	var unreserved error
	if ref.Qualifier == "" {
		unreserved = r.tellReserved(ctx, ref.Name)
	}
	err = errors.Join(unreserved, r.standBy(ctx, ref.Name)) // whatever fails, the rest is done
	for _, v := range gone {
		r.engine.Drain(v.key())
		r.collect(context.WithoutCancel(ctx), v.archives()...)
	}
	return err
}

// deleteAll removes every row of the function. Its number sequence goes, too:
// a new function of the name begins at 1 again, as on AWS.
func (c *change) deleteAll() ([]*Version, error) {
	all, err := documents[*Version](c.Tx, `SELECT doc FROM function_versions WHERE name = ?`, c.name)
	if err != nil {
		return nil, err
	}
	for _, table := range []string{"functions", "function_versions", "function_archives", "function_aliases", "function_settings"} {
		if _, err := c.Exec(`DELETE FROM `+table+` WHERE name = ?`, c.name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// deleteVersion removes a version that no alias points to. One that is not
// there is removed already.
func (c *change) deleteVersion(qualifier string) ([]*Version, error) {
	number, ok := numberOf(qualifier)
	if !ok {
		return nil, refuse(ErrInvalid, "Deletion of aliases is not currently supported.")
	}
	v, err := readVersion(c.Tx, c.name, number)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	aliases, err := documents[*Alias](c.Tx, `SELECT doc FROM function_aliases WHERE name = ? ORDER BY alias`, c.name)
	if err != nil {
		return nil, err
	}
	aliases = slices.DeleteFunc(aliases, func(a *Alias) bool {
		_, shared := a.Weights[qualifier]
		return !shared && a.Version != qualifier
	})
	if len(aliases) > 0 {
		names := make([]string, len(aliases))
		for i, a := range aliases {
			names[i] = a.Name
		}
		return nil, refuse(ErrConflict, "Unable to delete version because the following aliases reference it: [%s]", strings.Join(names, ", "))
	}
	for _, query := range []string{
		`DELETE FROM function_versions WHERE name = ? AND number = ?`,
		`DELETE FROM function_archives WHERE name = ? AND number = ?`,
	} {
		if _, err := c.Exec(query, c.name, number); err != nil {
			return nil, err
		}
	}
	_, err = c.Exec(`DELETE FROM function_settings WHERE name = ? AND qualifier = ?`, c.name, qualifier)
	return []*Version{v}, err
}
