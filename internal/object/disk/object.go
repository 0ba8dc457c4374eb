package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const null = "null" // the version of what was written without versioning

// latest reads the newest version of a key, which may be a marker.
func latest(tx store.Tx, bucket, key string) (row, bool, error) {
	return oneRow(tx, `bucket = ? AND key = ? ORDER BY seq DESC LIMIT 1`, bucket, []byte(key))
}

// find reads a version, or the latest for "".
func find(tx store.Tx, bucket, key, version string) (row, error) {
	if _, err := bucketOf(tx, bucket); err != nil {
		return row{}, err
	}
	if version == "" {
		r, there, err := latest(tx, bucket, key)
		switch {
		case err != nil:
			return r, err
		case !there:
			return r, fmt.Errorf("%w: %s/%q", object.ErrNoKey, bucket, key)
		case r.marker:
			return r, fmt.Errorf("%w: %w: %s/%q", object.ErrNoKey, object.ErrDeleteMarker, bucket, key)
		}
		return r, nil
	}
	r, there, err := oneRow(tx, `bucket = ? AND key = ? AND version = ? LIMIT 1`, bucket, []byte(key), version)
	switch {
	case err != nil:
		return r, err
	case !there:
		return r, fmt.Errorf("%w: %s/%q %s", object.ErrNoVersion, bucket, key, version)
	case r.marker:
		return r, fmt.Errorf("%w: %s/%q %s", object.ErrDeleteMarker, bucket, key, version)
	}
	return r, nil
}

// Head implements object.Objects.
func (s *Store) Head(ctx context.Context, bucket, key, version string) (object.Info, error) {
	r, err := store.Read(ctx, s.db, func(tx store.Tx) (row, error) { return find(tx, bucket, key, version) })
	return s.told(r, err)
}

// told is what a row tells, of a marker too.
func (s *Store) told(r row, err error) (object.Info, error) {
	if err != nil && !errors.Is(err, object.ErrDeleteMarker) {
		return object.Info{}, err
	}
	return r.info(), err
}

// Open implements object.Objects.
func (s *Store) Open(ctx context.Context, bucket, key, version string) (object.Info, object.Content, error) {
	r, content, err := s.openRow(ctx, func(tx store.Tx) (row, error) { return find(tx, bucket, key, version) })
	if err != nil {
		info, err := s.told(r, err)
		return info, nil, err
	}
	return r.info(), content, nil
}

// Put implements object.Objects.
func (s *Store) Put(ctx context.Context, p object.Put, from io.Reader) (object.Info, error) {
	if err := s.allowed(ctx, p); err != nil {
		return object.Info{}, err
	}
	c, err := s.receive(from, p.Checksums, p.Check)
	if err != nil {
		return object.Info{}, err
	}
	made := row{size: c.segment.Size, etag: c.etag, details: details{Checksums: checksums(c.sums), Segments: []segment{c.segment}}}
	info, err := s.commit(ctx, p, made, c.keep)
	if err != nil {
		s.drop(c)
	}
	return info, err
}

// allowed refuses early what commit would refuse, before a content is read for nothing.
func (s *Store) allowed(ctx context.Context, p object.Put) error {
	return s.db.View(ctx, func(tx store.Tx) error {
		if _, err := bucketOf(tx, p.Bucket); err != nil {
			return err
		}
		return holds(tx, p.Bucket, p.Key, p.If)
	})
}

// holds checks a condition.
func holds(tx store.Tx, bucket, key string, c object.Condition) error {
	if c == (object.Condition{}) {
		return nil
	}
	r, there, err := latest(tx, bucket, key)
	there = there && !r.marker
	switch {
	case err != nil:
		return err
	case c.Absent && there, c.Match != "" && there && c.Match != "*" && c.Match != r.etag:
		return fmt.Errorf("%w: %s/%q", object.ErrPrecondition, bucket, key)
	case c.Match != "" && !there:
		return fmt.Errorf("%w: %s/%q", object.ErrNoKey, bucket, key)
	}
	return nil
}

