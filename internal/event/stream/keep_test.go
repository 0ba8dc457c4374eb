package stream

import (
	"context"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A stuck database takes no writes until it is let go.
type stuck struct {
	store.DB
	gate chan struct{} // closed to let it go
}

func (d *stuck) Update(ctx context.Context, fn func(store.Tx) error) error {
	<-d.gate
	return d.DB.Update(ctx, fn)
}

// TestNoMoreThanTwoBatchesComeAgain holds a lane to what a crash may cost: it
// handles the next batch while the last one is written, and waits then.
func TestNoMoreThanTwoBatchesComeAgain(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		db := &stuck{r.db, make(chan struct{})}
		r.job.BatchSize = 1
		r.must(r.m.Begin(r.Context(), r.job))
		r.m.c.DB = db
		r.put(0, "k", "a", "b", "c", "d", "e")
		r.start()
		rest(time.Hour)
		r.want("while nothing is written", r.fs.batches(), [][]string{{"a"}, {"b"}})
		close(db.gate)
		rest(time.Second)
		r.want("then", r.fs.batches(), [][]string{{"a"}, {"b"}, {"c"}, {"d"}, {"e"}})
		r.want("the mark", r.mark("shardId-000000000000").From, "5")
	})
}
