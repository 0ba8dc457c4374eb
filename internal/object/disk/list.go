package disk

import (
	"context"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// behind is the least key that is greater than all that begin with prefix; ok is
// false when there is none.
func behind(prefix string) (next string, ok bool) {
	b := []byte(prefix)
	for len(b) > 0 && b[len(b)-1] == 0xFF {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return "", false
	}
	b[len(b)-1]++
	return string(b), true
}

// common is what key and its neighbours are listed as when a delimiter is given.
func common(key string, l object.Listing) (prefix string, ok bool) {
	if l.Delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(l.Prefix):], l.Delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(l.Prefix)+i+len(l.Delimiter)], true
}

// A scan walks keys in order. It skips what one prefix stands for by a seek, however
// much that is.
type scan struct {
	l    object.Listing
	from string // the next key is this one, or behind it
	end  string // and before this one, unless that is ""
	out  object.Listed
	done bool
}

func newScan(l object.Listing) *scan {
	c := &scan{l: l, from: l.Prefix}
	c.end, _ = behind(l.Prefix)
	if l.After != "" && l.After >= c.from {
		c.from = l.After + "\x00"
		if p, ok := "", false; strings.HasPrefix(l.After, l.Prefix) {
			if p, ok = common(l.After, l); ok && p == l.After {
				c.skip(p)
			}
		}
	}
	return c
}

// skip goes on behind all keys with a prefix.
func (c *scan) skip(prefix string) {
	next, ok := behind(prefix)
	c.from, c.done = next, !ok
}

// batch is how many rows are read at once: few when most of them may be skipped.
func (c *scan) batch() int {
	left := c.l.Limit - len(c.out.Objects) - len(c.out.Prefixes) + 1
	if c.l.Delimiter != "" {
		return min(left, 32)
	}
	return min(left, 1001)
}

// full reports whether the page is, once another entry has been found.
func (c *scan) full() bool {
	if len(c.out.Objects)+len(c.out.Prefixes) < c.l.Limit {
		return false
	}
	c.out.Truncated, c.done = true, true
	return true
}

// take adds a row, or what it is part of. It reports whether the next row of the batch
// may be looked at.
func (c *scan) take(r row) bool {
	if c.full() {
		return false
	}
	if p, ok := common(r.key, c.l); ok {
		c.out.Prefixes, c.out.Next, c.out.NextVersion = append(c.out.Prefixes, p), p, ""
		c.skip(p)
		return false
	}
	c.out.Objects, c.out.Next, c.out.NextVersion = append(c.out.Objects, r.info()), r.key, r.version
	c.from = r.key + "\x00"
	return true
}

// finish forgets the place to go on from when there is nothing more.
func (c *scan) finish() object.Listed {
	if !c.out.Truncated {
		c.out.Next, c.out.NextVersion = "", ""
	}
	return c.out
}

// within is the condition of a scan, and its arguments.
func (c *scan) within(bucket string) (where string, args []any) {
	where, args = `bucket = ? AND key >= ?`, []any{bucket, []byte(c.from)}
	if c.end != "" {
		where, args = where+` AND key < ?`, append(args, []byte(c.end))
	}
	return where, args
}

// List implements object.Objects.
func (s *Store) List(ctx context.Context, bucket string, l object.Listing) (object.Listed, error) {
	return store.Read(ctx, s.db, func(tx store.Tx) (object.Listed, error) {
		if _, err := bucketOf(tx, bucket); err != nil {
			return object.Listed{}, err
		}
		c := newScan(l)
		if l.Limit <= 0 {
			return c.out, nil
		}
		for !c.done {
			where, args := c.within(bucket)
			n := c.batch()
			rows, err := store.All(tx, scanRow, `SELECT `+columns+` FROM object_version WHERE `+where+` AND latest = 1 AND marker = 0 ORDER BY key LIMIT ?`, append(args, n)...)
			if err != nil {
				return c.out, err
			}
			c.takeAll(rows, n)
		}
		return c.finish(), nil
	})
}

// takeAll takes a batch of rows, of at most n.
func (c *scan) takeAll(rows []row, n int) {
	for _, r := range rows {
		if !c.take(r) {
			return
		}
	}
	c.done = c.done || len(rows) < n
}

// ListVersions implements object.Objects.
func (s *Store) ListVersions(ctx context.Context, bucket string, l object.Listing) (object.Listed, error) {
	return store.Read(ctx, s.db, func(tx store.Tx) (object.Listed, error) {
		if _, err := bucketOf(tx, bucket); err != nil {
			return object.Listed{}, err
		}
		c := newScan(l)
		if l.Limit <= 0 {
			return c.out, nil
		}
		if l.After != "" && l.AfterVersion != "" {
			if err := c.rest(tx, bucket); err != nil {
				return c.out, err
			}
		}
		for !c.done {
			if err := c.versions(tx, bucket); err != nil {
				return c.out, err
			}
		}
		return c.finish(), nil
	})
}

// rest takes the versions of the key at which the last page ended.
func (c *scan) rest(tx store.Tx, bucket string) error {
	rows, err := store.All(tx, scanRow, `SELECT `+columns+` FROM object_version WHERE bucket = ? AND key = ? AND seq <
		(SELECT seq FROM object_version WHERE bucket = ? AND key = ? AND version = ?) ORDER BY seq DESC LIMIT ?`,
		bucket, []byte(c.l.After), bucket, []byte(c.l.After), c.l.AfterVersion, c.l.Limit+1)
	for _, r := range rows {
		if err != nil || !c.take(r) {
			break
		}
	}
	return err
}

// versions takes a batch of keys with all their versions: a batch may end within a
// key, of which the rest is read on its own.
func (c *scan) versions(tx store.Tx, bucket string) error {
	where, args := c.within(bucket)
	n := c.batch()
	rows, err := store.All(tx, scanRow, `SELECT `+columns+` FROM object_version WHERE `+where+` ORDER BY key, seq DESC LIMIT ?`, append(args, n)...)
	if err != nil {
		return err
	}
	c.takeAll(rows, n)
	if c.done || len(rows) == 0 {
		return nil
	}
	last := rows[len(rows)-1]
	if c.from != last.key+"\x00" { // it was skipped
		return nil
	}
	rows, err = store.All(tx, scanRow, `SELECT `+columns+` FROM object_version WHERE bucket = ? AND key = ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
		bucket, []byte(last.key), last.seq, c.l.Limit+1)
	for _, r := range rows {
		if err != nil || !c.take(r) {
			break
		}
	}
	return err
}
