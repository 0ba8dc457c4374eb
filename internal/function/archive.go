package function

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/code"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Limits of code.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	MaxZipped   = 52428800
	MaxUnzipped = code.MaxUnzipped
	MaxStorage  = 300 << 30
)

// lingering is how long an unpacked directory outlives its last use in the
// database: sandboxes of the old code may still be finishing an invocation.
const lingering = 20 * time.Minute

// uploads keeps an archive from being collected between its arrival and the
// commit that refers to it.
type uploads struct {
	mu      sync.RWMutex         // read: an archive is on its way in; write: archives are being collected
	dropped map[string]time.Time // archives no longer referred to, by SHA-256; guarded by mu held for writing
}

// inspect checks an uploaded archive before anything is kept of it.
func (a *archive) inspect() (unzipped int64, err error) {
	info, err := code.Inspect(a, a.size)
	switch {
	case errors.Is(err, code.ErrTooLarge) || err == nil && info.Unzipped > MaxUnzipped:
		return 0, errUnzipped()
	case errors.Is(err, code.ErrUnsafe):
		return 0, refuse(ErrInvalid, "Could not unzip uploaded file. Please check your file, then try to upload again. (%v)", err)
	case err != nil:
		return 0, refuse(ErrInvalid, "Could not unzip uploaded file. Please check your file, then try to upload again.")
	}
	return info.Unzipped, nil
}

// upload keeps an archive, sent or in a bucket, as a blob and runs commit, which
// must make something refer to it. A blob whose commit fails is collected.
func (r *Registry) upload(ctx context.Context, zip []byte, o *Object, commit func(Code) error) error {
	a, err := r.archive(ctx, zip, o)
	if err != nil {
		return err
	}
	defer a.close()
	unzipped, err := a.inspect()
	if err != nil {
		return err
	}
	var c Code
	err = func() error {
		r.uploads.mu.RLock()
		defer r.uploads.mu.RUnlock()
		ref, err := r.blobs.Put(ctx, a.reader())
		if err != nil {
			return fmt.Errorf("keep code: %w", err)
		}
		c = Code{SHA256: ref.SHA256, Size: ref.Size, Unzipped: unzipped}
		return commit(c)
	}()
	if err != nil && c.SHA256 != "" {
		r.collect(context.WithoutCancel(ctx), c.SHA256)
	}
	return err
}

