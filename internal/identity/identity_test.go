package identity

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const account = "000000000000"

// code is the AWS code of an error, "" for none.
func code(err error) string {
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		return e.Code
	}
	if err != nil {
		return "not AWS's: " + err.Error()
	}
	return ""
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("got error %v, want code %q", err, want)
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func database(t *testing.T) store.DB {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "x.db"), store.Options{Sync: store.Normal})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func open(t *testing.T) *Book { return must[*Book](t)(Open(t.Context(), database(t), account)) }

func TestRootKeyIsMadeOnce(t *testing.T) {
	db := database(t)
	first := must[*Book](t)(Open(t.Context(), db, account))
	again := must[*Book](t)(Open(t.Context(), db, account))
	if first.Root() != again.Root() {
		t.Errorf("the root key changed: %v, then %v", first.Root(), again.Root())
	}
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(first.Root().AccessKeyID) || len(first.Root().SecretAccessKey) != 40 {
		t.Errorf("not in AWS's form: %v", first.Root())
	}
	if first.Created().IsZero() || !first.Created().Equal(again.Created()) {
		t.Errorf("created %v, then %v", first.Created(), again.Created())
	}
}

func TestLookupRoot(t *testing.T) {
	b := open(t)
	secret, p, err := b.Lookup(t.Context(), b.Root().AccessKeyID, "")
	if err != nil || secret != b.Root().SecretAccessKey {
		t.Fatalf("secret %q, error %v", secret, err)
	}
	if p.ARN != "arn:aws:iam::000000000000:root" || !p.Root || p.UserID != account || p.Account != account {
		t.Errorf("got %+v", p)
	}
}

