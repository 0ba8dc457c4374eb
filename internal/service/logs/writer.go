package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	flushEvery = 5 * time.Second  // how often what streams look like goes to SQL
	sweepEvery = 10 * time.Minute // how often retention is looked after
	openFiles  = 128              // how many slices are kept open for appending
)

// An address names a stream, a place is where it is.
type (
	address struct{ group, stream string }
	place   struct{ group, stream int64 }
)

// A stat is what a stream looks like from outside.
type stat struct{ first, last, ingested int64 }

// A writer is the one goroutine that changes slices. Nothing of it is shared.
type writer struct {
	*Book
	places map[address]place
	files  map[*slice]*os.File
	dirty  map[int64]stat // by stream: what SQL does not know yet
	total  int64          // bytes in all slices
	lost   losses
}

// losses counts the lines that could not be written. A full disk is told once a
// minute, with what it cost, and not at every line: that would fill what is left.
type losses struct {
	lines int
	told  time.Time
}

const tellEvery = time.Minute

// lose notes that the entries of j, which nobody waits for, are gone.
func (w *writer) lose(j *job, err error) {
	if j.done != nil {
		return // its caller learns of it
	}
	w.lost.lines += len(j.entries)
	if now := w.now(); w.lost.told.IsZero() || now.Sub(w.lost.told) >= tellEvery {
		w.log.Error("logs: lines of functions are lost", slog.Int("lines", w.lost.lines), slog.Any("error", err))
		w.lost = losses{told: now}
	}
}

