package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// A shard is one that is read. Its own goroutine reads and spreads records over
// the lanes; records of one key are all in one lane.
type shard struct {
	r     *reader
	id    string
	lanes []*lane
	freed chan struct{} // has one element when a lane has got room
	dirty chan struct{} // has one element when the mark is to be written

	mu   sync.Mutex // guards what follows, and what lanes say it does
	mark mark
	at   source.Place // all before it is in the lanes, or done
	read int64        // how many records
	end  bool         // no more records come
	gone bool         // the shard does not exist any more

	writes int           // of the mark
	steps  int           // that were taken, and other reasons to write it
	saved  int           // of those, on disk
	moved  chan struct{} // closed and replaced when saved has changed
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
	s := &shard{r: r, id: id, freed: make(chan struct{}, 1), dirty: make(chan struct{}, 1), moved: make(chan struct{}), mark: k, at: k.From}
	for i := range factor {
		s.lanes = append(s.lanes, newLane(s, i))
	}
	return s
}

// run reads the shard to its end, or until the reader ends.
func (s *shard) run() {
	var writer sync.WaitGroup
	end := make(chan struct{})
	writer.Go(func() { s.write(end) })
	s.work()
	close(end)
	writer.Wait()
	done, kept := s.finished(), s.keep(nil)
	switch {
	case !done:
	case s.gone:
		s.r.vanished(s.id)
	case kept:
		s.r.ended(s.id, s.mark)
	}
}

// work reads, and returns once the lanes have done what they can.
func (s *shard) work() {
	if s.mark.Window != nil && s.r.job.Tumbling == 0 && !s.lanes[0].finalize() {
		return
	}
	var lanes sync.WaitGroup
	for _, l := range s.lanes {
		lanes.Go(l.run)
	}
	s.readAll()
	lanes.Wait()
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
	most := min(max(s.r.job.BatchSize*len(s.lanes), leastPage), maxPage)
	page, err = s.r.job.Stream.Read(ctx, s.r.job.Source, s.id, s.at, most)
	return page, err != nil && ctx.Err() != nil, err
}

// How many records are read at once: enough for all lanes, but no few, as a read
// may be a call of another server.
const (
	leastPage = 100
	maxPage   = 10000
)

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
		s.soil()
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
