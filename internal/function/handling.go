package function

import (
	"context"
	"errors"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Handling is how the events of a function are dealt with: what async and
// mapping have to know of it.
type Handling struct {
	Timeout time.Duration
	Role    string // ARN of who the function is

	MaxAge     time.Duration // an event lives so long
	MaxRetries int           // after errors of the code
	OnSuccess  string        // ARNs; "" for none
	OnFailure  string
	DeadLetter string

	Stopped bool // no concurrency is reserved for it: it never runs
}

// What holds where nothing is configured.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
const (
	defaultMaxAge     = 6 * time.Hour
	defaultMaxRetries = 2
)

// Handling answers how the events of a Ref are dealt with. Of a function that
// runs it makes no query.
func (r *Registry) Handling(ctx context.Context, ref Ref) (Handling, error) {
	t, age := r.routes.find(ref)
	if t != nil {
		return t.handling, nil
	}
	if t, err := r.read(ctx, ref, age); err == nil {
		return t.handling, nil
	}
	return store.Read(ctx, r.db, func(tx store.Tx) (Handling, error) { // it does not run now, and has one
		v, err := r.find(tx, ref)
		if err != nil {
			return Handling{}, err
		}
		h, _, err := r.handling(tx, ref, v)
		return h, err
	})
}

// handling reads how events are dealt with, and whether loops are.
func (r *Registry) handling(tx store.Tx, ref Ref, v *Version) (h Handling, loops bool, err error) {
	h = Handling{
		Timeout: time.Duration(v.Timeout) * time.Second, Role: v.Role, DeadLetter: v.DeadLetter,
		MaxAge: defaultMaxAge, MaxRetries: defaultMaxRetries,
	}
	rec, err := readRecord(tx, ref.Name)
	if err != nil {
		return h, false, err
	}
	h.Stopped = rec.Reserved != nil && *rec.Reserved == 0
	ev, err := attached[Events](tx, kindEvents, ref)
	if errors.Is(err, store.ErrNoRows) {
		return h, rec.Recursive == "Allow", nil
	}
	if ev.MaxAge != nil {
		h.MaxAge = time.Duration(*ev.MaxAge) * time.Second
	}
	if ev.MaxRetries != nil {
		h.MaxRetries = int(*ev.MaxRetries)
	}
	set(&h.OnSuccess, ev.OnSuccess)
	set(&h.OnFailure, ev.OnFailure)
	return h, rec.Recursive == "Allow", err
}
