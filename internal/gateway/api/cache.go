package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A cache is what was read since something changed.
type cache struct {
	names   *index // nil: to be read
	apis    map[string]*served
	seen    map[string]uint64 // the highest revision that somebody was told of, by API
	changes uint64            // counts the changes: what was read before one is not kept after it
}

// changed forgets an API, and the names if they may be others now. It is called
// after the commit.
func (b *Book) changed(apiID string, names bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cache.changes++
	delete(b.cache.apis, apiID)
	if names {
		delete(b.cache.seen, apiID)
		b.cache.names = nil
	}
}

// An index are the names that requests of the web may have.
type index struct {
	protocols map[string]string // by API
	domains   map[string]*Domain
}

// domain is the domain name of a host: its own, or one with a star for its first label.
func (x *index) domain(host string) *Domain {
	if d := x.domains[host]; d != nil {
		return d
	}
	if _, rest, ok := strings.Cut(host, "."); ok {
		return x.domains["*."+rest]
	}
	return nil
}

// index answers the names, and reads them when something changed.
func (b *Book) index(ctx context.Context) (*index, error) {
	b.mu.Lock()
	x, changes := b.cache.names, b.cache.changes
	b.mu.Unlock()
	if x != nil {
		return x, nil
	}
	x, err := store.Read(ctx, b.DB, readIndex)
	if err != nil {
		return nil, fmt.Errorf("read the names of apis: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cache.changes == changes {
		b.cache.names = x
	}
	return x, nil
}

func readIndex(tx store.Tx) (*index, error) {
	x := &index{protocols: map[string]string{}, domains: map[string]*Domain{}}
	err := tx.Each(`SELECT id, protocol FROM apigateway_api`, nil, func(scan func(...any) error) error {
		var id, protocol string
		err := scan(&id, &protocol)
		x.protocols[id] = protocol
		return err
	})
	if err != nil {
		return nil, err
	}
	domains, err := store.All(tx, scanDoc[Domain], `SELECT doc FROM apigateway_domain`)
	for _, d := range domains {
		x.domains[d.DomainName] = d
	}
	return x, err
}

// scanDoc reads a T that is a column.
func scanDoc[T any](scan func(...any) error) (*T, error) {
	var doc []byte
	if err := scan(&doc); err != nil {
		return nil, err
	}
	t := new(T)
	return t, json.Unmarshal(doc, t)
}
