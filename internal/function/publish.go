package function

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Publication is a wish to make $LATEST a version.
type Publication struct {
	Description *string
	CodeSHA256  *string // base64; refused when $LATEST's differs
	Revision    *string
}

// Publish makes $LATEST a new version, or answers the newest one when nothing
// has changed since.
func (r *Registry) Publish(ctx context.Context, name string, p Publication) (*Version, error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, err
	}
	var made *Version
	err = r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, "")), func(c *change) error {
		v, err := c.latest()
		if err != nil {
			return err
		}
		if err := checkRevision(v, p.Revision); err != nil {
			return err
		}
		if have := v.Code.Digest(); p.CodeSHA256 != nil && *p.CodeSHA256 != "" && *p.CodeSHA256 != have {
			return refuse(ErrInvalid, "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", *p.CodeSHA256, have)
		}
		if err := r.busy(v); err != nil {
			return err
		}
		if made, err = c.publish(v, p.Description); err != nil {
			return err
		}
		return c.touch(v)
	})
	if err != nil {
		return nil, err
	}
	if made.State == Pending {
		r.settle(ref.Name, made.Number)
	}
	return made, nil
}

// publish makes v, which is $LATEST, the next version. It settles as v does.
func (c *change) publish(v *Version, description *string) (*Version, error) {
	newest, err := readVersion(c.Tx, c.name, c.rec.Next-1)
	if c.rec.Next > 1 && err == nil && newest.Source == v.fingerprint() {
		return newest, nil
	}
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return nil, err
	}
	if err := c.r.checkStorage(c.Tx, v.Code.Size); err != nil {
		return nil, err
	}
	made := c.r.snapshot(v, c.rec.Next)
	set(&made.Description, description)
	c.rec.Next++
	if err := c.save(); err != nil {
		return nil, err
	}
	return made, c.put(made, made.State == Pending)
}

// snapshot is v, which is $LATEST, as an immutable version.
func (r *Registry) snapshot(v *Version, number int64) *Version {
	made := *v
	made.Number, made.Source = number, v.fingerprint()
	made.Revision, made.Change, made.Running = uuid.NewString(), uuid.NewString(), nil
	if v.State != Active || v.Update != Successful { // what failed for $LATEST is tried anew
		made.State, made.StateReason, made.StateCode = Pending, creating, "Creating"
		made.Update, made.UpdateReason, made.UpdateCode = "", "", ""
	}
	return &made
}
