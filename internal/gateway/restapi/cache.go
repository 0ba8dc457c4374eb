package restapi

import (
	"context"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A cache keeps what serving needs, made of the tables once. Any write to the
// tables drops all of it: users change APIs rarely and call them often. Its keys
// are of what exists, never of what a request merely names, so that strangers
// cannot fill it.
type cache struct {
	mu      sync.RWMutex
	writes  uint64 // counts drops: what was read before one is not kept after it
	entries map[string]any
}

// drop forgets everything.
func (c *cache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	c.entries = nil
}

func (c *cache) get(key string) (any, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[key], c.writes
}

// keep keeps what was read when there had been so many writes.
func (c *cache) keep(key string, v any, writes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes != writes {
		return
	}
	if c.entries == nil {
		c.entries = map[string]any{}
	}
	c.entries[key] = v
}

// cached is what is kept under key, or what fn makes of the tables.
func cached[T any](ctx context.Context, b *Book, key string, fn func(store.Tx) (T, error)) (T, error) {
	v, writes := b.cache.get(key)
	if t, ok := v.(T); ok {
		return t, nil
	}
	t, err := read(ctx, b, fn)
	if err == nil {
		b.cache.keep(key, t, writes)
	}
	return t, err
}

// Has tells whether there is such an API.
func (b *Book) Has(ctx context.Context, api string) bool {
	ids, err := cached(ctx, b, "apis", func(tx store.Tx) (map[string]bool, error) {
		apis, err := all[API](tx, kindAPI, "")
		ids := map[string]bool{}
		for _, a := range apis {
			ids[a.ID] = true
		}
		return ids, err
	})
	return err == nil && ids[api]
}

// A Deployed is what a stage serves. Nobody changes it.
type Deployed struct {
	*program
	Stage *Stage
}

// Deployed reads what a stage of an API serves.
func (b *Book) Deployed(ctx context.Context, api, stage string) (*Deployed, error) {
	if !b.Has(ctx, api) {
		return nil, b.errNoAPI(api)
	}
	stages, err := cached(ctx, b, "stages "+api, func(tx store.Tx) (map[string]*Stage, error) {
		list, err := all[Stage](tx, kindStage, api)
		stages := map[string]*Stage{}
		for _, s := range list {
			stages[s.Name] = s
		}
		return stages, err
	})
	if err != nil {
		return nil, err
	}
	if stages[stage] == nil {
		return nil, errNoStage()
	}
	return cached(ctx, b, "deployed "+api+"/"+stage, func(tx store.Tx) (*Deployed, error) {
		s, err := load[Stage](tx, kindStage, api, stage, errNoStage())
		if err != nil {
			return nil, err
		}
		def, err := b.snapshot(tx, api, s.DeploymentID)
		if err != nil {
			return nil, err
		}
		p, err := compile(def)
		if err != nil {
			return nil, err
		}
		return &Deployed{p, s}, nil
	})
}

// hosted is what a custom domain leads to.
func (b *Book) hosted(ctx context.Context, host string) ([]*Mapping, bool) {
	hosts, err := cached(ctx, b, "domains", func(tx store.Tx) (map[string][]*Mapping, error) {
		domains, err := all[Domain](tx, kindDomain, "")
		if err != nil {
			return nil, err
		}
		hosts := map[string][]*Mapping{}
		for _, d := range domains {
			ms, err := all[Mapping](tx, kindMapping, d.Name)
			if err != nil {
				return nil, err
			}
			sortMappings(ms)
			hosts[d.Name] = ms
		}
		return hosts, nil
	})
	if err != nil {
		return nil, false
	}
	ms, ok := hosts[host]
	return ms, ok
}

// A known is an API key with its plans.
type known struct {
	*Key
	plans []*Plan
}

// planOf is the first plan of the key that is for a stage.
func (k *known) planOf(api, stage string) (*Plan, *PlanStage) {
	for _, p := range k.plans {
		for _, s := range p.Stages {
			if s.API == api && s.Stage == stage {
				return p, s
			}
		}
	}
	return nil, nil
}

// known finds an API key by its value.
func (b *Book) known(ctx context.Context, value string) (*known, error) {
	keys, err := cached(ctx, b, "keys", func(tx store.Tx) (map[string]*known, error) {
		list, err := all[Key](tx, kindKey, "")
		if err != nil {
			return nil, err
		}
		byID, byValue := map[string]*known{}, map[string]*known{}
		for _, k := range list {
			byID[k.ID] = &known{Key: k}
			byValue[k.Value] = byID[k.ID]
		}
		plans, err := all[Plan](tx, kindPlan, "")
		if err != nil {
			return nil, err
		}
		for _, p := range plans {
			pks, err := all[PlanKey](tx, kindPlanKey, p.ID)
			if err != nil {
				return nil, err
			}
			for _, pk := range pks {
				if k := byID[pk.ID]; k != nil {
					k.plans = append(k.plans, p)
				}
			}
		}
		return byValue, nil
	})
	if err != nil {
		return nil, err
	}
	return keys[value], nil
}
