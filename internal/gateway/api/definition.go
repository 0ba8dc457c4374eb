package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Definition is an API with all that it is made of, as it is being edited.
// Its methods keep it whole: what they refuse leaves a Definition that must be
// thrown away.
type Definition struct {
	API      API    `json:"-"`
	Revision uint64 `json:"-"`

	Routes       map[string]*Route       `json:",omitempty"` // by id, as all
	Integrations map[string]*Integration `json:",omitempty"`
	Authorizers  map[string]*Authorizer  `json:",omitempty"`
	Models       map[string]*Model       `json:",omitempty"`
	Stages       map[string]*Stage       `json:",omitempty"` // by name
	Deployments  map[string]*Deployment  `json:",omitempty"`

	// Fresh are the deployments since which nothing changed. They have no
	// snapshot of their own until something does.
	Fresh []string `json:",omitempty"`

	now     int64 // of this edit
	touched bool  // something changed that a deployment has
	was     record
}

// A record is an API as it was read.
type record struct {
	head, body  []byte
	deployments []string
	fresh       []string
}

// New is an API without parts that is in no book.
func New(a API) *Definition {
	d := &Definition{API: a}
	d.fill()
	return d
}

// fill makes the maps that are not there.
func (d *Definition) fill() {
	made(&d.Routes)
	made(&d.Integrations)
	made(&d.Authorizers)
	made(&d.Models)
	made(&d.Stages)
	made(&d.Deployments)
}

func made[T any](m *map[string]*T) {
	if *m == nil {
		*m = map[string]*T{}
	}
}

// touch notes that the API is not as it was deployed any more.
func (d *Definition) touch() { d.touched, d.Fresh = true, nil }

// Snapshot is what a deployment made now has. It shares d's parts.
func (d *Definition) Snapshot() Snapshot {
	return Snapshot{
		RouteSelectionExpression: d.API.RouteSelectionExpression, ApiKeySelectionExpression: d.API.ApiKeySelectionExpression,
		CorsConfiguration: d.API.CorsConfiguration, Routes: d.Routes, Integrations: d.Integrations, Authorizers: d.Authorizers, Models: d.Models,
	}
}

// readDefinition is an API of the tables; ErrNoAPI.
func readDefinition(tx store.Tx, id string) (*Definition, error) {
	d := new(Definition)
	err := tx.Get([]any{&d.was.head, &d.was.body, &d.Revision}, `SELECT head, body, revision FROM apigateway_api WHERE id = ?`, id)
	if errors.Is(err, store.ErrNoRows) {
		return nil, ErrNoAPI
	}
	if err != nil {
		return nil, err
	}
	if err := d.decode(d.was); err != nil {
		return nil, err
	}
	d.was.deployments, d.was.fresh = slices.Collect(maps.Keys(d.Deployments)), slices.Clone(d.Fresh)
	return d, nil
}

func (d *Definition) decode(r record) error {
	if err := json.Unmarshal(r.body, d); err != nil {
		return fmt.Errorf("read an API: %w", err)
	}
	if err := json.Unmarshal(r.head, &d.API); err != nil {
		return fmt.Errorf("read an API: %w", err)
	}
	d.fill()
	return nil
}

// write keeps d, under its next revision, and the snapshots that it needs now.
func (d *Definition) write(tx store.Tx) error {
	if err := d.freeze(tx); err != nil {
		return err
	}
	head, err := json.Marshal(d.API)
	if err != nil {
		return err
	}
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO apigateway_api (id, protocol, revision, head, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, head = excluded.head, body = excluded.body`,
		d.API.ApiId, d.API.ProtocolType, d.Revision+1, head, body)
	return err
}

// freeze gives a snapshot to each deployment that was the API as it is and
// still is there, and drops those of deployments that are not.
func (d *Definition) freeze(tx store.Tx) error {
	for _, id := range d.was.deployments {
		if d.Deployments[id] != nil {
			continue
		}
		if _, err := tx.Exec(`DELETE FROM apigateway_snapshot WHERE api = ? AND deployment = ?`, d.API.ApiId, id); err != nil {
			return err
		}
	}
	var doc []byte
	for _, id := range d.was.fresh {
		if d.Deployments[id] == nil || slices.Contains(d.Fresh, id) {
			continue
		}
		if doc == nil {
			was := new(Definition)
			err := was.decode(d.was)
			if err == nil {
				doc, err = json.Marshal(was.Snapshot())
			}
			if err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`INSERT INTO apigateway_snapshot (api, deployment, doc) VALUES (?, ?, ?)`, d.API.ApiId, id, doc); err != nil {
			return err
		}
	}
	return nil
}

// readSnapshot is what a deployment of d has.
func (d *Definition) readSnapshot(tx store.Tx, deployment string) (Snapshot, error) {
	if slices.Contains(d.Fresh, deployment) {
		return d.Snapshot(), nil
	}
	var s Snapshot
	var doc []byte
	err := tx.Get([]any{&doc}, `SELECT doc FROM apigateway_snapshot WHERE api = ? AND deployment = ?`, d.API.ApiId, deployment)
	if err != nil {
		return s, fmt.Errorf("read deployment %s of API %s: %w", deployment, d.API.ApiId, err)
	}
	return s, json.Unmarshal(doc, &s)
}
