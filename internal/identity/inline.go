package identity

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// inlineMax is how many characters, white space left out, the inline policies
// of one identity may have together.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func inlineMax(kind Kind) int {
	switch kind {
	case Role:
		return 10240
	case User:
		return 2048
	default:
		return 5120
	}
}

// Weight is a document's size as IAM counts it: white space is free.
func Weight(document string) int {
	n := 0
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// PutInline adds or replaces an inline policy.
func (b *Book) PutInline(ctx context.Context, kind Kind, name, policy, document string) error {
	return b.update(ctx, func(tx store.Tx) error {
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO identity_inline (owner, key, name, document) VALUES (?, ?, ?, ?)
			ON CONFLICT (owner, key) DO UPDATE SET document = excluded.document`,
			i.ID, strings.ToLower(policy), policy, document)
		if err != nil {
			return err
		}
		documents, err := column(tx, `SELECT document FROM identity_inline WHERE owner = ?`, i.ID)
		if err != nil {
			return err
		}
		if sum := Weight(strings.Join(documents, "")); sum > inlineMax(kind) {
			return limited("Maximum policy size of %d bytes exceeded for %s %s", inlineMax(kind), kind, i.Name)
		}
		return nil
	})
}

// Inline reads one inline policy: its name as it was given, and its document.
func (b *Book) Inline(ctx context.Context, kind Kind, name, policy string) (as, document string, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		err = tx.Get([]any{&as, &document}, `SELECT name, document FROM identity_inline WHERE owner = ? AND key = ?`, i.ID, strings.ToLower(policy))
		return noInline(err, kind, policy)
	})
	return as, document, err
}

// DeleteInline deletes one inline policy.
func (b *Book) DeleteInline(ctx context.Context, kind Kind, name, policy string) error {
	return b.update(ctx, func(tx store.Tx) error {
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM identity_inline WHERE owner = ? AND key = ?`, i.ID, strings.ToLower(policy))
		if err == nil && n == 0 {
			err = store.ErrNoRows
		}
		return noInline(err, kind, policy)
	})
}

func noInline(err error, kind Kind, policy string) error {
	if errors.Is(err, store.ErrNoRows) {
		return noSuch("The %s policy with name %s cannot be found.", kind, policy)
	}
	return err
}

// Inlines lists the names of an identity's inline policies.
func (b *Book) Inlines(ctx context.Context, kind Kind, name string) (names []string, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		names, err = column(tx, `SELECT name FROM identity_inline WHERE owner = ? ORDER BY key`, i.ID)
		return err
	})
	return names, err
}

// maxAttached is how many managed policies may be attached to one identity.
const maxAttached = 10

// Attach attaches a managed policy; once more changes nothing.
func (b *Book) Attach(ctx context.Context, kind Kind, name, policy string) error {
	return b.update(ctx, func(tx store.Tx) error {
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		if err := b.attachable(tx, policy, "Policy %s does not exist or is not attachable."); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO identity_attached (owner, policy) VALUES (?, ?) ON CONFLICT (owner, policy) DO NOTHING`, i.ID, policy); err != nil {
			return err
		}
		n, err := count(tx, `SELECT count(*) FROM identity_attached WHERE owner = ?`, i.ID)
		if err == nil && n > maxAttached {
			return limited("Cannot exceed quota for PoliciesPer%s: %d", kind.title(), maxAttached)
		}
		return err
	})
}

// attachable checks that a managed policy is there to be attached.
func (b *Book) attachable(tx store.Tx, policy, format string) error {
	if !strings.HasPrefix(policy, "arn:") {
		return awserr.New(400, "ValidationError", "ARN %s is not valid.", policy)
	}
	_, err := b.policy(tx, policy)
	if errors.Is(err, store.ErrNoRows) {
		return noSuch(format, policy)
	}
	return err
}

// checkBoundary checks that a permissions boundary is there; "" is no boundary.
func (b *Book) checkBoundary(tx store.Tx, policy string) error {
	if policy == "" {
		return nil
	}
	return b.attachable(tx, policy, "Scope ARN: %s does not exist or is not attachable.")
}

// Detach detaches a managed policy.
func (b *Book) Detach(ctx context.Context, kind Kind, name, policy string) error {
	return b.update(ctx, func(tx store.Tx) error {
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM identity_attached WHERE owner = ? AND policy = ?`, i.ID, policy)
		if err == nil && n == 0 {
			return noSuch("Policy %s was not found.", policy)
		}
		return err
	})
}

// Attached lists the managed policies of an identity, by ARN.
func (b *Book) Attached(ctx context.Context, kind Kind, name string) (list []ManagedPolicy, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		list = nil
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		arns, err := column(tx, `SELECT policy FROM identity_attached WHERE owner = ? ORDER BY policy`, i.ID)
		if err != nil {
			return err
		}
		for _, a := range arns {
			p, err := b.policy(tx, a)
			if err != nil {
				return err
			}
			list = append(list, p)
		}
		return nil
	})
	return list, err
}

// column reads a query's only column.
func column(tx store.Tx, query string, args ...any) (list []string, err error) {
	err = tx.Each(query, args, func(scan func(...any) error) error {
		var s string
		err := scan(&s)
		list = append(list, s)
		return err
	})
	return list, err
}

// A Use tells where a managed policy is in use.
type Use struct {
	Identity Identity
	Boundary bool // as a permissions boundary, not as a permissions policy
}

// Uses lists the identities that a managed policy is attached to or bounds.
func (b *Book) Uses(ctx context.Context, policy string) (list []Use, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		list = nil
		if _, err := b.policy(tx, policy); err != nil {
			return err
		}
		return tx.Each(`SELECT i.kind, i.name, i.id, i.path, i.boundary = ?, EXISTS (SELECT 1 FROM identity_attached a WHERE a.owner = i.id AND a.policy = ?)
			FROM identity_identities i ORDER BY i.kind, i.key`, []any{policy, policy}, func(scan func(...any) error) error {
			var i Identity
			var kind string
			var boundary, attached bool
			if err := scan(&kind, &i.Name, &i.ID, &i.Path, &boundary, &attached); err != nil {
				return err
			}
			i.Kind = Kind(kind)
			i.ARN = b.arnOf(i)
			if attached {
				list = append(list, Use{Identity: i})
			}
			if boundary {
				list = append(list, Use{Identity: i, Boundary: true})
			}
			return nil
		})
	})
	return list, err
}
