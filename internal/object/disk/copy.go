package disk

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A copied is a content that consists of what another one does. Its files stay until
// it is closed.
type copied struct {
	segments []segment
	size     int64
	etag     string
	sums     map[string]string
	close    func() error
}

// copied finds a copy's content, and computes what is not known of it.
func (s *Store) copied(ctx context.Context, from object.Source, algorithms []string) (*copied, error) {
	r, content, err := s.openRow(ctx, func(tx store.Tx) (row, error) { return find(tx, from.Bucket, from.Key, from.Version) })
	if err != nil {
		return nil, err
	}
	c := &copied{segments: r.Segments, size: r.size, close: content.Close}
	if from.Check != nil {
		if err := from.Check(r.info()); err != nil {
			content.Close()
			return nil, err
		}
	}
	if from.Length > 0 {
		c.segments, c.size = cut(r.Segments, from.Offset, from.Length), from.Length
	}
	if c.inherit(r, algorithms, from.Length > 0) {
		return c, nil
	}
	if err := c.compute(content, from.Offset, algorithms); err != nil {
		content.Close()
		return nil, err
	}
	return c, nil
}

// inherit takes over what is known of the source, and reports whether that is all.
func (c *copied) inherit(r row, algorithms []string, part bool) bool {
	if part || strings.Contains(r.etag, "-") {
		return false
	}
	c.sums = map[string]string{}
	for a, v := range r.Checksums {
		if strings.Contains(v, "-") {
			return false
		}
		c.sums[a] = v
	}
	for _, a := range algorithms {
		if c.sums[a] == "" {
			return false
		}
	}
	if len(algorithms) > 0 { // those that are asked for, and no others
		for a := range c.sums {
			if !slices.Contains(algorithms, a) {
				delete(c.sums, a)
			}
		}
	}
	c.etag = r.etag
	return true
}

func (c *copied) compute(content *reader, offset int64, algorithms []string) error {
	d, err := newDigests(algorithms)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{d.writer()}, io.NewSectionReader(content, offset, c.size), make([]byte, copyBuffer)); err != nil {
		return err
	}
	c.etag, c.sums = d.etag(), checksums(d.sums())
	return nil
}

// cut is a part of a content.
func cut(segments []segment, offset, length int64) []segment {
	var part []segment
	for _, g := range segments {
		if offset >= g.Size {
			offset -= g.Size
			continue
		}
		n := min(length, g.Size-offset)
		if n <= 0 {
			break
		}
		part = append(part, segment{File: g.File, Offset: g.Offset + offset, Size: n, Inline: g.Inline})
		offset, length = 0, length-n
	}
	return part
}
