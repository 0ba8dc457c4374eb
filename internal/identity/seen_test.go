package identity

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A countingDB counts what reads it, and calls during, unless it is nil, after
// each View.
type countingDB struct {
	store.DB
	views  int
	during func()
}

func (d *countingDB) View(ctx context.Context, fn func(store.Tx) error) error {
	d.views++
	err := d.DB.View(ctx, fn)
	if d.during != nil {
		d.during()
	}
	return err
}

// counted is a Book with the user ann, and what counts its queries.
func counted(t *testing.T) (*Book, *countingDB) {
	t.Helper()
	b := open(t)
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "ann", Path: "/"}))
	db := &countingDB{DB: b.db}
	b.db = db
	return b, db
}

func TestLookupRemembers(t *testing.T) {
	b, db := counted(t)
	k := must[Key](t)(b.AddKey(t.Context(), "ann"))
	for range 3 {
		secret, p, err := b.Lookup(t.Context(), k.ID, "")
		if err != nil || secret != k.Secret || p.ARN != "arn:aws:iam::000000000000:user/ann" {
			t.Fatalf("Lookup answers %q, %+v, %v", secret, p, err)
		}
		if err := b.Used(t.Context(), k.ID, "r", "s"); err != nil {
			t.Fatal(err)
		}
	}
	if db.views != 2 { // the key, and when it was used last
		t.Errorf("%d queries, want 2", db.views)
	}
	// What is remembered is good with the same token alone.
	if _, _, err := b.Lookup(t.Context(), k.ID, "token"); code(err) != "UnrecognizedClientException" {
		t.Errorf("with a token: %v", err)
	}
}

// Whatever ends a key, or changes who has it, is seen by the next request.
func TestChangesAreSeenAtOnce(t *testing.T) {
	b, _ := counted(t)
	k := must[Key](t)(b.AddKey(t.Context(), "ann"))
	lookup := func(wantCode, wantARN string) {
		t.Helper()
		for range 2 {
			if _, p, err := b.Lookup(t.Context(), k.ID, ""); code(err) != wantCode || p.ARN != wantARN {
				t.Errorf("Lookup answers %q, %v; want %q, %q", p.ARN, err, wantARN, wantCode)
			}
		}
	}
	ann := "arn:aws:iam::000000000000:user/ann"
	lookup("", ann)
	if err := b.SetKeyActive(t.Context(), "ann", k.ID, false); err != nil {
		t.Fatal(err)
	}
	lookup("UnrecognizedClientException", "")
	if err := b.SetKeyActive(t.Context(), "ann", k.ID, true); err != nil {
		t.Fatal(err)
	}
	lookup("", ann)
	_, err := b.Change(t.Context(), User, "ann", func(i *Identity) error { i.Name = "eve"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	lookup("", "arn:aws:iam::000000000000:user/eve")
	if err := b.DeleteKey(t.Context(), "eve", k.ID); err != nil {
		t.Fatal(err)
	}
	lookup("UnrecognizedClientException", "")
}

// A key that is deleted while it is being read is not remembered.
func TestDeletedWhileRead(t *testing.T) {
	b, db := counted(t)
	k := must[Key](t)(b.AddKey(t.Context(), "ann"))
	var once sync.Once
	db.during = func() {
		once.Do(func() {
			if err := b.DeleteKey(context.Background(), "ann", k.ID); err != nil {
				t.Error(err)
			}
		})
	}
	if _, _, err := b.Lookup(t.Context(), k.ID, ""); err != nil { // it was there when it was read
		t.Fatal(err)
	}
	if _, _, err := b.Lookup(t.Context(), k.ID, ""); code(err) != "UnrecognizedClientException" {
		t.Errorf("a deleted key answers %v", err)
	}
}

// A remembered session ends when it says so.
func TestRememberedSessionExpires(t *testing.T) {
	b, _ := counted(t)
	now := time.Now()
	b.now = func() time.Time { return now }
	c, _, _, err := b.Session(t.Context(), "arn:aws:iam::000000000000:role/r", "s", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, ""}, {59 * time.Minute, ""}, {time.Minute, "ExpiredTokenException"}} {
		now = now.Add(step.after)
		if _, _, err := b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken); code(err) != step.want {
			t.Errorf("%v later: %v, want %q", step.after, err, step.want)
		}
	}
	if _, _, err := b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken[1:]); code(err) != "UnrecognizedClientException" {
		t.Errorf("with another token: %v", err)
	}
}

func TestSeenIsBounded(t *testing.T) {
	b, _ := counted(t)
	for range maxSeen + 10 {
		c, _, _, err := b.Session(t.Context(), "arn:aws:iam::000000000000:role/r", "s", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Lookup(t.Context(), c.AccessKeyID, c.SessionToken); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.seen.keys); n > maxSeen {
		t.Errorf("%d keys are remembered", n)
	}
}
