package identity

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A ManagedPolicy is a policy with a name of its own: the account's, or one of
// those that AWS gives to everybody.
type ManagedPolicy struct {
	ARN            string
	Name           string
	ID             string // ANPA…
	Path           string
	Description    string
	DefaultVersion int
	Created        time.Time
	Updated        time.Time
	Attachments    int // identities that it is attached to
	Boundaries     int // identities that it bounds
	Tags           []Tag
}

// A Version is one version of a managed policy.
type Version struct {
	Number   int
	Document string
	Default  bool
	Created  time.Time
}

// ID is the version as IAM writes it.
func (v Version) ID() string { return "v" + strconv.Itoa(v.Number) }

const maxVersions = 5

const policyColumns = `arn, name, id, path, description, default_version, created, updated`

func scanPolicy(scan func(...any) error) (p ManagedPolicy, err error) {
	var created, updated int64
	err = scan(&p.ARN, &p.Name, &p.ID, &p.Path, &p.Description, &p.DefaultVersion, &created, &updated)
	p.Created, p.Updated = time.Unix(created, 0).UTC(), time.Unix(updated, 0).UTC()
	return p, err
}

// policy reads one managed policy, the account's or AWS's.
func (b *Book) policy(tx store.Tx, policyARN string) (p ManagedPolicy, err error) {
	if a, ok := awsManaged(policyARN); ok {
		p = a.policy()
	} else {
		p, err = scanPolicy(func(dest ...any) error {
			return tx.Get(dest, `SELECT `+policyColumns+` FROM identity_policies WHERE arn = ?`, policyARN)
		})
		if errors.Is(err, store.ErrNoRows) {
			return p, noSuch("Policy %s was not found.", policyARN)
		}
		if err != nil {
			return p, err
		}
	}
	return p, b.fill(tx, &p)
}

// fill adds what is not in the policy's own row.
func (b *Book) fill(tx store.Tx, p *ManagedPolicy) (err error) {
	if p.Attachments, err = count(tx, `SELECT count(*) FROM identity_attached WHERE policy = ?`, p.ARN); err != nil {
		return err
	}
	if p.Boundaries, err = count(tx, `SELECT count(*) FROM identity_identities WHERE boundary = ?`, p.ARN); err != nil {
		return err
	}
	p.Tags, err = tags(tx, p.ARN)
	return err
}

// CreatePolicy stores a new managed policy with its first version.
func (b *Book) CreatePolicy(ctx context.Context, p ManagedPolicy, document string) (ManagedPolicy, error) {
	p.ID, p.DefaultVersion = newID("ANPA"), 1
	p.Created = time.Unix(b.now().Unix(), 0).UTC()
	p.Updated = p.Created
	p.ARN = arn.ARN{Service: "iam", Account: b.account, Resource: "policy" + p.Path + p.Name}.String()
	err := b.update(ctx, func(tx store.Tx) error {
		n, err := tx.Exec(`INSERT INTO identity_policies (`+policyColumns+`, key, last_version)
			VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, 1) ON CONFLICT (key) DO NOTHING`,
			p.ARN, p.Name, p.ID, p.Path, p.Description, p.Created.Unix(), p.Updated.Unix(), strings.ToLower(p.Name))
		if err != nil {
			return err
		}
		if n == 0 {
			return exists("A policy called %s already exists. Duplicate names are not allowed.", p.Name)
		}
		if err := addVersion(tx, p.ARN, 1, document, p.Created); err != nil {
			return err
		}
		return setTags(tx, p.ARN, p.Tags)
	})
	return p, err
}

func addVersion(tx store.Tx, policyARN string, number int, document string, at time.Time) error {
	_, err := tx.Exec(`INSERT INTO identity_versions (policy, version, document, created) VALUES (?, ?, ?, ?)`,
		policyARN, number, document, at.Unix())
	return err
}

// Policy reads one managed policy.
func (b *Book) Policy(ctx context.Context, policyARN string) (p ManagedPolicy, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		p, err = b.policy(tx, policyARN)
		return err
	})
	return p, err
}

