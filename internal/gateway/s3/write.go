package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/object"
)

const (
	mostBytes = 5 << 30 // of an object that comes in one piece, or of a part
	mostKey   = 1024    // bytes
	mostMeta  = 2 << 10 // bytes of a user's metadata
)

// putOf reads from the headers what is to be made.
func (q *request) putOf(event string) (object.Put, wanted, error) {
	p := object.Put{Bucket: q.bucket, Key: q.key, By: q.origin(), Event: event}
	if len(q.key) > mostKey {
		return p, wanted{}, invalid("KeyTooLongError", "Your key is too long")
	}
	var err error
	if p.Meta, err = metaOf(q.Header); err != nil {
		return p, wanted{}, err
	}
	if p.Tags, err = tagsOf(q.Header.Get("X-Amz-Tagging")); err != nil {
		return p, wanted{}, err
	}
	if a := q.Header.Get("X-Amz-Acl"); a != "" && a != "private" && a != "bucket-owner-full-control" {
		return p, wanted{}, invalid("AccessControlListNotSupported", "The bucket does not allow ACLs")
	}
	if p.If, err = conditionOf(q.Header); err != nil {
		return p, wanted{}, err
	}
	w, err := wantedOf(q.Header)
	p.Checksums, p.Check = w.orDefault(), w.check
	return p, w, err
}

