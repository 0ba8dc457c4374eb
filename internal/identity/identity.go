// Package identity knows who may sign: the root key, users' access keys, and
// temporary credentials of roles. It also keeps what IAM keeps about them:
// users, groups, roles, and their policies, and says what these allow. It
// enforces nothing: what comes of a verdict is its caller's.
package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// Credentials are a key that signs requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string    // "" for a long-term key
	Expires         time.Time // zero for a long-term key
}

// A Principal is who a key belongs to.
type Principal struct {
	AccessKeyID string
	Account     string
	ARN         string // "arn:aws:iam::000000000000:root"
	UserID      string
	Root        bool
	Grant       Grant // what narrows a temporary credential; zero for a long-term key
}

// A Grant is what a temporary credential was given when it was made. Policy
// enforcement needs all of it, and it lives nowhere but in the session token.
type Grant struct {
	Role           string            `json:"role,omitempty"` // ARN of the role, path included
	Session        string            `json:"session,omitempty"`
	Policy         string            `json:"policy,omitempty"` // session policy
	PolicyARNs     []string          `json:"arns,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	TransitiveTags []string          `json:"transitive,omitempty"`
	SourceIdentity string            `json:"source,omitempty"`
}

// A Book is the register of identities. Its methods may be called from any
// goroutine; all truth is in the database. What Lookup found is remembered: see
// seen.
type Book struct {
	db      store.DB
	account string
	keys    keyring
	root    Credentials
	created time.Time // of this server's account: its first start
	now     func() time.Time
	seen    seen
}

// Open brings the tables up to date and makes the root key and the server key
// when this is the first start on db.
func Open(ctx context.Context, db store.DB, account string) (*Book, error) {
	if err := db.Migrate(ctx, "identity", schema...); err != nil {
		return nil, fmt.Errorf("migrate identities: %w", err)
	}
	b := &Book{db: db, account: account, now: time.Now}
	if err := b.found(ctx); err != nil {
		return nil, fmt.Errorf("read the root key: %w", err)
	}
	return b, nil
}

// Root is the key of the account's root user.
func (b *Book) Root() Credentials { return b.root }

// Account is the one account that everything here belongs to.
func (b *Book) Account() string { return b.account }

// Created is when the account came to be: the server's first start.
func (b *Book) Created() time.Time { return b.created }

// found loads the server key and the root key, or makes them. Nodes that start
// at once on one database agree, since only the first insert takes.
func (b *Book) found(ctx context.Context) error {
	server := random(32)
	id, secret := newKeyID("AKIA"), newSecret()
	sealed := newKeyring(server).seal(id, []byte(secret))
	return b.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`INSERT INTO identity_server (id, server_key, root_id, root_secret, created)
			VALUES (1, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`, server, id, sealed, b.now().Unix())
		if err != nil {
			return err
		}
		return b.load(tx)
	})
}

func (b *Book) load(tx store.Tx) error {
	var server, sealed []byte
	var id string
	var created int64
	err := tx.Get([]any{&server, &id, &sealed, &created},
		`SELECT server_key, root_id, root_secret, created FROM identity_server WHERE id = 1`)
	if err != nil {
		return err
	}
	b.keys = newKeyring(server)
	secret, err := b.keys.open(id, sealed)
	if err != nil {
		return err
	}
	b.root = Credentials{AccessKeyID: id, SecretAccessKey: string(secret)}
	b.created = time.Unix(created, 0).UTC()
	return nil
}
