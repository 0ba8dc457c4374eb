package logs

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// day is how much time a slice spans, in milliseconds.
const day = int64(24 * time.Hour / time.Millisecond)

// A slice is one file: events of one group that happened on one day (UTC). A
// day that grows large has several parts.
type slice struct {
	path string
	day  int64 // days since 1970
	part int
	kept bool // its name survives a power cut; the writer's alone

	mu     sync.RWMutex // guards what follows
	size   int64        // good bytes when ready, the file's size before that
	runs   []run        // the index, when it is loaded
	loaded bool
	ready  bool // the writer has seen to its end and appends to it
	span   span // of all events: stays when the index is forgotten

	modified int64 // when the file was last written before we opened it, in milliseconds
}

// sliceName is the file's name: 2026-11-23-001.log.
func sliceName(d int64, part int) string {
	return fmt.Sprintf("%s-%03d.log", time.UnixMilli(d*day).UTC().Format(time.DateOnly), part)
}

// parseSlice reads a slice's name.
func parseSlice(dir string, info fs.FileInfo) (*slice, bool) {
	name := info.Name()
	stem, ok := strings.CutSuffix(name, ".log")
	if !ok || len(stem) < len(time.DateOnly)+2 {
		return nil, false
	}
	t, err := time.Parse(time.DateOnly, stem[:len(time.DateOnly)])
	part, err2 := strconv.Atoi(stem[len(time.DateOnly)+1:])
	if err != nil || err2 != nil {
		return nil, false
	}
	return &slice{
		path: filepath.Join(dir, name), day: t.UnixMilli() / day, part: part,
		size: info.Size(), modified: info.ModTime().UnixMilli(),
	}, true
}

// byAge orders slices, oldest first.
func byAge(a, b *slice) int { return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.part, b.part)) }

func (s *slice) bytes() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.size
}

// A span is from the earliest to the latest time of some events.
type span struct {
	known    bool
	min, max int64
}

// with is the span of sp's events and of r's.
func (sp span) with(r run) span { return span{sp.known, min(sp.min, r.min), max(sp.max, r.max)} }

// empty is the span of no events.
func empty() span { return span{known: true, min: math.MaxInt64, max: math.MinInt64} }

func spanOf(runs []run) span {
	sp := empty()
	for _, r := range runs {
		sp = sp.with(r)
	}
	return sp
}

// spans tells the time of the slice's events; all of its day when nobody has
// looked into it yet.
func (s *slice) spans() (from, to int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.span.known {
		return s.day * day, (s.day+1)*day - 1
	}
	return s.span.min, s.span.max
}

// index loads the index if it is not there, and tells how many runs it has
// loaded. A file that is gone has no runs. What the writer appends meanwhile
// lies behind size and comes with grow.
func (s *slice) index() (loaded int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded {
		return 0, nil
	}
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		s.loaded, s.size, s.span = true, 0, empty()
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("open slice: %w", err)
	}
	defer f.Close()
	runs, _, err := scan(io.LimitReader(f, s.size))
	if err != nil {
		return 0, err
	}
	s.runs, s.loaded, s.span = runs, true, spanOf(runs)
	return len(runs), nil
}

// forget drops the index and tells how much of it there was.
func (s *slice) forget() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.runs)
	s.runs, s.loaded = nil, false
	return n
}

// find lists the runs that may hold an event of q; false when the index is not
// in memory.
func (s *slice) find(q *query) ([]run, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []run
	for _, r := range s.runs {
		if r.max >= q.from && r.min < q.to && q.wants(r.stream) {
			found = append(found, r)
		}
	}
	return found, s.loaded
}

// each calls fn for every run.
func (s *slice) each(fn func(run)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.runs {
		fn(r)
	}
}

// grow enters what was appended at the end.
func (s *slice) grow(rs []run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rs {
		r.off = s.size
		if s.loaded {
			s.runs = add(s.runs, r)
		}
		s.span = s.span.with(r)
		s.size += r.size
	}
}

// mend sees to the end of a file that an earlier process wrote: a torn frame is
// cut off. It tells whether the slice may be appended to; one that is damaged
// in the middle is left as it is.
func (s *slice) mend() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready {
		return true, nil
	}
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return false, fmt.Errorf("mend slice: %w", err)
	}
	defer f.Close()
	runs, good, err := scan(f)
	if err != nil {
		return false, err
	}
	if good < s.size {
		if good == 0 || !torn(f, good, s.size) {
			return false, nil
		}
		if err := f.Truncate(good); err != nil {
			return false, fmt.Errorf("mend slice: %w", err)
		}
	}
	s.runs, s.size, s.loaded, s.ready, s.span = runs, good, true, true, spanOf(runs)
	return true, nil
}

// torn tells whether what is at good is the file's last frame, which a crash
// may have left unfinished.
func torn(f io.ReaderAt, good, size int64) bool {
	var head [frameHead]byte
	if n, _ := f.ReadAt(head[:], good); n < frameHead {
		return true
	}
	return good+frameHead+int64(binary.LittleEndian.Uint32(head[:])) >= size
}

// weight is how many entries of the index are in memory.
func (s *slice) weight() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.runs)
}
