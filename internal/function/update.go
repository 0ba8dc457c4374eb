package function

import (
	"context"

	"github.com/google/uuid"
)

// busy refuses a change of a version that another change is still settling in.
func (r *Registry) busy(v *Version) error {
	if v.State == Pending {
		return errState(Pending)
	}
	if v.Update == InProgress {
		return errInProgress(r.ARN(v.Function, ""))
	}
	return nil
}

func checkRevision(v *Version, revision *string) error {
	if revision != nil && *revision != "" && *revision != v.Revision {
		return errRevision()
	}
	return nil
}

// begin makes v the subject of an update to s. Invocations go on with what
// ran before, until the update has settled.
func (r *Registry) begin(v *Version, s Settings) {
	was := v.running()
	if v.State == Failed {
		v.Running = nil
		v.State, v.StateReason, v.StateCode = Pending, creating, "Creating"
	} else {
		v.Running = &was
		v.Update, v.UpdateReason, v.UpdateCode = InProgress, creating, "Creating"
	}
	v.Settings = s
	v.Modified, v.Revision, v.Change = r.now(), uuid.NewString(), uuid.NewString()
}

// Configure changes the settings of a function's $LATEST.
func (r *Registry) Configure(ctx context.Context, name string, e Edit, revision *string) (*Version, error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, err
	}
	if e.Layers != nil { // before the transaction: finding layers asks the database, too
		if _, err := r.resolveLayers(ctx, *e.Layers); err != nil {
			return nil, err
		}
	}
	before, err := r.Get(ctx, Ref{Name: ref.Name})
	if err != nil {
		return nil, err
	}
	s, err := r.edit(ctx, before.Settings, e)
	if err != nil {
		return nil, err
	}
	if err := checkUnzipped(s); err != nil {
		return nil, err
	}
	var v *Version
	err = r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, "")), func(c *change) (err error) {
		if v, err = c.latest(); err != nil {
			return err
		}
		if err := checkRevision(v, revision); err != nil {
			return err
		}
		if err := r.busy(v); err != nil {
			return err
		}
		if v.Change != before.Change { // somebody else's update came between: s is made from old settings
			return errInProgress(r.ARN(ref.Name, ""))
		}
		if err := r.checkLayers(c.Tx, s); err != nil {
			return err
		}
		r.begin(v, s)
		return c.put(v, true)
	})
	if err != nil {
		return nil, err
	}
	r.settle(ref.Name, 0)
	return v, nil
}

// A CodeEdit is a change of a function's code.
type CodeEdit struct {
	Arch     *string
	Zip      []byte  // nil when no archive came
	Object   *Object // nil when the archive is not in a bucket
	Image    bool    // an image was named instead
	Revision *string
	Publish  bool
	DryRun   bool
}

// UpdateCode changes the code of a function's $LATEST and answers it, or the
// version that it published. A dry run checks everything and changes nothing.
func (r *Registry) UpdateCode(ctx context.Context, name string, e CodeEdit) (*Version, error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, err
	}
	if _, err := r.Get(ctx, Ref{Name: ref.Name}); err != nil {
		return nil, err
	}
	if e.Image {
		return nil, refuse(ErrInvalid, "Please don't provide ImageUri when updating a function with packageType Zip.")
	}
	if err := source(e.Zip, e.Object, "function code"); err != nil {
		return nil, err
	}
	if e.DryRun {
		return r.tryCode(ctx, ref.Name, e)
	}
	var shown, before *Version
	err = r.upload(ctx, e.Zip, e.Object, func(code Code) error {
		return r.change(ctx, ref.Name, errNoFunction(r.ARN(ref.Name, "")), func(c *change) error {
			v, err := r.recode(c, e, code)
			if err != nil {
				return err
			}
			shown = v
			if e.Publish {
				if shown, err = c.publish(v, nil); err != nil {
					return err
				}
			}
			was, err := c.latest()
			before = was
			if err != nil {
				return err
			}
			return c.put(v, true)
		})
	})
	if err != nil {
		return nil, err
	}
	r.collect(context.WithoutCancel(ctx), before.archives()...)
	r.settle(ref.Name, 0)
	if shown.Number > 0 && shown.State == Pending {
		r.settle(ref.Name, shown.Number)
	}
	return shown, nil
}

// recode reads $LATEST and begins its update to other code.
func (r *Registry) recode(c *change, e CodeEdit, code Code) (*Version, error) {
	v, err := c.latest()
	if err != nil {
		return nil, err
	}
	if err := checkRevision(v, e.Revision); err != nil {
		return nil, err
	}
	if err := r.busy(v); err != nil {
		return nil, err
	}
	if err := r.checkStorage(c.Tx, code.Size-v.Code.Size); err != nil {
		return nil, err
	}
	s := v.Settings
	s.Code = code
	set(&s.Arch, e.Arch)
	if err := checkUnzipped(s); err != nil {
		return nil, err
	}
	r.begin(v, s)
	return v, nil
}

// tryCode answers what UpdateCode would, and keeps nothing of it.
func (r *Registry) tryCode(ctx context.Context, name string, e CodeEdit) (*Version, error) {
	code, err := r.look(ctx, e)
	if err != nil {
		return nil, err
	}
	var v *Version
	err = r.change(ctx, name, errNoFunction(r.ARN(name, "")), func(c *change) (err error) {
		was, err := c.latest()
		if err != nil {
			return err
		}
		if v, err = r.recode(c, e, code); err != nil {
			return err
		}
		v.Revision, v.Modified = was.Revision, was.Modified
		v.State, v.Update, v.UpdateReason, v.UpdateCode = was.State, was.Update, was.UpdateReason, was.UpdateCode
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// look inspects the code of an edit.
func (r *Registry) look(ctx context.Context, e CodeEdit) (c Code, err error) {
	a, err := r.archive(ctx, e.Zip, e.Object)
	if err != nil {
		return c, err
	}
	defer a.close()
	unzipped, err := a.inspect()
	if err != nil {
		return c, err
	}
	c, err = a.code()
	c.Unzipped = unzipped
	return c, err
}