// commit makes an object of what is on the disk: made lacks its names and its time.
// also runs in the same transaction, before.
func (s *Store) commit(ctx context.Context, p object.Put, made row, also func(store.Tx) error) (object.Info, error) {
	type result struct {
		info object.Info
		gone []string
		news bool
	}
	r, err := store.Write(ctx, s.db, func(tx store.Tx) (result, error) {
		var res result
		if also != nil {
			if err := also(tx); err != nil {
				return res, err
			}
		}
		made := made
		gone, news, err := s.replace(tx, p, &made)
		return result{made.info(), gone, news}, err
	})
	if err != nil {
		return object.Info{}, full(err)
	}
	s.remove(r.gone)
	if r.news {
		s.news.tell()
	}
	return r.info, nil
}

// replace makes a row the latest version of its key. It returns the files that are
// nobody's any more, and whether there is news.
func (s *Store) replace(tx store.Tx, p object.Put, made *row) (gone []string, news bool, err error) {
	b, err := bucketOf(tx, p.Bucket)
	if err != nil {
		return nil, false, err
	}
	if err := holds(tx, p.Bucket, p.Key, p.If); err != nil {
		return nil, false, err
	}
	made.bucket, made.key, made.latest, made.modified = p.Bucket, p.Key, true, s.c.Now().UTC().Truncate(time.Millisecond)
	made.Meta, made.Tags = p.Meta, p.Tags
	if gone, err = b.step(tx, made); err != nil {
		return nil, false, err
	}
	news, err = b.note(tx, object.Change{Event: p.Event, Time: made.modified, Object: made.info(), By: p.By})
	return gone, news, err
}

// step inserts the next version of a key, in the place of what it replaces.
func (b bucket) step(tx store.Tx, made *row) (gone []string, err error) {
	made.version = null
	if b.Versioning == object.Enabled {
		made.version = newVersion()
	} else if gone, err = take(tx, made.bucket, made.key, null); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(`UPDATE object_version SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1`, made.bucket, []byte(made.key)); err != nil {
		return nil, err
	}
	return gone, made.insert(tx)
}

// newVersion is an id as S3's: 32 letters and digits that mean nothing.
func newVersion() string {
	return strings.ToUpper(newID()[:1]) + newID()[:31]
}

// take deletes a version, if there is one.
func take(tx store.Tx, bucket, key, version string) (gone []string, err error) {
	r, there, err := oneRow(tx, `bucket = ? AND key = ? AND version = ? LIMIT 1`, bucket, []byte(key), version)
	if err != nil || !there {
		return nil, err
	}
	return r.take(tx)
}

func (r row) take(tx store.Tx) (gone []string, err error) {
	if _, err := tx.Exec(`DELETE FROM object_version WHERE seq = ?`, r.seq); err != nil {
		return nil, err
	}
	return release(tx, r.Segments)
}

// Delete implements object.Objects.
func (s *Store) Delete(ctx context.Context, d object.Delete) (object.Deleted, error) {
	type result struct {
		object.Deleted
		gone []string
		news bool
	}
	r, err := store.Write(ctx, s.db, func(tx store.Tx) (res result, err error) {
		b, err := bucketOf(tx, d.Bucket)
		if err != nil {
			return res, err
		}
		if err := holds(tx, d.Bucket, d.Key, d.If); err != nil {
			return res, err
		}
		var c object.Change
		if d.Version != "" {
			res.Deleted, c, res.gone, err = deleteVersion(tx, d)
		} else {
			res.Deleted, c, res.gone, err = s.deleteLatest(tx, b, d)
		}
		if err != nil || c.Event == "" {
			return res, err
		}
		c.Time, c.By = s.c.Now().UTC(), d.By
		if d.Event != "" {
			c.Event = d.Event
		}
		c.Reason = "DeleteObject"
		if strings.HasPrefix(c.Event, "LifecycleExpiration:") {
			c.Reason = "Lifecycle Expiration"
		}
		res.news, err = b.note(tx, c)
		return res, err
	})
	if err != nil {
		return object.Deleted{}, full(err)
	}
	s.remove(r.gone)
	if r.news {
		s.news.tell()
	}
	return r.Deleted, nil
}

