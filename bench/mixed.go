package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// mixed asks whether a healthy function feels a neighbour that is not: the
// rivals are the same function alone, and beside a healthy neighbour.
func mixed(ctx context.Context, l *lab) error {
	lang := l.langs[0]
	if lang.name != "python" {
		l.report.skip(l.out, "mixed: the broken function is in Python, which is not here")
		return nil
	}
	const callers = 8
	broken := function{name: "broken", lang: lang, files: map[string]string{"app.py": source("functions/broken.py")}, memory: 256, limit: 1}
	names := []string{"healthy", "neighbour", broken.name}
	for _, f := range []function{{name: "healthy", lang: lang, memory: wholeCPU}, {name: "neighbour", lang: lang, memory: 256}, broken} {
		if err := l.deploy(ctx, f); err != nil {
			return err
		}
	}
	defer l.remove(context.WithoutCancel(ctx), names...)
	ours, done, err := l.functionEchoes("healthy", callers, 40)
	if err != nil {
		return err
	}
	defer done()
	fine, done, err := l.functionEchoes("neighbour", callers, 40)
	if err != nil {
		return err
	}
	defer done()
	var failed atomic.Int64
	bad, done, err := l.tolerant(broken.name, callers, &failed)
	if err != nil {
		return err
	}
	defer done()
	return l.neighbours(ctx, ours, []contender{{name: "beside a broken one", workers: bad}, {name: "beside a healthy one", workers: fine}, {name: "alone"}}, &failed)
}

// tolerant are callers of a function that may fail, but must not answer wrongly.
func (l *lab) tolerant(name string, callers int, failed *atomic.Int64) ([]worker, func(), error) {
	workers, done, err := l.functionEchoes(name, callers, 40)
	for i, work := range workers {
		workers[i] = func(n uint64) error {
			err := work(n + uint64(i)) // so that they do not fail in step
			if errors.Is(err, errFunction) {
				failed.Add(1)
				err = nil
			}
			return err
		}
	}
	return workers, done, err
}

// neighbours measures ours beside each neighbour in turn.
func (l *lab) neighbours(ctx context.Context, ours []worker, beside []contender, failed *atomic.Int64) error {
	tallies := make([]tally, len(beside))
	for turn := range l.size.turns + 1 {
		for i, n := range beside {
			ended := make(chan error, 1)
			go func() {
				_, err := load(ctx, n.workers, l.size.turn)
				ended <- err
			}()
			t, err := load(ctx, ours, l.size.turn)
			if err = errors.Join(err, <-ended); err != nil {
				return fmt.Errorf("%s: %w", n.name, err)
			}
			if turn > 0 {
				tallies[i].add(t)
			}
		}
	}
	row := Row{ID: "mixed/python", Ours: tallies[0].measure("healthy function, " + beside[0].name)}
	for i, n := range beside[1:] {
		row.Rivals = append(row.Rivals, tallies[i+1].measure("the same "+n.name))
	}
	row.Facts = []Fact{{"failures of the broken one", float64(failed.Load()), ""}}
	l.report.add(l.out, row)
	return nil
}
