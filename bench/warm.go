package main

import (
	"context"
	"fmt"
)

// wholeCPU is the memory, in MB, at which a function has one whole processor.
const wholeCPU = 1769

// generator measures what the load generator uses for each request, so that a
// reader can subtract it.
func generator(ctx context.Context, l *lab) error {
	up, err := l.raw.start()
	if err != nil {
		return err
	}
	defer up.stop()
	for _, callers := range []int{1, 32} {
		workers, done, err := up.workers(l, callers, 40)
		if err != nil {
			return err
		}
		measures, err := l.contest(ctx, contender{fmt.Sprintf("a server that does nothing, x%d", callers), workers, up.cmd.Process.Pid})
		done()
		if err != nil {
			return err
		}
		l.report.add(l.out, Row{ID: fmt.Sprintf("generator/%d", callers), Ours: measures[0]})
	}
	return nil
}

func warm(ctx context.Context, l *lab) error {
	offline, stop := l.serverlessOffline(ctx)
	defer stop()
	for _, lang := range l.langs {
		if err := l.warmRows(ctx, lang, offline[lang.name]); err != nil {
			return err
		}
	}
	return nil
}

// warmRows are of one language, from one caller to many.
func (l *lab) warmRows(ctx context.Context, lang *language, offline *endpoint) error {
	f := function{name: "warm-" + lang.name, lang: lang, memory: wholeCPU}
	if err := l.deploy(ctx, f); err != nil {
		return err
	}
	defer l.remove(context.WithoutCancel(ctx), f.name)
	var others []endpoint
	for _, r := range lang.plain {
		up, err := r.start()
		if err != nil {
			return err
		}
		defer up.stop()
		others = append(others, up.endpoint("bench"))
	}
	if offline != nil {
		others = append(others, *offline)
	}
	ours := l.endpoint(lang.runtime, f.name)
	for _, callers := range []int{1, 8, 32, 128} {
		if err := l.row(ctx, fmt.Sprintf("warm/%s/%d", lang.name, callers), callers, 40, append([]endpoint{ours}, others...)...); err != nil {
			return err
		}
	}
	return nil
}

// An endpoint answers a call with its event.
type endpoint struct {
	name string
	host string
	call *call
	pid  int
}

// endpoint is one of Mayfly's functions.
func (l *lab) endpoint(name, function string) endpoint {
	return endpoint{name, l.server.host, invoke(l.server.host, function, "", nil), l.server.pid()}
}

// endpoint is a rival's, which may have functions too.
func (r *running) endpoint(function string) endpoint {
	return endpoint{r.name, r.host, invoke(r.host, function, "", nil), r.cmd.Process.Pid}
}

// row measures endpoints in turn, as many callers each, with events of a size.
func (l *lab) row(ctx context.Context, id string, callers, size int, endpoints ...endpoint) error {
	var contenders []contender
	for _, e := range endpoints {
		workers, done, err := l.echoes(e.host, e.call, callers, size)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		defer done()
		contenders = append(contenders, contender{fmt.Sprintf("%s x%d", e.name, callers), workers, e.pid})
	}
	measures, err := l.contest(ctx, contenders...)
	if err != nil {
		return err
	}
	facts, err := l.steps(ctx, contenders[0])
	if err != nil {
		return err
	}
	l.report.add(l.out, Row{ID: id, Ours: measures[0], Rivals: measures[1:], Facts: facts})
	return nil
}
