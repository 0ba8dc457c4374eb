package code

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// unpack writes the archive into the empty directory dir, and to the disk. All
// writing goes through an os.Root: should a check above have a hole, the system
// still refuses to leave dir.
func (a *archive) unpack(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("code: unpacking: %w", err)
	}
	defer root.Close()
	for i := range a.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.write(ctx, root, &a.entries[i]); err != nil {
			return err
		}
	}
	// Directories last: what is made in one changes its time.
	for i := len(a.entries) - 1; i >= 0; i-- {
		if e := &a.entries[i]; e.mode.IsDir() {
			if err := stamp(root, e); err != nil {
				return err
			}
		}
	}
	return syncTree(ctx, dir)
}

// write makes one entry.
func (a *archive) write(ctx context.Context, root *os.Root, e *entry) error {
	if e.mode.IsDir() {
		return wrote(e, a.mkdir(root, e.name))
	}
	if err := a.mkdir(root, path.Dir(e.name)); err != nil {
		return wrote(e, err)
	}
	if target, ok := a.links[e.name]; ok {
		a.left -= int64(len(target))
		if a.left < 0 {
			return fmt.Errorf("%w: %q", ErrTooLarge, e.name)
		}
		return wrote(e, root.Symlink(target, e.name))
	}
	f, err := root.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, e.mode)
	if err != nil {
		return wrote(e, err)
	}
	_, err = a.copy(&stopper{ctx, f}, e)
	if err := errors.Join(err, wrote(e, errors.Join(f.Chmod(e.mode), f.Close()))); err != nil {
		return err
	}
	return stamp(root, e)
}

// mkdir makes a directory and those above it, open to all whatever the umask.
func (a *archive) mkdir(root *os.Root, name string) error {
	if name == "." || a.made[name] {
		return nil
	}
	if err := a.mkdir(root, path.Dir(name)); err != nil {
		return err
	}
	a.made[name] = true
	return errors.Join(root.Mkdir(name, 0o755), root.Chmod(name, 0o755))
}

// stamp gives e the time that the archive says, if it says one.
func stamp(root *os.Root, e *entry) error {
	t := e.file.Modified
	if t.Year() < 1980 { // where a zip's calendar begins
		return nil
	}
	return wrote(e, root.Chtimes(e.name, t, t))
}

func wrote(e *entry, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("code: unpacking %q: %w", e.name, err)
}

// A stopper is a writer that ends with its context.
type stopper struct {
	ctx context.Context
	w   io.Writer
}

func (s *stopper) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

// syncTree brings everything below dir to the disk, so that a name never stands
// for half a content after a power failure. Several at a time, since a file
// system commits them together.
func syncTree(ctx context.Context, dir string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if d.IsDir() || d.Type().IsRegular() {
			g.Go(func() error { return syncPath(path) })
		}
		return nil
	})
	if err := errors.Join(g.Wait(), err); err != nil {
		return fmt.Errorf("code: syncing: %w", err)
	}
	return nil
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
