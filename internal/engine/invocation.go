package engine

import (
	"context"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/blank"
	"github.com/mayfly-faas/mayfly/internal/engine/pool"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/step"
)

// An invocation is one Call in one sandbox.
type invocation struct {
	*instance
	c     *Call
	fresh bool // the first in its sandbox

	deadline time.Time
	rest     <-chan struct{} // closed when the extensions are done, too; nil for none
	done     time.Duration   // when the runtime was; 0 without extensions
	parts    []span          // of that time
	told     bool            // that the runtime is done

	start    time.Time
	took     time.Duration
	fault    *fault // what the caller hears; nil for success
	ending   *fault // what ended the runtime, if anything did
	produced int64
	usage    sandbox.Usage
	report   Report
}

// begin takes a slot's instance for c.
func begin(slot *pool.Slot, c *Call) *invocation {
	in := &invocation{instance: slot.Instance.(*instance), c: c, fresh: slot.Fresh}
	in.busy.Store(true)
	return in
}

// run hands the call to the code and sees it to its answer; settle sees it to its
// end. An error is the platform's.
func (in *invocation) run() error {
	if !in.fresh {
		in.log.Begin()
	}
	in.start = time.Now()
	in.deadline = in.start.Add(in.u.Timeout)
	if err := in.ensureReady(in.deadline); err != nil {
		return err
	}
	in.logStart()
	if in.fault != nil {
		return nil
	}
	return in.deliver(in.deadline)
}

// ensureReady initialises a sandbox that is not, at the invocation's expense.
func (in *invocation) ensureReady(deadline time.Time) (err error) {
	if in.ready {
		return nil
	}
	in.fault, err = in.initialise(context.Background(), phaseInvoke, time.Until(deadline))
	in.ending = in.fault
	if in.fault != nil && in.fault.status == late {
		in.fault = overran(in.u.Timeout) // and not after what was left of it
	}
	return err
}

// deliver gives the call to the runtime, and waits until it has answered and
// asks for more, has ended, or is late.
func (in *invocation) deliver(deadline time.Time) error {
	if in.extended {
		in.tell(deadline)
	}
	done := in.api.Follow(&runtimeapi.Call{
		ID: in.c.RequestID, Attempt: blank.NewID(), Payload: in.c.Payload, Deadline: deadline,
		InvokedARN: in.c.InvokedARN, TraceHeader: in.c.TraceHeader, ClientContext: in.c.ClientContext,
		Begin: in.c.Begin, Answer: in.c.Answer, Limit: in.c.Limit,
	})
	if !in.ended(done) && !in.wait(done, deadline) {
		in.ending = overran(in.u.Timeout)
	}
	res := in.api.End()
	in.produced = res.Produced
	if !res.First.IsZero() {
		in.e.c.Steps.PassedAt(step.Sent, res.Sent)
		in.e.c.Steps.PassedAt(step.Answering, res.First)
	}
	in.fault = in.ending
	if res.Answered {
		in.fault = nil
	}
	if f := res.Failure; f != nil && (f.Type != truncated || in.ending == nil) {
		in.fault = reported(f)
	} else if f != nil {
		in.fault = in.ending // the answer was cut off because the process was
	}
	if in.extended {
		in.answered(&res)
	}
	return in.interrupted()
}

// ended takes note that the runtime has answered, if done is closed.
func (in *invocation) ended(done <-chan struct{}) bool {
	select {
	case <-done:
		in.took = time.Since(in.start)
		in.proc.Flush()
		return true
	default:
		return false
	}
}

// wait waits until the runtime has answered or has ended, and takes note of it;
// false when it is late.
func (in *invocation) wait(done <-chan struct{}, deadline time.Time) bool {
	if in.timer == nil {
		in.timer = time.NewTimer(time.Until(deadline))
	} else {
		in.timer.Reset(time.Until(deadline))
	}
	defer in.timer.Stop()
	select {
	case <-done:
		return in.ended(done)
	case <-in.proc.Done():
		in.took = time.Since(in.start)
		in.ending = in.exit()
		return true
	case <-in.crashed():
		in.took = time.Since(in.start)
		in.ending = in.died()
		return true
	case <-in.timer.C:
		return false
	}
}

// interrupted reports whether it was the engine that ended the code.
func (in *invocation) interrupted() error {
	select {
	case <-in.closing:
		return ErrClosed
	default:
		return nil
	}
}

// settle takes stock, and resets a sandbox whose runtime cannot go on. Where there
// are extensions it waits for them first, and lets them end in order last.
func (in *invocation) settle() {
	if in.extended {
		in.linger()
	}
	if in.ending != nil && in.ending.status == late {
		in.took = in.u.Timeout
	} else if in.took == 0 {
		in.took = time.Since(in.start)
	}
	if u, err := in.box.Usage(); err == nil {
		in.usage, in.peakMB = u, u.PeakMB
	}
	extended := in.extended
	if in.ending != nil && !extended {
		in.reset()
	}
	in.measure()
	in.logEnd()
	if in.ending != nil && extended {
		in.farewell(in.ending.reason())
		in.reset()
	}
	in.ran = true
}

// reusable reports whether the sandbox can take another invocation. One that
// was reset can: it keeps its /tmp, as on AWS, and is initialised in the next
// invocation. But a provisioned one is there to be ready.
func (in *invocation) reusable() bool { return in.ready || !in.provisioned }

// measure fills the report.
func (in *invocation) measure() {
	in.report = Report{
		Start: in.start, Duration: in.took, Init: in.init, MaxMemoryMB: in.usage.PeakMB,
		CPU: in.usage.CPU - in.cpu, Cold: in.fresh && !in.provisioned, Provisioned: in.provisioned,
	}
	in.report.BilledMS = ceilMS(in.took + in.init)
	in.init, in.cpu = 0, in.usage.CPU
}

// ceilMS rounds up to whole milliseconds: nothing is free.
func ceilMS(d time.Duration) int64 {
	return max(1, int64((d+time.Millisecond-1)/time.Millisecond))
}

// outcome is what Invoke returns.
func (in *invocation) outcome() *Outcome {
	out := &Outcome{Report: in.report}
	if in.fault != nil {
		out.Failure = in.fault.failure(in.c.RequestID)
	}
	if in.c.Tail {
		out.Tail = in.log.Tail()
	}
	return out
}
