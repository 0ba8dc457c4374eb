package restapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func errNoDeployment() error { return notFound("Invalid Deployment identifier specified") }

// CreateDeployment takes over an API's definition as it is now. With a stage's
// name it is put on that stage, which is made if it is not there.
func (b *Book) CreateDeployment(ctx context.Context, api, description string, stage *Stage) (*Deployment, error) {
	return write(ctx, b, func(tx store.Tx) (*Deployment, error) {
		def, err := b.definition(tx, api)
		if err != nil {
			return nil, err
		}
		if err := def.check(); err != nil {
			return nil, err
		}
		d := &Deployment{ID: newID(6), Description: description, CreatedDate: b.seconds(), Summary: def.summary()}
		doc, err := json.Marshal(def)
		if err != nil {
			return nil, fmt.Errorf("deploy %s: %w", api, err)
		}
		if _, err := tx.Exec(`INSERT INTO restapi_snapshot (api, deployment, doc) VALUES (?, ?, ?)`, api, d.ID, doc); err != nil {
			return nil, err
		}
		if err := save(tx, kindDeployment, api, d.ID, d); err != nil {
			return nil, err
		}
		if stage != nil {
			err = b.putOnStage(tx, api, d.ID, *stage)
		}
		return d, err
	})
}

// check refuses what cannot be served.
func (d *Definition) check() error {
	methods := 0
	for _, r := range d.Resources {
		for _, m := range r.Methods {
			if m.Integration == nil {
				return bad("No integration defined for method")
			}
			methods++
		}
	}
	if methods == 0 {
		return bad("The REST API doesn't contain any methods")
	}
	_, err := compile(d)
	return err
}

func (d *Definition) summary() map[string]map[string]MethodSnapshot {
	sum := map[string]map[string]MethodSnapshot{}
	for _, r := range d.Resources {
		for name, m := range r.Methods {
			if sum[r.Path] == nil {
				sum[r.Path] = map[string]MethodSnapshot{}
			}
			sum[r.Path][name] = MethodSnapshot{AuthorizationType: m.AuthorizationType, KeyRequired: m.KeyRequired}
		}
	}
	return sum
}

// putOnStage moves a stage to a deployment, or makes the stage.
func (b *Book) putOnStage(tx store.Tx, api, deployment string, s Stage) error {
	there, err := load[Stage](tx, kindStage, api, s.Name, errNoStage())
	if err != nil && !isNotFound(err) {
		return err
	}
	if there == nil {
		s.DeploymentID = deployment
		return b.newStage(tx, api, &s)
	}
	there.DeploymentID, there.LastUpdatedDate = deployment, b.seconds()
	if s.Description != "" {
		there.Description = s.Description
	}
	if s.Variables != nil {
		there.Variables = s.Variables
	}
	if err := there.check(); err != nil {
		return err
	}
	return save(tx, kindStage, api, s.Name, there)
}

// Deployment reads a deployment.
func (b *Book) Deployment(ctx context.Context, api, id string) (*Deployment, error) {
	return one[Deployment](ctx, b, kindDeployment, api, id, errNoDeployment())
}

// Deployments reads an API's deployments.
func (b *Book) Deployments(ctx context.Context, api string) ([]*Deployment, error) {
	return part[Deployment](ctx, b, kindDeployment, api)
}

// UpdateDeployment patches a deployment's description.
func (b *Book) UpdateDeployment(ctx context.Context, api, id string, patches []Patch) (*Deployment, error) {
	return update(ctx, b, kindDeployment, api, id, errNoDeployment(), deploymentRules(), patches,
		func(store.Tx, *Deployment) error { return nil })
}

// DeleteDeployment deletes a deployment that no stage serves.
func (b *Book) DeleteDeployment(ctx context.Context, api, id string) error {
	return b.change(ctx, func(tx store.Tx) error {
		if _, err := b.api(tx, api); err != nil {
			return err
		}
		stages, err := all[Stage](tx, kindStage, api)
		if err != nil {
			return err
		}
		for _, s := range stages {
			if s.DeploymentID == id {
				return bad("Active stages pointing to this deployment must be moved or deleted")
			}
		}
		if err := remove(tx, kindDeployment, api, id, errNoDeployment()); err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM restapi_snapshot WHERE api = ? AND deployment = ?`, api, id)
		return err
	})
}

// snapshot reads what a deployment took over.
func (b *Book) snapshot(tx store.Tx, api, deployment string) (*Definition, error) {
	var doc []byte
	err := tx.Get([]any{&doc}, `SELECT doc FROM restapi_snapshot WHERE api = ? AND deployment = ?`, api, deployment)
	if errors.Is(err, store.ErrNoRows) {
		return nil, errNoDeployment()
	}
	if err != nil {
		return nil, err
	}
	return decode[Definition](doc)
}
