package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// prepare makes path's folder and file as a database needs them: private, on a
// local disk, and named durably.
func prepare(path string) error {
	dir := filepath.Dir(path)
	if err := mkdirs(dir); err != nil {
		return err
	}
	if name := remote(dir); name != "" {
		return fmt.Errorf("%w: %s is on %s; choose a folder on a local disk, or PostgreSQL", ErrRemote, dir, name)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	// SQLite gives its other files the mode of this one.
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	return syncDir(dir)
}

// mkdirs makes dir and its parents; each new name is on disk when it returns.
func mkdirs(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := mkdirs(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lockWait is how long a start waits for its predecessor's lock: the kernel
// lets go of a killed process's files a moment after the kill.
const lockWait = time.Second

// lock keeps other processes off the database at path. The file stays when it
// is closed: removing it would let two processes hold two different files.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(10 * time.Millisecond) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(end) {
			return nil, lockRefused(f, path, err)
		}
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, err
	}
	// The number is for people; a disk too full to hold it is no reason to stop.
	_, _ = f.WriteAt([]byte(fmt.Sprintf("%d\n", os.Getpid())), 0)
	return f, nil
}

func lockRefused(f *os.File, path string, err error) error {
	defer f.Close()
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("store: lock %s: %w", path, err)
	}
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" {
		return fmt.Errorf("%w: %s by process %s; stop it, or choose another data folder", ErrInUse, path, pid)
	}
	return fmt.Errorf("%w: %s", ErrInUse, path)
}

// spare answers how many bytes may still be written on dir's file system, and
// whether that is known.
func spare(dir string) (int64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
