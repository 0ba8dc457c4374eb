package mapping

import (
	"context"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/stream"
)

// A worker reads for one mapping: a poller from a queue, a follower from a
// stream.
type worker interface {
	loop()
	end() // and waits for the batches under way
}

// A follower reads a stream for one mapping.
type follower struct {
	m      *Manager
	job    stream.Job
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
}

func newFollower(m *Manager, one Mapping, from source.Stream) *follower {
	f := &follower{m: m, job: m.job(one, from), done: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(m.ctx)
	return f
}

func (f *follower) loop() {
	defer close(f.done)
	defer f.cancel()
	defer release(f.job.Stream)
	f.m.streams.Run(f.ctx, f.job)
}

func (f *follower) end() {
	f.cancel()
	<-f.done
}

// streamOf is the stream that a mapping reads; nil when it reads a queue.
func (m *Manager) streamOf(one Mapping) source.Stream {
	if one.Kafka != nil {
		return m.topicOf(one)
	}
	a, err := arn.Parse(one.Source)
	if err != nil {
		return nil
	}
	return m.c.Streams[a.Service]
}

// job is a mapping of a stream as it is to run.
func (m *Manager) job(one Mapping, from source.Stream) stream.Job {
	j := stream.Job{
		UUID: one.UUID, Source: one.Source, Stream: from, Start: one.start(), Function: one.Function, FunctionARN: one.FunctionARN,
		Plan: stream.Plan{
			BatchSize: int(one.BatchSize), Window: seconds(one.Window), Filters: one.Filters, Reports: one.Reports,
			Factor: int(one.Factor), Bisect: one.Bisect, Retries: int(one.Retries), MaxAge: seconds(one.MaxAge),
			Tumbling: seconds(one.Tumbling), OnFailure: one.OnFailure,
		},
		Note: func(result string) { m.note(one.UUID, result) },
	}
	if one.Kafka != nil {
		one.ofKafka(&j.Plan)
	}
	return j
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// start is where a mapping begins to read.
func (p Plan) start() source.Start {
	switch p.Position {
	case Latest:
		return source.Start{At: source.AtLatest}
	case AtTimestamp:
		return source.Start{At: source.AtTime, Time: p.PositionAt}
	}
	return source.Start{At: source.AtHorizon}
}

// begin settles where a mapping of a stream that is to be enabled reads from. If
// that fails the follower does it, once the stream can be read.
func (m *Manager) begin(one Mapping) {
	from := m.streamOf(one)
	if from == nil || !one.Enabled || one.State == Deleting {
		return
	}
	defer release(from)
	if err := m.streams.Begin(m.ctx, m.job(one, from)); err != nil && m.ctx.Err() == nil {
		m.c.Log.Warn("a stream could not be read", "mapping", one.UUID, "source", one.Source, "error", err)
	}
}

// Streams counts what the mappings of streams have done.
func (m *Manager) Streams() []stream.Stat { return m.streams.Stats() }
