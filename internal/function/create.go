package function

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const creating = "The function is being created."

// A New is a function to be created.
type New struct {
	Name    string // as the caller gave it: a name or an ARN
	Arch    *string
	Zip     []byte  // nil when no archive came
	Object  *Object // nil when the archive is not in a bucket
	Edit    Edit
	Tags    map[string]string
	Publish bool
}

// Create makes a function and answers its $LATEST, or version 1 when n wants
// one published. Both are Pending until a worker has unpacked the code.
func (r *Registry) Create(ctx context.Context, n New) (*Version, error) {
	name, s, err := r.checkNew(ctx, n)
	if err != nil {
		return nil, err
	}
	var shown *Version
	err = r.upload(ctx, n.Zip, n.Object, func(c Code) error {
		s.Code = c
		if err := checkUnzipped(s); err != nil {
			return err
		}
		return r.db.Update(ctx, func(tx store.Tx) error {
			shown = r.fresh(name, s)
			return r.insert(tx, n, &shown)
		})
	})
	if err != nil {
		return nil, err
	}
	r.settle(name, 0)
	if n.Publish {
		r.settle(name, 1)
	}
	return shown, nil
}

// checkNew holds a new function to every rule that needs no code.
func (r *Registry) checkNew(ctx context.Context, n New) (name string, s Settings, err error) {
	if len(n.Zip) > MaxZipped { // before all else, as on AWS
		return "", s, refuse(ErrTooLarge, "Zipped size must be smaller than %d bytes", MaxZipped)
	}
	ref, err := r.Ref(n.Name, "")
	if err != nil {
		return "", s, err
	}
	if ref.Qualifier != "" {
		return "", s, refuse(ErrValidation, "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)", n.Name)
	}
	if s, err = r.edit(ctx, defaults(ref.Name), n.Edit); err != nil {
		return "", s, err
	}
	set(&s.Arch, n.Arch)
	if s.Runtime == "" || s.Handler == "" {
		return "", s, refuse(ErrInvalid, "Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if len(ref.Name) > 64 {
		return "", s, refuse(ErrInvalid, "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64", ref.Name)
	}
	if err := checkTags(n.Tags); err != nil {
		return "", s, err
	}
	if err := source(n.Zip, n.Object, "function code"); err != nil {
		return "", s, err
	}
	return ref.Name, s, r.absent(ctx, ref.Name)
}

func errExists(name string) error { return refuse(ErrConflict, "Function already exist: %s", name) }

// absent refuses a name that is taken, before the work of looking at the code.
func (r *Registry) absent(ctx context.Context, name string) error {
	return r.db.View(ctx, func(tx store.Tx) error {
		if taken, err := exists(tx, name); err != nil || !taken {
			return err
		}
		return errExists(name)
	})
}

// fresh is a new $LATEST.
func (r *Registry) fresh(name string, s Settings) *Version {
	return &Version{
		Function: name, Settings: s, Modified: r.now(), Revision: uuid.NewString(), Change: uuid.NewString(),
		State: Pending, StateReason: creating, StateCode: "Creating",
	}
}

// insert writes a new function. When n wants a version published, *shown
// becomes that.
func (r *Registry) insert(tx store.Tx, n New, shown **Version) error {
	v := *shown
	rec := record{Next: 1, Tags: n.Tags}
	if err := errors.Join(r.checkStorage(tx, v.Code.Size), r.checkLayers(tx, v.Settings)); err != nil {
		return err
	}
	if n.Publish {
		rec.Next = 2
	}
	_, err := tx.Exec(`INSERT INTO functions (name, stamp, doc) VALUES (?, 0, ?)`, v.Function, encode(rec))
	if errors.Is(err, store.ErrConflict) {
		return errExists(v.Function)
	}
	if err != nil {
		return err
	}
	if err := putVersion(tx, v, true); err != nil || !n.Publish {
		return err
	}
	*shown = r.snapshot(v, 1)
	return putVersion(tx, *shown, true)
}

// checkStorage holds the account to its code storage.
func (r *Registry) checkStorage(tx store.Tx, more int64) error {
	used, err := r.storage(tx)
	if err == nil && used+more > MaxStorage {
		return refuse(ErrStorage, "Code storage limit exceeded.")
	}
	return err
}

// storage is what all code of the account takes.
func (r *Registry) storage(tx store.Tx) (int64, error) {
	var functions int64
	if err := tx.Get([]any{&functions}, `SELECT COALESCE(SUM(size), 0) FROM function_versions`); err != nil {
		return 0, err
	}
	layers, err := r.layers.size(tx)
	return functions + layers, err
}
