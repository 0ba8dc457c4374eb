package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A bucket is one as it is stored.
type bucket struct {
	object.Bucket
	Expiry []object.Expiry
}

// bucketOf reads a bucket.
func bucketOf(tx store.Tx, name string) (bucket, error) {
	var b bucket
	var doc string
	err := tx.Get([]any{&doc}, `SELECT doc FROM object_bucket WHERE name = ?`, name)
	if errors.Is(err, store.ErrNoRows) {
		return b, fmt.Errorf("%w: %s", object.ErrNoBucket, name)
	}
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal([]byte(doc), &b)
}

// CreateBucket implements object.Buckets.
func (s *Store) CreateBucket(ctx context.Context, b object.Bucket) error {
	if b.Created.IsZero() {
		b.Created = s.c.Now().UTC()
	}
	doc, err := json.Marshal(bucket{Bucket: b})
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx store.Tx) error {
		n, err := tx.Exec(`INSERT INTO object_bucket (name, doc) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, b.Name, string(doc))
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: %s", object.ErrBucketExists, b.Name)
		}
		return full(err)
	})
}

// Bucket implements object.Buckets.
func (s *Store) Bucket(ctx context.Context, name string) (object.Bucket, error) {
	b, err := store.Read(ctx, s.db, func(tx store.Tx) (bucket, error) { return bucketOf(tx, name) })
	return b.Bucket, err
}

// ListBuckets implements object.Buckets.
func (s *Store) ListBuckets(ctx context.Context, prefix, after string, limit int) ([]object.Bucket, error) {
	one := func(scan func(...any) error) (object.Bucket, error) {
		var b bucket
		var doc string
		if err := scan(&doc); err != nil {
			return b.Bucket, err
		}
		err := json.Unmarshal([]byte(doc), &b)
		return b.Bucket, err
	}
	return store.Read(ctx, s.db, func(tx store.Tx) ([]object.Bucket, error) {
		return store.All(tx, one, `SELECT doc FROM object_bucket WHERE name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?`,
			after, prefix, prefix+"~", limit) // "~" is behind all that a name may have
	})
}

// DeleteBucket implements object.Buckets. Unfinished uploads go with it.
func (s *Store) DeleteBucket(ctx context.Context, name string) error {
	gone, err := store.Write(ctx, s.db, func(tx store.Tx) ([]string, error) {
		if _, err := bucketOf(tx, name); err != nil {
			return nil, err
		}
		var n int64
		if err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM (SELECT 1 FROM object_version WHERE bucket = ? LIMIT 1) AS some`, name); err != nil {
			return nil, err
		}
		if n > 0 {
			return nil, fmt.Errorf("%w: %s", object.ErrBucketNotEmpty, name)
		}
		uploads, err := store.All(tx, scanText, `SELECT id FROM object_upload WHERE bucket = ?`, name)
		if err != nil {
			return nil, err
		}
		var gone []string
		for _, id := range uploads {
			files, err := dropUpload(tx, id)
			if err != nil {
				return nil, err
			}
			gone = append(gone, files...)
		}
		for _, q := range []string{`DELETE FROM object_setting WHERE bucket = ?`, `DELETE FROM object_bucket WHERE name = ?`} {
			if _, err := tx.Exec(q, name); err != nil {
				return nil, err
			}
		}
		return gone, nil
	})
	s.remove(gone)
	return err
}

func scanText(scan func(...any) error) (string, error) {
	var s string
	err := scan(&s)
	return s, err
}

// SetVersioning implements object.Buckets.
func (s *Store) SetVersioning(ctx context.Context, name string, v object.Versioning) error {
	return s.change(ctx, name, func(b *bucket) error {
		if v == object.Unversioned && b.Versioning != object.Unversioned {
			return fmt.Errorf("%w: %s", object.ErrVersionedForever, name)
		}
		b.Versioning = v
		return nil
	})
}

// SetNotification implements object.Buckets.
func (s *Store) SetNotification(ctx context.Context, name string, n object.Notification) error {
	return s.change(ctx, name, func(b *bucket) error { b.Notification = n; return nil })
}

// SetExpiry implements object.Buckets.
func (s *Store) SetExpiry(ctx context.Context, name string, rules []object.Expiry) error {
	return s.change(ctx, name, func(b *bucket) error { b.Expiry = rules; return nil })
}

// change changes a bucket.
func (s *Store) change(ctx context.Context, name string, edit func(*bucket) error) error {
	return s.db.Update(ctx, func(tx store.Tx) error {
		b, err := bucketOf(tx, name)
		if err != nil {
			return err
		}
		if err := edit(&b); err != nil {
			return err
		}
		doc, err := json.Marshal(b)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE object_bucket SET doc = ? WHERE name = ?`, string(doc), name)
		return full(err)
	})
}

// Configure implements object.Buckets.
func (s *Store) Configure(ctx context.Context, name, kind string, document []byte) error {
	return s.db.Update(ctx, func(tx store.Tx) error {
		if _, err := bucketOf(tx, name); err != nil {
			return err
		}
		if document == nil {
			_, err := tx.Exec(`DELETE FROM object_setting WHERE bucket = ? AND kind = ?`, name, kind)
			return err
		}
		_, err := tx.Exec(`INSERT INTO object_setting (bucket, kind, document) VALUES (?, ?, ?)
			ON CONFLICT (bucket, kind) DO UPDATE SET document = excluded.document`, name, kind, document)
		return full(err)
	})
}

// Configuration implements object.Buckets.
func (s *Store) Configuration(ctx context.Context, name, kind string) ([]byte, error) {
	return store.Read(ctx, s.db, func(tx store.Tx) ([]byte, error) {
		if _, err := bucketOf(tx, name); err != nil {
			return nil, err
		}
		var document []byte
		err := tx.Get([]any{&document}, `SELECT document FROM object_setting WHERE bucket = ? AND kind = ?`, name, kind)
		if errors.Is(err, store.ErrNoRows) {
			err = fmt.Errorf("%w: %s of %s", object.ErrNoConfiguration, kind, name)
		}
		return document, err
	})
}

// full says of a database without room what it means here.
func full(err error) error {
	if errors.Is(err, store.ErrFull) {
		return fmt.Errorf("%w: %w", object.ErrFull, err)
	}
	return err
}
