// Package restapi is API Gateway's REST APIs: what they are, kept durably, and
// the data plane that serves them.
//
// A Book holds the definitions, which users change piece by piece. A deployment
// is a copy of one API's definition at a moment; a stage names a deployment.
// Serving reads deployments alone, made ready once and kept in memory until a
// write makes them stale.
package restapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Config says where a book is and whose it is.
type Config struct {
	DB      store.DB
	Account string
	Region  string
	Suffix  string           // of an API's host name; "" means "localhost"
	Log     *slog.Logger     // nil means slog.Default()
	Now     func() time.Time // nil means time.Now
}

// A Book holds all REST APIs of the account, its API keys, usage plans and
// custom domain names. Its methods may be called from any goroutine.
type Book struct {
	Config
	cache cache
	usage usage
}

// Open opens the book. Close ends it.
func Open(ctx context.Context, c Config) (*Book, error) {
	c.Log = cmp.Or(c.Log, slog.Default())
	c.Suffix = cmp.Or(c.Suffix, "localhost")
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := c.DB.Migrate(ctx, "restapi", schema()...); err != nil {
		return nil, fmt.Errorf("open REST APIs: %w", err)
	}
	b := &Book{Config: c}
	b.usage.open(c.DB, c.Log)
	return b, nil
}

// Close writes the use of API keys that is not written yet.
func (b *Book) Close() error { return b.usage.close() }

// schema are the steps to the tables. A step is never changed.
func schema() []string {
	return []string{`
		CREATE TABLE restapi_item (
			kind TEXT NOT NULL,  -- "api", "resource", "stage", "key", ...
			owner TEXT NOT NULL, -- the API, the usage plan or the domain that it belongs to, "" for none
			id TEXT NOT NULL,
			doc BLOB NOT NULL,   -- JSON
			PRIMARY KEY (kind, owner, id)
		);
		CREATE TABLE restapi_snapshot (
			api TEXT NOT NULL, deployment TEXT NOT NULL,
			doc BLOB NOT NULL,   -- the API's definition when it was deployed
			PRIMARY KEY (api, deployment)
		);
		CREATE TABLE restapi_usage (
			plan TEXT NOT NULL, key TEXT NOT NULL,
			day INTEGER NOT NULL, -- since 1970, UTC
			used INTEGER NOT NULL,
			extra INTEGER NOT NULL, -- granted by UpdateUsage
			PRIMARY KEY (plan, key, day)
		);`,
	}
}

func (b *Book) seconds() int64 { return b.Now().Unix() }

// newID makes an id as API Gateway's are: n lower-case letters and digits.
func newID(n int) string { return draw(n, "abcdefghijklmnopqrstuvwxyz0123456789") }

func draw(n int, alphabet string) string {
	id := make([]byte, n)
	for i := range id {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil { // crypto/rand never fails
			panic(err)
		}
		id[i] = alphabet[k.Int64()]
	}
	return string(id)
}

func bad(format string, args ...any) error {
	return awserr.New(400, "BadRequestException", format, args...)
}

func notFound(format string, args ...any) error {
	return awserr.New(404, "NotFoundException", format, args...)
}

func conflict(format string, args ...any) error {
	return awserr.New(409, "ConflictException", format, args...)
}
