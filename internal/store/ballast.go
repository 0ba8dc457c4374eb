package store

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// defaultBallast is enough for the deletes that make a full disk usable again.
const defaultBallast = 16 << 20

// A ballast is a file that only takes up room. When the disk is full it is
// thrown away, so that deletes, which write too, still work. It is used by one
// goroutine at a time.
type ballast struct {
	path string
	size int64 // 0: none
}

// drop gives the room back.
func (b ballast) drop() error {
	if err := os.Remove(b.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// fits tells whether the disk has room for the ballast and as much again, so
// that a disk at the brink does not flap.
func (b ballast) fits() bool {
	if b.size == 0 {
		return true
	}
	n, known := spare(filepath.Dir(b.path))
	return !known || n >= 2*b.size
}

// restore takes the room, unless it is taken already.
func (b ballast) restore() error {
	if b.size == 0 {
		return nil
	}
	f, err := os.OpenFile(b.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if s, err := f.Stat(); err == nil && s.Size() >= b.size {
		return nil
	}
	if err := reserve(f, b.size); err != nil {
		os.Remove(b.path)
		return err
	}
	return nil
}

// there tells whether the ballast is in place.
func (b ballast) there() bool {
	s, err := os.Stat(b.path)
	return b.size == 0 || err == nil && s.Size() >= b.size
}

// fill writes n bytes that no file system can squeeze.
func fill(f *os.File, n int64) error {
	chunk := make([]byte, 1<<20)
	r := rand.NewChaCha8([32]byte{})
	for at := int64(0); at < n; at += int64(len(chunk)) {
		_, _ = r.Read(chunk) // never fails
		if _, err := f.WriteAt(chunk[:min(n-at, int64(len(chunk)))], at); err != nil {
			return err
		}
	}
	return f.Sync()
}
