package function

import (
	"context"
	"math"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Provisioned is how many sandboxes a version or alias wants ready.
type Provisioned struct {
	Function  string
	Qualifier string
	Requested int32
	Modified  time.Time
}

// A Standing is a Provisioned and how far the engine has got with it.
type Standing struct {
	Provisioned
	Ready  int32
	Status string // "IN_PROGRESS", "READY", "FAILED"
	Reason string // of a failure
}

func errNoProvisioned() error {
	return refuse(ErrNoProvisioned, "No Provisioned Concurrency Config found for this function")
}

// Provision asks for n sandboxes of a version or alias to be kept ready.
func (r *Registry) Provision(ctx context.Context, ref Ref, n int32) (Standing, error) {
	if own(ref) == Latest {
		return Standing{}, refuse(ErrInvalid, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	}
	p := Provisioned{ref.Name, ref.Qualifier, n, r.now()}
	err := r.change(ctx, ref.Name, r.errNoQualified(ref), func(c *change) error {
		if err := c.qualified(ref); err != nil {
			return err
		}
		if err := c.checkProvisioned(ref, n); err != nil {
			return err
		}
		if err := c.checkOverlap(ref); err != nil {
			return err
		}
		return attach(c.Tx, kindProvisioned, ref, p)
	})
	if err != nil {
		return Standing{}, err
	}
	return Standing{Provisioned: p, Status: "IN_PROGRESS"}, r.standBy(ctx, ref.Name)
}

// errNoQualified is the error for a version or alias that is not there.
func (r *Registry) errNoQualified(ref Ref) error {
	if isAlias(ref.Qualifier) {
		return r.errNoAlias(ref.Name, ref.Qualifier)
	}
	return errNoFunction(r.ARN(ref.Name, ref.Qualifier))
}

func (c *change) qualified(ref Ref) error {
	_, ok, err := c.r.there(c.Tx, ref)
	if err == nil && !ok {
		return c.r.errNoQualified(ref)
	}
	return err
}

// checkProvisioned holds a request to the function's reservation, or to what
// the account has left.
func (c *change) checkProvisioned(ref Ref, n int32) error {
	sum, err := provisionedSum(c.Tx, ref.Name, ref.Qualifier)
	if err != nil {
		return err
	}
	if res := c.rec.Reserved; res != nil {
		if sum+n > *res {
			return refuse(ErrInvalid, "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
		}
		return nil
	}
	if int(n) > c.r.limit {
		return refuse(ErrInvalid, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", c.r.limit)
	}
	taken, err := c.r.taken(c.Tx, ref.Name)
	if err == nil && c.r.limit-taken-int(sum)-int(n) < minUnreserved {
		return refuse(ErrInvalid, "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)
	}
	return err
}

// checkOverlap refuses an alias and its version both.
func (c *change) checkOverlap(ref Ref) error {
	others, err := allAttached[Provisioned](c.Tx, kindProvisioned, ref.Name, "", math.MaxInt32)
	if err != nil {
		return err
	}
	for _, o := range others {
		switch {
		case o.Qualifier == ref.Qualifier || isAlias(o.Qualifier) == isAlias(ref.Qualifier):
		case isAlias(ref.Qualifier):
			a, err := readAlias(c.Tx, ref.Name, ref.Qualifier)
			if err != nil {
				return err
			}
			if a.Version == o.Qualifier {
				return refuse(ErrConflict, "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
			}
		default:
			a, err := readAlias(c.Tx, ref.Name, o.Qualifier)
			if err != nil {
				return err
			}
			if a.Version == ref.Qualifier {
				return refuse(ErrConflict, "Version is pointed by a Provisioned Concurrency alias")
			}
		}
	}
	return nil
}

// provisionedSum is what a function has provisioned for qualifiers other than but.
func provisionedSum(tx store.Tx, name, but string) (sum int32, err error) {
	all, err := allAttached[Provisioned](tx, kindProvisioned, name, "", math.MaxInt32)
	for _, p := range all {
		if p.Qualifier != but {
			sum += p.Requested
		}
	}
	return sum, err
}

func errPublishedOnly() error {
	return refuse(ErrInvalid, "The function resource provided must be an alias or a published version.")
}

// Unprovision ends it; it need not have begun.
func (r *Registry) Unprovision(ctx context.Context, ref Ref) error {
	if own(ref) == Latest {
		return errPublishedOnly()
	}
	err := r.change(ctx, ref.Name, r.errNoQualified(ref), func(c *change) error {
		if err := c.qualified(ref); err != nil {
			return err
		}
		_, err := detach(c.Tx, kindProvisioned, ref)
		return err
	})
	if err != nil {
		return err
	}
	return r.standBy(ctx, ref.Name)
}

// Provisioning answers what is provisioned for a version or alias.
func (r *Registry) Provisioning(ctx context.Context, ref Ref) (s Standing, err error) {
	if own(ref) == Latest {
		return s, errPublishedOnly()
	}
	err = r.db.View(ctx, func(tx store.Tx) error {
		_, ok, err := r.there(tx, ref)
		if err != nil {
			return err
		}
		if !ok {
			return r.errNoQualified(ref)
		}
		p, err := attached[Provisioned](tx, kindProvisioned, ref)
		if err != nil {
			return or(err, errNoProvisioned())
		}
		s, err = r.standing(tx, p)
		return err
	})
	return s, err
}

// Provisionings lists what is provisioned for a function.
func (r *Registry) Provisionings(ctx context.Context, name string, p Page) (all []Standing, next string, err error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, "", err
	}
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	err = r.db.View(ctx, func(tx store.Tx) error {
		all = nil
		if err := r.must(tx, ref.Name); err != nil {
			return err
		}
		ps, err := allAttached[Provisioned](tx, kindProvisioned, ref.Name, after, p.limit()+1)
		if err != nil {
			return err
		}
		for _, p := range ps {
			s, err := r.standing(tx, p)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		return nil
	})
	all, next = paginate(all, p, func(s Standing) string { return s.Qualifier })
	return all, next, err
}

// standing asks the engine how far it has got with p.
func (r *Registry) standing(tx store.Tx, p Provisioned) (Standing, error) {
	v, err := r.find(tx, Ref{p.Function, p.Qualifier})
	if err != nil {
		return Standing{}, err
	}
	ready, failure := r.engine.Provisioned(v.key())
	s := Standing{Provisioned: p, Ready: min(int32(ready), p.Requested), Status: "IN_PROGRESS"}
	switch {
	case failure != "":
		s.Status, s.Reason = "FAILED", failure
	case s.Ready == p.Requested:
		s.Status = "READY"
	}
	return s, nil
}