// run does what comes through the queue until that is closed and empty.
func (w *writer) run(ctx context.Context) {
	defer close(w.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	w.sweep(ctx)
	swept := w.now()
	for closed := false; !closed; {
		select {
		case <-w.queue.wake:
			var jobs []*job
			jobs, closed = w.queue.take()
			w.work(ctx, jobs)
		case <-tick.C:
			w.warn("keep stream times", w.flush(ctx))
			if w.now().Sub(swept) >= sweepEvery {
				w.sweep(ctx)
				swept = w.now()
			}
		}
	}
	w.warn("keep stream times", w.flush(ctx))
	for s := range w.files {
		w.closeFile(s)
	}
}

// work does jobs in order, neighbouring puts together.
func (w *writer) work(ctx context.Context, jobs []*job) {
	for len(jobs) > 0 {
		n := 0
		for n < len(jobs) && jobs[n].do == nil {
			n++
		}
		w.put(ctx, jobs[:n])
		if n < len(jobs) {
			jobs[n].finish(jobs[n].do())
			n++
		}
		jobs = jobs[n:]
	}
}

func (j *job) finish(err error) {
	if j.done != nil {
		j.done <- err
	}
}

// put writes the entries of jobs, in one go where it can.
func (w *writer) put(ctx context.Context, jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	failed := w.resolve(ctx, jobs)
	chunks := w.lay(jobs, failed)
	for _, c := range chunks {
		if err := w.write(c); err != nil {
			for _, j := range c.jobs {
				failed[j] = err
			}
		}
	}
	if w.total > w.maxBytes {
		w.shrink()
	}
	for _, j := range jobs {
		if err := failed[j]; err != nil {
			w.lose(j, err)
		}
		j.finish(failed[j])
	}
}

// resolve finds the places of jobs' streams and makes those that the engine
// writes to and that are not there. It tells which jobs have no place.
func (w *writer) resolve(ctx context.Context, jobs []*job) map[*job]error {
	if len(w.places) > maxPlaces {
		clear(w.places)
	}
	var unknown []*job
	for _, j := range jobs {
		if _, ok := w.places[j.address()]; !ok {
			unknown = append(unknown, j)
		}
	}
	failed := map[*job]error{}
	if len(unknown) == 0 {
		return failed
	}
	found, err := w.locateAll(ctx, unknown, failed)
	if errors.Is(err, store.ErrConflict) { // the API has just made one of them
		found, err = w.locateAll(ctx, unknown, failed)
	}
	if err != nil {
		for _, j := range unknown {
			failed[j] = err
		}
		return failed
	}
	for a, p := range found {
		w.places[a] = p
	}
	return failed
}

// locateAll finds or makes the places of jobs' streams. What is not there and
// must be goes to failed.
func (w *writer) locateAll(ctx context.Context, jobs []*job, failed map[*job]error) (found map[address]place, err error) {
	err = w.db.Update(ctx, func(tx store.Tx) error {
		clear(failed)
		found = map[address]place{}
		for _, j := range jobs {
			p, err := w.locate(tx, j)
			switch {
			case err == nil:
				found[j.address()] = p
			case errors.Is(err, errNoGroup), errors.Is(err, errNoStream):
				failed[j] = err
			default:
				return err
			}
		}
		return nil
	})
	return found, err
}

// maxPlaces bounds how many streams' places the writer remembers.
const maxPlaces = 20_000

func (j *job) address() address { return address{j.group, j.stream} }

// locate finds or makes the place of j's stream.
func (w *writer) locate(tx store.Tx, j *job) (place, error) {
	g, err := groupID(tx, j.group)
	if errors.Is(err, errNoGroup) && !j.existing {
		g, err = w.insertGroup(tx, groupRow{name: j.group, class: "STANDARD"})
	}
	if err != nil {
		return place{}, err
	}
	s, err := streamID(tx, g, j.stream)
	if errors.Is(err, errNoStream) && !j.existing {
		s, err = w.insertStream(tx, g, j.stream)
	}
	return place{g, s}, err
}

// A chunk is what goes into one slice at once.
type chunk struct {
	group, day int64
	frames     []byte
	runs       []run // their offsets come when they are written
	jobs       []*job
	sync       bool
}

// lay turns jobs into chunks: by stream, so that blocks grow large, and by day.
func (w *writer) lay(jobs []*job, failed map[*job]error) []*chunk {
	var order []address
	streams := map[address][]*job{}
	for _, j := range jobs {
		if failed[j] == nil {
			a := j.address()
			if streams[a] == nil {
				order = append(order, a)
			}
			streams[a] = append(streams[a], j)
		}
	}
	var chunks []*chunk
	byDay := map[[2]int64]*chunk{}
	for _, a := range order {
		p := w.places[a]
		l := layer{w: w, place: p, chunk: func(d int64) *chunk {
			k := [2]int64{p.group, d}
			if byDay[k] == nil {
				byDay[k] = &chunk{group: p.group, day: d}
				chunks = append(chunks, byDay[k])
			}
			return byDay[k]
		}}
		for _, j := range streams[a] {
			l.add(j)
		}
		l.end()
	}
	return chunks
}

// A layer lays one stream's entries into blocks.
type layer struct {
	w       *writer
	place   place
	chunk   func(day int64) *chunk
	entries []entry // of the block that is being gathered
	bytes   int
	day     int64
}

func (l *layer) add(j *job) {
	for _, e := range j.entries {
		d := e.at / day
		if len(l.entries) > 0 && (d != l.day || l.bytes+size(e.message) > blockBytes) {
			l.end()
		}
		l.entries, l.bytes, l.day = append(l.entries, e), l.bytes+size(e.message), d
		c := l.chunk(d)
		c.sync = c.sync || j.existing
		if n := len(c.jobs); n == 0 || c.jobs[n-1] != j {
			c.jobs = append(c.jobs, j)
		}
	}
}

// end makes a block of what was gathered.
func (l *layer) end() {
	if len(l.entries) == 0 {
		return
	}
	n := int64(len(l.entries))
	seq := l.w.clock.take(n)
	c := l.chunk(l.day)
	before := len(c.frames)
	c.frames = appendFrame(c.frames, l.place.stream, seq, l.entries)
	r := run{stream: l.place.stream, size: int64(len(c.frames) - before), last: seq + n - 1}
	r.min, r.max = l.entries[0].at, l.entries[0].at
	for _, e := range l.entries {
		r.min, r.max = min(r.min, e.at), max(r.max, e.at)
	}
	c.runs = append(c.runs, r)
	l.entries, l.bytes = nil, 0
}

// write appends c to its slice.
func (w *writer) write(c *chunk) error {
	s, err := w.slice(c)
	if err != nil {
		return err
	}
	f, err := w.open(s)
	if err != nil {
		return err
	}
	end := s.bytes()
	if _, err := f.WriteAt(c.frames, end); err != nil {
		// Half a chunk would be cut off as torn; later chunks must not hide it.
		return errors.Join(fmt.Errorf("append to slice: %w", err), f.Truncate(end))
	}
	if c.sync {
		if err := errors.Join(f.Sync(), w.shelves.of(c.group).keep(s)); err != nil {
			return errors.Join(fmt.Errorf("sync slice: %w", err), f.Truncate(end))
		}
	}
	s.grow(c.runs)
	w.total += int64(len(c.frames))
	for _, r := range c.runs {
		w.touch(r)
	}
	return nil
}

// slice picks the slice that c goes to, a new one if the last part is full.
func (w *writer) slice(c *chunk) (*slice, error) {
	sh := w.shelves.of(c.group)
	if s := sh.last(c.day); s != nil {
		ok, err := s.mend()
		if err != nil {
			return nil, err
		}
		w.indexes.track(s)
		if !ok {
			w.log.Error("log slice is damaged, its end is not read", slog.String("file", s.path))
		}
		if ok && s.bytes()+int64(len(c.frames)) <= w.sliceBytes {
			return s, nil
		}
		w.closeFile(s)
	}
	s, err := sh.create(c.day)
	if err != nil {
		return nil, err
	}
	w.indexes.track(s)
	w.total += int64(len(magic))
	return s, nil
}

// open returns s open for writing.
func (w *writer) open(s *slice) (*os.File, error) {
	if f := w.files[s]; f != nil {
		return f, nil
	}
	for old := range w.files {
		if len(w.files) < openFiles {
			break
		}
		w.closeFile(old)
	}
	f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open slice: %w", err)
	}
	w.files[s] = f
	return f, nil
}

func (w *writer) closeFile(s *slice) {
	if f := w.files[s]; f != nil {
		w.warn("close slice", f.Close())
		delete(w.files, s)
	}
}

func (w *writer) warn(what string, err error) {
	if err != nil {
		w.log.Error("logs: "+what, slog.Any("error", err))
	}
}
