package function

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A front is what a web request asks of a function or an alias before it is
// invoked. It is never changed once made.
type front struct {
	url    *URL             // nil for none
	policy *policy.Document // nil for none
	broken error            // the policy that is stored cannot be read
}

// urlIndex tells whose address an id may be. It holds all that are, and may
// hold some that are no more: whoever asks reads the function's own front. So
// an id that nobody has costs no query.
type urlIndex struct {
	mu   sync.RWMutex
	refs map[string]Ref // by id; guarded by mu
}

func (x *urlIndex) find(id string) (Ref, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ref, ok := x.refs[id]
	return ref, ok
}

func (x *urlIndex) add(u URL) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.refs == nil {
		x.refs = map[string]Ref{}
	}
	x.refs[u.ID] = u.Ref()
}

func (x *urlIndex) drop(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.refs, id)
}

// loadURLs fills the index.
func (r *Registry) loadURLs(ctx context.Context) error {
	return r.db.View(ctx, func(tx store.Tx) error {
		all, err := documents[URL](tx, `SELECT doc FROM function_settings WHERE kind = ?`, kindURL)
		for _, u := range all {
			r.urls.add(u)
		}
		return err
	})
}

// Ref is the function or the alias that an address invokes.
func (u URL) Ref() Ref {
	if u.Qualifier == Latest {
		return Ref{Name: u.Function}
	}
	return Ref{u.Function, u.Qualifier}
}

// URLByID finds an address by its id. One that was met before costs no query.
func (r *Registry) URLByID(ctx context.Context, id string) (URL, error) {
	ref, ok := r.urls.find(id)
	if !ok {
		return URL{}, errNoURL()
	}
	f, err := r.front(ctx, ref)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && (f.url == nil || f.url.ID != id):
		r.urls.drop(id) // an id is never given twice
		return URL{}, errNoURL()
	case err != nil:
		return URL{}, err
	}
	return *f.url, nil
}

// Decide says what the resource policy of a function, version or alias says of
// a request. An empty Resource stands for the ARN of what ref names. What was
// asked before costs no query.
//
// https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
func (r *Registry) Decide(ctx context.Context, ref Ref, in *policy.Request) (policy.Verdict, error) {
	if ref.Qualifier == Latest {
		ref.Qualifier = "" // one policy for both
	}
	f, err := r.front(ctx, ref)
	switch {
	case err != nil:
		return policy.Denied, err
	case f.broken != nil:
		return policy.Denied, f.broken
	case f.policy == nil:
		return policy.None, nil
	}
	if in.Resource == "" {
		named := *in
		named.Resource = r.ARN(ref.Name, ref.Qualifier)
		in = &named
	}
	return f.policy.Decide(in), nil
}

// front answers what is remembered of ref, or reads it.
func (r *Registry) front(ctx context.Context, ref Ref) (*front, error) {
	f, age := r.routes.front(ref)
	if f != nil {
		return f, nil
	}
	f = new(front)
	err := r.db.View(ctx, func(tx store.Tx) error {
		*f = front{}
		if err := r.must(tx, ref.Name); err != nil {
			return err
		}
		u, err := attached[URL](tx, kindURL, ref)
		if err == nil {
			f.url = &u
		} else if !errors.Is(err, store.ErrNoRows) {
			return err
		}
		d, err := attached[policyDoc](tx, kindPolicy, ref)
		if err == nil {
			f.policy, f.broken = policy.Parse(policy.Resource, d.text())
		} else if !errors.Is(err, store.ErrNoRows) {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if f.broken != nil {
		f.broken = fmt.Errorf("policy of %s: %w", r.ARN(ref.Name, ref.Qualifier), f.broken)
	}
	r.routes.keepFront(ref, f, age)
	return f, nil
}

// front answers what is remembered, and an age for keepFront.
func (rs *routes) front(ref Ref) (*front, uint64) {
	rs.mu.RLock()
	defer rs.mu.RUnlock()
	return rs.fronts[ref.Name][ref.Qualifier], rs.age
}

// keepFront remembers f, unless a change has begun since age.
func (rs *routes) keepFront(ref Ref, f *front, age uint64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.age != age || rs.changing[ref.Name] > 0 {
		return
	}
	if rs.fronts == nil {
		rs.fronts = map[string]map[string]*front{}
	}
	if rs.fronts[ref.Name] == nil {
		rs.fronts[ref.Name] = map[string]*front{}
	}
	rs.fronts[ref.Name][ref.Qualifier] = f
}
