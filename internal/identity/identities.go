package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Kind is one of the things that policies hang on.
type Kind string

// The kinds, as IAM spells them in ARNs.
const (
	Role  Kind = "role"
	User  Kind = "user"
	Group Kind = "group"
)

// title is the kind as IAM spells it in messages.
func (k Kind) title() string { return strings.ToUpper(string(k[:1])) + string(k[1:]) }

// prefix begins the unique ids of the kind.
func (k Kind) prefix() string {
	switch k {
	case Role:
		return "AROA"
	case User:
		return "AIDA"
	default:
		return "AGPA"
	}
}

// An Identity is a role, a user or a group.
type Identity struct {
	Kind        Kind
	Name        string
	Path        string // "/" or "/a/b/"
	ID          string // AROA…, AIDA…, AGPA…
	ARN         string
	Created     time.Time
	Boundary    string // ARN of the permissions boundary; "" for none
	Description string // roles only, as are the next two
	Trust       string
	MaxSession  time.Duration
	Tags        []Tag // in order of their keys; Identities leaves them out
}

// A Tag is one tag. Keys that differ in case alone are the same key.
type Tag struct{ Key, Value string }

// noSuch is IAM's answer for a name that is not there. It unwraps to
// store.ErrNoRows, so that a room which does not mind can tell.
func noSuch(format string, args ...any) error {
	e := awserr.New(404, "NoSuchEntity", format, args...)
	e.Cause = store.ErrNoRows
	return e
}

func exists(format string, args ...any) error {
	e := awserr.New(409, "EntityAlreadyExists", format, args...)
	e.Cause = store.ErrConflict
	return e
}

func inUse(format string, args ...any) error {
	return awserr.New(409, "DeleteConflict", format, args...)
}

func limited(format string, args ...any) error {
	return awserr.New(409, "LimitExceeded", format, args...)
}

func (b *Book) arnOf(i Identity) string {
	return arn.ARN{Service: "iam", Account: b.account, Resource: string(i.Kind) + i.Path + i.Name}.String()
}

const columns = `name, id, path, created, description, trust, max_session, boundary`

func (b *Book) scan(kind Kind, scan func(...any) error) (Identity, error) {
	i := Identity{Kind: kind}
	var created, session int64
	err := scan(&i.Name, &i.ID, &i.Path, &created, &i.Description, &i.Trust, &session, &i.Boundary)
	i.Created, i.MaxSession = time.Unix(created, 0).UTC(), time.Duration(session)*time.Second
	i.ARN = b.arnOf(i)
	return i, err
}

// get reads one identity, tags included.
func (b *Book) get(tx store.Tx, kind Kind, name string) (Identity, error) {
	i, err := b.scan(kind, func(dest ...any) error {
		return tx.Get(dest, `SELECT `+columns+` FROM identity_identities WHERE kind = ? AND key = ?`, string(kind), strings.ToLower(name))
	})
	if errors.Is(err, store.ErrNoRows) {
		return i, noSuch("The %s with name %s cannot be found.", kind, name)
	}
	if err != nil {
		return i, fmt.Errorf("read %s %s: %w", kind, name, err)
	}
	i.Tags, err = tags(tx, i.ID)
	return i, err
}

// Create stores a new identity; its id, ARN and time are made here.
func (b *Book) Create(ctx context.Context, i Identity) (Identity, error) {
	i.ID, i.Created = newID(i.Kind.prefix()), time.Unix(b.now().Unix(), 0).UTC()
	i.ARN = b.arnOf(i)
	err := b.update(ctx, func(tx store.Tx) error {
		n, err := tx.Exec(`INSERT INTO identity_identities (kind, key, `+columns+`)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, key) DO NOTHING`,
			string(i.Kind), strings.ToLower(i.Name), i.Name, i.ID, i.Path, i.Created.Unix(), i.Description, i.Trust, int64(i.MaxSession/time.Second), i.Boundary)
		if err != nil {
			return err
		}
		if n == 0 {
			return exists("%s with name %s already exists.", i.Kind.title(), i.Name)
		}
		if err := b.checkBoundary(tx, i.Boundary); err != nil {
			return err
		}
		return setTags(tx, i.ID, i.Tags)
	})
	return i, err
}

// Find reads one identity by name.
func (b *Book) Find(ctx context.Context, kind Kind, name string) (i Identity, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		i, err = b.get(tx, kind, name)
		return err
	})
	return i, err
}

