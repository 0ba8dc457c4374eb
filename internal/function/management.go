package function

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Management is when a version gets a newer runtime. It is stored and shown:
// the runtime is always the one that the host has.
type Management struct {
	UpdateOn   string // "Auto", "FunctionUpdate", "Manual"
	VersionARN string // with Manual
}

// Manage sets it for a version, or for $LATEST.
func (r *Registry) Manage(ctx context.Context, ref Ref, m Management) error {
	switch {
	case m.UpdateOn == "Manual" && m.VersionARN == "":
		return refuse(ErrInvalid, "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.")
	case m.UpdateOn != "Manual" && m.VersionARN != "":
		return refuse(ErrInvalid, "RuntimeVersionArn can only be given when UpdateRuntimeOn is Manual.")
	case isAlias(ref.Qualifier):
		return refuse(ErrInvalid, "Runtime management is set for $LATEST or a published version, not for an alias.")
	}
	return r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, ref.Qualifier)), func(c *change) error {
		if _, err := r.find(c.Tx, ref); err != nil {
			return err
		}
		return attach(c.Tx, kindRuntime, ref, m)
	})
}

// Management answers it.
func (r *Registry) Management(ctx context.Context, ref Ref) (m Management, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		if _, err := r.find(tx, ref); err != nil {
			return err
		}
		m, err = attached[Management](tx, kindRuntime, ref)
		if or(err, nil) == nil && err != nil {
			m, err = Management{UpdateOn: "Auto"}, nil
		}
		return err
	})
	return m, err
}

// SetRecursion says whether a function may call itself in a circle: "Allow" or "Terminate".
func (r *Registry) SetRecursion(ctx context.Context, name, loop string) error {
	name, err := r.whole(name)
	if err != nil {
		return err
	}
	return r.change(ctx, name, errNoFunction(r.ARN(name, "")), func(c *change) error {
		c.rec.Recursive = loop
		return c.save()
	})
}

// Recursion answers it.
func (r *Registry) Recursion(ctx context.Context, name string) (string, error) {
	name, err := r.whole(name)
	if err != nil {
		return "", err
	}
	rec, err := r.record(ctx, name)
	if err == nil && rec.Recursive == "" {
		return "Terminate", nil
	}
	return rec.Recursive, err
}

// CodeSigning answers the ARN of a function's code signing configuration:
// "", since there are none.
func (r *Registry) CodeSigning(ctx context.Context, name string) (string, error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return "", err
	}
	rec, err := r.record(ctx, ref.Name)
	return rec.CodeSigning, err
}
