package mapping

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Get finds a mapping.
func (m *Manager) Get(ctx context.Context, uuid string) (Mapping, error) {
	one, err := store.Read(ctx, m.c.DB, func(tx store.Tx) (Mapping, error) { return get(tx, uuid) })
	if errors.Is(err, store.ErrNoRows) {
		return one, errGone()
	}
	one.Result = m.result(uuid)
	return one, err
}

// maxPage is the most that AWS answers at once.
const maxPage = 100

// List answers a page of mappings, of a source and a function if given, and
// where the next page begins.
func (m *Manager) List(ctx context.Context, from, name, marker string, most int32) (all []Mapping, next string, err error) {
	functionARN := ""
	if name != "" {
		ref, err := m.c.Functions.Ref(name, "")
		if err != nil {
			return nil, "", err
		}
		functionARN = m.c.Functions.ARN(ref.Name, ref.Qualifier)
	}
	n := maxPage
	if most > 0 && most < maxPage {
		n = int(most)
	}
	all, err = store.Read(ctx, m.c.DB, func(tx store.Tx) ([]Mapping, error) { return list(tx, marker, from, functionARN, n+1) })
	if err != nil {
		return nil, "", err
	}
	if len(all) > n {
		all = all[:n]
		next = all[n-1].UUID
	}
	for i := range all {
		all[i].Result = m.result(all[i].UUID)
	}
	return all, next, nil
}

// Delete ends a mapping once its batches are handled.
func (m *Manager) Delete(ctx context.Context, uuid string) (Mapping, error) {
	one, err := store.Write(ctx, m.c.DB, func(tx store.Tx) (Mapping, error) {
		one, err := get(tx, uuid)
		if errors.Is(err, store.ErrNoRows) {
			return one, errGone()
		}
		if err != nil {
			return one, err
		}
		if one.State != Enabled && one.State != Disabled {
			return one, errInUse(one.State)
		}
		one.State = Deleting
		return one, setState(tx, uuid, Deleting)
	})
	if err == nil {
		m.transit(one)
	}
	return one, err
}

// UUIDOf is the mapping that an ARN names; ok is false when it names none.
func (m *Manager) UUIDOf(arn string) (uuid string, ok bool) {
	return strings.CutPrefix(arn, m.ARN(""))
}

// Tags answers a mapping's tags; never nil.
func (m *Manager) Tags(ctx context.Context, uuid string) (map[string]string, error) {
	one, err := m.Get(ctx, uuid)
	if one.Tags == nil {
		one.Tags = map[string]string{}
	}
	return one.Tags, err
}

// Retag sets tags and takes others away.
func (m *Manager) Retag(ctx context.Context, uuid string, add map[string]string, drop []string) error {
	return m.c.DB.Update(ctx, func(tx store.Tx) error {
		one, err := get(tx, uuid)
		if errors.Is(err, store.ErrNoRows) {
			return errGone()
		}
		if err != nil {
			return err
		}
		if one.Tags == nil {
			one.Tags = map[string]string{}
		}
		maps.Copy(one.Tags, add)
		for _, k := range drop {
			delete(one.Tags, k)
		}
		if err := checkTags(one.Tags); err != nil {
			return err
		}
		return write(tx, one)
	})
}

const maxTags = 50

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return refuse(function.ErrInvalid, "Number of tags exceeds resource tag limit.")
	}
	for k := range tags {
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return refuse(function.ErrInvalid, "aws: prefixed tag key names are not allowed for external use.")
		}
	}
	return nil
}
