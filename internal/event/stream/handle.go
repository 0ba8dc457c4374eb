package stream

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/event/lineage"
	"github.com/mayfly-faas/mayfly/internal/function"
)

// A segment is a part of a batch that is invoked for by itself.
type segment struct {
	n       int      // records
	failed  int      // times that its first record was the lowest that failed
	invoked int      // times that the function was invoked for it
	waits   int      // times in a row that it has to wait
	last    *attempt // nil when the function has not run for it
}

// An attempt is an invocation that ran.
type attempt struct {
	requestID string
	version   string
	at        time.Time
	answer    []byte
	failed    bool // by the code
}

// maxAnswer is the most that an answer may hold.
const maxAnswer = 6291556

// How long a batch waits that failed, at first and at most.
const (
	backoffFirst = 200 * time.Millisecond
	backoffLast  = time.Minute
)

func backoff(n int) time.Duration {
	if n > 16 {
		return backoffLast
	}
	return min(backoffFirst<<max(n-1, 0), backoffLast)
}

// handle has the function handle items until all are done or given up; false
// when the reader ends before.
func (l *lane) handle(items []item) bool {
	todo := []segment{{n: len(items)}}
	for len(todo) > 0 {
		if l.s.r.ctx.Err() != nil {
			return false
		}
		g := &todo[0]
		part := items[:g.n]
		n, ok := l.giveUp(part, g)
		if n == 0 {
			n, ok = l.try(part, g, &todo)
		}
		if !ok {
			return false
		}
		items = items[n:]
		if todo[0].n -= n; todo[0].n == 0 {
			todo = todo[1:]
		}
	}
	return true
}

// giveUp discards what is too old, or has failed too often, and tells how many
// records that was.
func (l *lane) giveUp(part []item, g *segment) (n int, ok bool) {
	p := l.s.r.job.Plan
	if l.spent(g) {
		return len(part), l.discard(part, g, exhausted)
	}
	if p.MaxAge < 0 {
		return 0, true
	}
	now := l.s.r.m.c.Now()
	for n < len(part) && now.Sub(part[n].Arrived) > p.MaxAge {
		n++
	}
	if n == 0 {
		return 0, true
	}
	return n, l.discard(part[:n], g, tooOld)
}

// spent tells whether a segment has failed as often as it may.
func (l *lane) spent(g *segment) bool {
	most := l.s.r.job.Retries
	return most >= 0 && g.failed > most
}

// try invokes the function once and tells how many records are done. When some
// are not, it has waited, and todo says how to go on.
func (l *lane) try(part []item, g *segment, todo *[]segment) (done int, ok bool) {
	w := l.openWindow(part)
	a, err := l.invoke(part, w, false)
	switch {
	case err != nil && l.refused(err):
		return len(part), l.discard(part, g, looped)
	case err != nil:
		g.waits++
		return 0, l.wait(part, g)
	}
	g.invoked++
	g.last = a
	done, state := l.judge(part, a, w)
	if done < len(part) {
		l.s.r.stats.failed(1)
		l.s.r.job.Note("PROBLEM: Function call failed")
	} else {
		l.s.r.job.Note("OK")
	}
	if done > 0 && !l.step(done, state) {
		return 0, false
	}
	if done < len(part) {
		l.again(g, done, todo)
		ok = l.wait(part[done:], &(*todo)[0])
		return done, ok
	}
	return done, true
}

// again prepares the next try of a segment of which so many are done. Records
// behind those have failed: once more, or for the first time.
func (l *lane) again(g *segment, done int, todo *[]segment) {
	if done > 0 {
		g.failed, g.waits = 0, 0
	}
	g.waits++
	rest := g.n - done
	switch {
	case !l.s.r.job.Bisect, done == 0 && rest == 1:
		g.failed++
		return
	case done > 0:
		return
	}
	// Halves inherit what their whole has used up: splitting is no retry.
	first, second := *g, *g
	first.n = rest / 2
	second.n = rest - first.n
	*todo = append([]segment{first, second}, (*todo)[1:]...)
}

