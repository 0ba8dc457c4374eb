package main

import (
	"context"
	"fmt"
	"strings"
)

// A scenario measures one thing and adds rows to the lab's report.
type scenario struct {
	name, about string
	run         func(context.Context, *lab) error
}

// scenarios are in the order in which they run.
func scenarios() []scenario {
	return []scenario{
		{"generator", "what the load generator itself uses, beside a server that does nothing", generator},
		{"cold", "the first call of a function version that is new each time, beside the interpreter's bare start", cold},
		{"alone", "the same on a server that keeps neither blanks nor zygotes", coldAlone},
		{"sdk", "the same for a Python function that imports boto3", coldSDK},
		{"burst", "100 cold calls at the same moment", burst},
		{"warm", "calls of a warm function by several callers, beside plain HTTP servers", warm},
		{"http", "a JSON endpoint by a function URL and by an HTTP API, beside a plain server", web},
		{"stream", "the first byte of a streamed answer, and 100 MB of it, beside a plain server", stream},
		{"zipf", "many functions with Zipf traffic, beside one function", zipf},
		{"payload", "events of several sizes, answered as they came", payload},
		{"logs", "a function that writes 100 lines in each call, beside a silent one", chatty},
		{"mixed", "a function beside one that crashes, hangs or grows in every tenth call", mixed},
		{"memory", "what an idle sandbox keeps", idle},
		{"events", "queues, asynchronous invocations and schedules", events},
		{"streams", "streams of records, and functions that handle them", streams},
	}
}

func names() string {
	var all []string
	for _, s := range scenarios() {
		all = append(all, s.name)
	}
	return strings.Join(all, ", ")
}

// choose picks scenarios by a list of names; none means all.
func choose(list string) ([]scenario, error) {
	if list == "" {
		return scenarios(), nil
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var chosen []scenario
	for _, s := range scenarios() {
		if wanted[s.name] {
			chosen = append(chosen, s)
			delete(wanted, s.name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("no scenario is called %q: there are %s", name, names())
	}
	return chosen, nil
}
