package function

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A job is a version whose code a worker still has to unpack.
type job struct {
	name   string
	number int64
}

const settlers = 2

// startWorkers starts the goroutines that settle; Close ends them.
func (r *Registry) startWorkers() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.done = stop, ctx.Done()
	for range settlers {
		r.work.Go(func() {
			for {
				select {
				case j := <-r.jobs:
					r.finish(ctx, j)
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

// settle has a worker finish a version. What it does not get to before Close,
// the next start does.
func (r *Registry) settle(name string, number int64) {
	select {
	case r.jobs <- job{name, number}:
	case <-r.done:
	}
}

// settleAll takes up what was not settled when the last process ended.
func (r *Registry) settleAll(ctx context.Context) error {
	var jobs []job
	err := r.db.View(ctx, func(tx store.Tx) error {
		jobs = nil
		return tx.Each(`SELECT name, number FROM function_versions WHERE settling = 1 ORDER BY name, number`, nil, func(scan func(...any) error) error {
			var j job
			err := scan(&j.name, &j.number)
			jobs = append(jobs, j)
			return err
		})
	})
	for _, j := range jobs {
		r.settle(j.name, j.number)
	}
	return err
}

// How long a worker waits before it tries again what the database refused.
const (
	settleAgain   = 50 * time.Millisecond
	settleSlowest = 10 * time.Second
)

// finish settles a version. While the database fails (a full disk, say) it tries
// again: nobody else would, and the version would be Pending for ever.
func (r *Registry) finish(ctx context.Context, j job) {
	for wait := settleAgain; ; wait = min(2*wait, settleSlowest) {
		err := r.finishOnce(ctx, j)
		if err == nil || ctx.Err() != nil { // the next start tries again
			return
		}
		r.log.Error("settle", "function", j.name, "version", j.number, "error", err, "again in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// finishOnce unpacks a version's code and makes the version what is invoked.
// Its error is the database's.
func (r *Registry) finishOnce(ctx context.Context, j job) error {
	var v *Version
	err := r.db.View(ctx, func(tx store.Tx) (err error) {
		v, err = readVersion(tx, j.name, j.number)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return nil // it was deleted
	}
	if err != nil {
		return err
	}
	_, _, failure := r.prepare(ctx, v.Settings)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.conclude(context.WithoutCancel(ctx), v, failure)
}

// conclude writes how settling v ended, unless v is no longer what it was.
func (r *Registry) conclude(ctx context.Context, v *Version, failure error) error {
	var before, after *Version
	err := r.change(ctx, v.Function, nil, func(c *change) error {
		before, after = nil, nil
		now, err := readVersion(c.Tx, v.Function, v.Number)
		if err != nil || now.Change != v.Change {
			return or(err, nil)
		}
		was := *now
		now.settled(failure)
		before, after = &was, now
		return c.put(now, false)
	})
	if err != nil || after == nil {
		return err
	}
	if failure != nil {
		r.log.Error("settle: code cannot be unpacked", "function", v.Function, "version", v.Qualifier(), "error", failure)
	}
	if before.key() != after.key() {
		r.engine.Drain(before.key())
	}
	r.collect(ctx, lost(before, after)...)
	if failure == nil {
		r.expect(ctx, after)
	}
	if err := r.standBy(ctx, v.Function); err != nil { // v itself has settled
		r.log.Error("settle", "function", v.Function, "error", err)
	}
	return nil
}

// expect tells the engine of a version that can be invoked now.
func (r *Registry) expect(ctx context.Context, v *Version) {
	if u, err := r.unit(ctx, v); err == nil { // it is a hint
		r.engine.Expect(u)
	}
}

// settled is the end of settling: the version runs what it shows, or says why not.
func (v *Version) settled(failure error) {
	v.Revision = uuid.NewString()
	switch {
	case failure == nil:
		v.State, v.StateReason, v.StateCode = Active, "", ""
		v.Update, v.UpdateReason, v.UpdateCode = Successful, "", ""
		v.Running = nil
	case v.State == Active: // an update: the code from before goes on running
		v.Update, v.UpdateReason, v.UpdateCode = Failed, fmt.Sprintf("The code cannot be unpacked: %v", failure), "InternalError"
	default:
		v.State, v.StateReason, v.StateCode = Failed, fmt.Sprintf("The code cannot be unpacked: %v", failure), "InternalError"
		v.Update, v.UpdateReason, v.UpdateCode = Failed, v.StateReason, "InternalError"
	}
}

// lost are the archives that before needed and after does not.
func lost(before, after *Version) []string {
	kept := after.archives()
	return slices.DeleteFunc(before.archives(), func(sha string) bool { return slices.Contains(kept, sha) })
}