// judge tells how many records of a batch are done, and which window is open
// then.
func (l *lane) judge(part []item, a *attempt, w *window) (done int, next *window) {
	if a.failed {
		return 0, w
	}
	next = w
	if w != nil {
		state, ok := stateOf(a.answer)
		if !ok {
			return 0, w
		}
		next = w.with(state)
	}
	if !l.s.r.job.Reports {
		return len(part), next
	}
	failed, ok := l.failures(a.answer, part)
	if !ok {
		return 0, w
	}
	for i, r := range part {
		if failed[r.ID] {
			return i, next
		}
	}
	return len(part), next
}

// openWindow is the window of a batch; nil where there are none.
func (l *lane) openWindow(part []item) *window {
	long := l.s.r.job.Tumbling
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if w := l.s.mark.Window; w != nil || long == 0 {
		return w
	}
	return windowAt(part[0].Arrived, long)
}

// step counts the lane's first items as done; false when the reader ends.
func (l *lane) step(items int, w *window) bool {
	return l.s.forward(&step{lane: l, items: items, window: w})
}

// wait waits before the next try, if there is one, no longer than the oldest
// record may live.
func (l *lane) wait(part []item, g *segment) bool {
	if l.spent(g) {
		return true
	}
	d := backoff(g.waits)
	if age := l.s.r.job.MaxAge; age >= 0 && len(part) > 0 {
		left := part[0].Arrived.Add(age).Sub(l.s.r.m.c.Now())
		d = min(d, max(left, 0)+time.Millisecond)
	}
	return sleep(l.s.r.ctx, d)
}

// refused tells whether an invocation that did not run never will.
func (l *lane) refused(err error) bool { return errors.Is(err, function.ErrRecursive) }

// invoke runs the function; an error means that it did not run.
func (l *lane) invoke(part []item, w *window, final bool) (*attempt, error) {
	r := l.s.r
	records := plain(part)
	traces := make([]string, 0, len(records))
	for _, one := range records {
		traces = append(traces, one.Trace)
	}
	var out bytes.Buffer
	in := function.Invocation{
		RequestID: uuid.NewString(), Payload: r.event(l.s.id, records, w, final), TraceHeader: lineage.Deepest(traces), Answer: &out, Limit: maxAnswer,
	}
	if len(part) > 0 {
		r.stats.age(r.m.c.Now().Sub(part[len(part)-1].Arrived))
	}
	res, err := r.m.c.Functions.Invoke(context.WithoutCancel(r.ctx), r.job.Function, in)
	if err != nil {
		r.job.Note(problemOf(err))
		return nil, err
	}
	r.stats.invoked(len(part))
	a := &attempt{requestID: in.RequestID, version: res.Version, at: r.m.c.Now(), answer: out.Bytes(), failed: res.Failure != nil}
	return a, nil
}

// problemOf is why the function did not run, in AWS's words.
func problemOf(err error) string {
	if _, throttled := errors.AsType[*function.Throttled](err); throttled {
		return "PROBLEM: Function call was throttled"
	}
	return "PROBLEM: Function call failed"
}

// finalize closes the shard's window: the function is told that it gets no more
// of it.
func (l *lane) finalize() bool {
	l.s.mu.Lock()
	w := l.s.mark.Window
	l.s.mu.Unlock()
	p, g := l.s.r.job.Plan, segment{}
	for {
		age := l.s.r.m.c.Now().Sub(w.End)
		if l.spent(&g) || p.MaxAge >= 0 && g.failed > 0 && age > p.MaxAge {
			l.s.r.m.c.Log.Warn("a window could not be closed and is given up", "mapping", l.s.r.job.UUID, "shard", l.s.id, "start", w.Start)
			return l.step(0, nil)
		}
		a, err := l.invoke(nil, w, true)
		if err == nil {
			g.invoked++
			if !a.failed {
				l.s.r.job.Note("OK")
				return l.step(0, nil)
			}
			g.failed++
			l.s.r.stats.failed(1)
			l.s.r.job.Note("PROBLEM: Function call failed")
		}
		g.waits++
		if !l.wait(nil, &g) {
			return false
		}
	}
}
