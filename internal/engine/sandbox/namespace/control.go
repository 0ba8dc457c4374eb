//go:build linux && (amd64 || arm64)

package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// controls are the files of a control group that are used again and again: each
// stays open from its first use on, until the group rests. The poller does not know them. The zero value
// has none open.
type controls struct {
	mu   sync.Mutex // guards what is below
	open map[control]int
}

// A control is one file.
type control struct{ dir, name string }

// file returns the descriptor of a file; c.mu is held, for nobody else may close it
// before it was used.
func (c *controls) file(dir, name string) (int, error) {
	key := control{dir, name}
	if fd, ok := c.open[key]; ok {
		return fd, nil
	}
	path := filepath.Join(dir, name)
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) { // it can only be read
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if c.open == nil {
		c.open = map[control]int{}
	}
	c.open[key] = fd
	return fd, nil
}

// write writes to a file as a whole.
func (c *controls) write(dir, name, value string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	fd, err := c.file(dir, name)
	if err != nil {
		return err
	}
	if _, err := unix.Pwrite(fd, []byte(value), 0); err != nil {
		return &fs.PathError{Op: "write", Path: filepath.Join(dir, name), Err: err}
	}
	return nil
}

// read returns the beginning of a file: all that is wanted of any is there.
func (c *controls) read(dir, name string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fd, err := c.file(dir, name)
	if err != nil {
		return "", err
	}
	var b [1024]byte
	n, err := unix.Pread(fd, b[:], 0)
	if err != nil {
		return "", &fs.PathError{Op: "read", Path: filepath.Join(dir, name), Err: err}
	}
	return string(b[:n]), nil
}

// number reads a file that holds one number.
func (c *controls) number(dir, name string) (int64, error) {
	s, err := c.read(dir, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s holds %.100q", name, s)
	}
	return n, nil
}

// key reads a number from a file of "key value" lines; a missing key is 0.
func (c *controls) key(dir, name, key string) (int64, error) {
	s, err := c.read(dir, name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(s) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		if k == key {
			return strconv.ParseInt(v, 10, 64)
		}
	}
	return 0, nil
}

// rest closes all but memory.peak: what it was reset to is its descriptor's own.
func (c *controls) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, fd := range c.open {
		if key.name != "memory.peak" {
			_ = unix.Close(fd)
			delete(c.open, key)
		}
	}
}

// close closes them all.
func (c *controls) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, fd := range c.open {
		_ = unix.Close(fd)
	}
	c.open = nil
}
