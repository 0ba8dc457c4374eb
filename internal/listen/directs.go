package listen

import (
	"context"
	"sync"
)

// directs are the connections that are served directly: net/http does not know
// them any more.
type directs struct {
	mu    sync.Mutex // guards what follows
	open  map[*direct]struct{}
	over  bool          // no more
	empty chan struct{} // closed once over, and none is left; nil before drain
}

// add notes d; false when there are to be no more.
func (ds *directs) add(d *direct) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.over {
		return false
	}
	if ds.open == nil {
		ds.open = map[*direct]struct{}{}
	}
	ds.open[d] = struct{}{}
	return true
}

// remove forgets d. It may be called twice.
func (ds *directs) remove(d *direct) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if _, ok := ds.open[d]; !ok {
		return
	}
	delete(ds.open, d)
	if ds.empty != nil && len(ds.open) == 0 {
		close(ds.empty)
	}
}

// drain closes those that wait for a request, and waits for the others, or for ctx
// to end.
func (ds *directs) drain(ctx context.Context) error {
	ds.mu.Lock()
	ds.over = true
	if ds.empty == nil {
		ds.empty = make(chan struct{})
		if len(ds.open) == 0 {
			close(ds.empty)
		}
	}
	for d := range ds.open {
		if d.own.busy.Load() == 0 {
			d.conn.Close()
		}
	}
	ds.mu.Unlock()
	select {
	case <-ds.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close breaks those that are left.
func (ds *directs) close() {
	ds.mu.Lock()
	ds.over = true
	for d := range ds.open {
		d.conn.Close()
	}
	ds.mu.Unlock()
}
