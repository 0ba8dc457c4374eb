package main

import "context"

// spans are the steps of a warm invocation inside the server, as its metrics call
// them, and what happens on the way there.
var spans = [...][2]string{
	{"routed", "find the operation"},
	{"verified", "read the body, check the signature"},
	{"decoded", "decode, find the function"},
	{"admitted", "admission: a place and a sandbox"},
	{"sent", "make the event ready"},
	{"answering", "hand over, run the function, back"},
	{"settled", "read the answer; log, usage, report"},
	{"done", "meter, encode, send"},
}

// steps lets c work for a turn and says what its requests are made of, on average. It
// says nothing where not all requests went all the way.
func (l *lab) steps(ctx context.Context, c contender) ([]Fact, error) {
	before := l.server.metrics()
	if _, err := load(ctx, c.workers, l.size.turn); err != nil {
		return nil, err
	}
	return stepsBetween(before, l.server.metrics()), nil
}

func stepsBetween(before, after map[string]float64) []Fact {
	since := func(name, to string) float64 {
		name += `{to="` + to + `"}`
		return after[name] - before[name]
	}
	n := since("mayfly_steps_total", spans[0][0])
	var facts []Fact
	for _, s := range spans {
		if n == 0 || since("mayfly_steps_total", s[0]) != n {
			return nil
		}
		facts = append(facts, Fact{s[1], since("mayfly_steps_seconds_total", s[0]) / n * 1e6, "us"})
	}
	return facts
}