// Policies lists the account's managed policies by name, and then AWS's.
func (b *Book) Policies(ctx context.Context) (list []ManagedPolicy, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		list = nil
		err := tx.Each(`SELECT `+policyColumns+` FROM identity_policies ORDER BY key`, nil, func(scan func(...any) error) error {
			p, err := scanPolicy(scan)
			list = append(list, p)
			return err
		})
		if err != nil {
			return err
		}
		for _, a := range awsPolicies() {
			list = append(list, a.policy())
		}
		for i := range list {
			if err := b.fill(tx, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// changePolicy runs fn on one of the account's policies; AWS's cannot change.
func (b *Book) changePolicy(ctx context.Context, policyARN string, fn func(store.Tx, ManagedPolicy) error) error {
	if _, ok := awsManaged(policyARN); ok {
		return awserr.New(403, "AccessDenied", "Policy is outside your own account: %s.", policyARN)
	}
	return b.update(ctx, func(tx store.Tx) error {
		p, err := b.policy(tx, policyARN)
		if err != nil {
			return err
		}
		return fn(tx, p)
	})
}

// DeletePolicy deletes a policy that nothing uses and that has one version left.
func (b *Book) DeletePolicy(ctx context.Context, policyARN string) error {
	return b.changePolicy(ctx, policyARN, func(tx store.Tx, p ManagedPolicy) error {
		if p.Attachments+p.Boundaries > 0 {
			return inUse("Cannot delete a policy attached to entities.")
		}
		n, err := count(tx, `SELECT count(*) FROM identity_versions WHERE policy = ?`, policyARN)
		if err != nil {
			return err
		}
		if n > 1 {
			return inUse("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		for _, q := range []string{
			`DELETE FROM identity_versions WHERE policy = ?`,
			`DELETE FROM identity_tags WHERE owner = ?`,
			`DELETE FROM identity_policies WHERE arn = ?`,
		} {
			if _, err := tx.Exec(q, policyARN); err != nil {
				return err
			}
		}
		return nil
	})
}

// RetagPolicy sets and removes tags of a managed policy.
func (b *Book) RetagPolicy(ctx context.Context, policyARN string, set []Tag, clear []string) error {
	return b.changePolicy(ctx, policyARN, func(tx store.Tx, p ManagedPolicy) error {
		if err := clearTags(tx, p.ARN, clear); err != nil {
			return err
		}
		return setTags(tx, p.ARN, set)
	})
}

// AddVersion adds a version to a policy, as the default if asked.
func (b *Book) AddVersion(ctx context.Context, policyARN, document string, asDefault bool) (v Version, err error) {
	v = Version{Document: document, Default: asDefault, Created: time.Unix(b.now().Unix(), 0).UTC()}
	err = b.changePolicy(ctx, policyARN, func(tx store.Tx, p ManagedPolicy) error {
		n, err := count(tx, `SELECT count(*) FROM identity_versions WHERE policy = ?`, policyARN)
		if err != nil {
			return err
		}
		if n >= maxVersions {
			return limited("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		err = tx.Get([]any{&v.Number}, `UPDATE identity_policies SET last_version = last_version + 1, updated = ? WHERE arn = ? RETURNING last_version`,
			v.Created.Unix(), policyARN)
		if err != nil {
			return err
		}
		if err := addVersion(tx, policyARN, v.Number, document, v.Created); err != nil || !asDefault {
			return err
		}
		return setDefault(tx, policyARN, v.Number)
	})
	return v, err
}

func setDefault(tx store.Tx, policyARN string, number int) error {
	_, err := tx.Exec(`UPDATE identity_policies SET default_version = ? WHERE arn = ?`, number, policyARN)
	return err
}

// Versions lists a policy's versions, the newest first.
func (b *Book) Versions(ctx context.Context, policyARN string) (list []Version, err error) {
	if a, ok := awsManaged(policyARN); ok {
		return []Version{a.version()}, nil
	}
	err = b.db.View(ctx, func(tx store.Tx) error {
		list, err = b.versions(tx, policyARN)
		return err
	})
	return list, err
}

func (b *Book) versions(tx store.Tx, policyARN string) (list []Version, err error) {
	p, err := b.policy(tx, policyARN)
	if err != nil {
		return nil, err
	}
	err = tx.Each(`SELECT version, document, created FROM identity_versions WHERE policy = ? ORDER BY version DESC`, []any{policyARN},
		func(scan func(...any) error) error {
			var v Version
			var created int64
			err := scan(&v.Number, &v.Document, &created)
			v.Created, v.Default = time.Unix(created, 0).UTC(), v.Number == p.DefaultVersion
			list = append(list, v)
			return err
		})
	return list, err
}

// PolicyVersion reads one version by its id: "v1".
func (b *Book) PolicyVersion(ctx context.Context, policyARN, id string) (Version, error) {
	list, err := b.Versions(ctx, policyARN)
	if err != nil {
		return Version{}, err
	}
	return pick(list, policyARN, id)
}

func pick(list []Version, policyARN, id string) (Version, error) {
	if i := slices.IndexFunc(list, func(v Version) bool { return v.ID() == id }); i >= 0 {
		return list[i], nil
	}
	return Version{}, noSuch("Policy %s version %s does not exist or is not attachable.", policyARN, id)
}

// SetDefaultVersion makes a version the one that counts.
func (b *Book) SetDefaultVersion(ctx context.Context, policyARN, id string) error {
	return b.changePolicy(ctx, policyARN, func(tx store.Tx, _ ManagedPolicy) error {
		v, err := b.pick(tx, policyARN, id)
		if err != nil {
			return err
		}
		return setDefault(tx, policyARN, v.Number)
	})
}

// DeleteVersion deletes a version that is not the default.
func (b *Book) DeleteVersion(ctx context.Context, policyARN, id string) error {
	return b.changePolicy(ctx, policyARN, func(tx store.Tx, _ ManagedPolicy) error {
		v, err := b.pick(tx, policyARN, id)
		if err != nil {
			return err
		}
		if v.Default {
			return inUse("Cannot delete the default version of a policy.")
		}
		_, err = tx.Exec(`DELETE FROM identity_versions WHERE policy = ? AND version = ?`, policyARN, v.Number)
		return err
	})
}

func (b *Book) pick(tx store.Tx, policyARN, id string) (Version, error) {
	list, err := b.versions(tx, policyARN)
	if err != nil {
		return Version{}, err
	}
	return pick(list, policyARN, id)
}
