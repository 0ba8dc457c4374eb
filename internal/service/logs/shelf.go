package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// A shelf holds one group's slices.
type shelf struct {
	dir string

	mu     sync.RWMutex // guards slices; a slice's mu may be taken inside it
	slices []*slice     // by age
	parts  int          // highest part that ever was, so that no name comes back
}

// openShelf lists what is in dir, which need not exist.
func openShelf(dir string) (*shelf, error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list slices: %w", err)
	}
	s := &shelf{dir: dir}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return nil, fmt.Errorf("list slices: %w", err)
		}
		if sl, ok := parseSlice(dir, info); ok {
			s.slices, s.parts = append(s.slices, sl), max(s.parts, sl.part)
		}
	}
	slices.SortFunc(s.slices, byAge)
	return s, nil
}

// list copies the slices, oldest first.
func (s *shelf) list() []*slice {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.slices)
}

// size is how many bytes the shelf holds.
func (s *shelf) size() int64 {
	n := int64(0)
	for _, sl := range s.list() {
		n += sl.bytes()
	}
	return n
}

// last is the newest part of day d, nil if there is none.
func (s *shelf) last(d int64) *slice {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, sl := range slices.Backward(s.slices) {
		if sl.day == d {
			return sl
		}
	}
	return nil
}

// create starts a new part of day d. Only the writer calls it.
func (s *shelf) create(d int64) (*slice, error) {
	s.mu.Lock()
	s.parts++
	part := s.parts
	s.mu.Unlock()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("create slice: %w", err)
	}
	name := sliceName(d, part)
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(magic), 0o600); err != nil {
		return nil, fmt.Errorf("create slice: %w", err)
	}
	sl := &slice{path: filepath.Join(s.dir, name), day: d, part: part, size: int64(len(magic)), loaded: true, ready: true, span: empty()}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, _ := slices.BinarySearchFunc(s.slices, sl, byAge)
	s.slices = slices.Insert(s.slices, at, sl)
	return sl, nil
}

// keep makes the name of sl durable, which is needed once: when the first of its
// events must survive a power cut. A day's first lines of a thousand groups
// would else wait for the disk two thousand times.
func (s *shelf) keep(sl *slice) error {
	if sl.kept {
		return nil
	}
	for _, dir := range []string{s.dir, filepath.Dir(s.dir)} {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	sl.kept = true
	return nil
}

// drop unlinks sl. A reader that has it open reads on.
func (s *shelf) drop(sl *slice) error {
	if err := os.Remove(sl.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop slice: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slices = slices.DeleteFunc(s.slices, func(o *slice) bool { return o == sl })
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// shelves are all groups' shelves, by the group's id.
type shelves struct {
	dir string

	mu  sync.RWMutex // guards all; a shelf's mu may be taken inside it
	all map[int64]*shelf
}

// openShelves lists the folders in dir. known tells which groups there are:
// what was left of others by a crash is removed.
func openShelves(dir string, known map[int64]bool) (*shelves, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open log folder: %w", err)
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open log folder: %w", err)
	}
	s := &shelves{dir: dir, all: map[int64]*shelf{}}
	for _, f := range folders {
		id, err := strconv.ParseInt(f.Name(), 16, 64)
		if err != nil || !f.IsDir() {
			continue
		}
		if !known[id] {
			if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
				return nil, fmt.Errorf("remove deleted group: %w", err)
			}
			continue
		}
		if s.all[id], err = openShelf(s.path(id)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *shelves) path(id int64) string {
	return filepath.Join(s.dir, strconv.FormatInt(id, 16))
}

// of returns a group's shelf.
func (s *shelves) of(id int64) *shelf {
	s.mu.RLock()
	sh := s.all[id]
	s.mu.RUnlock()
	if sh != nil {
		return sh
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[id] == nil {
		s.all[id] = &shelf{dir: s.path(id)}
	}
	return s.all[id]
}

// each calls fn for every shelf.
func (s *shelves) each(fn func(id int64, sh *shelf)) {
	s.mu.RLock()
	all := make(map[int64]*shelf, len(s.all))
	for id, sh := range s.all {
		all[id] = sh
	}
	s.mu.RUnlock()
	for id, sh := range all {
		fn(id, sh)
	}
}

// remove drops a group's shelf and its files.
func (s *shelves) remove(id int64) error {
	s.mu.Lock()
	delete(s.all, id)
	s.mu.Unlock()
	if err := os.RemoveAll(s.path(id)); err != nil {
		return fmt.Errorf("remove group: %w", err)
	}
	return nil
}
