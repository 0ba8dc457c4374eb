package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Definition is an API with all that it is made of, as it is being edited.
type Definition struct {
	API      API    `json:"-"`
	Revision uint64 `json:"-"`

	Routes       map[string]*Route       `json:",omitempty"` // by id, as all
	Integrations map[string]*Integration `json:",omitempty"`
	Authorizers  map[string]*Authorizer  `json:",omitempty"`
	Models       map[string]*Model       `json:",omitempty"`
	Stages       map[string]*Stage       `json:",omitempty"` // by name

	// Live is the newest deployment, which is the API as it is: it has no
	// snapshot until something changes. "" when the API was changed since it
	// was deployed.
	Live string `json:",omitempty"`
}

// snapshot is what a deployment made now has. It shares d's parts.
func (d *Definition) snapshot() Snapshot {
	return Snapshot{
		RouteSelectionExpression: d.API.RouteSelectionExpression, ApiKeySelectionExpression: d.API.ApiKeySelectionExpression,
		CorsConfiguration: d.API.CorsConfiguration, Routes: d.Routes, Integrations: d.Integrations, Authorizers: d.Authorizers, Models: d.Models,
	}
}

// readDefinition is an API of the tables; ErrNoAPI.
func readDefinition(tx store.Tx, id string) (*Definition, error) {
	var head, body []byte
	d := new(Definition)
	err := tx.Get([]any{&head, &body, &d.Revision}, `SELECT head, body, revision FROM apigateway_api WHERE id = ?`, id)
	if errors.Is(err, store.ErrNoRows) {
		return nil, ErrNoAPI
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, d); err != nil {
		return nil, fmt.Errorf("read API %s: %w", id, err)
	}
	if err := json.Unmarshal(head, &d.API); err != nil {
		return nil, fmt.Errorf("read API %s: %w", id, err)
	}
	return d, nil
}

// writeDefinition keeps d, under its next revision.
func writeDefinition(tx store.Tx, d *Definition) error {
	head, err := json.Marshal(d.API)
	if err != nil {
		return err
	}
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	d.Revision++
	_, err = tx.Exec(`INSERT INTO apigateway_api (id, protocol, revision, head, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, head = excluded.head, body = excluded.body`,
		d.API.ApiId, d.API.ProtocolType, d.Revision, head, body)
	return err
}

// readSnapshot is what the deployment of a stage has.
func readSnapshot(tx store.Tx, d *Definition, deployment string) (Snapshot, error) {
	if deployment == d.Live {
		return d.snapshot(), nil
	}
	var s Snapshot
	var doc []byte
	err := tx.Get([]any{&doc}, `SELECT snapshot FROM apigateway_deployment WHERE api = ? AND id = ?`, d.API.ApiId, deployment)
	if err != nil {
		return s, fmt.Errorf("read deployment %s of API %s: %w", deployment, d.API.ApiId, err)
	}
	return s, json.Unmarshal(doc, &s)
}

// readServed is an API as its stages serve it.
func readServed(tx store.Tx, id string) (*served, error) {
	d, err := readDefinition(tx, id)
	if err != nil {
		return nil, err
	}
	s := &served{definition: d, stages: map[string]*Deployed{}}
	for name, stage := range d.Stages {
		e := &Deployed{API: &d.API, Stage: stage, DeploymentID: stage.DeploymentId, Revision: d.Revision}
		s.stages[name] = e
		if stage.DeploymentId == "" {
			continue
		}
		if e.Snapshot, err = readSnapshot(tx, d, stage.DeploymentId); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// A served is what the cache has of one API. Nobody changes it.
type served struct {
	definition *Definition
	stages     map[string]*Deployed
}

// served answers an API from the cache, or reads it.
func (b *Book) served(ctx context.Context, id string) (*served, error) {
	b.mu.Lock()
	s, changes := b.cache.apis[id], b.cache.changes
	b.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := store.Read(ctx, b.DB, func(tx store.Tx) (*served, error) { return readServed(tx, id) })
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cache.changes == changes {
		if b.cache.apis == nil {
			b.cache.apis = map[string]*served{}
		}
		b.cache.apis[id] = s
	}
	return s, nil
}
