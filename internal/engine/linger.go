package engine

import (
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/extension"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
)

// An invocation of a function with extensions ends when the runtime and every
// extension that listens for invocations is done. Its caller has the answer before
// that.

// tell hands the invocation to the extensions that listen for it.
func (in *invocation) tell(deadline time.Time) {
	_, in.rest = in.api.Extensions().Tell(extension.Event{
		Type: extension.Invoke, Deadline: deadline, RequestID: in.c.RequestID, InvokedARN: in.c.InvokedARN, Trace: in.c.TraceHeader,
	})
}

// answered notes that the runtime is done, and what it did when.
func (in *invocation) answered(res *runtimeapi.Result) {
	if in.ending != nil && in.ending.status == late {
		in.took = in.u.Timeout
	} else if in.took == 0 {
		in.took = time.Since(in.start)
	}
	in.done = in.took
	in.proc.Flush()
	in.spans(res)
	in.logRuntimeDone()
}

// lingers reports whether extensions are still at work, or have to end.
func (in *invocation) lingers() bool {
	if !in.extended {
		return false
	}
	select {
	case <-in.rest:
		return in.ending != nil
	default:
		return true
	}
}

// linger waits for the extensions, as long as the function may run. Their time is
// the invocation's.
func (in *invocation) linger() {
	defer in.flushAgents()
	if in.ending != nil || in.rest == nil {
		return
	}
	timer := time.NewTimer(time.Until(in.deadline))
	defer timer.Stop()
	select {
	case <-in.rest:
		in.took = time.Since(in.start)
		return
	case <-in.closing:
	case <-in.crashed():
		in.ending = in.died()
	case <-in.proc.Done():
		in.ending = in.exit()
	case <-timer.C:
		in.ending = overran(in.u.Timeout)
	}
	in.took = time.Since(in.start)
}
