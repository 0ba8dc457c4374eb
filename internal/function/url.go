package function

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A URL is a function's own address on the web: its configuration.
type URL struct {
	Function  string
	Qualifier string // "$LATEST" or an alias
	ID        string // the first label of its host
	Auth      string // "NONE", "AWS_IAM"
	CORS      *CORS
	Mode      string // "" was not given; else "BUFFERED", "RESPONSE_STREAM"
	Created   time.Time
	Modified  time.Time
}

// CORS is what browsers of other origins may do with a URL.
type CORS struct {
	Credentials                                   *bool
	AllowHeaders, Methods, Origins, ExposeHeaders []string // nil when not given
	MaxAge                                        *int32
}

// A URLEdit is what a caller wants of a URL; nil leaves a member as it is.
type URLEdit struct {
	Auth *string
	CORS *CORS
	Mode *string
}

func errNoURL() error { return refuse(ErrNotFound, "The resource you requested does not exist.") }

// FunctionURL is the URL's address: a name below that of base, the scheme and
// the host that the client reached us by ("http://127.0.0.1:4566"). AWS's own
// names lead to AWS, and an address must work. The machine's own IP addresses
// become localhost, which has names below it; below another machine's there are
// none, so there it is a path.
func (r *Registry) FunctionURL(u URL, base string) string {
	scheme, host, ok := strings.Cut(base, "://")
	if !ok {
		return "https://" + u.ID + ".lambda-url." + r.region + ".on.aws/"
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, ""
	}
	if ip := net.ParseIP(strings.Trim(name, "[]")); ip != nil {
		if !ip.IsLoopback() {
			return base + "/_mayfly/url/" + u.ID + "/"
		}
		name = "localhost"
	}
	if port != "" {
		name += ":" + port
	}
	return scheme + "://" + u.ID + ".lambda-url." + r.region + "." + name + "/"
}

// URLARN is the ARN that a URL's configuration shows.
func (r *Registry) URLARN(u URL) string {
	if u.Qualifier == Latest {
		return r.ARN(u.Function, "")
	}
	return r.ARN(u.Function, u.Qualifier)
}

// checkURLQualifier refuses versions, which cannot have a URL.
func checkURLQualifier(q string) error {
	if q == "" || isAlias(q) {
		return nil
	}
	return refuse(ErrValidation, `1 validation error detected: Value '%s' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)`, q)
}

// CreateURL gives a function or an alias an address.
func (r *Registry) CreateURL(ctx context.Context, ref Ref, e URLEdit) (u URL, err error) {
	if err := checkURLQualifier(ref.Qualifier); err != nil {
		return u, err
	}
	now := r.now()
	u = URL{Function: ref.Name, Qualifier: own(ref), ID: urlID(), CORS: e.CORS, Created: now, Modified: now}
	set(&u.Auth, e.Auth)
	set(&u.Mode, e.Mode)
	missing := refuse(ErrNotFound, "Function does not exist")
	r.urls.add(u) // before anybody can be told of it
	err = r.change(ctx, ref.Name, missing, func(c *change) error {
		_, err := attached[URL](c.Tx, kindURL, ref)
		if err == nil {
			return refuse(ErrConflict, "Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function", r.URLARN(u))
		}
		if !errors.Is(err, store.ErrNoRows) {
			return err
		}
		if _, ok, err := r.there(c.Tx, ref); err != nil || !ok {
			return errors.Join(err, missing)
		}
		return attach(c.Tx, kindURL, ref, u)
	})
	if err != nil {
		r.URLByID(context.WithoutCancel(ctx), u.ID) // drops it, unless it was written all the same
	}
	return u, err
}

// urlID makes an id of 32 lower-case letters and digits.
func urlID() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567" // 32: every byte's low five bits choose one, all alike
	b := make([]byte, 32)
	rand.Read(b)
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return string(b)
}

// URL answers the configuration of an address.
func (r *Registry) URL(ctx context.Context, ref Ref) (u URL, err error) {
	if err := checkURLQualifier(ref.Qualifier); err != nil {
		return u, err
	}
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		u, err = attached[URL](tx, kindURL, ref)
		return or(err, errNoURL())
	})
	return u, err
}

// UpdateURL changes the configuration of an address.
func (r *Registry) UpdateURL(ctx context.Context, ref Ref, e URLEdit) (u URL, err error) {
	if err := checkURLQualifier(ref.Qualifier); err != nil {
		return u, err
	}
	missing := refuse(ErrNotFound, "Function does not exist")
	err = r.change(ctx, ref.Name, missing, func(c *change) (err error) {
		if _, ok, err := r.there(c.Tx, ref); err != nil || !ok {
			return errors.Join(err, missing)
		}
		if u, err = attached[URL](c.Tx, kindURL, ref); err != nil {
			return or(err, errNoURL())
		}
		set(&u.Auth, e.Auth)
		set(&u.Mode, e.Mode)
		if e.CORS != nil {
			u.CORS = e.CORS
		}
		u.Modified = r.now()
		return attach(c.Tx, kindURL, ref, u)
	})
	return u, err
}

// DeleteURL takes an address away.
func (r *Registry) DeleteURL(ctx context.Context, ref Ref) error {
	if err := checkURLQualifier(ref.Qualifier); err != nil {
		return err
	}
	return r.change(ctx, ref.Name, errNoURL(), func(c *change) error {
		had, err := detach(c.Tx, kindURL, ref)
		if err == nil && !had {
			return errNoURL()
		}
		return err
	})
}

// URLs lists a function's addresses.
func (r *Registry) URLs(ctx context.Context, name string, p Page) (all []URL, next string, err error) {
	missing := refuse(ErrNotFound, "Function does not exist")
	return listAttached(ctx, r, kindURL, name, p, missing, func(u URL) string { return u.Qualifier })
}
