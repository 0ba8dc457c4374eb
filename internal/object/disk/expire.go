package disk

import (
	"context"
	"errors"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// expiry is how often rules are looked at. S3 does it once a day.
const expiry = time.Hour

// expireAlways deletes what buckets' rules say, until ctx ends.
func (s *Store) expireAlways(ctx context.Context) {
	for t := time.NewTicker(expiry); ; {
		if err := s.Expire(ctx); err != nil && ctx.Err() == nil {
			s.c.Log.Error("expire objects", "err", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// Expire deletes what is due now.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
func (s *Store) Expire(ctx context.Context) error {
	buckets, err := store.Read(ctx, s.db, func(tx store.Tx) ([]bucket, error) {
		names, err := store.All(tx, scanText, `SELECT name FROM object_bucket ORDER BY name`)
		var all []bucket
		for _, n := range names {
			b, err := bucketOf(tx, n)
			if err != nil {
				return nil, err
			}
			all = append(all, b)
		}
		return all, err
	})
	for _, b := range buckets {
		for _, rule := range b.Expiry {
			err = errors.Join(err, s.expireObjects(ctx, b, rule), s.expireUploads(ctx, b, rule))
		}
	}
	return err
}

// due reports whether what happened at from is at least age ago, at a midnight: days
// end when those of UTC do.
func due(from time.Time, age time.Duration, now time.Time) bool {
	const day = 24 * time.Hour
	at := from.Add(age)
	if age >= day {
		at = at.Truncate(day).Add(day)
	}
	return age > 0 && !now.Before(at)
}

// expireObjects goes through a bucket's versions, newest first of each key.
func (s *Store) expireObjects(ctx context.Context, b bucket, rule object.Expiry) error {
	l := object.Listing{Prefix: rule.Prefix, Limit: 1000}
	var key string
	var newer []object.Info // of the same key
	for {
		page, err := s.ListVersions(ctx, b.Name, l)
		if err != nil {
			return err
		}
		for i, o := range page.Objects {
			if o.Key != key {
				key, newer = o.Key, nil
			}
			alone := len(newer) == 0 && (i+1 == len(page.Objects) && !page.Truncated || i+1 < len(page.Objects) && page.Objects[i+1].Key != key)
			if d, yes := deletion(rule, b, o, newer, alone, s.c.Now()); yes {
				if _, err := s.Delete(ctx, d); err != nil && !errors.Is(err, object.ErrPrecondition) && !errors.Is(err, object.ErrNoKey) {
					return err
				}
			}
			newer = append(newer, o)
		}
		if !page.Truncated {
			return nil
		}
		l.After, l.AfterVersion = page.Next, page.NextVersion
	}
}

// deletion is what a rule does to a version, if anything. newer are the versions
// of the same key before it, the next newer one last; alone is one that has no other.
func deletion(rule object.Expiry, b bucket, o object.Info, newer []object.Info, alone bool, now time.Time) (object.Delete, bool) {
	d := object.Delete{Bucket: o.Bucket, Key: o.Key, Event: "LifecycleExpiration:Delete"}
	if o.Marker && o.Latest {
		d.Version = o.Version
		return d, alone && rule.OrphanedMarkers
	}
	if !o.Marker && !covers(rule, o) {
		return d, false
	}
	if !o.Latest {
		d.Version = o.Version
		replaced := newer[len(newer)-1].Modified
		return d, due(replaced, rule.NoncurrentAge, now) && len(newer) > rule.NoncurrentKeep
	}
	if b.Versioning != object.Unversioned {
		d.Event = "LifecycleExpiration:DeleteMarkerCreated"
	}
	d.If = object.Condition{Match: o.ETag} // and not what has been put in its place meanwhile
	return d, due(o.Modified, rule.Age, now) || !rule.Date.IsZero() && !now.Before(rule.Date)
}

// covers reports whether a rule is for an object, by more than its prefix.
func covers(rule object.Expiry, o object.Info) bool {
	for k, v := range rule.Tags {
		if have, ok := o.Tags[k]; !ok || have != v {
			return false
		}
	}
	return (rule.MinSize == 0 || o.Size > rule.MinSize) && (rule.MaxSize == 0 || o.Size < rule.MaxSize)
}

// expireUploads aborts what nobody completes.
func (s *Store) expireUploads(ctx context.Context, b bucket, rule object.Expiry) error {
	if rule.UploadAge == 0 {
		return nil
	}
	l := object.Listing{Prefix: rule.Prefix, Limit: 1000}
	for {
		page, err := s.ListUploads(ctx, b.Name, l)
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			if !due(u.Started, rule.UploadAge, s.c.Now()) {
				continue
			}
			if err := s.AbortUpload(ctx, b.Name, u.Put.Key, u.ID); err != nil && !errors.Is(err, object.ErrNoUpload) {
				return err
			}
		}
		if !page.Truncated {
			return nil
		}
		l.After, l.AfterVersion = page.Next, page.NextID
	}
}
