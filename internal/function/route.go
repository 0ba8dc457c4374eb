package function

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/event/lineage"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/store/blob"
)

// A route is where the invocations of one qualifier go: to one unit, or to
// two in shares. It is never changed once made.
type route struct {
	arms     []arm
	handling Handling
	lineage  string // what a chain of events calls the function
	loops    bool   // it may call itself in a circle
}

type arm struct {
	unit  *engine.Unit
	share float64
}

// pick is the arm for a number drawn from [0, 1).
func (t *route) pick(x float64) *engine.Unit {
	for _, a := range t.arms[1:] {
		if x < a.share {
			return a.unit
		}
		x -= a.share
	}
	return t.arms[0].unit
}

// routes is what has been resolved, by function and qualifier. Of a function
// that is being changed nothing is remembered: who sees the change in the
// database must not meet the route from before it.
type routes struct {
	mu       sync.RWMutex
	byName   map[string]map[string]*route // guarded by mu
	fronts   map[string]map[string]*front // guarded by mu
	changing map[string]int               // changes under way, by function; guarded by mu
	age      uint64                       // counts the changes that have begun; guarded by mu
}

// find answers what is remembered, and an age for keep.
func (rs *routes) find(ref Ref) (*route, uint64) {
	rs.mu.RLock()
	defer rs.mu.RUnlock()
	return rs.byName[ref.Name][ref.Qualifier], rs.age
}

// keep remembers t, unless a change has begun since age: t may have been read
// before it.
func (rs *routes) keep(ref Ref, t *route, age uint64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.age != age || rs.changing[ref.Name] > 0 {
		return
	}
	if rs.byName == nil {
		rs.byName = map[string]map[string]*route{}
	}
	if rs.byName[ref.Name] == nil {
		rs.byName[ref.Name] = map[string]*route{}
	}
	rs.byName[ref.Name][ref.Qualifier] = t
}

// forget drops what is remembered of a function until remember is called,
// once for each forget.
func (rs *routes) forget(name string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.age++
	delete(rs.byName, name)
	delete(rs.fronts, name)
	if rs.changing == nil {
		rs.changing = map[string]int{}
	}
	rs.changing[name]++
}

func (rs *routes) remember(name string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.changing[name]--; rs.changing[name] == 0 {
		delete(rs.changing, name)
	}
	rs.age++
}

// mostReads bounds how often resolve begins again.
const mostReads = 5

// resolve finds the route of a Ref. A warm one costs no query. Between the
// reading of a version and the unpacking of its archive a change may replace
// both: then the archive is gone, and it reads again.
func (r *Registry) resolve(ctx context.Context, ref Ref) (*route, error) {
	for reads := 1; ; reads++ {
		t, age := r.routes.find(ref)
		if t != nil {
			return t, nil
		}
		t, err := r.read(ctx, ref, age)
		if reads == mostReads || !errors.Is(err, blob.ErrMissing) {
			return t, err
		}
	}
}

// read resolves a Ref from what is stored.
func (r *Registry) read(ctx context.Context, ref Ref, age uint64) (*route, error) {
	t := &route{lineage: lineage.ID(r.ARN(ref.Name, ""))}
	vs, shares, err := r.targets(ctx, ref, t)
	if err != nil {
		return nil, err
	}
	for i, v := range vs {
		if v.State != Active {
			return nil, errState(v.State)
		}
		u, err := r.unit(ctx, v)
		if err != nil {
			return nil, err
		}
		t.arms = append(t.arms, arm{u, shares[i]})
	}
	r.routes.keep(ref, t, age)
	return t, nil
}

// targets reads the versions that a Ref's invocations go to, the main one
// first, and into t how its events are dealt with.
func (r *Registry) targets(ctx context.Context, ref Ref, t *route) (vs []*Version, shares []float64, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		vs, shares = nil, nil
		v, err := r.find(tx, ref)
		if err != nil {
			return err
		}
		vs, shares = append(vs, v), append(shares, 1)
		if t.handling, t.loops, err = r.handling(tx, ref, v); err != nil {
			return err
		}
		if _, isNumber := numberOf(ref.Qualifier); isNumber {
			return nil
		}
		a, err := readAlias(tx, ref.Name, ref.Qualifier)
		if err != nil {
			return err
		}
		for other, share := range a.Weights {
			v, err := r.find(tx, Ref{ref.Name, other})
			if err != nil {
				return err
			}
			vs, shares = append(vs, v), append(shares, share)
		}
		return nil
	})
	return vs, shares, err
}

// unit makes what the engine runs of a version.
func (r *Registry) unit(ctx context.Context, v *Version) (*engine.Unit, error) {
	s := v.running().Settings
	task, opt, err := r.prepare(ctx, s)
	if err != nil {
		return nil, err
	}
	return &engine.Unit{
		Key: v.key(), Function: v.Function, Version: v.Qualifier(), ARN: r.ARN(v.Function, ""),
		Account: r.account, Region: r.region,
		Runtime: s.Runtime, Arch: s.Arch, Handler: s.Handler, Env: s.Env,
		MemoryMB: int(s.Memory), TmpMB: int(s.Tmp), Timeout: time.Duration(s.Timeout) * time.Second,
		Code: task, Opt: opt,
		Log:         engine.Logging{Group: s.Log.Group, JSON: s.Log.Format == "JSON", AppLevel: s.Log.AppLevel, SystemLevel: s.Log.SystemLevel},
		Credentials: r.credentials(s.Role, v.Function),
	}, nil
}

// credentialLife is how long a sandbox's credentials are good for, the most
// that STS gives: a sandbox is never kept that long.
const credentialLife = 12 * time.Hour

// credentials makes the temporary credentials of a role for new sandboxes of
// a function, whose name is the session's, as on AWS.
func (r *Registry) credentials(role, function string) func(context.Context) (engine.Credentials, error) {
	return func(ctx context.Context) (engine.Credentials, error) {
		c, _, _, err := r.book.Session(ctx, role, function, credentialLife)
		return engine.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expires: c.Expires}, err
	}
}

// draw decides between two versions.
func draw() float64 { return rand.Float64() }
