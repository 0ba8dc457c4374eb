package code

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// A Store is a folder of unpacked code. Each thing in it is a directory with
// the name of its content, complete from the moment it has that name, and never
// changed. Its methods may be called from any goroutine; only one process may
// use a folder.
type Store struct {
	dir string

	mu   sync.Mutex               // guards busy
	busy map[string]chan struct{} // names being made or removed; closed when done
}

// unfinished begins the names of directories that are not complete, or no
// longer wanted.
const unfinished = ".unfinished-"

// Open opens the store in dir, and removes what a crash left unfinished.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("code: opening store: %w", err)
	}
	// Code is for the sandboxes, which mount what is theirs of it, and for nobody
	// else on the machine.
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o700)); err != nil {
		return nil, fmt.Errorf("code: opening store: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("code: opening store: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), unfinished) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return nil, fmt.Errorf("code: sweeping store: %w", err)
		}
	}
	return &Store{dir: dir, busy: map[string]chan struct{}{}}, nil
}

// Unpack returns the directory that holds what the archive holds. sha names the
// content: when it is there already, the archive is not read. Errors are
// Inspect's, ctx's, or the file system's; after one, nothing is left.
func (s *Store) Unpack(ctx context.Context, sha string, r io.ReaderAt, size int64) (dir string, err error) {
	if !regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,127}$`).MatchString(sha) || IsMerged(sha) {
		return "", fmt.Errorf("code: %q names no content", sha)
	}
	return s.make(ctx, sha, func(temp string) error {
		a, err := open(r, size, MaxUnzipped)
		if err != nil {
			return err
		}
		return a.unpack(ctx, temp)
	})
}

// merged begins the names of merged directories.
const merged = "merged-"

// Merge returns the directory that holds what dirs hold, each laid over those
// before it: what /opt shows of a function's layers. dirs come from Unpack. Of
// one directory it is that directory, of none "".
func (s *Store) Merge(ctx context.Context, dirs []string) (dir string, err error) {
	switch len(dirs) {
	case 0:
		return "", nil
	case 1:
		return dirs[0], nil
	}
	names := make([]string, len(dirs))
	for i, d := range dirs {
		if filepath.Dir(d) != s.dir {
			return "", fmt.Errorf("code: %s is not in the store", d)
		}
		names[i] = filepath.Base(d)
	}
	return s.make(ctx, MergedName(names), func(temp string) error {
		for _, d := range dirs {
			if err := overlay(ctx, d, temp); err != nil {
				return err
			}
		}
		return syncTree(ctx, temp)
	})
}

// MergedName is the name of the directory that Merge makes of two or more with
// these names.
func MergedName(names []string) string {
	h := sha256.New()
	for _, n := range names {
		fmt.Fprintf(h, "%s\n", n)
	}
	return merged + hex.EncodeToString(h.Sum(nil))
}

// IsMerged tells whether a directory of this name was made by Merge.
func IsMerged(name string) bool { return strings.HasPrefix(name, merged) }

// Keep removes every directory whose name, the last element of what Unpack and
// Merge return, is not in use. It asks just before it removes; one that comes
// into use later is made anew by Unpack or Merge.
func (s *Store) Keep(inUse func(name string) bool) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("code: listing store: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			continue
		}
		errs = append(errs, s.drop(e.Name(), inUse))
	}
	return errors.Join(errs...)
}

// drop removes one directory, from sight first.
func (s *Store) drop(name string, inUse func(string) bool) error {
	release, err := s.claim(context.Background(), name)
	if err != nil {
		return err
	}
	defer release()
	if inUse(name) {
		return nil
	}
	gone, err := os.MkdirTemp(s.dir, unfinished+"*")
	if err != nil {
		return fmt.Errorf("code: removing %s: %w", name, err)
	}
	err = os.Rename(filepath.Join(s.dir, name), filepath.Join(gone, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, os.RemoveAll(gone)); err != nil {
		return fmt.Errorf("code: removing %s: %w", name, err)
	}
	return nil
}

// make returns the directory called name, filled by fill unless it is there.
func (s *Store) make(ctx context.Context, name string, fill func(temp string) error) (string, error) {
	release, err := s.claim(ctx, name)
	if err != nil {
		return "", err
	}
	defer release()
	dir := filepath.Join(s.dir, name)
	if _, err := os.Lstat(dir); err == nil {
		return dir, nil
	}
	temp, err := os.MkdirTemp(s.dir, unfinished+"*")
	if err != nil {
		return "", fmt.Errorf("code: making %s: %w", name, err)
	}
	defer os.RemoveAll(temp) // nothing is there any more once it has its name
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", fmt.Errorf("code: making %s: %w", name, err)
	}
	if err := fill(temp); err != nil {
		return "", err
	}
	if err := os.Rename(temp, dir); err != nil {
		return "", fmt.Errorf("code: making %s: %w", name, err)
	}
	return dir, syncPath(s.dir)
}

// claim waits until nobody else makes or removes name, and takes it.
func (s *Store) claim(ctx context.Context, name string) (release func(), err error) {
	mine := make(chan struct{})
	for {
		s.mu.Lock()
		other, taken := s.busy[name]
		if !taken {
			s.busy[name] = mine
		}
		s.mu.Unlock()
		if !taken {
			break
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func() {
		s.mu.Lock()
		delete(s.busy, name)
		s.mu.Unlock()
		close(mine)
	}, nil
}
