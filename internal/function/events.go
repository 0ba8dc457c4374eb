package function

import (
	"context"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// Events is how the asynchronous invocations of a function are dealt with.
type Events struct {
	Function, Qualifier string
	Modified            time.Time
	MaxAge, MaxRetries  *int32
	OnSuccess           *string // ARNs; nil for none
	OnFailure           *string
}

// An EventsEdit is what a caller wants of them. nil leaves a member as it is,
// or unset when the whole is put anew.
type EventsEdit struct {
	MaxAge, MaxRetries   *int32
	Destinations         bool // a destination configuration was given
	OnSuccess, OnFailure *string
}

// errNoEvents is the error for a function that has none.
func (r *Registry) errNoEvents(name, qualifier string) error {
	return refuse(ErrNotFound, "The function %s doesn't have an EventInvokeConfig", r.ARN(name, qualifier))
}

// PutEvents sets them: all of them, or with merge those that e names.
func (r *Registry) PutEvents(ctx context.Context, ref Ref, e EventsEdit, merge bool) (ev Events, err error) {
	if e.MaxAge == nil && e.MaxRetries == nil && !e.Destinations {
		return ev, refuse(ErrInvalid, "You must specify at least one of error handling or destination setting.")
	}
	missing := refuse(ErrNotFound, "The function doesn't exist.")
	err = r.change(ctx, ref.Name, missing, func(c *change) error {
		_, ok, err := r.there(c.Tx, ref)
		if err != nil {
			return err
		}
		if !ok {
			return missing
		}
		ev = Events{Function: ref.Name, Qualifier: own(ref)}
		if merge {
			if ev, err = attached[Events](c.Tx, kindEvents, ref); err != nil {
				return or(err, r.errNoEvents(ref.Name, own(ref)))
			}
		}
		if err := r.checkDestinations(c.Tx, ref.Name, e); err != nil {
			return err
		}
		ev.Modified = r.now()
		if e.MaxAge != nil {
			ev.MaxAge = e.MaxAge
		}
		if e.MaxRetries != nil {
			ev.MaxRetries = e.MaxRetries
		}
		if e.Destinations {
			ev.OnSuccess, ev.OnFailure = e.OnSuccess, e.OnFailure
		}
		return attach(c.Tx, kindEvents, ref, ev)
	})
	return ev, err
}

// checkDestinations wants ARNs of what can take an event.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func (r *Registry) checkDestinations(tx store.Tx, name string, e EventsEdit) error {
	for _, d := range []*string{e.OnFailure, e.OnSuccess} {
		if d == nil || *d == "" {
			continue
		}
		services := []string{"lambda", "sns", "sqs", "events"}
		if d == e.OnFailure {
			services = append(services, "s3")
		}
		if !isService(*d, services...) {
			return refuse(ErrInvalid, "The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.", shownAs("OnSuccess", e.OnSuccess), shownAs("OnFailure", e.OnFailure))
		}
		if !isService(*d, "lambda") {
			continue
		}
		l, ok := locate(*d)
		if ok && l.name == name {
			return refuse(ErrInvalid, "You can't specify the function as a destination for itself.")
		}
		there, err := exists(tx, l.name)
		if err != nil {
			return err
		}
		if !there || !ok {
			return refuse(ErrInvalid, "The destination ARN %s is invalid.", *d)
		}
	}
	return nil
}

func shownAs(kind string, d *string) string {
	if d == nil || *d == "" {
		return "null"
	}
	return kind + "(destination=" + *d + ")"
}

// Events answers them.
func (r *Registry) Events(ctx context.Context, ref Ref) (ev Events, err error) {
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		ev, err = attached[Events](tx, kindEvents, ref)
		return or(err, r.errNoEvents(ref.Name, own(ref)))
	})
	return ev, err
}

// ListEvents lists them for a function's qualifiers.
func (r *Registry) ListEvents(ctx context.Context, name string, p Page) (all []Events, next string, err error) {
	missing := refuse(ErrNotFound, "The function doesn't exist.")
	return listAttached(ctx, r, kindEvents, name, p, missing, func(e Events) string { return e.Qualifier })
}

// DeleteEvents removes them.
func (r *Registry) DeleteEvents(ctx context.Context, ref Ref) error {
	missing := r.errNoEvents(ref.Name, own(ref))
	return r.change(ctx, ref.Name, missing, func(c *change) error {
		had, err := detach(c.Tx, kindEvents, ref)
		if err == nil && !had {
			return missing
		}
		return err
	})
}
