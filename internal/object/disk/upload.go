package disk

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	leastPart = 5 << 20 // bytes of a part that is not the last
	memory    = 24 * time.Hour
)

// An upload is one as it is stored. Once it is complete it is kept for a day: a
// client that did not hear so asks again.
type upload struct {
	object.Upload
	Made *object.Info `json:",omitempty"`
}

// A part is one as it is stored.
type part struct {
	object.PartInfo
	Segments []segment
}

// CreateUpload implements object.Uploads.
func (s *Store) CreateUpload(ctx context.Context, p object.Put) (object.Upload, error) {
	p.Check, p.If = nil, object.Condition{}
	u := upload{Upload: object.Upload{ID: newID() + newID(), Put: p, Started: s.c.Now().UTC().Truncate(time.Millisecond)}}
	doc, err := json.Marshal(u)
	if err != nil {
		return u.Upload, err
	}
	return u.Upload, full(s.db.Update(ctx, func(tx store.Tx) error {
		if _, err := bucketOf(tx, p.Bucket); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM object_upload WHERE ended > 0 AND ended < ?`, u.Started.Add(-memory).UnixMilli()); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO object_upload (id, bucket, key, started, doc) VALUES (?, ?, ?, ?, ?)`,
			u.ID, p.Bucket, []byte(p.Key), u.Started.UnixMilli(), string(doc))
		return err
	}))
}

// uploadOf reads an upload, which may be complete.
func uploadOf(tx store.Tx, bucket, key, id string) (upload, error) {
	var u upload
	var doc string
	if _, err := bucketOf(tx, bucket); err != nil {
		return u, err
	}
	err := tx.Get([]any{&doc}, `SELECT doc FROM object_upload WHERE id = ? AND bucket = ? AND key = ?`, id, bucket, []byte(key))
	if errors.Is(err, store.ErrNoRows) {
		return u, fmt.Errorf("%w: %s", object.ErrNoUpload, id)
	}
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal([]byte(doc), &u)
}

// underWay reads an upload that is not complete.
func underWay(tx store.Tx, bucket, key, id string) (upload, error) {
	u, err := uploadOf(tx, bucket, key, id)
	if err == nil && u.Made != nil {
		err = fmt.Errorf("%w: %s is complete", object.ErrNoUpload, id)
	}
	return u, err
}

// Upload implements object.Uploads.
func (s *Store) Upload(ctx context.Context, bucket, key, id string) (object.Upload, error) {
	u, err := store.Read(ctx, s.db, func(tx store.Tx) (upload, error) { return underWay(tx, bucket, key, id) })
	return u.Upload, err
}

