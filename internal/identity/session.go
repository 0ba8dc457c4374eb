package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// claims is what a session token carries: all that Lookup tells of who holds it.
type claims struct {
	ARN     string `json:"arn"`
	UserID  string `json:"id"`
	Root    bool   `json:"root,omitempty"`
	Expires int64  `json:"exp"`
	Grant   Grant  `json:"grant"`
}

// The front end's answers about a key. The query protocol spells them differently
// (InvalidClientTokenId, ExpiredToken) and translates the codes.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
func errInvalidToken() error {
	return awserr.New(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
}

func errExpiredToken() error {
	return awserr.New(403, "ExpiredTokenException", "The security token included in the request is expired")
}

// Session makes temporary credentials of a role, valid for ttl. It writes
// nothing. The role need not exist: a function may name any role, and on a
// laptop mostly does.
func (b *Book) Session(ctx context.Context, roleARN, sessionName string, ttl time.Duration) (c Credentials, assumedRoleARN, roleID string, err error) {
	return b.Assume(ctx, Grant{Role: roleARN, Session: sessionName}, ttl)
}

// Assume is Session for a caller who narrows what the session may do.
func (b *Book) Assume(ctx context.Context, g Grant, ttl time.Duration) (c Credentials, assumedRoleARN, roleID string, err error) {
	name, err := roleName(g.Role)
	if err != nil {
		return Credentials{}, "", "", err
	}
	r, err := b.Find(ctx, Role, name)
	switch {
	case err == nil && r.ARN == g.Role:
		roleID = r.ID
	case err == nil || errors.Is(err, store.ErrNoRows):
		roleID = b.keys.roleID(g.Role)
	default:
		return Credentials{}, "", "", err
	}
	assumedRoleARN = arn.ARN{Service: "sts", Account: b.account, Resource: "assumed-role/" + name + "/" + g.Session}.String()
	c, err = b.issue(claims{ARN: assumedRoleARN, UserID: roleID + ":" + g.Session, Grant: g}, ttl)
	return c, assumedRoleARN, roleID, err
}

// Temporary makes temporary credentials of p itself, as GetSessionToken does.
func (b *Book) Temporary(p Principal, ttl time.Duration) (Credentials, error) {
	return b.issue(claims{ARN: p.ARN, UserID: p.UserID, Root: p.Root}, ttl)
}

// roleName is the last part of a role's ARN: the path is no part of the name.
func roleName(roleARN string) (string, error) {
	a, err := arn.Parse(roleARN)
	if err != nil {
		return "", fmt.Errorf("assume role: %w", err)
	}
	name, ok := strings.CutPrefix(a.Resource, "role/")
	if !ok || a.Service != "iam" {
		return "", fmt.Errorf("assume role: %q is not a role", roleARN)
	}
	return name[strings.LastIndexByte(name, '/')+1:], nil
}

func (b *Book) issue(c claims, ttl time.Duration) (Credentials, error) {
	expires := b.now().Add(ttl).Truncate(time.Second).UTC()
	c.Expires = expires.Unix()
	plain, err := json.Marshal(c)
	if err != nil {
		return Credentials{}, fmt.Errorf("make a session token: %w", err)
	}
	id := newKeyID("ASIA")
	return Credentials{
		AccessKeyID:     id,
		SecretAccessKey: b.keys.secretOf(id),
		SessionToken:    base64.StdEncoding.EncodeToString(b.keys.seal(id, plain)),
		Expires:         expires,
	}, nil
}

// Lookup finds the secret of a key and who it belongs to. Its errors are AWS's
// own, but for a database that fails. A key that was met before costs no query.
func (b *Book) Lookup(ctx context.Context, accessKeyID, sessionToken string) (secret string, p Principal, err error) {
	k, ok, age := b.seen.find(accessKeyID, sessionToken)
	if !ok {
		if k, err = b.find(ctx, accessKeyID, sessionToken); err != nil {
			return "", Principal{}, err
		}
		b.seen.keep(accessKeyID, k, age)
	}
	if k.expires != 0 && b.now().Unix() >= k.expires {
		return "", Principal{}, errExpiredToken()
	}
	return k.secret, k.who, nil
}

func (b *Book) find(ctx context.Context, accessKeyID, sessionToken string) (sight, error) {
	switch {
	case strings.HasPrefix(accessKeyID, "ASIA"):
		return b.temporary(ctx, accessKeyID, sessionToken)
	case sessionToken != "": // AWS refuses a long-term key with a token
		return sight{}, errInvalidToken()
	case accessKeyID == b.root.AccessKeyID:
		return sight{secret: b.root.SecretAccessKey, who: b.rootPrincipal(accessKeyID)}, nil
	}
	return b.longTerm(ctx, accessKeyID)
}

func (b *Book) rootPrincipal(accessKeyID string) Principal {
	return Principal{
		AccessKeyID: accessKeyID, Account: b.account, Root: true, UserID: b.account,
		ARN: arn.ARN{Service: "iam", Account: b.account, Resource: "root"}.String(),
	}
}

// temporary opens a session token. It reads no table for a role's, of which a
// sandbox may use many; a user's ends with the user, as on AWS.
func (b *Book) temporary(ctx context.Context, accessKeyID, token string) (sight, error) {
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return sight{}, errInvalidToken()
	}
	plain, err := b.keys.open(accessKeyID, sealed)
	if err != nil {
		return sight{}, errInvalidToken()
	}
	var c claims
	if err := json.Unmarshal(plain, &c); err != nil {
		return sight{}, errInvalidToken()
	}
	if b.now().Unix() >= c.Expires {
		return sight{}, errExpiredToken()
	}
	if c.Grant.Role == "" && !c.Root {
		_, err := b.FindID(ctx, User, c.UserID)
		if errors.Is(err, store.ErrNoRows) {
			return sight{}, errInvalidToken()
		}
		if err != nil {
			return sight{}, fmt.Errorf("look up a session's user: %w", err)
		}
	}
	return sight{token: token, secret: b.keys.secretOf(accessKeyID), expires: c.Expires, who: Principal{
		AccessKeyID: accessKeyID, Account: b.account, ARN: c.ARN, UserID: c.UserID, Root: c.Root, Grant: c.Grant,
	}}, nil
}

// longTerm finds a user's access key.
func (b *Book) longTerm(ctx context.Context, accessKeyID string) (sight, error) {
	var sealed []byte
	var active bool
	var used int64
	u := Identity{Kind: User}
	err := b.db.View(ctx, func(tx store.Tx) error {
		return tx.Get([]any{&sealed, &active, &used, &u.Name, &u.Path, &u.ID}, `
			SELECT k.secret, k.active <> 0, k.used, i.name, i.path, i.id FROM identity_keys k
			JOIN identity_identities i ON i.id = k.owner WHERE k.id = ?`, accessKeyID)
	})
	if errors.Is(err, store.ErrNoRows) || err == nil && !active {
		return sight{}, errInvalidToken()
	}
	if err != nil {
		return sight{}, fmt.Errorf("look up an access key: %w", err)
	}
	secret, err := b.keys.open(accessKeyID, sealed)
	if err != nil {
		return sight{}, err
	}
	return sight{secret: string(secret), used: used, who: Principal{
		AccessKeyID: accessKeyID, Account: b.account, ARN: b.arnOf(u), UserID: u.ID,
	}}, nil
}
