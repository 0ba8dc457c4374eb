package identity

import (
	"context"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// maxTags is IAM's limit for a role, a user and a policy.
const maxTags = 50

func tags(tx store.Tx, owner string) (list []Tag, err error) {
	err = tx.Each(`SELECT name, value FROM identity_tags WHERE owner = ? ORDER BY key`, []any{owner},
		func(scan func(...any) error) error {
			var t Tag
			err := scan(&t.Key, &t.Value)
			list = append(list, t)
			return err
		})
	return list, err
}

func setTags(tx store.Tx, owner string, list []Tag) error {
	for _, t := range list {
		_, err := tx.Exec(`INSERT INTO identity_tags (owner, key, name, value) VALUES (?, ?, ?, ?)
			ON CONFLICT (owner, key) DO UPDATE SET name = excluded.name, value = excluded.value`,
			owner, strings.ToLower(t.Key), t.Key, t.Value)
		if err != nil {
			return err
		}
	}
	n, err := count(tx, `SELECT count(*) FROM identity_tags WHERE owner = ?`, owner)
	if err != nil {
		return err
	}
	if n > maxTags {
		return limited("The number of tags has reached the maximum limit.")
	}
	return nil
}

func clearTags(tx store.Tx, owner string, keys []string) error {
	for _, k := range keys {
		if _, err := tx.Exec(`DELETE FROM identity_tags WHERE owner = ? AND key = ?`, owner, strings.ToLower(k)); err != nil {
			return err
		}
	}
	return nil
}

// Retag sets and removes tags of an identity.
func (b *Book) Retag(ctx context.Context, kind Kind, name string, set []Tag, clear []string) error {
	return b.update(ctx, func(tx store.Tx) error {
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		if err := clearTags(tx, i.ID, clear); err != nil {
			return err
		}
		return setTags(tx, i.ID, set)
	})
}
