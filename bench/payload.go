package main

import (
	"context"
	"fmt"
)

// payload sends events of several sizes to and fro: 6 MiB is the most that
// Lambda takes.
func payload(ctx context.Context, l *lab) error {
	for _, lang := range l.langs {
		f := function{name: "payload-" + lang.name, lang: lang, memory: wholeCPU}
		if err := l.deploy(ctx, f); err != nil {
			return err
		}
		up, err := lang.plain[0].start()
		if err != nil {
			return err
		}
		ours, theirs := l.endpoint(lang.runtime, f.name), up.endpoint("bench")
		for _, size := range []struct {
			name  string
			bytes int
		}{{"1KB", 1 << 10}, {"256KB", 256 << 10}, {"6MB", 6 << 20}} {
			if err = l.row(ctx, fmt.Sprintf("payload/%s/%s", lang.name, size.name), 1, size.bytes, ours, theirs); err != nil {
				break
			}
		}
		up.stop()
		if err != nil {
			return err
		}
		if err := l.remove(ctx, f.name); err != nil {
			return err
		}
	}
	return nil
}

// chatty compares a function that logs with the same one that does not.
func chatty(ctx context.Context, l *lab) error {
	for _, lang := range l.langs {
		loud := function{name: "loud-" + lang.name, lang: lang, memory: wholeCPU, env: map[string]string{"LINES": "100"}}
		silent := function{name: "silent-" + lang.name, lang: lang, memory: wholeCPU}
		var endpoints []endpoint
		for _, f := range []function{loud, silent} {
			if err := l.deploy(ctx, f); err != nil {
				return err
			}
			endpoints = append(endpoints, l.endpoint(f.name, f.name))
		}
		for _, callers := range []int{1, 8} {
			if err := l.row(ctx, fmt.Sprintf("logs/%s/%d", lang.name, callers), callers, 40, endpoints...); err != nil {
				return err
			}
		}
		if err := l.remove(ctx, loud.name, silent.name); err != nil {
			return err
		}
	}
	return nil
}
