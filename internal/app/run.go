package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/mayfly-faas/mayfly/internal/cli"
)

// drainTime is how long running invocations may take to end at a shutdown.
const drainTime = 20 * time.Second

// heapFloor is what the garbage collector takes for used beside the little that
// is: it runs a fifth as often, which is a quarter of what a small request costs.
// Nothing touches these bytes, so they take no memory; the garbage may take as many.
const heapFloor = 48 << 20

// Run serves until ctx ends, then lets what runs finish and closes everything.
func Run(ctx context.Context, o cli.ServeOptions) error {
	start := time.Now()
	useProcessors()
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer listener.Close()
	a, err := New(ctx, configOf(o))
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	if err := a.writeEndpoint(url); err != nil {
		return errors.Join(err, a.Close(ctx))
	}
	slog.Info("ready", "url", url, "data", o.Data, "tier", a.tier.Name(), "region", o.Region, "auth", !o.AuthOff, "took", time.Since(start).Round(time.Millisecond))
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(listener) }()
	select {
	case err = <-served:
		return errors.Join(err, a.stop())
	case <-ctx.Done():
		slog.Info("stopping: running invocations may finish", "at most", drainTime)
		listener.Close()
		<-served
		return a.stop()
	}
}

// configOf is what the command line asks for.
func configOf(o cli.ServeOptions) Config {
	return Config{Data: o.Data, Region: o.Region, Tier: o.Tier, AuthOff: o.AuthOff, Near: o.Near, Version: o.Version,
		Hosts: o.Hosts, Offline: o.Offline, Concurrency: o.Concurrency, LogsMB: o.LogsMB,
		MemoryMB: o.MemoryMB, BlanksMB: o.BlanksMB, KeepWarm: o.KeepWarm}
}

// stop is a graceful shutdown. The listener is closed by now; running
// invocations end, their answers go out, then the rooms close.
func (a *App) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	errs := []error{a.engine.Close(ctx)}
	if err := a.server.Shutdown(ctx); err != nil {
		errs = append(errs, a.server.Close())
	}
	errs = append(errs, a.Close(ctx))
	slog.Info("stopped")
	return errors.Join(errs...)
}

// writeEndpoint tells the command line how to reach this server: see
// cli.Endpoint.
func (a *App) writeEndpoint(url string) error {
	root := a.book.Root()
	text, err := json.MarshalIndent(map[string]any{"url": url, "region": a.config.Region, "access_key_id": root.AccessKeyID,
		"secret_access_key": root.SecretAccessKey, "pid": os.Getpid(), "version": a.config.Version}, "", "  ")
	if err != nil {
		return err
	}
	name := a.path("endpoint.json")
	tmp, err := os.CreateTemp(filepath.Dir(name), "endpoint-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(text, '\n'))
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// useProcessors lets one more goroutine run than there are processors, unless
// the environment says how many. A commit waits for the disk in a system call,
// and until the Go scheduler notices, that holds what a processor's worth of
// goroutines would run on: with two processors it halved the rate of durable
// writes.
func useProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
