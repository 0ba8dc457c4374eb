package main

import (
	"context"
	"fmt"
	"time"
)

// idle measures what idle sandboxes keep, once with what the server holds for
// all of them (zygotes, blanks) and once without.
func idle(ctx context.Context, l *lab) error {
	for _, lang := range l.langs {
		if err := l.idleRow(ctx, lang); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) idleRow(ctx context.Context, lang *language) error {
	f := function{name: "idle-" + lang.name, lang: lang, env: map[string]string{"SLEEP": "6"}}
	if err := l.deploy(ctx, f); err != nil {
		return err
	}
	defer l.remove(context.WithoutCancel(ctx), f.name)
	workers, done, err := l.functionEchoes(f.name, l.size.sandboxes, 40)
	if err != nil {
		return err
	}
	defer done()
	rest(ctx, time.Second)
	before, rss := assignedTo(l.server.pid()), residentOf(l.server.pid())
	if _, _, err := together(workers); err != nil { // each sleeps, so each has a sandbox of its own
		return err
	}
	rest(ctx, 2*time.Second)
	all, after := memoryOf(l.server.pid()), assignedTo(l.server.pid())
	n := float64(after.groups - before.groups)
	if n < 1 {
		return fmt.Errorf("no sandbox is idle after %d calls", l.size.sandboxes)
	}
	pss, charge := float64(after.pss-before.pss)/n, float64(after.charge-before.charge)/n
	l.report.add(l.out, Row{ID: "memory/" + lang.name, Ours: Measure{Name: fmt.Sprintf("%s, %.0f idle sandboxes", lang.runtime, n)}, Facts: []Fact{
		{"proportional set of each", pss / (1 << 20), "MiB"}, {"charge of each", charge / (1 << 20), "MiB"},
		{"sandboxes in one GiB", (1 << 30) / max(pss, charge, 1), ""},
		{"sandboxes in one GiB, blanks and zygotes included", (1 << 30) * n / float64(max(all.pss, all.charge)), ""},
		{"server's own growth for each", float64(residentOf(l.server.pid())-rss) / n / 1024, "KiB"}}})
	return nil
}
