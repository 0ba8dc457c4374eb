package code

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// overlay lays the tree src over dst. Files are shared by hard links: nothing
// in the store is ever changed. No link is followed, on either side.
func overlay(ctx context.Context, src, dst string) error {
	var dirs []string
	err := filepath.WalkDir(src, func(from string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(src, from)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		if d.IsDir() {
			dirs = append(dirs, rel)
			return overlayDir(to)
		}
		return overlayFile(from, to, d.Type())
	})
	if err != nil {
		return fmt.Errorf("code: merging layers: %w", err)
	}
	for i := len(dirs) - 1; i >= 0; i-- { // times last, from the leaves up
		if fi, err := os.Lstat(filepath.Join(src, dirs[i])); err == nil {
			err = os.Chtimes(filepath.Join(dst, dirs[i]), fi.ModTime(), fi.ModTime())
			if err != nil {
				return fmt.Errorf("code: merging layers: %w", err)
			}
		}
	}
	return nil
}

// overlayDir makes a directory, in the place of what is none.
func overlayDir(to string) error {
	fi, err := os.Lstat(to)
	switch {
	case err == nil && fi.IsDir():
		return nil
	case err == nil:
		if err := os.Remove(to); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	return os.Chmod(to, 0o755) // whatever the umask
}

// overlayFile puts a file or link in the place of whatever is there.
func overlayFile(from, to string, kind fs.FileMode) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if kind&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to) // a file system without hard links, or with no more for this file
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fi.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Chmod(fi.Mode().Perm()), out.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, fi.ModTime(), fi.ModTime())
}
