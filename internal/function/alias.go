package function

import (
	"context"
	"errors"
	"maps"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// An Alias is a name for a version, or for two that share its invocations.
type Alias struct {
	Function    string
	Name        string
	Version     string
	Description string
	Weights     map[string]float64 // shares of other versions; at most one
	Revision    string
}

// An AliasEdit is what a caller wants of an alias; nil leaves a member as it is.
type AliasEdit struct {
	Version     *string
	Description *string
	Weights     *map[string]float64 // empty ends the sharing
	Revision    *string
}

func (r *Registry) errNoAlias(name, alias string) error {
	return refuse(ErrNotFound, "Cannot find alias arn: %s", r.ARN(name, alias))
}

// readAlias answers store.ErrNoRows when there is no such alias.
func readAlias(tx store.Tx, name, alias string) (*Alias, error) {
	var doc string
	if err := tx.Get([]any{&doc}, `SELECT doc FROM function_aliases WHERE name = ? AND alias = ?`, name, alias); err != nil {
		return nil, err
	}
	a := new(Alias)
	return a, decode(doc, a)
}

func (c *change) putAlias(a *Alias) error {
	_, err := c.Exec(`INSERT INTO function_aliases (name, alias, doc) VALUES (?, ?, ?) ON CONFLICT (name, alias) DO UPDATE SET doc = excluded.doc`,
		a.Function, a.Name, encode(a))
	return err
}

// CreateAlias makes an alias.
func (r *Registry) CreateAlias(ctx context.Context, name, alias string, e AliasEdit) (*Alias, error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, err
	}
	a := &Alias{Function: ref.Name, Name: alias, Revision: uuid.NewString()}
	set(&a.Version, e.Version)
	missing := errNoFunction(r.ARN(ref.Name, a.Version))
	err = r.change(ctx, ref.Name, missing, func(c *change) error {
		if _, err := r.find(c.Tx, Ref{ref.Name, a.Version}); err != nil {
			return err
		}
		switch _, err := readAlias(c.Tx, ref.Name, alias); {
		case err == nil:
			return refuse(ErrConflict, "Alias already exists: %s", r.ARN(ref.Name, alias))
		case !errors.Is(err, store.ErrNoRows):
			return err
		}
		if err := a.apply(e); err != nil {
			return err
		}
		if err := r.checkTargets(c.Tx, a); err != nil {
			return err
		}
		return c.putAlias(a)
	})
	return a, err
}

// apply is the edit, held to the rules that need no other version.
func (a *Alias) apply(e AliasEdit) error {
	set(&a.Version, e.Version)
	set(&a.Description, e.Description)
	if e.Weights != nil {
		a.Weights = maps.Clone(*e.Weights)
	}
	return checkWeights(a.Version, a.Weights)
}

// checkWeights holds a routing configuration to AWS's rules.
// https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
func checkWeights(version string, weights map[string]float64) error {
	if len(weights) > 1 {
		return refuse(ErrInvalid, "Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	for other := range weights {
		if other == version {
			return refuse(ErrInvalid, "Invalid function version %s. Function version %s is already included in routing configuration.", version, version)
		}
		if version == Latest {
			return refuse(ErrInvalid, "$LATEST is not supported for an alias pointing to more than 1 version")
		}
	}
	return nil
}

// checkTargets wants the versions that an alias points to.
func (r *Registry) checkTargets(tx store.Tx, a *Alias) error {
	if _, err := r.find(tx, Ref{a.Function, a.Version}); err != nil {
		return err
	}
	for other := range a.Weights {
		if _, err := r.find(tx, Ref{a.Function, other}); err != nil {
			return err
		}
	}
	return nil
}

// Alias finds an alias.
func (r *Registry) Alias(ctx context.Context, name, alias string) (a *Alias, err error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, err
	}
	err = r.db.View(ctx, func(tx store.Tx) error {
		if err := r.must(tx, ref.Name); err != nil {
			return err
		}
		a, err = readAlias(tx, ref.Name, alias)
		return or(err, r.errNoAlias(ref.Name, alias))
	})
	return a, err
}

// UpdateAlias changes an alias. Even a change of nothing makes a new revision.
func (r *Registry) UpdateAlias(ctx context.Context, name, alias string, e AliasEdit) (*Alias, error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, err
	}
	var a *Alias
	err = r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, "")), func(c *change) (err error) {
		if a, err = readAlias(c.Tx, ref.Name, alias); err != nil {
			return or(err, r.errNoAlias(ref.Name, alias))
		}
		if e.Revision != nil && *e.Revision != "" && *e.Revision != a.Revision {
			return errRevision()
		}
		if err := a.apply(e); err != nil {
			return err
		}
		if err := r.checkTargets(c.Tx, a); err != nil {
			return err
		}
		a.Revision = uuid.NewString()
		return c.putAlias(a)
	})
	if err != nil {
		return nil, err
	}
	return a, r.standBy(ctx, ref.Name)
}

// DeleteAlias removes an alias and what is set for it; it need not exist.
func (r *Registry) DeleteAlias(ctx context.Context, name, alias string) error {
	ref, err := r.Ref(name, "")
	if err != nil {
		return err
	}
	err = r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, "")), func(c *change) error {
		if _, err := c.Exec(`DELETE FROM function_aliases WHERE name = ? AND alias = ?`, ref.Name, alias); err != nil {
			return err
		}
		_, err := c.Exec(`DELETE FROM function_settings WHERE name = ? AND qualifier = ?`, ref.Name, alias)
		return err
	})
	if err != nil {
		return err
	}
	return r.standBy(ctx, ref.Name)
}

// Aliases lists a function's aliases by name; version, unless "", keeps those
// that point to it.
func (r *Registry) Aliases(ctx context.Context, name, version string, p Page) (all []*Alias, next string, err error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, "", err
	}
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		if err := r.must(tx, ref.Name); err != nil {
			return err
		}
		all, err = documents[*Alias](tx, `SELECT doc FROM function_aliases WHERE name = ? AND alias > ? ORDER BY alias`, ref.Name, after)
		return err
	})
	if version != "" {
		kept := all[:0]
		for _, a := range all {
			if _, shared := a.Weights[version]; shared || a.Version == version {
				kept = append(kept, a)
			}
		}
		all = kept
	}
	all, next = paginate(all, p, func(a *Alias) string { return a.Name })
	return all, next, err
}