func TestSessionRoundTrip(t *testing.T) {
	b := open(t)
	role := must[Identity](t)(b.Create(t.Context(), Identity{Kind: Role, Name: "worker", Path: "/team/", Trust: "{}"}))
	for _, c := range []struct{ name, roleARN, wantID string }{
		{"a role that is there", role.ARN, role.ID},
		{"a role that nobody made", "arn:aws:iam::000000000000:role/whatever", b.keys.roleID("arn:aws:iam::000000000000:role/whatever")},
		{"the same name under another path", "arn:aws:iam::000000000000:role/worker", b.keys.roleID("arn:aws:iam::000000000000:role/worker")},
	} {
		t.Run(c.name, func(t *testing.T) {
			creds, assumed, id, err := b.Session(t.Context(), c.roleARN, "fn", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			name := c.roleARN[strings.LastIndexByte(c.roleARN, '/')+1:]
			if want := "arn:aws:sts::000000000000:assumed-role/" + name + "/fn"; assumed != want {
				t.Errorf("assumed %q, want %q", assumed, want)
			}
			if id != c.wantID || !regexp.MustCompile(`^AROA[A-Z2-7]{17}$`).MatchString(id) {
				t.Errorf("role id %q, want %q", id, c.wantID)
			}
			secret, p, err := b.Lookup(t.Context(), creds.AccessKeyID, creds.SessionToken)
			if err != nil || secret != creds.SecretAccessKey || len(secret) != 40 {
				t.Fatalf("secret %q of %v, error %v", secret, creds, err)
			}
			if p.ARN != assumed || p.UserID != id+":fn" || p.Root || p.Grant.Role != c.roleARN {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestSessionOfNoRole(t *testing.T) {
	b := open(t)
	for _, arn := range []string{"", "worker", "arn:aws:iam::000000000000:user/x", "arn:aws:lambda:us-east-1:000000000000:role/x"} {
		if _, _, _, err := b.Session(t.Context(), arn, "s", time.Hour); err == nil {
			t.Errorf("%q made a session", arn)
		}
	}
}

func TestSessionWritesNothing(t *testing.T) {
	b := open(t)
	b.db = readOnly{b.db}
	c, _, _, err := b.Session(t.Context(), "arn:aws:iam::000000000000:role/x", "s", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken); err != nil {
		t.Error(err)
	}
}

// readOnly is a database that may not be written.
type readOnly struct{ store.DB }

func (readOnly) Update(context.Context, func(store.Tx) error) error {
	return errors.New("a write")
}

func TestLookupRefuses(t *testing.T) {
	b := open(t)
	c, _, _, err := b.Session(t.Context(), "arn:aws:iam::000000000000:role/x", "s", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other, _, _, err := b.Session(t.Context(), "arn:aws:iam::000000000000:role/y", "s", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	stranger, _, _, err := open(t).Session(t.Context(), "arn:aws:iam::000000000000:role/x", "s", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ name, id, token string }{
		{"a session without its token", c.AccessKeyID, ""},
		{"a token that is no base64", c.AccessKeyID, "!"},
		{"another session's token", c.AccessKeyID, other.SessionToken},
		{"a cut token", c.AccessKeyID, c.SessionToken[:20]},
		{"another server's session", stranger.AccessKeyID, stranger.SessionToken},
		{"an unknown key", "AKIAAAAAAAAAAAAAAAAA", ""},
		{"an empty key", "", ""},
		{"the root key with a token", b.Root().AccessKeyID, c.SessionToken},
	} {
		_, p, err := b.Lookup(t.Context(), x.id, x.token)
		if wantCode(t, err, "UnrecognizedClientException"); p.ARN != "" {
			t.Errorf("%s: got %+v", x.name, p)
		}
	}
}

func TestSessionExpires(t *testing.T) {
	b := open(t)
	now := time.Now()
	b.now = func() time.Time { return now }
	c, _, _, err := b.Session(t.Context(), "arn:aws:iam::000000000000:role/x", "s", 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	now = c.Expires.Add(-time.Second)
	_, _, err = b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	wantCode(t, err, "")
	now = c.Expires
	_, _, err = b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	wantCode(t, err, "ExpiredTokenException")
}

func TestTemporaryIsTheSamePrincipal(t *testing.T) {
	b := open(t)
	_, root, err := b.Lookup(t.Context(), b.Root().AccessKeyID, "")
	if err != nil {
		t.Fatal(err)
	}
	c := must[Credentials](t)(b.Temporary(root, time.Hour))
	_, p, err := b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	if err != nil || p.ARN != root.ARN || p.UserID != root.UserID || !p.Root || p.AccessKeyID != c.AccessKeyID {
		t.Errorf("got %+v, error %v", p, err)
	}
}

func FuzzLookup(f *testing.F) {
	db, err := store.OpenSQLite(filepath.Join(f.TempDir(), "x.db"), store.Options{Sync: store.Normal})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	b, err := Open(context.Background(), db, account)
	if err != nil {
		f.Fatal(err)
	}
	c, _, _, err := b.Session(context.Background(), "arn:aws:iam::000000000000:role/x", "s", time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.AccessKeyID, c.SessionToken)
	f.Add(c.AccessKeyID, c.SessionToken[1:])
	f.Add("ASIA", "AAAA")
	f.Fuzz(func(t *testing.T, id, token string) {
		_, p, err := b.Lookup(context.Background(), id, token)
		known := id == b.Root().AccessKeyID && token == "" || id == c.AccessKeyID && token == c.SessionToken
		if known != (err == nil) && strings.TrimRight(token, "\r\n") != c.SessionToken {
			t.Fatalf("%q, %q let %+v in: %v", id, token, p, err)
		}
	})
}

// Whoever is shown the door must not come in by a session that he made before.
func TestSessionEndsWithItsUser(t *testing.T) {
	b := open(t)
	u := must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "u", Path: "/"}))
	c := must[Credentials](t)(b.Temporary(Principal{ARN: u.ARN, UserID: u.ID}, time.Hour))
	_, p, err := b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	if wantCode(t, err, ""); p.ARN != u.ARN {
		t.Errorf("got %+v", p)
	}
	if err := b.Remove(t.Context(), User, "u"); err != nil {
		t.Fatal(err)
	}
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "u", Path: "/"})) // another of that name
	_, _, err = b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	wantCode(t, err, "UnrecognizedClientException")
}

// Of several who create the same thing at once, one does.
func TestCreateAtOnce(t *testing.T) {
	b := open(t)
	codes := make(chan string, 16)
	for range cap(codes) {
		go func() {
			_, err := b.Create(t.Context(), Identity{Kind: Role, Name: "r", Path: "/"})
			codes <- code(err)
		}()
	}
	made := 0
	for range cap(codes) {
		switch c := <-codes; c {
		case "":
			made++
		case "EntityAlreadyExists":
		default:
			t.Error(c)
		}
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}
