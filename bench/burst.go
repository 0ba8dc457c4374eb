package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// crowd is how many call at the same moment.
const crowd = 100

func burst(ctx context.Context, l *lab) error {
	for _, lang := range l.langs {
		if err := l.burstOfFunctions(ctx, lang); err != nil {
			return err
		}
		if err := l.burstOfCallers(ctx, lang); err != nil {
			return err
		}
	}
	return nil
}

// burstOfFunctions calls functions that are all new, one caller each.
func (l *lab) burstOfFunctions(ctx context.Context, lang *language) error {
	b := newCrowd("burst/functions/"+lang.name, fmt.Sprintf("%s, %d new functions", lang.runtime, crowd))
	for round := range l.size.bursts {
		functions, err := l.deployAll(ctx, function{name: fmt.Sprintf("many-%s-%d", lang.name, round), lang: lang}, crowd)
		if err != nil {
			return err
		}
		calls := make([]*call, crowd)
		for i, name := range functions {
			calls[i] = invoke(l.server.host, name, "", nil)
		}
		if err := b.round(ctx, l, calls); err != nil {
			return err
		}
		if err := l.remove(ctx, functions...); err != nil {
			return err
		}
	}
	b.report(l, lang)
	return nil
}

// burstOfCallers lets many call one version that is new.
func (l *lab) burstOfCallers(ctx context.Context, lang *language) error {
	f := function{name: "one-" + lang.name, lang: lang}
	if err := l.deploy(ctx, f); err != nil {
		return err
	}
	defer l.remove(context.WithoutCancel(ctx), f.name)
	b := newCrowd("burst/callers/"+lang.name, fmt.Sprintf("%s, %d callers of a new function", lang.runtime, crowd))
	for range l.size.bursts {
		version, err := l.renew(ctx, f)
		if err != nil {
			return err
		}
		if err := b.round(ctx, l, slices.Repeat([]*call{invoke(l.server.host, f.name, version, nil)}, crowd)); err != nil {
			return err
		}
	}
	b.report(l, lang)
	return nil
}

// A gathering is the bursts of one row.
type gathering struct {
	id, name string
	ms, all  []float64
	starts   float64
}

func newCrowd(id, name string) *gathering { return &gathering{id: id, name: name} }

func (g *gathering) round(ctx context.Context, l *lab, calls []*call) error {
	workers, done, err := l.echoesTo(l.server.host, calls, 40)
	if err != nil {
		return err
	}
	defer done()
	rest(ctx, 10*breath)
	before := l.server.metrics()["mayfly_cold_starts_total"]
	ms, all, err := together(workers)
	if err != nil {
		return err
	}
	g.ms, g.all = append(g.ms, ms...), append(g.all, millis(all))
	g.starts += l.server.metrics()["mayfly_cold_starts_total"] - before
	return ctx.Err()
}

// report adds the row, with the bound that the single cold start sets.
func (g *gathering) report(l *lab, lang *language) {
	row := Row{ID: g.id, Ours: measureOf(g.name, g.ms)}
	row.Facts = []Fact{{"all answered, median of the bursts", quantile(slices.Sorted(slices.Values(g.all)), .5).Value, "ms"},
		{"all answered, slowest burst", slices.Max(g.all), "ms"}, {"cold starts in a burst", g.starts / float64(len(g.all)), ""}}
	if single, ok := l.report.row("cold/" + lang.name); ok {
		name := "100 single cold starts on all processors"
		if strings.HasPrefix(g.id, "burst/callers/") { // the others are not held to it
			name = "bound: " + name
		}
		row.Facts = append(row.Facts, Fact{name, crowd * single.Ours.P50.Value / float64(runtime.NumCPU()), "ms"})
	}
	l.report.add(l.out, row)
}