// inUse tells whether any version or layer refers to an archive.
func (r *Registry) inUse(tx store.Tx, sha string) (bool, error) {
	var n int64
	if err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM function_archives WHERE sha = ?`, sha); err != nil || n > 0 {
		return n > 0, err
	}
	return r.layers.uses(tx, sha)
}

// collect deletes those of the archives that nothing refers to any more, and
// the directories they were unpacked to once those have lingered. What it
// cannot delete is left to the sweep of the next start.
func (r *Registry) collect(ctx context.Context, shas ...string) {
	r.uploads.mu.Lock()
	defer r.uploads.mu.Unlock()
	now := r.now()
	for _, sha := range shas {
		used, err := r.used(ctx, sha)
		if err != nil {
			r.log.Error("collect code", "sha256", sha, "error", err)
			continue
		}
		if used || sha == "" {
			continue
		}
		if err := r.blobs.Delete(sha); err != nil {
			r.log.Error("collect code", "sha256", sha, "error", err)
		}
		r.uploads.dropped[sha] = now
	}
	due := false
	for sha, at := range r.uploads.dropped {
		due = due || now.Sub(at) > lingering && sha != ""
	}
	if due {
		r.keepDirs(ctx, now)
	}
}

func (r *Registry) used(ctx context.Context, sha string) (used bool, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		used, err = r.inUse(tx, sha)
		return err
	})
	return used, err
}

// keepDirs removes the directories of archives that were dropped long enough
// ago, and those of merged layers that it found unused so long ago. The caller
// holds uploads.mu for writing.
func (r *Registry) keepDirs(ctx context.Context, now time.Time) {
	merged, err := r.merged(ctx)
	if err != nil {
		r.log.Error("remove unpacked code", "error", err)
		return
	}
	gone := map[string]bool{}
	for name, at := range r.uploads.dropped {
		if now.Sub(at) > lingering {
			used, err := r.used(ctx, name)
			gone[name] = err == nil && !used && !merged[name]
		}
	}
	err = r.code.Keep(func(name string) bool {
		_, noticed := r.uploads.dropped[name]
		if code.IsMerged(name) && !merged[name] && !noticed {
			r.uploads.dropped[name] = now
		}
		return !gone[name]
	})
	if err != nil {
		r.log.Error("remove unpacked code", "error", err)
		return
	}
	maps.DeleteFunc(r.uploads.dropped, func(sha string, _ time.Time) bool { _, done := gone[sha]; return done })
}

// merged are the names of the directories of merged layers that versions use.
func (r *Registry) merged(ctx context.Context) (map[string]bool, error) {
	names := map[string]bool{}
	note := func(s Settings) {
		shas := make([]string, len(s.Layers))
		for i, l := range s.Layers {
			shas[i] = l.SHA256
		}
		names[code.MergedName(shas)] = true
	}
	err := r.db.View(ctx, func(tx store.Tx) error {
		return tx.Each(`SELECT doc FROM function_versions`, nil, func(scan func(...any) error) error {
			var doc string
			if err := scan(&doc); err != nil {
				return err
			}
			var v Version
			if err := decode(doc, &v); err != nil {
				return err
			}
			note(v.Settings)
			note(v.running().Settings)
			return nil
		})
	})
	return names, err
}

// sweep removes the archives and directories that a crash left behind. It
// runs before anything else does.
func (r *Registry) sweep(ctx context.Context) error {
	r.uploads.dropped = map[string]time.Time{}
	if err := r.buryLayers(ctx); err != nil {
		return err
	}
	var stray []string
	err := r.db.View(ctx, func(tx store.Tx) error {
		stray = nil
		return r.blobs.Each(func(sha string, _ int64) error {
			used, err := r.inUse(tx, sha)
			if err == nil && !used {
				stray = append(stray, sha)
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("sweep code: %w", err)
	}
	for _, sha := range stray {
		if err := r.blobs.Delete(sha); err != nil {
			return fmt.Errorf("sweep code: %w", err)
		}
	}
	merged, err := r.merged(ctx)
	if err != nil {
		return fmt.Errorf("sweep code: %w", err)
	}
	return r.code.Keep(func(name string) bool {
		used, err := r.used(ctx, name)
		return err != nil || used || merged[name]
	})
}

// unpack makes an archive a directory; a second time it finds the first's.
func (r *Registry) unpack(ctx context.Context, sha string, size int64) (dir string, err error) {
	f, err := r.blobs.Open(sha)
	if err != nil {
		return "", fmt.Errorf("open code: %w", err)
	}
	defer f.Close()
	return r.code.Unpack(ctx, sha, f, size)
}

// prepare unpacks what s needs: its code, and its layers merged.
func (r *Registry) prepare(ctx context.Context, s Settings) (task, opt string, err error) {
	if task, err = r.unpack(ctx, s.Code.SHA256, s.Code.Size); err != nil || len(s.Layers) == 0 {
		return task, "", err
	}
	dirs := make([]string, len(s.Layers))
	for i, l := range s.Layers {
		if dirs[i], err = r.unpack(ctx, l.SHA256, l.CodeSize); err != nil {
			return "", "", fmt.Errorf("layer %s: %w", l.ARN, err)
		}
	}
	if opt, err = r.code.Merge(ctx, dirs); err != nil {
		return "", "", fmt.Errorf("merge layers: %w", err)
	}
	return task, opt, nil
}
