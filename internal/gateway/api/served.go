package api

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A served is what the cache has of one API. Nobody changes it.
type served struct {
	definition *Definition
	stages     map[string]*Deployed
}

// served answers an API from the cache, or reads it; ErrNoAPI.
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

// readServed is an API as its stages serve it.
func readServed(tx store.Tx, id string) (*served, error) {
	d, err := readDefinition(tx, id)
	if err != nil {
		return nil, err
	}
	d.was = record{} // it is not edited
	s := &served{definition: d, stages: map[string]*Deployed{}}
	snapshots := map[string]Snapshot{} // stages may share a deployment
	for name, stage := range d.Stages {
		e := &Deployed{API: &d.API, Stage: stage, DeploymentID: stage.DeploymentId, Revision: d.Revision}
		s.stages[name] = e
		if stage.DeploymentId == "" {
			continue
		}
		snap, ok := snapshots[stage.DeploymentId]
		if !ok {
			if snap, err = d.readSnapshot(tx, stage.DeploymentId); err != nil {
				return nil, err
			}
			snapshots[stage.DeploymentId] = snap
		}
		e.Snapshot = snap
	}
	return s, nil
}
