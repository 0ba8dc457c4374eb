package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"time"

	"golang.org/x/sync/errgroup"
)

// zipf compares the traffic of many functions, a few of which are popular, with
// that of one.
func zipf(ctx context.Context, l *lab) error {
	lang := l.langs[0]
	const callers = 32
	functions, err := l.deployAll(ctx, function{name: "zipf", lang: lang}, l.size.functions)
	if err != nil {
		return err
	}
	defer l.remove(context.WithoutCancel(ctx), functions...)
	calls := make([]*call, len(functions))
	for i, name := range functions {
		calls[i] = invoke(l.server.host, name, "", nil)
	}
	began := time.Now()
	if err := l.callEach(ctx, calls); err != nil {
		return err
	}
	first := time.Since(began)
	many, done, err := l.zipfCallers(calls, callers)
	if err != nil {
		return err
	}
	defer done()
	one, done, err := l.functionEchoes(functions[0], callers, 40)
	if err != nil {
		return err
	}
	defer done()
	measures, err := l.contest(ctx, contender{fmt.Sprintf("%d functions x%d", len(functions), callers), many, l.server.pid()}, contender{fmt.Sprintf("one function x%d", callers), one, l.server.pid()})
	if err != nil {
		return err
	}
	used, all := memoryOf(l.server.pid()), kilobytes("/proc/meminfo", "MemTotal:")
	l.report.add(l.out, Row{ID: "zipf/" + lang.name, Ours: measures[0], Rivals: measures[1:], Facts: []Fact{
		{"first calls of all", millis(first), "ms"}, {"idle sandboxes", l.server.metrics()["mayfly_sandboxes_idle"], ""},
		{"charge of all sandboxes", float64(used.charge) / (1 << 20), "MiB"}, {"resident server", float64(residentOf(l.server.pid())) / (1 << 20), "MiB"},
		{"memory of the machine", float64(all) / (1 << 20), "MiB"}}})
	return nil
}

// callEach calls all once, from eight sides.
func (l *lab) callEach(ctx context.Context, calls []*call) error {
	g, ctx := errgroup.WithContext(ctx)
	const sides = 8
	for side := range sides {
		g.Go(func() error {
			c, err := l.server.dial("lambda")
			if err != nil {
				return err
			}
			defer c.close()
			for i := side; i < len(calls) && ctx.Err() == nil; i += sides {
				if _, err := c.mustAnswer(calls[i], event(nil, side, uint64(i), 40)); err != nil {
					return fmt.Errorf("first call of function %d: %w", i, err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// zipfCallers each call the k-th function about k^-1.1 times as often as the first.
func (l *lab) zipfCallers(calls []*call, n int) (workers []worker, done func(), err error) {
	var clients []*client
	done = func() {
		for _, c := range clients {
			c.close()
		}
	}
	for i := range n {
		c, err := l.server.dial("lambda")
		if err != nil {
			done()
			return nil, nil, err
		}
		clients = append(clients, c)
		choice := rand.NewZipf(rand.New(rand.NewSource(int64(i))), 1.1, 1, uint64(len(calls)-1))
		var sent []byte
		workers = append(workers, func(n uint64) error {
			sent = event(sent, i, n, 40)
			got, err := c.mustAnswer(calls[choice.Uint64()], sent)
			if err == nil && !bytes.Equal(got, sent) {
				err = fmt.Errorf("sent %.40s, got %.40s", sent, got)
			}
			return err
		})
	}
	return workers, done, nil
}
