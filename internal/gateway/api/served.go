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

// served answers an API from the cache, or reads it; ErrNoAPI. Nobody is told of
// a state that is older than one that somebody was told of.
func (b *Book) served(ctx context.Context, id string) (*served, error) {
	for {
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
		if b.keep(s, changes) {
			return s, nil
		}
	}
}

// keep caches what was read when there had been so many changes, and tells
// whether it may be used: not when a later state was seen already.
func (b *Book) keep(s *served, changes uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, revision := s.definition.API.ApiId, s.definition.Revision
	if revision < b.cache.seen[id] {
		return false
	}
	b.cache.seen[id] = revision
	if old := b.cache.apis[id]; old != nil && old.definition.Revision < revision {
		delete(b.cache.apis, id)
	}
	if b.cache.changes == changes {
		b.cache.apis[id] = s
	}
	return true
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
