package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A shard is one that is read. Its own goroutine reads and spreads records over
// the lanes; records of one key are all in one lane.
type shard struct {
	r     *reader
	id    string
	lanes []*lane
	freed chan struct{} // has one element when a lane has got room

	mu   sync.Mutex // guards what follows, and what lanes say it does
	mark mark
	at   source.Place // all before it is in the lanes, or done
	read int64        // how many records
	end  bool         // no more records come
	gone bool         // the shard does not exist any more

	writes int // of the mark
}

// An item is a record in a lane.
type item struct {
	source.StreamRecord
	before source.Place // behind the record before it
	nth    int64
}

func newShard(r *reader, id string, k mark) *shard {
	factor := max(r.job.Factor, 1)
	k.trim()
	if n := len(k.Ahead); n == 0 || k.Ahead[n-1].Factor != factor {
		k.Ahead = append(k.Ahead, ahead{Factor: factor, Lanes: make([]source.Place, factor)})
	}
	s := &shard{r: r, id: id, freed: make(chan struct{}, 1), mark: k, at: k.From}
	for i := range factor {
		s.lanes = append(s.lanes, newLane(s, i))
	}
	return s
}

// run reads the shard to its end, or until the reader ends.
func (s *shard) run() {
	if s.mark.Window != nil && s.r.job.Tumbling == 0 && !s.lanes[0].finalize() {
		return
	}
	var lanes sync.WaitGroup
	for _, l := range s.lanes {
		lanes.Go(l.run)
	}
	s.readAll()
	lanes.Wait()
	switch {
	case !s.finished():
	case s.gone:
		s.r.vanished(s.id)
	case s.keep(nil):
		s.r.ended(s.id, s.mark)
	}
}

// finished tells whether the shard has ended and all of it is done.
func (s *shard) finished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		if len(l.items) > 0 {
			return false
		}
	}
	if !s.end || s.mark.Window != nil {
		return false
	}
	s.mark.Ended, s.mark.Ahead = true, nil
	return true
}

// settled is how long after a window's end its last records may come to light.
const settled = time.Second

// readAll puts the shard's records into the lanes until it ends.
func (s *shard) readAll() {
	ends := s.openUntil()
	for wait := againFirst; s.room(); {
		page, late, err := s.readOne(ends)
		switch {
		case s.r.ctx.Err() != nil:
			return
		case late:
			s.close(ends)
			ends = time.Time{}
			continue
		case errors.Is(err, source.ErrNotFound) && s.r.lost(s.id):
			s.finish(true)
			return
		case err != nil:
			s.r.problem(err)
			if !sleep(s.r.ctx, wait) {
				return
			}
			wait = min(2*wait, againLast)
			continue
		}
		wait = againFirst
		if end := s.spread(page); !end.IsZero() {
			ends = end
		}
		if page.Ended {
			s.finish(false)
			return
		}
	}
}

// openUntil is the end of the window that was open when the shard was last read.
func (s *shard) openUntil() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mark.Window == nil {
		return time.Time{}
	}
	return s.mark.Window.End
}

// readOne reads a page. While a window is open it does not wait for long behind
// that one's end; late tells that it has waited in vain.
func (s *shard) readOne(ends time.Time) (page source.Page, late bool, err error) {
	ctx := s.r.ctx
	if !ends.IsZero() {
		left := max(ends.Sub(s.r.m.c.Now()), 0)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, left+settled)
		defer cancel()
	}
	most := min(s.r.job.BatchSize*len(s.lanes), maxPage)
	page, err = s.r.job.Stream.Read(ctx, s.r.job.Source, s.id, s.at, most)
	return page, err != nil && ctx.Err() != nil, err
}

// maxPage is the most that is read at once.
const maxPage = 10000

// room waits until no lane is full; false when the reader ends.
func (s *shard) room() bool {
	for {
		s.mu.Lock()
		full := false
		for _, l := range s.lanes {
			full = full || l.full()
		}
		s.mu.Unlock()
		if !full {
			return s.r.ctx.Err() == nil
		}
		select {
		case <-s.freed:
		case <-s.r.ctx.Done():
			return false
		}
	}
}

