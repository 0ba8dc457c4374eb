package disk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A content is one that was read to its end, and is nobody's yet: a small one is in
// memory, a larger one is a file on the disk.
type content struct {
	segment segment
	data    []byte // of a small one
	etag    string
	sums    map[string]string // by algorithm, base64
}

// receive reads a content to its end.
func (s *Store) receive(from io.Reader, algorithms []string, check func(int64, map[string]string) error) (*content, error) {
	d, err := newDigests(algorithms)
	if err != nil {
		return nil, err
	}
	c := &content{segment: segment{File: newID()}}
	head := make([]byte, s.c.Inline+1)
	n, err := io.ReadFull(from, head)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		c.data, c.segment.Inline, c.segment.Size = head[:n], true, int64(n)
		d.writer().Write(c.data) // hashes do not fail
	case err != nil:
		return nil, err
	default:
		if c.segment.Size, err = s.writeFile(c.segment.File, io.TeeReader(io.MultiReader(bytes.NewReader(head), from), d.writer())); err != nil {
			return nil, err
		}
	}
	c.etag, c.sums = d.etag(), d.sums()
	if check != nil {
		if err := check(c.segment.Size, c.sums); err != nil {
			s.drop(c)
			return nil, err
		}
	}
	return c, nil
}

// newID is a random name.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// copyBuffer is large enough that a system call is little beside its work.
const copyBuffer = 1 << 20

// writeFile makes a file, and returns its size once it is on the disk.
func (s *Store) writeFile(id string, from io.Reader) (n int64, err error) {
	temp := filepath.Join(s.temp(), id)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, space(err)
	}
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	n, err = io.CopyBuffer(struct{ io.Writer }{f}, from, make([]byte, copyBuffer))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return 0, space(err)
	}
	return n, space(s.place(temp, id))
}

// place gives a file its name.
func (s *Store) place(temp, id string) error {
	path := s.path(id)
	folder := filepath.Dir(path)
	if err := os.Mkdir(folder, 0o700); err == nil {
		if err := syncFolder(s.c.Dir); err != nil {
			return err
		}
	} else if !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	if err := syncFolder(folder); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// drop removes what became nobody's.
func (s *Store) drop(c *content) {
	if !c.segment.Inline {
		s.removeFile(c.segment.File)
	}
}

// keep makes c something's: its file is counted once.
func (c *content) keep(tx store.Tx) error {
	data := []byte(nil)
	if c.segment.Inline {
		data = c.data
		if data == nil {
			data = []byte{}
		}
	}
	_, err := tx.Exec(`INSERT INTO object_file (id, refs, data) VALUES (?, 1, ?)`, c.segment.File, data)
	return err
}

// A reader reads the segments of a content one after the other. It holds them
// until it is closed.
type reader struct {
	s        *Store
	segments []segment
	inline   map[string][]byte
	size     int64
	at       int64

	mu   sync.Mutex // guards what is below
	open map[string]*os.File
	done bool
}

// open reads a row and pins what it consists of. Whoever removes a file meanwhile makes
// it read again.
func (s *Store) openRow(ctx context.Context, find func(store.Tx) (row, error)) (row, *reader, error) {
	for {
		inline := map[string][]byte{}
		r, err := store.Read(ctx, s.db, func(tx store.Tx) (row, error) {
			r, err := find(tx)
			if err != nil {
				return r, err
			}
			return r, readInline(tx, r.Segments, inline)
		})
		if err != nil {
			return r, nil, err
		}
		if s.pin(r.Segments) {
			return r, &reader{s: s, segments: r.Segments, inline: inline, size: r.size, open: map[string]*os.File{}}, nil
		}
		if err := s.lost(ctx, r, find); err != nil {
			return r, nil, err
		}
	}
}

// lost tells a file that was removed with its object from one that is missing.
func (s *Store) lost(ctx context.Context, r row, find func(store.Tx) (row, error)) error {
	again, err := store.Read(ctx, s.db, find)
	if err == nil && again.seq == r.seq {
		err = fmt.Errorf("object: a file of %s/%q is missing", r.bucket, r.key)
	}
	return err
}

func readInline(tx store.Tx, segments []segment, into map[string][]byte) error {
	for _, g := range segments {
		if !g.Inline {
			continue
		}
		var data []byte
		if err := tx.Get([]any{&data}, `SELECT data FROM object_file WHERE id = ?`, g.File); err != nil {
			return err
		}
		into[g.File] = data
	}
	return nil
}

// ReadAt implements io.ReaderAt.
func (r *reader) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errors.New("object: read before the beginning")
	}
	n := 0
	start := int64(0)
	for _, g := range r.segments {
		if within := at + int64(n) - start; within < g.Size && n < len(b) {
			m, err := r.readSegment(g, b[n:min(int64(len(b)), int64(n)+g.Size-within)], g.Offset+within)
			n += m
			if err != nil {
				return n, err
			}
		}
		start += g.Size
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (r *reader) readSegment(g segment, b []byte, at int64) (int, error) {
	if g.Inline {
		return copy(b, r.inline[g.File][at:]), nil
	}
	f, err := r.file(g.File)
	if err != nil {
		return 0, err
	}
	n, err := f.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the row says that there is more
	}
	return n, err
}

// file opens a file, once.
func (r *reader) file(id string) (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return nil, os.ErrClosed
	}
	if f := r.open[id]; f != nil {
		return f, nil
	}
	for other, f := range r.open { // contents of thousands of parts are read from the front to the back
		f.Close()
		delete(r.open, other)
	}
	f, err := os.Open(r.s.path(id))
	if err != nil {
		return nil, err
	}
	r.open[id] = f
	return f, nil
}

// Read implements io.Reader.
func (r *reader) Read(b []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	n, err := r.ReadAt(b[:min(int64(len(b)), r.size-r.at)], r.at)
	r.at += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return r.at, errors.New("object: seek before the beginning")
	}
	r.at = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return nil
	}
	r.done = true
	for _, f := range r.open {
		f.Close()
	}
	r.s.unpin(r.segments)
	return nil
}

var _ object.Content = (*reader)(nil)
