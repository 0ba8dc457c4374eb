// Package app wires the rooms together. It is the one package that may import
// them all, and it does nothing else.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/code"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/step"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/listen"
	"github.com/mayfly-faas/mayfly/internal/meter"
	"github.com/mayfly-faas/mayfly/internal/service/logs"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/store/blob"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// Account is the one account that a server has.
const Account = "000000000000"

// A Config says what to serve and from where.
type Config struct {
	Data    string // folder that holds everything durable
	Region  string // the region that ARNs name
	Tier    string // "auto", "namespace", "process"
	AuthOff bool   // accept any credentials
	Near    bool   // run a runtime on a near version of its interpreter
	Offline bool   // functions cannot reach the world outside this machine

	DynamoDB string // where the streams of tables are, for mappings; "" is nowhere

	Hosts       []string // names that clients may reach us by, beside our own
	Concurrency int      // the account's concurrent executions; 0 is 1,000
	LogsMB      int      // how much of function logs is kept; 0 is 2,048
	MemoryMB    int      // that all sandboxes together may use, see engine.Config
	BlanksMB    int      // for interpreters started ahead, see engine.Config
	KeepWarm    time.Duration
	Version     string
}

// An App is the whole program, ready to serve.
type App struct {
	config    Config
	db        store.DB
	book      *identity.Book
	logs      *logs.Book
	meter     *meter.Meter
	blobs     *blob.Store
	codes     *code.Store
	runtimes  *runtimes.Set
	tier      sandbox.Tier
	engine    *engine.Engine
	functions *function.Registry
	events    eventing
	streams   streaming
	objects   warehouse
	web       web
	large     large
	keys      sigv4.Keys
	steps     *step.Clock                   // nil unless asked for
	server    *listen.Server                // of the listeners
	inside    *listen.Server                // of the listeners inside sandboxes
	drains    []func(context.Context) error // see drain
	closers   []func(context.Context) error
}

// New builds an App over the data folder, from the ground up. When it fails,
// what it had opened is closed.
func New(ctx context.Context, c Config) (*App, error) {
	a := &App{config: c, steps: newSteps(), large: newLarge(largeAtOnce, largeTime)}
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.Close(ctx))
	}
	return a, nil
}

func (a *App) open(ctx context.Context) error {
	a.server, a.inside = listen.New(listen.Config{}), listen.New(listen.Config{Connections: insideConnections})
	for _, step := range []func(context.Context) error{a.openStores, a.openObjects, a.openEngine, a.openFunctions, a.openEvents, a.openStreams, a.openInvokers, a.openBuckets, a.openWeb} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	front := a.front()
	a.server.Handle(front)
	a.inside.Handle(front)
	return nil
}

// path is a path in the data folder.
func (a *App) path(name string) string { return filepath.Join(a.config.Data, name) }

func (a *App) openStores(ctx context.Context) error {
	if err := os.MkdirAll(a.config.Data, 0o711); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	var err error
	if a.db, err = store.OpenSQLite(a.path("meta.db"), store.Options{Sync: store.Full}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return a.db.Close() })
	if a.book, err = identity.Open(ctx, a.db, Account); err != nil {
		return err
	}
	if a.logs, err = logs.Open(ctx, logs.Config{DB: a.db, Dir: a.path("logs"), Account: Account, Region: a.config.Region, MaxBytes: int64(a.config.LogsMB) << 20}); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return a.logs.Close() })
	if a.blobs, err = blob.Open(a.path("blobs")); err != nil {
		return err
	}
	if a.codes, err = code.Open(a.path("code")); err != nil {
		return err
	}
	return a.openMeter(ctx)
}

// openMeter keeps usage in a database of its own, and what is not there yet in
// journals beside it: see meter.Meter.
func (a *App) openMeter(ctx context.Context) error {
	prices, err := meter.LoadPrices(a.path("prices.json"))
	if errors.Is(err, os.ErrNotExist) {
		prices, err = meter.DefaultPrices(), nil
	}
	if err != nil {
		return err
	}
	db, err := store.OpenSQLite(a.path("usage.db"), store.Options{Sync: store.Full})
	if err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return db.Close() })
	if a.meter, err = meter.Open(ctx, db, a.path("usage"), prices); err == nil {
		a.onClose(func(context.Context) error { return a.meter.Close() })
	}
	return err
}

func (a *App) openFunctions(ctx context.Context) (err error) {
	a.functions, err = function.Open(ctx, function.Config{DB: a.db, Blobs: a.blobs, Code: a.codes, Engine: a.engine, Meter: a.meter,
		Identity: a.book, Objects: a.objects.store, Account: Account, Region: a.config.Region, Concurrency: a.config.Concurrency})
	if err == nil {
		a.onClose(func(context.Context) error { return a.functions.Close() })
	}
	return err
}

// onClose remembers what to close; the last opened is closed first.
func (a *App) onClose(f func(context.Context) error) { a.closers = append(a.closers, f) }

// onDrain remembers what has connections that must end before the engine does.
func (a *App) onDrain(f func(context.Context) error) { a.drains = append(a.drains, f) }

// Close stops what New started, in the other order. Running invocations end
// first; ctx bounds the wait.
func (a *App) Close(ctx context.Context) error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i](ctx))
	}
	a.closers = nil
	return errors.Join(errs...)
}