// PutPart implements object.Uploads.
func (s *Store) PutPart(ctx context.Context, p object.UploadPart, from io.Reader) (object.PartInfo, error) {
	u, err := s.Upload(ctx, p.Bucket, p.Key, p.ID)
	if err != nil {
		return object.PartInfo{}, err
	}
	c, err := s.receive(from, union(p.Checksums, u.Put.Checksums), p.Check)
	if err != nil {
		return object.PartInfo{}, err
	}
	made := part{Segments: []segment{c.segment}, PartInfo: object.PartInfo{Size: c.segment.Size, ETag: c.etag, Checksums: checksums(c.sums)}}
	info, err := s.commitPart(ctx, p, made, c.keep)
	if err != nil {
		s.drop(c)
	}
	return info, err
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// CopyPart implements object.Uploads.
func (s *Store) CopyPart(ctx context.Context, p object.UploadPart, from object.Source) (object.PartInfo, error) {
	u, err := s.Upload(ctx, p.Bucket, p.Key, p.ID)
	if err != nil {
		return object.PartInfo{}, err
	}
	c, err := s.copied(ctx, from, union(p.Checksums, u.Put.Checksums))
	if err != nil {
		return object.PartInfo{}, err
	}
	defer c.close()
	made := part{Segments: c.segments, PartInfo: object.PartInfo{Size: c.size, ETag: c.etag, Checksums: c.sums}}
	return s.commitPart(ctx, p, made, func(tx store.Tx) error { return hold(tx, c.segments) })
}

// commitPart makes what is on the disk a part of an upload, in the place of an earlier one.
func (s *Store) commitPart(ctx context.Context, p object.UploadPart, made part, also func(store.Tx) error) (object.PartInfo, error) {
	made.Number, made.Modified = p.Number, s.c.Now().UTC().Truncate(time.Millisecond)
	doc, err := json.Marshal(made)
	if err != nil {
		return made.PartInfo, err
	}
	gone, err := store.Write(ctx, s.db, func(tx store.Tx) ([]string, error) {
		if _, err := underWay(tx, p.Bucket, p.Key, p.ID); err != nil {
			return nil, err
		}
		old, err := partsOf(tx, `upload = ? AND number = ?`, p.ID, p.Number)
		if err != nil {
			return nil, err
		}
		var gone []string
		for _, o := range old {
			files, err := release(tx, o.Segments)
			if err != nil {
				return nil, err
			}
			gone = append(gone, files...)
		}
		if err := also(tx); err != nil {
			return nil, err
		}
		_, err = tx.Exec(`INSERT INTO object_part (upload, number, doc) VALUES (?, ?, ?)
			ON CONFLICT (upload, number) DO UPDATE SET doc = excluded.doc`, p.ID, p.Number, string(doc))
		return gone, err
	})
	if err != nil {
		return object.PartInfo{}, full(err)
	}
	s.remove(gone)
	return made.PartInfo, nil
}

func partsOf(tx store.Tx, where string, args ...any) ([]part, error) {
	return store.All(tx, func(scan func(...any) error) (part, error) {
		var p part
		var doc string
		if err := scan(&doc); err != nil {
			return p, err
		}
		return p, json.Unmarshal([]byte(doc), &p)
	}, `SELECT doc FROM object_part WHERE `+where+` ORDER BY number`, args...)
}

// ListParts implements object.Uploads.
func (s *Store) ListParts(ctx context.Context, bucket, key, id string, after, limit int) ([]object.PartInfo, error) {
	return store.Read(ctx, s.db, func(tx store.Tx) ([]object.PartInfo, error) {
		if _, err := underWay(tx, bucket, key, id); err != nil {
			return nil, err
		}
		parts, err := partsOf(tx, `upload = ? AND number > ?`, id, after)
		var infos []object.PartInfo
		for _, p := range parts[:min(len(parts), limit)] {
			infos = append(infos, p.PartInfo)
		}
		return infos, err
	})
}

// ListUploads implements object.Uploads.
func (s *Store) ListUploads(ctx context.Context, bucket string, l object.Listing) (object.ListedUploads, error) {
	return store.Read(ctx, s.db, func(tx store.Tx) (out object.ListedUploads, err error) {
		if _, err := bucketOf(tx, bucket); err != nil {
			return out, err
		}
		c := newScan(l)
		where, args := `bucket = ? AND key >= ?`, []any{bucket, []byte(l.Prefix)}
		if c.end != "" {
			where, args = where+` AND key < ?`, append(args, []byte(c.end))
		}
		all, err := store.All(tx, scanUpload, `SELECT doc FROM object_upload WHERE ended = 0 AND `+where+` ORDER BY key, started, id`, args...)
		if err != nil {
			return out, err
		}
		return pageOf(all, l), nil
	})
}

func scanUpload(scan func(...any) error) (upload, error) {
	var u upload
	var doc string
	if err := scan(&doc); err != nil {
		return u, err
	}
	return u, json.Unmarshal([]byte(doc), &u)
}

// pageOf is the page of uploads, which are in order, that l asks for.
func pageOf(all []upload, l object.Listing) (out object.ListedUploads) {
	begun := l.AfterVersion == "" || l.After == ""
	for _, u := range all {
		key := u.Put.Key
		switch {
		case l.After != "" && (key < l.After || key == l.After && l.AfterVersion == ""):
			continue
		case key == l.After && !begun:
			begun = u.ID == l.AfterVersion
			continue
		}
		p, grouped := common(key, l)
		if grouped && (len(out.Prefixes) > 0 && out.Prefixes[len(out.Prefixes)-1] == p || l.After == p) {
			continue
		}
		if len(out.Uploads)+len(out.Prefixes) >= l.Limit {
			out.Truncated = true
			return out
		}
		if grouped {
			out.Prefixes, out.Next, out.NextID = append(out.Prefixes, p), p, ""
		} else {
			out.Uploads, out.Next, out.NextID = append(out.Uploads, u.Upload), key, u.ID
		}
	}
	out.Next, out.NextID = "", ""
	return out
}

// CompleteUpload implements object.Uploads.
func (s *Store) CompleteUpload(ctx context.Context, c object.Complete) (object.Info, error) {
	type result struct {
		info object.Info
		gone []string
		news bool
	}
	r, err := store.Write(ctx, s.db, func(tx store.Tx) (res result, err error) {
		u, err := uploadOf(tx, c.Bucket, c.Key, c.ID)
		if err != nil {
			return res, err
		}
		if u.Made != nil {
			return result{info: *u.Made}, nil
		}
		stored, err := partsOf(tx, `upload = ?`, c.ID)
		if err != nil {
			return res, err
		}
		made, unused, err := assemble(u.Upload, c, stored)
		if err != nil {
			return res, err
		}
		p := u.Put
		p.If, p.By, p.Event = c.If, c.By, "ObjectCreated:CompleteMultipartUpload"
		if res.gone, res.news, err = s.replace(tx, p, &made); err != nil {
			return res, err
		}
		res.info = made.info()
		if c.Check != nil {
			if err := c.Check(res.info); err != nil {
				return res, err
			}
		}
		for _, o := range unused {
			files, err := release(tx, o.Segments)
			if err != nil {
				return res, err
			}
			res.gone = append(res.gone, files...)
		}
		u.Made = &res.info
		return res, u.end(tx, s.c.Now())
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

// end stores that the upload is complete.
func (u upload) end(tx store.Tx, now time.Time) error {
	doc, err := json.Marshal(u)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM object_part WHERE upload = ?`, u.ID); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE object_upload SET ended = ?, doc = ? WHERE id = ?`, now.UnixMilli(), string(doc), u.ID)
	return err
}

// assemble puts the parts together that c names, and tells which it leaves out.
func assemble(u object.Upload, c object.Complete, stored []part) (made row, unused []part, err error) {
	byNumber := map[int]part{}
	for _, p := range stored {
		byNumber[p.Number] = p
	}
	sum := md5.New()
	var used []part
	for i, want := range c.Parts {
		p, there := byNumber[want.Number]
		if !there || want.ETag != "" && want.ETag != p.ETag || !sameSums(want.Checksums, p.Checksums) {
			return made, nil, fmt.Errorf("%w: part %d", object.ErrPart, want.Number)
		}
		if i < len(c.Parts)-1 && p.Size < leastPart {
			return made, nil, fmt.Errorf("%w: part %d has %d bytes", object.ErrPartTooSmall, p.Number, p.Size)
		}
		delete(byNumber, want.Number)
		used = append(used, p)
		raw, err := hex.DecodeString(p.ETag)
		if err != nil {
			return made, nil, err
		}
		sum.Write(raw)
		made.size += p.Size
		made.Segments = append(made.Segments, p.Segments...)
		made.Parts = append(made.Parts, p.PartInfo)
	}
	if c.Size >= 0 && c.Size != made.size {
		return made, nil, fmt.Errorf("%w: %d bytes, not %d", object.ErrPart, made.size, c.Size)
	}
	made.etag = fmt.Sprintf("%x-%d", sum.Sum(nil), len(used))
	for _, p := range byNumber {
		unused = append(unused, p)
	}
	made.Checksums, err = wholeSums(u.Put.Checksums, used, c.Full)
	return made, unused, err
}

func sameSums(want, have map[string]string) bool {
	for a, v := range want {
		if have[a] != "" && have[a] != v {
			return false
		}
	}
	return true
}

// wholeSums are the checksums of what parts make together.
func wholeSums(algorithms []string, parts []part, whole bool) (map[string]string, error) {
	sums := map[string]string{}
	for _, a := range algorithms {
		var err error
		if c, ok := crcOf(a); ok && (whole || a == "CRC64NVME") {
			sums[a], err = wholeCRC(c, a, parts)
		} else {
			sums[a], err = sumOfSums(a, parts)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(sums) == 0 {
		return nil, nil
	}
	return sums, nil
}

func wholeCRC(c crc, algorithm string, parts []part) (string, error) {
	var all uint64
	for i, p := range parts {
		n, err := c.number(p.Checksums[algorithm])
		if err != nil {
			return "", err
		}
		if i == 0 {
			all = n
		} else {
			all = c.combine(all, n, p.Size)
		}
	}
	return c.text(all), nil
}

func sumOfSums(algorithm string, parts []part) (string, error) {
	h, err := newDigest(algorithm)
	if err != nil {
		return "", err
	}
	for _, p := range parts {
		raw, err := base64.StdEncoding.DecodeString(p.Checksums[algorithm])
		if err != nil {
			return "", err
		}
		h.Write(raw)
	}
	return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), len(parts)), nil
}

// AbortUpload implements object.Uploads.
func (s *Store) AbortUpload(ctx context.Context, bucket, key, id string) error {
	gone, err := store.Write(ctx, s.db, func(tx store.Tx) ([]string, error) {
		if _, err := underWay(tx, bucket, key, id); err != nil {
			return nil, err
		}
		return dropUpload(tx, id)
	})
	s.remove(gone)
	return err
}

// dropUpload forgets an upload.
func dropUpload(tx store.Tx, id string) (gone []string, err error) {
	parts, err := partsOf(tx, `upload = ?`, id)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		files, err := release(tx, p.Segments)
		if err != nil {
			return nil, err
		}
		gone = append(gone, files...)
	}
	for _, q := range []string{`DELETE FROM object_part WHERE upload = ?`, `DELETE FROM object_upload WHERE id = ?`} {
		if _, err := tx.Exec(q, id); err != nil {
			return nil, err
		}
	}
	return gone, nil
}
