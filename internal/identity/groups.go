package identity

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const maxGroups = 10 // of one user

// Join puts a user into a group; once more changes nothing.
func (b *Book) Join(ctx context.Context, group, user string) error {
	return b.member(ctx, group, user, func(tx store.Tx, g, u Identity) error {
		_, err := tx.Exec(`INSERT INTO identity_members (group_id, user_id) VALUES (?, ?) ON CONFLICT (group_id, user_id) DO NOTHING`, g.ID, u.ID)
		if err != nil {
			return err
		}
		n, err := count(tx, `SELECT count(*) FROM identity_members WHERE user_id = ?`, u.ID)
		if err == nil && n > maxGroups {
			return limited("Cannot exceed quota for GroupsPerUser: %d", maxGroups)
		}
		return err
	})
}

// Leave takes a user out of a group.
func (b *Book) Leave(ctx context.Context, group, user string) error {
	return b.member(ctx, group, user, func(tx store.Tx, g, u Identity) error {
		n, err := tx.Exec(`DELETE FROM identity_members WHERE group_id = ? AND user_id = ?`, g.ID, u.ID)
		if err == nil && n == 0 {
			return noSuch("User %s not in group %s", u.Name, g.Name)
		}
		return err
	})
}

func (b *Book) member(ctx context.Context, group, user string, fn func(tx store.Tx, g, u Identity) error) error {
	return b.update(ctx, func(tx store.Tx) error {
		g, err := b.get(tx, Group, group)
		if err != nil {
			return err
		}
		u, err := b.get(tx, User, user)
		if err != nil {
			return err
		}
		return fn(tx, g, u)
	})
}

// Members lists the users of a group.
func (b *Book) Members(ctx context.Context, group string) ([]Identity, error) {
	return b.related(ctx, Group, group, `SELECT name FROM identity_identities
		WHERE kind = 'user' AND id IN (SELECT user_id FROM identity_members WHERE group_id = ?) ORDER BY key`, User)
}

// GroupsOf lists the groups of a user.
func (b *Book) GroupsOf(ctx context.Context, user string) ([]Identity, error) {
	return b.related(ctx, User, user, `SELECT name FROM identity_identities
		WHERE kind = 'group' AND id IN (SELECT group_id FROM identity_members WHERE user_id = ?) ORDER BY key`, Group)
}

// related reads the identities whose names query finds for the one given.
func (b *Book) related(ctx context.Context, kind Kind, name, query string, of Kind) (list []Identity, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		list = nil
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		names, err := column(tx, query, i.ID)
		if err != nil {
			return err
		}
		for _, n := range names {
			r, err := b.get(tx, of, n)
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// Counts tells how many of each kind there are, and of the account's managed
// policies and their versions, for the account's summary.
func (b *Book) Counts(ctx context.Context) (c map[string]int, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		c = map[string]int{}
		for name, query := range map[string]string{
			"Roles":               `SELECT count(*) FROM identity_identities WHERE kind = 'role'`,
			"Users":               `SELECT count(*) FROM identity_identities WHERE kind = 'user'`,
			"Groups":              `SELECT count(*) FROM identity_identities WHERE kind = 'group'`,
			"Policies":            `SELECT count(*) FROM identity_policies`,
			"PolicyVersionsInUse": `SELECT count(*) FROM identity_versions`,
		} {
			if c[name], err = count(tx, query); err != nil {
				return err
			}
		}
		return nil
	})
	return c, err
}
