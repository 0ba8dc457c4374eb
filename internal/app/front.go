package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/engine/step"
	"github.com/mayfly-faas/mayfly/internal/service/apigateway"
	"github.com/mayfly-faas/mayfly/internal/service/apigatewayv2"
	"github.com/mayfly-faas/mayfly/internal/service/events"
	"github.com/mayfly-faas/mayfly/internal/service/executeapi"
	"github.com/mayfly-faas/mayfly/internal/service/iam"
	"github.com/mayfly-faas/mayfly/internal/service/kinesis"
	"github.com/mayfly-faas/mayfly/internal/service/lambda"
	"github.com/mayfly-faas/mayfly/internal/service/logs"
	"github.com/mayfly-faas/mayfly/internal/service/scheduler"
	"github.com/mayfly-faas/mayfly/internal/service/sns"
	"github.com/mayfly-faas/mayfly/internal/service/sqs"
	"github.com/mayfly-faas/mayfly/internal/service/sts"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// services lists every AWS service. A new service is its folder and a line here.
func (a *App) services() []wire.Service {
	e := &a.events
	return []wire.Service{
		lambda.Service(a.functions, lambda.WithAsync(e.async), lambda.WithMappings(e.mappings)), logs.Service(a.logs), iam.Service(a.book), sts.Service(a.book),
		sqs.Service(e.queues), sns.Service(e.topics), events.Service(e.buses), scheduler.Service(e.schedules),
		apigateway.Service(a.web.rests, a.web.rest), apigatewayv2.Service(a.web.apis), executeapi.Service(a.connections()),
		kinesis.Service(a.streams.kinesis), a.objects.api.Service(),
	}
}

// Coverage is docs/coverage.md: what of each service's model is served.
func Coverage() string {
	a := &App{events: eventing{queues: new(sqs.Book)}} // which asks its book for its path
	return wire.Coverage(a.services())
}

// front is the one door: AWS's services, and what is ours below /_mayfly/.
func (a *App) front() http.Handler {
	gate := wire.Gate(a.gate)
	private := http.NewServeMux()
	private.HandleFunc("GET /_mayfly/health", a.health)
	private.HandleFunc("GET /_mayfly/code/{sha}", a.code)
	private.HandleFunc("GET "+sns.CertificatePath, a.certificate)
	private.Handle("GET /_mayfly/metrics", promhttp.HandlerFor(a.metrics(), promhttp.HandlerOpts{}))
	private.Handle("GET /_mayfly/usage", signed(gate, a.usage))
	private.Handle("GET /_mayfly/runtimes", signed(gate, func(*http.Request) (any, error) { return a.runtimes.List(), nil }))
	front := wire.Front{Services: a.services(), Gate: gate, Private: private, Unsigned: a.config.AuthOff, Hosts: a.config.Hosts, Web: a.unsigned}.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/metrics" { // where scrapers look
			r.URL.Path = "/_mayfly/metrics"
		}
		if a.steps != nil && isInvoke(r) {
			a.steps.Pass(step.Arrived)
			defer a.steps.Pass(step.Done)
		}
		front.ServeHTTP(w, r)
	})
}

// unsigned finds who serves a request that no signature names a service for: what users
// have put on the web, and buckets.
func (a *App) unsigned(r *http.Request) http.Handler {
	if h := a.web.serve(r); h != nil {
		return h
	}
	if a.objects.api.Claims(r) {
		return a.objects.api
	}
	return nil
}

// gate lets a request through when its signature holds, and notes that its key
// was used. Large ones wait here for their turn, before they are read.
func (a *App) gate(r *http.Request, service, op string) (*http.Request, error) {
	if op == "Invoke" {
		a.steps.Pass(step.Routed)
		defer a.steps.Pass(step.Verified)
	}
	if err := a.large.admit(r, service, op); err != nil {
		return r, err
	}
	if a.invited(r, service, op) {
		return r, nil
	}
	r, err := sigv4.Verifier{Lookup: a.lookup, Keys: &a.keys, Off: a.config.AuthOff}.Gate(r, service, op)
	if err == nil {
		c := wire.CallerOf(r.Context())
		if err := a.book.Used(r.Context(), c.AccessKeyID, c.Region, service); err != nil {
			slog.Warn("note the use of a key", "key", c.AccessKeyID, "err", err)
		}
	}
	return r, err
}

// lookup tells the gate whose key signed.
func (a *App) lookup(ctx context.Context, id, token string) (string, wire.Caller, error) {
	secret, p, err := a.book.Lookup(ctx, id, token)
	if err != nil {
		return "", wire.Caller{}, err
	}
	return secret, wire.Caller{AccessKeyID: p.AccessKeyID, Account: p.Account, ARN: p.ARN, UserID: p.UserID, Root: p.Root, Who: p}, nil
}

// signed answers JSON to whoever may sign for the service called mayfly.
func signed(gate wire.Gate, h func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := gate(r, "mayfly", "")
		var out any
		if err == nil {
			out, err = h(r)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			e := awserr.From(err, "ServiceException")
			if e.Cause != nil {
				slog.Error("private endpoint", "err", e.Cause)
			}
			w.Header().Set("X-Amzn-ErrorType", e.Code)
			w.WriteHeader(e.Status)
			out = map[string]string{"__type": e.Code, "message": e.Message}
		}
		json.NewEncoder(w).Encode(out) // an error here means that the caller is gone
	})
}

// health answers 200 once everything is open: before that nothing listens.
func (a *App) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"status":"ok","version":%q,"tier":%q}`+"\n", a.config.Version, a.tier.Name())
}

// code answers the presigned location that GetFunction and GetLayerVersion give.
func (a *App) code(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, size, err := a.functions.OpenCode(r.PathValue("sha"), q.Get("expires"), q.Get("signature"))
	if err != nil {
		http.Error(w, "the link is not valid, or no longer", http.StatusForbidden)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	io.Copy(w, f) // an error here means that the caller is gone
}

// usage is the bill from one day to before another; without days, this month's.
func (a *App) usage(r *http.Request) (any, error) {
	q := r.URL.Query()
	now := time.Now().UTC()
	from := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(0, 1, 0)
	err1, err2 := day(q.Get("from"), &from), day(q.Get("to"), &to)
	if err := errors.Join(err1, err2); err != nil {
		return nil, awserr.New(400, "ValidationException", "from and to are days: %v", err)
	}
	if !from.Before(to) {
		return nil, awserr.New(400, "ValidationException", "from %s is not before to %s", from.Format(time.DateOnly), to.Format(time.DateOnly))
	}
	free, _ := strconv.ParseBool(q.Get("free-tier"))
	return a.meter.Bill(r.Context(), from, to, free)
}

func day(text string, d *time.Time) (err error) {
	if text != "" {
		*d, err = time.ParseInLocation(time.DateOnly, text, time.UTC)
	}
	return err
}