// spread puts the records of a page into the lanes, but those that are done
// already and those that the filters stop. It answers when the window of the
// last one ends.
func (s *shard) spread(page source.Page) (ends time.Time) {
	passes := make([]bool, len(page.Records))
	for i, r := range page.Records {
		passes[i] = matches(s.r.pass, s.r.info.Kind, r.Event)
	}
	s.mu.Lock()
	waits := false
	for i, r := range page.Records {
		s.read++
		before := s.at
		s.at = r.Place
		switch {
		case s.mark.done(r.Group, r.Place):
			continue
		case !passes[i]:
			s.r.stats.filtered(1)
			continue
		}
		waits = true
		s.lanes[laneOf(r.Group, len(s.lanes))].put(item{r, before, s.read})
		if n := s.r.job.Tumbling; n > 0 {
			ends = windowAt(r.Arrived, n).End
		}
	}
	s.at = page.Next
	s.mu.Unlock()
	s.r.stats.polled(len(page.Records))
	for _, l := range s.lanes {
		l.wake()
	}
	if !waits && len(page.Records) > 0 {
		s.keep(nil)
	}
	return ends
}

// finish lets the lanes end once they have done what they hold.
func (s *shard) finish(gone bool) {
	s.mu.Lock()
	s.end, s.gone = true, gone
	s.mu.Unlock()
	for _, l := range s.lanes {
		l.wake()
	}
}

// close tells the lanes that no record comes any more for the window that ends
// then.
func (s *shard) close(ends time.Time) {
	s.mu.Lock()
	for _, l := range s.lanes {
		l.over = ends
	}
	s.mu.Unlock()
	for _, l := range s.lanes {
		l.wake()
	}
}

// A step is what a lane has come forward: so many items, and the window that is
// open then.
type step struct {
	lane   *lane
	items  int
	window *window
}

// keep makes durable how far the shard has come, with a step if there is one,
// and what else belongs to it; until it is done. False means that the reader
// ends before.
func (s *shard) keep(p *step, others ...func(store.Tx) error) bool {
	if p != nil && len(others) == 0 { // whoever writes first may write it
		s.take(p)
		p = nil
	}
	for wait := againFirst; ; wait = min(2*wait, againLast) {
		err := s.save(p, others)
		if err == nil {
			s.kept()
			return true
		}
		s.r.m.c.Log.Error("what a mapping has done could not be written", "mapping", s.r.job.UUID, "shard", s.id, "error", err)
		if errors.Is(err, store.ErrClosed) || !sleep(s.r.ctx, wait) {
			return false
		}
	}
}

// save does so once. A step that belongs to something else counts only when both
// are written: who writes in between, as another lane may, does without it.
func (s *shard) save(p *step, others []func(store.Tx) error) error {
	own := 0
	err := s.r.m.c.DB.Update(context.WithoutCancel(s.r.ctx), func(tx store.Tx) error {
		for _, do := range others {
			if err := do(tx); err != nil {
				return err
			}
		}
		s.mu.Lock()
		k := s.marked(p)
		s.writes++
		own = s.writes
		s.mu.Unlock()
		return write(tx, s.r.job.UUID, s.id, k)
	})
	if err != nil || p == nil {
		return err
	}
	if s.take(p) != own {
		return s.save(nil, nil)
	}
	return nil
}

// take counts a step, and tells how often the mark was written by now.
func (s *shard) take(p *step) (writes int) {
	s.mu.Lock()
	s.mark = s.marked(p)
	p.lane.drop(p.items)
	writes = s.writes
	s.mu.Unlock()
	select {
	case s.freed <- struct{}{}:
	default:
	}
	return writes
}

// marked is the mark after a step. It is the caller's to hold the lock.
func (s *shard) marked(p *step) mark {
	k := s.mark
	n := len(k.Ahead)
	if n > 0 {
		k.Ahead = append([]ahead(nil), k.Ahead...)
		k.Ahead[n-1].Lanes = append([]source.Place(nil), k.Ahead[n-1].Lanes...)
	}
	if p != nil {
		k.Window = p.window
		if p.items > 0 {
			k.Ahead[n-1].Lanes[p.lane.number] = p.lane.items[p.items-1].Place
		}
	}
	k.From = s.low(p)
	k.trim()
	return k
}

// low is the place before the oldest record that is not done.
func (s *shard) low(p *step) source.Place {
	low, nth := s.at, s.read+1
	for _, l := range s.lanes {
		items := l.items
		if p != nil && p.lane == l {
			items = items[p.items:]
		}
		if len(items) > 0 && items[0].nth < nth {
			low, nth = items[0].before, items[0].nth
		}
	}
	return low
}
