package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/mayfly-faas/mayfly/internal/event/async"
	"github.com/mayfly-faas/mayfly/internal/event/bucket"
	"github.com/mayfly-faas/mayfly/internal/event/kafka"
	"github.com/mayfly-faas/mayfly/internal/event/mapping"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/service/events"
	"github.com/mayfly-faas/mayfly/internal/service/scheduler"
	"github.com/mayfly-faas/mayfly/internal/service/sns"
	"github.com/mayfly-faas/mayfly/internal/service/sqs"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// An eventing is what carries events: all of it keeps its tables in one
// database, so that sending one and taking it is one transaction.
type eventing struct {
	db        store.DB
	router    target.Router
	queues    *sqs.Book
	topics    *sns.Book
	buses     *events.Book
	schedules *scheduler.Book
	async     *async.Queue
	mappings  *mapping.Manager
	notifier  *bucket.Forwarder // nil without objects, and so is the writer
	writer    *bucket.Writer
}

// openEvents opens what carries events. Those that take them are open before
// those that send.
func (a *App) openEvents(ctx context.Context) (err error) {
	e := &a.events
	if e.db, err = store.OpenSQLite(a.path("queue.db"), store.Options{Sync: store.Full}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return e.db.Close() })
	region := a.config.Region
	if e.queues, err = sqs.Open(ctx, sqs.Config{DB: e.db, Account: Account, Region: region, Router: &e.router}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return e.queues.Close() })
	if e.topics, err = sns.Open(ctx, sns.Config{DB: e.db, Account: Account, Region: region, Router: &e.router, Post: post(&http.Client{})}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return e.topics.Close() })
	if e.buses, err = events.Open(ctx, events.Config{DB: e.db, Account: Account, Region: region, Router: &e.router}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return e.buses.Close() })
	if e.schedules, err = scheduler.Open(ctx, scheduler.Config{DB: e.db, Account: Account, Region: region, Router: &e.router}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return e.schedules.Close() })
	return nil
}

// openInvokers opens what invokes functions for events. At the end it stops
// first: what it has not begun stays for the next start. What runs then may
// finish, and only the engine can cut it off.
func (a *App) openInvokers(ctx context.Context) (err error) {
	e := &a.events
	if e.async, err = async.Open(ctx, async.Config{DB: e.db, Functions: a.functions, Router: &e.router, Region: a.config.Region, Concurrency: a.config.Concurrency}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return e.async.Close() })
	e.mappings, err = mapping.Open(ctx, mapping.Config{DB: e.db, Functions: a.functions, Account: Account, Region: a.config.Region,
		Sources: map[string]source.Source{"sqs": e.queues}, Streams: a.streamSources(), Router: &e.router,
		Secrets: kafka.Folder(a.path("secrets")), Clusters: kafka.Clusters(a.path("clusters.json"))})
	if err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return e.mappings.Close() })
	a.onClose(a.engine.Close)
	a.onClose(func(context.Context) error { e.async.Stop(); e.mappings.Stop(); return nil })
	// The queues are there already, by themselves.
	e.router.Register("sns", e.topics)
	e.router.Register("events", e.buses)
	e.router.Register("lambda", e.async)
	return nil
}

// maxReply is how much of a web server's reply is read, to keep its connection.
const maxReply = 64 << 10

// post sends a topic's messages to web servers.
func post(c *http.Client) sns.Post {
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func(ctx context.Context, url string, headers map[string]string, body []byte) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		for k, v := range headers {
			r.Header.Set(k, v)
		}
		res, err := c.Do(r)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxReply))
		return res.StatusCode, errors.Join(err, res.Body.Close())
	}
}

// invited tells whether a request needs no signature: the links in a topic's
// messages are for who has the message.
//
// https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
func (a *App) invited(r *http.Request, service, op string) bool {
	if service != "sns" || r.Method != http.MethodGet || r.Header.Get("Authorization") != "" {
		return false
	}
	q := r.URL.Query()
	return op == "ConfirmSubscription" || op == "Unsubscribe" && a.events.topics.OpenToAll(r.Context(), q.Get("SubscriptionArn"))
}

// certificate answers what the signatures of a topic's messages are checked
// with. Who gets a message needs no key to fetch it.
func (a *App) certificate(w http.ResponseWriter, _ *http.Request) {
	pem, err := a.events.topics.Certificate()
	if err != nil {
		slog.Error("no certificate for messages of topics", "error", err)
		http.Error(w, "there is no certificate", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Write(pem)
}