// deleteLatest deletes an object, or marks it as deleted where versions are kept.
func (s *Store) deleteLatest(tx store.Tx, b bucket, d object.Delete) (object.Deleted, object.Change, []string, error) {
	if b.Versioning != object.Unversioned {
		marker := &row{bucket: d.Bucket, key: d.Key, latest: true, marker: true, modified: s.c.Now().UTC().Truncate(time.Millisecond)}
		gone, err := b.step(tx, marker)
		return object.Deleted{Version: marker.version, Marker: true},
			object.Change{Event: "ObjectRemoved:DeleteMarkerCreated", Object: marker.info()}, gone, err
	}
	r, there, err := latest(tx, d.Bucket, d.Key)
	if err != nil || !there {
		return object.Deleted{}, object.Change{}, nil, err
	}
	gone, err := r.take(tx)
	c, err2 := removed(tx, r)
	return object.Deleted{}, c, gone, errors.Join(err, err2)
}

// removed is the change that r is gone. Its sequencer is later than all before.
func removed(tx store.Tx, r row) (object.Change, error) {
	seq, err := count(tx)
	info := r.info()
	info.Sequencer = sequencer(seq)
	return object.Change{Event: "ObjectRemoved:Delete", Object: info}, err
}

// deleteVersion deletes a version for good; what was before it becomes the latest.
func deleteVersion(tx store.Tx, d object.Delete) (object.Deleted, object.Change, []string, error) {
	done := object.Deleted{Version: d.Version}
	r, there, err := oneRow(tx, `bucket = ? AND key = ? AND version = ? LIMIT 1`, d.Bucket, []byte(d.Key), d.Version)
	if err != nil || !there {
		return done, object.Change{}, nil, err
	}
	done.Marker = r.marker
	gone, err := r.take(tx)
	if err != nil {
		return done, object.Change{}, nil, err
	}
	if r.latest {
		_, err := tx.Exec(`UPDATE object_version SET latest = 1 WHERE seq =
			(SELECT MAX(seq) FROM object_version WHERE bucket = ? AND key = ?)`, d.Bucket, []byte(d.Key))
		if err != nil {
			return done, object.Change{}, nil, err
		}
	}
	c, err := removed(tx, r)
	return done, c, gone, err
}

// SetTags implements object.Objects. nil takes all tags away.
func (s *Store) SetTags(ctx context.Context, bucket, key, version string, tags map[string]string, by object.Origin) (object.Info, error) {
	news := false
	info, err := store.Write(ctx, s.db, func(tx store.Tx) (object.Info, error) {
		b, err := bucketOf(tx, bucket)
		if err != nil {
			return object.Info{}, err
		}
		r, err := find(tx, bucket, key, version)
		if err != nil {
			return object.Info{}, err
		}
		r.Tags = tags
		if err := r.rewrite(tx); err != nil {
			return object.Info{}, err
		}
		event := "ObjectTagging:Put"
		if tags == nil {
			event = "ObjectTagging:Delete"
		}
		news, err = b.note(tx, object.Change{Event: event, Time: s.c.Now().UTC(), Object: r.info(), By: by})
		return r.info(), err
	})
	if err == nil && news {
		s.news.tell()
	}
	return info, full(err)
}

// Copy implements object.Objects.
func (s *Store) Copy(ctx context.Context, from object.Source, p object.Put) (object.Info, error) {
	if err := s.allowed(ctx, p); err != nil {
		return object.Info{}, err
	}
	c, err := s.copied(ctx, from, p.Checksums)
	if err != nil {
		return object.Info{}, err
	}
	defer c.close()
	made := row{size: c.size, etag: c.etag, details: details{Checksums: c.sums, Segments: c.segments}}
	return s.commit(ctx, p, made, func(tx store.Tx) error { return hold(tx, c.segments) })
}
