package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	enginelogs "github.com/mayfly-faas/mayfly/internal/engine/logs"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/process"
	"github.com/mayfly-faas/mayfly/internal/service/logs"
)

func (a *App) openEngine(ctx context.Context) (err error) {
	if a.runtimes, err = runtimes.Discover(ctx, runtimes.Options{Dir: a.path("runtimes"), Near: a.config.Near}); err != nil {
		return err
	}
	if a.tier, err = a.openTier(ctx); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return a.tier.Close() })
	c := a.config
	a.engine = engine.New(engine.Config{Tier: a.tier, Runtimes: a.runtimes, Sink: sink{a.logs}, Endpoint: a.serveInside, Offline: c.Offline,
		Steps: a.steps, Concurrency: c.Concurrency, MemoryMB: c.MemoryMB, BlanksMB: c.BlanksMB, IdleTimeout: c.KeepWarm})
	a.logs.Gather(a.engine.FlushLogs)
	a.onClose(a.engine.Close)
	return nil
}

// openTier makes the tier that the configuration asks for and removes what an
// earlier server left of it. "auto" is the strongest that works here.
func (a *App) openTier(ctx context.Context) (sandbox.Tier, error) {
	want := a.config.Tier
	if want == "" {
		want = "auto"
	}
	if want == "namespace" || want == "auto" {
		t, err := namespaceTier(a.path("sandboxes"))
		if err == nil {
			return t, sweep(ctx, t)
		}
		if want == "namespace" {
			return nil, fmt.Errorf("isolation tier namespace: %w", err)
		}
		slog.Warn("functions run WITHOUT ISOLATION: they see this machine's files and network", "tier", "process", "why", err)
		want = "process"
	}
	if want != "process" {
		return nil, fmt.Errorf("isolation tier %q: there are namespace, process and auto", want)
	}
	t, err := process.New(process.Config{StateDir: a.path("processes")})
	if err != nil {
		return nil, err
	}
	return t, sweep(ctx, t)
}

func sweep(ctx context.Context, t sandbox.Tier) error {
	start := time.Now()
	if err := t.Sweep(ctx); err != nil {
		return fmt.Errorf("remove what the last server left: %w", err)
	}
	slog.Info("sandboxes", "tier", t.Name(), "swept", time.Since(start).Round(time.Millisecond))
	return nil
}

// serveInside serves the API on a listener inside a sandbox until that is closed.
func (a *App) serveInside(l net.Listener) {
	if err := a.inside.Serve(l); err != nil {
		slog.Debug("endpoint in a sandbox", "err", err)
	}
}

// A sink hands the engine's log events to CloudWatch Logs.
type sink struct{ book *logs.Book }

func (s sink) Put(group, stream string, events []enginelogs.Event) {
	at, message := make([]time.Time, len(events)), make([]string, len(events))
	for i, e := range events {
		at[i], message[i] = e.Time, e.Message
	}
	s.book.Put(group, stream, at, message)
}
