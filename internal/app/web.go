package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/httpapi"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/gateway/url"
	"github.com/mayfly-faas/mayfly/internal/gateway/wsapi"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/service/executeapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A web is what serves users' own addresses: functions' URLs and APIs.
type web struct {
	urls    *url.Handler
	apis    *api.Book
	rests   *restapi.Book
	rest    *restapi.Handler
	http    *httpapi.Handler
	sockets *wsapi.Handler
	match   []func(*http.Request) http.Handler
}

// openWeb opens what serves the web. It comes after what it invokes.
func (a *App) openWeb(ctx context.Context) (err error) {
	w := &a.web
	w.urls = url.New(url.Config{Functions: a.functions, Gate: a.gate, Identity: a.decide, Account: Account, Open: a.config.AuthOff})
	if w.rests, err = restapi.Open(ctx, restapi.Config{DB: a.db, Account: Account, Region: a.config.Region}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return w.rests.Close() })
	if w.apis, err = api.Open(ctx, api.Config{DB: a.db, Account: Account, Region: a.config.Region, Elsewhere: a.restStage}); err != nil {
		return err
	}
	access := accesslog.New(a.logs, nil)
	a.onClose(func(context.Context) error { access.Close(); return nil })
	authority := authorize.New(authorize.Config{Functions: a.functions, Permits: a.permits, Gate: a.gate, Allow: a.allow})
	a.onClose(func(context.Context) error { authority.Close(); return nil })
	w.rest = restapi.New(restapi.Serving{Book: w.rests, Functions: a.functions, Authority: authority, Domains: w.apis, Permits: a.permits, Access: access})
	a.onClose(func(context.Context) error { return w.rest.Close() })
	w.http = httpapi.New(httpapi.Config{APIs: w.apis, Functions: a.functions, Authority: authority, Account: Account, Region: a.config.Region,
		Permits: a.permits, Access: access})
	a.onClose(func(context.Context) error { w.http.Close(); return nil })
	w.sockets = wsapi.New(wsapi.Config{APIs: w.apis, Functions: a.functions, Authority: authority, Account: Account, Region: a.config.Region,
		Permits: a.permits, Access: access})
	a.onClose(func(context.Context) error { return w.sockets.Close() })
	a.onDrain(w.sockets.Drain)
	w.match = []func(*http.Request) http.Handler{w.urls.Match, w.http.Match, w.rest.Match, executeapi.Match(a.connections(), a.gate), w.sockets.Match}
	return nil
}

// restStage tells whether there is a stage of a REST API.
func (a *App) restStage(ctx context.Context, id, stage string) (bool, error) {
	if !a.web.rests.Has(ctx, id) {
		return false, nil
	}
	_, err := a.web.rests.Stage(ctx, id, stage)
	return err == nil, nil
}

// connections is what the management API of connections stands on.
func (a *App) connections() executeapi.Config {
	return executeapi.Config{Connections: a.web.sockets, Account: Account, Region: a.config.Region, Allow: a.allow}
}

// serve answers who serves a request to one of the users' own addresses, nil
// when it is for none.
func (w *web) serve(r *http.Request) http.Handler {
	for _, m := range w.match {
		if h := m(r); h != nil {
			return h
		}
	}
	return nil
}

var errDenied = errors.New("no policy allows it")

// decide says what the caller's own policies say of a request.
func (a *App) decide(ctx context.Context, c wire.Caller, in *policy.Request) (policy.Verdict, error) {
	p, ok := c.Who.(identity.Principal)
	switch {
	case ok:
		return a.book.Decide(ctx, p, in)
	case a.config.AuthOff:
		return policy.Allowed, nil
	}
	return policy.None, nil
}

// allow is decide for who needs no other policy.
func (a *App) allow(ctx context.Context, c wire.Caller, in *policy.Request) error {
	v, err := a.decide(ctx, c, in)
	if err == nil && v != policy.Allowed {
		err = errDenied
	}
	return err
}

// permits tells whether a function's own policy lets somebody invoke it.
func (a *App) permits(ctx context.Context, ref function.Ref, in *policy.Request) error {
	v, err := a.functions.Decide(ctx, ref, in)
	if err == nil && v != policy.Allowed {
		err = errDenied
	}
	return err
}
