package mapping

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/batch"
	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/event/lineage"
	"github.com/mayfly-faas/mayfly/internal/event/ramp"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/function"
)

// maxConcurrency is how many batches of a mapping are handled at a time.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
const maxConcurrency = 1250

// A poller receives for one mapping. Its loop is one goroutine, which waits in
// the source; each batch is another, as long as it is handled.
type poller struct {
	m      *Manager
	one    Mapping
	source source.Source
	pass   *filter.Criteria
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed after the last batch
	under  sync.WaitGroup

	left []source.Record // received, and did not fit into the last batch

	mu       sync.Mutex // guards what follows
	ramp     ramp.Ramp
	running  int           // batches
	invoking int           // of them, those in the function
	ended    chan struct{} // closed and replaced when a batch has ended
}

func newPoller(m *Manager, one Mapping) *poller {
	a, _ := arn.Parse(one.Source)
	most := maxConcurrency
	if one.Concurrency > 0 {
		most = int(one.Concurrency)
	}
	p := &poller{m: m, one: one, source: m.c.Sources[a.Service], done: make(chan struct{}), ramp: ramp.New(most), ended: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(m.ctx)
	p.pass, _ = filter.ParseCriteria(dataKey, one.Filters) // they were checked when they were stored
	return p
}

// loop handles batches until the poller is cancelled, and waits for the last.
func (p *poller) loop() {
	defer close(p.done)
	defer p.under.Wait()
	defer p.cancel()
	for wait := againFirst; p.source != nil && p.room(); {
		b, err := p.gather()
		if len(b.Records()) > 0 {
			p.begin(b)
		}
		if err == nil {
			wait = againFirst
			continue
		}
		if p.ctx.Err() != nil {
			return
		}
		p.m.note(p.one.UUID, problemOf(err))
		p.sleep(wait)
		wait = min(2*wait, againLast)
	}
	p.settle(nil, nil, p.left)
}

// end stops the loop, and waits for the batches under way.
func (p *poller) end() {
	p.cancel()
	<-p.done
}

// problemOf is a failure of the source in AWS's words.
func problemOf(err error) string {
	if errors.Is(err, source.ErrNotFound) {
		return "PROBLEM: " + noQueue
	}
	return "PROBLEM: The event source could not be read."
}

// sleep waits, or until the poller is cancelled, and tells which.
func (p *poller) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// room waits until another batch may be handled; false when the poller ends.
func (p *poller) room() bool {
	for {
		p.mu.Lock()
		free, ended := p.running < p.ramp.Limit(), p.ended
		p.mu.Unlock()
		if free {
			return p.ctx.Err() == nil
		}
		select {
		case <-ended:
		case <-p.ctx.Done():
			return false
		}
	}
}

// gather waits for records and puts them together: what is there, or what
// comes within the window. What the filters stop is removed at once. Records may
// come with an error.
func (p *poller) gather() (*batch.Batch, error) {
	b := batch.New(int(p.one.BatchSize))
	records := p.left
	p.left = nil
	ctx := p.ctx
	for {
		if len(records) == 0 {
			var err error
			if records, err = p.source.Receive(ctx, p.one.Source, b.Room()); err != nil {
				if ctx != p.ctx && errors.Is(ctx.Err(), context.DeadlineExceeded) {
					err = nil // the window is over
				}
				return b, err
			}
		}
		if err := p.fill(b, records); err != nil {
			return b, err
		}
		records = nil
		if b.Room() == 0 || len(p.left) > 0 || len(b.Records()) > 0 && p.one.Window == 0 {
			return b, nil
		}
		if len(b.Records()) > 0 && ctx == p.ctx { // the window begins with the first record
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(p.ctx, time.Duration(p.one.Window)*time.Second)
			defer cancel()
		}
	}
}

// fill puts records that pass into b, and those that do not fit aside.
func (p *poller) fill(b *batch.Batch, records []source.Record) error {
	var stopped, left []source.Record
	for _, r := range records {
		switch {
		case !p.pass.Match(r.Event):
			stopped = append(stopped, r)
		case len(left) > 0 || !b.Add(r):
			left = append(left, r)
		}
	}
	if len(left) > 0 && left[0].Group != "" { // their group may be in b: they come again after it
		p.settle(stopped, nil, left)
		return nil
	}
	p.left = left
	p.settle(stopped, nil, nil)
	return nil
}

// begin has a batch handled.
func (p *poller) begin(b *batch.Batch) {
	p.mu.Lock()
	p.running++
	p.mu.Unlock()
	p.under.Go(func() {
		p.handle(b)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running--
		close(p.ended)
		p.ended = make(chan struct{})
	})
}

// handle invokes the function and settles the records.
func (p *poller) handle(b *batch.Batch) {
	records := b.Records()
	answer, failure, err := p.invoke(b)
	switch {
	case errors.Is(err, errNoRoom):
		p.m.note(p.one.UUID, "PROBLEM: Function call was throttled")
		p.settle(nil, nil, records)
	case err != nil && p.m.ctx.Err() != nil: // the server stops
		p.settle(nil, nil, records)
	case err != nil || failure:
		p.m.note(p.one.UUID, "PROBLEM: Function call failed")
		p.settle(nil, records, nil)
	case !p.one.Reports:
		p.settle(records, nil, nil)
		p.m.note(p.one.UUID, "OK")
	default:
		p.part(records, answer)
	}
}

// part settles what the function says of each record.
func (p *poller) part(records []source.Record, answer []byte) {
	failures, ok := batch.Failures(answer, records)
	if !ok {
		p.m.note(p.one.UUID, "PROBLEM: Function call failed")
		p.settle(nil, records, nil)
		return
	}
	var done, failed []source.Record
	for _, r := range records {
		if failures[r.ID] {
			failed = append(failed, r)
		} else {
			done = append(done, r)
		}
	}
	p.settle(done, failed, nil)
	p.m.note(p.one.UUID, "OK")
}

// errNoRoom means that there was no room for as long as the records may wait.
var errNoRoom = errors.New("mapping: no room")

// maxAnswer is the most that an answer may hold.
const maxAnswer = 6291556

// invoke runs the function. While there is no room it waits, as long as the
// records stay hidden long enough for the function.
func (p *poller) invoke(b *batch.Batch) (answer []byte, failure bool, err error) {
	ctx := context.WithoutCancel(p.ctx)
	event, traces := b.Event(), make([]string, 0, len(b.Records()))
	for _, r := range b.Records() {
		traces = append(traces, r.Trace)
	}
	in := function.Invocation{RequestID: uuid.NewString(), Payload: event, TraceHeader: lineage.Deepest(traces), Limit: maxAnswer}
	until := time.Time{}
	for try := 1; ; try++ {
		var out bytes.Buffer
		in.Answer = &out
		res, err := p.call(ctx, in)
		if _, throttled := errors.AsType[*function.Throttled](err); !throttled {
			return out.Bytes(), res.Failure != nil, err
		}
		if until.IsZero() {
			until = time.Now().Add(p.patience(ctx))
		}
		if !p.wait(ramp.Backoff(try), time.Until(until)) {
			return nil, false, errNoRoom
		}
	}
}

// call invokes the function once, and tells the ramp how that went.
func (p *poller) call(ctx context.Context, in function.Invocation) (function.Result, error) {
	p.mu.Lock()
	p.invoking++
	p.mu.Unlock()
	res, err := p.m.c.Functions.Invoke(ctx, p.one.Function, in)
	_, throttled := errors.AsType[*function.Throttled](err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.invoking--
	if throttled {
		p.ramp.Throttled(p.invoking)
	} else {
		p.ramp.Went()
	}
	return res, err
}

// leastPatience keeps records from coming and going in a circle.
const leastPatience = time.Second

// patience is how long a batch may wait for room.
func (p *poller) patience(ctx context.Context) time.Duration {
	info, err := p.source.Describe(ctx, p.one.Source)
	h, failed := p.m.c.Functions.Handling(ctx, p.one.Function)
	if err != nil || failed != nil {
		return leastPatience
	}
	return max((info.Visibility-h.Timeout)/2, leastPatience)
}

// wait waits after a throttle, until there may be room again; false when there
// is no time left.
func (p *poller) wait(d, left time.Duration) bool {
	if left <= 0 {
		return false
	}
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	t := time.NewTimer(min(d, left))
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C:
	case <-p.ctx.Done():
		return false
	}
	return true
}

// settle tells the source, even while the poller ends; until it takes it.
func (p *poller) settle(done, failed, untried []source.Record) {
	if len(done)+len(failed)+len(untried) == 0 {
		return
	}
	ctx := context.WithoutCancel(p.ctx)
	err := p.m.retry(func() error {
		err := p.source.Settle(ctx, p.one.Source, done, failed, untried)
		if errors.Is(err, source.ErrNotFound) {
			return nil // nobody is left to be told
		}
		return err
	})
	if err != nil {
		p.m.c.Log.Error("records are not settled and come again", "source", p.one.Source, "records", len(done), "error", err)
	}
}
