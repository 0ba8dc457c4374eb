package identity

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Key is a user's access key. Its secret is told once, by AddKey.
type Key struct {
	ID          string
	User        string // name
	Secret      string
	Active      bool
	Created     time.Time
	Used        time.Time // zero: never
	UsedRegion  string
	UsedService string
}

const maxKeys = 2

// usedEvery is how old the note of a key's last use may get: a busy key costs
// one write in this time, not one for each request.
const usedEvery = 15 * time.Minute

// AddKey makes a new access key for a user.
func (b *Book) AddKey(ctx context.Context, user string) (k Key, err error) {
	k = Key{ID: newKeyID("AKIA"), Secret: newSecret(), Active: true, Created: time.Unix(b.now().Unix(), 0).UTC()}
	sealed := b.keys.seal(k.ID, []byte(k.Secret))
	err = b.update(ctx, func(tx store.Tx) error {
		u, err := b.get(tx, User, user)
		if err != nil {
			return err
		}
		k.User = u.Name
		n, err := count(tx, `SELECT count(*) FROM identity_keys WHERE owner = ?`, u.ID)
		if err != nil {
			return err
		}
		if n >= maxKeys {
			return limited("Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
		}
		_, err = tx.Exec(`INSERT INTO identity_keys (id, owner, secret, active, created, used, used_region, used_service)
			VALUES (?, ?, ?, 1, ?, 0, '', '')`, k.ID, u.ID, sealed, k.Created.Unix())
		return err
	})
	return k, err
}

// Keys lists a user's access keys, the oldest first.
func (b *Book) Keys(ctx context.Context, user string) (list []Key, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		list = nil
		u, err := b.get(tx, User, user)
		if err != nil {
			return err
		}
		return tx.Each(keyQuery+` WHERE u.id = ? ORDER BY k.created, k.id`, []any{u.ID}, func(scan func(...any) error) error {
			k, err := scanKey(scan)
			list = append(list, k)
			return err
		})
	})
	return list, err
}

const keyQuery = `SELECT k.id, u.name, k.active, k.created, k.used, k.used_region, k.used_service
	FROM identity_keys k JOIN identity_identities u ON u.id = k.owner`

func scanKey(scan func(...any) error) (k Key, err error) {
	var active, created, used int64
	err = scan(&k.ID, &k.User, &active, &created, &used, &k.UsedRegion, &k.UsedService)
	k.Active, k.Created = active != 0, time.Unix(created, 0).UTC()
	if used > 0 {
		k.Used = time.Unix(used, 0).UTC()
	}
	return k, err
}

// Key reads one access key, without its secret.
func (b *Book) Key(ctx context.Context, id string) (k Key, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		k, err = scanKey(func(dest ...any) error { return tx.Get(dest, keyQuery+` WHERE k.id = ?`, id) })
		return noKey(err, id)
	})
	return k, err
}

func noKey(err error, id string) error {
	if errors.Is(err, store.ErrNoRows) {
		return noSuch("The Access Key with id %s cannot be found.", id)
	}
	return err
}

// changeKey runs a statement whose arguments end in a key's id and its owner's.
func (b *Book) changeKey(ctx context.Context, user, id, query string, args ...any) error {
	return b.update(ctx, func(tx store.Tx) error {
		u, err := b.get(tx, User, user)
		if err != nil {
			return err
		}
		n, err := tx.Exec(query, append(args, id, u.ID)...)
		if err == nil && n == 0 {
			err = store.ErrNoRows
		}
		return noKey(err, id)
	})
}

// SetKeyActive lets a key sign, or not.
func (b *Book) SetKeyActive(ctx context.Context, user, id string, active bool) error {
	n := 0
	if active {
		n = 1
	}
	return b.changeKey(ctx, user, id, `UPDATE identity_keys SET active = ? WHERE id = ? AND owner = ?`, n)
}

// DeleteKey deletes a user's key.
func (b *Book) DeleteKey(ctx context.Context, user, id string) error {
	return b.changeKey(ctx, user, id, `DELETE FROM identity_keys WHERE id = ? AND owner = ?`)
}

// Used notes that a key signed a request, at most every quarter of an hour. It
// is called once the signature was verified, and does nothing for the root key
// and for sessions, which IAM tells no last use of.
func (b *Book) Used(ctx context.Context, accessKeyID, region, service string) error {
	if accessKeyID == b.root.AccessKeyID || !strings.HasPrefix(accessKeyID, "AKIA") {
		return nil
	}
	now := b.now()
	if k, ok, _ := b.seen.find(accessKeyID, ""); ok && now.Sub(time.Unix(k.used, 0)) < usedEvery {
		return nil
	}
	k, err := b.Key(ctx, accessKeyID)
	if errors.Is(err, store.ErrNoRows) || err == nil && now.Sub(k.Used) < usedEvery {
		return nil
	}
	if err != nil {
		return err
	}
	defer b.seen.note(accessKeyID, now.Unix())
	return b.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`UPDATE identity_keys SET used = ?, used_region = ?, used_service = ? WHERE id = ?`,
			now.Unix(), region, service, accessKeyID)
		return err
	})
}