// metaOf is what headers say about an object.
func metaOf(h http.Header) (object.Meta, error) {
	m := object.Meta{Headers: map[string]string{}, User: map[string]string{}, Class: h.Get("X-Amz-Storage-Class")}
	for _, name := range []string{"Content-Type", "Cache-Control", "Content-Disposition", "Content-Language", "Expires", "X-Amz-Website-Redirect-Location"} {
		if v := h.Get(name); v != "" {
			m.Headers[name] = v
		}
	}
	if e := strings.Join(withoutChunked(h.Values("Content-Encoding")), ","); e != "" {
		m.Headers["Content-Encoding"] = e
	}
	size := 0
	for name, values := range h {
		if user, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			m.User[user] = strings.Join(values, ",")
			size += len(user) + len(m.User[user])
		}
	}
	if size > mostMeta {
		return m, invalid("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	}
	classes := "STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER DEEP_ARCHIVE OUTPOSTS GLACIER_IR SNOW EXPRESS_ONEZONE"
	if m.Class != "" && !strings.Contains(" "+classes+" ", " "+m.Class+" ") {
		return m, invalid("InvalidStorageClass", "The storage class you specified is not valid")
	}
	return m, nil
}

// withoutChunked are the encodings of a content, but for that of its way here.
func withoutChunked(values []string) []string {
	var rest []string
	for _, v := range values {
		for e := range strings.SplitSeq(v, ",") {
			if e = strings.TrimSpace(e); e != "" && e != "aws-chunked" {
				rest = append(rest, e)
			}
		}
	}
	return rest
}

// tagsOf reads tags from a header: they are a query.
func tagsOf(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, invalid("InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	var t tags
	for k, vs := range values {
		for _, v := range vs {
			t.Set = append(t.Set, tag{k, v})
		}
	}
	return t.pairs(10)
}

// conditionOf reads under which condition something is written.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func conditionOf(h http.Header) (object.Condition, error) {
	c := object.Condition{Match: strings.Trim(h.Get("If-Match"), `"`)}
	switch none := h.Get("If-None-Match"); none {
	case "":
	case "*":
		c.Absent = true
	default:
		return c, awserr.New(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
	}
	return c, nil
}

// putObject implements PutObject.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
func (q *request) putObject() error {
	if err := q.lengthKnown(); err != nil {
		return err
	}
	p, _, err := q.putOf("ObjectCreated:Put")
	if err != nil {
		return err
	}
	info, err := q.g.c.Store.Put(q.ctx(), p, exactly(q.Body, q.ContentLength))
	if err != nil {
		return err
	}
	q.written(info)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// lengthKnown refuses contents without a length, and those that are too long.
func (q *request) lengthKnown() error {
	if q.ContentLength > mostBytes {
		return invalid("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	if q.ContentLength < 0 {
		return awserr.New(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	return nil
}

// written tells of what was made.
func (q *request) written(info object.Info) {
	h := q.w.Header()
	h.Set("Etag", quoted(info.ETag))
	h.Set("X-Amz-Server-Side-Encryption", "AES256")
	q.versionHeader(info.Version)
	checksumHeaders(h, info.Checksums)
}

// copyObject implements CopyObject.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func (q *request) copyObject() error {
	p, _, err := q.putOf("ObjectCreated:Copy")
	if err != nil {
		return err
	}
	from, err := q.source()
	if err != nil {
		return err
	}
	p.Check = nil
	if q.Header.Get("X-Amz-Checksum-Algorithm") == "" {
		p.Checksums = nil // those of the source
	}
	replaceMeta := strings.EqualFold(q.Header.Get("X-Amz-Metadata-Directive"), "REPLACE")
	replaceTags := strings.EqualFold(q.Header.Get("X-Amz-Tagging-Directive"), "REPLACE")
	if from.Bucket == p.Bucket && from.Key == p.Key && from.Version == "" && !replaceMeta && q.Header.Get("X-Amz-Storage-Class") == "" {
		return invalid("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	source, err := q.g.c.Store.Head(q.ctx(), from.Bucket, from.Key, from.Version)
	if err != nil {
		return q.sourceAbsent(from, err)
	}
	if source.Size > mostBytes {
		return invalid("InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(mostBytes))
	}
	if !replaceMeta {
		class := p.Meta.Class
		p.Meta = source.Meta
		p.Meta.Class = class
	}
	if !replaceTags {
		p.Tags = source.Tags
	}
	info, err := q.g.c.Store.Copy(q.ctx(), from, p)
	if err != nil {
		return q.sourceAbsent(from, err)
	}
	q.versionHeader(info.Version)
	if source.Version != "null" {
		q.w.Header().Set("X-Amz-Copy-Source-Version-Id", source.Version)
	}
	q.w.Header().Set("X-Amz-Server-Side-Encryption", "AES256")
	return q.answer(copyResult("CopyObjectResult", info.ETag, info.Modified.UTC().Format(iso), info.Checksums))
}

// copyResult is the document that answers a copy.
func copyResult(name, etag, modified string, checksums map[string]string) any {
	return struct {
		XMLName      xml.Name
		LastModified string
		ETag         string
		CRC32        string `xml:"ChecksumCRC32,omitempty"`
		CRC32C       string `xml:"ChecksumCRC32C,omitempty"`
		CRC64NVME    string `xml:"ChecksumCRC64NVME,omitempty"`
		SHA1         string `xml:"ChecksumSHA1,omitempty"`
		SHA256       string `xml:"ChecksumSHA256,omitempty"`
	}{xml.Name{Space: namespace, Local: name}, modified, quoted(etag),
		checksums["CRC32"], checksums["CRC32C"], checksums["CRC64NVME"], checksums["SHA1"], checksums["SHA256"]}
}

// source reads what is copied from the headers.
func (q *request) source() (object.Source, error) {
	var from object.Source
	text := q.Header.Get("X-Amz-Copy-Source")
	path, query, _ := strings.Cut(text, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return from, invalid("InvalidArgument", "Invalid copy source encoding.")
	}
	if v, ok := strings.CutPrefix(query, "versionId="); ok {
		if from.Version, err = url.QueryUnescape(v); err != nil {
			return from, invalid("InvalidArgument", "Invalid copy source encoding.")
		}
	}
	from.Bucket, from.Key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if from.Bucket == "" || from.Key == "" {
		return from, invalid("InvalidArgument", "Invalid copy source object key")
	}
	h := q.Header
	from.Check = func(info object.Info) error { return conditions(h, "X-Amz-Copy-Source-", info) }
	return from, nil
}

// sourceAbsent is the error of a copy: of its source, where that is what is missing.
func (q *request) sourceAbsent(from object.Source, err error) error {
	if errors.Is(err, object.ErrDeleteMarker) && from.Version == "" {
		err = object.ErrNoKey
	}
	if errors.Is(err, object.ErrNoKey) || errors.Is(err, object.ErrNoVersion) {
		q.bucket, q.key = from.Bucket, from.Key
	}
	return err
}

// deleteObject implements DeleteObject.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
func (q *request) deleteObject() error {
	c, err := conditionOf(q.Header)
	if err != nil {
		return err
	}
	d, err := q.g.c.Store.Delete(q.ctx(), object.Delete{Bucket: q.bucket, Key: q.key, Version: q.param("versionId"), If: c, By: q.origin()})
	if err != nil {
		return err
	}
	q.versionHeader(d.Version)
	if d.Marker {
		q.w.Header().Set("X-Amz-Delete-Marker", "true")
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteObjects implements DeleteObjects.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
func (q *request) deleteObjects() error {
	var in struct {
		Quiet   bool
		Objects []struct {
			Key, VersionId, ETag string
		} `xml:"Object"`
	}
	type deleted struct {
		Key                   string
		VersionId             string `xml:",omitempty"`
		DeleteMarker          bool   `xml:",omitempty"`
		DeleteMarkerVersionId string `xml:",omitempty"`
	}
	type failed struct {
		Key       string
		VersionId string `xml:",omitempty"`
		Code      string
		Message   string
	}
	var out struct {
		XMLName xml.Name  `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
		Deleted []deleted `xml:"Deleted"`
		Errors  []failed  `xml:"Error"`
	}
	if _, err := q.document(&in); err != nil {
		return err
	}
	if len(in.Objects) == 0 || len(in.Objects) > 1000 {
		return malformed()
	}
	if _, err := q.g.c.Store.Bucket(q.ctx(), q.bucket); err != nil {
		return err
	}
	for _, o := range in.Objects {
		d, err := q.g.c.Store.Delete(q.ctx(), object.Delete{Bucket: q.bucket, Key: o.Key, Version: o.VersionId,
			If: object.Condition{Match: strings.Trim(o.ETag, `"`)}, By: q.origin()})
		if err != nil {
			e := q.explain(err)
			out.Errors = append(out.Errors, failed{o.Key, o.VersionId, e.Code, e.Message})
			continue
		}
		if in.Quiet {
			continue
		}
		entry := deleted{Key: o.Key, VersionId: o.VersionId, DeleteMarker: d.Marker}
		if d.Marker {
			entry.DeleteMarkerVersionId = d.Version
		}
		out.Deleted = append(out.Deleted, entry)
	}
	return q.answer(out)
}
