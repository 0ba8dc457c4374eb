package function

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func errLayerRevision() error {
	return refuse(ErrPrecondition, "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id")
}

// layerPolicy is the policy of a layer version.
type layerPolicy struct {
	policyDoc
	name     string
	number   int64
	revision string // "" while there is none
}

// readLayerPolicy reads the policy of a layer version that must be there.
func (r *Registry) readLayerPolicy(tx store.Tx, name string, number int64) (*layerPolicy, error) {
	if _, err := readLayer(tx, name, number); err != nil {
		return nil, or(err, refuse(ErrNotFound, "Layer version %s does not exist.", r.LayerARN(name, number)))
	}
	p := &layerPolicy{policyDoc: policyDoc{Version: "2012-10-17", ID: "default"}, name: name, number: number}
	var doc string
	err := tx.Get([]any{&p.revision, &doc}, `SELECT revision, doc FROM layer_policies WHERE name = ? AND number = ?`, name, number)
	if errors.Is(err, store.ErrNoRows) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	return p, decode(doc, &p.policyDoc)
}

func (p *layerPolicy) checkRevision(revision *string) error {
	if revision != nil && *revision != "" && *revision != p.revision {
		return errLayerRevision()
	}
	return nil
}

// write keeps the policy under a new revision; without statements there is none.
func (p *layerPolicy) write(tx store.Tx) error {
	if len(p.Statement) == 0 {
		_, err := tx.Exec(`DELETE FROM layer_policies WHERE name = ? AND number = ?`, p.name, p.number)
		return err
	}
	p.revision = uuid.NewString()
	_, err := tx.Exec(`INSERT INTO layer_policies (name, number, revision, doc) VALUES (?, ?, ?, ?)
		ON CONFLICT (name, number) DO UPDATE SET revision = excluded.revision, doc = excluded.doc`,
		p.name, p.number, p.revision, encode(p.policyDoc))
	return err
}

// lockLayer makes others who change the policy of the same layer wait.
func lockLayer(tx store.Tx, name string) error {
	_, err := tx.Exec(`UPDATE layers SET next = next WHERE name = ?`, name)
	return err
}

// AddLayerPermission adds a statement to a layer version's policy, and answers
// it and the policy's new revision.
func (r *Registry) AddLayerPermission(ctx context.Context, name string, number int64, perm Permission) (text, revision string, err error) {
	if name, err = r.layerVersion(name, number); err != nil {
		return "", "", err
	}
	s, err := perm.statement(r.LayerARN(name, number))
	if err != nil {
		return "", "", err
	}
	err = r.db.Update(ctx, func(tx store.Tx) error {
		if err := lockLayer(tx, name); err != nil {
			return err
		}
		p, err := r.readLayerPolicy(tx, name, number)
		if err != nil {
			return err
		}
		if err := p.add(s); err != nil {
			return err
		}
		if err := p.checkRevision(perm.Revision); err != nil {
			return err
		}
		err = p.write(tx)
		revision = p.revision
		return err
	})
	return string(s), revision, err
}

// RemoveLayerPermission removes a statement from a layer version's policy.
func (r *Registry) RemoveLayerPermission(ctx context.Context, name string, number int64, id string, revision *string) error {
	name, err := r.layerVersion(name, number)
	if err != nil {
		return err
	}
	return r.db.Update(ctx, func(tx store.Tx) error {
		if err := lockLayer(tx, name); err != nil {
			return err
		}
		p, err := r.readLayerPolicy(tx, name, number)
		if err != nil {
			return err
		}
		if p.revision == "" {
			return refuse(ErrNotFound, "No policy is associated with the given resource.")
		}
		if err := p.checkRevision(revision); err != nil {
			return err
		}
		if err := p.remove(id); err != nil {
			return err
		}
		return p.write(tx)
	})
}

// LayerPolicy answers a layer version's policy and its revision.
func (r *Registry) LayerPolicy(ctx context.Context, name string, number int64) (text, revision string, err error) {
	if name, err = r.layerVersion(name, number); err != nil {
		return "", "", err
	}
	err = r.db.View(ctx, func(tx store.Tx) error {
		p, err := r.readLayerPolicy(tx, name, number)
		if err != nil {
			return err
		}
		if p.revision == "" {
			return refuse(ErrNotFound, "No policy is associated with the given resource.")
		}
		text, revision = p.text(), p.revision
		return nil
	})
	return text, revision, err
}
