package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// What a data plane is told about a name that leads nowhere.
var (
	ErrNoAPI    = errors.New("api: no such API")
	ErrNoStage  = errors.New("api: no such stage")
	ErrNoDomain = errors.New("api: no such domain name")
)

// Config says where a book is and whose it is.
type Config struct {
	DB      store.DB
	Account string
	Region  string
	Now     func() time.Time // nil means time.Now

	// Elsewhere tells whether a stage is one of an API that another room keeps
	// (a REST API): domain names lead there too. Nil means that there are none.
	Elsewhere func(ctx context.Context, apiID, stage string) (bool, error)
}

// A Book holds all APIs of version 2. Its methods may be called from any goroutine.
type Book struct {
	Config
	mu    sync.Mutex
	cache cache // guarded by mu
}

// Open opens the book. There is nothing to close.
func Open(ctx context.Context, c Config) (*Book, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := c.DB.Migrate(ctx, "apigateway", schema()...); err != nil {
		return nil, fmt.Errorf("open apis: %w", err)
	}
	return &Book{Config: c, cache: cache{apis: map[string]*served{}, seen: map[string]uint64{}}}, nil
}

// Protocol is the protocol of an API, "" when there is no such. It is for each
// request of the web: once warm it reads no SQL.
func (b *Book) Protocol(ctx context.Context, apiID string) (string, error) {
	x, err := b.index(ctx)
	if err != nil {
		return "", err
	}
	return x.protocols[apiID], nil
}

// Deployed is what a stage serves: ErrNoAPI, ErrNoStage. Once warm it reads no SQL.
func (b *Book) Deployed(ctx context.Context, apiID, stage string) (*Deployed, error) {
	if protocol, err := b.Protocol(ctx, apiID); err != nil || protocol == "" {
		return nil, cmp.Or(err, ErrNoAPI)
	}
	s, err := b.served(ctx, apiID)
	if err != nil {
		return nil, err
	}
	if d := s.stages[stage]; d != nil {
		return d, nil
	}
	return nil, ErrNoStage
}

// Domain is the custom domain name that a request's host, in lower case and
// without its port, is under: ErrNoDomain. Once warm it reads no SQL.
func (b *Book) Domain(ctx context.Context, host string) (*Domain, error) {
	x, err := b.index(ctx)
	if err != nil {
		return nil, err
	}
	if d := x.domain(host); d != nil {
		return d, nil
	}
	return nil, ErrNoDomain
}

// schema are the steps to the tables. A step is never changed.
func schema() []string {
	return []string{`
		CREATE TABLE apigateway_api (
			id TEXT PRIMARY KEY, protocol TEXT NOT NULL, revision INTEGER NOT NULL,
			head BLOB NOT NULL, -- the API, for lists
			body BLOB NOT NULL  -- its parts and stages
		);
		CREATE TABLE apigateway_snapshot (api TEXT NOT NULL, deployment TEXT NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (api, deployment));
		CREATE TABLE apigateway_domain (name TEXT PRIMARY KEY, doc BLOB NOT NULL);`,
	}
}