// FindID reads one identity by its unique id.
func (b *Book) FindID(ctx context.Context, kind Kind, id string) (i Identity, err error) {
	var name string
	err = b.db.View(ctx, func(tx store.Tx) error {
		err := tx.Get([]any{&name}, `SELECT name FROM identity_identities WHERE kind = ? AND id = ?`, string(kind), id)
		if errors.Is(err, store.ErrNoRows) {
			return noSuch("The %s with ID %s cannot be found.", kind, id)
		}
		if err != nil {
			return err
		}
		i, err = b.get(tx, kind, name)
		return err
	})
	return i, err
}

// Identities lists the identities of a kind under a path, by name, after the
// name that is given. At most limit are read.
func (b *Book) Identities(ctx context.Context, kind Kind, under, after string, limit int) (list []Identity, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		list = nil
		return tx.Each(`SELECT `+columns+` FROM identity_identities
			WHERE kind = ? AND key > ? AND substr(path, 1, ?) = ? ORDER BY key LIMIT ?`,
			[]any{string(kind), strings.ToLower(after), len(under), under, limit},
			func(scan func(...any) error) error {
				i, err := b.scan(kind, scan)
				list = append(list, i)
				return err
			})
	})
	return list, err
}

// Change lets fn change an identity: its name, path, description, trust,
// longest session and boundary. Its id and its kind stay.
func (b *Book) Change(ctx context.Context, kind Kind, name string, fn func(*Identity) error) (i Identity, err error) {
	err = b.update(ctx, func(tx store.Tx) error {
		if i, err = b.get(tx, kind, name); err != nil {
			return err
		}
		if err := fn(&i); err != nil {
			return err
		}
		if err := b.rename(tx, kind, name, i.Name); err != nil {
			return err
		}
		if err := b.checkBoundary(tx, i.Boundary); err != nil {
			return err
		}
		i.ARN = b.arnOf(i)
		_, err := tx.Exec(`UPDATE identity_identities SET key = ?, name = ?, path = ?, description = ?, trust = ?, max_session = ?, boundary = ?
			WHERE id = ?`, strings.ToLower(i.Name), i.Name, i.Path, i.Description, i.Trust, int64(i.MaxSession/time.Second), i.Boundary, i.ID)
		return err
	})
	return i, err
}

// rename refuses a name that another identity has.
func (b *Book) rename(tx store.Tx, kind Kind, from, to string) error {
	if strings.EqualFold(from, to) {
		return nil
	}
	_, err := b.get(tx, kind, to)
	switch {
	case err == nil:
		return exists("%s with name %s already exists.", kind.title(), to)
	case errors.Is(err, store.ErrNoRows):
		return nil
	default:
		return err
	}
}

// Remove deletes an identity that nothing hangs on any more.
//
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
func (b *Book) Remove(ctx context.Context, kind Kind, name string) error {
	return b.update(ctx, func(tx store.Tx) error {
		i, err := b.get(tx, kind, name)
		if err != nil {
			return err
		}
		if err := removable(tx, i); err != nil {
			return err
		}
		for _, q := range []string{
			`DELETE FROM identity_tags WHERE owner = ?`,
			`DELETE FROM identity_identities WHERE id = ?`,
		} {
			if _, err := tx.Exec(q, i.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// removable says what must go first, in the order in which IAM asks.
func removable(tx store.Tx, i Identity) error {
	for _, c := range []struct{ message, table, column string }{
		{"Cannot delete entity, must detach all policies first.", "identity_attached", "owner"},
		{"Cannot delete entity, must delete policies first.", "identity_inline", "owner"},
		{"Cannot delete entity, must delete access keys first.", "identity_keys", "owner"},
		{"Cannot delete entity, must remove users from group first.", "identity_members", "user_id"},
		{"Cannot delete entity, must remove users from group first.", "identity_members", "group_id"},
	} {
		n, err := count(tx, `SELECT count(*) FROM `+c.table+` WHERE `+c.column+` = ?`, i.ID)
		if err != nil {
			return err
		}
		if n > 0 {
			return inUse("%s", c.message)
		}
	}
	return nil
}

func count(tx store.Tx, query string, args ...any) (n int, err error) {
	err = tx.Get([]any{&n}, query, args...)
	return n, err
}
