package function

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/meter"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// standing is what the engine was last told of a unit.
type standing struct {
	unit  *engine.Unit
	n     int
	since time.Time
}

// standBy tells the engine what changed in what a function has provisioned:
// it compares what is stored with what it told the engine before. What it acts on
// is committed, so the end of ctx does not stop it.
func (r *Registry) standBy(ctx context.Context, name string) error {
	ctx = context.WithoutCancel(ctx)
	r.provisionMu.Lock()
	defer r.provisionMu.Unlock()
	want, err := r.wanted(ctx, name)
	if err != nil {
		return fmt.Errorf("stand by with %s: %w", name, err)
	}
	now := r.now()
	for key, s := range r.provisioned[name] {
		if want[key].n == s.n {
			want[key] = s
			continue
		}
		r.allocated(ctx, s, now)
		if _, still := want[key]; !still {
			r.engine.Provision(s.unit, 0)
		}
	}
	for key, s := range want {
		if s.since.IsZero() {
			s.since = now
			want[key] = s
			r.engine.Provision(s.unit, s.n)
		}
	}
	r.provisioned[name] = want
	if len(want) == 0 {
		delete(r.provisioned, name)
	}
	return nil
}

// allocated meters sandboxes that were kept ready until now.
func (r *Registry) allocated(ctx context.Context, s standing, now time.Time) {
	err := r.meter.AddProvisioned(context.WithoutCancel(ctx), meter.Allocation{
		Function: s.unit.ARN, Version: s.unit.Version, Arch: s.unit.Arch, MemoryMB: s.unit.MemoryMB,
		Sandboxes: s.n, Since: s.since, Until: now,
	})
	if err != nil {
		r.log.Error("meter provisioned concurrency", "function", s.unit.ARN, "error", err)
	}
}

// meterAllocations meters what is kept ready up to now.
func (r *Registry) meterAllocations(ctx context.Context) {
	r.provisionMu.Lock()
	defer r.provisionMu.Unlock()
	now := r.now()
	for _, units := range r.provisioned {
		for _, s := range units {
			r.allocated(ctx, s, now)
		}
	}
}

// meterEvery is how much of an allocation a crash may leave off the bill.
const meterEvery = 5 * time.Minute

// startMeter meters allocations now and then until Close.
func (r *Registry) startMeter() {
	r.work.Go(func() {
		tick := time.NewTicker(meterEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.meterAllocations(context.Background())
			case <-r.done:
				return
			}
		}
	})
}

// wanted reads what should be provisioned of a function, by unit.
func (r *Registry) wanted(ctx context.Context, name string) (map[string]standing, error) {
	type wish struct {
		v *Version
		n int
	}
	var wishes []wish
	err := r.db.View(ctx, func(tx store.Tx) error {
		wishes = nil
		ps, err := allAttached[Provisioned](tx, kindProvisioned, name, "", math.MaxInt32)
		if err != nil {
			return err
		}
		for _, p := range ps {
			v, err := r.find(tx, Ref{name, p.Qualifier})
			if err != nil {
				return err
			}
			if v.State == Active { // when it becomes so, settling calls again
				wishes = append(wishes, wish{v, int(p.Requested)})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	want := map[string]standing{}
	for _, w := range wishes {
		s, ok := want[w.v.key()]
		if !ok {
			if s.unit, err = r.unit(ctx, w.v); err != nil {
				return nil, err
			}
		}
		s.n += w.n
		want[w.v.key()] = s
	}
	return want, nil
}

// standByAll starts, at start, what is to be kept ready.
func (r *Registry) standByAll(ctx context.Context) error {
	var names []string
	err := r.db.View(ctx, func(tx store.Tx) error {
		names = nil
		return tx.Each(`SELECT DISTINCT name FROM function_settings WHERE kind = ?`, []any{kindProvisioned}, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			names = append(names, name)
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.standBy(ctx, name); err != nil {
			r.log.Error("provision at start", "function", name, "error", err)
		}
	}
	return nil
}
