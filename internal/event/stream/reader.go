package stream

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A reader runs one Job. It starts the shards whose turn has come.
type reader struct {
	m     *Manager
	job   Job
	info  source.StreamInfo
	pass  *filter.Criteria
	stats *Stats
	each  int             // bytes that a record gets in addition
	ctx   context.Context // ends the reading
	work  sync.WaitGroup  // shards and their followers

	mu    sync.Mutex      // guards what follows
	marks map[string]mark // as they were when the shard was started or has ended
	begun map[string]bool // shards that are being read
}

func newReader(ctx context.Context, m *Manager, j Job) *reader {
	r := &reader{m: m, job: j, ctx: ctx, begun: map[string]bool{}, stats: m.statsOf(j)}
	return r
}

// run reads until ctx ends, and waits for the batches under way.
func (r *reader) run() {
	if !r.again(r.open) {
		return
	}
	if g, ok := r.job.Stream.(source.Grower); ok {
		r.work.Go(func() { r.grow(g) })
	}
	r.advance()
	<-r.ctx.Done()
	r.work.Wait()
}

// open learns about the stream, and how far its shards were read.
func (r *reader) open() (err error) {
	if r.info, err = r.job.Stream.Describe(r.ctx, r.job.Source); err != nil {
		return err
	}
	if r.pass, err = criteria(r.info.Kind, r.job.Filters); err != nil {
		return err
	}
	if r.info.Kind == source.Kinesis {
		r.each = len(identity) + len(r.role())
	}
	if r.marks, err = r.m.marks(r.ctx, r.job); err != nil {
		return err
	}
	return r.discover() // there may be shards since the last run
}

// again does what must be done until it is; false when the reader ends before.
func (r *reader) again(do func() error) bool {
	for wait := againFirst; ; wait = min(2*wait, againLast) {
		err := do()
		if err == nil {
			return true
		}
		if r.ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
			return false
		}
		r.problem(err)
		if !sleep(r.ctx, wait) {
			return false
		}
	}
}

// problem tells of a failure that is not the function's.
func (r *reader) problem(err error) {
	if errors.Is(err, source.ErrNotFound) {
		r.job.Note("PROBLEM: The event source does not exist.")
		return
	}
	text := "The event source could not be read."
	if p, ok := errors.AsType[*source.Problem](err); ok {
		text = p.Text
	}
	r.job.Note("PROBLEM: " + text)
	r.m.c.Log.Warn("a stream could not be read", "mapping", r.job.UUID, "source", r.job.Source, "error", err)
}

// discover takes up shards that are new, and forgets those that are read and
// are not there any more.
func (r *reader) discover() error {
	shards, err := r.job.Stream.Shards(r.ctx, r.job.Source)
	if err != nil {
		return err
	}
	r.mu.Lock()
	known, begun := maps.Clone(r.marks), maps.Clone(r.begun)
	r.mu.Unlock()
	fresh, listed := map[string]mark{}, map[string]bool{}
	for _, s := range shards {
		listed[s.ID] = true
		if _, ok := known[s.ID]; !ok {
			fresh[s.ID] = mark{Parents: s.Parents}
		}
	}
	var gone []string
	for id := range known {
		if !listed[id] && !begun[id] { // read, or gone before it was
			gone = append(gone, id)
		}
	}
	if len(fresh)+len(gone) == 0 {
		return nil
	}
	if err := r.m.c.DB.Update(r.ctx, func(tx store.Tx) error { return renew(tx, r.job.UUID, fresh, gone) }); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.marks, fresh)
	for _, id := range gone {
		delete(r.marks, id)
	}
	return nil
}

func renew(tx store.Tx, mapping string, fresh map[string]mark, gone []string) error {
	for id, k := range fresh {
		if err := write(tx, mapping, id, k); err != nil {
			return err
		}
	}
	for _, id := range gone {
		if err := drop(tx, mapping, id); err != nil {
			return err
		}
	}
	return nil
}

// advance starts the shards whose parents were read to their end. A parent that
// is not known was gone before this mapping began, or is by now.
func (r *reader) advance() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, k := range r.marks {
		if k.Ended || r.begun[id] || slices.ContainsFunc(k.Parents, r.unread) || r.ctx.Err() != nil {
			continue
		}
		r.begun[id] = true
		s := newShard(r, id, k)
		r.work.Go(s.run)
	}
}

func (r *reader) unread(id string) bool {
	k, known := r.marks[id]
	return known && !k.Ended
}

// ended goes on with the children of a shard that is read.
func (r *reader) ended(id string, k mark) {
	r.mu.Lock()
	r.marks[id] = k
	delete(r.begun, id)
	r.mu.Unlock()
	if r.again(r.discover) {
		r.advance()
	}
}

// lost tells whether a shard that could not be read does not exist any more.
func (r *reader) lost(id string) bool {
	shards, err := r.job.Stream.Shards(r.ctx, r.job.Source)
	if err != nil {
		return errors.Is(err, source.ErrNotFound)
	}
	return !slices.ContainsFunc(shards, func(s source.Shard) bool { return s.ID == id })
}

// vanished forgets a shard that does not exist any more, and goes on with those
// that do. When it is the stream that was deleted, there may be another one of
// its name some day: that one is read from its beginning.
func (r *reader) vanished(id string) {
	gone := []string{id}
	if _, err := r.job.Stream.Describe(r.ctx, r.job.Source); errors.Is(err, source.ErrNotFound) {
		r.problem(err)
		r.mu.Lock()
		gone = slices.Collect(maps.Keys(r.marks))
		r.mu.Unlock()
	}
	forgotten := r.again(func() error {
		return r.m.c.DB.Update(r.ctx, func(tx store.Tx) error { return renew(tx, r.job.UUID, nil, gone) })
	})
	if !forgotten {
		return
	}
	r.mu.Lock()
	for _, g := range gone {
		delete(r.marks, g)
	}
	delete(r.begun, id)
	r.mu.Unlock()
	if r.again(r.discover) {
		r.advance()
	}
}

// grow takes up shards that come without parents.
func (r *reader) grow(g source.Grower) {
	for r.ctx.Err() == nil {
		r.mu.Lock()
		known := slices.Sorted(maps.Keys(r.marks))
		r.mu.Unlock()
		err := func() error { return g.Grown(r.ctx, r.job.Source, known) }
		if !r.again(err) || !r.again(r.discover) {
			return
		}
		r.advance()
	}
}
