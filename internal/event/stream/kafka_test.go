package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/source/sourcetest"
)

// A group is a stream that remembers how far it was read.
type group struct {
	*sourcetest.Stream

	mu   sync.Mutex // guards what follows
	kept map[string]source.Place
	sent []string
	fail error
}

func (g *group) Resume(_ context.Context, _ string, from map[string]source.Place) (map[string]source.Place, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for shard, at := range from {
		if _, ok := g.kept[shard]; !ok {
			g.kept[shard] = at
		}
	}
	return maps.Clone(g.kept), nil
}

func (g *group) Keep(_, shard string, at source.Place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kept[shard] = at
}

func (g *group) Send(_ context.Context, to string, key, value []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var rep report
	if err := json.Unmarshal(value, &rep); err != nil {
		return err
	}
	g.sent = append(g.sent, fmt.Sprintf("%s %s %s %d", to, key, rep.Request.Condition, strings.Count(rep.Payload, "eventID")))
	return g.fail
}

const first = "shardId-000000000000"

func (g *group) at() source.Place {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.kept[first]
}

func grouped(r *rig) *group {
	g := &group{Stream: r.stream, kept: map[string]source.Place{}}
	r.job.Stream = g
	return g
}

func TestAStreamThatRemembers(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		g := grouped(r)
		r.put(0, "k", "a", "b")
		r.job.Start.At = source.AtLatest
		r.must(r.m.Begin(r.Context(), r.job))
		r.want("the place before the first read", g.at(), "2")
		r.put(0, "k", "c")
		r.start()
		r.want("what came since", r.fs.all(), []string{"c"})
		r.want("the place behind it", g.at(), "3")
		r.stop()
		// Somebody wants all once more.
		g.Keep("", first, "")
		r.start()
		r.want("after a reset", r.fs.all(), []string{"c", "a", "b", "c"})
		r.stop()
		g.Keep("", first, "2")
		r.put(0, "k", "d")
		r.start()
		r.want("after a reset to a place", r.fs.all(), []string{"c", "a", "b", "c", "c", "d"})
	})
}

func TestWhatFiltersDropIsDone(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		g := grouped(r)
		r.job.Filters = []string{`{"data":["yes"]}`}
		r.put(0, "k", "no", "no")
		r.start()
		r.want("the place", g.at(), "2")
	})
}

func TestWhatFailsIsNotDone(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		g := grouped(r)
		r.fs.script = poison("b")
		r.job.BatchSize = 1
		r.put(0, "k", "a", "b", "c")
		r.start()
		r.want("the place", g.at(), "1")
	})
}

func TestATopicIsToldOfFailures(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		g := grouped(r)
		r.fs.script = poison("a")
		r.job.Retries, r.job.OnFailure = 0, "kafka://failed"
		r.put(0, "k", "a", "b")
		r.start()
		r.want("sent", g.sent, []string{"kafka://failed u:" + first + ":4900000000000000000001 RetryAttemptsExhausted 2"})
		r.want("the place", g.at(), "2")
		g.fail = errors.New("no")
		r.put(0, "k", "a")
		r.settle()
		r.want("the place behind what could not be told", g.at(), "3")
	})
}

func TestAProblemIsTold(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.stream.With(func() { r.stream.Fail = &source.Problem{Text: "Connection error.", Err: errors.New("no route")} })
		r.start()
		if !slices.Contains(r.noted(), "PROBLEM: Connection error.") {
			t.Errorf("noted: %q", r.noted())
		}
	})
}

func TestIsTopic(t *testing.T) {
	for to, want := range map[string]bool{"kafka://a": true, "kafka://": false, "": false, "arn:aws:sqs:us-east-1:1:kafka://a": false} {
		if IsTopic(to) != want {
			t.Errorf("%q: %v", to, !want)
		}
	}
}

func TestOffsetsOnly(t *testing.T) {
	for answer, want := range map[string]string{
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-0","offset":12}}]}`: `{"batchItemFailures":[{"itemIdentifier":"12"}]}`,
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-1","offset":12}}]}`: `{"batchItemFailures":[{"itemIdentifier":{"partition":"t-1","offset":12}}]}`,
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-0"}}]}`:             `{"batchItemFailures":[{"itemIdentifier":{"partition":"t-0"}}]}`,
		`{"batchItemFailures":[{"other":1}]}`:                                        `{"batchItemFailures":[{"other":1}]}`,
		`{"batchItemFailures":[null]}`:                                               `{"batchItemFailures":[null]}`,
		`{"batchItemFailures":[]}`:                                                   `{"batchItemFailures":[]}`,
		`{`:                                                                          `{`,
		``:                                                                           ``,
	} {
		if got := string(offsetsOnly([]byte(answer), "t-0")); got != want {
			t.Errorf("%s: got %s", answer, got)
		}
	}
}

func FuzzOffsetsOnly(f *testing.F) {
	f.Add([]byte(`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-0","offset":12}},null]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if out := offsetsOnly(answer, "t-0"); json.Valid(answer) && !json.Valid(out) {
			t.Errorf("%q is made of %q", out, answer)
		}
	})
}
