// Package blob keeps large byte strings as files named by their SHA-256.
//
// A blob is in place once, whole and on disk, or not at all: it is written to a
// temporary file, synced, and renamed. Who uses a blob is the business of the
// room that put it; Each lists what there is, so that the unused can be deleted.
package blob

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
	"strings"
)

// ErrMissing says that there is no such blob. It is also an fs.ErrNotExist.
var ErrMissing = fmt.Errorf("blob: no such blob: %w", fs.ErrNotExist)

// ErrName says that a text is not the name of a blob: 64 hexadecimal digits in
// lower case.
var ErrName = errors.New("blob: not a SHA-256 in hexadecimal")

// tmpDir is the folder for files that are being written. It is inside the
// store's own, so that a rename never crosses file systems.
const tmpDir = "tmp"

// A Store is a folder of blobs. One process owns it; its methods may be called
// from any goroutine.
type Store struct{ dir string }

// A Ref names a blob.
type Ref struct {
	SHA256 string // 64 hexadecimal digits
	Size   int64  // bytes
}

// Open opens the blobs in dir, and makes dir if it is missing. What an earlier
// process left half written is removed.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir}
	if err := os.RemoveAll(filepath.Join(dir, tmpDir)); err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, tmpDir), 0o700); err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", dir, err)
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", dir, err)
	}
	return s, nil
}

// Put keeps what r reads to its end and returns once it is on disk. Putting
// the same bytes again changes nothing. An error of r comes back wrapped.
func (s *Store) Put(ctx context.Context, r io.Reader) (Ref, error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "put-") // mode 0600
	if err != nil {
		return Ref{}, fmt.Errorf("blob: put: %w", err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), reader{ctx, r})
	if err != nil {
		return Ref{}, fmt.Errorf("blob: put: %w", err)
	}
	ref := Ref{hex.EncodeToString(h.Sum(nil)), n}
	if err := s.keep(f, ref); err != nil {
		return Ref{}, fmt.Errorf("blob: put %s: %w", ref.SHA256, err)
	}
	return ref, nil
}

// keep moves the whole temporary file f into place, durably.
func (s *Store) keep(f *os.File, ref Ref) error {
	path := s.Path(ref.SHA256)
	dir := filepath.Dir(path)
	if i, err := os.Stat(path); err != nil || i.Size() != ref.Size {
		if err := f.Sync(); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Rename(f.Name(), path); err != nil {
			return err
		}
	}
	// Every folder on the way, and also when the blob was there: whoever made
	// them a moment ago, or before a crash, may not have come this far.
	for _, d := range []string{dir, filepath.Dir(dir), s.dir} {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	return nil
}

// Path answers where the blob sha is, or would be. It is for readers: the file
// must not be changed. sha must be a blob's name.
func (s *Store) Path(sha string) string {
	if !valid(sha) {
		// A name that no blob has, inside the folder whatever sha contains.
		return filepath.Join(s.dir, "none")
	}
	return filepath.Join(s.dir, sha[:2], sha[2:4], sha)
}

// Open opens the blob sha for reading; ErrMissing when there is none.
func (s *Store) Open(sha string) (*os.File, error) {
	if !valid(sha) {
		return nil, fmt.Errorf("%w: %.80q", ErrName, sha)
	}
	f, err := os.Open(s.Path(sha))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrMissing, sha)
	}
	return f, err
}

// Verify reads the blob sha and tells whether it is still what its name says.
func (s *Store) Verify(sha string) error {
	f, err := s.Open(sha)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("blob: verify %s: %w", sha, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sha {
		return fmt.Errorf("blob: %s is damaged: its bytes are those of %s", sha, got)
	}
	return nil
}

// Delete removes the blob sha. That there is none is no error. Who has it open
// keeps reading it.
func (s *Store) Delete(sha string) error {
	if !valid(sha) {
		return fmt.Errorf("%w: %.80q", ErrName, sha)
	}
	if err := os.Remove(s.Path(sha)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: delete: %w", err)
	}
	return nil
}

// Each calls fn for every blob, in the order of their names, until fn returns
// an error, which it then returns. fn may delete.
func (s *Store) Each(fn func(sha string, size int64) error) error {
	return filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir():
			if path == filepath.Join(s.dir, tmpDir) {
				return fs.SkipDir
			}
			return nil
		case !valid(d.Name()) || path != s.Path(d.Name()):
			return nil
		}
		i, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		return fn(d.Name(), i.Size())
	})
}

func valid(sha string) bool {
	return len(sha) == 64 && strings.Trim(sha, "0123456789abcdef") == ""
}

// A reader stops at the end of ctx.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// syncDir puts the names in dir on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
