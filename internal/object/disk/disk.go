// Package disk keeps objects on this machine: contents as files, all else in SQL.
//
// A content is written to a file of its own under a new name, and brought to the disk
// with its folder before one transaction makes it an object. So an object is whole
// or not there, whenever the machine stops; a file that no row knows is swept at the
// next start. Small contents are rows themselves: many of them share one
// commit, which is several times as fast as a file each.
//
// An object's content is a list of segments of files. So copies, and uploads
// that come in parts, take no byte twice.
package disk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Config says where a Store is.
type Config struct {
	Dir string   // of the contents' files; nothing else may be in it
	DB  store.DB // of all else; it stays the caller's
	Log *slog.Logger
	Now func() time.Time // nil means time.Now

	// Inline is the size in bytes up to which a content is a row; 16 KiB.
	Inline int
}

// A Store is an object.Store on this machine's disk.
type Store struct {
	c  Config
	db store.DB

	mu     sync.Mutex     // guards what is below
	pinned map[string]int // files that readers have, and how many
	doomed map[string]bool

	news news

	stop   context.CancelFunc // ends what expires objects
	ending chan struct{}      // is closed when it has
}

var _ object.Store = (*Store)(nil)

// Open opens the store, and removes what an earlier process left unfinished.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Inline == 0 {
		c.Inline = 16 << 10
	}
	s := &Store{c: c, db: c.DB, pinned: map[string]int{}, doomed: map[string]bool{}, news: news{came: make(chan struct{})}, ending: make(chan struct{})}
	if err := c.DB.Migrate(ctx, "object", schema()...); err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	if err := os.RemoveAll(s.temp()); err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	if err := os.MkdirAll(s.temp(), 0o700); err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	if err := s.sweep(ctx); err != nil {
		return nil, fmt.Errorf("object: sweep: %w", err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go func() { defer close(s.ending); s.expireAlways(run) }()
	return s, nil
}

func (s *Store) temp() string { return filepath.Join(s.c.Dir, "tmp") }

// path is where a file is: in one of 256 folders, by the beginning of its random name.
func (s *Store) path(file string) string { return filepath.Join(s.c.Dir, file[:2], file) }

// sweep removes the files that no row knows.
func (s *Store) sweep(ctx context.Context) error {
	folders, err := os.ReadDir(s.c.Dir)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if !folder.IsDir() || len(folder.Name()) != 2 {
			continue
		}
		if err := s.sweepFolder(ctx, folder.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepFolder(ctx context.Context, folder string) error {
	known := map[string]bool{}
	err := s.db.View(ctx, func(tx store.Tx) error {
		return tx.Each(`SELECT id FROM object_file WHERE id >= ? AND id < ?`, []any{folder, folder + "~"}, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			known[id] = true
			return err
		})
	})
	if err != nil {
		return err
	}
	files, err := os.ReadDir(filepath.Join(s.c.Dir, folder))
	if err != nil {
		return err
	}
	for _, f := range files {
		if known[f.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(s.c.Dir, folder, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// pin keeps files from being removed until unpin. It reports whether all are there.
func (s *Store) pin(segments []segment) bool {
	s.mu.Lock()
	for _, g := range segments {
		if !g.Inline {
			s.pinned[g.File]++
		}
	}
	s.mu.Unlock()
	for _, g := range segments {
		if g.Inline {
			continue
		}
		if _, err := os.Stat(s.path(g.File)); err != nil {
			s.unpin(segments)
			return false
		}
	}
	return true
}

func (s *Store) unpin(segments []segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range segments {
		if g.Inline {
			continue
		}
		if s.pinned[g.File]--; s.pinned[g.File] > 0 {
			continue
		}
		delete(s.pinned, g.File)
		if s.doomed[g.File] {
			delete(s.doomed, g.File)
			s.removeFile(g.File)
		}
	}
}

// remove removes files that no row knows any more, once nobody reads them.
func (s *Store) remove(files []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		if s.pinned[f] > 0 {
			s.doomed[f] = true
		} else {
			s.removeFile(f)
		}
	}
}

// removeFile removes one. What stays is swept at the next start.
func (s *Store) removeFile(file string) {
	if err := os.Remove(s.path(file)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.c.Log.Warn("remove an object's file", "err", err)
	}
}

// Close ends what waits for changes, and what expires objects. The database stays open.
func (s *Store) Close() error {
	s.news.end()
	s.stop()
	<-s.ending
	return nil
}
