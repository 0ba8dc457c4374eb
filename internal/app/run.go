package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/cli"
	"github.com/mayfly-faas/mayfly/internal/listen"
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
	d, err := openDoors(o)
	if err != nil {
		return err
	}
	defer d.close()
	a, err := New(ctx, configOf(o))
	if err != nil {
		return err
	}
	url := "http://" + d.plain.Addr().String()
	if err := a.writeEndpoint(url); err != nil {
		return errors.Join(err, a.Close(ctx))
	}
	slog.Info("ready", "url", url, "data", o.Data, "tier", a.tier.Name(), "region", o.Region, "auth", !o.AuthOff, "took", time.Since(start).Round(time.Millisecond))
	serving, ended := context.WithCancelCause(ctx)
	var doors sync.WaitGroup
	d.serve(serving, &doors, a.server, ended)
	<-serving.Done()
	slog.Info("stopping: running invocations may finish", "at most", drainTime)
	err = a.stop()
	doors.Wait()
	if ctx.Err() == nil { // a listener broke
		err = errors.Join(context.Cause(serving), err)
	}
	return err
}

// configOf is what the command line asks for.
func configOf(o cli.ServeOptions) Config {
	return Config{Data: o.Data, Region: o.Region, Tier: o.Tier, AuthOff: o.AuthOff, Near: o.Near, Version: o.Version,
		Hosts: o.Hosts, Offline: o.Offline, DynamoDB: o.DynamoDB, Concurrency: o.Concurrency, LogsMB: o.LogsMB,
		MemoryMB: o.MemoryMB, BlanksMB: o.BlanksMB, KeepWarm: o.KeepWarm}
}

// stop is a graceful shutdown: nobody comes in any more, running invocations
// end, their answers go out, then the rooms close.
//
// Whoever was let in may still invoke, until half of the time is over: a client
// that waits for a queue's messages may well wait for longer. What runs in
// sandboxes reaches the API to its end.
func (a *App) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	half, done := context.WithTimeout(ctx, drainTime/2)
	defer done()
	var outside error
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		outside = a.drain(ctx)
		done()
	}()
	<-half.Done()
	errs := []error{a.engine.Close(ctx)}
	<-drained
	errs = append(errs, outside, closeServer(ctx, a.inside), a.Close(ctx))
	slog.Info("stopped")
	return errors.Join(errs...)
}

// drain lets what came from outside end, at once: requests, and whatever has
// connections of its own.
func (a *App) drain(ctx context.Context) error {
	errs := make([]error, len(a.drains)+1)
	var all sync.WaitGroup
	for i, f := range a.drains {
		all.Go(func() { errs[i] = f(ctx) })
	}
	all.Go(func() { errs[len(a.drains)] = closeServer(ctx, a.server) })
	all.Wait()
	return errors.Join(errs...)
}

// closeServer lets requests end until ctx does, and breaks those that are left.
func closeServer(ctx context.Context, s *listen.Server) error {
	if s.Drain(ctx) == nil {
		return nil
	}
	return s.Close()
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
